"""Folders of pictures: one sub-folder a class."""

import contextlib
from pathlib import Path

import numpy as np

from .._extras import require
from ..functional import _check
from .dataset import Dataset
from .lazy import Lazy
from .split import split

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm",
            ".pbm")
_GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N", "I", "F")
# Formats whose numbers have 16 bits at most, though Pillow may read them as 32.
_NARROW_FORMATS = ("PPM", "PNG")
_ORIENTATION = 0x0112       # the EXIF tag; 5 to 8 are the quarter turns


def load_folder(path, image_size=None, test_fraction=0.2, channels=None, in_memory=True):
    """The pictures of a folder as (train, test).

    Parameters
    ----------
    path : str or Path
        Either ``path/class/picture.png``, which is split, or ``path/train/class/picture.png`` and
        ``path/test/class/picture.png``, which is the split. Classes are sorted by name. Hidden
        files and files that are no pictures by their suffix are left out.
    image_size : int or (int, int), optional
        Resize every picture to this (height, width); needed where they differ.
    test_fraction : float
        The share held out where there is no ``test`` folder.
    channels : {1, 3}, optional
        Read all as grey, or all as colour; by default as grey if every picture is.
    in_memory : bool
        With False no picture is read until it is used, and again whenever it is: for folders larger
        than memory. (Training reads them in a thread of its own.)

    Returns
    -------
    train, test : Dataset
        uint8.

    Raises
    ------
    ValueError
        If there are no classes or no pictures, a picture cannot be read, or their sizes differ.
    """
    path = Path(path)
    train, test = path / "train", path / "test"
    if not (train.is_dir() and test.is_dir()):
        classes = _classes(path)
        whole = _read([_pictures(path, classes)], classes, image_size, channels, in_memory)[0]
        return split(whole, test_fraction)
    classes = _classes(train)
    unknown = sorted(set(_subfolders(test)) - set(classes))
    if unknown:
        raise ValueError(f"{test}: the class {unknown[0]!r} is not in {train}")
    # A class without test pictures is no mistake; one without training pictures is.
    tested = _pictures(test, classes, every_class=False)
    return tuple(_read([_pictures(train, classes), tested], classes, image_size, channels,
                       in_memory))


def read_picture(path, channels=None, image_size=None):
    """One picture as an array.

    Parameters
    ----------
    path : str or Path
    channels : {1, 3}, optional
        Grey or colour; by default what the picture is.
    image_size : (int, int), optional
        Resize to this (height, width).

    Returns
    -------
    ndarray of uint8
        ``(C, H, W)``, the channels last in memory.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read as a picture.
    """
    with _opened(path) as picture:
        channels = channels or (1 if picture.mode in _GREY_MODES else 3)
        pixels = _pixels(picture, channels, image_size)
        return pixels[np.newaxis] if channels == 1 else pixels.transpose(2, 0, 1)


def _subfolders(folder):
    return sorted(entry.name for entry in folder.iterdir()
                  if entry.is_dir() and not entry.name.startswith("."))


def _classes(folder):
    found = _subfolders(folder)
    if len(found) < 2:
        raise ValueError(f"{folder}: needs one sub-folder of pictures for each of at least two "
                         f"classes, found {found or 'no sub-folder'}")
    return found


def _pictures(folder, classes, every_class=True):
    """[(file, label)], sorted by class and name."""
    pictures = []
    for label, name in enumerate(classes):
        subfolder = folder / name
        files = sorted(entry for entry in (subfolder.iterdir() if subfolder.is_dir() else ())
                       if entry.suffix.lower() in SUFFIXES and entry.is_file()
                       and not entry.name.startswith("."))
        if every_class and not files:
            raise ValueError(f"{subfolder}: no pictures in this class's folder (looked for files "
                             f"ending in {', '.join(SUFFIXES)})")
        pictures += [(file, label) for file in files]
    if not pictures:
        raise ValueError(f"{folder}: no pictures in its class folders")
    return pictures


