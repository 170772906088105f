"""Arrays in any memory layout: the same bits come out, in the format that went in."""

import tracemalloc

import numpy as np
import pytest

from calls import CALLS, as_tuple, assert_identical
from cycnn import functional as F
from helpers import (LAYOUTS, MATRIX_LAYOUTS, channels_last, misaligned, normal, reversed_axes,
                     sliced)

calls = pytest.mark.parametrize("name", CALLS)


def is_channels_last(x):
    return x.transpose(0, 2, 3, 1).flags.c_contiguous


@calls
@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_result_in_any_layout(name, layout, dtype):
    call = CALLS[name]
    arrays = call(dtype)
    laid_out = [a if a.ndim == 1 and layout in MATRIX_LAYOUTS else LAYOUTS[layout](a)
                for a in arrays]
    for one, other in zip(laid_out, arrays):
        np.testing.assert_array_equal(one, other)           # the layouts themselves
    results = as_tuple(call.run(*laid_out))
    assert_identical(results, call.run(*arrays))
    for one, other in zip(laid_out, arrays):
        np.testing.assert_array_equal(one, other)           # inputs are never written to
    for result in results:
        # A result is new memory; flatten alone may give a view.
        assert name == "flatten" or not any(np.shares_memory(np.asarray(result), a)
                                            for a in laid_out)


@calls
def test_numbers_broadcast_in_memory(name, dtype):
    """Strides of 0: all channels, or all columns of a matrix, are one place in memory."""
    call = CALLS[name]
    arrays = [np.broadcast_to(a[:, :1], a.shape) if a.ndim > 1 else a for a in call(dtype)]
    assert_identical(call.run(*arrays), call.run(*map(np.array, arrays)))


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call.images])
def test_memory_format_comes_out_as_it_came_in(name, dtype):
    call = CALLS[name]
    arrays = call(dtype)
    formats = (np.ascontiguousarray, lambda x: x.flags.c_contiguous), (channels_last,
                                                                       is_channels_last)
    for convert, has_format in formats:
        given = [convert(a) if a.ndim == 4 else a for a in arrays]
        if given[0].shape[1] > 1:
            assert has_format(as_tuple(call.run(*given))[0])


def test_elementwise_functions_keep_any_order_of_axes(dtype, rng):
    x = normal(rng, dtype, 3, 4, 5, 6).transpose(2, 0, 3, 1)
    assert F.relu(x).strides == x.strides
    assert F.tanh(np.asfortranarray(x)).flags.f_contiguous


# --- no copy where none is needed ----------------------------------------------------------

def peak_memory(function, *arrays):
    """Bytes that the call allocates at its peak, its result included."""
    function(*arrays)                           # what is made once does not count
    tracemalloc.start()
    try:
        function(*arrays)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last])
def test_a_grey_image_is_never_copied(layout, dtype, rng):
    x, weight = layout(normal(rng, dtype, 2, 1, 300, 300)), normal(rng, dtype, 1, 1, 30, 30)
    result = 2 * 10 * 10 * x.itemsize
    assert peak_memory(lambda x: F.conv2d(x, weight, stride=30), x) < result + x.nbytes / 4


def test_channels_last_images_are_not_copied(dtype, rng):
    x = channels_last(normal(rng, dtype, 2, 16, 64, 64))
    weight = normal(rng, dtype, 2, 16, 4, 4)
    for function in (lambda x: F.conv2d(x, weight, stride=4),
                     lambda x: F.max_pool2d(x, 8),
                     lambda x: F.avg_pool2d(x, 8),
                     F.global_avg_pool2d):
        assert peak_memory(function, x) < x.nbytes / 2


@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last, np.asfortranarray])
def test_elementwise_functions_make_their_result_and_nothing_else(layout, dtype, rng):
    x = layout(normal(rng, dtype, 2, 16, 64, 64))
    for function in (F.relu, F.leaky_relu, F.tanh, F.sigmoid):
        assert peak_memory(function, x) < 1.3 * x.nbytes
        assert peak_memory(getattr(F, f"{function.__name__}_backward"), x, x) < 1.3 * x.nbytes


def test_read_only_rows_go_straight_to_the_kernel(dtype, rng):
    x, weight = normal(rng, dtype, 64, 4096), normal(rng, dtype, 3, 4096)
    x.flags.writeable = weight.flags.writeable = False
    assert peak_memory(F.linear, x, weight) < x.nbytes / 2


# --- arguments of one call in different formats --------------------------------------------

