"""Fixtures for every test file, and how hard hypothesis works."""

import os

import hypothesis
import numpy as np
import pytest

import cycnn
from cycnn.kernels import cpu

# Kernels run on a shared machine: how long one example takes says nothing. `brief` is for running
# the same tests once more on another instruction set.
hypothesis.settings.register_profile("default", deadline=None, max_examples=60)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=60, derandomize=True)
hypothesis.settings.register_profile("brief", deadline=None, max_examples=15, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture
def rng():
    return np.random.default_rng(20240229)


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def set_threads(monkeypatch):
    """A function that makes every kernel use exactly that many threads, however small the work."""
    before = cycnn.get_num_threads()
    monkeypatch.setattr(cpu, "SERIAL_WORK", 1e-3)

    def use(number):
        cycnn.set_num_threads(number)
        assert cpu.threads_for(1) == cycnn.get_num_threads()

    yield use
    cycnn.set_num_threads(before)


@pytest.fixture(scope="module", params=[1, 2], ids=["1thread", "2threads"])
def threads(request):
    """The tests of a module that asks for this run twice, even their smallest work in parallel."""
    with pytest.MonkeyPatch.context() as patch:
        before = cycnn.get_num_threads()
        patch.setattr(cpu, "SERIAL_WORK", 1e-3)
        cycnn.set_num_threads(request.param)
        yield request.param
        cycnn.set_num_threads(before)
