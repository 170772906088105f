"""Augmentation while training: of each sample, in a thread of its own."""

import numpy as np
import pytest

import cycnn as cn
from cycnn.data.augment import CenterCrop, Compose, RandomCrop, RandomHorizontalFlip, RandomShift
from small_training import fitted, network, shapes, trainer_of


@pytest.fixture
def train(rng):
    return shapes(rng, 70, channels=2)


def test_augmentation_is_that_of_each_sample(train):
    """Against a loop that augments by hand, with the trainer's order and epochs."""
    augment = Compose([RandomShift(1), RandomHorizontalFlip()])
    model, other = network(channels=2), network(channels=2)
    trainer_of(model, seed=5).fit(train, 2, 16, augment=augment, progress=False)
    rng = np.random.Generator(np.random.PCG64(5))
    loss, optimizer = cn.CrossEntropyLoss(), cn.SGD(other.parameters(), 0.02, 0.9)
    mean, std = (np.asarray(part)[:, None, None] for part in (model.normalization.mean,
                                                              model.normalization.std))
    for epoch in range(2):
        changed = augment(train[0], seed=5, epoch=epoch)
        order = rng.permutation(70)
        for start in range(0, 70, 16):
            batch = order[start:start + 16]
            loss(other(((changed[batch] - mean) / std).astype(np.float32)), train[1][batch])
            other.backward(loss.backward(), input_gradient=False)
            optimizer.step()
    for one, two in zip(model.parameters(), other.parameters()):
        np.testing.assert_allclose(one.data, two.data, atol=1e-5)


def test_augmentation_gives_the_same_bits_for_any_number_of_threads(train):
    augment = Compose([RandomShift(1), RandomHorizontalFlip()])
    results = []
    for threads in (1, 2, 2):
        with cn.num_threads(threads):
            results.append(fitted(train, augment=augment))
    assert results[0] == results[1] == results[2]
    assert results[0][0] != fitted(train, augment=augment, seed=6)[0] != fitted(train)[0]


def test_augmentation_that_changes_the_size(rng):
    images, labels = shapes(rng, 60, size=10)
    model = network()
    trainer_of(model).fit((images, labels), augment=RandomCrop(8), progress=False,
                          validation=(CenterCrop(8)(images), labels))
    assert model.input_shape == (1, 8, 8)


def test_a_function_as_augmentation(train):
    calls = []

    def augment(images, indices=None, seed=0, epoch=0, samples=None):
        if indices is None:
            return images
        calls.append((epoch, samples.tolist()))
        return images[indices] // 2

    fitted(train, augment=augment)
    for epoch in (0, 1):
        seen = [samples for number, samples in calls if number == epoch]
        assert sorted(sum(seen, [])) == list(range(70))
