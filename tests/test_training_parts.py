"""What a training is made of: losses, SGD, schedules and normalisation."""

import numpy as np
import pytest

import cycnn as cn
from cycnn.normalization import measure
from helpers import LAYOUTS, MATRIX_LAYOUTS, assert_close, normal
from reference import numerical_gradient
from small_training import network

MEMORY = {**LAYOUTS, **MATRIX_LAYOUTS, "sliced": lambda x: x.repeat(2, axis=3)[..., ::2]}


# --- losses ------------------------------------------------------------------------------------

def test_cross_entropy(rng, dtype):
    loss = cn.CrossEntropyLoss()
    with pytest.raises(RuntimeError, match="forward before"):
        loss.backward()
    logits, labels = normal(rng, dtype, 5, 4), np.array([0, 3, 1, 1, 2])
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    value = loss(logits, labels)
    assert type(value) is float
    np.testing.assert_allclose(value, -np.log(probabilities[range(5), labels]).mean(), rtol=1e-6)
    assert_close(loss.backward(), ((probabilities - np.eye(4, dtype=dtype)[labels]) / 5))


def test_mse(rng):
    loss = cn.MSELoss()
    with pytest.raises(RuntimeError, match="forward before"):
        loss.backward()
    prediction, target = normal(rng, np.float64, 3, 2), normal(rng, np.float64, 3, 2)
    np.testing.assert_allclose(loss(prediction, target), ((prediction - target) ** 2).mean())
    np.testing.assert_allclose(
        loss.backward(), numerical_gradient(lambda x: loss(x, target), prediction), rtol=1e-6)


# --- SGD ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("momentum, nesterov", [(0, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize("weight_decay", [0, 0.05])
def test_sgd_is_pytorchs_over_20_steps(momentum, nesterov, weight_decay, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    start = [normal(rng, dtype, 6, 5), normal(rng, dtype, 5)]
    ours = [cn.Parameter(array.copy()) for array in start]
    theirs = [torch.nn.Parameter(torch.tensor(array)) for array in start]
    options = dict(lr=0.1, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)
    optimizers = cn.SGD(ours, **options), torch.optim.SGD(theirs, **options)
    for step in range(20):
        for one, two in zip(ours, theirs):
            grad = normal(rng, dtype, *one.data.shape)
            # Once, a parameter has no gradient: it stays, and so does its velocity.
            one.grad = None if step == 5 else grad
            two.grad = None if step == 5 else torch.tensor(grad)
        if step == 10:
            optimizers[0].lr = optimizers[1].param_groups[0]["lr"] = 0.03
        for optimizer in optimizers:
            optimizer.step()
    for one, two in zip(ours, theirs):
        assert_close(one.data, two.detach().numpy(), 20)


@pytest.mark.parametrize("options, message", [
    (dict(lr=-0.1), "lr"), (dict(lr=float("nan")), "lr"), (dict(lr=float("inf")), "lr"),
    (dict(momentum=1), "momentum"), (dict(momentum=-0.1), "momentum"),
    (dict(weight_decay=-1e-4), "weight_decay"), (dict(nesterov=True), "nesterov"),
    (dict(parameters=[]), "parameters is empty")])
def test_impossible_sgd(options, message):
    with pytest.raises(ValueError, match=message):
        cn.SGD(**{"parameters": network().parameters(), "lr": 0.1, **options})


def test_sgd_wants_parameters():
    model = network()
    for wrong in (model, model[0].weight, [np.zeros(3)], 3):
        with pytest.raises(TypeError, match="parameters"):
            cn.SGD(wrong, lr=0.1)
    with pytest.raises(TypeError, match="lr"):
        cn.SGD(model.parameters(), lr="fast")
    with pytest.raises(ValueError, match="twice"):
        cn.SGD([*model.parameters(), model[0].weight], lr=0.1)


# --- schedules ---------------------------------------------------------------------------------

@pytest.mark.parametrize("name, arguments, steps", [
    ("CosineAnnealingLR", dict(T_max=12), 12),
    ("CosineAnnealingLR", dict(T_max=7, eta_min=0.01), 7),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=20), 19),
    ("OneCycleLR", dict(max_lr=0.1, total_steps=11, pct_start=0.45, base_momentum=0.5,
                        max_momentum=0.9, div_factor=5, final_div_factor=100), 10),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=9, cycle_momentum=False), 8)])
def test_schedules_are_pytorchs(name, arguments, steps):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    ours = cn.SGD([cn.Parameter(np.zeros(1))], lr=0.2, momentum=0.8)
    theirs = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2, momentum=0.8)
    schedule = getattr(cn, name)(ours, **arguments)
    other = getattr(torch.optim.lr_scheduler, name)(theirs, **arguments)
    for step in range(steps + 1):
        group = theirs.param_groups[0]
        np.testing.assert_allclose([ours.lr, ours.momentum], [group["lr"], group["momentum"]],
                                   rtol=1e-9, atol=1e-15)
        if step < steps:
            theirs.step()
            other.step()
            schedule.step()


@pytest.mark.parametrize("total_steps", [1, 2, 3])
def test_a_short_cycle(total_steps):
    optimizer = cn.SGD([cn.Parameter(np.zeros(1))], lr=0.2, momentum=0.8)
    schedule = cn.OneCycleLR(optimizer, max_lr=1, total_steps=total_steps)
    for _ in range(total_steps):
        assert 0 < optimizer.lr <= 1
        schedule.step()


def test_impossible_schedules():
    optimizer = cn.optim.Optimizer([cn.Parameter(np.zeros(1))], {"lr": 0.2})
    for call in (lambda: cn.CosineAnnealingLR(optimizer, T_max=0),
                 lambda: cn.OneCycleLR(optimizer, max_lr=-1, total_steps=5),
                 lambda: cn.OneCycleLR(optimizer, max_lr=1, total_steps=5)):    # no momentum
        with pytest.raises(ValueError):
            call()


# --- normalisation -----------------------------------------------------------------------------

@pytest.mark.parametrize("layout", MEMORY)
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_measured_normalization(layout, kind, rng):
    # More than one chunk of the sum, and channels of very different size.
    images = rng.integers(0, 256, (150, 3, 31, 33)) // np.array([1, 10, 100])[:, None, None]
    images = MEMORY[layout](images.astype(kind))
    found = measure(images)
    exact = images.astype(np.float64)
    np.testing.assert_allclose(found.mean, exact.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(found.std, exact.std(axis=(0, 2, 3)), rtol=1e-12)


def test_a_mean_far_from_zero_keeps_the_spread(rng):
    images = 1e6 + rng.standard_normal((40, 1, 60, 60))
    np.testing.assert_allclose(measure(images).std, images.std(), rtol=1e-9)


def test_a_constant_channel_has_a_std_of_one():
    images = np.zeros((5, 3, 300, 300), np.float32)
    images[:, 1] = 0.1
    images[2:, 2] = 1
    np.testing.assert_allclose(measure(images).std, [1, 1, np.sqrt(0.24)], rtol=1e-6)


def test_impossible_normalizations():
    for mean, std in (([0], [0]), ([0], [-1]), ([0, 1], [1]), ([np.nan], [1]), (0.0, 1.0)):
        with pytest.raises(ValueError):
            cn.Normalization(mean, std)
