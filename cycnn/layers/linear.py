"""The fully connected layer."""

import numpy as np

from .. import init
from ..functional import _check, linear, linear_backward
from .module import Module
from .parameter import Parameter


class Linear(Module):
    r"""Every output is a weighted sum of all inputs.

    .. math::
        y = x w^T + b

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    dtype : numpy.dtype
        float32 or float64.
    rng : numpy.random.Generator, int or None
        Where the weights come from, U(-1/sqrt(in_features), 1/sqrt(in_features)) as in PyTorch;
        None takes the generator that :func:`cycnn.manual_seed` resets.

    Attributes
    ----------
    weight : Parameter, (out_features, in_features)
    bias : Parameter, (out_features,), or None

    Notes
    -----
    Shapes: (N, in_features) to (N, out_features).
    """

    def __init__(self, in_features, out_features, bias=True, dtype=np.float32, rng=None):
        self.in_features = _check.integer(in_features, "in_features", 1)
        self.out_features = _check.integer(out_features, "out_features", 1)
        weight, values = init.weight_and_bias((self.out_features, self.in_features),
                                              bias, dtype, rng)
        self.weight = Parameter(weight)
        self.bias = Parameter(values) if bias else None

    def forward(self, x):
        x = _check.floats(x, "x", 2, self.weight.data.dtype)
        self.remember(x)
        return linear(x, self.weight.data, self.bias.data if self.bias else None)

    def backward(self, dy, input_gradient=True, accumulate=False):
        dx, dweight, dbias = linear_backward(dy, self.recall(), self.weight.data,
                                             self.bias is not None, input_gradient)
        self.weight.set_grad(dweight, accumulate)
        if self.bias:
            self.bias.set_grad(dbias, accumulate)
        return dx

    def multiply_adds(self, input_shape, output_shape):
        return self.weight.data.size

    def config(self):
        return {"in_features": self.in_features, "out_features": self.out_features,
                "bias": self.bias is not None, "dtype": self.weight.data.dtype.name}

    def extra_repr(self):
        return (f"in_features={self.in_features}, out_features={self.out_features}, "
                f"bias={self.bias is not None}")
