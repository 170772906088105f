"""Whether what a callback writes can be written: found out before hours of training, not after."""

import contextlib
import os


def checked(path, name="path"):
    """The argument `path` of a callback as a str."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise TypeError(f"{name} must be a str or a path-like object, got {path!r}")
    if not os.fspath(path):
        raise ValueError(f"{name} must not be empty, got {path!r}")
    return os.fspath(path)


def check_writable(path, suffix=""):
    """Raise if no file can be written at `path`, or none under its name and `suffix`."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise IsADirectoryError(f"path must be a name for a file, {path} is a folder")
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"path: for {path} there is no folder {folder} to write to")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"path: for {path} the folder {folder} cannot be written to")
    with _naming("path", path, "a name that a file can have there"):
        _try(os.path.realpath(path) + suffix)


def check_folder(path, name):
    """Raise if there is no folder `path` for files, and none can be made."""
    if os.path.exists(path) and not os.path.isdir(path):
        raise NotADirectoryError(f"{name} must be a folder, {path} is a file")
    new, folder = [], os.path.abspath(path)
    while not os.path.lexists(folder):
        new.append(folder)
        folder = os.path.dirname(folder)
    try:
        with _naming(name, path, "a folder for files, or one that can be made"):
            os.makedirs(path, exist_ok=True)
            _try(os.path.join(path, f"{os.urandom(4).hex()}.tmp"))
    finally:
        # A training that is refused for another reason leaves no folders behind.
        for folder in new:
            with contextlib.suppress(OSError):
                os.rmdir(folder)


@contextlib.contextmanager
def _naming(name, path, what):
    """Let an error of the system say which argument it is about."""
    try:
        yield
    except (OSError, ValueError) as error:          # a ValueError: a null character
        reason = getattr(error, "strerror", None) or error
        kind = next((kind for kind in (PermissionError, NotADirectoryError)
                     if isinstance(error, kind)), ValueError)
        raise kind(f"{name} must be {what}, got {_short(path)}: {reason}") from error


def _try(path):
    """Open a file for writing, and remove it unless it was there."""
    there = os.path.lexists(path)
    with open(path, "ab"):
        pass
    if not there:
        os.remove(path)


def _short(path):
    return repr(path) if len(path) <= 100 else f"{path[:100]!r}... of {len(path)} characters"
