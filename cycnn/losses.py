"""Losses: how wrong a batch of outputs is, and the gradient that says how to do better."""

import numpy as np

from . import functional, metrics
from .functional import _check
from .functional.loss import check_classes, cross_entropy_of
from .kernels.arrays import Seen


class Loss:
    """A loss of your own needs `forward` and `backward`.

    Attributes
    ----------
    classifies : bool
        Whether targets are class numbers, so that there is an accuracy.
    """

    classifies = False
    _memory = None

    def forward(self, prediction, target):
        """The mean loss of a batch, as a float."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self):
        """The gradient of the last `forward`'s loss with respect to its prediction."""
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
        return value * len(target), len(target)

    def score(self, prediction, target):
        """(right, counted): of how many images of the last batch the class is right, and is known.

        Asked only where targets are classes.
        """
        return metrics.correct(prediction, target), len(target)

    def recall(self):
        """What the last `forward` kept in `_memory`."""
        if self._memory is None:
            raise RuntimeError(f"{type(self).__name__}.backward needs a forward before it")
        return self._memory


class CrossEntropyLoss(Loss):
    r"""The negative logarithm of the probability that the network gives to the right class.

    .. math::
        L = -\frac{1}{N} \sum_n \log \operatorname{softmax}(x_n)_{t_n}, \qquad
        dx_n = \frac{\operatorname{softmax}(x_n) - \operatorname{onehot}(t_n)}{N}

    Prediction: logits (N, classes), of any size without overflow. Target: class numbers (N,).
    """

    classifies = True
    # What the last call was given, and what the checks made of it: mostly the same comes again.
    _last = None

    def forward(self, prediction, target):
        if self._last is None or not (self._last[0].like(prediction)
                                      and self._last[1].like(target)):
            logits, labels, new_gradient = check_classes(prediction, target)
            as_they_are = logits is prediction and labels is target
            self._last = (Seen(logits), Seen(labels), new_gradient) if as_they_are else None
            prediction, target = logits, labels
        else:
            new_gradient = self._last[2]
        # The loss and its gradient share the exponentials, so they come in one pass.
        loss, self._memory = cross_entropy_of(prediction, target, new_gradient)
        return float(loss)

    def __getstate__(self):
        return {**vars(self), "_last": None}

    def backward(self):
        return self.recall()

    def check_targets(self, target, output_shape, dtype, name="target"):
        if len(output_shape) != 1:
            raise ValueError("CrossEntropyLoss needs a network whose output is (N, classes), got "
                             f"(N, {', '.join(map(str, output_shape))}): end it with Flatten() "
                             "and Linear(features, classes)")
        target = _check.integers(target, name, 1)
        if target.size and not (target.min() >= 0 and target.max() < output_shape[0]):
            raise ValueError(f"{name} must be from 0 to {output_shape[0] - 1}, as the network has "
                             f"{output_shape[0]} outputs, got {target.min()} to {target.max()}")
        return target


class MSELoss(Loss):
    r"""The mean of the squared differences.

    .. math::
        L = \frac{1}{M} \sum_i (x_i - t_i)^2, \qquad dx = \frac{2}{M} (x - t)

    with M the number of elements. Prediction and target: the same shape.
    """

    def forward(self, prediction, target):
        self._memory = prediction, target
        return float(functional.mse_loss(prediction, target))

    def backward(self):
        return functional.mse_loss_backward(*self.recall())

    def check_targets(self, target, output_shape, dtype, name="target"):
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
