"""Shapes that break kernels, for hypothesis to choose from."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import helpers
import reference

# Around the widths of vectors (4, 8, 16) and of a pair of them.
channels = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33])
dtypes = st.sampled_from([np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)


def shapes(large, min_size=0):
    """Up to four dimensions, small or one of `large`; not so many numbers that they take long."""
    return st.lists(st.integers(0, 9) | st.sampled_from(large), min_size=min_size, max_size=4
                    ).filter(lambda shape: np.prod(shape, dtype=object) <= 50_000)


def either(strategy):
    """One number, or a pair of them."""
    return strategy | st.tuples(strategy, strategy)


@dataclass(frozen=True)
class Convolution:
    x_shape: tuple
    weight_shape: tuple
    bias: bool
    options: dict = field(hash=False)
    dtype: type
    seed: int

    def arrays(self, make=helpers.normal):
        """(x, weight, bias or None, dy)"""
        rng = np.random.default_rng(self.seed)
        x = make(rng, self.dtype, *self.x_shape)
        weight = make(rng, self.dtype, *self.weight_shape)
        bias = make(rng, self.dtype, self.weight_shape[0]) if self.bias else None
        return x, weight, bias, make(rng, self.dtype, *self.y_shape)

    @property
    def y_shape(self):
        kernel, dilation = self.weight_shape[2:], reference.pair(self.options["dilation"])
        pads = reference.conv_padding(self.options["padding"], kernel, dilation)
        return (self.x_shape[0], self.weight_shape[0], *(
            (size + sum(pad) - d * (k - 1) - 1) // s + 1 for size, pad, k, s, d in zip(
                self.x_shape[2:], pads, kernel, reference.pair(self.options["stride"]), dilation)))

    @property
    def terms(self):
        """How many products are added up for one output of the forward pass."""
        return int(np.prod(self.weight_shape[1:]))


@st.composite
def convolutions(draw, batches=st.integers(0, 3)):
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 5, 17]))
    # Depthwise and channel multipliers are common enough to be asked for.
    inputs = draw(channels if groups == 1 else st.sampled_from([1, 1, 2, 3]))
    outputs = draw(channels if groups == 1 else st.sampled_from([1, 1, 2, 3]))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    dilation = draw(either(st.integers(1, 3)))
    padding = draw(st.sampled_from(["same", "valid"]) | either(st.integers(0, 4)))
    stride = 1 if padding == "same" else draw(either(st.integers(1, 6)))
    pads = reference.conv_padding(padding, kernel, reference.pair(dilation))
    size = []
    for k, d, pad in zip(kernel, reference.pair(dilation), pads):
        smallest = max(1, d * (k - 1) + 1 - sum(pad))
        size.append(smallest + draw(st.integers(0, 9) | st.sampled_from([13, 15, 17])))
    return Convolution(
        (draw(batches), groups * inputs, *size), (groups * outputs, inputs, *kernel),
        draw(st.booleans()),
        dict(stride=stride, padding=padding, dilation=dilation, groups=groups),
        draw(dtypes), draw(seeds))


@st.composite
def poolings(draw, average=False):
    """(x, options): options as max_pool2d takes them, or as avg_pool2d does."""
    kernel = draw(either(st.integers(1, 4)))
    pads = tuple(draw(st.integers(0, k // 2)) for k in reference.pair(kernel))
    padding = pads[0] if pads[0] == pads[1] else pads
    options = dict(kernel_size=kernel, padding=padding,
                   stride=draw(st.none() | either(st.integers(1, 6))),
                   ceil_mode=draw(st.booleans()))
    if average:
        options["count_include_pad"] = draw(st.booleans())
    else:
        options["dilation"] = draw(either(st.integers(1, 3)))
    dilation = reference.pair(options.get("dilation", 1))
    size = [max(1, d * (k - 1) + 1 - 2 * pad) + draw(st.integers(0, 12))
            for k, d, pad in zip(reference.pair(kernel), dilation, pads)]
    # A dilated window can miss the input altogether; test_pool.py has a case of its own for that.
    stride = reference.pair(options["kernel_size"] if options["stride"] is None
                            else options["stride"])
    for _, under in reference.pool_windows(size, reference.pair(kernel), stride, pads, dilation,
                                           options["ceil_mode"]):
        assume(all(any(0 <= at < n for at in axis) for axis, n in zip(under, size)))
    rng = np.random.default_rng(draw(seeds))
    shape = draw(st.integers(0, 3)), draw(channels), *size
    # Few distinct values, so that ties are the rule.
    return helpers.whole(rng, draw(dtypes), *shape), options
