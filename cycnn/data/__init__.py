"""Data sets: the built-in digits, MNIST, Fashion-MNIST, folders of pictures and .npz files.

A new format is one file here that ends in a `Dataset`, and one line in `load`.
"""

from pathlib import Path

from . import augment, views
from .balance import class_weights
from .dataset import Dataset
from .digits import load_digits
from .folder import load_folder, read_picture
from .idx import read_idx
from .npz import load_npz
from .sources import SOURCES, DataNotFoundError, load_source
from .split import split

__all__ = ["Dataset", "DataNotFoundError", "augment", "class_weights", "load", "load_digits",
           "load_folder", "load_npz", "load_source", "read_idx", "read_picture", "split", "views"]

NAMES = ["digits", *SOURCES]


def load(name_or_path, data_dir=None, image_size=None, test_fraction=0.2, channels=None,
         download=True, elsewhere=True):
    """A data set as two: the images to train on and those held out to test with.

    Parameters
    ----------
    name_or_path : str or Path
        ``"digits"`` (8x8, built in), ``"mnist"`` or ``"fashion-mnist"`` (28x28), a folder with one
        sub-folder of pictures a class (`load_folder`), or an .npz file (`load_npz`). A folder that
        has one of the names is ``"./mnist"``.
    data_dir : str or Path, optional
        Where to look for MNIST and Fashion-MNIST first, and to download them to. After it come
        the environment variable ``CYCNN_DATA``, the user's cache and the distribution's folder.
    image_size : int or (int, int), optional
        Resize the pictures of a folder to this (height, width).
    test_fraction : float
        The share held out where the data set comes without a split.
    channels : {1, 3}, optional
        Read the pictures of a folder as grey or as colour; by default as they are.
    download : bool
        Whether MNIST and Fashion-MNIST may be downloaded where they are not found.
    elsewhere : bool
        False holds it to `data_dir`: the other places are not looked in, nothing is downloaded.

    Returns
    -------
    train, test : Dataset

    Raises
    ------
    ValueError
        If the name is unknown or the data are damaged or do not fit together; the text names the
        file.
    FileNotFoundError
        If the path does not exist, or (`DataNotFoundError`) the files of a named data set are
        nowhere; the text lists every place.

    Examples
    --------
    >>> train, test = load("digits")
    >>> train
    Dataset(1437 images of 1x8x8 uint8, 10 classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    """
    path = Path(name_or_path)
    if (image_size, channels) != (None, None) and not path.is_dir():
        raise ValueError("image_size and channels are for a folder of pictures, which "
                         f"{str(name_or_path)!r} is not")
    if name_or_path == "digits":
        return load_digits()
    if name_or_path in SOURCES:
        return load_source(name_or_path, data_dir, download, elsewhere)
    if path.is_dir():
        return load_folder(path, image_size, test_fraction, channels)
    known = f"the known ones are {', '.join(NAMES)}, a folder of pictures, and an .npz file"
    if path.is_file():
        if path.suffix.lower() != ".npz":
            raise ValueError(f"{path}: not a data set that can be read; {known}")
        return load_npz(path, test_fraction)
    if path.name == str(name_or_path) and not path.suffix:
        raise ValueError(f"unknown data set {str(name_or_path)!r}; {known}")
    raise FileNotFoundError(f"no such file or folder: {path}")
