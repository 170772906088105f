"""Max, average and global average pooling, forward and backward."""

import numpy as np
import pytest
from hypothesis import given

import reference
from cycnn import functional as F
from helpers import assert_close, channels_last, normal, whole
from strategies import poolings

pytestmark = pytest.mark.usefixtures("threads")


@given(case=poolings())
def test_max_pool2d(case):
    x, options = case
    for images in (x, channels_last(x)):
        y, indices = F.max_pool2d(images, **options, return_indices=True)
        expected, expected_indices = reference.max_pool2d(x, **options, return_indices=True)
        assert y.dtype == x.dtype and indices.dtype == np.int64
        np.testing.assert_array_equal(y, expected)
        np.testing.assert_array_equal(indices, expected_indices)
        np.testing.assert_array_equal(F.max_pool2d(images, **options), expected)

        dy = np.arange(y.size, dtype=x.dtype).reshape(y.shape)
        dx = F.max_pool2d_backward(dy, indices, x.shape)
        assert dx.dtype == x.dtype
        np.testing.assert_array_equal(dx, reference.max_pool2d_backward(dy, indices, x.shape))


@given(case=poolings(average=True))
def test_avg_pool2d(case):
    x, options = case
    y = F.avg_pool2d(x, **options)
    assert_close(y, reference.avg_pool2d(x, **options), 16)
    dy = np.cos(np.arange(y.size, dtype=x.dtype)).reshape(y.shape)
    assert_close(F.avg_pool2d_backward(dy, x.shape, **options),
                 reference.avg_pool2d_backward(dy, x.shape, **options), 16)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 33, 7, 5), (3, 16, 28, 28), (0, 3, 4, 4)])
def test_global_avg_pool2d(shape, dtype, rng):
    x, dy = normal(rng, dtype, *shape), normal(rng, dtype, *shape[:2], 1, 1)
    y = F.global_avg_pool2d(x)
    assert_close(y, x.mean((2, 3), dtype=np.float64, keepdims=True) if x.size else
                 np.zeros((*shape[:2], 1, 1)), 1)
    expected = np.broadcast_to(dy / (shape[2] * shape[3]), shape)
    for memory in (np.array, channels_last):
        assert_close(F.global_avg_pool2d_backward(memory(dy), shape), expected)


def test_input_size_may_be_the_plane_alone(dtype, rng):
    x = normal(rng, dtype, 2, 3, 9, 11)
    y, indices = F.max_pool2d(x, 3, return_indices=True)
    np.testing.assert_array_equal(F.max_pool2d_backward(y, indices, (9, 11)),
                                  F.max_pool2d_backward(y, indices, x.shape))
    np.testing.assert_array_equal(F.avg_pool2d_backward(y, (9, 11), 3),
                                  F.avg_pool2d_backward(y, x.shape, 3))
    y = F.global_avg_pool2d(x)
    np.testing.assert_array_equal(F.global_avg_pool2d_backward(y, (9, 11)),
                                  F.global_avg_pool2d_backward(y, x.shape))


@pytest.mark.parametrize("channels", [1, 3, 8, 16, 17, 40])
@pytest.mark.parametrize("size", [(2, 2), (7, 5), (9, 34), (4, 71)])
@pytest.mark.parametrize("kernel, stride, padding",
                         [(2, 2, 0), (2, 2, 1), (3, 2, 1), (3, 1, 1), (3, 3, 0)])
def test_vectors_of_windows_and_of_channels(channels, size, kernel, stride, padding, dtype, rng):
    """Rows longer than a vector, and channels that fill vectors, nearly do, or are few."""
    if kernel - 2 * padding > min(size):
        size = kernel, kernel
    x = whole(rng, dtype, 2, channels, *size)
    expected, indices = reference.max_pool2d(x, kernel, stride, padding, return_indices=True)
    mean = reference.avg_pool2d(x, kernel, stride, padding)
    for images in (x, channels_last(x)):
        y, where = F.max_pool2d(images, kernel, stride, padding, return_indices=True)
        np.testing.assert_array_equal(y, expected)
        np.testing.assert_array_equal(where, indices)
        np.testing.assert_array_equal(F.max_pool2d(images, kernel, stride, padding), expected)
        assert_close(F.avg_pool2d(images, kernel, stride, padding), mean, 16)

    y, winners = F.pool.max_pool2d_with_winners(x, kernel, stride, padding)
    dy = whole(rng, dtype, *y.shape)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(
        F.pool.max_pool2d_winners_backward(dy, winners, x.shape, kernel, stride, padding),
        reference.max_pool2d_backward(dy, indices, x.shape))


@pytest.mark.parametrize("kernel", [(15, 17), (16, 16), (20, 17)])
def test_windows_of_as_many_pixels_as_a_byte_counts_and_of_more(kernel, dtype, rng):
    x = normal(rng, dtype, 2, 18, 40, 35)
    expected, indices = reference.max_pool2d(x, kernel, (3, 2), (5, 3), return_indices=True)
    for images in (x, channels_last(x)):
        y, where = F.max_pool2d(images, kernel, (3, 2), (5, 3), return_indices=True)
        np.testing.assert_array_equal(y, expected)
        np.testing.assert_array_equal(where, indices)
        np.testing.assert_array_equal(F.max_pool2d(images, kernel, (3, 2), (5, 3)), expected)
    dy = whole(rng, dtype, *y.shape)
    _, winners = F.pool.max_pool2d_with_winners(x, kernel, (3, 2), (5, 3))
    assert winners.dtype == (np.uint8 if kernel == (15, 17) else np.int32)
    np.testing.assert_array_equal(
        F.pool.max_pool2d_winners_backward(dy, winners, x.shape, kernel, (3, 2), (5, 3)),
        reference.max_pool2d_backward(dy, indices, x.shape))


