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


REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


def check_loss(library, name, other, prediction, target, others=(), **options):
    """The loss and its gradient; `others` are options that are arrays."""
    variable = tensor(prediction, gradient=True)
    arrays = {key: options[key] for key in others if options[key] is not None}
    expected = getattr(F, other)(variable, torch.tensor(target), **{
        **options, **{key: torch.tensor(array) for key, array in arrays.items()}})
    loss = getattr(library, name)(prediction, target, **options)
    check(library, np.asarray(loss, prediction.dtype), expected)
    expected.sum().backward()
    check(library, getattr(library, f"{name}_backward")(prediction, target, **options),
          variable.grad)


@libraries
@REDUCTIONS
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore_index", [-100, -1, 2])
def test_cross_entropy(library, reduction, label_smoothing, weighted, ignore_index, rng, dtype):
    logits, labels = 5 * normal(rng, dtype, 9, 13), rng.integers(0, 13, 9)
    labels[[1, 4]] = ignore_index
    weight = rng.random(13).astype(dtype) if weighted else None
    options = dict(weight=weight, reduction=reduction, label_smoothing=label_smoothing)
    check_loss(library, "cross_entropy", "cross_entropy", logits, labels, ["weight"],
               ignore_index=ignore_index, **options)
    soft = rng.dirichlet(np.ones(13), 9).astype(dtype)
    check_loss(library, "cross_entropy", "cross_entropy", logits, soft, ["weight"], **options)


@libraries
@REDUCTIONS
@pytest.mark.parametrize("name, options", [("mse_loss", {}), ("l1_loss", {}), ("huber_loss", {}),
                                           ("huber_loss", {"delta": 0.3})])
def test_elementwise_loss(library, reduction, name, options, rng, dtype):
    prediction, target = normal(rng, dtype, 9, 13), normal(rng, dtype, 9, 13)
    prediction[0, 0] = target[0, 0]
    check_loss(library, name, name, prediction, target, reduction=reduction, **options)


@libraries
@REDUCTIONS
@pytest.mark.parametrize("weight", [None, (13,), (9, 1)])
@pytest.mark.parametrize("pos_weight", [None, (13,)])
def test_binary_cross_entropy(library, reduction, weight, pos_weight, rng, dtype):
    logits, target = 5 * normal(rng, dtype, 9, 13), rng.random((9, 13)).astype(dtype)
    target[:3] = target[:3] > 0.5
    weight, pos_weight = (shape and 3 * rng.random(shape).astype(dtype)
                          for shape in (weight, pos_weight))
    check_loss(library, "binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits",
               logits, target, ["weight", "pos_weight"], weight=weight, reduction=reduction,
               pos_weight=pos_weight)


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
