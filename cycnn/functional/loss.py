"""Softmax and cross-entropy."""

import math

import numpy as np

from ..kernels import cpu
from ..kernels import loss as kernels
from . import _check
from ._memory import empty, maker
from .elementwise_loss import check_reduction

# The work of one number of a softmax, in the units of cpu.threads_for.
_WORK = 32


def softmax(x, axis=-1):
    """exp(x) / sum(exp(x)) along an axis, for numbers of any size.

    The maximum is subtracted first, so that nothing overflows: 1e30 is as good as 1. Minus infinity
    has probability 0; plus infinity, a NaN, or minus infinity alone make the whole row NaN, as in
    PyTorch.

    Parameters
    ----------
    x : array_like
    axis : int, optional

    Returns
    -------
    ndarray
        Of the shape and dtype of `x`.
    """
    x = _check.floats(x, "x")
    return _along(_softmax_rows, axis, x)


def softmax_backward(dy, y, axis=-1):
    """The gradient of :func:`softmax`: y * (dy - sum(dy * y)).

    Parameters
    ----------
    dy : array_like
        Gradient of the result.
    y : array_like
        The result.
    axis : int, optional
        As it was for :func:`softmax`.

    Returns
    -------
    ndarray
        Gradient of the argument.
    """
    y = _check.floats(y, "y")
    dy = _check.floats(dy, "dy", dtype=y.dtype)
    _check.shape(dy, y.shape, "dy", "that of y")
    return _along(_softmax_rows_backward, axis, dy, y)


def cross_entropy(logits, labels, weight=None, ignore_index=-100, reduction="mean",
                  label_smoothing=0.0):
    r"""How far the softmax of each row is from its label, in PyTorch's form.

    .. math::
        l_n = -\sum_c w_c\,t_{nc} \log \operatorname{softmax}(x_n)_c, \qquad
        t_n = (1 - \epsilon)\,y_n + \epsilon / C

    with y the label as a row of zeros and a one, or the probabilities given, and label smoothing
    :math:`\epsilon`. Stable for logits of any size; see :func:`softmax` for infinities. The mean
    divides by the sum of the labels' weights (by N for probabilities).

    Parameters
    ----------
    logits : array_like, shape (N, classes)
        Scores x, not probabilities.
    labels : array_like of int, shape (N,), or of float, shape (N, classes)
        Each 0 <= label < classes, or `ignore_index`; or the probabilities of the classes.
    weight : array_like, shape (classes,), optional
        w, each at least 0; 1 if not given.
    ignore_index : int, optional
        Rows with this label count for nothing. Below 0 where the labels are probabilities.
    reduction : {"mean", "sum", "none"}, optional
    label_smoothing : float, optional
        From 0 to 1.

    Returns
    -------
    float, or ndarray, shape (N,)
        With reduction "none" every row's own loss, 0 where it is ignored. The mean is NaN where
        nothing counts (an empty batch), as in PyTorch.

    Raises
    ------
    TypeError
        If the labels are neither integers nor probabilities.
    ValueError
        If a label is out of range, there are not as many labels as rows, an option is not as
        above, or `ignore_index` is a class (at least 0) where the labels are probabilities.
    """
    return cross_entropy_with_gradient(logits, labels, weight, ignore_index, reduction,
                                       label_smoothing)[0]


def cross_entropy_backward(logits, labels, weight=None, ignore_index=-100, reduction="mean",
                           label_smoothing=0.0):
    """The gradient of :func:`cross_entropy`.

    Without options that is (softmax(logits) - one_hot(labels)) / N.

    Parameters as for :func:`cross_entropy`. With reduction "none" a row's gradient is that of its
    own loss.

    Returns
    -------
    ndarray, shape (N, classes)
    """
    return cross_entropy_with_gradient(logits, labels, weight, ignore_index, reduction,
                                       label_smoothing)[1]


def cross_entropy_with_gradient(logits, labels, weight=None, ignore_index=-100, reduction="mean",
                                label_smoothing=0.0):
    """:func:`cross_entropy` and its gradient in one pass.

    Parameters as for :func:`cross_entropy`.

    Returns
    -------
    loss : float or ndarray
    gradient : ndarray, shape (N, classes)
    """
    options = ClassOptions(weight, ignore_index, reduction, label_smoothing)
    return cross_entropy_of(*check_classes(logits, labels, options), options)[:2]


