"""Losses, SGD, schedules and the trainer."""

import json
import sys

import numpy as np
import pytest

import cycnn as cn
from cycnn.callbacks import Callback
from cycnn.normalization import measure
from helpers import LAYOUTS, MATRIX_LAYOUTS, assert_close, normal
from reference import numerical_gradient

MEMORY = {**LAYOUTS, **MATRIX_LAYOUTS, "sliced": lambda x: x.repeat(2, axis=3)[..., ::2]}


def shapes(rng, number, size=8, channels=1):
    """Pictures of horizontal (0) and vertical (1) stripes and of noise (2), uint8, with labels."""
    labels = rng.integers(0, 3, number)
    images = rng.integers(0, 60, (number, channels, size, size))
    stripes = 150 * (np.arange(size) % 4 < 2)
    images[labels == 0] += stripes[:, None]
    images[labels == 1] += stripes
    images[labels == 2] += rng.permutation(np.resize(stripes, size * size)).reshape(size, size)
    return images.astype(np.uint8), labels


def network(dtype=np.float32, seed=0, channels=1):
    rng = np.random.default_rng(seed)
    return cn.Sequential(cn.Conv2d(channels, 6, 3, dtype=dtype, rng=rng), cn.ReLU(),
                         cn.MaxPool2d(2), cn.Flatten(), cn.Linear(54, 3, dtype=dtype, rng=rng))


def trainer_of(model, lr=0.02, momentum=0.9, seed=0, **options):
    return cn.Trainer(model, cn.SGD(model.parameters(), lr, momentum, **options),
                      cn.CrossEntropyLoss(), seed=seed)


def bytes_of(model):
    return b"".join(array.tobytes() for array in model.state_dict().values())


@pytest.fixture
def train(rng):
    return shapes(rng, 90)


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
    optimizer = cn.SGD([cn.Parameter(np.zeros(1))], lr=0.2)
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


# --- training ----------------------------------------------------------------------------------

