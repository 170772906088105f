"""What cannot be right is refused, naming the argument, before any memory is touched.

Most of these calls have crashed one library or another.
"""

from functools import partial

import numpy as np
import pytest

import cycnn.functional as F
from helpers import run_python

HUGE = 8608480567731124087                  # a size whose products do not fit 64 bits

X = np.ones((2, 4, 6, 6), np.float32)
W = np.ones((8, 4, 3, 3), np.float32)
Y = np.ones((2, 8, 4, 4), np.float32)       # conv2d(X, W)
POOLED = np.ones((2, 4, 3, 3), np.float32)
INDICES = np.zeros((2, 4, 3, 3), np.int64)
ROWS, MATRIX, OUT = np.ones((5, 7), np.float32), np.ones((3, 7), np.float32), np.ones((5, 3), "f4")
LABELS = np.array([0, 1, 2, 0, 1])

CASES = {}


def refused(name, argument, function, *arguments, error=ValueError, **options):
    """`function(*arguments, **options)` raises `error`, whose text contains `argument`."""
    assert name not in CASES
    CASES[name] = argument, error, function, arguments, options


# --- arrays of the wrong kind, the same for all functions ----------------------------------

# function -> arguments that are right, and the names of those that are arrays of numbers
GOOD = {
    "conv2d": ((X, W, np.ones(8, "f4")), ("x", "weight", "bias")),
    "conv2d_backward": ((Y, X, W), ("dy", "x", "weight")),
    "linear": ((ROWS, MATRIX, np.ones(3, "f4")), ("x", "weight", "bias")),
    "linear_backward": ((OUT, ROWS, MATRIX), ("dy", "x", "weight")),
    "max_pool2d": ((X, 2), ("x",)),
    "max_pool2d_backward": ((POOLED, INDICES, (6, 6)), ("dy",)),
    "avg_pool2d": ((X, 2), ("x",)),
    "avg_pool2d_backward": ((POOLED, X.shape, 2), ("dy",)),
    "global_avg_pool2d": ((X,), ("x",)),
    "global_avg_pool2d_backward": ((np.ones((2, 4, 1, 1), "f4"), X.shape), ("dy",)),
    "relu": ((X,), ("x",)),
    "relu_backward": ((X, X), ("dy", "y")),
    "leaky_relu": ((X,), ("x",)),
    "leaky_relu_backward": ((X, X), ("dy", "x")),
    "tanh": ((X,), ("x",)),
    "tanh_backward": ((X, X), ("dy", "y")),
    "sigmoid": ((X,), ("x",)),
    "sigmoid_backward": ((X, X), ("dy", "y")),
    "elu": ((X,), ("x",)),
    "elu_backward": ((X, X), ("dy", "x")),
    "gelu": ((X,), ("x",)),
    "gelu_backward": ((X, X), ("dy", "x")),
    "silu": ((X,), ("x",)),
    "silu_backward": ((X, X), ("dy", "x")),
    "add": ((X, X), ("x", "other")),
    "concat_backward": ((X, [1, 3]), ("dy",)),
    "zero_pad2d": ((X, 1), ("x",)),
    "zero_pad2d_backward": ((X, (4, 4), 1), ("dy",)),
    "adaptive_avg_pool2d": ((X, 3), ("x",)),
    "adaptive_avg_pool2d_backward": ((POOLED, X.shape), ("dy",)),
    "interpolate": ((X, 3), ("x",)),
    "interpolate_backward": ((POOLED, X.shape, 3), ("dy",)),
    "conv_transpose2d": ((Y, W, np.ones(4, "f4")), ("x", "weight", "bias")),
    "conv_transpose2d_backward": ((X, Y, W), ("dy", "x", "weight")),
    "dropout": ((X,), ("x",)),
    "dropout_backward": ((X,), ("dy",)),
    "dropout2d": ((X,), ("x",)),
    "dropout2d_backward": ((X,), ("dy",)),
    "batch_norm": ((X, np.zeros(4, "f4"), np.ones(4, "f4"), np.ones(4, "f4"), np.ones(4, "f4")),
                   ("x", "running_mean", "running_var", "weight", "bias")),
    "batch_norm_backward": ((X, X, np.zeros(4, "f4"), np.ones(4, "f4"), np.ones(4, "f4")),
                            ("dy", "x", "running_mean", "running_var", "weight")),
    "group_norm": ((X, 2, np.ones(4, "f4"), np.ones(4, "f4")), ("x",)),
    "group_norm_backward": ((X, X, 2), ("dy", "x")),
    "softmax": ((ROWS,), ("x",)),
    "softmax_backward": ((ROWS, ROWS), ("dy", "y")),
    "cross_entropy": ((OUT, LABELS), ("logits",)),
    "cross_entropy_backward": ((OUT, LABELS), ("logits",)),
    **{f"{name}{backward}": ((ROWS, ROWS), ("prediction", "target"))
       for name in ("mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy_with_logits")
       for backward in ("", "_backward")},
    "flatten": ((X,), ("x",)),
    "flatten_backward": ((np.ones((2, 144), "f4"), X.shape), ("dy",)),
}
ELEMENTWISE_LOSSES = "mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy_with_logits"
ANY_RANK = ("relu", "leaky_relu", "tanh", "sigmoid", "elu", "gelu", "silu", "softmax", "flatten",
            "add", "dropout", *ELEMENTWISE_LOSSES)


