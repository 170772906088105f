"""How many threads the kernels use, and what this installation is made of."""

from . import kernels
from .functional import _check
from .kernels import cpu


def set_num_threads(number):
    """Let the kernels use up to `number` threads.

    Results are the same bit for bit for every number. Small work stays on one thread, and so does
    a process that was forked from one with threads. The first value is `CYCNN_NUM_THREADS`, else
    `OMP_NUM_THREADS`, else what processor affinity and container allow.

    Parameters
    ----------
    number : int
        From 1 to 1024.
    """
    number = _check.integer(number, "number", 1)
    if number > 1024:
        raise ValueError(f"number must be at most 1024 threads, got {number}")
    cpu.set_num_threads(number)


def get_num_threads():
    """How many threads the kernels may use: 1 without OpenMP and in a forked process."""
    return cpu.get_num_threads()


class num_threads:
    """``with cycnn.num_threads(1): ...``, the number of threads within a block.

    It holds for the whole process, as :func:`set_num_threads` does.
    """

    def __init__(self, number):
        self.number = number

    def __enter__(self):
        self.before = get_num_threads()
        set_num_threads(self.number)
        return self

    def __exit__(self, *_):
        set_num_threads(self.before)


def show_config(mode="stdout"):
    """Print version, instruction set, threads and OpenMP, or return them.

    Parameters
    ----------
    mode : {"stdout", "dicts"}
        As for :func:`numpy.show_config`: print, or return a dict.

    Returns
    -------
    dict or None
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"mode must be 'stdout' or 'dicts', got {mode!r}")
    config = _config()
    if mode == "dicts":
        return config
    for name, value in config.items():
        print(f"{name + ':':18} {', '.join(value) if isinstance(value, list) else value}")


def _config():
    import platform

    import numpy as np

    from . import __version__

    return {
        "cycnn": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "instruction set": kernels.isa,
        "built for": list(kernels.libraries),
        "processor runs": cpu.supported_levels(cpu.feature_words()),
        "threads": get_num_threads(),
        "openmp": cpu.openmp_version() or "none: one thread only",
    }