def test_it_learns(rng):
    train, validation = shapes(rng, 300), shapes(rng, 100)
    trainer = trainer_of(network())
    before = trainer.evaluate(validation)
    history = trainer.fit(train, epochs=6, batch_size=16, validation=validation, progress=False)
    assert history.val_accuracy[-1] > 0.95 > 0.7 > before["accuracy"]
    assert history.train_loss[-1] < 0.3 * history.train_loss[0]
    after = trainer.evaluate(validation)
    assert after == {"loss": history.val_loss[-1], "accuracy": history.val_accuracy[-1]}
    probabilities = trainer.predict_proba(validation[0])
    assert probabilities.shape == (100, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(trainer.predict(validation[0]), probabilities.argmax(axis=1))
    assert (trainer.predict(validation[0]) == validation[1]).mean() == after["accuracy"]


def test_one_epoch_is_these_steps(train, dtype):
    """The trainer against the loop as one would write it with NumPy's own gathering."""
    images, labels = train
    model, other = network(dtype), network(dtype)
    history = trainer_of(model, weight_decay=1e-3, seed=5).fit(train, batch_size=32, progress=False)
    order = np.random.Generator(np.random.PCG64(5)).permutation(90)
    loss, optimizer = cn.CrossEntropyLoss(), cn.SGD(other.parameters(), 0.02, 0.9, 1e-3)
    total = correct = 0
    for batch in (order[:32], order[32:64], order[64:]):            # the last one has 26
        x = ((images[batch] - images.mean()) / images.std()).astype(dtype)
        y = other(x)
        total += len(batch) * loss(y, labels[batch])
        correct += (y.argmax(axis=1) == labels[batch]).sum()
        other.backward(loss.backward(), input_gradient=False)
        optimizer.step()
    np.testing.assert_allclose(history.train_loss, [total / 90], rtol=1e-5)
    np.testing.assert_allclose(history.train_accuracy, [correct / 90])
    for one, two in zip(model.parameters(), other.parameters()):
        np.testing.assert_allclose(one.data, two.data, rtol=0,
                                   atol=1e-5 if dtype == np.float32 else 1e-13)


def test_the_same_seed_gives_the_same_bytes(train):
    def run(seed, threads=None):
        model = network()
        with cn.num_threads(threads or cn.get_num_threads()):
            trainer_of(model, seed=seed).fit(train, epochs=2, batch_size=20, progress=False)
        return bytes_of(model)

    assert run(1) == run(1) == run(1, threads=1) == run(1, threads=2)
    assert run(1) != run(2)


def test_a_second_fit_goes_on(train):
    model, other = network(), network()
    trainer = trainer_of(model)
    for _ in range(2):
        trainer.fit(train, batch_size=20, progress=False)
    trainer_of(other).fit(train, epochs=2, batch_size=20, progress=False)
    assert bytes_of(model) == bytes_of(other)


def test_what_fit_leaves_on_the_model(train):
    class Data:
        images, labels = train
        classes = ["across", "down", "noise"]

    model = network()
    assert (model.normalization, model.classes, model.input_shape) == (None, None, None)
    trainer_of(model).fit(Data(), progress=False)
    assert model.classes == ["across", "down", "noise"] and model.input_shape == (1, 8, 8)
    np.testing.assert_allclose(model.normalization.mean, [train[0].mean()])
    # A model that was normalised one way stays so, whatever it is trained on next.
    trainer_of(model).fit((train[0] // 2, train[1]), progress=False)
    np.testing.assert_allclose(model.normalization.mean, [train[0].mean()])
    assert model.classes == ["across", "down", "noise"]


@pytest.mark.parametrize("layout", ["sliced", "reversed_axes", "read_only", "memory_mapped",
                                    "channels_last", "byte_swapped", "misaligned"])
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int32, bool])
def test_images_of_any_type_and_memory(layout, kind, rng):
    images, labels = shapes(rng, 30, channels=2)
    images = (images > 100) if kind is bool else images.astype(kind)
    model, other = network(channels=2), network(channels=2)
    trainer_of(model).fit((images, labels), progress=False)
    trainer_of(other).fit((MEMORY[layout](images), labels), progress=False)
    assert bytes_of(model) == bytes_of(other)


def test_regression(rng):
    images = rng.standard_normal((60, 1, 4, 4))
    targets = images.mean(axis=(2, 3)) * 3
    model = cn.Sequential(cn.Flatten(), cn.Linear(16, 1, rng=0))
    trainer = cn.Trainer(model, cn.SGD(model.parameters(), 0.05), cn.MSELoss())
    history = trainer.fit((images, targets), epochs=30, batch_size=10, progress=False,
                          validation=(images, targets))
    assert history.train_loss[-1] < 1e-3 * history.train_loss[0]
    assert history.train_accuracy == history.val_accuracy == []
    assert list(trainer.evaluate((images, targets))) == ["loss"]
    with pytest.raises(ValueError, match=r"\(60, 1\)"):
        trainer.fit((images, targets[:, 0]), progress=False)
    targets[3] = np.nan
    with pytest.raises(ValueError, match="finite"):
        trainer.fit((images, targets), progress=False)


# --- what it gets wrong ------------------------------------------------------------------------

@pytest.mark.parametrize("change, error, message", [
    (lambda images, labels: (images[:-1], labels), ValueError, "89 images"),
    (lambda images, labels: (images[:0], labels[:0]), ValueError, "empty"),
    (lambda images, labels: (images[:, 0], labels), ValueError, r"images\[:, None\]"),
    (lambda images, labels: (images[0], labels), ValueError, r"images\[None\]"),
    (lambda images, labels: (images.astype(complex), labels), TypeError, "complex"),
    (lambda images, labels: (images.astype(object), labels), TypeError, "object"),
    (lambda images, labels: (images.astype(str), labels), TypeError, "real numbers"),
    (lambda images, labels: (images / np.where(labels, 1, np.nan)[:, None, None, None], labels),
     ValueError, "NaN"),
    (lambda images, labels: (images.repeat(2, axis=1), labels), ValueError, "channel"),
    (lambda images, labels: (images[:, :, :2, :2], labels), ValueError, "3"),
    (lambda images, labels: (images, labels + 1), ValueError, "0 to 2"),
    (lambda images, labels: (images, labels - 1), ValueError, "0 to 2"),
    (lambda images, labels: (images, labels.astype(float)), TypeError, "labels"),
    (lambda images, labels: (images, np.full(90, np.nan)), TypeError, "labels"),
    (lambda images, labels: (images, ["a"] * 90), TypeError, "labels"),
    (lambda images, labels: (images, np.eye(3)[labels].astype(int)), ValueError, "labels"),
    (lambda images, labels: (images, 3), ValueError, "labels"),
    (lambda images, labels: images, TypeError, "pair"),
    (lambda images, labels: (images, labels, labels), TypeError, "pair")])
@pytest.mark.parametrize("where", ["train", "validation", "evaluate"])
def test_wrong_data(change, error, message, where, train):
    model = network()
    trainer, wrong = trainer_of(model), change(*train)
    before = bytes_of(model)
    if where != "train" and message == "NaN":
        pytest.skip("what is only evaluated is not searched for NaN")
    with pytest.raises(error, match=message):
        if where == "train":
            trainer.fit(wrong, progress=False)
        elif where == "validation":
            trainer.fit(train, validation=wrong, progress=False)
        else:
            trainer.evaluate(wrong)
    assert bytes_of(model) == before and model.normalization is None and model.training


@pytest.mark.parametrize("options, error, message", [
    (dict(epochs=0), ValueError, "epochs"), (dict(epochs=1.5), TypeError, "epochs"),
    (dict(batch_size=0), ValueError, "batch_size"), (dict(batch_size=-3), ValueError, "batch_size"),
    (dict(batch_size="8"), TypeError, "batch_size"), (dict(progress="no"), TypeError, "progress")])
def test_wrong_numbers(options, error, message, train):
    with pytest.raises(error, match=message):
        trainer_of(network()).fit(train, **{"progress": False, **options})


def test_a_model_that_gives_no_classes(train):
    model = cn.Sequential(cn.Conv2d(1, 3, 3))
    with pytest.raises(ValueError, match=r"Flatten.*Linear"):
        trainer_of(model).fit(train, progress=False)
    with pytest.raises(ValueError, match=r"\(N, classes\)"):
        model.predict(train[0])


def test_normalization_of_another_number_of_channels(train):
    model = network()
    model.normalization = cn.Normalization([0, 0], [1, 1])
    with pytest.raises(ValueError, match="must have 2 channels"):
        trainer_of(model).fit(train, progress=False)
    with pytest.raises(ValueError, match="2 channels"):
        model.predict(train[0])


def test_an_optimizer_of_another_model():
    model, other = network(), network()
    with pytest.raises(ValueError, match="optimizer"):
        cn.Trainer(model, cn.SGD(other.parameters(), 0.1), cn.CrossEntropyLoss())
    with pytest.raises(ValueError, match="seed"):
        trainer_of(model, seed=-1)


def test_a_loss_that_explodes_stops_with_advice(train):
    model = network()
    with pytest.raises(FloatingPointError, match=r"lower learning rate \(lr is 1e\+30\)"):
        trainer_of(model, lr=1e30).fit(train, epochs=9, batch_size=8, progress=False)
    trainer = trainer_of(model)
    model[4].bias.data[0] = np.inf
    before = bytes_of(model)
    with pytest.raises(FloatingPointError, match="epoch 1, batch 1"):
        trainer.fit(train, progress=False)
    assert bytes_of(model) == before


# --- predicting --------------------------------------------------------------------------------

def test_predicting_in_batches_is_the_same(train, dtype):
    model = network(dtype)
    model.normalization = cn.Normalization([100], [50])
    x = ((train[0].astype(dtype) - 100) / 50).astype(dtype)
    logits = model(x).astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for batch_size in (1, 7, 90, 1000):
        found = model.predict_proba(train[0], batch_size)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=1e-4 if dtype == np.float32 else 1e-12)


