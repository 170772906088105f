"""Suite `size`: what an installation takes, and what an import takes beyond NumPy's.

Every import is that of a fresh interpreter (`size_side.py`), which imports NumPy first. The
libraries take turns.
"""

import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from . import ROOT
from .timing import quartiles, spread

# What is imported -> the name it is installed by.
LIBRARIES = {"cycnn": "cycnn", "torch": "torch", "onnxruntime": "onnxruntime"}
COLUMNS = ("library", "version", "installed MB", "wheel MB", "import ms beyond NumPy",
           "modules", "imports beside NumPy and the standard library")
PEERS = {}                  # a ratio of bytes would be one of what the libraries can do
_NOT_INSTALLED = (".pyx", ".h")     # in a source folder, beside what an installation has


def run(threads, rounds, seconds, quick=False, wheels=(), **_):
    """Yield one result, a dict, for each library that is installed."""
    names = [name for name in LIBRARIES if importlib.util.find_spec(name)]
    turns = 1 if quick else rounds
    imports = {name: [] for name in names}
    imported(names[0])                      # whoever is first would have NumPy read from the disk
    for turn in range(turns):
        for name in names if turn % 2 == 0 else names[::-1]:
            imports[name].append(imported(name))
    for name in names:
        files = wheels_of(name, wheels)
        size, of_source = installed_size(name)
        first = imports[name][0]
        yield {"suite": "size", "library": name, "version": first["version"],
               "installed_megabytes": size / 1e6, "source_folder": of_source,
               "wheel_megabytes": {file.name: file.stat().st_size / 1e6 for file in files},
               "import_milliseconds": quartiles([1e3 * one["seconds"] for one in imports[name]]),
               "numpy_milliseconds": quartiles([1e3 * one["numpy"] for one in imports[name]]),
               "modules": first["modules"], "foreign": first["foreign"]}


def imported(name):
    """What a fresh interpreter says of its import of the library."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.size_side", name], cwd=ROOT, text=True,
                          capture_output=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"importing {name} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def installed_size(name):
    """(bytes of the library's files without Python's caches, whether that is a source folder).

    What it depends on is not counted.
    """
    try:
        files = importlib.metadata.files(LIBRARIES[name]) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    folder = Path(importlib.util.find_spec(name).origin).parent
    places = {Path(file.locate()).resolve() for file in files if file.suffix != ".pyc"}
    # An editable installation lists no files of the package; what is on the path may be another.
    if folder.resolve() / "__init__.py" in places:
        return sum(place.stat().st_size for place in places if place.exists()), False
    return sum(file.stat().st_size for file in folder.rglob("*")
               if file.is_file() and "__pycache__" not in file.parts
               and file.suffix not in _NOT_INSTALLED), True


def wheels_of(name, wheels):
    """The library's among the wheels that were given, else those built in the checkout."""
    files = [Path(wheel) for wheel in wheels or ()] or [
        file for folder in ("dist", "wheelhouse") for file in sorted((ROOT / folder).glob("*.whl"))]
    return [file for file in files if file.name.partition("-")[0].lower() == name]


def notes(results):
    """What stands under the table."""
    if not results:
        return []
    lines = ["Import: that of the library in a fresh interpreter that has imported NumPy, which "
             f"took {spread(results[0]['numpy_milliseconds'], '.0f')} ms there, the libraries in "
             "turn. MB are millions of bytes, without what a library depends on and without "
             "Python's caches."]
    if any(result["source_folder"] for result in results):
        lines.append("cycnn is that of a source folder: files that an installation would have are "
                     "counted, with the symbols that a repaired wheel is stripped of.")
    if not results[0]["wheel_megabytes"]:
        lines.append("No wheel was given (--wheel FILE), and none is in dist or wheelhouse.")
    lines += [f"{name} is not installed: nothing to compare with."
              for name in LIBRARIES if name not in {result["library"] for result in results}]
    return lines


def cells(result):
    """The result as the cells of a table's row."""
    foreign = result["foreign"]
    return [result["library"], result["version"], f"{result['installed_megabytes']:.1f}",
            ", ".join(f"{size:.2f}" for size in result["wheel_megabytes"].values()) or "-",
            spread(result["import_milliseconds"], ".1f"), str(result["modules"]),
            "nothing" if not foreign else ", ".join(foreign[:4]) + (
                f" and {len(foreign) - 4} more" if len(foreign) > 4 else "")]
