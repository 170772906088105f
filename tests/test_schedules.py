"""Schedules: PyTorch's values, step by step; groups; state that saves and loads; what is wrong."""

import json
import math

import numpy as np
import pytest

import cycnn as cn


def optimizer_of(library, kind, parameter, **options):
    """Two groups with learning rates of their own."""
    groups = [{"params": [parameter()]}, {"params": [parameter()], "lr": 0.05}]
    return getattr(library, kind)(groups, **{"lr": 0.2, **options})


def ours(kind="SGD", **options):
    if kind == "SGD":
        options = {"momentum": 0.8, **options}
    return optimizer_of(cn, kind, lambda: cn.Parameter(np.zeros(1)), **options)


def sequence(names, optimizer):
    return names.SequentialLR(optimizer, [
        names.LinearLR(optimizer, 0.1, total_iters=5), names.CosineAnnealingLR(optimizer, 10),
        names.StepLR(optimizer, 2), names.ConstantLR(optimizer)], [5, 15, 20])


# How to make it, given cycnn or torch.optim.lr_scheduler; and how many steps to take.
SCHEDULES = {
    "constant": (lambda names, o: names.ConstantLR(o), 9),
    "constant, other numbers": (lambda names, o: names.ConstantLR(o, factor=0.5, total_iters=3), 6),
    "constant all the time": (lambda names, o: names.ConstantLR(o, factor=1.0), 9),
    "linear": (lambda names, o: names.LinearLR(o), 9),
    "linear, down": (lambda names, o: names.LinearLR(o, 1.0, 0.0, 7), 12),
    "linear, part of the way": (lambda names, o: names.LinearLR(o, 0.01, 0.7, 7), 12),
    "step": (lambda names, o: names.StepLR(o, 3), 13),
    "step by step": (lambda names, o: names.StepLR(o, 1, gamma=0.9), 13),
    "multi-step": (lambda names, o: names.MultiStepLR(o, [7, 2, 2, 4]), 12),
    "multi-step, none": (lambda names, o: names.MultiStepLR(o, [], gamma=0.5), 5),
    "exponential": (lambda names, o: names.ExponentialLR(o, 0.9), 40),
    "cosine": (lambda names, o: names.CosineAnnealingLR(o, 7), 40),
    "cosine to a minimum": (lambda names, o: names.CosineAnnealingLR(o, T_max=12, eta_min=0.01),
                            30),
    "one cycle": (lambda names, o: names.OneCycleLR(o, 0.5, 20), 20),
    "one cycle, of epochs": (lambda names, o: names.OneCycleLR(
        o, 0.5, epochs=4, steps_per_epoch=5, cycle_momentum=False), 20),
    "one cycle, all options": (lambda names, o: names.OneCycleLR(
        o, [0.5, 1.0], 20, pct_start=0.45, anneal_strategy="linear", base_momentum=[0.1, 0.2],
        max_momentum=0.9, div_factor=5, final_div_factor=100), 19),
    "one cycle, three phases": (lambda names, o: names.OneCycleLR(
        o, 0.5, 20, pct_start=0.4, three_phase=True), 20),
    "one cycle, all the way up": (lambda names, o: names.OneCycleLR(o, 0.5, 20, pct_start=1.0), 19),
    "one cycle, all the way down": (lambda names, o: names.OneCycleLR(
        o, 0.5, 20, pct_start=0.0, final_div_factor=0.5), 20),
    "warm-up and cosine": (lambda names, o: names.SequentialLR(
        o, [names.LinearLR(o, 0.1, total_iters=3), names.CosineAnnealingLR(o, 9)], [3]), 12),
    "warm-up that lasts longer": (lambda names, o: names.SequentialLR(
        o, [names.ConstantLR(o, 0.1, total_iters=20), names.MultiStepLR(o, [2, 4])], [6]), 13),
    "four in a row": (sequence, 30),
}


def values_of(optimizer):
    return [(group["lr"], group["momentum"] if "momentum" in group else group["betas"][0])
            for group in optimizer.param_groups]


@pytest.mark.filterwarnings("ignore")       # PyTorch warns of its own SequentialLR
@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_pytorchs(name, kind):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    make, steps = SCHEDULES[name]
    one = ours(kind)
    other = optimizer_of(torch.optim, kind, lambda: torch.nn.Parameter(torch.zeros(1)),
                         **({"momentum": 0.8} if kind == "SGD" else {}))
    schedule, theirs = make(cn, one), make(torch.optim.lr_scheduler, other)
    for step in range(steps + 1):
        np.testing.assert_allclose(values_of(one), values_of(other), rtol=1e-9, atol=1e-14,
                                   err_msg=f"step {step}")
        assert schedule.get_last_lr() == [group["lr"] for group in one.param_groups]
        if step < steps:
            other.step()
            schedule.step()
            theirs.step()


