"""One step for several batches: as with one that is as large."""

import numpy as np
import pytest

import cycnn as cn
from cycnn.callbacks import Callback
from small_training import batches_of, network, shapes, trainer_of


@pytest.fixture
def train(rng):
    return shapes(rng, 70, channels=2)


@pytest.mark.parametrize("images", [70, 64, 66, 5])
def test_accumulated_gradients_are_those_of_the_large_batch(images, dtype, rng):
    train = shapes(rng, images, channels=2)
    large, small = network(dtype, channels=2), network(dtype, channels=2)
    one = trainer_of(large, weight_decay=1e-3).fit(train, 3, 32, progress=False)
    two = trainer_of(small, weight_decay=1e-3).fit(train, 3, 8, accumulate=4, progress=False)
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    for a, b in zip(large.parameters(), small.parameters()):
        np.testing.assert_allclose(a.data, b.data, atol=tolerance)
    np.testing.assert_allclose(one.train_loss, two.train_loss, rtol=10 * tolerance)
    assert one.train_accuracy == two.train_accuracy


def test_accumulated_generators_and_regression(rng):
    images = rng.standard_normal((70, 1, 4, 4))
    targets = images.mean(axis=(2, 3)) * 3
    weights = []
    for size, accumulate in ((30, 1), (10, 3), (6, 5)):
        model = cn.Sequential(cn.Flatten(), cn.Linear(16, 1, dtype=np.float64, rng=0))
        trainer = cn.Trainer(model, cn.SGD(model.parameters(), 0.05), cn.MSELoss())
        trainer.fit(lambda: batches_of((images, targets), size), 2, accumulate=accumulate,
                    progress=False)
        weights.append(model[1].weight.data)
    np.testing.assert_allclose(weights[1], weights[0], atol=1e-14)
    np.testing.assert_allclose(weights[2], weights[0], atol=1e-14)


def test_accumulation_of_a_loss_that_weights_its_terms(rng):
    class Weighted(cn.CrossEntropyLoss):
        """The mean weighted by class, as PyTorch's with `weight`."""

        weights = np.array([1.0, 5.0, 0.25])

        def forward(self, prediction, target):
            super().forward(prediction, target)
            part = self.weights[target] / self.weights[target].sum()
            gradient = self._memory * len(target) * part[:, None]
            self._memory = gradient.astype(prediction.dtype)
            logits = prediction - prediction.max(axis=1, keepdims=True)
            log = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
            return float(-(part * log[np.arange(len(target)), target]).sum())

        def totals(self, value, target):
            weight = self.weights[target].sum()
            return value * weight, weight

    train, results = shapes(rng, 70, channels=2), []
    for size, accumulate in ((32, 1), (8, 4)):
        model = network(np.float64, channels=2)
        trainer = cn.Trainer(model, cn.SGD(model.parameters(), 0.02), Weighted())
        trainer.fit(train, 2, size, accumulate=accumulate, progress=False)
        results.append(np.concatenate([array.ravel() for array in model.state_dict().values()]))
        assert trainer.evaluate(train, 7)["loss"] == pytest.approx(trainer.evaluate(train)["loss"])
    np.testing.assert_allclose(results[1], results[0], atol=1e-13)


@pytest.mark.parametrize("last", [0, 2])
def test_smoothing_of_classes_of_no_weight(last, rng):
    images, labels = shapes(rng, 64, channels=2)
    results = []
    for size, accumulate in ((16, 1), (2, 8)):
        model = network(np.float64, channels=2)
        loss = cn.CrossEntropyLoss(weight=np.roll([1, 2.5, 0], last + 1), label_smoothing=0.1)
        trainer = cn.Trainer(model, cn.SGD(model.parameters(), 0.02), loss)
        history = trainer.fit((images, labels), 2, size, accumulate=accumulate, progress=False)
        results.append([array.ravel() for array in model.state_dict().values()]
                       + [history.train_loss])
    np.testing.assert_allclose(*map(np.concatenate, results), atol=1e-13)


def test_steps_are_what_is_counted(train):
    trainer = trainer_of(network(channels=2))
    seen = []

    class Count(Callback):
        def on_batch_end(self, trainer, state):
            seen.append((state.batch, state.images))

    schedule = cn.CosineAnnealingLR(trainer.optimizer, T_max=3)
    trainer.fit(train, 1, 8, accumulate=3, schedule=schedule, callbacks=[Count()], progress=False)
    assert seen == [(0, 24), (1, 48), (2, 70)] and schedule.last_step == 3