def test_predicting_keeps_the_modes_and_remembers_nothing(train):
    model = network()
    model[0].eval()
    model[1](train[0].astype(np.float32))
    trainer = trainer_of(model)
    trainer.predict(train[0])
    trainer.evaluate(train)
    assert [layer.training for layer in model] == [False, True, True, True, True]
    assert all(module._memory is None for module in model.modules())


def test_predicting_for_no_images():
    model = network()
    assert model.predict_proba(np.zeros((0, 1, 8, 8), np.uint8)).shape == (0, 3)
    assert model.predict(np.zeros((0, 1, 8, 8))).shape == (0,)
    assert model.predict(np.zeros((0, 1, 8, 8))).dtype == np.int64


def test_a_softmax_at_the_end_is_not_applied_twice(train):
    model = network()
    with_softmax = cn.Sequential(cn.Sequential(*model), cn.Sequential(cn.Softmax()))
    np.testing.assert_allclose(model.predict_proba(train[0]),
                               with_softmax.predict_proba(train[0]), rtol=1e-6)


@pytest.mark.parametrize("images, error, message", [
    (np.zeros((1, 8, 8), np.uint8), ValueError, r"images\[None\]"),
    (np.zeros((8, 8), np.uint8), ValueError, "4 dimensions"),
    (np.zeros((2, 3, 8, 8), np.uint8), ValueError, "channel"),
    (np.full((2, 1, 8, 8), "a"), TypeError, "real numbers")])
def test_predicting_with_wrong_images(images, error, message):
    with pytest.raises(error, match=message):
        network().predict(images)
    with pytest.raises(ValueError, match="batch_size"):
        network().predict(np.zeros((2, 1, 8, 8)), batch_size=0)


def test_accuracy():
    outputs = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert cn.metrics.accuracy(outputs, [1, 0, 0]) == 2 / 3
    assert np.isnan(cn.metrics.accuracy(np.zeros((0, 2)), []))
    with pytest.raises(ValueError, match="labels"):
        cn.metrics.accuracy(outputs, [1, 0])


