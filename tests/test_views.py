"""Test-time augmentation: the mean of the probabilities of several views of each image."""

import numpy as np
import pytest

import cycnn as cn
from cycnn.data.augment import CenterCrop, RandomHorizontalFlip
from cycnn.data.views import Shift, horizontal_flip, identity, vertical_flip

VIEWS = [identity, horizontal_flip, vertical_flip, Shift(1, -2, fill=9), CenterCrop((6, 7)),
         RandomHorizontalFlip(1), lambda images: images.astype(np.float32) / 2]


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (23, 2, 6, 7)).astype(np.uint8)


def model_of(*more, dtype=np.float32):
    model = cn.Sequential(cn.Conv2d(2, 4, 3, dtype=dtype, rng=0), cn.BatchNorm2d(4, dtype=dtype),
                          cn.ReLU(), cn.Flatten(), cn.Linear(80, 5, dtype=dtype, rng=1), *more)
    model.normalization = cn.Normalization([100, 120], [60, 70])
    return model


def trainer_of(model, loss=None):
    return cn.Trainer(model, cn.SGD(model.parameters(), 0.1), loss or cn.CrossEntropyLoss())


@pytest.mark.parametrize("more", [[], [cn.Softmax()]], ids=["logits", "probabilities"])
def test_the_mean_of_the_views(more, images, dtype):
    model = model_of(*more, dtype=dtype)
    each = [model.predict_proba(view(images)) for view in VIEWS]
    expected = np.mean(each, axis=0)
    found = model.predict_proba(images, batch_size=5, views=VIEWS)
    assert found.dtype == dtype and np.ptp(each, axis=0).max() > 0.05
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(trainer_of(model).predict_proba(images, views=iter(VIEWS)),
                               expected, atol=1e-6)
    for predict in (model.predict, trainer_of(model).predict):
        np.testing.assert_array_equal(predict(images, 4, views=VIEWS), expected.argmax(axis=1))
    assert model.training
    np.testing.assert_array_equal(model.predict_proba(images, views=[identity]),
                                  model.predict_proba(images))


def test_anything_that_is_predicted_has_views(images, tmp_path):
    model, views = model_of(), [identity, horizontal_flip]
    expected = model.predict_proba(images, 7, views)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    fortran = np.asfortranarray(images)
    for given in (mapped, fortran, list(images), iter(images), lambda: iter(images),
                  (images[start:start + 7] for start in range(0, 23, 7))):
        np.testing.assert_array_equal(model.predict_proba(given, 7, views), expected)
    assert model.predict_proba(images[:0], views=views).shape == (0, 5)
    assert model.predict(images[:0], views=views).shape == (0,)


