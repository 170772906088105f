"""Optimizers: PyTorch's updates, groups of parameters, state that saves and loads."""

import copy
import json
import pickle

import numpy as np
import pytest

import cycnn as cn
from helpers import assert_close, normal

# name, options, PyTorch's name of what is kept
OPTIMIZERS = [
    ("SGD", dict(lr=0.1)), ("SGD", dict(lr=0.1, momentum=0.9)),
    ("SGD", dict(lr=0.05, momentum=0.9, weight_decay=0.05, nesterov=True)),
    ("Adam", {}), ("Adam", dict(lr=0.02, betas=(0.5, 0.9), eps=1e-4, weight_decay=0.05)),
    ("Adam", dict(betas=(0.0, 0.99), amsgrad=True, weight_decay=0.01)),
    ("AdamW", {}), ("AdamW", dict(lr=0.02, weight_decay=0.5, eps=1e-6)),
    ("AdamW", dict(lr=0.02, amsgrad=True)),
    ("RMSprop", {}), ("RMSprop", dict(alpha=0.9, eps=1e-4, weight_decay=0.05)),
    ("RMSprop", dict(lr=1e-3, momentum=0.9)), ("RMSprop", dict(lr=1e-3, centered=True, eps=1e-3)),
    ("RMSprop", dict(lr=1e-3, alpha=0.8, momentum=0.5, centered=True, weight_decay=0.1, eps=1e-3)),
]
each_optimizer = pytest.mark.parametrize("name, options", OPTIMIZERS, ids=str)

SHAPES = (6, 5), (5,), (3, 2, 3, 3), ()


def parameters_of(arrays):
    return [cn.Parameter(array.copy()) for array in arrays]


def run(optimizer, rng, steps, dtype=np.float64):
    """Steps with random gradients; each parameter goes without in one of four."""
    for step in range(steps):
        for i, parameter in enumerate(optimizer.parameters):
            grad = np.array(normal(rng, dtype, *parameter.data.shape)) + dtype(0.2)
            parameter.grad = None if step % 4 == i else grad
        optimizer.step()


def plain(value):
    """Whether this is all that safetensors and JSON can hold."""
    if isinstance(value, dict):
        return all(isinstance(key, (str, int)) and plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(plain, value))
    return isinstance(value, (str, int, float, bool)) or type(value) is np.ndarray


def through_files(value):
    """A state as it comes back from JSON, its arrays copied: numbers of parameters are strings."""
    arrays = []

    def out(value):
        arrays.append(value.copy())
        return {"array": len(arrays) - 1}

    text = json.dumps(value, default=out, allow_nan=False)
    return json.loads(text, object_hook=lambda item: (
        arrays[item["array"]] if item.keys() == {"array"} else item))


# --- updates -------------------------------------------------------------------------------------

