"""Transposed convolution against its definition, and against PyTorch."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cycnn import functional as F
from helpers import assert_close, normal
from reference import channel_groups, pair
from strategies import channels, dtypes, either, seeds

pytestmark = pytest.mark.usefixtures("threads")


def conv_transpose2d(x, weight, bias, stride, padding, output_padding, groups, dilation):
    """Every pixel of x spreads the kernel over a large y, of which the middle is returned."""
    stride, padding, dilation = pair(stride), pair(padding), pair(dilation)
    extra = pair(output_padding)
    n, c, h, w = x.shape
    kernel = weight.shape[2:]
    full = [(size - 1) * s + d * (k - 1) + 1 + e
            for size, s, d, k, e in zip((h, w), stride, dilation, kernel, extra)]
    y = np.zeros((n, weight.shape[1] * groups, *full))
    for inputs, outputs in zip(channel_groups(groups, c), channel_groups(groups, y.shape[1])):
        for i in range(h):
            for j in range(w):
                for u in range(kernel[0]):
                    for v in range(kernel[1]):
                        y[:, outputs, i * stride[0] + u * dilation[0],
                          j * stride[1] + v * dilation[1]] += (
                            x[:, inputs, i, j].astype(np.float64)
                            @ weight[inputs, :, u, v].astype(np.float64))
    y = y[:, :, padding[0]:full[0] - padding[0], padding[1]:full[1] - padding[1]]
    return y if bias is None else y + bias.astype(np.float64)[:, None, None]


@st.composite
def transposed_convolutions(draw):
    """(x, weight, bias or None, options, the generator for more)"""
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    inputs = groups * draw(channels if groups == 1 else st.integers(1, 3))
    outputs = draw(channels if groups == 1 else st.integers(1, 3))
    stride, dilation = draw(either(st.integers(1, 4))), draw(either(st.integers(1, 3)))
    most = [max(s, d) - 1 for s, d in zip(pair(stride), pair(dilation))]
    options = dict(stride=stride, padding=draw(either(st.integers(0, 3))), groups=groups,
                   output_padding=tuple(draw(st.integers(0, m)) for m in most), dilation=dilation)
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    for n, s, p, d, k, e in zip(size, pair(stride), pair(options["padding"]), pair(dilation),
                                kernel, options["output_padding"]):
        assume((n - 1) * s - 2 * p + d * (k - 1) + e + 1 >= 1)
    rng, dtype = np.random.default_rng(draw(seeds)), draw(dtypes)
    bias = normal(rng, dtype, outputs * groups) if draw(st.booleans()) else None
    return (normal(rng, dtype, draw(st.integers(0, 3)), inputs, *size),
            normal(rng, dtype, inputs, outputs, *kernel), bias, options, rng)


@given(case=transposed_convolutions())
def test_by_the_definition(case):
    x, weight, bias, options, rng = case
    y = F.conv_transpose2d(x, weight, bias, **options)
    terms = weight[:, 0].size // options["groups"]
    assert_close(y, conv_transpose2d(x, weight, bias, **options), terms)

    # The gradients are those of a function that is linear in each argument.
    dy = normal(rng, x.dtype, *y.shape)
    dx, dweight, dbias = F.conv_transpose2d_backward(dy, x, weight, bias is not None, **options)
    assert (dbias is None) == (bias is None)
    one, other = normal(rng, x.dtype, *x.shape), normal(rng, x.dtype, *weight.shape)
    tolerance = (2e-5 if x.dtype == np.float32 else 1e-12) * (1 + y.size)
    for gradient, moved, change in (
            (dx, one, conv_transpose2d(one, weight, None, **options)),
            (dweight, other, conv_transpose2d(x, other, None, **options))):
        assert gradient.shape == moved.shape
        np.testing.assert_allclose((gradient.astype(np.float64) * moved).sum(),
                                   (dy * change).sum(), rtol=1e-5, atol=tolerance)
    if bias is not None:
        assert_close(dbias, dy.astype(np.float64).sum((0, 2, 3)), dy[:, 0].size)


@given(case=transposed_convolutions())
def test_side_by_side_with_pytorch(case):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, weight, bias, options, rng = case
    assume(x.size)
    variables = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias) if a is not None]
    expected = torch.nn.functional.conv_transpose2d(*variables, **options)
    y = F.conv_transpose2d(x, weight, bias, **options)
    assert_close(y, expected.detach().numpy(), weight[:, 0].size)
    dy = normal(rng, x.dtype, *y.shape)
    expected.backward(torch.tensor(dy))
    gradients = F.conv_transpose2d_backward(dy, x, weight, bias is not None, **options)
    for gradient, variable in zip(gradients, variables):
        assert_close(gradient, variable.grad.numpy(), max(dy[:, 0].size, weight[0].size))


def test_what_is_not_wanted_is_not_computed(rng, dtype):
    x, weight = normal(rng, dtype, 2, 3, 5, 5), normal(rng, dtype, 3, 4, 3, 3)
    dy = F.conv_transpose2d(x, weight)
    dx, dweight, dbias = F.conv_transpose2d_backward(dy, x, weight, bias=True)
    only_dx = F.conv_transpose2d_backward(dy, x, weight, bias=True, weight_gradient=False)
    assert only_dx[1:] == (None, None)
    np.testing.assert_array_equal(only_dx[0], dx)
    others = F.conv_transpose2d_backward(dy, x, weight, bias=True, input_gradient=False)
    assert others[0] is None
    np.testing.assert_array_equal(others[1], dweight)
    np.testing.assert_array_equal(others[2], dbias)


def test_it_undoes_the_shape_of_a_convolution(rng):
    """Of all sizes that lead to the same one, output_padding says which."""
    weight = normal(rng, np.float32, 4, 3, 3, 3)
    for size in range(5, 12):
        x = normal(rng, np.float32, 1, 3, size, size)
        y = F.conv2d(x, weight, stride=3, padding=1)
        back = F.conv_transpose2d(y, weight, stride=3, padding=1, output_padding=(size - 1) % 3)
        assert back.shape == x.shape