def test_gradient_and_input_may_differ_in_format(dtype, rng):
    x, weight = normal(rng, dtype, 2, 5, 7, 8), normal(rng, dtype, 6, 5, 3, 3)
    dy = normal(rng, dtype, 2, 6, 5, 6)
    expected = F.conv2d_backward(dy, x, weight)
    for one in (np.array, channels_last, reversed_axes, sliced):
        for other in (np.array, channels_last, misaligned):
            assert_identical(F.conv2d_backward(one(dy), other(x), weight), expected)
    y = F.relu(x)
    assert_identical(F.relu_backward(channels_last(x), y), F.relu_backward(x, y))
    assert_identical(F.relu_backward(x, channels_last(y)), F.relu_backward(x, y))


def test_an_array_given_twice(dtype, rng):
    """Inputs may alias each other."""
    x = normal(rng, dtype, 30, 30)
    assert_identical(F.linear(x, x), F.linear(x, x.copy()))
    assert_identical(F.mse_loss(x, x), F.mse_loss(x, x.copy()))
    images = normal(rng, dtype, 4, 4, 3, 3)
    assert_identical(F.conv2d(images, images), F.conv2d(images, images.copy()))


# --- flatten and batches -------------------------------------------------------------------

@pytest.mark.parametrize("layout", [np.array, channels_last, sliced])
def test_flatten_runs_in_logical_order(layout, dtype, rng):
    x = normal(rng, dtype, 3, 4, 5, 6)
    flat = F.flatten(layout(x))
    np.testing.assert_array_equal(flat, x.reshape(3, -1))
    back = F.flatten_backward(flat, x.shape)
    np.testing.assert_array_equal(back, x)
    assert is_channels_last(back)


# Narrower than, equal to and between the squares that are transposed in registers.
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 70])
def test_flatten_any_number_of_channels(channels, every_kernel_in_parallel, dtype, rng):
    for images, height, width in ((1, 1, 1), (2, 1, 3), (3, 5, 1), (2, 4, 4), (3, 5, 7),
                                  (1, 29, 31)):
        x = normal(rng, dtype, images, channels, height, width)
        for number in (1, 2, 5):
            every_kernel_in_parallel(number)
            flat = F.flatten(channels_last(x))
            np.testing.assert_array_equal(flat, x.reshape(images, -1))
            np.testing.assert_array_equal(F.flatten_backward(flat, x.shape), x)


@pytest.mark.parametrize("layout", [np.array, channels_last, sliced])
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_gather_batch(layout, kind, channels, dtype, rng):
    images = layout(rng.integers(0, 256, (20, channels, 9, 7)).astype(kind))
    indices = np.array([3, 3, 19, 0, 7])
    mean, std = np.array([120.0, 100, 90][:channels]), np.array([60.0, 50, 40][:channels])
    batch = F.gather_batch(images, indices, mean, std, dtype)
    assert batch.dtype == dtype and is_channels_last(batch)
    expected = (images[indices].astype(np.float64) - mean[:, None, None]) / std[:, None, None]
    np.testing.assert_allclose(batch, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("layout", [np.array, *LAYOUTS.values()])
@pytest.mark.parametrize("kind", [np.uint8, np.int8, bool, np.float16, np.int32, np.float32,
                                  np.uint64, np.float64])
def test_gather_any_type_and_memory(layout, kind, dtype, rng):
    """Some have as many bytes as a type that is read in place."""
    images = layout(rng.integers(-99, 99, (6, 3, 5, 4)).astype(kind))
    indices = np.array([5, 0, 0, 3], np.int16)[::-1]
    as_floats = np.array(images, np.float64 if images.dtype.itemsize == 8 else np.float32)
    if kind is np.uint64:                       # as every integer, through float32
        as_floats = as_floats.astype(np.float32)
    np.testing.assert_array_equal(F.gather_batch(images, indices, 3, 7, dtype),
                                  F.gather_batch(as_floats, indices, 3, 7, dtype))


def test_gather_no_images(dtype):
    batch = F.gather_batch(np.zeros((5, 1, 4, 4), np.uint8), np.zeros(0, int), [0.0], [1.0], dtype)
    assert batch.shape == (0, 1, 4, 4) and batch.dtype == dtype


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 50])
def test_flatten_moves_squares_of_any_side(channels, dtype, rng):
    """Channels and pixels more and fewer than the squares that registers transpose; odd rests."""
    for height, width in ((1, 1), (1, 3), (2, 2), (1, 5), (3, 3), (4, 4), (3, 7), (6, 8), (7, 9)):
        x = channels_last(normal(rng, dtype, 3, channels, height, width))
        rows = F.flatten(x)
        np.testing.assert_array_equal(rows, np.ascontiguousarray(x).reshape(3, -1))
        np.testing.assert_array_equal(F.flatten_backward(rows, x.shape), x)
