"""conv2d and conv2d_backward against the naive loops, rounded and exact."""

import numpy as np
import pytest
from hypothesis import given

import reference
from cycnn.functional import conv2d, conv2d_backward
from helpers import assert_close, normal, whole
from strategies import convolutions

pytestmark = pytest.mark.usefixtures("threads")


@given(case=convolutions())
def test_any_shape(case):
    x, weight, bias, dy = case.arrays()
    y = conv2d(x, weight, bias, **case.options)
    assert y.dtype == case.dtype
    assert_close(y, reference.conv2d(x, weight, bias, **case.options), case.terms)

    gradients = conv2d_backward(dy, x, weight, bias=case.bias, **case.options)
    expected = reference.conv2d_backward(dy, x, weight, case.bias, **case.options)
    lengths = (weight[0, 0].size * len(weight), dy[:, 0].size, dy[:, 0].size)
    for name, gradient, right, length in zip(("dx", "dweight", "dbias"), gradients, expected,
                                             lengths):
        if right is None:
            assert gradient is None
        else:
            assert_close(gradient, right, length, name)


@given(case=convolutions())
def test_whole_numbers_are_exact(case):
    x, weight, bias, dy = case.arrays(make=whole)
    np.testing.assert_array_equal(conv2d(x, weight, bias, **case.options, algorithm="direct"),
                                  reference.conv2d(x, weight, bias, **case.options))
    for gradient, expected in zip(
            conv2d_backward(dy, x, weight, bias=case.bias, **case.options, algorithm="direct"),
            reference.conv2d_backward(dy, x, weight, case.bias, **case.options)):
        np.testing.assert_array_equal(gradient, expected)


# The kinds of layer that networks are made of, large enough for several tiles and tasks.
# (N, C, H, W, K, kernel, options)
LAYERS = {
    "first 3x3": (3, 1, 28, 28, 32, 3, {}),
    "first 5x5, 6 outputs": (3, 1, 28, 28, 6, 5, {"padding": 2}),
    "first 5x5, 16 outputs": (3, 1, 28, 28, 16, 5, {"padding": 2}),
    "first 7x7": (2, 1, 28, 28, 40, 7, {}),
    "5x5, 6 inputs": (3, 6, 14, 14, 16, 5, {}),
    "first 3x3, two channels": (3, 2, 20, 20, 24, 3, {}),
    "3x3": (2, 32, 14, 14, 64, 3, {"padding": 1}),
    "3x3, odd": (2, 19, 13, 11, 37, 3, {"padding": 1}),
    "5x5": (2, 16, 12, 20, 33, 5, {"padding": "same"}),
    "1x1": (2, 65, 9, 9, 130, 1, {}),
    "1x1, many rows": (3, 40, 20, 20, 70, 1, {}),
    "1x1 stride 2": (2, 24, 9, 9, 40, 1, {"stride": 2}),
    "3x3 stride 2": (2, 24, 15, 15, 40, 3, {"stride": 2, "padding": 1}),
    "7x7 stride 2 colour": (2, 3, 33, 31, 20, 7, {"stride": 2, "padding": 3}),
    "dilated": (2, 20, 17, 17, 20, 3, {"dilation": 4, "padding": 4}),
    "grouped": (2, 32, 12, 12, 48, 3, {"groups": 4, "padding": 1}),
    "depthwise": (2, 40, 14, 14, 40, 3, {"groups": 40, "padding": 1}),
    "depthwise stride 2": (2, 17, 14, 14, 17, 5, {"groups": 17, "padding": 2, "stride": 2}),
    "depthwise, whole vectors": (2, 64, 20, 13, 64, 3, {"groups": 64, "padding": 1}),
    "depthwise, few pixels": (2, 16, 9, 6, 16, 5, {"groups": 16, "padding": 2}),
    "depthwise 7x7": (2, 9, 12, 23, 9, 7, {"groups": 9, "padding": 3}),
    "depthwise, dilated": (2, 18, 14, 15, 18, 3, {"groups": 18, "dilation": 2}),
    "depthwise, dilation like stride": (2, 20, 19, 23, 20, 3, {"groups": 20, "dilation": 2,
                                                             "stride": 2, "padding": 2}),
    "depthwise, narrower than the kernel": (2, 35, 5, 2, 35, 7, {"groups": 35, "padding": 3}),
    "depthwise, padding wider than the image": (2, 6, 3, 4, 6, 3, {"groups": 6, "padding": 9}),
    "depthwise, all but one row padding": (2, 17, 1, 12, 17, 5, {"groups": 17, "padding": 2}),
    "depthwise, stride beyond the kernel": (2, 21, 13, 26, 21, 2, {"groups": 21,
                                                                  "stride": (3, 4)}),
    "depthwise, wide kernel": (2, 3, 3, 40, 3, (3, 12), {"groups": 3, "padding": (1, 5)}),
    "depthwise, many chunks": (4, 32, 60, 70, 32, 3, {"groups": 32, "padding": 1}),
    "depthwise 3x3 stride 2, wide": (2, 33, 15, 40, 33, 3, {"groups": 33, "padding": 1,
                                                            "stride": 2}),
    "depthwise 5x5, wide": (2, 16, 9, 30, 16, 5, {"groups": 16, "padding": 2}),
    "depthwise 5x5 stride 2, wide": (2, 24, 11, 41, 24, 5, {"groups": 24, "padding": 2,
                                                            "stride": 2}),
    "depthwise, few channels, odd rows": (3, 5, 7, 7, 5, 3, {"groups": 5, "padding": 1}),
    "depthwise, one row": (2, 20, 1, 9, 20, 3, {"groups": 20, "padding": 1}),
    "depthwise, one pixel": (3, 18, 1, 1, 18, 3, {"groups": 18, "padding": 1}),
    "depthwise, stride across": (2, 20, 9, 22, 20, 3, {"groups": 20, "padding": 1,
                                                       "stride": (1, 2)}),
    "depthwise, stride down": (2, 20, 9, 22, 20, 3, {"groups": 20, "padding": 1,
                                                     "stride": (2, 1)}),
    "depthwise, columns apart": (2, 20, 9, 22, 20, 3, {"groups": 20, "padding": (1, 2),
                                                       "stride": (1, 2), "dilation": (1, 2)}),
    "channel multiplier": (2, 12, 9, 9, 36, 3, {"groups": 12}),
    "tall kernel": (2, 5, 30, 7, 9, (9, 1), {"padding": (4, 0)}),
    "stride beyond the kernel": (2, 7, 23, 23, 9, 2, {"stride": (5, 4)}),
    "kernel as large as the image": (4, 8, 6, 7, 20, (6, 7), {}),
    "whole batch in one chunk": (33, 2, 4, 4, 3, 3, {}),
    "one pixel": (5, 33, 1, 1, 17, 1, {}),
    "padding wider than the kernel": (2, 3, 4, 4, 5, 2, {"padding": 5}),
}