@pytest.mark.parametrize("channels", [16, 24])
def test_a_gradient_larger_than_the_caches(channels, dtype, rng):
    """Such a one is stored around them, where its vectors lie on cache lines."""
    size = int((2**25 / (4 * channels)) ** 0.5) // 2 * 2 + 3        # odd: a row and column are left
    x = np.zeros((1, size, size, channels), dtype).transpose(0, 3, 1, 2)
    x[..., ::3, ::2] = rng.standard_normal(channels, dtype)[:, None, None]
    y, winners = F.pool.max_pool2d_with_winners(x, 2)
    dy = rng.standard_normal(winners.shape, dtype).transpose(0, 3, 1, 2)
    dx = F.pool.max_pool2d_winners_backward(dy, winners, x.shape, 2)
    assert dx.nbytes >= 1 << 25
    even = y.shape[2] * 2
    for tap, part in enumerate((dx[..., :even:2, :even:2], dx[..., :even:2, 1:even:2],
                                dx[..., 1:even:2, :even:2], dx[..., 1:even:2, 1:even:2])):
        np.testing.assert_array_equal(part, np.where(winners.transpose(0, 3, 1, 2) == tap, dy, 0))
    assert not dx[..., even:, :].any() and not dx[..., even:].any()


def test_the_last_nan_wins(dtype):
    x = np.full((1, 17, 2, 40), np.nan, dtype)
    x[..., 3::4] = 7
    for images in (x, channels_last(x)):
        y, indices = F.max_pool2d(images, 2, return_indices=True)
        assert np.isnan(y).all()
        np.testing.assert_array_equal(indices[0, 5, 0, :4], [41, 42, 45, 46])


def test_the_first_of_equal_maxima_wins(dtype):
    x = np.full((1, 20, 6, 6), 7, dtype)
    _, indices = F.max_pool2d(x, 3, stride=2, padding=1, return_indices=True)
    np.testing.assert_array_equal(indices[0, 0], [[0, 1, 3], [6, 7, 9], [18, 19, 21]])
    np.testing.assert_array_equal(indices, np.broadcast_to(indices[:, :1], indices.shape))


def test_minus_infinity_is_a_value(dtype):
    x = np.full((1, 9, 4, 4), -np.inf, dtype)
    y, indices = F.max_pool2d(x, 2, return_indices=True)
    np.testing.assert_array_equal(y, np.full((1, 9, 2, 2), -np.inf))
    np.testing.assert_array_equal(indices[0, 0], [[0, 2], [8, 10]])


@pytest.mark.parametrize("kernel, stride", [(2, 2), (3, 1), (3, 2)])
def test_nan_propagates(kernel, stride, dtype, rng):
    x = normal(rng, dtype, 2, 19, 8, 8)
    x[1, 17, 3, 4] = x[0, 2, 0, 0] = x[0, 2, 7, 7] = np.nan
    y, indices = F.max_pool2d(x, kernel, stride, return_indices=True)
    expected, expected_indices = reference.max_pool2d(x, kernel, stride, return_indices=True)
    assert np.isnan(y).any()
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(indices, expected_indices)
    assert np.isnan(F.max_pool2d(x, kernel, stride)).sum() == np.isnan(expected).sum()


def test_a_window_that_misses_the_input(dtype):
    """Dilated windows can lie in the padding alone. That is refused, or it is harmless."""
    x = np.ones((1, 2, 3, 1), dtype)
    try:
        y, indices = F.max_pool2d(x, 2, padding=(0, 1), dilation=2, return_indices=True)
    except ValueError as error:
        assert "padding" in str(error)
    else:
        np.testing.assert_array_equal(y, np.full_like(y, -np.inf))
        assert F.max_pool2d_backward(np.ones_like(y), indices, x.shape).shape == x.shape


def test_overlapping_windows_add_up_in_the_gradient(dtype, rng):
    x = whole(rng, dtype, 2, 21, 9, 9)
    x[:, :, 4, 4] = 100
    y, indices = F.max_pool2d(x, 5, stride=1, padding=2, return_indices=True)
    dx = F.max_pool2d_backward(np.ones_like(y), indices, x.shape)
    np.testing.assert_array_equal(dx[:, :, 4, 4], np.full((2, 21), 25))
    assert dx.sum() == y.size


def test_empty_batch(dtype):
    x = np.zeros((0, 3, 8, 8), dtype)
    y, indices = F.max_pool2d(x, 2, return_indices=True)
    assert y.shape == indices.shape == (0, 3, 4, 4) and y.dtype == dtype
    assert F.max_pool2d_backward(y, indices, x.shape).shape == x.shape
    assert F.avg_pool2d(x, 2).shape == y.shape
    assert F.avg_pool2d_backward(y, x.shape, 2).shape == x.shape
