"""What somebody who comes from PyTorch or Keras tries in the first hour, right or wrong."""

import importlib.util
import re

import numpy as np
import pytest

import cycnn as cn
from cycnn import data
from cycnn.callbacks import BestCheckpoint, Callback, Checkpoint, EarlyStopping
from test_training import bytes_of, network, shapes, trainer_of

needs_model_files = pytest.mark.skipif(importlib.util.find_spec("safetensors") is None,
                                       reason="safetensors is not installed")


@pytest.fixture
def train(rng):
    return shapes(rng, 70)


# --- layers and functions of one's own ------------------------------------------------------------

class Rows(cn.Module):
    """A Flatten, which NumPy refuses to do this way for no images."""

    def forward(self, x):
        self.remember(x.shape)
        return x.reshape(len(x), -1)

    def backward(self, dy, input_gradient=True, accumulate=False):
        return dy.reshape(self.recall()) if input_gradient else None


def test_a_layer_that_cannot_take_an_empty_batch(train):
    tables = []
    for layer in (Rows(), cn.Flatten()):
        model = cn.Sequential(cn.MaxPool2d(2), layer, cn.Linear(16, 3))
        trainer_of(model).fit(train, progress=False, validation=train)
        tables.append(re.sub(r"(Rows|Flatten) +|  +", " ", model.summary((1, 8, 8))))
    assert tables[0] == tables[1]
    model = cn.Sequential(Rows(), cn.Linear(16, 3))             # what is wrong is what is told
    with pytest.raises(ValueError, match="64"):
        trainer_of(model).fit(train, progress=False)


def test_a_function_as_augmentation_that_wants_all_arguments(train):
    seen = []

    def brighter(images, indices, seed, epoch, samples):
        seen.append((len(indices), epoch))
        return np.minimum(images[indices].astype(np.float32) + 20 * (samples[:, None, None, None]
                                                                     % 2), images.max())

    trainer_of(network()).fit(train, epochs=2, progress=False, augment=brighter)
    assert sum(number for number, epoch in seen if epoch == 1) == 70


# --- predicting -----------------------------------------------------------------------------------

def test_predicting_for_a_data_set(train):
    model = network()
    trainer = trainer_of(model)
    dataset = data.Dataset(*train)
    trainer.fit(dataset, progress=False)
    np.testing.assert_array_equal(trainer.predict_proba(dataset), trainer.predict_proba(train[0]))
    np.testing.assert_array_equal(model.predict(dataset[10:20]), model.predict(train[0][10:20]))


@pytest.mark.parametrize("make", [
    lambda images, labels: (images, labels),
    lambda images, labels: [images[:3], images[3:8]],
    lambda images, labels: iter([(images[:3], labels[:3])]),
], ids=["a pair", "batches in a list", "pairs from a generator"])
def test_predicting_for_images_with_labels(make, train):
    with pytest.raises(ValueError, match="^images must be one array .* give the images alone"):
        network().predict(make(*train))


# --- arguments ------------------------------------------------------------------------------------

@pytest.mark.parametrize("change, message", [
    ({"model": "resnet"}, "^model must be a cycnn.Module, got 'resnet'"),
    ({"model": cn.Sequential}, "^model must be a cycnn.Module, got the class Sequential itself"),
    ({"optimizer": "adam"}, r"^optimizer must be .*SGD\(.*, got 'adam'"),
    ({"optimizer": cn.SGD}, "^optimizer must be .*, got the class SGD itself"),
    ({"loss": "cross_entropy"}, r"^loss must be .*CrossEntropyLoss\(\), got 'cross_entropy'"),
    ({"loss": cn.CrossEntropyLoss}, "^loss must be .*, got the class CrossEntropyLoss itself"),
])
def test_a_trainer_of_other_things(change, message):
    model = network()
    arguments = {"model": model, "optimizer": cn.SGD(model.parameters(), lr=0.1),
                 "loss": cn.CrossEntropyLoss(), **change}
    with pytest.raises(TypeError, match=message):
        cn.Trainer(**arguments)


def test_frozen_and_shared_weights():
    """Neither is done silently wrong: PyTorch's way to freeze, and weights in two places."""
    model = cn.Sequential(cn.Linear(3, 3), cn.Tanh(), cn.Linear(3, 3))
    for parameter in model.parameters():
        assert parameter.requires_grad
        parameter.requires_grad = True
    with pytest.raises(AttributeError, match="leave it out of the parameters"):
        model[0].weight.requires_grad = False
    model[2].weight = model[0].weight
    with pytest.raises(ValueError, match="2.weight is the same as 0.weight"):
        trainer_of(model)


@pytest.mark.parametrize("callbacks", [[lambda *_: None], [EarlyStopping], ["early"], 3],
                         ids=["a function", "a class", "a text", "a number"])
def test_callbacks_that_are_none(callbacks, train):
    model = network()
    before = bytes_of(model)
    with pytest.raises(TypeError, match="^callbacks must be a list of cycnn.callbacks.Callback"):
        trainer_of(model).fit(train, progress=False, callbacks=callbacks)
    assert bytes_of(model) == before