# --- callbacks, history, progress --------------------------------------------------------------

class Diary(Callback):
    def __init__(self):
        self.lines = []

    def on_fit_begin(self, trainer, state):
        self.lines.append(("fit", state.epochs, state.batches))

    def on_epoch_begin(self, trainer, state):
        self.lines.append(("epoch", state.epoch))

    def on_batch_end(self, trainer, state):
        assert 0 <= state.accuracy <= 1 and state.loss > 0
        self.lines.append(state.batch)

    def on_epoch_end(self, trainer, state):
        self.lines.append(("done", len(state.history)))

    def on_fit_end(self, trainer, state):
        self.lines.append("end")


def test_hooks(train):
    diary = Diary()
    trainer_of(network()).fit(train, epochs=2, batch_size=40, callbacks=[diary], progress=False)
    assert diary.lines == [("fit", 2, 3), ("epoch", 0), 0, 1, 2, ("done", 1),
                           ("epoch", 1), 0, 1, 2, ("done", 2), "end"]


@pytest.mark.parametrize("hook, at, epochs", [("on_epoch_end", 1, 2), ("on_batch_end", 1, 1),
                                              ("on_batch_end", 2, 2)])
def test_a_callback_can_stop(hook, at, epochs, train):
    stop = Callback()

    def stop_now(trainer, state):
        if state.epoch == 1 and (hook == "on_epoch_end" or state.batch == at):
            state.stop = True

    setattr(stop, hook, stop_now)
    history = trainer_of(network()).fit(train, epochs=9, batch_size=40, callbacks=[stop],
                                        progress=False)
    assert len(history) == len(history.seconds) == epochs


def test_ctrl_c_keeps_what_was_learned(train):
    class Interrupt(Diary):
        def on_batch_end(self, trainer, state):
            if (state.epoch, state.batch) == (1, 1):
                raise KeyboardInterrupt

    model, other, diary = network(), network(), Interrupt()
    history = trainer_of(model).fit(train, epochs=5, batch_size=30, callbacks=[diary],
                                    progress=False)
    assert history.interrupted and len(history) == 1 and diary.lines[-1] == "end"
    trainer_of(other).fit(train, batch_size=30, progress=False)
    assert bytes_of(model) != bytes_of(other)           # two more batches
    assert model.predict(train[0]).shape == (90,)


def test_callbacks_end_after_an_error_too(train):
    diary = Diary()
    with pytest.raises(FloatingPointError):
        trainer_of(network(), lr=1e30).fit(train, epochs=9, callbacks=[diary], progress=False)
    assert diary.lines[-1] == "end"


def test_history_is_plain_data(train):
    history = trainer_of(network()).fit(train, epochs=2, validation=train, progress=False)
    data = json.loads(json.dumps(history.to_dict(), allow_nan=False))
    assert list(data) == ["train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds",
                          "interrupted"]
    assert all(len(data[name]) == 2 for name in list(data)[:5]) and data["interrupted"] is False
    assert min(data["seconds"]) > 0
    assert repr(history).startswith("History(2 epochs: train_loss=")
    assert repr(cn.History()) == "History(0 epochs)"


def test_schedule(train):
    model = network()
    trainer = trainer_of(model)
    schedule = cn.CosineAnnealingLR(trainer.optimizer, T_max=6)
    trainer.fit(train, epochs=2, batch_size=30, schedule=schedule, progress=False)
    assert trainer.optimizer.lr == pytest.approx(0, abs=1e-15)
    with pytest.raises(ValueError, match="total_steps=3"):
        trainer.fit(train, batch_size=30, schedule=schedule, progress=False)
    with pytest.raises(ValueError, match="total_steps=3"):
        trainer.fit(train, batch_size=30, progress=False,
                    schedule=cn.OneCycleLR(trainer.optimizer, 0.1, total_steps=2))


def test_plain_lines(train, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    trainer_of(network()).fit(train, epochs=2, validation=train)
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == ["epoch 1/2", "epoch 2/2"]
    assert "validation accuracy" in out and err == ""
    trainer_of(network()).fit(train, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_bar(train, capsys):
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    trainer_of(network()).fit(train, epochs=2, batch_size=1, validation=train, progress=True)
    out, err = capsys.readouterr()
    last = err.strip().splitlines()[-1].rpartition("\r")[2]
    assert out == "" and last.startswith("epoch 2/2") and "100%" in last
    assert ", loss 0." in last and ", val_loss 0." in last and ", val_accuracy " in last


def test_without_tqdm(train, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    trainer_of(network()).fit(train)
    assert "epoch 1/1" in capsys.readouterr().out
    with pytest.raises(ImportError, match=r'pip install "cycnn\[progress\]"'):
        trainer_of(network()).fit(train, progress=True)
