"""What several commands need."""

import os
from pathlib import Path

import cycnn as cn


def stem(name):
    """A data set's name for the names of files: "digits", or the last part of a path."""
    path = Path(name)
    return path.stem if path.suffix == ".npz" else path.resolve().name or "model"


def writable(path):
    """`path`, if a file can be written there."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a name for a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent} to write to")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path}: the folder {path.parent} cannot be written to")
    return path


def loaded(path):
    """The model in a file, which says the size of its images."""
    model = cn.load(path)
    if model.input_shape is None:
        raise ValueError(f"{path}: it does not say the size of its images; train it with "
                         "cycnn.Trainer, or set model.input_shape before saving")
    return model


def threads():
    """How many are in use, in words."""
    number = cn.get_num_threads()
    return f"{number} thread{'s' * (number > 1)}"


def text_of(error):
    """What an error says, without Python's dress."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
