"""The optimizer's step: SGD with momentum, Nesterov and weight decay in one pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from cycnn import SGD
from cycnn.functional import sgd_step
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
