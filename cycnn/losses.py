"""Losses: how wrong a batch of outputs is, and the gradient that says how to do better."""

import numpy as np

from . import functional, metrics
from .functional import _check
from .functional.elementwise_loss import check_reduction
from .functional.loss import ClassOptions, are_probabilities, check_classes, cross_entropy_of
from .kernels.arrays import Seen


class Loss:
    """A loss of your own needs `forward` and `backward`.

    Attributes
    ----------
    classifies : bool
        Whether targets are classes, so that there is an accuracy.
    reduction : {"mean", "sum", "none"}
        Whether `forward` returns the mean of a batch, the sum, or every loss in an array. Training
        needs one of the first two.
    """

    classifies = False
    reduction = "mean"
    _memory = None

    def forward(self, prediction, target):
        """The mean loss of a batch, as a float."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self):
        """The gradient of the last `forward`'s loss with respect to its prediction.

        With reduction "none" that of every loss with respect to its own prediction, as if there
        were no others: multiply it by the gradient of the losses.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def __call__(self, prediction, target):
        return self.forward(prediction, target)

    def check_targets(self, target, output_shape, dtype, name="target"):
        """All targets of a data set as the array that `forward` takes, or an error.

        Parameters
        ----------
        target : array-like, (N, ...)
        output_shape : tuple
            The shape of the network's output for one image.
        dtype : numpy.dtype
            The network's floating-point type.
        name : str
            What an error calls them.
        """
        return np.asarray(target)

    def totals(self, value, target):
        """(sum, weight): what the last batch adds to the mean over all batches, sums / weights.

        Parameters
        ----------
        value : float
            What `forward` returned.
        target : numpy.ndarray
            What it was given.
        """
        return (value if self.reduction == "sum" else value * len(target)), len(target)

    def score(self, prediction, target):
        """(right, counted): of how many images of the last batch the class is right, and is known.

        Asked only where targets are classes.
        """
        return metrics.correct(prediction, target), len(target)

    def recall(self):
        """What the last `forward` kept in `_memory`; nothing if it failed."""
        if self._memory is None:
            raise RuntimeError(f"{type(self).__name__}.backward needs a forward before it")
        return self._memory


