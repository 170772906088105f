"""A package that cimports `cycnn.kernels.api` builds against the installed cycnn and is right.

What the interface computes for all kinds of shapes is tested in test_embedding.py.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig

import numpy as np
import pytest

import reference
from cycnn import functional as F
from helpers import TESTS, assert_close, environment_with, normal, run_python

for _needed in ("Cython", "setuptools"):
    if importlib.util.find_spec(_needed) is None:
        pytest.skip(f"building needs {_needed}, which is not installed", allow_module_level=True)
_compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "").split()
if sys.platform != "win32" and not (_compiler and shutil.which(_compiler[0])):
    pytest.skip("building needs a C compiler, and there is none", allow_module_level=True)


@pytest.fixture(scope="module")
def downstream(tmp_path_factory):
    """The package, built and imported."""
    folder = tmp_path_factory.mktemp("downstream")
    for file in (TESTS / "downstream").iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    flags = {} if sys.platform == "win32" else {"CFLAGS": "-O0"}        # to be built sooner
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=folder, text=True,
        capture_output=True, timeout=120, env=environment_with(**flags))
    if done.returncode and sys.platform == "win32" and "Visual C++" in done.stderr:
        pytest.skip("building needs a C compiler, and there is none")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    spec = importlib.util.spec_from_file_location("downstream", folder / f"downstream{suffix}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def nhwc(x):
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def nchw(x):
    return x.transpose(0, 3, 1, 2)


@pytest.mark.parametrize("channels, filters, size, kernel, padding", [
    (3, 5, 9, 3, 1), (16, 32, 14, 3, 1), (1, 6, 28, 5, 0)])
def test_a_step_without_the_gil(downstream, rng, channels, filters, size, kernel, padding):
    x, weight = (normal(rng, np.float32, 2, channels, size, size),
                 normal(rng, np.float32, filters, channels, kernel, kernel))
    bias = normal(rng, np.float32, filters)
    expected_y = F.conv2d(x, weight, bias, padding=padding)
    expected, indices = F.max_pool2d(expected_y, 2, return_indices=True)
    dpooled = normal(rng, np.float32, *expected.shape)
    expected_dy = F.max_pool2d_backward(dpooled, indices, expected_y.shape)
    gradients = F.conv2d_backward(expected_dy, x, weight, True, padding=padding)
    assert downstream.output_size(nhwc(x), weight, 1, padding) == expected_y.shape[2:]

    for threads in (0, 1, 2):
        y, pooled, dx = (np.empty_like(nhwc(like)) for like in (expected_y, expected, x))
        dy, dweight, dbias = np.empty_like(y), np.empty_like(weight), np.empty_like(bias)
        downstream.step(nhwc(x), weight, bias, nhwc(dpooled), y, pooled,
                        np.empty(pooled.shape, np.uint8), dy, dx, dweight, dbias, padding, threads)
        for got, wanted in zip((nchw(y), nchw(pooled), nchw(dy), nchw(dx), dweight, dbias),
                               (expected_y, expected, expected_dy, *gradients)):
            np.testing.assert_array_equal(got, wanted)
    with np.errstate(all="raise"):
        naive = reference.conv2d_backward(expected_dy, x, weight, True, padding=padding)
    assert_close(nchw(y), reference.conv2d(x, weight, bias, padding=padding), weight[0].size)
    assert_close(nchw(dx), naive[0], filters * kernel**2)
    assert_close(dweight, naive[1], 2 * size**2)
    assert_close(dbias, naive[2], 2 * size**2)


def test_double_precision(downstream, rng):
    x, weight = normal(rng, np.float64, 2, 4, 9, 9), normal(rng, np.float64, 3, 4, 3, 3)
    dy = normal(rng, np.float64, 2, 3, 4, 4)
    y, dx, dweight = np.empty_like(nhwc(dy)), np.empty_like(nhwc(x)), np.empty_like(weight)
    downstream.strided(nhwc(x), weight, nhwc(dy), y, dx, dweight, 2)
    expected = reference.conv2d_backward(dy, x, weight, stride=2)
    assert_close(nchw(y), reference.conv2d(x, weight, stride=2), 36)
    assert_close(nchw(dx), expected[0], 27)
    assert_close(dweight, expected[1], 32)


def test_errors_arrive(downstream, rng):
    with pytest.raises(ValueError, match="planned by conv2d_plan"):
        downstream.unplanned()
    x, weight = normal(rng, np.float32, 1, 5, 5, 2), normal(rng, np.float32, 1, 2, 7, 3)
    with pytest.raises(ValueError, match="the output would be empty"):
        downstream.output_size(x, weight, 1, 0)
    with pytest.raises(ValueError, match="stride must be an integer from 1"):
        downstream.output_size(x, weight[:, :, :3], 0, 0)


def test_importing_it_first_imports_cycnn(downstream):
    """The kernels are chosen then, and their rules are there."""
    folder = os.path.dirname(downstream.__file__)
    script = f"""
import sys
sys.path.insert(0, {folder!r})
import downstream, numpy as np
assert "cycnn.functional" in sys.modules
print(downstream.output_size(np.empty((1, 8, 9, 2)), np.empty((3, 2, 3, 3)), 2, 1))
"""
    done = run_python("-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(4, 5)"
