"""What a layer learns: a weight with its gradient."""

import numpy as np


class Parameter:
    """A weight and its gradient.

    Attributes
    ----------
    data : numpy.ndarray
        The numbers, float32 or float64, in C order.
    grad : numpy.ndarray or None
        The gradient that the last `backward` wrote, of the same shape; None before the first.
    pending : object or None
        The gradient while nobody has asked for `grad`: an optimizer may use it as it is
        (:class:`cycnn.functional.linear.WeightGradient`).
    """

    def __init__(self, data):
        self.data = np.asarray(data, order="C")
        if self.data.dtype not in (np.float32, np.float64):
            raise TypeError(f"a Parameter must be float32 or float64, got {self.data.dtype}")
        self._grad = self.pending = None

    @property
    def grad(self):
        if self.pending is not None:
            self.grad = self.pending.array()
        return self._grad

    @grad.setter
    def grad(self, grad):
        self._grad, self.pending = grad, None

    @property
    def requires_grad(self):
        """True: every Parameter gets a gradient. What is not to learn is not given to the
        optimizer."""
        return True

    @requires_grad.setter
    def requires_grad(self, value):
        if not value:
            raise AttributeError("requires_grad is always True; to freeze a Parameter, leave it "
                                 "out of the parameters that the optimizer is made with")

    def set_grad(self, grad, accumulate=False):
        """Write the gradient, or add to it if `accumulate`."""
        if accumulate and self.grad is not None:
            self._grad += grad
        else:
            self._grad, self.pending = grad, None

    def set_pending(self, pending, accumulate=False):
        """:meth:`set_grad` for a gradient that `pending.array()` works out."""
        if accumulate:
            self.set_grad(pending.array(), True)
        else:
            self._grad, self.pending = None, pending

    def __repr__(self):
        return f"Parameter(shape={self.data.shape}, dtype={self.data.dtype})"
