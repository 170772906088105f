"""How fast and how exact cycnn is, next to its peers: ``python -m benchmarks --help``.

For the checkout alone; it is not installed with the package.
"""

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Python looks in the current folder first. After `pip install .` the checkout's own cycnn has no
# compiled kernels: then the installed one is meant, and only `examples` is found in the checkout.
if not any((ROOT / "cycnn" / "kernels" / f"cpu{suffix}").exists() for suffix in EXTENSION_SUFFIXES):
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != ROOT] + [str(ROOT)]