def layer_arrays(layer, make, dtype, rng):
    n, c, height, width, k, kernel, options = LAYERS[layer]
    x = make(rng, dtype, n, c, height, width)
    weight = make(rng, dtype, k, c // options.get("groups", 1), *reference.pair(kernel))
    bias = make(rng, dtype, k)
    expected = reference.conv2d(x, weight, bias, **options)
    return x, weight, bias, make(rng, dtype, *expected.shape), expected, options


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_of_networks(layer, dtype, rng):
    x, weight, bias, dy, expected, options = layer_arrays(layer, whole, dtype, rng)
    y = conv2d(x, weight, bias, **options, algorithm="direct")
    np.testing.assert_array_equal(y, expected)
    for gradient, right in zip(conv2d_backward(dy, x, weight, bias=True, **options,
                                               algorithm="direct"),
                               reference.conv2d_backward(dy, x, weight, True, **options)):
        np.testing.assert_array_equal(gradient, right)


@pytest.mark.parametrize("layer", ["3x3", "first 5x5, 6 outputs", "3x3 stride 2", "depthwise"])
def test_rounding_of_layers(layer, dtype, rng):
    x, weight, bias, dy, expected, options = layer_arrays(layer, normal, dtype, rng)
    assert_close(conv2d(x, weight, bias, **options), expected, weight[0].size)
    for gradient, right in zip(conv2d_backward(dy, x, weight, bias=True, **options),
                               reference.conv2d_backward(dy, x, weight, True, **options)):
        assert_close(gradient, right, dy[:, 0].size)


@pytest.mark.parametrize("groups", [1, 2])
def test_without_input_gradient(groups, dtype, rng):
    x, weight = normal(rng, dtype, 3, 4, 8, 8), normal(rng, dtype, 6, 4 // groups, 3, 3)
    dy = normal(rng, dtype, 3, 6, 6, 6)
    everything = conv2d_backward(dy, x, weight, bias=True, groups=groups)
    dx, dweight, dbias = conv2d_backward(dy, x, weight, bias=True, groups=groups,
                                         input_gradient=False)
    assert dx is None
    np.testing.assert_array_equal(dweight, everything[1])
    np.testing.assert_array_equal(dbias, everything[2])


def test_empty_batch(dtype):
    x, weight = np.zeros((0, 3, 8, 8), dtype), np.ones((5, 3, 3, 3), dtype)
    y = conv2d(x, weight, np.ones(5, dtype))
    assert y.shape == (0, 5, 6, 6) and y.dtype == dtype
    dx, dweight, dbias = conv2d_backward(y, x, weight, bias=True)
    assert dx.shape == x.shape and dx.dtype == dtype
    np.testing.assert_array_equal(dweight, np.zeros_like(weight))
    np.testing.assert_array_equal(dbias, np.zeros(5, dtype))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_pixel_stays_under_its_windows(bad, dtype, rng):
    x, weight = normal(rng, dtype, 2, 5, 12, 12), 1 + rng.random((20, 5, 3, 3)).astype(dtype)
    x[1, 3, 6, 7] = bad
    touched = np.zeros((2, 20, 12, 12), bool)
    touched[1, :, 5:8, 6:9] = True
    y = conv2d(x, weight, padding=1, algorithm="direct")
    np.testing.assert_array_equal(~np.isfinite(y), touched)


@pytest.mark.parametrize("stride", [1, 2])
def test_padding_times_an_infinite_weight_is_nan(stride, dtype, rng):
    """Rows of zeros are left out only where that cannot be seen."""
    x = normal(rng, dtype, 2, 18, 9, 8)
    for row, touched in ((0, 0), (2, -1)):
        weight = normal(rng, dtype, 20, 18, 3, 3)
        weight[17, 11, row, 1] = np.inf
        y = conv2d(x, weight, padding=(1, 0), stride=stride, algorithm="direct")
        expected = np.zeros(y.shape, bool)
        expected[:, 17, touched] = True
        np.testing.assert_array_equal(np.isnan(y), expected)
        dy = normal(rng, dtype, *y.shape)
        dx = conv2d_backward(dy, x, weight, padding=(1, 0), stride=stride, algorithm="direct")[0]
        assert np.isnan(dx[:, 11]).any() and not np.isnan(dx[:, :11]).any()


@pytest.mark.parametrize("width", [1, 7, 8, 15])
def test_pixels_a_page_apart(width, dtype, rng):
    """They compete for the same lines of the cache, and are taken a few at a time."""
    channels = 4096 // dtype().itemsize
    x, weight = whole(rng, dtype, 2, channels, 3, width), whole(rng, dtype, 17, channels, 1, 1)
    y = conv2d(x, weight)
    np.testing.assert_array_equal(y, reference.conv2d(x, weight))
    wide, back = whole(rng, dtype, channels, 5, 3, 3), whole(rng, dtype, 1, channels, 3, width)
    images = whole(rng, dtype, 1, 5, 3, width)
    dx = conv2d_backward(back, images, wide, padding=1, weight_gradient=False,
                         algorithm="direct")[0]
    np.testing.assert_array_equal(dx, reference.conv2d_backward(back, images, wide, padding=1)[0])


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("kernel, padding", [(7, 3), (7, 6), ((5, 1), (4, 0)), ((1, 7), (2, 3))],
                         ids=str)
def test_windows_larger_than_the_image(size, kernel, padding, dtype, rng):
    """Taps on rows of zeros above, below, on both sides, and whole windows of them."""
    kernel_h, kernel_w = reference.pair(kernel)
    x = rng.integers(-3, 4, (3, 17, size, size + 1)).astype(dtype)
    weight = rng.integers(-3, 4, (19, 17, kernel_h, kernel_w)).astype(dtype)
    y = conv2d(x, weight, padding=padding)
    np.testing.assert_array_equal(y, reference.conv2d(x, weight, padding=padding))
    dy = rng.integers(-3, 4, y.shape).astype(dtype)
    expected = reference.conv2d_backward(dy, x, weight, padding=padding)
    for result, right in zip(conv2d_backward(dy, x, weight, padding=padding), expected):
        if right is not None and result is not None:
            np.testing.assert_array_equal(result, right)


def test_denormal_numbers_are_kept(dtype):
    """The build must not switch the processor to flush-to-zero."""
    tiny = np.finfo(dtype).smallest_subnormal * 8
    x = np.full((1, 1, 4, 40), tiny, dtype)
    np.testing.assert_array_equal(conv2d(x, np.ones((1, 1, 1, 1), dtype)), x)


def test_integers_and_half_precision_become_float32(rng):
    x, weight = rng.integers(-9, 9, (2, 3, 5, 5)), rng.integers(-9, 9, (4, 3, 3, 3))
    expected = reference.conv2d(x, weight)
    for integer in (np.int8, np.int32, np.int64, np.float16):
        y = conv2d(x.astype(integer), weight.astype(integer))
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, expected)


def test_integer_images_take_the_type_of_the_weight(rng):
    """uint8 images with float64 weights are a float64 convolution."""
    x, weight = rng.integers(0, 255, (2, 3, 5, 5), np.uint8), normal(rng, np.float64, 4, 3, 3, 3)
    try:
        y = conv2d(x, weight)
    except TypeError as error:                      # or it says which argument to convert
        assert "weight" in str(error)
    else:
        assert_close(y, reference.conv2d(x, weight), 27 * 255)
