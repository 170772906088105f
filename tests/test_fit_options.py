"""Trainer.fit with every optimizer, loss and schedule, clipping and averaged weights."""

import numpy as np
import pytest

import cycnn as cn
from cycnn.callbacks import Callback
from small_training import bytes_of, network, shapes


def trainer_of(model, optimizer="SGD", loss=None, lr=0.02, **options):
    return cn.Trainer(model, getattr(cn, optimizer)(model.parameters(), lr=lr),
                      loss or cn.CrossEntropyLoss(), **options)


def loop(model, optimizer, loss, data, batch_size, epochs=1, before_step=lambda: None,
         after_step=lambda: None):
    """The steps of `fit(..., seed 0)`, as one would write them."""
    images, labels = data
    order = np.random.Generator(np.random.PCG64(0))
    for _ in range(epochs):
        shuffled = order.permutation(len(images))
        for start in range(0, len(images), batch_size):
            batch = shuffled[start:start + batch_size]
            x = cn.functional.gather_batch(images, batch, model.normalization.mean,
                                           model.normalization.std, np.float32)
            loss(model(x), labels[batch])
            model.backward(loss.backward(), input_gradient=False)
            before_step()
            optimizer.step()
            after_step()


@pytest.fixture
def train(rng):
    return shapes(rng, 90)


@pytest.mark.parametrize("optimizer, lr", [("Adam", 0.01), ("AdamW", 0.01), ("RMSprop", 0.005)])
def test_every_optimizer_learns(optimizer, lr, rng):
    train, validation = shapes(rng, 300), shapes(rng, 100)
    trainer = trainer_of(network(), optimizer, lr=lr)
    history = trainer.fit(train, epochs=8, batch_size=16, validation=validation, progress=False)
    assert history.val_accuracy[-1] > 0.95


