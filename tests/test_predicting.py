"""Predicting: in batches, from anything that images come from."""

import numpy as np
import pytest

import cycnn as cn
from small_training import Disk, mapped, network, shapes, trainer_of
from test_layout import peak_memory


@pytest.fixture
def train(rng):
    return shapes(rng, 90)


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


def test_predicting_what_comes_in_parts(rng, tmp_path):
    train, model = shapes(rng, 70, channels=2), network(channels=2)
    trainer_of(model).fit(train, progress=False)
    images = train[0]
    expected, classes = model.predict_proba(images, 9), model.predict(images)
    sources = {
        "memory-mapped": lambda: mapped(images, tmp_path), "h5py": lambda: Disk(images),
        "one by one": lambda: iter(images), "a function": lambda: lambda: iter(images),
        "batches": lambda: (images[i:i + 23] for i in range(0, 70, 23)),
        "both": lambda: iter([images[:5], images[5], images[6], images[7:7], images[7:]]),
        "a list": lambda: list(images)}
    for name, source in sources.items():
        for batch_size in (1, 9, 1000):
            found = model.predict_proba(source(), batch_size)
            assert found.shape == (70, 3) and found.dtype == np.float32, name
            np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=name)
            np.testing.assert_array_equal(model.predict(source(), batch_size), classes)
    for wrong, message in ((iter([]), "no image"), (iter([images[0, 0]]), r"\(C, H, W\)"),
                           (iter([images[0], images[1, :, :5]]), "one size"),
                           (iter([images[:, :1]]), "channel")):
        with pytest.raises(ValueError, match=message):
            model.predict(wrong)
    assert all(module._memory is None for module in model.modules()) and model.training


def test_predictions_are_held_once(rng):
    """The peak is the result and a batch, not a second result; the classes alone are less."""
    model = cn.Sequential(cn.Flatten(), cn.Linear(4, 500, rng=0))
    images = rng.integers(0, 256, (20000, 1, 2, 2)).astype(np.uint8)
    result = 20000 * 500 * 4

    assert peak_memory(model.predict_proba, images) < 1.2 * result
    assert peak_memory(model.predict, images) < 0.2 * result
    assert peak_memory(model.predict, lambda: iter(images)) < 0.2 * result