@each_optimizer
def test_100_steps_are_pytorchs(name, options, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    start = [np.array(normal(rng, dtype, *shape)) for shape in SHAPES]
    ours = parameters_of(start)
    theirs = [torch.nn.Parameter(torch.tensor(array)) for array in start]
    one, other = getattr(cn, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for step in range(100):
        for i, (mine, yours) in enumerate(zip(ours, theirs)):
            grad = np.array(normal(rng, dtype, *mine.data.shape)) + dtype(0.2)
            # Sometimes one has no gradient: it stays, and so does what is kept for it.
            mine.grad = None if step % 7 == i else grad
            yours.grad = None if step % 7 == i else torch.tensor(grad)
        if step == 50:
            one.lr = other.param_groups[0]["lr"] = 0.003
        one.step()
        other.step()
    for mine, yours in zip(ours, theirs):
        assert_close(mine.data, yours.detach().numpy(), 100)
    for i, parameter in enumerate(theirs):
        for key, value in other.state[parameter].items():
            if value is not None:
                assert_close(np.asarray(one.state_dict()["state"][i][key], dtype),
                             value.detach().numpy().astype(dtype), 100)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_defaults_are_pytorchs(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    given = {"lr": 0.1} if name == "SGD" else {}
    ours = getattr(cn, name)(parameters_of([np.zeros(2)]), **given)
    theirs = getattr(torch.optim, name)([torch.nn.Parameter(torch.zeros(2))], **given)
    for key, value in ours.param_groups[0].items():
        if key != "params":
            assert value == theirs.param_groups[0][key]


@pytest.mark.parametrize("name, options", OPTIMIZERS[3:], ids=str)
def test_a_gradient_that_is_not_worked_out_yet(name, options, rng):
    """A large Linear between others leaves its weight's gradient as a product of two matrices."""
    def model():
        rng = np.random.default_rng(1)
        return cn.Sequential(cn.Linear(40, 300, rng=rng), cn.ReLU(),
                             cn.Linear(300, 200, rng=rng), cn.ReLU(), cn.Linear(200, 3, rng=rng))

    x, labels = normal(rng, np.float32, 9, 40), rng.integers(0, 3, 9)
    models, loss = (model(), model()), cn.CrossEntropyLoss()
    for asked, network in enumerate(models):
        optimizer = getattr(cn, name)(network.parameters(), **options)
        for _ in range(3):
            loss(network(x), labels)
            network.backward(loss.backward(), input_gradient=False)
            assert network[2].weight.pending is not None
            if asked:
                assert all(parameter.grad is not None for parameter in network.parameters())
            optimizer.step()
    for one, other in zip(models[0].parameters(), models[1].parameters()):
        np.testing.assert_array_equal(one.data, other.data)


@each_optimizer
def test_a_parameter_whose_array_is_replaced_keeps_its_state(name, options, rng):
    one, other = (getattr(cn, name)(parameters_of([np.ones((4, 3))]), **options) for _ in range(2))
    run(one, np.random.default_rng(0), 3)
    run(other, np.random.default_rng(0), 3)
    other.parameters[0].data = other.parameters[0].data.copy()
    run(one, np.random.default_rng(1), 3)
    run(other, np.random.default_rng(1), 3)
    np.testing.assert_array_equal(one.parameters[0].data, other.parameters[0].data)


# --- groups --------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, first, second", [
    ("SGD", dict(lr=0.1, momentum=0.5), dict(lr=0.01, nesterov=True, weight_decay=0.1)),
    ("Adam", dict(lr=0.1), dict(betas=(0.5, 0.6), amsgrad=True)),
    ("AdamW", dict(weight_decay=0.3), dict(weight_decay=0.0, lr=0.1)),
    ("RMSprop", dict(alpha=0.5), dict(centered=True, momentum=0.5))])
def test_groups_are_pytorchs(name, first, second, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    start = [normal(rng, dtype, 4, 3) for _ in range(4)]
    ours = parameters_of(start)
    theirs = [torch.nn.Parameter(torch.tensor(array)) for array in start]
    optimizers = []
    for library, parameters in ((cn, ours), (torch.optim, theirs)):
        optimizer = getattr(library, name)([{"params": iter(parameters[:2])},
                                            {"params": parameters[2], **second}], **first)
        optimizer.add_param_group({"params": [parameters[3]], "lr": 0.5})
        optimizers.append(optimizer)
    for step in range(10):
        for mine, yours in zip(ours, theirs):
            mine.grad = normal(rng, dtype, 4, 3)
            yours.grad = torch.tensor(mine.grad)
        if step == 5:
            for optimizer in optimizers:
                optimizer.param_groups[1]["lr"] = 0.2
        for optimizer in optimizers:
            optimizer.step()
    for mine, yours in zip(ours, theirs):
        assert_close(mine.data, yours.detach().numpy(), 10)
    assert optimizers[0].parameters == ours
    assert [group["lr"] for group in optimizers[0].param_groups] == [
        group["lr"] for group in optimizers[1].param_groups]


def test_an_option_of_all_groups():
    one, two = parameters_of([np.zeros(2), np.zeros(2)])
    optimizer = cn.AdamW([{"params": one}, {"params": two, "lr": 0.5}], lr=0.1)
    assert optimizer.lr == 0.1 and optimizer.betas == (0.9, 0.999)
    optimizer.lr = 0.3
    assert [group["lr"] for group in optimizer.param_groups] == [0.3, 0.3]
    assert repr(optimizer).startswith("AdamW(lr=0.3, betas=(0.9, 0.999)")


# --- state ---------------------------------------------------------------------------------------

@each_optimizer
def test_state_goes_through_files_and_on_bit_for_bit(name, options, dtype, rng):
    start = [np.array(normal(rng, dtype, *shape)) for shape in SHAPES]

    def optimizer():
        parameters = parameters_of(start)
        return getattr(cn, name)([{"params": parameters[:2]},
                                  {"params": parameters[2:], "lr": 0.01}], **options)

    whole, first, second = optimizer(), optimizer(), optimizer()
    run(whole, np.random.default_rng(3), 7, dtype)
    run(whole, np.random.default_rng(4), 7, dtype)
    run(first, np.random.default_rng(3), 7, dtype)
    first.param_groups[1]["lr"] = whole.param_groups[1]["lr"]
    state = first.state_dict()
    assert plain(state)
    for parameter, trained in zip(second.parameters, first.parameters):
        parameter.data[...] = trained.data
    second.load_state_dict(through_files(state))
    run(second, np.random.default_rng(4), 7, dtype)
    run(first, np.random.default_rng(5), 2, dtype)      # the copy is a copy
    for one, other in zip(whole.parameters, second.parameters):
        np.testing.assert_array_equal(one.data, other.data)


@each_optimizer
def test_pytorchs_state_loads(name, options, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    start = [normal(rng, dtype, 4, 3), normal(rng, dtype, 3)]
    theirs = [torch.nn.Parameter(torch.tensor(array)) for array in start]
    other = getattr(torch.optim, name)(theirs, **options)

    def steps(number, optimizer, parameters, make):
        rng = np.random.default_rng(number)
        for _ in range(5):
            for parameter, array in zip(parameters, start):
                parameter.grad = make(normal(rng, dtype, *array.shape))
            optimizer.step()

    steps(0, other, theirs, torch.tensor)
    ours = parameters_of([parameter.detach().numpy() for parameter in theirs])
    one = getattr(cn, name)(ours, **{**options, "lr": 1})
    one.load_state_dict(other.state_dict())
    assert one.lr == other.param_groups[0]["lr"]
    steps(1, one, ours, np.array)
    steps(1, other, theirs, torch.tensor)
    for mine, yours in zip(ours, theirs):
        assert_close(mine.data, yours.detach().numpy(), 10)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))],
                         ids=["copy", "pickle"])
