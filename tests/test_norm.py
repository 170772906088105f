"""Batch and group normalisation: the functions, and the running statistics of the layers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cycnn as cn
from cycnn import functional as F
from helpers import assert_close, normal
from reference import numerical_gradient
from strategies import channels, dtypes, seeds

pytestmark = pytest.mark.usefixtures("threads")

EPS = 1e-5
# N, and what comes behind the channels.
images = st.tuples(st.integers(1, 5), st.lists(st.integers(1, 9) | st.sampled_from([16, 33]),
                                               min_size=0, max_size=2))


def batch_norm(x, weight, bias, eps=EPS):
    """One channel after another, by the formula; also the mean and the variance of each."""
    y, means, variances = np.zeros(x.shape), [], []
    for c in range(x.shape[1]):
        values = x[:, c].astype(np.float64)
        means.append(values.mean())
        variances.append(((values - values.mean()) ** 2).mean())
        y[:, c] = (values - means[-1]) / np.sqrt(variances[-1] + eps) * weight[c] + bias[c]
    return y, np.array(means), np.array(variances)


def group_norm(x, groups, weight, bias, eps=EPS):
    """One group of one image after another, by the formula."""
    y, each = np.zeros(x.shape), x.shape[1] // groups
    for image, result in zip(x.astype(np.float64), y):
        for first in range(0, x.shape[1], each):
            values = image[first:first + each]
            mean = values.mean()
            variance = ((values - mean) ** 2).mean()
            for c in range(first, first + each):
                result[c] = (image[c] - mean) / np.sqrt(variance + eps) * weight[c] + bias[c]
    return y


def per_channel(values, ndim):
    return values.reshape(-1, *[1] * (ndim - 2))


@given(shape=images, c=channels, dtype=dtypes, seed=seeds)
def test_batch_norm(shape, c, dtype, seed):
    rng = np.random.default_rng(seed)
    shape = shape[0] + 1, c, *shape[1]          # one value a channel is refused
    x, weight, bias = normal(rng, dtype, *shape), normal(rng, dtype, c), normal(rng, dtype, c)
    mean, var = normal(rng, dtype, c), np.abs(normal(rng, dtype, c)) + dtype(0.5)
    given_mean, given_var = mean.copy(), var.copy()

    expected = ((x - per_channel(mean, x.ndim)) / per_channel(np.sqrt(var + EPS), x.ndim)
                * per_channel(weight, x.ndim) + per_channel(bias, x.ndim))
    assert_close(F.batch_norm(x, mean, var, weight, bias), expected.astype(np.float64), 4)
    np.testing.assert_array_equal(mean, given_mean)

    expected, means, variances = batch_norm(x, weight, bias)
    # Two values close together, divided by their distance, amplify every rounding.
    terms = 4 + 1e3 / min(variances.min(), 1)
    assert_close(F.batch_norm(x, mean, var, weight, bias, True, 0.3), expected, terms)
    n = x.size // c
    assert_close(mean, 0.7 * given_mean + 0.3 * means, 4)
    assert_close(var, 0.7 * given_var + 0.3 * variances * n / (n - 1), 4)
    assert_close(F.batch_norm(x, training=True), batch_norm(x, np.ones(c), np.zeros(c))[0], terms)


@given(shape=images, each=st.integers(1, 7), groups=st.integers(1, 6), dtype=dtypes, seed=seeds)
def test_group_norm(shape, each, groups, dtype, seed):
    rng = np.random.default_rng(seed)
    c = 2 * each * groups
    x = normal(rng, dtype, shape[0], c, *shape[1])
    weight, bias = normal(rng, dtype, c), normal(rng, dtype, c)
    y = F.group_norm(x, groups, weight, bias)
    assert_close(y, group_norm(x, groups, weight, bias), 400)
    # An image is normalised by itself.
    assert (F.group_norm(x[:1], groups, weight, bias) == y[:1]).all()


@pytest.mark.parametrize("shape", [(6, 5), (3, 5, 4), (2, 5, 3, 4)])
@pytest.mark.parametrize("training", [True, False])
def test_gradients_of_batch_norm_by_finite_differences(shape, training, rng):
    x, dy, weight = normal(rng, np.float64, *shape), normal(rng, np.float64, *shape), normal(
        rng, np.float64, 5)
    bias, mean, var = normal(rng, np.float64, 5), normal(rng, np.float64, 5), rng.random(5) + 0.5

    def loss(x=x, weight=weight, bias=bias):
        return (dy * F.batch_norm(x, mean.copy(), var.copy(), weight, bias, training)).sum()

    dx, dweight, dbias = F.batch_norm_backward(dy, x, mean, var, weight, training)
    for gradient, name, at in ((dx, "x", x), (dweight, "weight", weight), (dbias, "bias", bias)):
        expected = numerical_gradient(lambda value: loss(**{name: value}), at)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7, err_msg=name)
    without, *others = F.batch_norm_backward(dy, x, mean, var, weight, training,
                                             input_gradient=False)
    assert without is None
    np.testing.assert_array_equal(others, (dweight, dbias))


@pytest.mark.parametrize("shape, groups", [((6, 8), 2), ((3, 6, 4), 3), ((2, 6, 3, 4), 1),
                                           ((2, 4, 3, 4), 4)])
def test_gradients_of_group_norm_by_finite_differences(shape, groups, rng):
    c = shape[1]
    x, dy = normal(rng, np.float64, *shape), normal(rng, np.float64, *shape)
    weight, bias = normal(rng, np.float64, c), normal(rng, np.float64, c)

    def loss(x=x, weight=weight, bias=bias):
        return (dy * F.group_norm(x, groups, weight, bias)).sum()

    gradients = F.group_norm_backward(dy, x, groups, weight)
    for gradient, name, at in zip(gradients, ("x", "weight", "bias"), (x, weight, bias)):
        expected = numerical_gradient(lambda value: loss(**{name: value}), at)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7, err_msg=name)
    without, *others = F.group_norm_backward(dy, x, groups, weight, input_gradient=False)
    assert without is None
    np.testing.assert_array_equal(others, gradients[1:])


@pytest.mark.parametrize("function", ["batch", "group"])
def test_side_by_side_with_pytorch(function, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, dy = normal(rng, dtype, 7, 12, 9, 5), normal(rng, dtype, 7, 12, 9, 5)
    weight, bias = normal(rng, dtype, 12), normal(rng, dtype, 12)
    variables = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    if function == "batch":
        expected = torch.nn.functional.batch_norm(variables[0], None, None, *variables[1:], True)
        y = F.batch_norm(x, None, None, weight, bias, True)
        gradients = F.batch_norm_backward(dy, x, None, None, weight, True)
    else:
        expected = torch.nn.functional.group_norm(variables[0], 4, *variables[1:])
        y = F.group_norm(x, 4, weight, bias)
        gradients = F.group_norm_backward(dy, x, 4, weight)
    assert_close(y, expected.detach().numpy(), 9)
    expected.backward(torch.tensor(dy))
    for gradient, variable in zip(gradients, variables):
        assert_close(gradient, variable.grad.numpy(), 315)


@pytest.mark.parametrize("c, pixels", [(1, 700), (3, 911), (16, 1030), (24, 350), (33, 300),
                                       (100, 95), (129, 70), (192, 50), (520, 20)])
@pytest.mark.parametrize("function", ["batch", "group"])
def test_many_numbers_of_any_number_of_channels(function, c, pixels, dtype, rng):
    """Several chunks, each of whole vectors side by side and of what is left over."""
    x, dy = normal(rng, dtype, 3, c, pixels), normal(rng, dtype, 3, c, pixels)
    weight, bias = normal(rng, dtype, c), normal(rng, dtype, c)
    wide = x.astype(np.float64)
    if function == "batch":
        y = F.batch_norm(x, None, None, weight, bias, True)
        found = F.batch_norm_backward(dy, x, None, None, weight, True)
        axes, size = (0, 2), 3 * pixels
    else:
        y = F.group_norm(x, c, weight, bias)
        found = F.group_norm_backward(dy, x, c, weight)
        axes, size = (2,), pixels
    inverse = 1 / np.sqrt(wide.var(axes, keepdims=True) + EPS)
    hat = (wide - wide.mean(axes, keepdims=True)) * inverse
    assert_close(y, hat * weight[:, None] + bias[:, None], 4)
    means = [(values.sum(axes, keepdims=True) / size) for values in (dy * hat, dy)]
    assert_close(found[0], weight[:, None] * inverse * (dy - means[1] - hat * means[0]), 9)
    assert_close(found[1], (dy * hat).sum((0, 2)), 3 * pixels)
    assert_close(found[2], dy.astype(np.float64).sum((0, 2)), 3 * pixels)


def test_a_large_batch_far_from_zero_is_exact(rng):
    """Sums of squares would lose everything here, and sums in float32 the last digits."""
    x = (rng.standard_normal((512, 3, 32, 32)) + [[[[1e4]], [[-300]], [[0]]]]).astype(np.float32)
    mean, var = np.zeros(3, np.float32), np.ones(3, np.float32)
    y = F.batch_norm(x, mean, var, training=True, momentum=1.0)
    values = x.astype(np.float64).transpose(1, 0, 2, 3).reshape(3, -1)
    np.testing.assert_allclose(mean, values.mean(1), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(var, values.var(1, ddof=1), rtol=1e-6)
    expected = (values - values.mean(1)[:, None]) / np.sqrt(values.var(1) + EPS)[:, None]
    np.testing.assert_allclose(y.transpose(1, 0, 2, 3).reshape(3, -1), expected, rtol=0,
                               atol=2e-6)


def test_nan_stays_in_its_channel_or_image(dtype, rng):
    x = normal(rng, dtype, 3, 4, 5, 5)
    x[1, 2, 3, 3] = np.nan
    y = F.batch_norm(x, training=True)
    assert np.isnan(y[:, 2]).all() and not np.isnan(np.delete(y, 2, 1)).any()
    y = F.group_norm(x, 2)
    assert np.isnan(y[1, 2:]).all() and not np.isnan(y[1, :2]).any()
    assert not np.isnan(np.delete(y, 1, 0)).any()


def test_a_constant_channel_becomes_the_bias(dtype):
    x = np.full((4, 3, 5, 5), 7, dtype)
    bias = np.array([1, 2, 3], dtype)
    y = F.batch_norm(x, None, None, np.ones(3, dtype), bias, True)
    np.testing.assert_array_equal(y, np.broadcast_to(bias[:, None, None], y.shape))


# --- the layers' statistics ----------------------------------------------------------------------

@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0, None])
def test_running_statistics_are_pytorchs(momentum, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    layer = cn.BatchNorm2d(5, momentum=momentum, dtype=dtype)
    other = torch.nn.BatchNorm2d(5, momentum=momentum, dtype=getattr(torch, np.dtype(dtype).name))
    for n in (3, 1, 8):
        x = 2 * normal(rng, dtype, n, 5, 4, 6) + dtype(3)
        assert_close(layer(x), other(torch.tensor(x)).detach().numpy(), 9)
        for name, array in other.state_dict().items():
            np.testing.assert_allclose(layer.state_dict()[name], array.numpy(), rtol=1e-5)
    layer.eval(), other.eval()
    assert_close(layer(x), other(torch.tensor(x)).detach().numpy(), 9)
    for name, array in other.state_dict().items():          # evaluation leaves them alone
        np.testing.assert_allclose(layer.state_dict()[name], array.numpy(), rtol=1e-5)


@pytest.mark.parametrize("options", [{}, dict(affine=False), dict(track_running_stats=False)])
@pytest.mark.parametrize("shape", [(6, 5), (3, 5, 4), (2, 5, 3, 4)])
def test_a_frozen_layer_goes_back_as_pytorchs(shape, options, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    kind = "BatchNorm2d" if len(shape) == 4 else "BatchNorm1d"
    other = getattr(torch.nn, kind)(5, **options).to(getattr(torch, np.dtype(dtype).name))
    layer = getattr(cn, kind)(5, dtype=dtype, **options)
    for array in layer.state_dict().values():
        array[...] = rng.random(array.shape) + 0.5 if array.dtype == dtype else 3
    other.load_state_dict({name: torch.tensor(array)
                           for name, array in layer.state_dict().items()})
    layer.eval(), other.eval()
    state = {name: array.copy() for name, array in layer.state_dict().items()}
    x, dy = normal(rng, dtype, *shape), normal(rng, dtype, *shape)
    variable = torch.tensor(x, requires_grad=True)
    expected = other(variable)
    assert_close(layer(x), expected.detach().numpy(), 30)
    expected.backward(torch.tensor(dy))
    assert_close(layer.backward(dy), variable.grad.numpy(), 100)
    for parameter, theirs in zip(layer.parameters(), other.parameters()):
        assert_close(parameter.grad, theirs.grad.numpy(), 100)
    assert layer.backward(dy, input_gradient=False) is None
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, state[name])


def test_frozen_layers_in_chains_go_back_as_pytorchs(dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from test_models import in_pytorch

    def convolution():
        return cn.Conv2d(6, 6, 3, padding=1, dtype=dtype), cn.BatchNorm2d(6, dtype=dtype)

    model = cn.Sequential(*convolution(), cn.ReLU(), cn.Residual(cn.Sequential(
        *convolution(), cn.ReLU(), *convolution())), cn.ReLU(), *convolution(),
        cn.MaxPool2d(2), cn.BatchNorm2d(6, dtype=dtype), cn.ReLU())
    other = in_pytorch(torch, model).to(getattr(torch, np.dtype(dtype).name))
    for array in model.state_dict().values():
        array[...] = rng.random(array.shape) - 0.3 if array.ndim == 4 else rng.random(
            array.shape) + 0.5
    other.load_state_dict({name: torch.tensor(array)
                           for name, array in model.state_dict().items()})
    for modules in (model.modules(), other.modules()):
        for module in modules:
            if type(module).__name__ == "BatchNorm2d":
                module.eval()
    x, dy = normal(rng, dtype, 3, 6, 7, 8), normal(rng, dtype, 3, 6, 3, 4)
    variable = torch.tensor(x, requires_grad=True)
    expected = other(variable)
    assert_close(model(x), expected.detach().numpy(), 3000)
    expected.backward(torch.tensor(dy))
    assert_close(model.backward(dy), variable.grad.numpy(), 3000)
    for (name, parameter), theirs in zip(model.named_parameters(), other.parameters()):
        assert_close(parameter.grad, theirs.grad.numpy(), 3000, err_msg=name)


def test_a_frozen_layers_gradient_does_not_depend_on_its_input(dtype):
    layer = cn.BatchNorm2d(2, dtype=dtype).eval()
    x = np.array([np.inf, np.nan, 1, -1], dtype).reshape(1, 2, 2, 1)
    layer(x)
    dy = np.ones_like(x)
    np.testing.assert_array_equal(layer.backward(dy), dy * dtype(1 / np.sqrt(1 + EPS)))


def test_an_empty_batch_leaves_the_statistics_alone():
    layer = cn.BatchNorm2d(3)
    layer(np.ones((2, 3, 4, 4), np.float32))
    before = {name: array.copy() for name, array in layer.state_dict().items()}
    assert layer(np.ones((0, 3, 4, 4), np.float32)).shape == (0, 3, 4, 4)
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_statistics_can_be_forgotten(rng):
    layer = cn.BatchNorm1d(3)
    fresh = {name: array.copy() for name, array in layer.state_dict().items()}
    layer(normal(rng, np.float32, 4, 3))
    assert layer.num_batches_tracked == 1 and (layer.running_mean != 0).all()
    layer.reset_running_stats()
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, fresh[name])


def test_buffers_are_part_of_the_state(rng):
    model = cn.Sequential(cn.Conv2d(1, 2, 3), cn.BatchNorm2d(2), cn.BatchNorm2d(2, affine=False),
                          cn.BatchNorm2d(2, track_running_stats=False))
    assert list(model.state_dict()) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
        "1.num_batches_tracked", "2.running_mean", "2.running_var", "2.num_batches_tracked",
        "3.weight", "3.bias"]
    assert [name for name, _ in model.named_parameters()] == [
        "0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias"]
    assert [name for name, _ in model.named_buffers()] == [
        f"{i}.{name}" for i in (1, 2)
        for name in ("running_mean", "running_var", "num_batches_tracked")]
    assert len(list(model.buffers())) == 6
    model(normal(rng, np.float32, 3, 1, 5, 5))
    other = cn.Sequential(*[type(layer)(**layer.config()) for layer in model])
    other.load_state_dict(model.state_dict())
    assert other[1].num_batches_tracked == 1
    np.testing.assert_array_equal(other[1].running_var, model[1].running_var)
    assert not np.shares_memory(other[1].running_var, model[1].running_var)
    state = model.state_dict()
    del state["2.running_var"]
    with pytest.raises(ValueError, match=r"missing 2\.running_var"):
        other.load_state_dict(state)


def test_buffers_of_ones_own():
    class Counter(cn.Module):
        def __init__(self):
            self.register_buffer("calls", np.zeros((), np.int64))
            self.register_buffer("nothing", None)

        def forward(self, x):
            self.calls += 1
            return x

    layer = Counter()
    layer(1), layer(2)
    assert layer.state_dict() == {"calls": 2}
    layer.register_buffer("calls", np.ones(3))              # another array in its place
    assert list(layer.state_dict()) == ["calls"] and layer.calls.shape == (3,)
    layer.weight = cn.Parameter(np.ones(2))
    for name, array, error in (("1st", np.ones(1), ValueError), ("sum", 1.0, TypeError),
                               ("weight", np.ones(2), ValueError)):
        with pytest.raises(error, match=name):
            layer.register_buffer(name, array)
    assert list(layer.state_dict()) == ["weight", "calls"]
