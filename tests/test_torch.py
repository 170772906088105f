"""cycnn.functional and tests/reference.py side by side with PyTorch."""

import numpy as np
import pytest
from hypothesis import given

import cycnn.functional
import reference
from helpers import assert_close, normal
from strategies import convolutions, poolings

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed; the extra 'peers' brings it, for comparison")
F = torch.nn.functional

# PyTorch says that it copies its input; that is its own affair.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")

libraries = pytest.mark.parametrize(
    "library", [reference, cycnn.functional], ids=["reference", "cycnn"])


def tensor(x, gradient=False):
    return torch.tensor(np.ascontiguousarray(x)).requires_grad_(gradient)


def check(library, actual, expected, terms=1):
    """`actual` is the reference's float64 or cycnn's own dtype, `expected` a tensor."""
    expected = expected.detach().numpy()
    if library is reference:
        actual = actual.astype(expected.dtype)
    assert_close(actual, expected, terms)


@libraries
@given(case=convolutions())
def test_conv2d(library, case):
    x, weight, bias, dy = case.arrays()
    variables = [tensor(a, gradient=True) for a in (x, weight, bias) if a is not None]
    expected = F.conv2d(*variables, **case.options)
    check(library, library.conv2d(x, weight, bias, **case.options), expected, case.terms)

    expected.backward(tensor(dy))
    gradients = library.conv2d_backward(dy, x, weight, case.bias, **case.options)
    lengths = (weight[0, 0].size * len(weight), dy[:, 0].size, dy[:, 0].size)
    for variable, gradient, length in zip(variables, gradients, lengths):
        check(library, gradient, variable.grad, length)
    assert case.bias or gradients[2] is None


@libraries
@given(case=poolings())
def test_max_pool2d(library, case):
    x, options = case
    variable = tensor(x, gradient=True)
    y, indices = library.max_pool2d(x, **options, return_indices=True)
    expected, expected_indices = F.max_pool2d(variable, **options, return_indices=True)
    check(library, y, expected)
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(indices, expected_indices.numpy())

    if x.size:                          # PyTorch refuses the gradient of an empty batch
        dy = np.arange(y.size, dtype=x.dtype).reshape(y.shape)
        expected.backward(tensor(dy))
        check(library, library.max_pool2d_backward(dy, indices, x.shape), variable.grad)


@libraries
@given(case=poolings(average=True))
def test_avg_pool2d(library, case):
    x, options = case
    variable = tensor(x, gradient=True)
    y = library.avg_pool2d(x, **options)
    expected = F.avg_pool2d(variable, **options)
    check(library, y, expected)

    dy = np.arange(y.size, dtype=x.dtype).reshape(y.shape)
    expected.backward(tensor(dy))
    check(library, library.avg_pool2d_backward(dy, x.shape, **options), variable.grad)


@libraries
def test_global_avg_pool2d(library, rng, dtype):
    x, dy = normal(rng, dtype, 2, 5, 3, 7), normal(rng, dtype, 2, 5, 1, 1)
    variable = tensor(x, gradient=True)
    expected = F.adaptive_avg_pool2d(variable, 1)
    check(library, library.global_avg_pool2d(x), expected, 21)
    expected.backward(tensor(dy))
    check(library, library.global_avg_pool2d_backward(dy, x.shape), variable.grad)


@libraries
@pytest.mark.parametrize("bias", [True, False])
def test_linear(library, rng, dtype, bias):
    x, weight, dy = (normal(rng, dtype, *s) for s in ((5, 37), (19, 37), (5, 19)))
    vector = normal(rng, dtype, 19) if bias else None
    variables = [tensor(a, gradient=True) for a in (x, weight, vector) if a is not None]
    expected = F.linear(*variables)
    check(library, library.linear(x, weight, vector), expected, 37)
    expected.backward(tensor(dy))
    for variable, gradient in zip(variables, library.linear_backward(dy, x, weight, bias)):
        check(library, gradient, variable.grad, 19)


