"""Chains that normalisation and shortcuts are part of: with the ReLU behind them in one pass, and,
for inference, batch normalisation inside the convolution before it.
"""

import operator

import numpy as np

from ..functional import _check
from ..functional.activation import relu_backward
from ..functional.norm import fold
from .module import Parameter


class Step:
    """What a chain knows about those before and behind it."""

    # Whether a ReLU ends this chain; whether the next chain's input gradient does that one's
    # backward pass, and this chain's that of the ReLU before it.
    ends_with_relu = gradient_is_masked = input_is_relu = False
    # Whether the chain's input, and the gradient of its output, are made by chains.
    input_is_ours = gradient_is_ours = False
    # Whether its own ReLU's backward pass costs it nothing, and whether its `forward` takes what is
    # to be added to its result.
    masks_by_itself = adds = False


class NormChain(Step):
    """A BatchNorm or GroupNorm, and the ReLU behind it where there is one."""

    # Its backward pass reads x anyway, and from that it knows where the ReLU's result was 0.
    masks_by_itself = True

    def __init__(self, norm, relu):
        self.norm, self.relu = norm, relu
        self.ends_with_relu = relu is not None
        self.adds = relu is None

    def forward(self, x, other=None, relu=False):
        """The result; where the chain `adds`, plus `other`, and the ReLU of the sum if wanted."""
        y = self.norm.forward_chain(x, relu or self.ends_with_relu, other)
        if self.relu:
            self.relu.remember(y)
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        dx = self.norm.backward_chain(dy, input_gradient, accumulate, self.ends_with_relu,
                                      overwrite=self.gradient_is_ours)
        if self.input_is_relu and input_gradient:
            dx = relu_backward(dx, self.norm.input())
        return dx


class EvaluatedNorm(NormChain):
    """The same in a network in evaluation mode, which remembers nothing: no frozen layer either."""

    def forward(self, x):
        y = super().forward(x)
        if not self.norm.training:
            self.norm.remember(None)
        return y


class ResidualChain(Step):
    """A Residual, and the ReLU behind it where there is one."""

    def __init__(self, residual, relu):
        self.residual, self.relu = residual, relu
        self.ends_with_relu = relu is not None
        self.x = None

    def forward(self, x):
        y = self.residual.forward_chain(x, self.ends_with_relu)
        # The ReLU before this chain wants to know where its result was above 0.
        self.x = x if self.input_is_relu and self.residual.training else None
        if self.relu:
            self.relu.remember(y)
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        if self.ends_with_relu and not self.gradient_is_masked:
            dy = relu_backward(dy, self.relu.recall())
        return self.residual.backward_chain(dy, input_gradient, accumulate, self.x)


class Folded:
    """A Conv2d that does the work of the BatchNorm2d behind it too, in evaluation mode.

    To a chain it is a Conv2d. Its weight and bias are made anew for every call: from numbers that
    may have changed in place, and with less work than the convolution has with them.
    """

    training = False

    def __init__(self, conv, norm):
        self.conv, self.norm = conv, norm
        self.weight = self.bias = None
        self.fitting = (None,) * 6      # the arrays that were last found to fit together
        self.stride, self.padding = conv.stride, conv.padding
        self.dilation, self.groups = conv.dilation, conv.groups

    def possible(self):
        """Whether the two are what they were, and normalise by statistics of their own."""
        conv, norm = self.conv, self.norm
        if conv.training or not norm.uses_running_stats():
            return False
        arrays = (conv.weight.data, conv.bias and conv.bias.data, norm.running_mean,
                  norm.running_var, norm.weight and norm.weight.data, norm.bias and norm.bias.data)
        if not all(map(operator.is_, arrays, self.fitting)):    # mostly it is the last call's
            if not _fit(*arrays):
                return False
            self.fitting = arrays
        return True

    def refresh(self):
        conv, norm = self.conv, self.norm
        weight, bias = conv.weight.data, conv.bias.data if conv.bias else None
        bias_shape = weight.shape[:1] if bias is None else bias.shape
        if self.weight is None or self.weight.data.shape != weight.shape \
                or self.weight.data.dtype != weight.dtype or self.bias.data.shape != bias_shape:
            self.weight = Parameter(np.empty_like(weight))
            self.bias = Parameter(np.empty(bias_shape, weight.dtype))
        fold(weight, bias, norm.running_mean, norm.running_var,
             norm.weight.data if norm.weight else None, norm.bias.data if norm.bias else None,
             _check.number(norm.eps, "eps", 0), self.weight.data, self.bias.data)
        self.stride, self.padding = conv.stride, conv.padding
        self.dilation, self.groups = conv.dilation, conv.groups

    def remember(self, value):
        """Nothing: this is for evaluation."""


def _fit(weight, bias, mean, var, *affine):
    """Whether a convolution can take a normalisation along; where not, the layers say why."""
    numbers = [mean, var, *(array for array in affine if array is not None)]
    biases = [] if bias is None else [bias]
    return all(type(array) is np.ndarray and array.shape[:1] == weight.shape[:1]
               and array.dtype == weight.dtype and array.flags.c_contiguous
               for array in (weight, *biases, *numbers)) and all(
                   array.ndim == 1 for array in numbers)


class FoldedChain:
    """Convolution, batch normalisation, ReLU and pool as one convolution, where that is possible.

    Parameters
    ----------
    folded : Folded
    chain : ConvChain
        Of `folded` and what is behind the normalisation.
    layers : list of Module
        All of them, for when it is not: because some are in training mode, say.
    """

    def __init__(self, folded, chain, layers):
        self.folded, self.chain, self.layers = folded, chain, layers

    def forward(self, x):
        if self.folded.possible() and not any(layer.training for layer in self.layers):
            self.folded.refresh()
            for layer in self.layers:
                layer.remember(None)
            return self.chain.forward(x)
        for layer in self.layers:
            x = layer.forward(x)
        return x
