"""Chains of layers that are computed in one go: convolution -> ReLU -> 2 x 2 max-pool, and
linear -> ReLU. Those with normalisation and shortcuts are in :mod:`norm_chain`.

:class:`~cycnn.Sequential` finds them. The numbers are the same as layer by layer, and every layer
of a chain can still be asked for its `backward` alone.
"""

from ..functional import _check
from ..functional.activation import relu_backward
from ..functional._format import channels_last
from ..functional.chain import conv2d_chain, conv2d_chain_backward
from ..functional.conv import check as check_conv
from ..functional.conv import check_bias, kind_of
from ..functional.linear import WeightGradient, linear_chain, linear_chain_backward
from ..functional.linear import check as check_linear
from ..kernels.arrays import Seen
from .activation import ReLU
from .branches import Residual
from .conv import Conv2d
from .linear import Linear
from .module import Deferred
from .norm import BatchNorm1d, BatchNorm2d, GroupNorm
from .norm_chain import EvaluatedNorm, Folded, FoldedChain, NormChain, ResidualChain, Step
from .pool import MaxPool2d
from .shape import Flatten

# From so many numbers on, the gradient of a Linear's weight is left to the optimizer to work out.
_LARGE = 1 << 15

# What else computes the ReLU behind it, and the chain that has both.
_WITH_RELU = {BatchNorm1d: NormChain, BatchNorm2d: NormChain, GroupNorm: NormChain,
              Residual: ResidualChain}


def steps_of(layers):
    """The layers in the order of their work: [(position, layer or chain), ...]."""
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
        elif _is(step, Linear):
            relu = _follows(layers, i + 1, ReLU)
            step = LinearChain(step, relu)
            used += relu is not None
        elif kind := next((kind for kind in _WITH_RELU if _is(step, kind)), None):
            relu = _follows(layers, i + 1, ReLU)
            step = _WITH_RELU[kind](step, relu)
            used += relu is not None
        steps.append((i, step))
        i += used
    _connect([step for _, step in steps])
    return steps


def folded_steps(layers, steps):
    """The same for inference: batch normalisation goes into the convolution before it."""
    result, i = [], 0
    while i < len(steps):
        position, step = steps[i]
        norm = _follows(layers, position + 1, BatchNorm2d)
        used = 1
        if norm is not None and _is(layers[position], Conv2d):
            relu = _follows(layers, position + 2, ReLU)
            pool = _follows(layers, position + 2 + (relu is not None), MaxPool2d)
            if pool is not None and not _is_square(pool):
                pool = None
            folded = Folded(layers[position], norm)
            inner = [layer for layer in (layers[position], norm, relu, pool) if layer is not None]
            step = FoldedChain(folded, ConvChain(folded, relu, pool), inner)
            used += 1 + (pool is not None)      # the normalisation's step has the ReLU in it
        elif type(step) is NormChain:
            step = EvaluatedNorm(step.norm, step.relu)
        result.append((position, step))
        i += used
    return result


def _connect(steps):
    """Let each chain know what it may do for, or leave to, those before and behind it."""
    for i, step in enumerate(steps):
        if not isinstance(step, Step):
            continue
        behind = i + 1
        while behind < len(steps) and _is(steps[behind], Flatten):
            behind += 1
        after = steps[behind] if behind < len(steps) else None
        if isinstance(after, Step):
            masked = step.ends_with_relu and not step.masks_by_itself
            after.input_is_relu = step.gradient_is_masked = masked
            # What comes between two chains is nobody else's: it stays as it is until the next step.
            after.input_is_ours = step.gradient_is_ours = True


