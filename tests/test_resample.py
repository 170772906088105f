"""Adaptive pooling, nearest-neighbour scaling, padding, and arrays side by side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycnn import functional as F
from helpers import assert_close, channels_last, normal, whole
from strategies import channels, dtypes, either, seeds, shapes

pytestmark = pytest.mark.usefixtures("threads")

sizes = st.integers(1, 12) | st.sampled_from([17, 31])
images = st.tuples(st.integers(0, 3), channels, sizes, sizes)


def adaptive_avg_pool2d(x, size):
    (h, w), (oh, ow) = x.shape[2:], size
    y = np.zeros((*x.shape[:2], oh, ow))
    for i in range(oh):
        for j in range(ow):
            rows = slice(i * h // oh, -(-(i + 1) * h // oh))
            columns = slice(j * w // ow, -(-(j + 1) * w // ow))
            y[:, :, i, j] = x[:, :, rows, columns].astype(np.float64).mean((2, 3))
    return y


def nearest(x, size):
    """For sizes that are whole multiples, or that the image's are whole multiples of."""
    (h, w), (oh, ow) = x.shape[2:], size
    return x[:, :, [i * h // oh for i in range(oh)]][:, :, :, [j * w // ow for j in range(ow)]]


def transposed(forward, dy, shape):
    """The gradient of a linear function, from what it makes of every single pixel."""
    h, w = shape[2:]
    made = forward(np.eye(h * w).reshape(1, h * w, h, w))[0]
    return np.tensordot(dy, made, ([2, 3], [1, 2])).reshape(shape)


@given(shape=images, size=st.tuples(sizes, sizes), dtype=dtypes, seed=seeds)
def test_adaptive_avg_pool2d(shape, size, dtype, seed):
    rng = np.random.default_rng(seed)
    x, dy = normal(rng, dtype, *shape), normal(rng, dtype, *shape[:2], *size)
    for to in (np.asarray, channels_last):
        assert_close(F.adaptive_avg_pool2d(to(x), size), adaptive_avg_pool2d(x, size), 4)
        assert_close(F.adaptive_avg_pool2d_backward(to(dy), shape, size),
                     transposed(lambda x: adaptive_avg_pool2d(x, size), dy, shape), 9)


def test_adaptive_avg_pool2d_keeps_a_side(rng, dtype):
    x = normal(rng, dtype, 2, 3, 5, 7)
    assert F.adaptive_avg_pool2d(x, (None, 2)).shape == (2, 3, 5, 2)
    np.testing.assert_array_equal(F.adaptive_avg_pool2d(x, None), x)
    assert_close(F.adaptive_avg_pool2d(x, 1), F.global_avg_pool2d(x).astype(np.float64))


@given(shape=images, factors=st.tuples(st.integers(1, 5), st.integers(1, 5)), dtype=dtypes,
       seed=seeds, by_size=st.booleans())
def test_interpolate_by_whole_factors(shape, factors, dtype, seed, by_size):
    rng = np.random.default_rng(seed)
    size = tuple(f * n for f, n in zip(factors, shape[2:]))
    options = {"size": size} if by_size else {"scale_factor": factors}
    x, dy = normal(rng, dtype, *shape), normal(rng, dtype, *shape[:2], *size)
    for to in (np.asarray, channels_last):
        np.testing.assert_array_equal(F.interpolate(to(x), **options), nearest(x, size))
        assert_close(F.interpolate_backward(to(dy), shape, **options),
                     transposed(lambda x: nearest(x, size), dy, shape), 25)
        # And back to the first size.
        np.testing.assert_array_equal(F.interpolate(F.interpolate(to(x), size), shape[2:]), x)


@given(size=st.tuples(sizes, sizes), out=st.tuples(st.integers(1, 70), st.integers(1, 70)),
       factors=either(st.floats(0.1, 5)), seed=seeds)
def test_sizes_and_factors_of_every_kind_are_pytorchs(size, out, factors, seed):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    rng = np.random.default_rng(seed)
    x = normal(rng, np.float64, 2, 3, *size)
    calls = [(F.adaptive_avg_pool2d, F.adaptive_avg_pool2d_backward,
              functional.adaptive_avg_pool2d, {"output_size": out}),
             (F.interpolate, F.interpolate_backward, functional.interpolate, {"size": out})]
    pair = factors if isinstance(factors, tuple) else (factors, factors)
    # From 2 pixels to 2 by a factor of 1.25 (or to twice as many by 2.2) PyTorch's large images
    # differ from its small ones and from its gradients: 0, 0 instead of 0, 1.
    odd = any(int(n * factor) in (n, 2 * n) and factor not in (1, 2)
              for n, factor in zip(size, pair))
    if all(int(n * factor) for n, factor in zip(size, pair)) and not odd:
        calls.append((F.interpolate, F.interpolate_backward, functional.interpolate,
                      {"scale_factor": factors}))
    for forward, backward, theirs, options in calls:
        variable = torch.tensor(x, requires_grad=True)
        expected = theirs(variable, **options)
        y = forward(x, **options)
        assert_close(y, expected.detach().numpy(), 9)
        dy = normal(rng, np.float64, *y.shape)
        expected.backward(torch.tensor(dy))
        assert_close(backward(dy, x.shape, **options), variable.grad.numpy(), 900)


@given(shape=images, padding=st.integers(-2, 3) | st.tuples(*[st.integers(-3, 4)] * 4),
       dtype=dtypes, seed=seeds)
def test_zero_pad2d(shape, padding, dtype, seed):
    left, right, top, bottom = (padding,) * 4 if isinstance(padding, int) else padding
    size = shape[2] + top + bottom, shape[3] + left + right
    rng = np.random.default_rng(seed)
    x = normal(rng, dtype, *shape)
    if min(size) < 1:
        with pytest.raises(ValueError, match="padding"):
            F.zero_pad2d(x, padding)
        return
    # Everything that can be cut off stands in a frame of zeros.
    framed = np.pad(x, ((0, 0), (0, 0), (9, 9), (9, 9)))
    expected = framed[:, :, 9 - top:9 - top + size[0], 9 - left:9 - left + size[1]]
    dy = normal(rng, dtype, *expected.shape)
    framed = np.pad(dy, ((0, 0), (0, 0), (9, 9), (9, 9)))
    gradient = framed[:, :, 9 + top:9 + top + shape[2], 9 + left:9 + left + shape[3]]
    for to in (np.asarray, channels_last):
        np.testing.assert_array_equal(F.zero_pad2d(to(x), padding), expected)
        np.testing.assert_array_equal(F.zero_pad2d_backward(to(dy), shape[2:], padding), gradient)


@given(counts=st.lists(st.integers(0, 3) | channels, min_size=1, max_size=4),
       size=st.lists(st.integers(1, 20), min_size=0, max_size=2).filter(lambda s: len(s) != 1),
       dtype=dtypes, seed=seeds)
def test_concat(counts, size, dtype, seed):
    rng = np.random.default_rng(seed)
    parts = [normal(rng, dtype, 3, count, *size) for count in counts]
    for to in (np.asarray, channels_last) if size else (np.asarray, np.asfortranarray):
        y = F.concat([to(part) for part in parts])
        np.testing.assert_array_equal(y, np.concatenate(parts, axis=1))
        for part, again in zip(parts, F.concat_backward(to(y), counts), strict=True):
            np.testing.assert_array_equal(again, part)


@given(shape=shapes([33, 130], min_size=1), dtype=dtypes, seed=seeds)
def test_add(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    x, other = whole(rng, dtype, *shape), whole(rng, dtype, *shape)
    np.testing.assert_array_equal(F.add(x, other), x + other)
    np.testing.assert_array_equal(F.add(x, other, relu=True), np.maximum(x + other, 0))
    np.testing.assert_array_equal(F.add(x, np.asfortranarray(other)), x + other)


def test_add_keeps_nan(dtype):
    x = np.zeros(37, dtype)
    x[[0, 20, 36]] = np.nan
    np.testing.assert_array_equal(np.isnan(F.add(x, x, relu=True)), np.isnan(x))