def spoil(function):
    """Each array of a right call replaced by one of a wrong kind."""
    arguments, names = GOOD[function]
    # Whether shapes must agree.
    matching = function.endswith("_backward") or function in ELEMENTWISE_LOSSES
    for at, (argument, array) in enumerate(zip(names, arguments)):
        def wrong(what, value, names=argument, error=ValueError):
            refused(f"{function}, {argument} {what}", names, getattr(F, function),
                    *arguments[:at], value, *arguments[at + 1:], error=error)

        for kind in (object, complex, "U3", "datetime64[s]"):
            wrong(f"of {kind}", np.zeros(array.shape, kind), error=TypeError)
        if (matching or argument in ("weight", "bias")) and len(names) > 1:
            # Which of the two is to blame is a matter of taste.
            wrong("of another type", array.astype(np.float64), "|".join(names), TypeError)
        if function.removesuffix("_backward") not in ANY_RANK:
            wrong("of a rank more", array[None])
            wrong("a number", np.float32(1))
        if matching and len(names) > 1:
            wrong("shorter", array[..., :-1], "|".join(names))
            wrong("of a smaller batch", array[:-1], "|".join(names))
            wrong("empty", array[:0], "|".join(names))


for function in GOOD:
    spoil(function)

# --- convolution ---------------------------------------------------------------------------

for option in ("stride", "dilation", "groups"):
    for value in (0, -1, HUGE, 2**63, -2**63):
        refused(f"{option}={value}", option, F.conv2d, X, W, **{option: value})
        refused(f"backward, {option}={value}", option, F.conv2d_backward, Y, X, W,
                **{option: value})
    for value in (1.5, "1", None, True, [1, 2.5], np.nan):
        refused(f"{option}={value!r}", option, F.conv2d, X, W, error=TypeError,
                **{option: value})
for option in ("stride", "dilation", "padding"):
    for value in ((), (1,), (1, 1, 1), [1, 2, 3, 4]):
        refused(f"{option}={value}", option, F.conv2d, X, W, **{option: value})
for value in (-1, (0, -2), HUGE, 2**62, "full", "SAME", ""):
    refused(f"padding={value!r}", "padding", F.conv2d, X, W, padding=value)
for value in (0.5, None, (1, "same"), b"same"):
    refused(f"padding={value!r}", "padding", F.conv2d, X, W, padding=value, error=TypeError)
refused('"same" with a stride', "stride", F.conv2d, X, W, padding="same", stride=2)
refused("padding that makes the result huge", "too large", F.conv2d, X, W, padding=2**31 - 1)
refused("padding that makes the result large", "too large", F.conv2d, X, W, padding=2**24)
refused("dilation beyond the input", "kernel_size", F.conv2d, X, W, dilation=2**31 - 1)
refused("kernel larger than the input", "kernel_size", F.conv2d, X, np.ones((8, 4, 7, 7), "f4"))
refused("no pixels", "x", F.conv2d, X[:, :, :0], W)
refused("no columns, but padding", "x", F.conv2d, X[..., :0], W, padding=3)
refused("no channels", "weight", F.conv2d, X[:, :0], W[:, :0])
refused("no outputs", "weight", F.conv2d, X, W[:0])
refused("no kernel", "weight", F.conv2d, X, W[:, :, :0])
refused("empty kernel, padded", "weight", F.conv2d, X, W[..., :0], padding=1)
refused("channels differ", "channels", F.conv2d, X, W[:, :3])
refused("groups do not divide the inputs", "groups", F.conv2d, X, W, groups=3)
refused("groups do not divide the outputs", "groups", F.conv2d, X, np.ones((7, 2, 3, 3), "f4"),
        groups=2)