@pytest.mark.parametrize("kind", ["SGD", "RMSprop"])
def test_momentum_of_0_is_cycled_as_pytorchs(kind, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    one = optimizer_of(cn, kind, lambda: cn.Parameter(np.zeros(1)))
    other = optimizer_of(torch.optim, kind, lambda: torch.nn.Parameter(torch.zeros(1).double()))
    theirs = [weight for group in other.param_groups for weight in group["params"]]
    schedules = cn.OneCycleLR(one, 0.5, 12), torch.optim.lr_scheduler.OneCycleLR(other, 0.5, 12)
    for _ in range(12):
        np.testing.assert_allclose(values_of(one), values_of(other), rtol=1e-9)
        for weight, twin in zip(one.parameters, theirs):
            weight.grad = rng.normal(size=1)
            twin.grad = torch.tensor(weight.grad)
        for part in (one, other, *schedules):
            part.step()
        for weight, twin in zip(one.parameters, theirs):
            np.testing.assert_allclose(weight.data, twin.detach().numpy(), rtol=1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
def test_state_goes_on(name):
    make, steps = SCHEDULES[name]
    for at in (0, 1, steps // 2, steps - 1):
        first, second = ours(), ours()
        schedule, resumed = make(cn, first), make(cn, second)
        for _ in range(at):
            schedule.step()
        resumed.load_state_dict(json.loads(json.dumps(schedule.state_dict(), allow_nan=False)))
        for _ in range(at, steps):
            assert values_of(first) == values_of(second)
            assert resumed.last_step == schedule.last_step
            schedule.step()
            resumed.step()
        assert values_of(first) == values_of(second)


PLATEAUS = [
    dict(), dict(patience=2), dict(patience=0, factor=0.5, min_lr=[0.01, 0.04]),
    dict(patience=1, cooldown=3, threshold=0.1, threshold_mode="abs"),
    dict(patience=1, threshold=0.2, factor=0.3, eps=0.01), dict(patience=3, factor=0.0, min_lr=0.1)]


def metrics_of(mode):
    rng = np.random.default_rng(1)
    values = rng.random(80) + (4 / (1 + np.arange(80)) if mode == "min" else np.arange(80) / 40)
    values[5::9] = np.nan
    values[0] = np.inf
    return values.tolist()


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("options", PLATEAUS, ids=str)
def test_plateau_is_pytorchs(options, mode):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    one = ours()
    other = optimizer_of(torch.optim, "SGD", lambda: torch.nn.Parameter(torch.zeros(1)))
    schedule = cn.ReduceLROnPlateau(one, mode, **options)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(other, mode, **options)
    for metric in metrics_of(mode):
        schedule.step(metric)
        theirs.step(metric)
        np.testing.assert_allclose([group["lr"] for group in one.param_groups],
                                   [group["lr"] for group in other.param_groups], rtol=1e-12)
        assert (schedule.best, schedule.num_bad_epochs, schedule.cooldown_counter) == (
            theirs.best, theirs.num_bad_epochs, theirs.cooldown_counter)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("options", PLATEAUS, ids=str)
def test_plateau_goes_on(options, mode):
    metrics = [metric for metric in metrics_of(mode) if metric < math.inf]
    for at in (0, 1, 20):
        first, second = ours(), ours()
        schedule = cn.ReduceLROnPlateau(first, mode, **options)
        resumed = cn.ReduceLROnPlateau(second, mode, **options)
        for metric in metrics[:at]:
            schedule.step(metric)
        resumed.load_state_dict(json.loads(json.dumps(schedule.state_dict(), allow_nan=False)))
        for metric in metrics[at:]:
            assert values_of(first) == values_of(second)
            schedule.step(metric)
            resumed.step(metric)
        assert resumed.state_dict() == schedule.state_dict()


# --- where they begin ----------------------------------------------------------------------------

def test_a_second_schedule_begins_where_the_first_did():
    """As in PyTorch; unless somebody sets a learning rate in between."""
    optimizer = ours()
    for _ in range(3):
        schedule = cn.ExponentialLR(optimizer, 0.5)
        schedule.step()
        assert schedule.get_last_lr() == [0.1, 0.025]
    optimizer.lr = 1
    assert cn.CosineAnnealingLR(optimizer, 5).base_lrs == [1, 1]


def test_a_step_overwrites_what_was_set_meanwhile():
    """PyTorch would multiply it; a schedule here is a function of the step."""
    optimizer = ours()
    schedule = cn.StepLR(optimizer, 2)
    schedule.step()
    optimizer.param_groups[0]["lr"] = 7.0
    schedule.step()
    np.testing.assert_allclose(schedule.get_last_lr(), [0.02, 0.005])


def test_a_group_that_comes_later():
    optimizer = ours()
    schedule = cn.StepLR(optimizer, 2)
    schedule.step()
    optimizer.add_param_group({"params": cn.Parameter(np.zeros(1)), "lr": 0.7})
    schedule.step()
    np.testing.assert_allclose(schedule.get_last_lr(), [0.02, 0.005, 0.07])


def test_a_schedule_of_ones_own():
    class Halving(cn.schedules.Schedule):
        def set(self, step):
            self.optimizer.lr = 0.5 ** step

    optimizer = ours()
    schedule = Halving(optimizer)
    schedule.step()
    assert schedule.get_last_lr() == [0.5, 0.5]
    other = Halving(ours())
    other.load_state_dict(schedule.state_dict())
    assert other.get_last_lr() == [0.5, 0.5]
    with pytest.raises(NotImplementedError, match="set"):
        cn.schedules.Schedule(optimizer)


# --- what is wrong -------------------------------------------------------------------------------

@pytest.mark.parametrize("make, error, message", [
    (lambda o: cn.ConstantLR(o, factor=1.5), ValueError, "factor"),
    (lambda o: cn.ConstantLR(o, factor=-0.5), ValueError, "factor"),
    (lambda o: cn.ConstantLR(o, total_iters=0), ValueError, "total_iters"),
    (lambda o: cn.ConstantLR(o, total_iters=2.5), TypeError, "total_iters"),
    (lambda o: cn.LinearLR(o, start_factor=0), ValueError, "start_factor"),
    (lambda o: cn.LinearLR(o, start_factor=1.1), ValueError, "start_factor"),
    (lambda o: cn.LinearLR(o, end_factor=-0.1), ValueError, "end_factor"),
    (lambda o: cn.LinearLR(o, total_iters=0), ValueError, "total_iters"),
    (lambda o: cn.StepLR(o, 0), ValueError, "step_size"),
    (lambda o: cn.StepLR(o, 2, gamma=-1), ValueError, "gamma"),
    (lambda o: cn.StepLR(o, 2, gamma="0.1"), TypeError, "gamma"),
    (lambda o: cn.StepLR(o, 2, interval="hour"), ValueError, "interval"),
    (lambda o: cn.MultiStepLR(o, 5), TypeError, "milestones"),
    (lambda o: cn.MultiStepLR(o, [1.5]), TypeError, "milestones"),
    (lambda o: cn.MultiStepLR(o, [-1]), ValueError, "milestones"),
    (lambda o: cn.ExponentialLR(o, float("nan")), ValueError, "gamma"),
    (lambda o: cn.CosineAnnealingLR(o, 0), ValueError, "T_max"),
    (lambda o: cn.CosineAnnealingLR(o, 5, eta_min=-1), ValueError, "eta_min"),
    (lambda o: cn.OneCycleLR(o, 0.1), ValueError, "total_steps"),
    (lambda o: cn.OneCycleLR(o, 0.1, epochs=3), ValueError, "steps_per_epoch"),
    (lambda o: cn.OneCycleLR(o, 0.1, 0), ValueError, "total_steps"),
    (lambda o: cn.OneCycleLR(o, -1, 5), ValueError, "max_lr"),
    (lambda o: cn.OneCycleLR(o, [0.1], 5), ValueError, "max_lr"),
    (lambda o: cn.OneCycleLR(o, 0.1, 5, pct_start=1.5), ValueError, "pct_start"),
    (lambda o: cn.OneCycleLR(o, 0.1, 5, anneal_strategy="steep"), ValueError, "anneal_strategy"),
    (lambda o: cn.OneCycleLR(o, 0.1, 5, base_momentum=1), ValueError, "base_momentum"),
    (lambda o: cn.OneCycleLR(o, 0.1, 5, cycle_momentum="no"), TypeError, "cycle_momentum"),
    (lambda o: cn.OneCycleLR(o, 0.1, 5, three_phase=None), TypeError, "three_phase"),
    (lambda o: cn.OneCycleLR(o, 0.1, 5, div_factor=0), ValueError, "div_factor"),
    (lambda o: cn.SequentialLR(o, [], []), ValueError, "schedulers"),
    (lambda o: cn.SequentialLR(o, [o], []), TypeError, "schedulers"),
    (lambda o: cn.SequentialLR(o, [cn.ReduceLROnPlateau(o)], []), TypeError, "metric"),
    (lambda o: cn.SequentialLR(o, [cn.StepLR(ours(), 3)], []), ValueError, "this optimizer"),
    (lambda o: cn.SequentialLR(o, [cn.StepLR(o, 3)], [1]), ValueError, "milestones"),
    (lambda o: cn.SequentialLR(o, [cn.StepLR(o, 3)] * 3, [4, 4]), ValueError, "milestones"),
    (lambda o: cn.ReduceLROnPlateau(o, "low"), ValueError, "mode"),
    (lambda o: cn.ReduceLROnPlateau(o, factor=1), ValueError, "factor"),
    (lambda o: cn.ReduceLROnPlateau(o, patience=-1), ValueError, "patience"),
    (lambda o: cn.ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "threshold_mode"),
    (lambda o: cn.ReduceLROnPlateau(o, min_lr=[0.1]), ValueError, "min_lr"),
    (lambda o: cn.ReduceLROnPlateau(o, min_lr=-1), ValueError, "min_lr"),
    (lambda o: cn.ReduceLROnPlateau(o, monitor=3), TypeError, "monitor"),
    (lambda o: cn.ReduceLROnPlateau(o).step("0.1"), TypeError, "metrics"),
    (lambda o: cn.ReduceLROnPlateau(o).step(None), TypeError, "metrics"),
    (lambda o: cn.StepLR(0.1, 3), TypeError, "optimizer"),
    (lambda o: cn.OneCycleLR(None, 0.1, 3), TypeError, "optimizer")])
def test_impossible_schedules(make, error, message):
    with pytest.raises(error, match=message):
        make(ours())


def test_momentum_needs_momentum():
    optimizer = cn.optim.Optimizer([cn.Parameter(np.zeros(1))], {"lr": 0.1})
    with pytest.raises(ValueError, match="momentum or betas"):
        cn.OneCycleLR(optimizer, 0.1, 5)
    cn.OneCycleLR(optimizer, 0.1, 5, cycle_momentum=False)
    assert optimizer.lr == pytest.approx(0.004)


@pytest.mark.parametrize("make", [
    lambda o: cn.ExponentialLR(o, 1.1), lambda o: cn.StepLR(o, 1, 1.1),
    lambda o: cn.MultiStepLR(o, range(8000), 1.1), lambda o: cn.ExponentialLR(o, 1e200)])
def test_a_learning_rate_beyond_a_float(make):
    optimizer = ours(lr=1e-8)
    optimizer.param_groups[1]["lr"] = 1e30
    schedule, before = make(optimizer), values_of(optimizer)
    with pytest.raises(ValueError, match="gamma must leave the learning rate finite"):
        for _ in range(8000):
            before, done = values_of(optimizer), schedule.last_step
            schedule.step()
    assert values_of(optimizer) == before and schedule.last_step == done


def test_beyond_the_cycle():
    schedule = cn.OneCycleLR(ours(), 0.1, 3)
    for _ in range(3):
        schedule.step()
    before = schedule.get_last_lr()
    with pytest.raises(ValueError, match="total_steps is 3"):
        schedule.step()
    assert schedule.last_step == 3 and schedule.get_last_lr() == before


@pytest.mark.parametrize("name", ["step", "one cycle", "four in a row", None])
@pytest.mark.parametrize("spoil", [
    lambda state: None, lambda state: {}, lambda state: {**state, "last_step": -1},
    lambda state: {**state, "last_step": 1.5},
    lambda state: {key: value[:1] if isinstance(value, list) else value
                   for key, value in state.items()} if len(state) > 1 else {}])
def test_a_state_that_does_not_fit(name, spoil):
    optimizer = ours()
    make = SCHEDULES[name][0] if name else lambda names, o: names.ReduceLROnPlateau(o, patience=0)
    schedule = make(cn, optimizer)
    for _ in range(4):
        schedule.step(*([0.5] if name is None else []))
    before, values = schedule.state_dict(), values_of(optimizer)
    with pytest.raises((ValueError, TypeError)):
        schedule.load_state_dict(spoil(schedule.state_dict()))
    assert schedule.state_dict() == before and values_of(optimizer) == values
