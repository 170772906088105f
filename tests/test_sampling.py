"""Which images an epoch is made of: balanced, by weights; and the weights of classes."""

import numpy as np
import pytest

from cycnn import data
from cycnn.callbacks import Callback
from small_training import fitted, shapes


class Seen(Callback):
    """What the augmentation was asked for, epoch by epoch."""

    def __init__(self):
        self.samples = {}

    def __call__(self, images, indices=None, seed=0, epoch=0, samples=None):
        if indices is None:
            return images
        self.samples.setdefault(epoch, []).extend(samples.tolist())
        return images[indices]


def test_balanced_sampling(rng):
    labels = np.array([0] * 50 + [1] * 9 + [2] * 4 + [0])
    images = rng.integers(0, 256, (64, 2, 8, 8)).astype(np.uint8)
    seen = Seen()
    fitted((images, labels), sampling="balanced", augment=seen)
    for samples in seen.samples.values():
        drawn = np.array(samples) % 2**32
        assert len(drawn) == 64 and len(set(samples)) == 64     # each augmented in a way of its own
        assert sorted(np.bincount(labels[drawn])) == [21, 21, 22]
        times = np.bincount(drawn, minlength=64)
        for label in (0, 1, 2):                                 # all before one comes again
            assert np.ptp(times[labels == label]) <= 1
        for image in range(64):
            assert sorted(np.array(samples)[drawn == image] >> 32) == list(range(times[image]))
    assert seen.samples[0] != seen.samples[1]


def test_weighted_sampling(rng):
    images, labels = shapes(rng, 3000, size=8, channels=2)
    weights = np.where(np.arange(3000) < 1500, 3.0, 1.0)
    weights[:100] = 0
    seen = Seen()
    fitted((images, labels), epochs=1, sampling=weights, augment=seen)
    drawn = np.array(seen.samples[0]) % 2**32
    assert len(drawn) == 3000 and drawn.min() >= 100
    assert 0.7 < (drawn < 1500).mean() < 0.775                  # 4200 / 5700
    assert fitted((images[:70], labels[:70]), sampling=np.ones(70)) == fitted(
        (images[:70], labels[:70]), sampling=list(range(5, 6)) * 70) == fitted(
        (images[:70], labels[:70]), sampling=np.full(70, 1e308))


def test_class_weights():
    labels = [0, 0, 0, 0, 1, 1, 3, 3]
    np.testing.assert_allclose(data.class_weights(labels), [2 / 3, 4 / 3, 0, 4 / 3])
    assert data.class_weights(labels, 6).shape == (6,)
    assert data.class_weights(labels)[labels].mean() == pytest.approx(1)
    for wrong, options, error in (([], {}, ValueError), ([0.5], {}, TypeError),
                                  ([-1], {}, ValueError), ([3], {"classes": 2}, ValueError)):
        with pytest.raises(error, match="labels"):
            data.class_weights(wrong, **options)