refused("weight not divided by groups", "groups", F.conv2d, X, W, groups=2)
refused("more groups than channels", "groups", F.conv2d, X, W, groups=8)
refused("bias too long", "bias", F.conv2d, X, W, np.ones(9, "f4"))
for shape in ((2, 8, 4, 5), (2, 8, 6, 6), (2, 4, 4, 4), (1, 8, 4, 4), (3, 8, 4, 4), (2, 8, 0, 4),
              (0, 8, 4, 4)):
    refused(f"dy of shape {shape}", "dy", F.conv2d_backward, np.ones(shape, "f4"), X, W)

# --- pooling -------------------------------------------------------------------------------

for function in (F.max_pool2d, F.avg_pool2d):
    name = function.__name__
    for value in (0, -1, HUGE, (2, 0), (), (1, 2, 3)):
        refused(f"{name}, kernel_size={value}", "kernel_size", function, X, value)
        refused(f"{name}, stride={value}", "stride", function, X, 2, stride=value)
    for value in (1.5, "2", None, True):
        refused(f"{name}, kernel_size={value!r}", "kernel_size", function, X, value,
                error=TypeError)
    for value in (-1, (0, -1), 2, (1, 2), HUGE, 2**31 - 1):
        refused(f"{name}, padding={value}", "padding", function, X, 2, padding=value)
    refused(f"{name}, window larger than the input", "kernel_size", function, X, 7)
    refused(f"{name}, no pixels", "x", function, X[:, :, :0], 2)
    refused(f"{name}, no columns, but padding", "x", function, X[..., :0], 2, padding=1)
for value in (0, -1, HUGE, (1, 0)):
    refused(f"max_pool2d, dilation={value}", "dilation", F.max_pool2d, X, 2, dilation=value)
refused("max_pool2d, dilated beyond the input", "dilation", F.max_pool2d, X, 2, dilation=6)

for value in (36, -1, -36, 2**31, 2**62, -2**63):
    for at in (0, -1):
        wrong = INDICES.copy()
        wrong.flat[at] = value
        refused(f"index {value} at {at}", "indices", F.max_pool2d_backward, POOLED, wrong, (6, 6))
for shape in ((2, 4, 3, 4), (2, 4, 9), (1, 4, 3, 3), (2, 3, 3, 3), (0, 4, 3, 3), (72,), ()):
    refused(f"indices of shape {shape}", "indices", F.max_pool2d_backward, POOLED,
            np.zeros(shape, np.int64), (6, 6))
for kind in (np.float32, np.float64, object, "U3", bool):
    refused(f"indices of {kind}", "indices", F.max_pool2d_backward, POOLED, INDICES.astype(kind),
            (6, 6), error=TypeError)
refused("NaN as index", "indices", F.max_pool2d_backward, POOLED, np.full((2, 4, 3, 3), np.nan),
        (6, 6), error=TypeError)
refused("unsigned index beyond int64", "indices", F.max_pool2d_backward, POOLED,
        np.full((2, 4, 3, 3), 2**64 - 1, np.uint64), (6, 6))

BACKWARD = {"max_pool2d": lambda dy, size: F.max_pool2d_backward(dy, INDICES, size),
            "avg_pool2d": lambda dy, size: F.avg_pool2d_backward(dy, size, 2),
            "global_avg_pool2d": lambda dy, size: F.global_avg_pool2d_backward(dy, size)}
for name, backward in BACKWARD.items():
    dy = POOLED[:, :, :1, :1] if name.startswith("global") else POOLED
    for size in ((0, 6), (6, -6), (6,), (), (2, 4, 6), (3, 4, 6, 6), (2, 5, 6, 6), (HUGE, 2),
                 (2**31, 2**31), (2, 4, 6, HUGE), (2**24, 2**24)):
        refused(f"{name}_backward, input_size={size}", "input_size|dy|indices|kernel_size",
                backward, dy, size)
    for size in (6, 6.0, (6, 6.5), "66", None, (6, None)):
        refused(f"{name}_backward, input_size={size!r}", "input_size", backward, dy, size,
                error=(TypeError, ValueError))
for shape in ((2, 4, 2, 3), (2, 4, 3, 4), (2, 4, 6, 6), (2, 4, 0, 3)):
    refused(f"avg_pool2d_backward, dy of shape {shape}", "dy", F.avg_pool2d_backward,
            np.ones(shape, "f4"), X.shape, 2)
for option, value in (("kernel_size", 0), ("stride", 0), ("padding", -1), ("padding", 2)):
    options = {"kernel_size": 2, option: value}
    refused(f"avg_pool2d_backward, {option}={value}", option, F.avg_pool2d_backward, POOLED,
            X.shape, **options)
