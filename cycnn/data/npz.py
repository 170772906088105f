"""Data sets in NumPy's .npz files, under the names that Keras, MedMNIST and most others use."""

import zipfile
import zlib

import numpy as np

from ..functional import _check
from . import names
from .dataset import Dataset
from .split import split

# (train images, train labels, test images, test labels)
_SPLIT_NAMES = [("x_train", "y_train", "x_test", "y_test"),                          # Keras
                ("train_images", "train_labels", "test_images", "test_labels")]      # MedMNIST
_WHOLE_NAMES = [("images", "labels"), ("x", "y"), ("X", "y")]
_CLASSES = "classes"


def load_npz(path, test_fraction=0.2):
    """The data set in an .npz file as (train, test).

    Parameters
    ----------
    path : str or Path
        The file holds ``x_train, y_train, x_test, y_test``, or ``train_images, train_labels,
        test_images, test_labels``, or ``images, labels`` or ``x, y``, which are then split; and
        perhaps ``classes``, the names. Labels may be ``(N,)`` or ``(N, 1)``.
    test_fraction : float
        The share held out where the file brings no split.

    Raises
    ------
    ValueError
        If the file is damaged, holds Python objects, lacks these names, or its arrays do not fit
        (see `Dataset`).
    """
    try:
        with open(path, "rb") as stream, np.load(_zip(stream), allow_pickle=False) as file:
            classes = _names(file[_CLASSES]) if _CLASSES in file else None
            for group in _SPLIT_NAMES:
                if all(name in file for name in group):
                    arrays = [file[name] for name in group]
                    return _pair(*arrays, classes)
            for group in _WHOLE_NAMES:
                if all(name in file for name in group):
                    images, labels = (file[name] for name in group)
                    return split(Dataset(images, _flat(labels), classes), test_fraction)
            expected = " or ".join(", ".join(group) for group in _SPLIT_NAMES + _WHOLE_NAMES[:2])
            raise ValueError(f"it holds the arrays {', '.join(file) or '(none)'}; "
                             f"needed are {expected}")
    except FileNotFoundError:
        raise
    except (ValueError, TypeError, OSError, EOFError, MemoryError, NotImplementedError,
            zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: {error}") from error


def _zip(stream):
    """`stream` itself, if it is an archive: anything else np.load takes for a pickle."""
    if not zipfile.is_zipfile(stream):
        raise ValueError("not an .npz file (it is no zip archive, or is cut short)")
    stream.seek(0)
    return stream


def _pair(train_images, train_labels, test_images, test_labels, classes):
    train_labels, test_labels = (_check.integers(_flat(labels), "labels", 1)
                                 for labels in (train_labels, test_labels))
    train = Dataset(train_images, train_labels, classes)
    if classes is None and train_labels.size and test_labels.size:
        classes = range(names.count(train_labels, test_labels))
        train = Dataset(train_images, train_labels, classes)
    test = Dataset(test_images, test_labels, classes)
    if test.images.shape[1:] != train.images.shape[1:]:
        raise ValueError(f"training images are {train.images.shape[1:]} (C, H, W) and test images "
                         f"{test.images.shape[1:]}")
    return train, test


def _names(classes):
    if classes.ndim != 1:
        raise ValueError(f"{_CLASSES} must be one row of names, (N,), got shape {classes.shape}")
    return classes.tolist()


def _flat(labels):
    """(N, 1) -> (N,): the form of CIFAR's and MedMNIST's labels."""
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
