"""A program as a user with a type checker writes it: mypy in strict mode finds nothing to say, and
the types that it is told are those of the values, which test_types.py runs it for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_type

import numpy as np
from numpy.typing import NDArray

import cycnn as cn
import cycnn.functional as F
from cycnn.callbacks import (BestCheckpoint, Callback, Checkpoint, CSVLog, EarlyStopping, FitState,
                             JSONLinesLog, TensorBoard, TimeLimit)
from cycnn.data.augment import (Augmentation, Compose, RandomAffine, RandomCrop, RandomErasing,
                                RandomHorizontalFlip)
from cycnn.data.views import Shift, horizontal_flip, identity, vertical_flip

if TYPE_CHECKING:
    from cycnn.data.draws import Draws

Images = NDArray[np.float32]


# --- parts of one's own --------------------------------------------------------------------------

class Scale(cn.Module):
    """The layer of docs/layers.md."""

    def __init__(self, channels: int) -> None:
        self.weight = cn.Parameter(np.ones((channels, 1, 1), np.float32))

    def forward(self, x: Images) -> Images:
        self.remember(x)
        return x * self.weight.data

    def backward(self, dy: Images, input_gradient: bool = True,
                 accumulate: bool = False) -> Images | None:
        self.weight.set_grad((dy * self.recall()).sum((0, 2, 3))[:, None, None], accumulate)
        return dy * self.weight.data if input_gradient else None

    def config(self) -> dict[str, Any]:
        return {"channels": len(self.weight.data)}


class Around(cn.Module):
    """A layer made of others, which takes arrays of any type."""

    def __init__(self, inner: cn.Module) -> None:
        self.inner = inner
        self.weight = cn.Parameter(np.ones(1))

    def forward(self, x: NDArray[Any]) -> NDArray[np.floating[Any]]:
        return F.add(x, self.inner(x), relu=True)

    def backward(self, dy: NDArray[Any], input_gradient: bool = True,
                 accumulate: bool = False) -> NDArray[np.floating[Any]] | None:
        dx = self.inner.backward(dy, input_gradient, accumulate)
        return F.add(dy, dx) if input_gradient else None


class OwnNet(cn.Sequential):
    def forward(self, x: Images) -> Images:
        return F.relu(super().forward(x))

    def backward(self, dy: Images, input_gradient: bool = True,
                 accumulate: bool = False) -> Images | None:
        return super().backward(2 * dy, input_gradient, accumulate)


class LogCosh(cn.losses.Loss):
    def forward(self, prediction: Images, target: Images) -> float:
        self.difference = prediction - target
        return float(np.log(np.cosh(self.difference)).mean())

    def backward(self) -> Images:
        gradient: Images = (np.tanh(self.difference) / self.difference.size).astype(np.float32)
        return gradient


class SignSGD(cn.optim.Optimizer):
    def __init__(self, parameters: Iterator[cn.Parameter], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    def step(self) -> None:
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.data -= self.lr * np.sign(parameter.grad)


class Halving(cn.schedules.Schedule):
    def set(self, step: int) -> None:
        self.optimizer.lr = 0.5 ** step


class StopAt(Callback):
    def on_epoch_end(self, trainer: cn.Trainer, state: FitState) -> None:
        assert state.accuracy is not None
        state.stop = state.history.train_accuracy[-1] > 0.99 or state.accuracy > 0.999
        if state.epoch == state.epochs - 1:
            trainer.model.eval().train()


class Darker(Augmentation):
    def apply(self, images: NDArray[Any], draws: Draws) -> NDArray[Any]:
        factor = draws.uniform(0.9, 1.0)[:, None, None, None]
        return (images * factor).astype(images.dtype)


def turned(images: NDArray[Any]) -> NDArray[Any]:
    return vertical_flip(horizontal_flip(images))


def restored(path: Path) -> cn.Module:
    return cn.load(path)


def batches(epoch: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    rng = np.random.default_rng(epoch)
    for _ in range(2):
        yield rng.integers(0, 255, (4, 1, 8, 8), np.uint8), rng.integers(0, 10, 4)


# --- the program ---------------------------------------------------------------------------------

def train(folder: Path) -> None:
    cn.manual_seed(0)
    train, test = cn.data.load("digits")
    assert_type(train, cn.data.Dataset)
    train, validation = cn.data.split(train[:200], 0.1)
    image, label = train[0]
    assert_type(label, int)
    assert image.shape == (1, 8, 8)
    model = cn.Sequential(
        cn.Conv2d(1, 4, 3, padding="same"), cn.BatchNorm2d(4), cn.ReLU(), Scale(4),
        cn.MaxPool2d((2, 2)), cn.Residual(cn.Conv2d(4, 4, kernel_size=3, padding=(1, 1))),
        cn.Dropout(0.1), cn.Flatten(), cn.Linear(64, 10, dtype=np.float32, rng=0))
    optimizer = cn.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    schedule = cn.SequentialLR(optimizer, [cn.LinearLR(optimizer, total_iters=3),
                                           cn.CosineAnnealingLR(optimizer, T_max=9)], [3])
    average = cn.ExponentialMovingAverage(model, 0.9, warmup=True)
    loss = cn.CrossEntropyLoss(weight=cn.data.class_weights(train.labels), label_smoothing=0.1)
    trainer = cn.Trainer(model, optimizer, loss, seed=1, clip_grad_norm=5, ema=average)
    history = trainer.fit(
        train, epochs=2, batch_size=60, validation=(validation.images, validation.labels),
        schedule=schedule, progress=False, sampling="balanced", accumulate=1, resume=True,
        augment=Compose([RandomCrop(8, padding=1), RandomHorizontalFlip(), RandomErasing(value=3),
                         RandomAffine((-5, 5), scale=(0.9, 1.1)), Darker()]),
        callbacks=[Checkpoint(folder / "last.safetensors", every=2), TimeLimit(600),
                   BestCheckpoint(str(folder / "best.safetensors"), "val_accuracy", mode="max"),
                   EarlyStopping(patience=3, restore_best_weights=True), StopAt(),
                   CSVLog(folder / "a.csv"), JSONLinesLog(folder / "a.jsonl", append=True),
                   TensorBoard(folder / "runs")])
    assert_type(history, cn.History)
    assert_type(history.val_accuracy, list[float])
    assert_type(history.last()["train_loss"], float)
    trainer.fit(batches, 1, callbacks=StopAt(), progress=False, steps_per_epoch=1)
    trainer.fit(batches(3), progress=False)
    trainer.fit([train.images[:9], train.labels[:9]], progress=False,
                sampling=np.ones(9), augment=None)
    with trainer.averaged_weights(), average.average_parameters():
        assert_type(trainer.evaluate(test[:50], views=[identity, horizontal_flip]),
                    dict[str, float])
    assert_type(trainer.predict(test.images[:5]), NDArray[np.int64])
    probabilities = trainer.predict_proba((image for image in test.images[:5]), batch_size=2,
                                          views=[Shift(0, 0), Shift(1, -1, fill=0.5), turned])
    assert probabilities.shape == (5, 10) and model.predict(test[:5]).shape == (5,)
    matrix = cn.metrics.confusion_matrix(probabilities, test.labels[:5])
    assert_type(matrix, NDArray[np.int64])
    precision, recall, f1 = cn.metrics.precision_recall_f1(matrix)
    assert precision.shape == recall.shape == f1.shape
    assert cn.metrics.classification_report(matrix, test.classes)
    assert_type(cn.metrics.top_k_accuracy(probabilities, test.labels[:5], k=3), float)
    assert "Linear" in model.summary((1, 8, 8))

    path = folder / "model.safetensors"
    cn.save(model, path)
    model = cn.load(path, layers={"Scale": Scale})
    network = cn.models.convnet(train.images.shape[1:], len(train.classes))
    network.load_state_dict(network.state_dict())
    assert_type(network.state_dict(), dict[str, NDArray[Any]])
    cn.save(network, str(path))
    network = cn.load(path)
    assert len(network.predict_proba(test.images[:2])) == 2
    assert isinstance(restored(path), cn.Module)


def by_hand(x: Images, labels: NDArray[np.int64]) -> None:
    model = cn.Sequential(cn.Conv2d(1, 2, 3), cn.LeakyReLU(0.1), cn.GlobalAvgPool2d(), Scale(2),
                          cn.Concat(cn.GELU("tanh"), cn.ELU()), cn.Flatten(), cn.Linear(4, 10))
    loss = cn.CrossEntropyLoss()
    optimizer = cn.AdamW([{"params": model[0].parameters(), "lr": 0.01},
                          {"params": model[6].parameters()}], betas=(0.8, 0.99))
    value = loss.forward(model.forward(x), labels)
    assert_type(value, float)
    model.backward(loss.backward(), input_gradient=False)
    cn.clip_grad_norm_(model.parameters(), 1.0, norm_type="inf")
    cn.clip_grad_value_(model[0].weight, 0.5)
    optimizer.step()
    optimizer.lr *= 0.5
    cn.ReduceLROnPlateau(optimizer, "max", min_lr=[0.1, 0.2]).step(value)
    Halving(optimizer).step()
    SignSGD(model.parameters(), lr=0.01).step()
    assert_type(loss(model(x), labels), float)
    dx = model.backward(loss.backward())
    assert dx.shape == x.shape
    bias = cn.Conv2d(1, 2, 3).bias.data
    assert bias.shape == (2,) and model[0].weight.grad.shape == (2, 1, 3, 3)
    for name, parameter in model.named_parameters("net."):
        assert name.startswith("net.") and parameter.data.dtype == np.float32
    model.normalization = cn.Normalization([0.5], np.array([0.25]))
    assert_type(model[:2], cn.Sequential)
    losses = cn.MSELoss(reduction="none")
    assert_type(losses.forward(x, x), NDArray[np.floating[Any]])
    assert losses.forward(x, x).shape == x.shape and LogCosh()(x, x) == 0
    assert cn.gradcheck(Scale(3), (2, 3, 4, 4)) and OwnNet(cn.Tanh())(x).dtype == x.dtype
    around = Around(cn.Sequential(cn.Sigmoid()))
    assert around(x).shape == around.forward(x).shape
    state = cn.get_rng_state()
    cn.set_rng_state(state)
    with cn.num_threads(1), cn.convolution_algorithm("direct"):
        assert cn.get_num_threads() == 1
    assert cn.show_config("dicts")["threads"] == cn.get_num_threads()


def functions(x: Images, wide: NDArray[np.float64]) -> None:
    weight = cn.init.kaiming_normal((4, 1, 3, 3), nonlinearity="relu", dtype=np.float32, rng=0)
    y = F.conv2d(x, weight, stride=(1, 1), padding="valid", algorithm="direct")
    assert_type(y, NDArray[np.float32])
    assert_type(F.relu(wide), NDArray[np.float64])
    doubled: NDArray[np.float64] = wide + F.linear_backward(wide, wide, np.eye(8))[0]
    dx, dweight, dbias = F.conv2d_backward(y, x, weight, bias=True)
    assert dx.shape == x.shape and dweight.shape == weight.shape and dbias.shape == (4,)
    pooled, indices = F.max_pool2d(y, 2, return_indices=True)
    assert_type(pooled, NDArray[np.float32])
    assert_type(indices, NDArray[np.int64])
    assert_type(F.max_pool2d(y, 2, 1, 0, 1, True), NDArray[np.float32])
    dy = F.max_pool2d_backward(pooled, indices, y.shape)
    assert dy.shape == y.shape and doubled.shape == wide.shape
    assert_type(F.cross_entropy([[0.5, 1.5]], [1]), float)
    assert_type(F.cross_entropy([[0.5, 1.5]], [1], reduction="none"), NDArray[np.floating[Any]])
    assert_type(F.concat([x, x]), NDArray[np.float32])
    assert len(F.concat_backward(F.concat((x, x)), [1, 1])) == 2
    rows = F.flatten(F.adaptive_avg_pool2d(x, y.shape[2:]))
    assert F.linear(rows, np.ones((2, rows.shape[1]), np.float32)).shape == (len(x), 2)
    assert F.softmax([1, 2, 3]).shape == F.silu(np.arange(3)).shape == (3,)
    mean = np.zeros(1, np.float32)
    F.batch_norm(x, mean, np.ones(1, np.float32), training=True)
    assert F.batch_norm_backward(x, x, training=True)[0].shape == x.shape
    F.sgd_step(mean, np.ones(1, np.float32), None, lr=0.1)
    assert F.remap(np.zeros((1, 1, 2, 2), np.uint8), [0], [[0]], [[1]]).dtype == np.uint8


def pictures(folder: Path) -> None:
    train, _ = cn.data.load_digits()
    figure = cn.plot.plot_images(train.images[:3], train.labels[:3], train.classes)
    figure.savefig(folder / "digits.png")
    cn.plot.plot_filters(cn.Conv2d(1, 4, 3), path=folder / "filters.png", most=(4, 1))


def main(folder: Path) -> None:
    x = np.linspace(-1, 1, 128, dtype=np.float32).reshape(2, 1, 8, 8)
    train(folder)
    by_hand(x, np.array([3, 4]))
    functions(x, np.linspace(-1, 1, 64).reshape(8, 8))
    pictures(folder)
