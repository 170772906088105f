"""``cycnn predict``: what pictures show."""

import math
import os
import sys

import numpy as np

from .. import data
from ..data.folder import SUFFIXES
from .shared import class_names, loaded, text_of

# Pictures that are in memory at a time: so many, and fewer where they are large.
_BATCH, _PIXELS = 64, 1 << 20


def run(args):
    """Print a line for each picture; one that cannot be read is told of, and the next one is read.

    Returns
    -------
    int
        The exit status.
    """
    model = loaded(args.model)
    channels, *size = model.input_shape
    if channels not in (1, 3):
        raise ValueError(f"{args.model}: takes images of {channels} channels, pictures have 1 or 3")
    scale = _pixel_scale(model.normalization)
    failed = []
    for paths, pixels in _batches(args.images, channels, size, failed):
        if args.invert:
            pixels = 255 - pixels
        probabilities = model.predict_proba(pixels * scale)
        names = class_names(model, probabilities.shape[1])
        for path, row in zip(paths, probabilities):
            answer = int(row.argmax())
            print(f"{path}\t{names[answer]}\t{100 * row[answer]:.1f} %")
        sys.stdout.flush()
    return 2 if failed else 0


def _batches(names, channels, size, failed):
    """Yield (paths, images), a batch at a time; paths that cannot be read go to `failed`."""
    together = max(1, min(_BATCH, _PIXELS // math.prod(size)))
    paths, images = [], []
    for path in _paths(names):
        try:
            images.append(_read(path, channels, size))
            paths.append(path)
        except (ValueError, OSError) as error:
            print(f"cycnn: {text_of(error)}", file=sys.stderr)
            failed.append(path)
        if len(paths) == together:
            yield _taken(paths, images)
    if paths:
        yield _taken(paths, images)


def _taken(paths, images):
    """Both as they are to be used, and the lists empty again."""
    batch = paths[:], np.stack(images)
    paths.clear()
    images.clear()
    return batch


def _paths(names):
    """Yield the files, and of a folder the pictures in it and in the folders within, by name."""
    for name in names:
        if not os.path.isdir(name):
            yield name
            continue
        empty = True
        for folder, inner, files in os.walk(name):
            inner[:] = sorted(each for each in inner if not each.startswith("."))
            for file in sorted(files):
                if file.lower().endswith(SUFFIXES) and not file.startswith("."):
                    empty = False
                    yield os.path.join(folder, file)
        if empty:
            yield name


def _read(path, channels, size):
    """A picture as the network takes it, uint8 (C, H, W); that it was resized is said."""
    if os.path.isdir(path):
        raise ValueError(f"{path}: no pictures in this folder (looked for files ending in "
                         f"{', '.join(SUFFIXES)})")
    picture = data.read_picture(path, channels)
    if picture.shape[1:] != tuple(size):
        print(f"{path}: resized from {picture.shape[1]}x{picture.shape[2]} to "
              f"{size[0]}x{size[1]} (height x width)", file=sys.stderr)
        picture = data.read_picture(path, channels, size)
    return picture


def _pixel_scale(normalization):
    """What to multiply pixels of 0 to 255 by: 1/255 for a network trained on 0 to 1.

    The file does not say which; the training images' own mean and spread do.
    """
    if normalization is None:
        return 1
    typical = np.abs(normalization.mean) + 2 * np.asarray(normalization.std)
    return np.float32(1 / 255) if typical.max() < 4 else 1
