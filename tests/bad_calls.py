"""Calls that cannot be right, for test_bad_input.py: by name, with the error that each must raise.

Here are those that are the same for all functions, arrays of the wrong kind.
"""

import numpy as np

import cycnn.functional as F

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
