"""The compiled room: convolution, pooling and the other loops over numbers.

Every `.pyx` here but a few is built once per instruction set (`levels.py` says which), all of them
into one library: `avx2.*.so`, for example. This file picks the library for the processor at hand,
and tells Python that its modules are there, so that `cycnn.kernels.conv` is that processor's build:
for `import` and for Cython's `cimport` alike.

Kernels trust what they get. :mod:`cycnn.functional` is where arguments are checked.
"""

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec

from .levels import EACH, built_for

_MISSING = ("cycnn's compiled kernels are missing here ({}): this is a source folder. Run "
            "'pip install -e .' in it, or leave it and import an installed cycnn")

try:
    from . import cpu
except ImportError as error:
    raise ImportError(_MISSING.format(os.path.dirname(__file__))) from error


def choose_isa(words, available, wanted=None):
    """The instruction set to load.

    Parameters
    ----------
    words : dict or None
        The processor's feature words (:func:`cycnn.kernels.cpu.feature_words`).
    available : sequence of str
        The instruction sets that this installation was built for.
    wanted : str, optional
        The value of `CYCNN_ISA`; empty or None takes the best one.

    Returns
    -------
    str
        ``"baseline"``, ``"avx2"`` or ``"avx512"``.

    Raises
    ------
    ImportError
        If the processor is below the baseline, or `wanted` is unknown, not built or not supported.
    """
    supported = cpu.supported_levels(words)
    if not supported:
        raise ImportError("cycnn needs an x86-64-v2 processor (SSE4.2 and POPCNT, about 2009 or "
                          f"newer); this one lacks {_lacking(words, 'baseline')}")
    usable = [level for level in supported if level in available]
    if not usable:
        raise ImportError(_MISSING.format(_here))
    if not wanted:
        return usable[-1]
    if wanted not in cpu.FEATURES:
        raise ImportError(f"CYCNN_ISA={wanted!r} is unknown; choose from {', '.join(usable)}")
    if wanted not in usable:
        why = ("was not built" if wanted in supported else
               f"is not supported by this processor: it lacks {_lacking(words, wanted)}")
        raise ImportError(f"CYCNN_ISA={wanted!r} {why}; choose from {', '.join(usable)}")
    return wanted


def _lacking(words, level):
    return ", ".join(cpu.missing_features(words, level))


_here = os.path.dirname(__file__)
_files = set(os.listdir(_here))
#: Instruction set -> its library: those that this installation was built for.
libraries = {level: os.path.join(_here, level + suffix) for level in cpu.FEATURES
             for suffix in EXTENSION_SUFFIXES if level + suffix in _files}
#: The instruction set in use.
isa = choose_isa(cpu.feature_words(), list(libraries), os.environ.get("CYCNN_ISA"))
_own = built_for(isa, libraries)


class _Kernels:
    """Finds the modules that share a library; Python would look for one with a module's name."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        package, _, kernel = name.rpartition(".")
        if package != __name__ or kernel not in EACH:
            return None
        file = libraries[isa if kernel in _own else "avx2"]
        spec = ModuleSpec(name, ExtensionFileLoader(name, file), origin=file)
        spec.has_location = True
        return spec


sys.meta_path.insert(0, _Kernels)

# How often a thread of libgomp (GCC's OpenMP) that waits for the others looks before it sleeps. Its
# own default is 300,000 times: milliseconds that the thread it waits for may need the processor. On
# two processors beside two other programs a step of resnet20 took 1.0 to 6.9 seconds, with 10,000
# times 0.43. On a quiet machine no difference stood out of the noise, but with 1,000 times threads
# slept between LeNet-5's layers, which cost a twelfth. libgomp reads this once, when the first
# module that needs it is loaded: `place`, if the program has loaded none before.
_SPINS = {"GOMP_SPINCOUNT": "10000"}
if "OMP_WAIT_POLICY" in os.environ or "GOMP_SPINCOUNT" in os.environ:
    _SPINS = {}
os.environ.update(_SPINS)
try:
    from . import place as _place
finally:
    for _name in _SPINS:
        del os.environ[_name]

#: What `api` asks how a convolution or a pool is to be done, by name. Nothing in this room decides:
#: `cycnn.functional` lays its rules in here.
rules = {}