class Pictures(Lazy):
    """Picture files as one array of images, read when they are asked for.

    Parameters
    ----------
    files : list of Path
    channels : {1, 3}
    size : (int, int)
        Height and width; pictures of other sizes are resized.
    """

    def __init__(self, files, channels, size):
        super().__init__((len(files), channels, *size), np.uint8)
        self.files = files

    def read(self, indices):
        _, channels, height, width = self.shape
        images = np.empty((len(indices), height, width, channels), np.uint8)
        for place, index in enumerate(indices):
            with _opened(self.files[index]) as picture:
                images[place] = _pixels(picture, channels, (height, width)).reshape(
                    height, width, channels)
        return images.transpose(0, 3, 1, 2)


def _read(parts, classes, image_size, channels, in_memory):
    """A Dataset for each list of (file, label); all have the same size and channels."""
    if image_size is not None:
        image_size = _check.pair(image_size, "image_size", 1)
    if channels not in (None, 1, 3):
        raise ValueError(f"channels must be 1 or 3, got {channels!r}")
    first, size, all_grey = None, image_size, True
    for file, _ in (picture for part in parts for picture in part):     # headers only
        found, grey = _header(file)
        all_grey = all_grey and grey
        if image_size is None and first is not None and found != size:
            raise ValueError(
                f"pictures must be of one size: {first} is {size[0]}x{size[1]} (height x width) "
                f"and {file} is {found[0]}x{found[1]}; give image_size= (--image-size) to resize "
                "them")
        if first is None:
            first, size = file, image_size or found
    channels = channels or (1 if all_grey else 3)
    datasets = []
    for part in parts:
        images = Pictures([file for file, _ in part], channels, size)
        datasets.append(Dataset(images[:] if in_memory else images, [label for _, label in part],
                                classes))
    return datasets


@contextlib.contextmanager
def _opened(path):
    """The picture in a file; whatever goes wrong with it is a ValueError that names the file."""
    image = require("PIL.Image", extra="images", purpose="reading pictures")
    try:
        with image.open(path) as picture:
            yield picture
    except FileNotFoundError:
        raise
    except Exception as error:      # Pillow raises what its decoders raise: OSError, SyntaxError...
        raise ValueError(f"{path}: cannot be read as a picture: {error}") from error


def _header(path):
    """(height, width) and whether it is grey, without decoding the pixels."""
    with _opened(path) as picture:
        size = picture.height, picture.width
        lying = picture.getexif().get(_ORIENTATION) in (5, 6, 7, 8)
        return size[::-1] if lying else size, picture.mode in _GREY_MODES


def _pixels(picture, channels, image_size):
    """The picture upright, on white where it is transparent, as uint8 (H, W) or (H, W, 3)."""
    ops = require("PIL.ImageOps", extra="images", purpose="reading pictures")
    image = require("PIL.Image", extra="images", purpose="reading pictures")
    narrow = picture.format in _NARROW_FORMATS          # the upright one does not say
    picture = ops.exif_transpose(picture)
    if picture.mode.startswith("I;16") or (picture.mode == "I" and narrow):
        picture = image.fromarray(_bytes_of(picture))
    elif picture.mode in ("I", "F"):
        raise ValueError(f"its pixels are 32-bit numbers (mode {picture.mode}); convert them to "
                         "8 or 16 bits")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = picture.copy()
        white.paste((255, 255, 255, 255), (0, 0, *picture.size))
        white.alpha_composite(picture)
        picture = white
    picture = picture.convert("L" if channels == 1 else "RGB")
    if image_size is not None and (picture.height, picture.width) != tuple(image_size):
        picture = picture.resize((image_size[1], image_size[0]), image.Resampling.BILINEAR)
    return np.asarray(picture)


def _bytes_of(picture):
    """Grey of 16 bits as uint8, on white where it is transparent.

    By NumPy: Pillow has no such step for all of its modes, and one that takes the number that is
    transparent along as it was.
    """
    values = np.asarray(picture)
    pixels = (values // 256).astype(np.uint8)
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):
        pixels[values == transparent] = 255
    return pixels
