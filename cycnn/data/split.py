"""Splitting a data set into a part to train on and a part held out."""

import math

import numpy as np

from ..functional import _check
from .dataset import Dataset


def split(dataset, test_fraction=0.2, seed=0):
    """Split `dataset` in two, each class in the same proportion.

    Parameters
    ----------
    dataset : Dataset
    test_fraction : float
        The held-out share, from 0 to below 1. Its size is rounded up to a whole number of images,
        shared out over the classes by largest remainder; every class keeps an image to train on.
    seed : int
        The same seed gives the same split, on every machine.

    Returns
    -------
    train, test : Dataset
        Copies, each in the order of `dataset`; of images on the disk nothing is copied, and they
        are read when they are used.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError("dataset must be a cycnn.data.Dataset, such as Dataset(images, labels), "
                        f"got {type(dataset).__name__}")
    fraction = _check.number(test_fraction, "test_fraction", minimum=0, below=1)
    seed = _check.integer(seed, "seed", 0)
    labels = dataset.labels
    # NumPy promises that the raw numbers stay the same in every version; for shuffles it does not.
    order = np.random.PCG64(seed).random_raw(len(labels))
    held_out = np.zeros(len(labels), bool)
    counts = np.bincount(labels, minlength=len(dataset.classes))
    for label, size in enumerate(_test_sizes(counts, fraction)):
        members = np.flatnonzero(labels == label)
        held_out[members[np.argsort(order[members])[:size]]] = True
    return dataset[~held_out], dataset[held_out]


def _test_sizes(counts, fraction):
    """How many images to hold out of each class."""
    shares = counts * fraction
    sizes = np.floor(shares).astype(int)
    missing = math.ceil(round(shares.sum(), 6)) - sizes.sum()
    sizes[np.argsort(sizes - shares, kind="stable")[:missing]] += 1
    return np.minimum(sizes, np.maximum(counts - 1, 0))
