"""Optimizers: options, groups and gradients that cannot be right, and what is refused later on."""

import numpy as np
import pytest

import cycnn as cn
from helpers import normal
from test_optim import each_optimizer, parameters_of, run


@pytest.mark.parametrize("name, options, message", [
    ("Adam", dict(lr=-0.1), "lr"), ("Adam", dict(lr=float("nan")), "lr"),
    ("Adam", dict(lr=float("inf")), "lr"), ("Adam", dict(lr="fast"), "lr"),
    ("Adam", dict(betas=(1.0, 0.9)), "betas"), ("Adam", dict(betas=(0.9, -0.1)), "betas"),
    ("Adam", dict(betas=(0.9,)), "betas"), ("Adam", dict(betas=0.9), "betas"),
    ("Adam", dict(eps=-1e-8), "eps"), ("AdamW", dict(weight_decay=-1), "weight_decay"),
    ("RMSprop", dict(alpha=-0.1), "alpha"), ("RMSprop", dict(alpha=1.1), "alpha"),
    ("RMSprop", dict(momentum=1), "momentum"), ("RMSprop", dict(momentum=-0.1), "momentum"),
    ("RMSprop", dict(eps=-1), "eps"), ("RMSprop", dict(weight_decay=-1), "weight_decay"),
    ("Adam", dict(lr=10**400), "lr must be"), ("Adam", dict(lr=10**5000), "lr must be"),
    ("Adam", dict(lr=np.True_), "lr"), ("Adam", dict(amsgrad="False"), "amsgrad"),
    ("Adam", dict(amsgrad=[1]), "amsgrad"), ("RMSprop", dict(centered=float("nan")), "centered"),
    ("RMSprop", dict(centered=2), "centered"), ("RMSprop", dict(centered=None), "centered")])
def test_impossible_options(name, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        getattr(cn, name)(parameters_of([np.zeros(2)]), **options)
    parameter, = parameters_of([np.zeros(2)])
    optimizer = getattr(cn, name)([parameter])
    with pytest.raises((ValueError, TypeError), match=message):
        optimizer.add_param_group({"params": parameters_of([np.zeros(2)]), **options})
    assert len(optimizer.param_groups) == 1
    # Also where it is changed later, before any weight is.
    parameter.grad = np.ones(2)
    key, value = next(iter(options.items()))
    optimizer.param_groups[0][key] = value
    with pytest.raises((ValueError, TypeError), match=message):
        optimizer.step()
    np.testing.assert_array_equal(parameter.data, 0)


@pytest.mark.parametrize("options, name, value, message", [
    ({}, "nesterov", True, "nesterov=True needs momentum"), ({}, "nesterov", "yes", "nesterov"),
    (dict(momentum=0.9, nesterov=True), "momentum", 0, "nesterov=True needs momentum"),
    ({}, "lr", np.ones(2), "lr"), (dict(betas=(0.5, 0.9)), "betas", np.ones(2), "betas")])
def test_options_that_are_spoilt_after_a_step(options, name, value, message):
    parameter, = parameters_of([np.zeros(2)])
    optimizer = (cn.Adam if "betas" in options else cn.SGD)([parameter], lr=0.1, **options)
    run(optimizer, np.random.default_rng(0), 2)
    before, state = parameter.data.copy(), optimizer.state_dict()
    setattr(optimizer, name, value)
    with pytest.raises((ValueError, TypeError), match=message):
        optimizer.step()
    np.testing.assert_array_equal(parameter.data, before)
    state["param_groups"][0][name] = value
    with pytest.raises((ValueError, TypeError), match=message):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize("yes, no", [(True, False), (1, 0), (np.True_, np.False_)])
def test_yes_and_no(yes, no):
    parameters = parameters_of([np.zeros(2)])
    assert cn.Adam(parameters, amsgrad=yes).amsgrad is True
    assert cn.Adam(parameters, amsgrad=no).amsgrad is False


@pytest.mark.parametrize("group, error, message", [
    ({}, ValueError, "params"), ({"lr": 1}, ValueError, "params"), ([1], TypeError, "dict"),
    ({"params": []}, ValueError, "empty"), ({"params": [3]}, TypeError, "Parameter"),
    ({"params": 3}, TypeError, "Parameter"), ({"params": "weights"}, TypeError, "Parameter"),
    ({"params": set()}, TypeError, "order"),
    ({"params": np.array(3)}, TypeError, "parameters must be an iterable"),
    *(({"params": [cn.Parameter(np.zeros(1))], "initial_lr": lr}, error, "initial_lr")
      for lr, error in ((-1, ValueError), (np.nan, ValueError), ("a", TypeError))),
    ({"params": [cn.Parameter(np.zeros(1))], "lrate": 1}, ValueError, "'lrate'.*lr, betas")])
def test_impossible_groups(group, error, message):
    optimizer = cn.Adam(parameters_of([np.zeros(2)]))
    with pytest.raises(error, match=message):
        optimizer.add_param_group(group)
    with pytest.raises(error, match=message):
        cn.Adam([{"params": parameters_of([np.zeros(2)])}, group])
    assert len(optimizer.param_groups) == 1


def test_a_parameter_in_two_groups():
    parameter, = parameters_of([np.zeros(2)])
    with pytest.raises(ValueError, match="twice"):
        cn.Adam([{"params": parameter}, {"params": [parameter]}])
    with pytest.raises(ValueError, match="twice"):
        cn.Adam([parameter]).add_param_group({"params": parameter})


@each_optimizer
def test_a_wrong_gradient_changes_no_weight(name, options):
    one, two = parameters_of([np.ones(2), np.ones(3)])
    optimizer = getattr(cn, name)([{"params": one}, {"params": two}], **options)
    one.grad, two.grad = np.ones(2), np.ones(2)
    with pytest.raises(ValueError, match="grad"):
        optimizer.step()
    two.grad = np.ones(3, np.float32)
    with pytest.raises(TypeError, match="grad"):
        optimizer.step()
    for parameter in (one, two):
        np.testing.assert_array_equal(parameter.data, 1)
    two.grad = np.ones(3)
    optimizer.step()
    assert (one.data < 1).all() and (two.data < 1).all()


def test_a_wrong_gradient_beside_one_that_is_not_worked_out_yet(rng):
    model = cn.Sequential(cn.Linear(40, 300, rng=0), cn.ReLU(), cn.Linear(300, 200, rng=1),
                          cn.ReLU(), cn.Linear(200, 3, rng=2))
    loss, optimizer = cn.CrossEntropyLoss(), cn.SGD(model.parameters(), lr=0.1)
    loss(model(normal(rng, np.float32, 9, 40)), rng.integers(0, 3, 9))
    model.backward(loss.backward(), input_gradient=False)
    before = model[2].weight.data.copy()
    model[4].bias.grad = np.ones(2, np.float32)
    with pytest.raises(ValueError, match="grad"):
        optimizer.step()
    assert model[2].weight.pending is not None
    np.testing.assert_array_equal(model[2].weight.data, before)


def test_zero_grad():
    parameter, = parameters_of([np.ones(2)])
    parameter.grad = np.ones(2)
    optimizer = cn.Adam([parameter])
    optimizer.zero_grad()
    optimizer.step()
    assert parameter.grad is None
    np.testing.assert_array_equal(parameter.data, 1)
