"""Normalisation: over the batch, and over groups of channels of each image.

Both are one kernel: its images are the batch's, or all of them one, whose rows are all pixels.
"""

import numpy as np

from ..kernels import fold as fold_kernel
from ..kernels import norm as kernel
from ..kernels.cpu import threads_for
from . import _check
from ._format import from_nhwc, is_channels_last, to_nhwc
from ._memory import empty

# The work of one number, in the units of cpu.threads_for.
_WORK = 16


def batch_norm(x, running_mean=None, running_var=None, weight=None, bias=None, training=False,
               momentum=0.1, eps=1e-5):
    r"""Each channel brought to mean 0 and variance 1, then scaled and shifted.

    .. math::
        y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}\, weight + bias

    Parameters
    ----------
    x : array (N, C), (N, C, L) or (N, C, H, W)
        float32 or float64 (integers and float16 become float32), any strides.
    running_mean, running_var : ndarray (C,), optional
        :math:`\mu` and :math:`\sigma^2`, of the type of `x`. In training they are updated in place.
    weight, bias : array (C,), optional
        Of the type of `x`.
    training : bool
        Take mean and variance from `x`, over all axes but that of the channels, and move the
        running ones towards them.
    momentum : float
        running = (1 - momentum) * running + momentum * new; the new variance is that with the
        divisor n - 1.
    eps : float
        At least 0.

    Returns
    -------
    array of the shape, type and memory format of x

    Raises
    ------
    ValueError
        If a shape does not fit, if there is but one value a channel in training, or no running
        statistics otherwise.
    TypeError
        If an array is of the wrong type.

    References
    ----------
    Ioffe and Szegedy, 2015 (arXiv:1502.03167).
    """
    x, rows, weight, bias, eps = _checked(x, weight, bias, eps)
    momentum = _check.number(momentum, "momentum", 0)
    if momentum > 1:
        raise ValueError(f"momentum must be at most 1, got {momentum}")
    running = check_running(running_mean, running_var, rows, training)
    if not training:
        return _as_given(normalize(rows, weight, bias, len(running[0]), eps, doubles(running))[0],
                         x)
    check_batch(rows, x.shape)
    y, statistics = normalize(batch_of(rows), weight, bias, rows.shape[-1], eps)
    if running is not None and rows.size:
        update_running(*running, *statistics, rows.size // rows.shape[-1], momentum)
    return _as_given(y, x)


def batch_norm_backward(dy, x, running_mean=None, running_var=None, weight=None, training=False,
                        eps=1e-5, input_gradient=True):
    r"""Gradients of :func:`batch_norm`.

    With :math:`\hat x = (x - \mu) / \sqrt{\sigma^2 + \epsilon}` and sums over a channel's n values,

    .. math::
        dweight = \sum dy\, \hat x, \qquad dbias = \sum dy, \qquad
        dx = \frac{weight}{\sqrt{\sigma^2 + \epsilon}}
             \left(dy - \frac{dbias}{n} - \hat x \frac{dweight}{n}\right)

    and without `training`, where the statistics do not depend on x, the first term of dx alone.

    Parameters
    ----------
    dy : array of the shape of x
        The gradient of the result.
    x, running_mean, running_var, weight, training, eps
        As they were given to `batch_norm`; the running statistics do not count in training.
    input_gradient : bool
        Whether to compute the gradient of `x`.

    Returns
    -------
    dx : array of the shape and memory format of x, or None
    dweight, dbias : arrays (C,)
        Also where there was no `weight` or bias.
    """
    x, rows, weight, _, eps = _checked(x, weight, None, eps)
    gradient = _gradient_rows(dy, x, rows)
    channels = rows.shape[-1]
    if training:
        check_batch(rows, x.shape)
        rows, gradient = batch_of(rows), batch_of(gradient)
        statistics = normalize(rows, weight, None, channels, eps)[1]
    else:
        statistics = doubles(check_running(running_mean, running_var, rows, False))
    dx, dweight, dbias = normalize_backward(gradient, rows, weight, None, channels, eps,
                                            statistics, given=not training,
                                            input_gradient=input_gradient)
    return _as_given(dx, x) if input_gradient else None, dweight, dbias


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    r"""Each group of channels of each image brought to mean 0 and variance 1.

    .. math::
        y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}\, weight + bias

    with mean and variance over the group's channels and all pixels of one image.

    Parameters
    ----------
    x : array (N, C), (N, C, L) or (N, C, H, W)
        float32 or float64 (integers and float16 become float32), any strides.
    num_groups : int
        Divides C.
    weight, bias : array (C,), optional
        Of the type of `x`, one number a channel.
    eps : float
        At least 0.

    Returns
    -------
    array of the shape, type and memory format of x

    Raises
    ------
    ValueError, TypeError
        If shapes, types or options do not fit together.

    References
    ----------
    Wu and He, 2018 (arXiv:1803.08494).
    """
    x, rows, weight, bias, eps = _checked(x, weight, bias, eps)
    groups = check_groups(num_groups, rows)
    return _as_given(normalize(images_of(rows), weight, bias, groups, eps)[0], x)


def group_norm_backward(dy, x, num_groups, weight=None, eps=1e-5, input_gradient=True):
    r"""Gradients of :func:`group_norm`.

    As those of :func:`batch_norm_backward`; the sums in dx are those of weight times dy, over the
    values of a group of one image.

    Parameters
    ----------
    dy : array of the shape of x
        The gradient of the result.
    x, num_groups, weight, eps
        As they were given to `group_norm`.
    input_gradient : bool
        Whether to compute the gradient of `x`.

    Returns
    -------
    dx : array of the shape and memory format of x, or None
    dweight, dbias : arrays (C,)
        Also where there was no `weight` or bias.
    """
    x, rows, weight, _, eps = _checked(x, weight, None, eps)
    groups = check_groups(num_groups, rows)
    gradient = images_of(_gradient_rows(dy, x, rows))
    rows = images_of(rows)
    statistics = normalize(rows, weight, None, groups, eps)[1]
    dx, dweight, dbias = normalize_backward(gradient, rows, weight, None, groups, eps, statistics,
                                            input_gradient=input_gradient)
    return _as_given(dx, x) if input_gradient else None, dweight, dbias


# --- on rows of channels, checked: what the layers use -------------------------------------------

def batch_of(rows):
    """(N, H, W, C) as one image of (1, N * H * W, C)."""
    return rows.reshape(1, rows.size // rows.shape[-1], rows.shape[-1])


def images_of(rows):
    """(N, H, W, C) as (N, H * W, C)."""
    n, h, w, c = rows.shape
    return rows.reshape(n, h * w, c)


def normalize(rows, weight, bias, groups, eps, given=None, relu=False, other=None):
    """The result and (mean, var) of it: those `given`, or found for each group of each image.

    rows is (images, rows, channels) in C order, or (N, H, W, C) with what is given for a channel.
    `other`, of as many numbers in the same order, is added before the ReLU.
    """
    shape = rows.shape
    if given is not None:
        rows = batch_of(rows)
    images, number, channels = rows.shape
    mean, var = given or (np.zeros(images * groups), np.zeros(images * groups))
    y = empty(shape, rows.dtype)
    if y.size:
        kernel.forward(rows, other, y, weight, bias, mean, var, images, number, channels, groups,
                       eps, given is not None, relu, rows.itemsize, threads_for(y.size * _WORK))
    return y, (mean, var)


def normalize_backward(dy, rows, weight, bias, groups, eps, statistics, given=False, relu=False,
                       input_gradient=True, overwrite=False):
    """dx, dweight and dbias of :func:`normalize`, whose (mean, var) are `statistics`.

    With `relu`, dy is the gradient behind that ReLU, and bias is needed. With `overwrite`, dx takes
    the place of dy: large arrays that leave the caches cost what is moved.
    """
    shape = rows.shape
    if given:
        rows = batch_of(rows)
    images, number, channels = rows.shape
    new = empty if rows.size else np.zeros          # without values, every sum is empty
    dweight, dbias = new((channels,), rows.dtype), new((channels,), rows.dtype)
    dx = None
    if input_gradient:
        dx = dy if overwrite else empty(shape, rows.dtype)
    if rows.size:
        kernel.backward(dy, rows, dx, weight, bias, *statistics, dweight, dbias, images, number,
                        channels, groups, eps, given, relu, rows.itemsize,
                        threads_for(rows.size * _WORK))
    return dx, dweight, dbias


def doubles(statistics):
    """Running statistics as the kernels take them."""
    return [np.array(values, np.float64) for values in statistics]


def update_running(running_mean, running_var, mean, var, n, momentum):
    """Move the running statistics towards those of a batch of n values a channel."""
    for running, new in ((running_mean, mean), (running_var, var * (n / (n - 1)))):
        # In double, and not running + momentum * (new - running): that has no digits left where new
        # is the smaller by far.
        total = np.multiply(running, 1 - momentum, dtype=np.float64)
        total += momentum * new
        with np.errstate(over="ignore"):        # infinity, as in PyTorch
            running[...] = total


def fold(weight, bias, mean, var, norm_weight, norm_bias, eps, new_weight, new_bias):
    """Write the weight and bias of a convolution that does a normalisation's work too.

    All arrays in C order and of one type; norm_weight and both biases may be None. The new bias has
    the shape of the old one, or one number an output channel where there is none.
    """
    fold_kernel.fold(weight, bias, mean, var, norm_weight, norm_bias, eps, new_weight, new_bias,
                     len(weight), weight.size // len(weight), new_bias.size // len(weight),
                     weight.itemsize)


# --- checks --------------------------------------------------------------------------------------

def rows_of(x):
    """x, (N, C), (N, C, L) or (N, C, H, W), as (N, H, W, C) in C order."""
    if x.ndim == 2:
        return np.ascontiguousarray(x)[:, None, None]
    if x.ndim == 3:
        return to_nhwc(x[:, :, None])
    if x.ndim == 4:
        return to_nhwc(x)
    raise ValueError("x must have 2, 3 or 4 dimensions (N, C), (N, C, L) or (N, C, H, W), "
                     f"got shape {x.shape}")


def back(y, shape, channels_last=True):
    """What :func:`rows_of` did, undone; images in the memory format that is asked for."""
    if len(shape) == 2:
        return y.reshape(shape)
    n, c, h, w = shape if len(shape) == 4 else (*shape[:2], 1, shape[2])
    return from_nhwc(y.reshape(n, h, w, c), channels_last and len(shape) == 4).reshape(shape)


def check_batch(rows, shape):
    """Raise where a channel has but one value: its variance says nothing."""
    if rows.size == rows.shape[-1]:
        raise ValueError("x must have more than one value a channel in training, "
                         f"got shape {shape}")


def check_groups(num_groups, rows):
    """num_groups, if it fits: as in PyTorch, all groups together need more than a value each."""
    channels = rows.shape[-1]
    groups = _check.integer(num_groups, "num_groups", 1)
    if channels % groups:
        raise ValueError(f"num_groups must divide the {channels} channels of x, got {groups}")
    if rows.size == groups:
        raise ValueError(f"x must have more than one value a group, got {rows.size} for "
                         f"num_groups={groups}")
    return groups


def check_numbers(value, name, rows):
    """A weight or a bias in C order, one number for each channel of rows, or None."""
    if value is None:
        return None
    value = _check.dense(value, name, 1, rows.dtype)
    _check.shape(value, rows.shape[-1:], name, "one number a channel")
    return value


def _checked(x, weight, bias, eps):
    """x, the same as rows, weight, bias and eps."""
    x = _check.floats(x, "x")
    rows = rows_of(x)
    if not rows.shape[-1]:
        raise ValueError(f"x must have at least one channel, got shape {x.shape}")
    return (x, rows, check_numbers(weight, "weight", rows), check_numbers(bias, "bias", rows),
            _check.number(eps, "eps", 0))


def _gradient_rows(dy, x, rows):
    """dy, of the shape of x, laid out as `rows`."""
    dy = _check.floats(dy, "dy", dtype=rows.dtype)
    _check.shape(dy, np.shape(x), "dy", "that of x")
    return rows_of(dy)


def _as_given(y, x):
    """Rows of results as an array of the shape and memory format of x."""
    return back(y, x.shape, x.ndim == 4 and is_channels_last(x))


def check_running(mean, var, rows, training):
    """(mean, var), or None where there are none and none are needed."""
    if mean is None and var is None and training:
        return None
    for value, name in ((mean, "running_mean"), (var, "running_var")):
        if value is None:
            raise ValueError(f"{name} must be given" + (
                " along with the other" if training else " unless training is True"))
        checked = _check.floats(value, name, 1, rows.dtype)
        if training and getattr(value, "dtype", None) != rows.dtype:
            raise TypeError(f"{name} must be a NumPy array of {rows.dtype}, to be updated in "
                            f"place, got {getattr(value, 'dtype', type(value).__name__)}")
        _check.shape(checked, rows.shape[-1:], name, "one number a channel")
    if training and not (mean.flags.writeable and var.flags.writeable):
        raise ValueError("running_mean and running_var must be writeable")
    return mean, var
