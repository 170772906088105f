"""Chains of layers that are computed in one go: convolution -> ReLU -> 2 x 2 max-pool.

:class:`~cycnn.Sequential` finds them. The numbers are the same as layer by layer, and every layer of
a chain can still be asked for its `backward` alone.
"""

from ..functional.activation import relu_backward
from ..functional.chain import conv2d_chain, conv2d_chain_backward
from ._images import channels_last
from .activation import ReLU
from .conv import Conv2d
from .module import Deferred
from .pool import MaxPool2d


def steps_of(layers):
    """The layers in the order of their work: [(position, layer or ConvChain), ...]."""
    steps, i = [], 0
    while i < len(layers):
        step = layers[i]
        used = 1
        if _is(step, Conv2d):
            relu = _follows(layers, i + 1, ReLU)
            pool = _follows(layers, i + 1 + (relu is not None), MaxPool2d)
            if pool is not None and not _is_square(pool):
                pool = None
            step = ConvChain(step, relu, pool)
            used += (relu is not None) + (pool is not None)
        steps.append((i, step))
        i += used
    for (_, step), (_, after) in zip(steps, steps[1:]):
        if isinstance(step, ConvChain) and isinstance(after, ConvChain):
            after.input_is_relu = step.gradient_is_masked = step.relu is not None and not step.pool
    return steps


class ConvChain:
    """A Conv2d, and the ReLU and the MaxPool2d behind it where there are any."""

    def __init__(self, conv, relu, pool):
        self.conv, self.relu, self.pool = conv, relu, pool
        self.winners = None
        # Whether the last forward went layer by layer, because the pool has been changed since.
        self.apart = False
        # Whether the next chain's input gradient does the backward pass of this one's ReLU, and
        # this one's that of the ReLU before it.
        self.gradient_is_masked = self.input_is_relu = False

    def forward(self, x):
        conv, relu, pool = self.conv, self.relu, self.pool
        self.apart = pool is not None and not _is_square(pool)
        if self.apart:
            return self.layer_by_layer(x)
        x = channels_last(x, conv.weight.data.dtype)
        y, self.winners = conv2d_chain(
            x, conv.weight.data, conv.bias.data if conv.bias else None,
            (conv.stride, conv.padding, conv.dilation, conv.groups), relu is not None,
            pool is not None, conv.training)
        conv.remember(x)
        if pool:
            replay = Deferred(self.replay)
            pool.remember(replay)
            if relu:
                relu.remember(replay)
        elif relu:
            relu.remember(y)
        return y

    def layers(self):
        return [layer for layer in (self.conv, self.relu, self.pool) if layer is not None]

    def layer_by_layer(self, x):
        for layer in self.layers():
            x = layer.forward(x)
        return x

    def replay(self):
        """Let each layer remember what its own `backward` needs."""
        self.layer_by_layer(self.conv.recall())

    def backward(self, dy, input_gradient=True, accumulate=False):
        conv = self.conv
        x = conv.recall()
        if self.apart:
            for layer in reversed(self.layers()):
                dy = layer.backward(dy, input_gradient or layer is not conv, accumulate)
            return relu_backward(dy, x) if self.input_is_relu and input_gradient else dy
        if self.relu and not self.pool and not self.gradient_is_masked:
            dy = relu_backward(dy, self.relu.recall())
        dx, dweight, dbias = conv2d_chain_backward(
            dy, self.winners, x, conv.weight.data, conv.bias is not None,
            (conv.stride, conv.padding, conv.dilation, conv.groups), input_gradient,
            self.input_is_relu)
        conv.weight.set_grad(dweight, accumulate)
        if conv.bias:
            conv.bias.set_grad(dbias, accumulate)
        return dx


def _is(layer, kind):
    """Whether a layer is of this very class: one derived from it may compute something else."""
    return type(layer) is kind and not {"forward", "backward"} & vars(layer).keys()


def _follows(layers, position, kind):
    layer = layers[position] if position < len(layers) else None
    return layer if _is(layer, kind) else None


def _is_square(pool):
    return (pool.kernel_size == pool.stride == (2, 2) and pool.padding == (0, 0)
            and pool.dilation == (1, 1) and not pool.ceil_mode)