class _Chain(Step):
    """What a chain knows about its last call."""

    # What the last call was given, and what the checks made of it: to see at a glance that it comes
    # again, as it does in nearly every step.
    last = None

    def __getstate__(self):
        return {**vars(self), "last": None}         # a copy has arrays of its own

    def checked_once(self, layer, options, x):
        """What :meth:`check` makes of x, the layer's weight and bias and its options."""
        weight, bias = layer.weight.data, layer.bias.data if layer.bias else None
        if self.last is not None:
            seen, last_weight, last_bias, last_options, plan = self.last
            if (weight is last_weight and bias is last_bias and options == last_options
                    and seen.like(x)):
                return x, weight, bias, plan
        checked = rows, matrix, start, plan = self.check(x, weight, bias, options)
        as_they_are = rows is x and matrix is weight and start is bias
        self.last = (Seen(x), weight, bias, options, plan) if as_they_are else None
        return checked


class ConvChain(_Chain):
    """A Conv2d, and the ReLU and the MaxPool2d behind it where there are any."""

    def __init__(self, conv, relu, pool):
        self.conv, self.relu, self.pool = conv, relu, pool
        self.ends_with_relu = relu is not None and pool is None
        self.winners = None
        # Whether the last forward went layer by layer, because the pool has been changed since.
        self.apart = False
        self.deferred = Deferred(self.replay)

    def forward(self, x):
        conv, relu, pool = self.conv, self.relu, self.pool
        self.apart = pool is not None and not _is_square(pool)
        if self.apart:
            return self.layer_by_layer(x)
        x, weight, bias, plan = self.checked(x)
        y, self.winners = conv2d_chain(x, weight, bias, plan, relu is not None, pool is not None,
                                       conv.training)
        conv.remember(x)
        if pool:
            pool.remember(self.deferred)
            if relu:
                relu.remember(self.deferred)
        elif relu:
            relu.remember(y)
        return y

    def checked(self, x):
        """x in memory that runs channels last, weight, bias and the plan for them."""
        conv = self.conv
        return self.checked_once(conv, (conv.stride, conv.padding, conv.dilation, conv.groups), x)

    @staticmethod
    def check(x, weight, bias, options):
        x = _check.floats(x, "x", 4, weight.dtype)
        if not x.transpose(0, 2, 3, 1).flags.c_contiguous:
            x = channels_last(x)
        x, weight, plan = check_conv(x, weight, *options)
        return x, weight, check_bias(bias, weight, x, plan), plan

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
        if self.ends_with_relu and not self.gradient_is_masked:
            dy = relu_backward(dy, self.relu.recall())
        x, weight, bias, plan = self.checked(x)
        dx, dweight, dbias = conv2d_chain_backward(
            dy, self.winners, x, weight, kind_of(bias), plan, input_gradient,
            self.input_is_relu)
        conv.weight.set_grad(dweight, accumulate)
        if conv.bias:
            conv.bias.set_grad(dbias, accumulate)
        return dx


class LinearChain(_Chain):
    """A Linear, and the ReLU behind it where there is one."""

    def __init__(self, linear, relu):
        self.linear, self.relu = linear, relu
        self.ends_with_relu = relu is not None

    def forward(self, x):
        x, weight, bias, plan = self.checked(x)
        self.linear.remember(x)
        y = linear_chain(x, weight, bias, plan, self.ends_with_relu)
        if self.relu:
            self.relu.remember(y)
        return y

    def checked(self, x):
        """x, weight, bias and the plan for them."""
        return self.checked_once(self.linear, None, x)

    @staticmethod
    def check(x, weight, bias, _):
        return check_linear(_check.floats(x, "x", 2, weight.dtype), weight, bias)

    def backward(self, dy, input_gradient=True, accumulate=False):
        layer = self.linear
        x, weight, bias, plan = self.checked(layer.recall())
        pending = self.gradient_is_ours and self.input_is_ours and weight.size >= _LARGE
        if self.ends_with_relu and not self.gradient_is_masked:
            dy = relu_backward(dy, self.relu.recall())
        dx, dweight, dbias = linear_chain_backward(
            dy, x, weight, plan, bias is not None, input_gradient, not pending,
            self.input_is_relu)
        if pending:
            layer.weight.set_pending(WeightGradient(dy, x), accumulate)
        else:
            layer.weight.set_grad(dweight, accumulate)
        if layer.bias:
            layer.bias.set_grad(dbias, accumulate)
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