refused("global_avg_pool2d_backward, dy with pixels", "dy", F.global_avg_pool2d_backward, POOLED,
        X.shape)
refused("global_avg_pool2d of nothing", "x", F.global_avg_pool2d, X[:, :, :0])

# --- normalisation, dropout, other sizes, transposed convolution ---------------------------------

STATISTICS = np.zeros(4, "f4"), np.ones(4, "f4")
for value in (-1.0, np.nan, np.inf):
    refused(f"batch_norm, eps={value}", "eps", F.batch_norm, X, *STATISTICS, eps=value)
    refused(f"group_norm, eps={value}", "eps", F.group_norm, X, 2, eps=value)
for value in (-0.1, 1.5, np.nan):
    refused(f"batch_norm, momentum={value}", "momentum", F.batch_norm, X, training=True,
            momentum=value)
refused("batch_norm, no statistics", "running_mean", F.batch_norm, X)
refused("batch_norm_backward, no statistics", "running_mean", F.batch_norm_backward, X, X)
refused("batch_norm, one of them", "running_var", F.batch_norm, X, STATISTICS[0])
refused("batch_norm, one of them in training", "running_var", F.batch_norm, X, STATISTICS[0],
        training=True)
refused("batch_norm, statistics as a list", "running_mean", F.batch_norm, X, [0.0] * 4,
        [1.0] * 4, training=True, error=TypeError)
refused("batch_norm, statistics of integers", "running_mean", F.batch_norm, X, np.zeros(4, int),
        STATISTICS[1], training=True, error=TypeError)
for at, name in enumerate(("running_mean", "running_var", "weight", "bias")):
    arrays = [np.ones(4, "f4")] * 4
    arrays[at] = np.ones(3, "f4")
    refused(f"batch_norm, {name} too short", name, F.batch_norm, X, *arrays)
READ_ONLY_4 = np.ones(4, "f4")
READ_ONLY_4.flags.writeable = False
refused("batch_norm, statistics read-only", "running", F.batch_norm, X, READ_ONLY_4, READ_ONLY_4,
        training=True)
for shape in ((1, 4, 1, 1), (1, 4), (1, 4, 1)):
    refused(f"batch_norm of one value, {shape}", "more than one value", F.batch_norm,
            np.ones(shape, "f4"), training=True)
    refused(f"group_norm of one value, {shape}", "more than one value", F.group_norm,
            np.ones(shape, "f4"), 4)
for shape in ((4,), (2, 4, 1, 1, 1), (), (2, 0, 3, 3)):
    refused(f"batch_norm of shape {shape}", "x", F.batch_norm, np.ones(shape, "f4"), *STATISTICS)
    refused(f"group_norm of shape {shape}", "x", F.group_norm, np.ones(shape, "f4"), 2)
for value in (0, -1, 3, 8, HUGE):
    refused(f"num_groups={value}", "num_groups", F.group_norm, X, value)
for value in (2.0, "2", None, True):
    refused(f"num_groups={value!r}", "num_groups", F.group_norm, X, value, error=TypeError)

for value in (-0.1, 1.1, np.nan, np.inf):
    refused(f"dropout, p={value}", "p", F.dropout, X, value)
    refused(f"dropout2d, p={value}", "p", F.dropout2d, X, value)
for value in ("0.5", None, [0.5], True):
    refused(f"dropout, p={value!r}", "p", F.dropout, X, value, error=TypeError)
for value in (-1, 2**64):
    refused(f"dropout, key={value}", "key", F.dropout, X, 0.5, value)
for value in (1.5, "1", None, True):
    refused(f"dropout, key={value!r}", "key", F.dropout, X, 0.5, value, error=TypeError)

for value in (0, -1, HUGE, (2, 0), (), (1, 2, 3)):
    refused(f"output_size={value}", "output_size", F.adaptive_avg_pool2d, X, value)
    refused(f"interpolate, size={value}", "size", F.interpolate, X, value)
for value in (1.5, "2", True):
    refused(f"output_size={value!r}", "output_size", F.adaptive_avg_pool2d, X, value,
            error=TypeError)
    refused(f"interpolate, size={value!r}", "size", F.interpolate, X, value, error=TypeError)
for value in (0, -1.0, np.nan, np.inf, 0.1, (2, 0), (1, 2, 3), ()):
    refused(f"scale_factor={value}", "scale_factor", F.interpolate, X, scale_factor=value)
refused("scale_factor as text", "scale_factor", F.interpolate, X, scale_factor="2",
        error=TypeError)
