"""What several commands need."""

import os
from pathlib import Path

import cycnn as cn


def stem(name):
    """A data set's name for the names of files: "digits", or the last part of a path."""
    path = Path(name)
    return path.stem if path.suffix == ".npz" else path.resolve().name or "model"


def writable(path):
    """`path`, if a file can be written there, and before it one beside it with a longer name."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a name for a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent} to write to")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path}: the folder {path.parent} cannot be written to")
    # Only trying tells of a name that is too long, and of folders such as /proc.
    temporary = f"{os.path.realpath(path)}.{os.urandom(4).hex()}.tmp"
    try:
        with open(temporary, "xb"):
            pass
    except OSError as error:
        raise OSError(f"{path}: no file can be written there: {error.strerror}") from error
    os.remove(temporary)
    return path


def apart(files):
    """Raise if two of `files`, {what: path or None}, are one file, in whatever spelling."""
    taken = {}
    for what, path in files.items():
        if path:
            other = taken.setdefault(_identity(path), what)
            if other != what:
                raise ValueError(f"{path}: this is the name of both {other} and {what}")


def _identity(path):
    try:
        status = os.stat(path)
    except OSError:                 # not there yet
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def loaded(path):
    """The model in a file, which says the size of its images."""
    model = cn.load(path)
    if model.input_shape is None:
        raise ValueError(f"{path}: it does not say the size of its images; train it with "
                         "cycnn.Trainer, or set model.input_shape before saving")
    return model


def class_names(model, outputs):
    """What so many outputs of a model stand for: its classes, and beyond them numbers."""
    names = (model.classes or [])[:outputs]
    return [*names, *map(str, range(len(names), outputs))]


def threads():
    """How many are in use, in words."""
    number = cn.get_num_threads()
    return f"{number} thread{'s' * (number > 1)}"


def text_of(error):
    """What an error says, without Python's dress."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