class ClassOptions:
    """The options of :func:`cross_entropy`, checked once for all calls.

    Attributes
    ----------
    weight : numpy.ndarray of float64, (classes,), or None
    ignore_index : int
    reduction : str
    label_smoothing : float
    plain : bool
        Whether only the labels can say more than a kernel without options understands.
    names : tuple of str
        What errors call logits and labels.
    """

    def __init__(self, weight, ignore_index, reduction, label_smoothing,
                 names=("logits", "labels")):
        self.names = names
        if weight is not None:
            weight = np.array(_check.floats(weight, "weight", 1), np.float64)
            if not (np.isfinite(weight).all() and (weight >= 0).all()):
                raise ValueError(f"weight must be finite and at least 0, got {weight}")
        self.weight = weight
        if isinstance(ignore_index, (bool, np.bool_)) or not hasattr(ignore_index, "__index__"):
            raise TypeError(f"ignore_index must be an integer, got {ignore_index!r}")
        self.ignore_index = int(ignore_index)
        if not -2**63 <= self.ignore_index < 2**63:
            raise ValueError(f"ignore_index must fit int64, got {ignore_index}")
        self.reduction = check_reduction(reduction)
        self.label_smoothing = _check.number(label_smoothing, "label_smoothing", 0)
        if self.label_smoothing > 1:
            raise ValueError(f"label_smoothing must be from 0 to 1, got {label_smoothing!r}")
        # A label to be ignored that is no class is noticed as one that is out of range.
        self.plain = (weight is None and self.ignore_index < 0 and reduction == "mean"
                      and not self.label_smoothing)

    def check_soft(self):
        """Raise if the options are none for probabilities, of which none can be left out."""
        if self.ignore_index >= 0:
            raise ValueError(f"ignore_index must be below 0 where {self.names[1]} holds "
                             f"probabilities, as there is no label to ignore, got "
                             f"{self.ignore_index}")


def check_classes(logits, labels, options):
    """logits and labels as the kernel takes them, and what makes the gradient's array."""
    of_logits, of_labels = options.names
    logits = _check.dense(logits, of_logits, 2)
    rows, classes = logits.shape
    if not classes:
        raise ValueError(f"{of_logits} must have at least one class, got shape {logits.shape}")
    if are_probabilities(labels):
        options.check_soft()
        labels = _check.dense(labels, of_labels, 2, logits.dtype)
        _check.shape(labels, logits.shape, of_labels, f"probabilities: that of {of_logits}")
    else:
        labels = _check.integers(labels, of_labels, 1)
        _check.shape(labels, (rows,), of_labels, f"one for each row of {of_logits}")
    return logits, labels, maker(logits.shape, logits.dtype)


def are_probabilities(labels):
    """Whether labels are the probabilities of the classes, and not their numbers."""
    dtype = getattr(labels, "dtype", None)
    if dtype is None:
        try:
            labels = np.asarray(labels)
        except ValueError:                  # rows of different lengths: no labels of any kind
            return False
        dtype = labels.dtype
    return getattr(dtype, "kind", None) == "f" and labels.ndim == 2


def cross_entropy_of(logits, labels, new_gradient, options):
    """Of what :func:`check_classes` returned: loss, gradient, what the mean divides by, and how
    many rows count."""
    rows, classes = logits.shape
    gradient = new_gradient()
    threads = cpu.threads_for(rows * classes * _WORK)
    if options.plain and labels.ndim == 1 and rows:
        loss = kernels.cross_entropy(logits, labels, gradient, rows, classes, logits.itemsize,
                                     threads)
        if loss is not None:
            return loss, gradient, rows, rows
    if options.weight is not None:
        _check.shape(options.weight, (classes,), "weight", "one for each class")
    soft = labels.ndim == 2
    losses = np.empty(rows)
    result = kernels.cross_entropy_with(
        logits, None if soft else labels, labels if soft else None, options.weight, gradient,
        losses, rows, classes, options.ignore_index, options.label_smoothing,
        options.reduction == "mean", logits.itemsize, threads)
    if result is None:
        _check.in_range(labels[labels != options.ignore_index], classes, options.names[1],
                        "the number of classes")
    total, share, counted = result
    if options.reduction == "none":
        with np.errstate(over="ignore"):        # what is beyond float32 is infinity there
            total = losses.astype(logits.dtype)
    elif options.reduction == "mean":
        total = total / share if share else math.nan
    return total, gradient, share, counted


def _along(rows_function, axis, *arrays):
    """`rows_function` on the arrays, the result, the number of rows along `axis`, their length."""
    ndim = arrays[0].ndim
    axis = _check.integer(axis, "axis", -ndim)
    if axis >= ndim:
        raise ValueError(f"axis must be from {-ndim} to {ndim - 1} for an array of {ndim} "
                         f"dimensions, got {axis}")
    arrays = [np.ascontiguousarray(np.moveaxis(array, axis, -1)) for array in arrays]
    result = empty(arrays[0].shape, arrays[0].dtype)
    if result.size:
        rows_function(*arrays, result, result.size // result.shape[-1], result.shape[-1])
    return np.ascontiguousarray(np.moveaxis(result, -1, axis))


def _softmax_rows(x, y, rows, classes):
    kernels.softmax(x, y, rows, classes, x.itemsize, cpu.threads_for(x.size * _WORK))


def _softmax_rows_backward(dy, y, dx, rows, classes):
    kernels.softmax_backward(dy, y, dx, rows, classes, y.itemsize, cpu.threads_for(y.size * 8))
