"""The optimizers' steps, each in one pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from cycnn import SGD, Adam, AdamW, RMSprop
from cycnn.functional import adam_step, rmsprop_step, sgd_step
from cycnn.layers import Parameter
from helpers import assert_close, normal
from strategies import dtypes, seeds

pytestmark = pytest.mark.usefixtures("threads")


@given(length=st.sampled_from([0, 1, 7, 16, 33, 16384, 16385, 40000]),
       momentum=st.sampled_from([0, 0.9]), weight_decay=st.sampled_from([0, 0.1]),
       nesterov=st.booleans(), dtype=dtypes, seed=seeds)
def test_sgd_step(length, momentum, weight_decay, nesterov, dtype, seed):
    rng = np.random.default_rng(seed)
    nesterov = nesterov and momentum > 0
    weight, velocity = normal(rng, dtype, length), np.zeros(length, dtype)
    expected, expected_velocity = weight.copy(), velocity
    for first in (True, False, False):
        grad = normal(rng, dtype, length)
        sgd_step(weight, grad, velocity, 0.1, momentum, weight_decay, nesterov, first)
        expected, expected_velocity = reference.sgd_step(
            expected, grad, expected_velocity, 0.1, momentum, weight_decay, nesterov, first)
    assert_close(weight, expected)
    if momentum:
        assert_close(velocity, expected_velocity)


def test_parameters_of_any_shape_are_updated_in_place(dtype, rng):
    for shape in ((), (3,), (5, 4), (8, 3, 3, 3)):
        weight, grad = np.array(normal(rng, dtype, *shape)), np.array(normal(rng, dtype, *shape))
        expected, given_grad = weight - dtype(0.5) * grad, grad.copy()
        same = weight
        sgd_step(weight, grad, np.zeros_like(weight), 0.5, 0.0, 0.0, False, True)
        assert same is weight
        assert_close(weight, expected)
        np.testing.assert_array_equal(grad, given_grad)


def test_the_first_step_ignores_what_is_in_velocity(dtype, rng):
    weight, grad = normal(rng, dtype, 50), normal(rng, dtype, 50)
    velocity = np.full(50, np.nan, dtype)
    sgd_step(weight, grad, velocity, 0.1, 0.9, 0.0, False, True)
    assert np.isfinite(weight).all()
    np.testing.assert_array_equal(velocity, grad)


@pytest.mark.parametrize("momentum", [0, 0.9])
def test_one_step_of_many_weights_is_a_step_of_each(momentum, rng):
    """Both types, sizes around the length of a task, gradients in any layout, one missing."""
    shapes = [(3,), (16384,), (130, 127), (1,), (2, 3, 4, 5), (40000,)]
    weights = [normal(rng, dtype, *shape) for shape in shapes for dtype in (np.float32, np.float64)]
    parameters = [Parameter(weight.copy()) for weight in weights]
    velocities = [np.zeros_like(weight) for weight in weights]
    optimizer = SGD(parameters, lr=0.1, momentum=momentum, weight_decay=0.01)
    for step in range(3):
        for i, (parameter, weight, velocity) in enumerate(zip(parameters, weights, velocities)):
            grad = np.asfortranarray(normal(rng, weight.dtype, *weight.shape))
            parameter.grad = None if i == step else grad
            if i != step:
                sgd_step(weight, grad, velocity, 0.1, momentum, 0.01)
        optimizer.step()
        for parameter, weight in zip(parameters, weights):
            np.testing.assert_array_equal(parameter.data, weight)


lengths = st.sampled_from([0, 1, 7, 16, 33, 16384, 16385, 40000])


@given(length=lengths, betas=st.sampled_from([(0.9, 0.999), (0.0, 0.5)]),
       weight_decay=st.sampled_from([0, 0.1]), decoupled=st.booleans(), amsgrad=st.booleans(),
       dtype=dtypes, seed=seeds)
def test_adam_step(length, betas, weight_decay, decoupled, amsgrad, dtype, seed):
    rng = np.random.default_rng(seed)
    weight = normal(rng, dtype, length)
    kept = [np.zeros(length, dtype) for _ in range(2 + amsgrad)]
    expected, averages = weight.astype(float), [array.astype(float) for array in kept]
    options = dict(lr=0.1, betas=betas, eps=1e-3, weight_decay=weight_decay, decoupled=decoupled)
    for step in (1, 2, 3):
        # Smaller and smaller, so that the largest average is an old one.
        grad = normal(rng, dtype, length) / dtype(step)
        adam_step(weight, grad, *kept[:2], step, **options, max_exp_avg_sq=(kept[2:] or [None])[0])
        expected, *averages = reference.adam_step(expected, grad, *averages[:2], step, **options,
                                                  max_exp_avg_sq=(averages[2:] or [None])[0])
    for actual, right in zip((weight, *kept), (expected, *averages)):
        assert_close(actual, right, 3)


@given(length=lengths, alpha=st.sampled_from([0.99, 0.5]), weight_decay=st.sampled_from([0, 0.1]),
       momentum=st.sampled_from([0, 0.9]), centered=st.booleans(), dtype=dtypes, seed=seeds)
def test_rmsprop_step(length, alpha, weight_decay, momentum, centered, dtype, seed):
    rng = np.random.default_rng(seed)
    weight, square, buffer, mean = normal(rng, dtype, length), *np.zeros((3, length), dtype)
    expected = [weight.copy(), *np.zeros((3, length))]
    expected[3] = expected[3] if centered else None
    options = dict(lr=0.01, alpha=alpha, eps=1e-2, weight_decay=weight_decay, momentum=momentum)
    for _ in range(3):
        grad = normal(rng, dtype, length)
        rmsprop_step(weight, grad, square, **options, momentum_buffer=buffer,
                     grad_avg=mean if centered else None)
        expected = reference.rmsprop_step(expected[0], grad, expected[1], **options,
                                          momentum_buffer=expected[2], grad_avg=expected[3])
    assert_close(weight, expected[0], 9)
    assert_close(square, expected[1])
    if momentum:
        assert_close(buffer, expected[2], 100)
    else:
        np.testing.assert_array_equal(buffer, 0)
    if centered:
        assert_close(mean, expected[3])


def test_the_variance_of_equal_gradients_is_not_negative(dtype):
    """Where it is all rounding, its root would be NaN half of the time."""
    weight, square, mean = np.zeros((3, 1000), dtype)
    grad = np.random.default_rng(0).random(1000).astype(dtype)
    for _ in range(300):
        rmsprop_step(weight, grad, square, alpha=0.5, grad_avg=mean)
    assert np.isfinite(weight).all()


@pytest.mark.parametrize("optimizer, step, names, options", [
    (Adam, adam_step, 3, dict(weight_decay=0.01, amsgrad=True)),
    (AdamW, adam_step, 2, dict(weight_decay=0.01)),
    (RMSprop, rmsprop_step, 3, dict(momentum=0.9, centered=True))])
def test_one_step_of_many_weights_is_an_adaptive_step_of_each(optimizer, step, names, options, rng):
    shapes = [(3,), (16384,), (130, 127), (1,), (2, 3, 4, 5), (40000,)]
    weights = [normal(rng, dtype, *shape) for shape in shapes for dtype in (np.float32, np.float64)]
    parameters = [Parameter(weight.copy()) for weight in weights]
    kept = [[np.zeros_like(weight) for _ in range(names)] for weight in weights]
    counts = [0] * len(weights)
    together = optimizer(parameters, lr=0.01, **options)
    for round in range(3):
        for i, (parameter, weight, arrays) in enumerate(zip(parameters, weights, kept)):
            grad = np.asfortranarray(normal(rng, weight.dtype, *weight.shape))
            parameter.grad = None if i == round else grad
            if i == round:
                continue
            counts[i] += 1
            if step is adam_step:
                adam_step(weight, grad, *arrays[:2], counts[i], 0.01, weight_decay=0.01,
                          decoupled=optimizer is AdamW,
                          max_exp_avg_sq=arrays[2] if names == 3 else None)
            else:
                rmsprop_step(weight, grad, arrays[0], momentum=0.9, momentum_buffer=arrays[1],
                             grad_avg=arrays[2])
        together.step()
        for parameter, weight in zip(parameters, weights):
            np.testing.assert_array_equal(parameter.data, weight)