def test_one_callback_alone(train):
    class Stop(Callback):
        def on_epoch_end(self, trainer, state):
            state.stop = True

    assert len(trainer_of(network()).fit(train, epochs=5, progress=False, callbacks=Stop())) == 1


@pytest.mark.parametrize("what", [(np.zeros((4, 1, 2, 2)), np.arange(4)), np.zeros((4, 1, 2, 2))],
                         ids=["a pair", "images"])
def test_a_split_of_no_data_set(what):
    with pytest.raises(TypeError, match="^dataset must be a cycnn.data.Dataset, .*, got (tup|nd)"):
        data.split(what)


@pytest.mark.parametrize("what", [None, [np.zeros((6, 1, 3, 3))], "weights.pt"])
def test_a_state_that_is_no_dict(what):
    with pytest.raises(TypeError, match="^state_dict must be a dict of arrays by name, got"):
        network().load_state_dict(what)


@pytest.mark.parametrize("shape, error", [(3, TypeError), ("1x8x8", TypeError), ((), TypeError),
                                          ((1, 8.5, 8), TypeError), ((1, 0, 8), ValueError)])
def test_a_summary_of_no_shape(shape, error):
    with pytest.raises(error, match="^input_shape must be"):
        network().summary(shape)


# --- a training that is interrupted ---------------------------------------------------------------

class Killed(Exception):
    pass


class KillAt(Callback):
    order = 200

    def __init__(self, epoch, batch):
        self.place = epoch, batch

    def on_batch_end(self, trainer, state):
        if (state.epoch, state.batch) == self.place:
            raise Killed


@needs_model_files
@pytest.mark.parametrize("place", [(0, 3), (2, 0), (2, 2)])
def test_a_generator_that_begins_anew_goes_on_where_training_was(place, train, tmp_path):
    """One generator for all epochs: those before the kill must not be trained on again."""
    images, labels = train[0].astype(np.float32) / 255, train[1]

    def batches():
        rng = np.random.default_rng(1)
        while True:
            chosen = rng.integers(0, len(labels), 8)
            yield images[chosen], labels[chosen]

    options = {"epochs": 4, "steps_per_epoch": 4, "progress": False}
    whole = network()
    history = trainer_of(whole).fit(batches(), **options)
    checkpoint = Checkpoint(tmp_path / "last.safetensors", every=1)
    with pytest.raises(Killed):
        trainer_of(network()).fit(batches(), callbacks=[checkpoint, KillAt(*place)], **options)
    model = network(seed=5)
    resumed = trainer_of(model).fit(batches(), callbacks=[checkpoint], resume=True, **options)
    assert bytes_of(model) == bytes_of(whole)
    assert resumed.train_loss == history.train_loss


@needs_model_files
def test_a_notebook_cell_that_is_run_again(train, tmp_path):
    """The same model, optimizer and schedule, which have gone on since the checkpoint."""
    def cell(trainer, schedule, *callbacks):
        return trainer.fit(train, 3, 16, schedule=schedule, progress=False, resume=True,
                           callbacks=[Checkpoint(tmp_path / "last.safetensors"), *callbacks])

    def objects():
        trainer = trainer_of(network())
        return trainer, cn.OneCycleLR(trainer.optimizer, 0.05, total_steps=15)

    whole, schedule = objects()
    whole.fit(train, 3, 16, schedule=schedule, progress=False)
    trainer, schedule = objects()
    with pytest.raises(Killed):
        cell(trainer, schedule, KillAt(1, 2))
    assert len(cell(trainer, schedule)) == 3
    assert bytes_of(trainer.model) == bytes_of(whole.model)
    with pytest.raises(ValueError, match="made for 15 batches and has done 15"):
        trainer.fit(train, 3, 16, schedule=schedule, progress=False)


@needs_model_files
def test_the_best_model_is_the_one_that_was_validated(train, tmp_path):
    """With averaged weights these are the averages; a resumed training has its own all the same."""
    def fit(epochs, **options):
        model = network()
        optimizer = cn.SGD(model.parameters(), lr=0.02, momentum=0.9)
        trainer = cn.Trainer(model, optimizer, cn.CrossEntropyLoss(),
                             ema=cn.ExponentialMovingAverage(model.parameters(), 0.9))
        best = BestCheckpoint(tmp_path / "best.safetensors")
        history = trainer.fit(train, epochs, batch_size=16, validation=train, progress=False,
                              callbacks=[best], **options)
        return trainer, history, best.best

    trainer, history, best = fit(3)
    assert history.val_loss[-1] == best                         # the last epoch was the best
    model = cn.load(tmp_path / "best.safetensors")
    loaded = cn.Trainer(model, cn.SGD(model.parameters(), lr=0.1), cn.CrossEntropyLoss())
    assert loaded.evaluate(train)["loss"] == best
    assert trainer.evaluate(train)["loss"] != best
    whole, resumed = fit(5)[0], None
    fit(3)
    resumed = fit(5, resume=tmp_path / "best.safetensors")[0]
    assert bytes_of(resumed.model) == bytes_of(whole.model)
    assert [a.tobytes() for a in resumed.ema.averages] == [a.tobytes() for a in whole.ema.averages]
