"""The exponential moving average of the weights, and of a model's buffers."""

import json

import numpy as np
import pytest

import cycnn as cn
from helpers import assert_close, normal

pytestmark = pytest.mark.usefixtures("threads")

SHAPES = (130, 127), (5,), (2, 3, 3, 3), ()


def parameters_of(rng, dtype):
    return [cn.Parameter(np.array(normal(rng, dtype, *shape))) for shape in SHAPES]


def wander(parameters, rng):
    for parameter in parameters:
        parameter.data += 0.1 * normal(rng, parameter.data.dtype, *parameter.data.shape)


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.5, 0.9, 0.999, 1.0])
def test_averages_are_pytorchs(decay, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
    parameters = parameters_of(rng, dtype)
    theirs = torch.nn.ParameterList([torch.tensor(p.data.copy()) for p in parameters])
    ema = cn.ExponentialMovingAverage(parameters, decay)
    other = AveragedModel(theirs, multi_avg_fn=get_ema_multi_avg_fn(decay))
    for _ in range(12):
        wander(parameters, rng)
        with torch.no_grad():
            for mine, yours in zip(parameters, theirs):
                yours.copy_(torch.tensor(mine.data))
        ema.update()
        other.update_parameters(theirs)
        for mine, yours in zip(ema.averages, other.module):
            assert_close(mine, yours.detach().numpy(), 3)
    assert ema.updates == 12


def test_averages_are_this_formula(dtype, rng):
    parameters = parameters_of(rng, dtype)
    ema = cn.ExponentialMovingAverage(iter(parameters), decay=0.6, warmup=True)
    expected = []
    for n in range(10):
        wander(parameters, rng)
        ema.update()
        d = min(0.6, (1 + n) / (10 + n)) if n else 0
        expected = [d * a + (1 - d) * p.data.astype(float)
                    for a, p in zip(expected, parameters)] if n else [
                        p.data.astype(float) for p in parameters]
    for mine, right in zip(ema.averages, expected):
        assert_close(mine, np.array(right), 3)


def test_the_same_bits_for_every_number_of_threads(every_kernel_in_parallel, dtype):
    results = []
    for number in (1, 2, 5):
        every_kernel_in_parallel(number)
        rng = np.random.default_rng(0)
        parameters = parameters_of(rng, dtype)
        ema = cn.ExponentialMovingAverage(parameters, 0.9)
        for _ in range(4):
            wander(parameters, rng)
            ema.update()
        results.append([average.tobytes() for average in ema.averages])
    assert results[0] == results[1] == results[2]


def test_evaluating_the_averages(dtype, rng):
    parameters = parameters_of(rng, dtype)
    ema = cn.ExponentialMovingAverage(parameters, 0.9)
    ema.update()
    first = [parameter.data.copy() for parameter in parameters]
    wander(parameters, rng)
    arrays, last = [p.data for p in parameters], [p.data.copy() for p in parameters]

    def is_now(expected):
        for parameter, array, right in zip(parameters, arrays, expected):
            assert parameter.data is array          # nobody's view of the weights goes stale
            np.testing.assert_array_equal(array, right)

    with ema.average_parameters():
        is_now(first)
    is_now(last)
    with pytest.raises(ZeroDivisionError), ema.average_parameters():
        1 / 0
    is_now(last)
    ema.swap()
    is_now(first)
    ema.swap()
    is_now(last)
    ema.copy_to()
    is_now(first)


def test_state_goes_on(dtype):
    def start():
        parameters = parameters_of(np.random.default_rng(0), dtype)
        return parameters, cn.ExponentialMovingAverage(parameters, 0.9, warmup=True)

    (weights, whole), (others, resumed) = start(), start()
    rng = np.random.default_rng(1)
    for step in range(6):
        wander(weights, rng)
        whole.update()
        if step == 2:
            state = whole.state_dict()
            text = json.loads(json.dumps({key: state[key] for key in ("updates", "decay")}))
            text["state"] = {str(number): {"average": entry["average"].copy()}
                             for number, entry in state["state"].items()}
            resumed.load_state_dict(text)
        if step > 2:
            for one, other in zip(weights, others):
                other.data[...] = one.data
            resumed.update()
    for one, other in zip(whole.averages, resumed.averages):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("spoil", [
    lambda state: None, lambda state: {}, lambda state: {**state, "updates": -1},
    lambda state: {**state, "decay": "0.9"}, lambda state: {**state, "decay": 1.5},
    lambda state: {**state, "state": {}}, lambda state: {**state, "state": [1, 2]},
    lambda state: {**state, "state": {**state["state"], 1: np.zeros(5)}},
    lambda state: {**state, "buffers": {"1.running_mean": np.zeros(4)}},
    lambda state: {**state, "buffers": 3},
    lambda state: {**state, "state": {**state["state"], 1: {"average": np.zeros(4)}}}])
def test_a_state_that_does_not_fit(spoil, rng):
    ema = cn.ExponentialMovingAverage(parameters_of(rng, np.float64), 0.9)
    ema.update()
    before = [average.copy() for average in ema.averages]
    with pytest.raises((ValueError, TypeError)):
        ema.load_state_dict(spoil(ema.state_dict()))
    assert ema.updates == 1
    for one, other in zip(ema.averages, before):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("make, error, message", [
    (lambda p: cn.ExponentialMovingAverage(p, -0.1), ValueError, "decay"),
    (lambda p: cn.ExponentialMovingAverage(p, 1.1), ValueError, "decay"),
    (lambda p: cn.ExponentialMovingAverage(p, "slow"), TypeError, "decay"),
    (lambda p: cn.ExponentialMovingAverage(p, warmup="no"), TypeError, "warmup"),
    (lambda p: cn.ExponentialMovingAverage([]), ValueError, "empty"),
    (lambda p: cn.ExponentialMovingAverage(p[0]), TypeError, "parameters"),
    (lambda p: cn.ExponentialMovingAverage([3]), TypeError, "parameters")])
def test_impossible_averages(make, error, message, rng):
    with pytest.raises(error, match=message):
        make(parameters_of(rng, np.float64))


@pytest.mark.parametrize("decay", [np.nan, 2, -1, True, "slow"])
def test_a_decay_that_is_spoilt_later(decay, rng):
    ema = cn.ExponentialMovingAverage(parameters_of(rng, np.float64))
    ema.update()
    before = [average.copy() for average in ema.averages]
    ema.decay = decay
    wander(ema.parameters, rng)
    with pytest.raises((ValueError, TypeError), match="decay"):
        ema.update()
    assert ema.updates == 1
    for one, other in zip(ema.averages, before):
        np.testing.assert_array_equal(one, other)


# --- of a model ----------------------------------------------------------------------------------

BUFFERS = ["1.body.1.running_mean", "1.body.1.running_var", "3.running_mean", "3.running_var"]


def model_of(dtype=np.float32):
    """Running statistics in a module within a module, and in one without weights."""
    return cn.Sequential(
        cn.Conv2d(1, 3, 3, padding=1, dtype=dtype, rng=0),
        cn.Residual(cn.Sequential(cn.Conv2d(3, 3, 1, dtype=dtype, rng=1),
                                  cn.BatchNorm2d(3, dtype=dtype))),
        cn.Flatten(), cn.BatchNorm1d(75, affine=False, dtype=dtype),
        cn.Linear(75, 2, dtype=dtype, rng=2))


def train_a_step(model, rng):
    """Running statistics move, and so do the weights."""
    model.train()
    dtype = next(model.parameters()).data.dtype
    model.backward(model(normal(rng, dtype, 6, 1, 5, 5)), input_gradient=False)
    for parameter in model.parameters():
        parameter.data -= 0.05 * parameter.grad


def floats_of(model):
    return {name: array.copy() for name, array in model.state_dict().items()
            if array.dtype.kind == "f"}


def test_buffers_are_averaged_as_pytorch_does(dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    class Twin(torch.nn.Module):
        def __init__(self, arrays):
            super().__init__()
            for name, array in arrays.items():
                tensor = torch.tensor(array)
                if name in BUFFERS:
                    self.register_buffer(name.replace(".", "_"), tensor)
                else:
                    self.register_parameter(name.replace(".", "_"), torch.nn.Parameter(tensor))

    model = model_of(dtype)
    theirs = Twin(floats_of(model))
    ema = cn.ExponentialMovingAverage(model, 0.7)
    other = AveragedModel(theirs, multi_avg_fn=get_ema_multi_avg_fn(0.7), use_buffers=True)
    for _ in range(5):
        train_a_step(model, rng)
        theirs.load_state_dict({name.replace(".", "_"): torch.tensor(array)
                                for name, array in floats_of(model).items()})
        ema.update()
        other.update_parameters(theirs)
    yours = other.module.state_dict()
    with ema.average_parameters():
        for name, array in floats_of(model).items():
            assert_close(array, yours[name.replace(".", "_")].numpy(), 3, name)
    assert list(ema.state_dict()["buffers"]) == BUFFERS
    assert len(ema.averages) == len(ema.parameters) + 4


def test_evaluating_a_models_averages(dtype, rng):
    model = model_of(dtype)
    ema = cn.ExponentialMovingAverage(model, 0.5)
    train_a_step(model, rng)
    ema.update()
    first = floats_of(model)
    train_a_step(model, rng)
    last = floats_of(model)
    arrays = model.state_dict()
    x = normal(rng, dtype, 3, 1, 5, 5)
    outputs = model.eval()(x)
    assert all((first[name] != last[name]).any() for name in BUFFERS)

    def is_now(expected):
        for name, array in model.state_dict().items():
            assert array is arrays[name]
            if array.dtype.kind == "f":
                np.testing.assert_array_equal(array, expected[name])
            else:
                assert array == 2                           # counts are the model's own

    with ema.average_parameters():
        is_now(first)
        assert (model(x) != outputs).any()
    is_now(last)
    np.testing.assert_array_equal(model(x), outputs)
    ema.swap()
    is_now(first)
    np.testing.assert_array_equal(ema.averages[-1], last[BUFFERS[-1]])
    ema.swap()
    is_now(last)
    ema.copy_to()
    is_now(first)


def test_a_models_state_goes_on(rng):
    whole, resumed = model_of(), model_of()
    one, other = cn.ExponentialMovingAverage(whole, 0.9), cn.ExponentialMovingAverage(resumed)
    for step in range(4):
        train_a_step(whole, rng)
        one.update()
        if step == 1:
            before = [average.copy() for average in other.averages]
            state = one.state_dict()
            for spoil in ({"buffers": {}}, {"buffers": {**state["buffers"], BUFFERS[0]: [1.0]}},
                          {"buffers": {**state["buffers"], "4.bias": [1.0, 2.0]}}):
                with pytest.raises(ValueError, match=r"buffers must be 1\.body.*|running_mean"):
                    other.load_state_dict({**state, **spoil})
            for array, kept in zip(other.averages, before):
                np.testing.assert_array_equal(array, kept)
            other.load_state_dict({**state, "buffers": {
                name: array.tolist() for name, array in state["buffers"].items()}})
        if step > 1:
            resumed.load_state_dict(whole.state_dict())
            other.update()
    for mine, yours in zip(one.averages, other.averages):
        np.testing.assert_array_equal(mine, yours)
    with pytest.raises(ValueError, match="buffers must be none, got 1.body"):
        cn.ExponentialMovingAverage(whole.parameters()).load_state_dict(one.state_dict())


def test_buffers_that_are_replaced_shared_or_counts(rng):
    class Own(cn.Module):
        def __init__(self, shared):
            self.weight = cn.Parameter(np.ones(2))
            self.register_buffer("shared", shared)
            self.register_buffer("own", np.zeros(3))
            self.register_buffer("count", np.array(0))
            self.register_buffer("none", None)

        def forward(self, x):
            return x

    shared = np.zeros((2, 3), np.float32)
    model = cn.Sequential(Own(shared.T), Own(shared), Own(shared))
    ema = cn.ExponentialMovingAverage(model, 0.5)
    assert len(ema.state_dict()["buffers"]) == 6
    ema.update()
    shared += 4
    model[1].own = np.full(3, 8.0)                          # another array than before
    model[0].count = np.array(5)
    ema.update()
    with ema.average_parameters():
        np.testing.assert_array_equal(model[1].own, [4, 4, 4])
        assert model[0].count == 5 and (shared == 2).all()
    np.testing.assert_array_equal(model[1].own, [8, 8, 8])
    ema.swap()
    assert (shared == 2).all() and (ema.averages[-2] == 4).all()
    ema.swap()
    assert (shared == 4).all() and (model[1].own == 8).all()
    with pytest.raises(ValueError, match="empty"):
        cn.ExponentialMovingAverage(cn.Sequential(cn.ReLU()))


def test_validation_sees_averaged_statistics(rng):
    data = rng.integers(0, 255, (40, 1, 5, 5)).astype(np.uint8), rng.integers(0, 2, 40)
    scores = []
    for averaged in (lambda model: model, lambda model: model.parameters()):
        model = model_of()
        ema = cn.ExponentialMovingAverage(averaged(model), 0.8)
        trainer = cn.Trainer(model, cn.SGD(model.parameters(), 0.01), cn.CrossEntropyLoss(),
                             ema=ema)
        history = trainer.fit(data, epochs=1, batch_size=8, validation=data, progress=False)
        with ema.average_parameters():
            assert trainer.evaluate(data)["loss"] == history.val_loss[-1]
        scores.append(history.val_loss[-1])
    assert scores[0] != scores[1]