refused("a scale too large", "large|size", F.interpolate, X, scale_factor=1e9)
refused("a size too large", "large", F.interpolate, X, 2**24)
refused("the largest size, of no images", "large", F.interpolate, X[:0], 2**31 - 1)
refused("an output_size too large", "large", F.adaptive_avg_pool2d, X, 2**24)
refused("neither size nor scale_factor", "size", F.interpolate, X)
refused("both size and scale_factor", "size", F.interpolate, X, 2, 2.0)
refused("interpolate, mode", "mode", F.interpolate, X, 2, mode="bilinear")
for function, arguments in ((F.adaptive_avg_pool2d, (2,)), (F.interpolate, (2,))):
    refused(f"{function.__name__} of nothing", "x", function, X[:, :, :0], *arguments)
for shape in ((2, 4, 3, 4), (2, 5, 3, 3), (1, 4, 3, 3)):
    refused(f"interpolate_backward, dy of shape {shape}", "dy", F.interpolate_backward,
            np.ones(shape, "f4"), X.shape, 3)

for value in ((1, 2), (), (1, 2, 3, 4, 5), (-6, 0, 0, 0), -3, HUGE, 2**24):
    refused(f"zero_pad2d, padding={value}", "padding|large", F.zero_pad2d, X, value)
for value in (1.5, "1", None, True, (1, 1, 1, 0.5)):
    refused(f"zero_pad2d, padding={value!r}", "padding", F.zero_pad2d, X, value, error=TypeError)
refused("zero_pad2d of nothing", "pixel", F.zero_pad2d, X[:, :, :0], 1)
refused("zero_pad2d_backward, dy too small", "dy", F.zero_pad2d_backward, X, (4, 5), 1)

refused("group_norm_backward, weight too short", "weight", F.group_norm_backward, X, X, 2,
        np.ones(3, "f4"))
refused("concat of nothing", "arrays", F.concat, [])
refused("concat of an array", "arrays", F.concat, X, error=TypeError)
refused("concat of a word", "arrays", F.concat, "ab", error=TypeError)
refused("concat, sizes differ", r"arrays\[1\]", F.concat, [X, X[:, :, 1:]])
refused("concat, batches differ", r"arrays\[1\]", F.concat, [X, X[:1]])
refused("concat, ranks differ", r"arrays\[1\]", F.concat, [X, ROWS])
refused("concat, types differ", r"arrays\[1\]", F.concat, [X, X.astype("f8")], error=TypeError)
for value in ([4, 1], [3], [], [5, -1]):
    refused(f"concat_backward, channels={value}", "channels", F.concat_backward, X, value)
refused("concat_backward, channels of floats", "channels", F.concat_backward, X, [2.0, 2.0],
        error=TypeError)

for option in ("stride", "dilation", "groups"):
    for value in (0, -1, HUGE):
        refused(f"conv_transpose2d, {option}={value}", option, F.conv_transpose2d, Y, W,
                **{option: value})
    refused(f"conv_transpose2d, {option}='1'", option, F.conv_transpose2d, Y, W,
            error=TypeError, **{option: 1.5})
for value in (-1, (0, -2), HUGE, 3, 2**31 - 1):
    refused(f"conv_transpose2d, padding={value}", "padding", F.conv_transpose2d, Y, W,
            padding=value)
refused("conv_transpose2d, padding='same'", "padding", F.conv_transpose2d, Y, W, padding="same",
        error=TypeError)
for value in (1, (0, 1), -1, HUGE):
    refused(f"conv_transpose2d, output_padding={value}", "output_padding", F.conv_transpose2d, Y,
            W, output_padding=value)
refused("conv_transpose2d, output_padding of the stride", "output_padding", F.conv_transpose2d, Y,
        W, stride=2, output_padding=2)
refused("conv_transpose2d, result too large", "large", F.conv_transpose2d, Y, W, stride=2**24)
refused("conv_transpose2d, channels differ", "weight", F.conv_transpose2d, X, W)
refused("conv_transpose2d, groups", "groups", F.conv_transpose2d, Y, W, groups=3)
refused("conv_transpose2d, bias too long", "bias", F.conv_transpose2d, Y, W, np.ones(5, "f4"))
refused("conv_transpose2d of nothing", "x", F.conv_transpose2d, Y[:, :, :0], W)
refused("conv_transpose2d, empty weight", "weight", F.conv_transpose2d, Y, W[:, :, :0])
for shape in ((2, 4, 6, 5), (1, 4, 6, 6), (2, 8, 6, 6), (2, 4, 0, 6)):
    refused(f"conv_transpose2d_backward, dy of shape {shape}", "dy", F.conv_transpose2d_backward,
            np.ones(shape, "f4"), Y, W)

