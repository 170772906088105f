"""One call of every function, for the tests of what all functions have in common."""

from functools import partial

import numpy as np

import helpers
from cycnn import functional as F

# Where a dimension is not given: large enough for several tasks, and no multiple of any vector.
N, C, H, W, K = 5, 19, 13, 17, 21


class Call:
    """A function with its arrays: `call(dtype)` makes them, `call.run(*arrays)` calls it.

    Parameters
    ----------
    function : callable
        Takes the arrays in order.
    shapes : tuple of int or callable
        A shape stands for an array of random numbers; a callable is given the generator and
        makes the array itself (indices, labels).
    images : bool
        Whether the result is images in the memory format of the first images given.
    """

    def __init__(self, function, *shapes, images=False):
        self.run = function
        self.shapes = shapes
        self.images = images

    def __call__(self, dtype, make=helpers.normal):
        rng = np.random.default_rng(5)
        return [shape(rng) if callable(shape) else make(rng, dtype, *shape)
                for shape in self.shapes]


def _integers(limit, *shape):
    return lambda rng: rng.integers(0, limit, shape)


def _positions(limit, *shape):
    """Some are below 0."""
    return lambda rng: rng.integers(-3, limit, shape)


def _conv(n=N, c=C, h=H, w=W, k=K, kernel=3, bias=True, **options):
    """The forward and the backward call of one convolution; `bias` as conv2d_backward takes it."""
    x, weight = (n, c, h, w), (k, c // options.get("groups", 1), kernel, kernel)
    y = F.conv2d(np.zeros(x), np.zeros(weight), **options).shape
    return (Call(partial(F.conv2d, **options), x, weight, y[1:] if bias == "untied" else (k,),
                 images=True),
            Call(partial(F.conv2d_backward, bias=bias, **options), y, x, weight, images=True))


def _sgd(weight, grad, velocity, **options):
    """sgd_step works in place; this leaves its arguments alone."""
    weight, velocity = (np.array(a, a.dtype.newbyteorder("=")) for a in (weight, velocity))
    F.sgd_step(weight, grad, velocity, 0.1, weight_decay=0.01, first=False, **options)
    return weight, velocity


def _concat(*arrays):
    return F.concat(arrays)


def _batch_norm(x, mean, var, weight, bias):
    """With the running statistics among the results; their arrays are left alone."""
    mean, var = (np.array(a, a.dtype.newbyteorder("=")) for a in (mean, var))
    return F.batch_norm(x, mean, var, weight, bias, training=True), mean, var


def _batch_norm_given(x, mean, var, weight, bias):
    return F.batch_norm(x, mean, np.abs(var), weight, bias)


def _batch_norm_backward_given(dy, x, mean, var, weight):
    return F.batch_norm_backward(dy, x, mean, np.abs(var), weight)


def _group_norm(x, weight, bias):
    return F.group_norm(x, 5, weight, bias)


def _group_norm_backward(dy, x, weight):
    return F.group_norm_backward(dy, x, 5, weight)


def _transposed(n=N, c=C, h=H, w=W, k=K, kernel=3, **options):
    """The forward and the backward call of one transposed convolution."""
    groups = options.get("groups", 1)
    x, weight = (n, c, h, w), (c, k // groups, kernel, kernel)
    y = F.conv_transpose2d(np.zeros(x), np.zeros(weight), **options).shape
    return (Call(partial(F.conv_transpose2d, **options), x, weight, (k,), images=True),
            Call(partial(F.conv_transpose2d_backward, bias=True, **options), y, x, weight,
                 images=True))


def _adam(weight, grad):
    """Two steps from zero averages; the arguments stay."""
    weight = np.array(weight, weight.dtype.newbyteorder("="))
    kept = [np.zeros_like(weight) for _ in range(3)]
    for step in (1, 2):
        F.adam_step(weight, grad, kept[0], kept[1], step, weight_decay=0.01, max_exp_avg_sq=kept[2])
    return weight, *kept


def _rmsprop(weight, grad):
    weight = np.array(weight, weight.dtype.newbyteorder("="))
    kept = [np.zeros_like(weight) for _ in range(3)]
    for _ in range(2):
        F.rmsprop_step(weight, grad, kept[0], momentum=0.9, momentum_buffer=kept[1],
                       grad_avg=kept[2])
    return weight, *kept


IMAGES, POOLED = (N, C, H, W), (N, C, H // 2, W // 2)
PLANE_INDICES = _integers(H * W, *POOLED)

CALLS = {
    "relu": Call(F.relu, IMAGES, images=True),
    "relu_backward": Call(F.relu_backward, IMAGES, IMAGES, images=True),
    "leaky_relu": Call(F.leaky_relu, IMAGES, images=True),
    "leaky_relu_backward": Call(F.leaky_relu_backward, IMAGES, IMAGES, images=True),
    "tanh": Call(F.tanh, IMAGES, images=True),
    "tanh_backward": Call(F.tanh_backward, IMAGES, IMAGES, images=True),
    "sigmoid": Call(F.sigmoid, IMAGES, images=True),
    "sigmoid_backward": Call(F.sigmoid_backward, IMAGES, IMAGES, images=True),
    "elu": Call(F.elu, IMAGES, images=True),
    "elu_backward": Call(F.elu_backward, IMAGES, IMAGES, images=True),
    "gelu": Call(F.gelu, IMAGES, images=True),
    "gelu_backward": Call(F.gelu_backward, IMAGES, IMAGES, images=True),
    "gelu by tanh": Call(partial(F.gelu, approximate="tanh"), IMAGES, images=True),
    "gelu_backward by tanh": Call(partial(F.gelu_backward, approximate="tanh"), IMAGES, IMAGES,
                                  images=True),
    "silu": Call(F.silu, IMAGES, images=True),
    "silu_backward": Call(F.silu_backward, IMAGES, IMAGES, images=True),
    "add": Call(F.add, IMAGES, IMAGES, images=True),
    "add, then relu": Call(partial(F.add, relu=True), IMAGES, IMAGES, images=True),
    "concat": Call(_concat, IMAGES, (N, 3, H, W), images=True),
    "concat_backward": Call(lambda dy: tuple(F.concat_backward(dy, [4, 0, 15])), IMAGES,
                            images=True),
    "dropout": Call(partial(F.dropout, p=0.3, key=7), IMAGES, images=True),
    "dropout of rows": Call(partial(F.dropout, p=0.3, key=7), (37, 650)),
    "dropout_backward": Call(partial(F.dropout_backward, p=0.3, key=7), IMAGES, images=True),
    "dropout2d": Call(partial(F.dropout2d, p=0.3, key=7), IMAGES, images=True),
    "dropout2d_backward": Call(partial(F.dropout2d_backward, p=0.3, key=7), IMAGES, images=True),
    "batch_norm": Call(_batch_norm, IMAGES, (C,), (C,), (C,), (C,), images=True),
    "batch_norm of rows": Call(_batch_norm, (300, 37), (37,), (37,), (37,), (37,)),
    "batch_norm of many images": Call(_batch_norm, (70, 3, 17, 9), (3,), (3,), (3,), (3,),
                                      images=True),
    "batch_norm, evaluating": Call(_batch_norm_given, IMAGES, (C,), (C,), (C,), (C,), images=True),
    "batch_norm_backward": Call(partial(F.batch_norm_backward, training=True), IMAGES, IMAGES,
                                images=True),
    "batch_norm_backward of many images": Call(
        partial(F.batch_norm_backward, training=True), (70, 3, 17, 9), (70, 3, 17, 9),
        images=True),
    "batch_norm_backward, evaluating": Call(_batch_norm_backward_given, IMAGES, IMAGES, (C,), (C,),
                                            (C,), images=True),
    "group_norm": Call(_group_norm, (N, 20, H, W), (20,), (20,), images=True),
    "group_norm_backward": Call(_group_norm_backward, (N, 20, H, W), (N, 20, H, W), (20,),
                                images=True),
    "adaptive_avg_pool2d": Call(partial(F.adaptive_avg_pool2d, output_size=(4, 7)), IMAGES,
                                images=True),
    "adaptive_avg_pool2d_backward": Call(
        partial(F.adaptive_avg_pool2d_backward, input_size=(17, 19)), IMAGES, images=True),
    "interpolate": Call(partial(F.interpolate, scale_factor=(1.7, 2)), IMAGES, images=True),
    "interpolate_backward": Call(
        partial(F.interpolate_backward, input_size=(5, 8), size=(H, W)), IMAGES, images=True),
    "zero_pad2d": Call(partial(F.zero_pad2d, padding=(1, 2, 0, -3)), IMAGES, images=True),
    "zero_pad2d_backward": Call(
        partial(F.zero_pad2d_backward, input_size=(H, W - 3), padding=(1, 2, 0, 0)), IMAGES,
        images=True),
    "softmax": Call(F.softmax, (300, 37)),
    "softmax over channels": Call(partial(F.softmax, axis=1), IMAGES),
    "softmax_backward": Call(F.softmax_backward, (300, 37), (300, 37)),
    "cross_entropy": Call(F.cross_entropy, (300, 37), _integers(37, 300)),
    "cross_entropy_backward": Call(F.cross_entropy_backward, (300, 37), _integers(37, 300)),
    "cross_entropy with options": Call(partial(F.cross_entropy_with_gradient, label_smoothing=0.1,
                                               ignore_index=3, weight=np.arange(1, 38)),
                                       (300, 37), _integers(37, 300)),
    "cross_entropy of probabilities": Call(F.cross_entropy_with_gradient, (300, 37), (300, 37)),
    "adam_step": Call(_adam, *[(50_001,)] * 2),
    "rmsprop_step": Call(_rmsprop, *[(50_001,)] * 2),
    "max_pool2d": Call(partial(F.max_pool2d, kernel_size=2), IMAGES, images=True),
    "max_pool2d overlapping": Call(partial(F.max_pool2d, kernel_size=3, stride=2, padding=1,
                                           return_indices=True), IMAGES, images=True),
    "max_pool2d_backward": Call(partial(F.max_pool2d_backward, input_size=(H, W)),
                                POOLED, PLANE_INDICES, images=True),
    "avg_pool2d": Call(partial(F.avg_pool2d, kernel_size=3, stride=2, padding=1), IMAGES,
                       images=True),
    "avg_pool2d_backward": Call(partial(F.avg_pool2d_backward, input_size=IMAGES, kernel_size=2),
                                POOLED, images=True),
    "global_avg_pool2d": Call(F.global_avg_pool2d, IMAGES),
    "global_avg_pool2d_backward": Call(partial(F.global_avg_pool2d_backward, input_size=IMAGES),
                                       (N, C, 1, 1)),
    "remap": Call(F.remap, IMAGES, _integers(N, 7), _positions(H, 7, 9), _positions(W, 7, 21),
                  images=True),
    "warp_affine": Call(partial(F.warp_affine, fill=3), IMAGES, (N, 6), images=True),
    "warp_affine bilinear": Call(partial(F.warp_affine, interpolation="bilinear"), IMAGES, (N, 6),
                                 images=True),
    "erase": Call(partial(F.erase, value=np.arange(C)), IMAGES, _integers(6, N, 4), images=True),
    "linear": Call(F.linear, (37, 130), (65, 130), (65,)),
    "linear_backward": Call(partial(F.linear_backward, bias=True), (37, 65), (37, 130), (65, 130)),
    "sgd_step": Call(partial(_sgd, momentum=0.9, nesterov=True), *[(50_001,)] * 3),
    "sgd_step without momentum": Call(partial(_sgd, momentum=0.0, nesterov=False),
                                      *[(50_001,)] * 3),
    "flatten": Call(F.flatten, IMAGES),
    "flatten_backward": Call(partial(F.flatten_backward, input_size=IMAGES), (N, C * H * W)),
}
for name in ("mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy_with_logits"):
    CALLS[name] = Call(getattr(F, name), (300, 37), (300, 37))
    CALLS[f"{name}_backward"] = Call(getattr(F, f"{name}_backward"), (300, 37), (300, 37))
for name, options in {
        "": {"padding": 1, "algorithm": "direct"},
        " 5x5": {"kernel": 5, "padding": "same", "algorithm": "direct"},
        # Of these, "auto" makes Winograd's.
        " Winograd": {"padding": 1}, " Winograd 5x5": {"kernel": 5, "padding": "same"},
        " 1x1": {"kernel": 1},
        " grey": {"c": 1, "n": 9}, " stride 2": {"stride": 2, "padding": 1},
        " dilated": {"dilation": 2}, " grouped": {"c": 18, "k": 21, "groups": 3},
        " depthwise": {"c": 35, "k": 35, "groups": 35}, " untied": {"bias": "untied", "padding": 1},
        " many images": {"n": 70, "h": 5, "w": 4},
}.items():
    CALLS[f"conv2d{name}"], CALLS[f"conv2d_backward{name}"] = _conv(**options)

for name, options in {
        "": {}, " stride 2": {"stride": 2, "padding": 1, "output_padding": 1},
        " grouped": {"c": 18, "groups": 3, "stride": (1, 2)}, " grey": {"k": 1, "stride": 2},
        " dilated": {"dilation": 2, "output_padding": 1, "h": 7, "w": 6},
}.items():
    CALLS[f"conv_transpose2d{name}"], CALLS[f"conv_transpose2d_backward{name}"] = \
        _transposed(**options)


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


def assert_identical(actual, expected):
    """Equal bit for bit; NaN equals NaN."""
    for one, other in zip(as_tuple(actual), as_tuple(expected), strict=True):
        if other is None:
            assert one is None
        else:
            one, other = np.asarray(one), np.asarray(other)
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
