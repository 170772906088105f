"""Gradients cut to a size."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cycnn as cn
from helpers import MATRIX_LAYOUTS, assert_close, normal
from strategies import dtypes, seeds

pytestmark = pytest.mark.usefixtures("threads")

SHAPES = (40, 500), (7,), (), (2, 3, 3, 3), (0, 5)


def parameters_of(arrays):
    parameters = [cn.Parameter(np.zeros_like(array)) for array in arrays]
    for parameter, array in zip(parameters, arrays):
        parameter.grad = array.copy()
    return parameters


def gradients(rng, dtype):
    return [np.array(normal(rng, dtype, *shape)) for shape in SHAPES]


def norm_of(arrays, norm_type):
    everything = np.concatenate([array.astype(float).reshape(-1) for array in arrays])
    return np.linalg.norm(everything, norm_type)


@given(norm_type=st.sampled_from([2.0, 1, math.inf, 3, 0.5]), part=st.floats(0, 2), dtype=dtypes,
       seed=seeds)
def test_clip_grad_norm(norm_type, part, dtype, seed):
    arrays = gradients(np.random.default_rng(seed), dtype)
    parameters, norm = parameters_of(arrays), norm_of(arrays, norm_type)
    parameters.insert(1, cn.Parameter(np.zeros(3)))             # has no gradient
    given_norm = cn.clip_grad_norm_(iter(parameters), part * norm, norm_type)
    assert type(given_norm) is float
    np.testing.assert_allclose(given_norm, norm, rtol=1e-6 if dtype == np.float32 else 1e-12)
    del parameters[1]
    for parameter, array in zip(parameters, arrays):
        assert_close(parameter.grad, array.astype(float) * min(1, part * norm / (norm + 1e-6)),
                     100)
        if part > 1.001:
            np.testing.assert_array_equal(parameter.grad, array)


@given(limit=st.sampled_from([0, 0.1, 1.5, math.inf]), dtype=dtypes, seed=seeds)
def test_clip_grad_value(limit, dtype, seed):
    arrays = gradients(np.random.default_rng(seed), dtype)
    arrays[0][0, :3] = np.nan, np.inf, -np.inf
    parameters = parameters_of(arrays)
    cn.clip_grad_value_(iter(parameters), limit)
    for parameter, array in zip(parameters, arrays):
        np.testing.assert_array_equal(parameter.grad, np.clip(array, -dtype(limit), dtype(limit)))


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, math.inf, "inf"])
@pytest.mark.parametrize("special", [None, np.nan, np.inf])
def test_clipping_is_pytorchs(norm_type, special, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    arrays = gradients(rng, dtype)[:4]
    if special is not None:
        arrays[1][3] = special
    for max_norm in (0.0, 1.0, 1e4, math.inf):
        ours, theirs = parameters_of(arrays), []
        for array in arrays:
            theirs.append(torch.nn.Parameter(torch.zeros(array.shape)))
            theirs[-1].data = theirs[-1].data.to(torch.tensor(array).dtype)
            theirs[-1].grad = torch.tensor(array)
        norm = cn.clip_grad_norm_(ours, max_norm, norm_type)
        expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, float(norm_type))
        np.testing.assert_allclose(norm, expected.item(), rtol=1e-5)
        for mine, yours in zip(ours, theirs):
            np.testing.assert_allclose(mine.grad, yours.grad.numpy(), rtol=2e-5, atol=1e-7)
        cn.clip_grad_value_(ours, 0.01)
        torch.nn.utils.clip_grad_value_(theirs, 0.01)
        for mine, yours in zip(ours, theirs):
            np.testing.assert_allclose(mine.grad, yours.grad.numpy(), rtol=2e-5, atol=1e-7)


def test_the_same_bits_for_every_number_of_threads(every_kernel_in_parallel, dtype, rng):
    arrays, results = gradients(rng, dtype), []
    for number in (1, 2, 3, 7):
        every_kernel_in_parallel(number)
        for norm_type in (2, 1, math.inf):
            parameters = parameters_of(arrays)
            norm = cn.clip_grad_norm_(parameters, 1, norm_type)
            cn.clip_grad_value_(parameters, 0.003)
            results.append((norm, b"".join(p.grad.tobytes() for p in parameters)))
    assert results == results[:3] * 4


def test_one_parameter_alone(rng):
    parameter, = parameters_of([normal(rng, np.float64, 9)])
    assert cn.clip_grad_norm_(parameter, math.inf) == pytest.approx(np.linalg.norm(parameter.grad))
    cn.clip_grad_value_(parameter, 0.1)
    assert np.abs(parameter.grad).max() == 0.1
    assert cn.clip_grad_norm_(cn.Parameter(np.zeros(3)), 1.0) == 0


@pytest.mark.parametrize("layout", [*MATRIX_LAYOUTS, "read-only"])
def test_gradients_in_any_memory(layout, rng):
    grad = normal(rng, np.float32, 2, 4, 3, 5)
    parameter, other = parameters_of([grad, grad])
    laid_out = grad.copy() if layout == "read-only" else MATRIX_LAYOUTS[layout](grad)
    if layout == "read-only":
        laid_out.flags.writeable = False
    parameter.grad = laid_out
    for one in (parameter, other):
        cn.clip_grad_norm_(one, 1)
        cn.clip_grad_value_(one, 0.05)
    np.testing.assert_allclose(parameter.grad, other.grad, rtol=1e-6)


def test_a_gradient_that_is_not_worked_out_yet(rng):
    """A large Linear's is the product of two matrices until somebody asks."""
    model = cn.Sequential(cn.Linear(40, 300, rng=0), cn.ReLU(), cn.Linear(300, 200, rng=1),
                          cn.ReLU(), cn.Linear(200, 3, rng=2))
    loss = cn.CrossEntropyLoss()
    loss(model(normal(rng, np.float32, 9, 40)), rng.integers(0, 3, 9))
    model.backward(loss.backward(), input_gradient=False)
    assert model[2].weight.pending is not None
    before = model[2].weight.data.copy()
    cn.clip_grad_norm_(model.parameters(), 1e-3)
    grads = [parameter.grad for parameter in model.parameters()]
    assert norm_of(grads, 2) == pytest.approx(1e-3, rel=1e-2)
    cn.SGD(model.parameters(), lr=1.0).step()
    np.testing.assert_allclose(model[2].weight.data, before - model[2].weight.grad, rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_norm_that_is_not_finite_can_be_an_error(value):
    parameters = parameters_of([np.ones(3), np.array([1, value])])
    with pytest.raises(RuntimeError, match="norm"):
        cn.clip_grad_norm_(parameters, 1, error_if_nonfinite=True)
    np.testing.assert_array_equal(parameters[0].grad, 1)


@pytest.mark.parametrize("call, error, message", [
    (lambda p: cn.clip_grad_norm_(p, -1), ValueError, "max_norm"),
    (lambda p: cn.clip_grad_norm_(p, math.nan), ValueError, "max_norm"),
    (lambda p: cn.clip_grad_norm_(p, "much"), TypeError, "max_norm"),
    (lambda p: cn.clip_grad_norm_(p, 1, 0), ValueError, "norm_type"),
    (lambda p: cn.clip_grad_norm_(p, 1, -2), ValueError, "norm_type"),
    (lambda p: cn.clip_grad_norm_(p, 1, "two"), TypeError, "norm_type"),
    (lambda p: cn.clip_grad_value_(p, -1), ValueError, "clip_value"),
    (lambda p: cn.clip_grad_value_(p, None), TypeError, "clip_value"),
    (lambda p: cn.clip_grad_norm_(p, 1, error_if_nonfinite="no"), TypeError, "error_if_nonfinite"),
    (lambda p: cn.clip_grad_norm_(3, 1), TypeError, "parameters"),
    (lambda p: cn.clip_grad_norm_([3], 1), TypeError, "parameters"),
    (lambda p: cn.clip_grad_norm_(iter(()), 1), ValueError, "parameters is empty"),
    (lambda p: cn.clip_grad_value_(np.zeros(3), 1), TypeError, "parameters")])
def test_impossible_clipping(call, error, message):
    parameters = parameters_of([np.full(3, 9.0)])
    with pytest.raises(error, match=message):
        call(parameters)
    np.testing.assert_array_equal(parameters[0].grad, 9)