# --- linear, activations, losses ------------------------------------------------------------

refused("linear, features differ", "weight", F.linear, ROWS, MATRIX[:, :6])
refused("linear, bias too short", "bias", F.linear, ROWS, MATRIX, np.ones(2, "f4"))
refused("linear, images", "x", F.linear, X, MATRIX)
for shape in ((5, 4), (4, 3), (5, 0), (3, 5)):
    refused(f"linear_backward, dy of shape {shape}", "dy", F.linear_backward, np.ones(shape, "f4"),
            ROWS, MATRIX)
for value in (2, -3, HUGE):
    refused(f"softmax, axis={value}", "axis", F.softmax, ROWS, axis=value)
    refused(f"softmax_backward, axis={value}", "axis", F.softmax_backward, ROWS, ROWS, axis=value)
for value in (0.5, "0", None):
    refused(f"softmax, axis={value!r}", "axis", F.softmax, ROWS, axis=value, error=TypeError)
refused("ragged rows", "x", F.relu, [[1.0], [2.0, 3.0]], error=(TypeError, ValueError))
refused("softmax of a number", "x", F.softmax, np.float32(1))
for value in (np.nan, np.inf):
    refused(f"negative_slope={value}", "negative_slope", F.leaky_relu, ROWS, value)
for value in ("0.1", None, [0.1, 0.2]):
    refused(f"negative_slope={value!r}", "negative_slope", F.leaky_relu, ROWS, value,
            error=TypeError)

for value in (np.nan, np.inf):
    refused(f"alpha={value}", "alpha", F.elu, ROWS, value)
for value in ("0.1", None):
    refused(f"alpha={value!r}", "alpha", F.elu, ROWS, value, error=TypeError)
for value in ("tan", None, 1):
    refused(f"approximate={value!r}", "approximate", F.gelu, ROWS, value)

for function in (F.cross_entropy, F.cross_entropy_backward):
    name = function.__name__
    for value in (3, -1, 100, 2**31, 2**32, -2**63):
        wrong = LABELS.copy()
        wrong[-1] = value
        refused(f"{name}, label {value}", "labels", function, OUT, wrong)
    for kind in (np.float32, np.float64, bool, object, "U1", complex):
        refused(f"{name}, labels of {kind}", "labels", function, OUT, LABELS.astype(kind),
                error=TypeError)
    refused(f"{name}, NaN labels", "labels", function, OUT, np.full(5, np.nan), error=TypeError)
    for shape in ((4,), (6,), (0,), (5, 1), (5, 3), ()):
        refused(f"{name}, labels of shape {shape}", "labels", function, OUT,
                np.zeros(shape, np.int64))
    refused(f"{name}, no classes", "logits|labels", function, OUT[:, :0], LABELS)
    refused(f"{name}, ragged labels", "labels", function, OUT, [0, 1, [2], 0, 1],
            error=(TypeError, ValueError))
    for value in ("average", None, 1):
        refused(f"{name}, reduction={value!r}", "reduction", function, OUT, LABELS,
                reduction=value)
    for value in (-0.1, 1.5, np.nan):
        refused(f"{name}, label_smoothing={value}", "label_smoothing", function, OUT, LABELS,
                label_smoothing=value)
    for value in ([1, 2], [1, 2, -1], [1, 2, np.inf], np.ones((3, 1))):
        refused(f"{name}, weight={value}", "weight", function, OUT, LABELS, weight=value)
    refused(f"{name}, weight of text", "weight", function, OUT, LABELS, weight=["a", "b", "c"],
            error=TypeError)
    for value in (0.5, None, "0", True):
        refused(f"{name}, ignore_index={value!r}", "ignore_index", function, OUT, LABELS,
                ignore_index=value, error=TypeError)
    for shape in ((5, 2), (4, 3), (5, 3, 1)):
        refused(f"{name}, probabilities of shape {shape}", "labels", function, OUT,
                np.ones(shape, "f4"), error=(ValueError, TypeError))
    refused(f"{name}, probabilities of another type", "labels", function, OUT, np.ones((5, 3)),
            error=TypeError)
for function in (F.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits_backward):
    for option in ("weight", "pos_weight"):
        for shape in ((6,), (5, 1, 1), (2, 5, 7)):
            refused(f"{function.__name__}, {option} of shape {shape}", option, function, ROWS, ROWS,
                    **{option: np.ones(shape, "f4")})
        refused(f"{function.__name__}, {option} of another type", option, function, ROWS, ROWS,
                error=TypeError, **{option: np.ones(7)})