# name, options, whether the gradient is a function of the output
ACTIVATIONS = [("relu", {}, True),
               ("leaky_relu", {}, False),
               ("leaky_relu", {"negative_slope": 0.25}, False),
               ("tanh", {}, True),
               ("sigmoid", {}, True),
               ("elu", {}, False),
               ("elu", {"alpha": 0.25}, False),
               ("gelu", {}, False),
               ("gelu", {"approximate": "tanh"}, False),
               ("silu", {}, False)]


@libraries
@pytest.mark.parametrize("name, options, from_output", ACTIVATIONS)
def test_activation(library, name, options, from_output, rng, dtype):
    x = 3 * normal(rng, dtype, 4, 5, 6, 7)
    x[0, 0, 0, :4] = 0, -0.0, 40, -40
    if name not in ("gelu", "silu"):                # there PyTorch has NaN for infinite numbers
        x[0, 0, 1, :2] = np.inf, -np.inf
    dy = normal(rng, dtype, *x.shape)
    variable = tensor(x, gradient=True)
    y = getattr(library, name)(x, **options)
    expected = getattr(F, name)(variable, **options)
    finite = np.isfinite(expected.detach().numpy())
    np.testing.assert_array_equal(y[~finite], expected.detach().numpy()[~finite])
    check(library, y[finite], expected[finite])
    expected.backward(tensor(dy))
    gradient = getattr(library, f"{name}_backward")(dy, y if from_output else x, **options)
    check(library, gradient, variable.grad)


@libraries
@pytest.mark.parametrize("axis", [-1, 0, 1, 2])
def test_softmax(library, axis, rng, dtype):
    x, dy = 5 * normal(rng, dtype, 4, 11, 3), normal(rng, dtype, 4, 11, 3)
    variable = tensor(x, gradient=True)
    expected = F.softmax(variable, dim=axis)
    y = library.softmax(x, axis=axis)
    check(library, y, expected)
    expected.backward(tensor(dy))
    check(library, library.softmax_backward(dy, y, axis=axis), variable.grad)


@libraries
def test_cross_entropy(library, rng, dtype):
    logits, labels = 5 * normal(rng, dtype, 9, 13), rng.integers(0, 13, 9)
    variable = tensor(logits, gradient=True)
    expected = F.cross_entropy(variable, torch.tensor(labels))
    check(library, np.asarray(library.cross_entropy(logits, labels), dtype), expected)
    expected.backward()
    check(library, library.cross_entropy_backward(logits, labels), variable.grad)


@libraries
def test_mse_loss(library, rng, dtype):
    prediction, target = normal(rng, dtype, 9, 13), normal(rng, dtype, 9, 13)
    variable = tensor(prediction, gradient=True)
    expected = F.mse_loss(variable, tensor(target))
    check(library, np.asarray(library.mse_loss(prediction, target), dtype), expected)
    expected.backward()
    check(library, library.mse_loss_backward(prediction, target), variable.grad)


@libraries
@pytest.mark.parametrize("momentum, weight_decay, nesterov",
                         [(0, 0, False), (0, 0.1, False), (0.9, 0, False), (0.9, 0.1, False),
                          (0.9, 0.1, True)])
def test_sgd_step(library, momentum, weight_decay, nesterov, rng, dtype):
    weight = normal(rng, dtype, 37)
    parameter = torch.nn.Parameter(tensor(weight.copy()))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=momentum, nesterov=nesterov,
                                weight_decay=weight_decay)
    velocity = np.zeros_like(weight)
    for step in range(4):
        grad = normal(rng, dtype, 37)
        parameter.grad = tensor(grad)
        optimizer.step()
        result = library.sgd_step(weight, grad, velocity, 0.1, momentum, weight_decay, nesterov,
                                  step == 0)
        if library is reference:
            weight, velocity = result
    check(library, weight, parameter)
