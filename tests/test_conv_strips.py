"""The kernels for few channels: every convolution of one group goes through them here."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from calls import assert_identical
from cycnn.functional import _algorithm, conv2d, conv2d_backward
from cycnn.functional.conv import plan_for
from cycnn.kernels import strips
from helpers import assert_close, normal, whole
from strategies import convolutions

CHOICES = {name: getattr(_algorithm, name) for name in (
    "forward_in_strips", "input_gradient_in_strips", "weight_gradient_in_strips")}


def one_group(out_shape, x_shape, weight_shape, options, *_, **__):
    return options[-1] == 1


@pytest.fixture(scope="module")
def always():
    with pytest.MonkeyPatch.context() as patch:
        for choice in CHOICES:
            patch.setattr(_algorithm, choice, one_group)
        plan_for.cache_clear()
        yield
    plan_for.cache_clear()


# Fewer strips than lanes, about as many, several groups of them.
BATCHES = st.integers(1, 3) | st.sampled_from([8, 17, 33])


def run(x, weight, bias, dy, options):
    return [result for result in (conv2d(x, weight, bias, **options, algorithm="direct"),
                                  *conv2d_backward(dy, x, weight, bias is not None, **options,
                                                    algorithm="direct"))
            if result is not None]


@given(case=convolutions(batches=BATCHES))
def test_whole_numbers_are_exact_on_any_number_of_threads(case, always, every_kernel_in_parallel):
    x, weight, bias, dy = case.arrays(make=whole)
    expected = [reference.conv2d(x, weight, bias, **case.options)]
    expected += reference.conv2d_backward(dy, x, weight, case.bias, **case.options)
    for number in (1, 2, 3, 5):
        every_kernel_in_parallel(number)
        for result, right in zip(run(x, weight, bias, dy, case.options), expected):
            np.testing.assert_array_equal(result, right)


@given(case=convolutions(batches=BATCHES))
def test_rounding_does_not_depend_on_threads(case, always, every_kernel_in_parallel):
    arrays = case.arrays()
    every_kernel_in_parallel(1)
    expected = run(*arrays, case.options)
    assert_close(expected[0], reference.conv2d(*arrays[:3], **case.options), case.terms)
    for number in (2, 3, 5):
        every_kernel_in_parallel(number)
        assert_identical(tuple(run(*arrays, case.options)), tuple(expected))


@pytest.mark.parametrize("shape, kernel, options", [
    ((40, 1, 28, 28, 6), 5, {"padding": 2}),        # the first layer of LeNet: many whole strips
    ((5, 3, 37, 70, 7), 3, {}),                     # bands of rows, the last ones shorter
    ((3, 10, 40, 9, 20), (7, 3), {"padding": 3}),   # rows move up in the window
    ((2, 64, 12, 40, 12), 5, {"stride": 2}),        # weight sums that outgrow a chunk
    ((70, 2, 6, 5, 3), 2, {"stride": 3}),           # gaps between windows, short rows
])
def test_several_groups_of_strips(shape, kernel, options, always, dtype, rng,
                                  every_kernel_in_parallel):
    n, c, height, width, k = shape
    x = whole(rng, dtype, n, c, height, width)
    weight, bias = whole(rng, dtype, k, c, *reference.pair(kernel)), whole(rng, dtype, k)
    expected = reference.conv2d(x, weight, bias, **options)
    dy = whole(rng, dtype, *expected.shape)
    expected = [expected, *reference.conv2d_backward(dy, x, weight, True, **options)]
    for number in (1, 2):
        every_kernel_in_parallel(number)
        for result, right in zip(run(x, weight, bias, dy, options), expected):
            np.testing.assert_array_equal(result, right)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("stride", [1, 2])
def test_bad_numbers_stay_in_their_lanes(bad, stride, always, dtype, rng):
    """In both directions, exactly the results whose window holds the bad number are bad."""
    x, weight = normal(rng, dtype, 20, 3, 12, 13), 1 + rng.random((4, 3, 3, 3)).astype(dtype)
    options = {"padding": 1, "stride": stride}
    x[7, 1, 6, 8] = bad
    holes = np.where(np.isfinite(x), 0, 1).astype(dtype)
    touched = reference.conv2d(holes, np.ones_like(weight), **options) > 0
    y = conv2d(x, weight, **options)
    np.testing.assert_array_equal(~np.isfinite(y), touched)

    dy = normal(rng, dtype, *y.shape)
    dy[11, 2, 3, 4] = bad
    holes = np.where(np.isfinite(dy), 0, 1).astype(dtype)
    touched = reference.conv2d_backward(holes, x, np.ones_like(weight), **options)[0] > 0
    dx = conv2d_backward(dy, x, weight, **options)[0]
    np.testing.assert_array_equal(~np.isfinite(dx), touched)


@pytest.mark.skipif(strips.LANES[4] == 1, reason="one lane is always full")
def test_the_choice():
    """Few channels and many rows of images take the strips; groups and full vectors do not."""
    lanes, stride_1 = strips.LANES[4], (1, 1, 0, 0, 1, 1, 1)
    for choose in CHOICES.values():
        few = (64, 1, 26, 26), (64, 1, 28, 28), (1, 1, 3, 3)
        assert choose(*few, stride_1, 4)
        assert not choose(*few, (*stride_1[:-1], 2), 4)
        assert not choose((64, lanes, 26, 26), (64, lanes, 28, 28), (lanes, lanes, 3, 3), stride_1,
                          4)
        wide = (1, 1, 8, 4_000_000), (1, 1, 10, 4_000_002), (1, 1, 3, 3)
        assert not choose(*wide, stride_1, 4)       # the window would not fit any cache
