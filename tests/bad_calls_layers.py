"""Calls of the functions behind layers and losses that cannot be right."""

import numpy as np

import cycnn.functional as F
from bad_calls import HUGE, INDICES, LABELS, MATRIX, OUT, POOLED, ROWS, W, X, Y, refused

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
