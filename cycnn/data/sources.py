"""MNIST and Fashion-MNIST: where they are looked for, and how they are downloaded."""

import contextlib
import os
import sys
from pathlib import Path
from typing import NamedTuple

from .._extras import require
from .dataset import Dataset
from .idx import read_idx

# The file names that both sets share, in the order: images, labels; train, then test.
TRAIN_FILES = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_FILES = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


class Source(NamedTuple):
    """What is known about one published data set."""

    classes: list
    homepage: str
    mirrors: list           # each holds every file, as published, under its own name
    sha256: dict            # of the .gz files, as published
    first_test_labels: list  # tells sets apart whose files have the same names
    system_folders: list    # where Linux distributions put it


SOURCES = {
    "mnist": Source(
        classes=[str(digit) for digit in range(10)],
        homepage="http://yann.lecun.com/exdb/mnist/",
        mirrors=["https://ossci-datasets.s3.amazonaws.com/mnist/",
                 "https://storage.googleapis.com/cvdf-datasets/mnist/"],
        sha256={
            "train-images-idx3-ubyte.gz":
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz":
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz":
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz":
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
        first_test_labels=[7, 2, 1, 0, 4, 1, 4, 9, 5, 9],
        system_folders=[],
    ),
    "fashion-mnist": Source(
        classes=["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt",
                 "Sneaker", "Bag", "Ankle boot"],
        homepage="https://github.com/zalandoresearch/fashion-mnist",
        mirrors=["https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/"
                 "data/fashion/",
                 "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
        sha256={
            "train-images-idx3-ubyte.gz":
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz":
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz":
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz":
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
        first_test_labels=[9, 2, 1, 1, 6, 1, 4, 6, 5, 7],
        system_folders=["/usr/share/datasets/fashion-mnist"],       # Debian: dataset-fashion-mnist
    ),
}


class DataNotFoundError(FileNotFoundError):
    """A data set is in none of the places it is looked for in, and cannot be downloaded."""


def load_source(name, data_dir=None, download=True, elsewhere=True):
    """MNIST or Fashion-MNIST as (train, test), from disk or else from the network.

    Parameters
    ----------
    name : str
        A key of `SOURCES`.
    data_dir : str or Path, optional
        The folder to look in first, and to download to.
    download : bool
        Whether the network may be used.
    elsewhere : bool
        False looks in `data_dir` alone, and does not use the network.

    Raises
    ------
    DataNotFoundError
        If the files are nowhere and could not be downloaded. It lists every place.
    ValueError
        If a file found is damaged, or no `data_dir` is given to look in alone.
    """
    source = SOURCES[name]
    refused = []
    if not (elsewhere or data_dir):
        raise ValueError(f"data_dir must be a folder where elsewhere is False, got {data_dir!r}")
    for folder in folders(name, data_dir, elsewhere):
        files = _files_in(folder, source, refused)
        if files:
            return _read(files, source.classes)
    if not (download and elsewhere):
        asked = "download=False" if elsewhere else "nothing but this folder was to be looked in"
        raise _not_found(name, refused, [f"the network was not asked ({asked})"])
    target = (Path(data_dir).expanduser() if data_dir else cache_dir()) / name
    return _read(_download(name, target, refused), source.classes)


def folders(name, data_dir=None, elsewhere=True):
    """The folders in which the files of `name` are looked for, best first."""
    roots = [data_dir, *([os.environ.get("CYCNN_DATA"), cache_dir()] if elsewhere else [])]
    roots = [Path(root).expanduser() for root in roots if root]
    return ([folder for root in roots for folder in (root / name, root)]
            + [Path(folder) for folder in SOURCES[name].system_folders if elsewhere])


def cache_dir():
    """The folder for downloads: what ``pooch.os_cache("cycnn")`` says, without needing pooch."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(base, "cycnn", "cycnn", "Cache")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "cycnn"
    return Path(os.environ.get("XDG_CACHE_HOME", "").strip() or Path.home() / ".cache") / "cycnn"


def _files_in(folder, source, refused):
    """The four files in `folder`, packed or not, or None; `refused` gets a line saying why."""
    found, missing = [], []
    for name in TRAIN_FILES + TEST_FILES:
        candidates = [folder / f"{name}.gz", folder / name]
        path = next((path for path in candidates if path.is_file()), None)
        (found if path else missing).append(path or name)
    if missing:
        refused.append(f"{folder}" + (f" (has no {missing[0]}[.gz])" if found else ""))
        return None
    # MNIST's file names are Fashion-MNIST's too (and KMNIST's...): the labels tell which it is.
    labels = read_idx(found[3])
    for other in SOURCES.values():
        if other is not source and labels[:10].tolist() == other.first_test_labels:
            refused.append(f"{folder} (has the files of another data set)")
            return None
    return found


def _read(files, classes):
    """(train, test) from the four files."""
    parts = []
    for images_file, labels_file in (files[:2], files[2:]):
        images, labels = read_idx(images_file), read_idx(labels_file)
        if images.ndim != 3:
            raise ValueError(f"{images_file}: images should have 3 dimensions, "
                             f"got shape {images.shape}")
        try:
            parts.append(Dataset(images, labels, classes))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{images_file} and {labels_file}: {error}") from None
    return tuple(parts)


def _download(name, target, refused):
    """Fetch what is missing of the four files into `target`; each is checked by its SHA-256."""
    source = SOURCES[name]
    purpose = f"downloading {name}"
    try:
        pooch = require("pooch", extra="download", purpose=purpose)
        require("tqdm", extra="download", purpose=purpose)
    except ImportError as error:
        raise _not_found(name, refused, [str(error)]) from None
    new_folders = [folder for folder in (target, *target.parents) if not folder.exists()]
    files = []
    for file_name in (f"{name}.gz" for name in TRAIN_FILES + TEST_FILES):
        failures = []
        for mirror in source.mirrors:
            try:
                files.append(Path(pooch.retrieve(
                    mirror + file_name, f"sha256:{source.sha256[file_name]}", file_name, target,
                    downloader=pooch.HTTPDownloader(progressbar=True))))
                break
            except (OSError, ValueError) as error:      # no network; a wrong checksum
                failures.append(f"{mirror}{file_name}: {_short(error)}")
        else:
            with contextlib.suppress(OSError):          # from the innermost; one that is not empty
                for folder in new_folders:
                    folder.rmdir()
            raise _not_found(name, refused, failures)
    return files


def _short(error):
    """The first line of an error's text, or what caused it: requests nests four deep."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    error = getattr(error, "reason", None) or error
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + "..."


def _not_found(name, refused, failures):
    source = SOURCES[name]
    first = TRAIN_FILES[0]
    places = "\n".join(f"  {place}" for place in refused)
    reasons = "\n".join(f"  {failure}" for failure in failures)
    return DataNotFoundError(
        f"{name} was not found. Looked in:\n{places}\nDownloading:\n{reasons}\n"
        f"To get it by hand: download {first}.gz, {TRAIN_FILES[1]}.gz, {TEST_FILES[0]}.gz and "
        f"{TEST_FILES[1]}.gz from {source.mirrors[0]} (see {source.homepage}) into one folder, "
        "and give that folder as --data-dir (data_dir= in Python) or in the environment variable "
        "CYCNN_DATA.")
