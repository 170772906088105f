"""Activations: the same function of every number. All take arrays of any shape."""

from .. import functional
from ..functional import _check
from ..functional.activation import check_approximate
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


class _OfArgument(Module):
    """An activation whose gradient is a function of its argument."""

    # The function of cycnn.functional and its gradient, by name.
    _function = None

    def forward(self, x):
        y = getattr(functional, self._function)(x, **self.config())
        self.remember(x)
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        x = self.recall()
        if not input_gradient:
            return None
        return getattr(functional, f"{self._function}_backward")(dy, x, **self.config())


class LeakyReLU(_OfArgument):
    r"""A small slope below zero, so that no unit is ever without gradient.

    .. math::
        y = x \text{ where } x > 0, \text{ else } a x

    Parameters
    ----------
    negative_slope : float
        The slope a.
    """

    _function = "leaky_relu"

    def __init__(self, negative_slope=0.01):
        self.negative_slope = _check.number(negative_slope, "negative_slope")

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


class ELU(_OfArgument):
    r"""Bends towards -alpha below zero.

    .. math::
        y = x \text{ where } x > 0, \text{ else } \alpha (e^x - 1)

    Parameters
    ----------
    alpha : float

    Notes
    -----
    Clevert, Unterthiner and Hochreiter, 2015 (arXiv:1511.07289).
    """

    _function = "elu"

    def __init__(self, alpha=1.0):
        self.alpha = _check.number(alpha, "alpha")

    def config(self):
        return {"alpha": self.alpha}

    def extra_repr(self):
        return f"alpha={self.alpha}"


class GELU(_OfArgument):
    r"""x times the probability that a standard normal number is below x.

    .. math::
        y = x\, \Phi(x), \qquad \text{or} \qquad
        y = \frac{x}{2} \left(1 + \tanh\left(\sqrt{2 / \pi}\, (x + 0.044715 x^3)\right)\right)

    Parameters
    ----------
    approximate : {"none", "tanh"}
        Which of the two.

    Notes
    -----
    Hendrycks and Gimpel, 2016 (arXiv:1606.08415).
    """

    _function = "gelu"

    def __init__(self, approximate="none"):
        self.approximate = check_approximate(approximate)

    def config(self):
        return {"approximate": self.approximate}

    def extra_repr(self):
        return f"approximate={self.approximate!r}"


class SiLU(_OfArgument):
    r"""x times the logistic function of x, also called swish.

    .. math::
        y = x / (1 + e^{-x})

    Notes
    -----
    Elfwing, Uchibe and Doya, 2017 (arXiv:1702.03118).
    """

    _function = "silu"


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