class CrossEntropyLoss(Loss):
    r"""The negative logarithm of the probability that the network gives to the right class.

    .. math::
        L = -\frac{1}{N} \sum_n \log \operatorname{softmax}(x_n)_{t_n}, \qquad
        dx_n = \frac{\operatorname{softmax}(x_n) - \operatorname{onehot}(t_n)}{N}

    Prediction: logits (N, classes), of any size without overflow. Target: class numbers (N,), or
    the probabilities of the classes (N, classes), floats, such as mixed images have.

    Parameters
    ----------
    weight : array-like, (classes,), optional
        How much each class counts, at least 0. The mean is divided by the sum of the weights of the
        batch's labels (for probabilities by N), as in PyTorch.
    ignore_index : int
        Images with this label do not count, neither here nor in the accuracy. With probabilities
        below 0: there is no label to ignore.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float
        From 0 to 1: this part of each target is given to all classes alike (Szegedy et al.,
        arXiv:1512.00567).

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above; by `forward` if they do not fit prediction and target.
    """

    classifies = True
    # What the last call was given, and what the checks made of it: mostly the same comes again.
    _last = None
    # Its prediction and target, from which a gradient that is asked for again is made.
    _call = None
    # What the last call's mean was divided by, and how many of its images counted.
    _share = _counted = 0

    def __init__(self, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
        self.options = ClassOptions(weight, ignore_index, reduction, label_smoothing,
                                    ("prediction", "target"))
        self.reduction = reduction

    def forward(self, prediction, target):
        # If this fails, there is no gradient, not the last batch's.
        self._memory = self._call = None
        if self._last is None or not (self._last[0].like(prediction)
                                      and self._last[1].like(target)):
            logits, labels, new_gradient = check_classes(prediction, target, self.options)
            as_they_are = logits is prediction and labels is target
            self._last = (Seen(logits), Seen(labels), new_gradient) if as_they_are else None
            prediction, target = logits, labels
        else:
            new_gradient = self._last[2]
        # The loss and its gradient share the exponentials, so they come in one pass.
        loss, self._memory, self._share, self._counted = cross_entropy_of(
            prediction, target, new_gradient, self.options)
        self._call = prediction, target
        return loss if self.reduction == "none" else float(loss)

    def __getstate__(self):
        return {**vars(self), "_last": None}

    def backward(self):
        # Each gradient is handed out once, as who has it may change it.
        if self._memory is None and self._call is not None:
            self.forward(*self._call)
        gradient, self._memory = self.recall(), None
        return gradient

    def totals(self, value, target):
        share = self._share
        if self.reduction == "sum":
            return value, share
        return (value * share if share else 0.0), share

    def score(self, prediction, target):
        if target.ndim == 2:
            target = target.argmax(axis=1)
        elif self._counted < len(target):
            known = target != self.options.ignore_index
            prediction, target = prediction[known], target[known]
        return metrics.correct(prediction, target), len(target)

    def check_targets(self, target, output_shape, dtype, name="target"):
        if len(output_shape) != 1:
            raise ValueError("CrossEntropyLoss needs a network whose output is (N, classes), got "
                             f"(N, {', '.join(map(str, output_shape))}): end it with Flatten() "
                             "and Linear(features, classes)")
        classes, options = output_shape[0], self.options
        if options.weight is not None and len(options.weight) != classes:
            raise ValueError(f"weight must have one number for each of the network's {classes} "
                             f"outputs, got {len(options.weight)}")
        if are_probabilities(target):
            options.check_soft()
            target = _like_output(target, output_shape, dtype, name)
            if target.size and target.min() < 0:
                raise ValueError(f"{name} must be probabilities of at least 0, got {target.min()}")
            return target
        target = _check.integers(target, name, 1)
        known = target[target != options.ignore_index]
        if known.size and not (known.min() >= 0 and known.max() < classes):
            raise ValueError(f"{name} must be from 0 to {classes - 1}, as the network has "
                             f"{classes} outputs, got {known.min()} to {known.max()}")
        if target.size and not known.size:
            raise ValueError(f"{name} are all {options.ignore_index}, which is ignore_index")
        return target

    def __repr__(self):
        options = self.options
        weight = None if options.weight is None else options.weight.tolist()
        return (f"CrossEntropyLoss(weight={weight}, ignore_index={options.ignore_index}, "
                f"reduction={self.reduction!r}, label_smoothing={options.label_smoothing})")


class _ElementwiseLoss(Loss):
    """A loss that compares every number of the prediction with one of the target."""

    # The function and its gradient, and its arguments beside prediction and target.
    _function = _gradient = None

    def __init__(self, reduction, **options):
        self.reduction = check_reduction(reduction)
        self._options = {"reduction": reduction, **options}

    def forward(self, prediction, target):
        self._memory = None
        loss = type(self)._function(prediction, target, **self._options)
        self._memory = prediction, target
        return loss if self.reduction == "none" else float(loss)

    def backward(self):
        return type(self)._gradient(*self.recall(), **self._options)

    def check_targets(self, target, output_shape, dtype, name="target"):
        return _like_output(target, output_shape, dtype, name)

    def __repr__(self):
        options = ", ".join(f"{name}={value!r}" for name, value in self._options.items())
        return f"{type(self).__name__}({options})"


class MSELoss(_ElementwiseLoss):
    r"""The mean of the squared differences.

    .. math::
        L = \frac{1}{M} \sum_i (x_i - t_i)^2, \qquad dx = \frac{2}{M} (x - t)

    with M the number of elements. Prediction and target: the same shape.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    """

    _function = functional.mse_loss
    _gradient = functional.mse_loss_backward

    def __init__(self, reduction="mean"):
        super().__init__(reduction)


class L1Loss(_ElementwiseLoss):
    r"""The mean of the absolute differences.

    .. math::
        L = \frac{1}{M} \sum_i |x_i - t_i|, \qquad dx = \frac{1}{M} \operatorname{sign}(x - t)

    with M the number of elements. Prediction and target: the same shape.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    """

    _function = functional.l1_loss
    _gradient = functional.l1_loss_backward

    def __init__(self, reduction="mean"):
        super().__init__(reduction)


class HuberLoss(_ElementwiseLoss):
    r"""Half the squared difference up to `delta`, a straight line beyond: outliers pull less.

    .. math::
        L = \frac{1}{M} \sum_i \begin{cases} d_i^2 / 2 & |d_i| < \delta \\
        \delta (|d_i| - \delta / 2) & \text{otherwise} \end{cases}, \qquad d = x - t

    with M the number of elements. Prediction and target: the same shape.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    delta : float
        Above 0.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.
    """

    _function = functional.huber_loss
    _gradient = functional.huber_loss_backward

    def __init__(self, reduction="mean", delta=1.0):
        super().__init__(reduction, delta=_check.positive(delta, "delta"))


class BCEWithLogitsLoss(_ElementwiseLoss):
    r"""Yes or no for every output: the negative logarithm of the right answer's probability.

    .. math::
        L = -\frac{1}{M} \sum_i w_i \left( p_i t_i \log \sigma(x_i)
        + (1 - t_i) \log(1 - \sigma(x_i)) \right)

    with M the number of elements. Prediction: logits of any size. Target: from 0 to 1, floats or
    booleans, of the same shape.

    Parameters
    ----------
    weight : array-like, optional
        w, of a shape that broadcasts to the prediction's.
    reduction : {"mean", "sum", "none"}
    pos_weight : array-like, optional
        p, what a yes weighs, of a shape that broadcasts: (outputs,) for (N, outputs).

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above; by `forward` if a shape does not broadcast.
    """

    _function = functional.binary_cross_entropy_with_logits
    _gradient = functional.binary_cross_entropy_with_logits_backward

    def __init__(self, weight=None, reduction="mean", pos_weight=None):
        super().__init__(reduction)
        self.weight = _numbers(weight, "weight")
        self.pos_weight = _numbers(pos_weight, "pos_weight")

    def forward(self, prediction, target):
        self._memory = None
        prediction = _check.floats(prediction, "prediction")
        # The weights were given before the type of the predictions was known.
        for name in ("weight", "pos_weight"):
            array = getattr(self, name)
            self._options[name] = None if array is None else array.astype(prediction.dtype)
        return super().forward(prediction, target)

    def __repr__(self):
        weight, pos_weight = (array if array is None else array.tolist()
                              for array in (self.weight, self.pos_weight))
        return (f"BCEWithLogitsLoss(weight={weight}, reduction={self.reduction!r}, "
                f"pos_weight={pos_weight})")


def _numbers(array, name):
    """`array` as finite float64 numbers, or None."""
    if array is None:
        return None
    array = np.asarray(_check.floats(array, name), np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array


def _like_output(target, output_shape, dtype, name):
    """Targets, one number for each of the network's outputs, as a finite array of its type."""
    target = np.asarray(target)
    if target.shape[1:] != tuple(output_shape):
        raise ValueError(f"{name} must have the shape of the network's output, "
                         f"{(len(target), *output_shape)}, got {target.shape}")
    if target.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be real numbers, got dtype {target.dtype}")
    target = np.ascontiguousarray(target, dtype=dtype)
    if not np.isfinite(target).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return target