class SignSGD(cn.optim.Optimizer):
    """The example in the documentation."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr})

    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.data -= group["lr"] * np.sign(parameter.grad)


def test_an_optimizer_of_ones_own(train):
    model = network()
    optimizer = SignSGD([{"params": model[0].parameters(), "lr": 0.001},
                         {"params": model[4].parameters()}], lr=0.004)
    trainer = cn.Trainer(model, optimizer, cn.CrossEntropyLoss())
    history = trainer.fit(train, epochs=10, batch_size=15, progress=False,
                          schedule=cn.ExponentialLR(optimizer, 0.8, interval="epoch"))
    assert history.train_loss[-1] < 0.7 * history.train_loss[0]
    other = SignSGD([{"params": model[0].parameters()}, {"params": model[4].parameters()}], 1)
    other.load_state_dict(optimizer.state_dict())
    assert [group["lr"] for group in other.param_groups] == pytest.approx(
        [0.001 * 0.8 ** 10, 0.004 * 0.8 ** 10])
    with pytest.raises(ValueError, match="momentum"):
        optimizer.add_param_group({"params": [cn.Parameter(np.zeros(1))], "momentum": 0.9})
    with pytest.raises(NotImplementedError, match="Nothing has no step"):
        type("Nothing", (cn.optim.Optimizer,), {})(model.parameters(), {"lr": 1.0}).step()


# --- losses --------------------------------------------------------------------------------------

def test_soft_targets(train):
    """Of one-hot rows all is as for the labels; mixed ones count for the likeliest class."""
    images, labels = train
    soft = np.eye(3)[labels]
    one, other = network(), network()
    histories = [trainer_of(model).fit((images, targets), epochs=2, validation=(images, targets),
                                       progress=False)
                 for model, targets in ((one, labels), (other, soft))]
    for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(getattr(histories[0], name), getattr(histories[1], name),
                                   rtol=1e-5)
    for mine, yours in zip(one.parameters(), other.parameters()):
        np.testing.assert_allclose(mine.data, yours.data, atol=1e-5)
    scores = trainer_of(other).evaluate((images, 0.6 * soft + 0.4 * soft[::-1]))
    assert scores["accuracy"] == histories[1].val_accuracy[-1]


def test_labels_to_be_ignored(train):
    images, labels = train
    known = np.arange(90) % 3 > 0
    trainer = trainer_of(network(), loss=cn.CrossEntropyLoss(ignore_index=-1))
    masked = np.where(known, labels, -1)
    history = trainer.fit((images, masked), epochs=5, batch_size=30, progress=False)
    assert history.train_accuracy[-1] > 0.8
    scores = trainer.evaluate((images, masked), batch_size=7)
    expected = trainer.evaluate((images[known], labels[known]))
    np.testing.assert_allclose(scores["loss"], expected["loss"], rtol=1e-6)
    assert scores["accuracy"] == expected["accuracy"]


def test_a_batch_of_which_nothing_counts_takes_no_step(train):
    """Its loss, the mean of nothing, is NaN: not an error, and no reason to decay the weights."""
    images, labels = train
    model, steps = network(), []
    trainer = cn.Trainer(model, cn.SGD(model.parameters(), 0.02, 0.9, weight_decay=0.1),
                         cn.CrossEntropyLoss())

    class Count(Callback):
        def on_batch_end(self, trainer, state):
            steps.append(bytes_of(model))

    one_label = np.full(90, -100)
    one_label[40] = labels[40]
    schedule = cn.StepLR(trainer.optimizer, 1000)
    history = trainer.fit((images, one_label), batch_size=1, callbacks=[Count()],
                          schedule=schedule, progress=False)
    assert len(steps) == 90 and len(set(steps)) == 2
    assert np.isfinite(history.train_loss[0]) and history.train_accuracy[0] in (0, 1)
    assert schedule.last_step == 90
    with pytest.raises(ValueError, match="train labels are all -100"):
        trainer.fit((images, np.full(90, -100)), progress=False)


def test_class_weights_and_means_over_batches(train):
    """What is reported is the mean of all, however they are cut into batches."""
    images, labels = train
    trainer = trainer_of(network(), loss=cn.CrossEntropyLoss(weight=[1, 2, 5], label_smoothing=0.1))
    trainer.fit(train, progress=False)
    whole = trainer.evaluate(train, batch_size=90)
    for batch_size in (1, 7, 64):
        np.testing.assert_allclose(trainer.evaluate(train, batch_size)["loss"], whole["loss"],
                                   rtol=1e-5)
    with pytest.raises(ValueError, match="weight.*3"):
        trainer_of(network(), loss=cn.CrossEntropyLoss(weight=[1, 2])).fit(train, progress=False)


def test_the_sum_as_loss(train):
    """Steps of lr / 30 by the sum are steps of lr by the mean; the mean an image is reported."""
    models = network(), network()
    histories = [trainer_of(model, loss=cn.CrossEntropyLoss(reduction=reduction), lr=lr).fit(
        train, epochs=2, batch_size=30, progress=False)
        for model, reduction, lr in zip(models, ("mean", "sum"), (0.03, 0.001))]
    np.testing.assert_allclose(histories[0].train_loss, histories[1].train_loss, rtol=1e-4)
    with pytest.raises(ValueError, match="reduction"):
        trainer_of(network(), loss=cn.CrossEntropyLoss(reduction="none"))


@pytest.mark.parametrize("loss", [cn.L1Loss(), cn.HuberLoss(delta=0.5), cn.MSELoss("sum"),
                                  cn.BCEWithLogitsLoss(pos_weight=[2.0])], ids=str)
def test_numbers_as_targets(loss, rng):
    images = rng.standard_normal((60, 1, 4, 4))
    targets = images.mean(axis=(2, 3)) * 3
    if isinstance(loss, cn.BCEWithLogitsLoss):
        targets = targets > 0
    model = cn.Sequential(cn.Flatten(), cn.Linear(16, 1, rng=0))
    trainer = cn.Trainer(model, cn.Adam(model.parameters(), 0.02), loss)
    history = trainer.fit((images, targets), epochs=60, batch_size=10, progress=False,
                          validation=(images, targets))
    assert history.train_loss[-1] < 0.4 * history.train_loss[0]
    assert history.val_accuracy == []
    with pytest.raises(ValueError, match=r"\(60, 1\)"):
        trainer.fit((images, targets[:, 0]), progress=False)


@pytest.mark.parametrize("targets, error, message", [
    (lambda labels: np.eye(4)[labels], ValueError, r"\(90, 3\)"),
    (lambda labels: np.eye(3)[labels] - 0.1, ValueError, "at least 0"),
    (lambda labels: np.eye(3)[labels] * np.nan, ValueError, "finite"),
    (lambda labels: np.where(labels, labels, -101), ValueError, "0 to 2")])
def test_impossible_targets(targets, error, message, train):
    model = network()
    before = bytes_of(model)
    with pytest.raises(error, match=message):
        trainer_of(model).fit((train[0], targets(train[1])), progress=False)
    assert bytes_of(model) == before


# --- schedules -----------------------------------------------------------------------------------

class Rates(Callback):
    """The learning rate after every batch, and after every epoch."""

    def __init__(self):
        self.batches, self.epochs = [], []

    def on_batch_end(self, trainer, state):
        self.batches.append(trainer.optimizer.lr)

    def on_epoch_end(self, trainer, state):
        self.epochs.append(trainer.optimizer.lr)


def test_schedules_of_batches_and_of_epochs(train):
    for interval, batches, epochs in (("batch", [0.04, 0.02, 0.01] * 2, None),
                                      ("epoch", [0.08] * 3 + [0.04] * 3, [0.04, 0.02])):
        trainer, rates = trainer_of(network(), lr=0.08), Rates()
        schedule = cn.ExponentialLR(trainer.optimizer, 0.5, interval=interval)
        trainer.fit(train, epochs=2, batch_size=30, schedule=schedule, callbacks=[rates],
                    progress=False)
        if interval == "batch":
            batches = [0.08 * 0.5 ** step for step in range(1, 7)]
            epochs = batches[2::3]
        np.testing.assert_allclose(rates.batches, batches)
        np.testing.assert_allclose(rates.epochs, epochs)


def test_a_warm_up_and_what_follows(train):
    trainer, rates = trainer_of(network(), lr=0.1), Rates()
    optimizer = trainer.optimizer
    schedule = cn.SequentialLR(optimizer, [cn.LinearLR(optimizer, 0.5, total_iters=2),
                                           cn.CosineAnnealingLR(optimizer, 4)], [2])
    trainer.fit(train, epochs=2, batch_size=30, schedule=schedule, callbacks=[rates],
                progress=False)
    half = [0.05 * (1 + np.cos(np.pi * step / 4)) for step in range(5)]
    np.testing.assert_allclose(rates.batches, [0.075, *half], atol=1e-15)
    with pytest.raises(ValueError, match="6 batches and has done 6"):
        trainer.fit(train, batch_size=30, schedule=schedule, progress=False)
    epochs = cn.CosineAnnealingLR(optimizer, 2, interval="epoch")
    with pytest.raises(ValueError, match="2 epochs"):
        trainer.fit(train, epochs=3, batch_size=30, schedule=epochs, progress=False)


@pytest.mark.parametrize("mode, monitor, metric", [
    ("min", None, "val_loss"), ("max", None, "val_accuracy"), ("min", "train_loss", "train_loss")])
def test_reduce_on_plateau(mode, monitor, metric, train, rng):
    trainer, rates = trainer_of(network(), lr=0.5), Rates()
    # Better only by a third: some epochs are, and some are not.
    options = dict(factor=0.5, patience=0, threshold=0.3)
    schedule = cn.ReduceLROnPlateau(trainer.optimizer, mode, **options, monitor=monitor)
    history = trainer.fit(train, epochs=8, batch_size=30, validation=shapes(rng, 20),
                          schedule=schedule, callbacks=[rates], progress=False)
    other = cn.SGD(network().parameters(), lr=0.5)
    same = cn.ReduceLROnPlateau(other, mode, **options)
    expected = []
    for value in getattr(history, metric):
        same.step(value)
        expected.append(other.lr)
    assert rates.epochs == expected and 0.5 ** 8 < expected[-1] < 0.5


def test_a_plateau_without_validation(train):
    trainer = trainer_of(network())
    schedule = cn.ReduceLROnPlateau(trainer.optimizer)
    history = trainer.fit(train, epochs=2, schedule=schedule, progress=False)
    assert schedule.best == min(history.train_loss)
    for wrong in ("val_loss", "accuracy"):
        with pytest.raises(ValueError, match=f"train_accuracy, got '{wrong}'"):
            trainer.fit(train, progress=False,
                        schedule=cn.ReduceLROnPlateau(trainer.optimizer, monitor=wrong))
    with pytest.raises(TypeError, match="schedule"):
        trainer.fit(train, schedule=0.1, progress=False)
    with pytest.raises(ValueError, match="optimizer of this trainer"):
        trainer.fit(train, schedule=cn.StepLR(cn.SGD(network().parameters(), 0.1), 3),
                    progress=False)


# --- clipping ------------------------------------------------------------------------------------

def test_clipping_is_these_calls(train):
    for options in ({"clip_grad_norm": 0.5}, {"clip_grad_value": 0.01},
                    {"clip_grad_norm": 0.02, "clip_grad_value": 0.01}):
        model, other, norms = network(), network(), []
        trainer_of(model, **options).fit(train, batch_size=30, progress=False)
        other.normalization = model.normalization

        def clip():
            if "clip_grad_value" in options:
                cn.clip_grad_value_(other.parameters(), options["clip_grad_value"])
            if "clip_grad_norm" in options:
                norms.append(cn.clip_grad_norm_(other.parameters(), options["clip_grad_norm"]))

        loop(other, cn.SGD(other.parameters(), 0.02), cn.CrossEntropyLoss(), train, 30,
             before_step=clip)
        assert bytes_of(model) == bytes_of(other)
        assert all(norm > options["clip_grad_norm"] for norm in norms)


@pytest.mark.parametrize("options, error, message", [
    (dict(clip_grad_norm=0), ValueError, "clip_grad_norm"),
    (dict(clip_grad_norm=-1), ValueError, "clip_grad_norm"),
    (dict(clip_grad_norm="1"), TypeError, "clip_grad_norm"),
    (dict(clip_grad_value=0), ValueError, "clip_grad_value"),
    (dict(clip_grad_value=[1]), TypeError, "clip_grad_value"),
    (dict(ema=0.9), TypeError, "ema"),
    (dict(ema=cn.ExponentialMovingAverage(network().parameters())), ValueError, "this model")])
def test_impossible_options(options, error, message):
    with pytest.raises(error, match=message):
        trainer_of(network(), **options)


# --- averaged weights ----------------------------------------------------------------------------

def test_averaged_weights_are_these_calls(train, rng):
    validation = shapes(rng, 40)
    model, other = network(), network()
    ema = cn.ExponentialMovingAverage(model.parameters(), 0.8)
    trainer = trainer_of(model, ema=ema)
    history = trainer.fit(train, epochs=2, batch_size=30, validation=validation, progress=False)
    other.normalization = model.normalization
    average = cn.ExponentialMovingAverage(other.parameters(), 0.8)
    loop(other, cn.SGD(other.parameters(), 0.02), cn.CrossEntropyLoss(), train, 30, epochs=2,
         after_step=average.update)
    assert ema.updates == 6 and bytes_of(model) == bytes_of(other)      # the last weights stay
    for mine, yours in zip(ema.averages, average.averages):
        np.testing.assert_array_equal(mine, yours)
    assert trainer.evaluate(validation)["loss"] != history.val_loss[-1]
    with ema.average_parameters():                                      # the averages are validated
        assert trainer.evaluate(validation)["loss"] == history.val_loss[-1]


def test_the_same_bits_for_every_number_of_threads(train):
    def run(threads):
        model = network()
        ema = cn.ExponentialMovingAverage(model.parameters(), 0.9)
        trainer = trainer_of(model, "AdamW", cn.CrossEntropyLoss([1, 2, 3], label_smoothing=0.1),
                             clip_grad_norm=0.1, ema=ema)
        with cn.num_threads(threads):
            trainer.fit(train, epochs=2, batch_size=20, progress=False)
        return bytes_of(model), [average.tobytes() for average in ema.averages]

    assert run(1) == run(1) == run(2)