def test_views_see_a_batch_as_it_is_stored(images):
    sizes = []

    def watching(given):
        assert given.dtype == np.uint8 and given.shape[1:] == (2, 6, 7)
        sizes.append(len(given))
        return given

    def spoiling(given):
        given[...] = 0
        return given

    model, before = model_of(), images.copy()
    model.predict_proba(images, 10, views=[watching])
    trainer_of(model).evaluate((images, np.zeros(23, int)), 9, views=[watching])
    assert sizes == [10, 10, 3, 1, 9, 9, 5]             # one image tells the shapes
    with pytest.raises(ValueError, match="read-only"):
        model.predict_proba(images, views=[spoiling])
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1, "weight": [1, 2, 3, 4, 0.5]}])
def test_evaluation_is_that_of_the_mean(options, images, dtype):
    """Also by PyTorch's loss of the logarithm of the mean."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model, labels = model_of(dtype=dtype), np.arange(23) % 5
    mean = np.mean([model.predict_proba(view(images)) for view in VIEWS], axis=0)
    trainer = trainer_of(model, cn.CrossEntropyLoss(**options))
    if "weight" in options:
        options = {**options, "weight": torch.tensor(options["weight"], dtype=torch.float64)}
    expected = torch.nn.CrossEntropyLoss(**options)(
        torch.log(torch.tensor(mean, dtype=torch.float64)), torch.tensor(labels)).item()
    for data in ((images, labels), lambda: iter([(images[:9], labels[:9]),
                                                 (images[9:], labels[9:])])):
        found = trainer.evaluate(data, 8, views=VIEWS)
        assert found["loss"] == pytest.approx(expected, rel=1e-5)
        assert found["accuracy"] == (mean.argmax(axis=1) == labels).mean()
    assert trainer.evaluate((images, labels), views=[identity]) == trainer.evaluate(
        (images, labels))


def test_evaluating_a_network_that_gives_probabilities(images):
    trainer, labels = trainer_of(model_of(cn.Softmax())), np.arange(23) % 5
    views = [identity, vertical_flip]
    mean = np.mean([trainer.predict_proba(view(images)) for view in views], axis=0)
    found = trainer.evaluate((images, labels), views=views)
    assert found["loss"] == pytest.approx(cn.CrossEntropyLoss()(mean, labels), rel=1e-6)
    assert found["accuracy"] == (mean.argmax(axis=1) == labels).mean()


def test_probabilities_that_are_almost_zero(images):
    """Their logarithm is finite, as that of one view is."""
    model = model_of()
    model[4].weight.data *= 1000
    labels = model.predict_proba(images).argmin(axis=1)
    found = trainer_of(model).evaluate((images, labels), views=[identity, horizontal_flip])
    assert 110 < found["loss"] < np.inf                 # exp(-104) is 0 in float32


def test_parts_of_images_that_are_too_large(rng):
    """The network never sees an image as it is stored."""
    images = rng.integers(0, 256, (8, 2, 8, 9)).astype(np.uint8)
    model, labels = model_of(), np.arange(8) % 5
    corners = [lambda x, i=i, j=j: x[:, :, i:i + 6, j:j + 7] for i in (0, 2) for j in (0, 2)]
    expected = np.mean([model.predict_proba(corner(images)) for corner in corners], axis=0)
    np.testing.assert_allclose(model.predict_proba(images, views=corners), expected, atol=1e-6)
    found = trainer_of(model).evaluate((images, labels), views=corners)
    assert found["accuracy"] == (expected.argmax(axis=1) == labels).mean()


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_a_shift_is_this(kind, images):
    images = images.astype(kind)
    for down, right in ((0, 0), (2, 0), (-1, 3), (0, -2), (6, 1), (-9, -9)):
        found = Shift(down, right, fill=[3, 4])(images)
        expected = np.empty_like(images)
        expected[:] = np.reshape([3, 4], (2, 1, 1))
        for i, j in np.ndindex(6, 7):
            if 0 <= i - down < 6 and 0 <= j - right < 7:
                expected[:, :, i, j] = images[:, :, i - down, j - right]
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == kind
    assert repr(Shift(1, -2)) == "Shift(1, -2, fill=0)" and cn.data.views.Shift is Shift


@pytest.mark.parametrize("views, error, message", [
    (horizontal_flip, TypeError, "views must be a list"), (3, TypeError, "views must be a list"),
    ("flip", TypeError, "views must be a list"), ([], ValueError, "views must be at least one"),
    ([None], TypeError, "functions of images, got one None"),
    ([identity, Shift], TypeError, "functions of images, got one <class"),
    ([lambda x: x[0]], ValueError, "as many images"), ([lambda x: x[1:]], ValueError, "as many"),
    ([lambda x: "x"], ValueError, "as many images"),
    ([lambda x: x[:, :1]], ValueError, "channels"),
    ([lambda x: x[:, :, :5]], ValueError, "features")])
def test_impossible_views(views, error, message, images):
    model = model_of()
    trainer, labels = trainer_of(model), np.zeros(23, int)
    for call in (lambda: model.predict_proba(images, views=views),
                 lambda: trainer.predict(images, views=views),
                 lambda: trainer.evaluate((images, labels), views=views)):
        with pytest.raises(error, match=message):
            call()
    assert model.training


def test_views_are_of_classes(images):
    trainer = trainer_of(model_of(), cn.MSELoss())
    with pytest.raises(ValueError, match="views needs a loss that knows classes.*MSELoss"):
        trainer.evaluate((images, np.zeros((23, 5))), views=[identity])
    model = cn.Sequential(cn.Conv2d(2, 4, 3, rng=0))
    with pytest.raises(ValueError, match=r"output is \(N, classes\)"):
        model.predict_proba(images, views=[identity])
    for arguments, error in (((1.5, 0), TypeError), ((0, "1"), TypeError)):
        with pytest.raises(error, match="must be an integer"):
            Shift(*arguments)
    with pytest.raises(ValueError, match="fill"):
        Shift(0, 0, fill=300)(images)
