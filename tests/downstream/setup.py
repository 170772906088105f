"""What another package needs to build its Cython on cycnn's: one line that says where that is."""

from pathlib import Path

import cycnn
from Cython.Build import cythonize
from setuptools import setup

# Cython looks for .pxd files along sys.path; cycnn is not on it where it was installed with -e.
setup(ext_modules=cythonize("downstream.pyx", language_level=3,
                            include_path=[str(Path(cycnn.__file__).parents[1])]))