@each_optimizer
def test_a_copy_goes_on_by_itself(name, options, copied, rng):
    optimizer = getattr(cn, name)(parameters_of([normal(rng, np.float64, 4, 3)]), **options)
    average = cn.ExponentialMovingAverage(optimizer.parameters, 0.9)
    schedule = cn.OneCycleLR(optimizer, 0.1, 20, cycle_momentum=False)
    run(optimizer, np.random.default_rng(0), 5)
    average.update()
    others = copied((optimizer, average, schedule))
    before = optimizer.parameters[0].data.copy()
    for one, mean, cycle in ((optimizer, average, schedule), others):
        run(one, np.random.default_rng(1), 5)
        mean.update()
        cycle.step()
        assert (mean.averages[0] != one.parameters[0].data).all()
        if one is optimizer:
            assert (others[0].parameters[0].data == before).all()
    assert optimizer.lr == others[0].lr != 0.1
    np.testing.assert_array_equal(optimizer.parameters[0].data, others[0].parameters[0].data)
    np.testing.assert_array_equal(average.averages[0], others[1].averages[0])


def test_a_new_optimizer_has_no_state():
    optimizer = cn.Adam(parameters_of([np.zeros(2)]))
    assert optimizer.state_dict() == {"state": {}, "param_groups": [
        {"params": [0], "lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0,
         "amsgrad": False}]}


def changed(old, /, **changes):
    group = {**old["param_groups"][0], **changes.pop("group", {})}
    entry = {**old["state"][0], **changes.pop("entry", {})}
    return {"state": {**old["state"], 0: entry}, "param_groups": [group], **changes}


@pytest.mark.parametrize("spoil, message", [
    (lambda state: None, "state_dict"), (lambda state: [1], "state_dict"),
    (lambda state: {"state": {}}, "param_groups"),
    (lambda state: changed(state, state=3), "state must be a dict"),
    (lambda state: changed(state, state={7: {}}), "parameter 7"),
    (lambda state: changed(state, state={0: 3}), "parameter 0"),
    (lambda state: changed(state, param_groups=[]), "1 groups"),
    (lambda state: changed(state, param_groups=[3]), r"param_groups\[0\]"),
    (lambda state: changed(state, group={"params": [0]}), "2 parameters"),
    (lambda state: changed(state, group={"params": [0, 0]}), "twice"),
    (lambda state: changed(state, group={"lr": -1}), "lr"),
    (lambda state: changed(state, group={"betas": [0.9]}), "betas"),
    (lambda state: changed(state, group={"maximize": True}), "maximize"),
    (lambda state: changed(state, group={"decoupled_weight_decay": True}), "decoupled"),
    (lambda state: changed(state, param_groups=[{"params": [0, 1], "lr": 1}]), "betas"),
    (lambda state: changed(state, entry={"exp_avg": np.zeros(3)}), r"exp_avg.*\(3, 2\)"),
    (lambda state: changed(state, entry={"exp_avg": np.array(["a"])}), "exp_avg"),
    (lambda state: changed(state, entry={"velocity": np.zeros((3, 2))}), "velocity"),
    *((lambda state, step=step: changed(state, entry={"step": step}), "state of parameter 0: step")
      for step in (-1, 1.5, np.inf, np.nan, "x", [1, 2], np.ones(2), None, True, 10**400, 1e300)),
    *((lambda state, lr=lr: changed(state, group={"initial_lr": lr}), r"\[0\]\['initial_lr'\]")
      for lr in (-1, np.inf, np.nan, "a", None)),
    (lambda state: changed(state, state={0: {"step": 3}}), "exp_avg"),
    (lambda state: changed(state, state={0: {"exp_avg": np.zeros((3, 2)),
                                             "exp_avg_sq": np.zeros((3, 2))}}), "step")])
def test_a_state_that_does_not_fit(spoil, message, rng):
    optimizer = cn.Adam(parameters_of([np.ones((3, 2)), np.ones(2)]))
    run(optimizer, rng, 5)
    before = through_files(optimizer.state_dict())
    with pytest.raises((ValueError, TypeError), match=message):
        optimizer.load_state_dict(spoil(optimizer.state_dict()))
    np.testing.assert_equal(through_files(optimizer.state_dict()), before)
