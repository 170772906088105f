"""Fixtures for every test file, and how hard hypothesis works."""

import os
import signal

import hypothesis
import numpy as np
import pytest

from cycnn.kernels import cpu

# Kernels run on a shared machine: how long one example takes says nothing. `brief` is for running
# the same tests once more on another instruction set.
hypothesis.settings.register_profile("default", deadline=None, max_examples=60)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=60, derandomize=True)
hypothesis.settings.register_profile("brief", deadline=None, max_examples=15, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")

# What is started in a shell's background is told to ignore Ctrl-C, and would tell the programs that
# the tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def rng():
    return np.random.default_rng(20240229)


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(scope="module")
def every_kernel_in_parallel():
    """A function that makes each kernel use exactly so many threads, however small its work.

    Without it, the small arrays of the tests would all stay below the threshold of one thread.
    """
    before = cpu.get_num_threads()

    def use(number):
        cpu.set_num_threads(number)
        assert cpu.threads_for(1) == cpu.get_num_threads()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu, "SERIAL_WORK", 1e-3)
        yield use
    cpu.set_num_threads(before)


@pytest.fixture(scope="module", params=[1, 2], ids=["1thread", "2threads"])
def threads(request, every_kernel_in_parallel):
    """The tests of a module that asks for this run twice."""
    every_kernel_in_parallel(request.param)
    return request.param
