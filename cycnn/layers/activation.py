"""Activations: the same function of every number. All take arrays of any shape."""

from .. import functional
from ..functional import _check
from .module import Module


class ReLU(Module):
    r"""Cut off below zero.

    .. math::
        y = \max(x, 0), \qquad dx = dy \text{ where } y > 0, \text{ else } 0
    """

    def forward(self, x):
        y = functional.relu(x)
        self.remember(y)
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        y = self.recall()
        return functional.relu_backward(dy, y) if input_gradient else None


class LeakyReLU(Module):
    r"""A small slope below zero, so that no unit is ever without gradient.

    .. math::
        y = x \text{ where } x > 0, \text{ else } a x

    Parameters
    ----------
    negative_slope : float
        The slope a.
    """

    def __init__(self, negative_slope=0.01):
        self.negative_slope = _check.number(negative_slope, "negative_slope")

    def forward(self, x):
        y = functional.leaky_relu(x, self.negative_slope)
        self.remember(x)
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        x = self.recall()
        if not input_gradient:
            return None
        return functional.leaky_relu_backward(dy, x, self.negative_slope)

    def config(self):
        return {"negative_slope": self.negative_slope}

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}"


class Tanh(Module):
    r"""The hyperbolic tangent, from -1 to 1.

    .. math::
        y = \tanh x, \qquad dx = dy (1 - y^2)
    """

    def forward(self, x):
        y = functional.tanh(x)
        self.remember(y)
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        y = self.recall()
        return functional.tanh_backward(dy, y) if input_gradient else None


class Sigmoid(Module):
    r"""The logistic function, from 0 to 1.

    .. math::
        y = 1 / (1 + e^{-x}), \qquad dx = dy\, y (1 - y)
    """

    def forward(self, x):
        y = functional.sigmoid(x)
        self.remember(y)
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        y = self.recall()
        return functional.sigmoid_backward(dy, y) if input_gradient else None


class Softmax(Module):
    r"""Probabilities: positive numbers whose sum along `axis` is 1.

    :class:`cycnn.CrossEntropyLoss` takes logits, the numbers before this layer, and `predict_proba`
    turns them into probabilities by itself: most networks do without it.

    .. math::
        y_i = e^{x_i} / \sum_j e^{x_j}, \qquad dx_i = y_i (dy_i - \sum_j dy_j y_j)

    Parameters
    ----------
    axis : int
        PyTorch's `dim`.
    """

    def __init__(self, axis=-1):
        self.axis = _check.integer(axis, "axis", -4)

    def forward(self, x):
        y = functional.softmax(x, self.axis)
        self.remember(y)
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        y = self.recall()
        return functional.softmax_backward(dy, y, self.axis) if input_gradient else None

    def gives_probabilities(self):
        return True

    def config(self):
        return {"axis": self.axis}

    def extra_repr(self):
        return f"axis={self.axis}"
