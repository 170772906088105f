"""The trainer: what a fit does, and what it refuses."""

import numpy as np
import pytest

import cycnn as cn
from helpers import LAYOUTS, MATRIX_LAYOUTS
from small_training import bytes_of, network, shapes, trainer_of

MEMORY = {**LAYOUTS, **MATRIX_LAYOUTS, "sliced": lambda x: x.repeat(2, axis=3)[..., ::2]}


@pytest.fixture
def train(rng):
    return shapes(rng, 90)


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