for value in (0, -1, np.nan, np.inf):
    refused(f"huber_loss, delta={value}", "delta", F.huber_loss, ROWS, ROWS, delta=value)
refused("mse_loss, reduction", "reduction", F.mse_loss, ROWS, ROWS, "average")
refused("mse_loss would broadcast", "target", F.mse_loss, ROWS, ROWS[:, :1])
refused("mse_loss_backward would broadcast", "target", F.mse_loss_backward, ROWS, ROWS[:1])

# --- updates and batches --------------------------------------------------------------------

STEP = dict(lr=0.1, momentum=0.9, weight_decay=0.0, nesterov=False, first=True)
LONG = np.ones(10, np.float32)
READ_ONLY = np.ones(10, np.float32)
READ_ONLY.flags.writeable = False
refused("sgd_step, grad too short", "grad", F.sgd_step, LONG, LONG[:9], LONG.copy(), **STEP)
refused("sgd_step, grad of another shape", "grad", F.sgd_step, LONG, LONG[None], LONG.copy(),
        **STEP)
refused("sgd_step, grad of another type", "grad", F.sgd_step, LONG, LONG.astype("f8"),
        LONG.copy(), **STEP, error=TypeError)
refused("sgd_step, velocity too short", "velocity", F.sgd_step, LONG, LONG, LONG[:9].copy(),
        **STEP)
refused("sgd_step, weight read-only", "weight", F.sgd_step, READ_ONLY, LONG, LONG.copy(), **STEP)
refused("sgd_step, velocity read-only", "velocity", F.sgd_step, LONG.copy(), LONG, READ_ONLY,
        **STEP)
refused("sgd_step, weight of integers", "weight", F.sgd_step, np.ones(10, int), LONG, LONG, **STEP,
        error=TypeError)

ADAM = partial(F.adam_step, step=1)
for function, kept in ((ADAM, ("exp_avg", "exp_avg_sq")), (F.rmsprop_step, ("square_avg",))):
    def averages(**others):
        return {**{name: LONG.copy() for name in kept}, **others}

    name = kept[0]
    refused(f"{name}, grad too short", "grad", function, LONG.copy(), LONG[:9], **averages())
    refused(f"{name}, grad of another type", "grad", function, LONG.copy(), LONG.astype("f8"),
            error=TypeError, **averages())
    refused(f"{name}, weight read-only", "weight", function, READ_ONLY, LONG, **averages())
    refused(f"{name}, weight with gaps", "weight", function, np.ones(20, "f4")[::2], LONG,
            **averages())
    for average in kept:
        refused(f"{average} too short", average, function, LONG.copy(), LONG,
                **averages(**{average: LONG[:9].copy()}))
        refused(f"{average} read-only", average, function, LONG.copy(), LONG,
                **averages(**{average: READ_ONLY}))
        refused(f"{average} of another type", average, function, LONG.copy(), LONG,
                error=TypeError, **averages(**{average: np.zeros(10)}))
        refused(f"no {average}", average, function, LONG.copy(), LONG, error=TypeError,
                **averages(**{average: None}))
    for option in ("lr", "eps", "weight_decay"):
        for value in (-1, np.nan, np.inf):
            refused(f"{name}, {option}={value}", option, function, LONG.copy(), LONG,
                    **averages(**{option: value}))
for value in ((0.9, 1), (-0.1, 0.9), (0.9,), 0.9, (0.9, np.nan)):
    refused(f"betas={value}", "betas", ADAM, LONG.copy(), LONG, exp_avg=LONG.copy(),
            exp_avg_sq=LONG.copy(), betas=value)
for value in (0, -1):
    refused(f"adam_step, step={value}", "step", F.adam_step, LONG.copy(), LONG, LONG.copy(),
            LONG.copy(), value)
refused("momentum without a buffer", "momentum_buffer", F.rmsprop_step, LONG.copy(), LONG,
        LONG.copy(), momentum=0.9, error=TypeError)

IMAGES = np.zeros((5, 3, 4, 4), np.uint8)
THREE = np.zeros(3), np.ones(3)
for value in (5, -1, 2**62, -2**63):
    refused(f"gather_batch, index {value}", "indices", F.gather_batch, IMAGES,
            np.array([0, value, 1]), *THREE, np.float32)
refused("gather_batch, float indices", "indices", F.gather_batch, IMAGES, np.array([0.0]), *THREE,
        np.float32, error=TypeError)
refused("gather_batch, too few means", "mean", F.gather_batch, IMAGES, np.array([0]), np.zeros(2),
        np.ones(3), np.float32)
