"""What seed 001 gets wrong, as examples/ has it: its gradients, and how it counts its loss."""

import importlib

import numpy as np
import pytest

import cycnn as cn
import reference
from helpers import TESTS, assert_close, normal, whole

EXAMPLES = TESTS.parent / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(),
                                reason="the examples are in the checkout alone")


@pytest.fixture
def mixed_rows(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("mixed_rows")


@pytest.fixture
def eval_every(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("eval_every")


SHAPES = [(1, 1, 1, 5, 4, 3), (3, 2, 4, 5, 7, 3), (4, 1, 16, 6, 6, 5), (2, 3, 2, 2, 1, 3),
          (5, 2, 3, 4, 3, 1)]


@pytest.mark.parametrize("n, c, k, height, width, kernel", SHAPES)
class TestMatrices:
    def test_in_one_order_they_are_the_convolution(self, mixed_rows, rng, n, c, k, height, width,
                                                   kernel):
        x, weight, dy = (whole(rng, float, *shape) for shape in (
            (n, c, height, width), (k, c, kernel, kernel), (n, k, height, width)))
        assert np.array_equal(mixed_rows.conv2d(x, weight),
                              reference.conv2d(x, weight, padding="same"))
        _, expected, _ = reference.conv2d_backward(dy, x, weight, padding="same")
        assert np.array_equal(mixed_rows.weight_gradient(dy, x, kernel, mixed=False), expected)

    def test_the_layer_errs_as_they_do(self, mixed_rows, rng, dtype, n, c, k, height, width,
                                       kernel):
        layer = mixed_rows.MixedRows(c, k, kernel, padding="same", bias=False, dtype=dtype)
        x, dy = normal(rng, dtype, n, c, height, width), normal(rng, dtype, n, k, height, width)
        assert np.array_equal(layer.forward(x), cn.functional.conv2d(
            x, layer.weight.data, padding="same"))
        dx = layer.backward(dy)
        assert_close(layer.weight.grad, mixed_rows.weight_gradient(dy, x, kernel),
                     n * height * width)
        assert_close(dx, mixed_rows.image_gradient(dy, layer.weight.data), k * kernel**2)
        assert layer.backward(dy, input_gradient=False) is None

    def test_of_one_image_there_is_one_order(self, mixed_rows, rng, n, c, k, height, width, kernel):
        x, dy = whole(rng, float, 1, c, height, width), whole(rng, float, 1, k, height, width)
        assert np.array_equal(mixed_rows.weight_gradient(dy, x, kernel),
                              mixed_rows.weight_gradient(dy, x, kernel, mixed=False))


def test_finite_differences_find_both_errors(mixed_rows):
    assert max(mixed_rows.errors(cn.Conv2d)) < 1e-12
    assert min(mixed_rows.errors(mixed_rows.MixedRows)) > 0.5
    with pytest.raises(cn.GradcheckError):
        cn.gradcheck(mixed_rows.MixedRows(1, 2, 3, padding="same", bias=False), (3, 1, 4, 4))


def test_a_step_of_the_matrices_is_the_layers(mixed_rows, rng):
    model = cn.Sequential(
        mixed_rows.MixedRows(1, 4, 3, padding="same", bias=False, dtype=float), cn.Tanh(),
        cn.Flatten(), cn.Linear(80, 3, dtype=float))
    arrays = [array.copy() for array in model.state_dict().values()]
    x, labels = normal(rng, float, 6, 1, 4, 5), rng.integers(0, 3, 6)
    loss, optimizer = cn.CrossEntropyLoss(), cn.SGD(model.parameters(), 0.1)
    for _ in range(2):
        value = loss.forward(model.forward(x), labels)
        model.backward(loss.backward(), input_gradient=False)
        optimizer.step()
        assert mixed_rows.train_step(x, labels, arrays, 0.1) == pytest.approx(value, rel=1e-12)
    for array, learned in zip(arrays, model.state_dict().values()):
        np.testing.assert_allclose(array, learned, rtol=1e-10, atol=1e-13)


def scores_of(eval_every, logits, labels):
    """The scores of a network whose outputs are its images."""
    dense = cn.Linear(len(logits[0]), len(logits[0]), bias=False, dtype=float)
    dense.weight.data[...] = np.eye(len(logits[0]))
    model = cn.Sequential(cn.Flatten(), dense)
    trainer = cn.Trainer(model, cn.SGD(model.parameters(), 1), cn.CrossEntropyLoss())
    data = cn.data.Dataset(np.asarray(logits, float)[:, np.newaxis, np.newaxis], labels,
                           list(map(str, range(len(logits[0])))))
    return eval_every.scores(trainer, data)


def test_the_loss_that_counts_every_class(eval_every, rng):
    logits, labels = normal(rng, float, 7, 4), rng.integers(0, 4, 7)
    p = reference.softmax(logits, 1)
    targets = np.eye(4)[labels]
    expected = -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).sum() / 7
    loss, cross_entropy, accuracy = scores_of(eval_every, logits, labels)
    assert loss == pytest.approx(expected, rel=1e-12)
    assert cross_entropy == pytest.approx(reference.cross_entropy(logits, labels), rel=1e-12)
    assert accuracy == np.mean(logits.argmax(axis=1) == labels)


def test_a_sure_mistake_counts_twice(eval_every):
    logits = [[1e3, 0, 0], [1e3, 0, 0], [0, 0, 1e3], [0, 1e3, 0]]
    loss, cross_entropy, accuracy = scores_of(eval_every, logits, np.array([0, 1, 2, 1]))
    assert loss == pytest.approx(2 * -np.log(1e-9) / 4, rel=1e-6)
    assert (cross_entropy, accuracy) == (250, 0.75)


def test_every_second_epoch_is_validated_and_said(eval_every, capsys):
    train, held_out = (part[:40] for part in cn.data.load("digits"))
    model = cn.Sequential(cn.Flatten(), cn.Linear(64, 10, rng=0))
    trainer = cn.Trainer(model, cn.SGD(model.parameters(), 0.1), cn.CrossEntropyLoss())
    callback = eval_every.EvalEvery(held_out, 2, [9.9, 8.8])
    trainer.fit(train, 5, 20, callbacks=callback, progress=False)
    assert callback.epochs == [2, 4]
    first, second = capsys.readouterr().out.splitlines()
    loss, _, accuracy = callback.seen[0]
    assert first == (f"Validation loss after 2 epochs is {loss:.3f} (published: 8.800), "
                     f"accuracy {accuracy:.2%}")
    assert second.startswith("Validation loss after 4 epochs") and "published" not in second
    assert callback.seen[1][1] < callback.seen[0][1]
    trainer.fit(train, 1, 20, callbacks=eval_every.EvalEvery(held_out, 2), progress=False)
    assert capsys.readouterr().out == ""