refused("gather_batch, std of 0", "std", F.gather_batch, IMAGES, np.array([0]), np.zeros(3),
        np.zeros(3), np.float32)
refused("gather_batch, no images", "images", F.gather_batch, IMAGES[0], np.array([0]), *THREE,
        np.float32)
refused("gather_batch, object images", "images", F.gather_batch, IMAGES.astype(object),
        np.array([0]), *THREE, np.float32, error=TypeError)
refused("gather_batch, integers out", "dtype", F.gather_batch, IMAGES, np.array([0]), *THREE,
        np.int32, error=(TypeError, ValueError))

# --- augmentation ----------------------------------------------------------------------------

LINE = np.zeros((2, 4), int)
for value in (5, -1, 2**62, -2**63):
    refused(f"remap, index {value}", "indices", F.remap, IMAGES, [0, value], LINE, LINE)
for value in (4, 2**31, 2**62):
    for name, arguments in (("rows", (LINE + value, LINE)), ("columns", (LINE, LINE + value))):
        refused(f"remap, {name} of {value}", name, F.remap, IMAGES, [0, 1], *arguments)
refused("remap, rows of fewer images", "rows", F.remap, IMAGES, [0, 1], LINE[:1], LINE)
refused("remap, columns of no axis", "columns", F.remap, IMAGES, [0, 1], LINE, LINE[0])
refused("remap, float rows", "rows", F.remap, IMAGES, [0, 1], LINE * 0.5, LINE, error=TypeError)
refused("remap, no images", "images", F.remap, IMAGES[0], [0], LINE[:1], LINE[:1])
refused("remap, complex images", "images", F.remap, IMAGES.astype(complex), [0], LINE[:1],
        LINE[:1], error=TypeError)
MATRICES = np.zeros((5, 6))
for fill in (-1, 256, np.nan, [1, 2], np.zeros((3, 1))):
    refused(f"remap, fill={fill}", "fill", F.remap, IMAGES, [0, 1], LINE, LINE, fill)
    refused(f"warp_affine, fill={fill}", "fill", F.warp_affine, IMAGES, MATRICES, fill=fill)
    refused(f"erase, value={fill}", "value", F.erase, IMAGES, np.zeros((5, 4), int), fill)
refused("warp_affine, fill of floats", "fill", F.warp_affine, IMAGES / 1, MATRICES, fill=np.inf)
refused("warp_affine, a word as fill", "fill", F.warp_affine, IMAGES, MATRICES, fill="black",
        error=TypeError)
for matrices in (MATRICES[:4], MATRICES[:, :4], MATRICES[0], MATRICES + np.nan):
    refused(f"warp_affine, matrices {matrices.shape}, {matrices.flat[0]}", "matrices",
            F.warp_affine, IMAGES, matrices)
refused("warp_affine, interpolation", "interpolation", F.warp_affine, IMAGES, MATRICES, "cubic")
for box in ((0, 0, 5, 1), (0, 0, 1, 5), (4, 0, 1, 0), (-1, 0, 1, 1), (0, 0, -1, 1), (5, 0, 0, 0),
            (2**62, 0, 2**62, 1), (1, 0, 2**63 - 1, 1)):
    refused(f"erase, {box}", "boxes", F.erase, IMAGES, [box] * 5)
refused("erase, fewer boxes", "boxes", F.erase, IMAGES, np.zeros((4, 4), int))

for size in ((2, 4, 6, 5), (3, 4, 6, 6), (2, 4, 36), (2, -4, -6, 6), (2, 4, HUGE, 6), ()):
    refused(f"flatten_backward, input_size={size}", "input_size|dy", F.flatten_backward,
            np.ones((2, 144), "f4"), size)


@pytest.fixture(scope="module")
def survived():
    """All the calls once in another process: a crash fails the tests instead of ending them."""
    done = run_python("-c", "import test_bad_input; test_bad_input.call_all()", timeout=120)
    assert done.returncode == 0, (f"the interpreter ended with {done.returncode} in the case "
                                  f"{done.stdout.splitlines()[-1:]}\n{done.stderr[-2000:]}")


def call_all():
    for name, (_, _, function, arguments, options) in CASES.items():
        print(name, flush=True)
        try:
            function(*arguments, **options)
        except Exception:
            pass


@pytest.mark.usefixtures("survived")
@pytest.mark.parametrize("name", CASES)
def test_refused(name):
    argument, error, function, arguments, options = CASES[name]
    with pytest.raises(error, match=argument):
        function(*arguments, **options)


@pytest.mark.parametrize("name", GOOD)
def test_accepted(name):
    """What the cases above spoil is right."""
    getattr(F, name)(*GOOD[name][0])
