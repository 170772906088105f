"""Calls that are wrong, each in a line that says what mypy must find in it.

test_types.py has mypy warn of every ``type: ignore`` that nothing is wrong behind, and never runs
this.
"""

import numpy as np
from numpy.typing import NDArray

import cycnn as cn
import cycnn.functional as F
from cycnn.callbacks import Checkpoint, EarlyStopping
from cycnn.data.augment import Compose, RandomCrop, RandomErasing


def names_and_arguments(trainer: cn.Trainer, model: cn.Sequential, data: cn.data.Dataset) -> None:
    trainer.fit(data, epochs="3")  # type: ignore[arg-type]
    trainer.fit(data, epoch=3)  # type: ignore[call-arg]
    trainer.fit(data, epochs=1.5)  # type: ignore[arg-type]
    trainer.fit()  # type: ignore[call-arg]
    trainer.fit("digits")  # type: ignore[arg-type]
    trainer.fit(data, callbacks=[EarlyStopping])  # type: ignore[list-item]
    trainer.fit(data, callbacks="bar")  # type: ignore[arg-type]
    trainer.fit(data, sampling="balance")  # type: ignore[arg-type]
    trainer.fit(data, 1, 64, None, None, (), None, None)  # type: ignore[call-arg]
    trainer.fit(data, schedule=cn.StepLR)  # type: ignore[arg-type]
    trainer.fit(data, augment=RandomCrop)  # type: ignore[arg-type]
    trainer.fit(data, progress="bar")  # type: ignore[arg-type]
    trainer.predict("digit.png")  # type: ignore[arg-type]
    trainer.predict(data, views=[3])  # type: ignore[list-item]
    trainer.evaluate(data)["loss"].shape  # type: ignore[attr-defined]
    cn.Trainer(model, cn.CrossEntropyLoss())  # type: ignore[call-arg, arg-type]
    cn.Trainer(model, cn.SGD, cn.CrossEntropyLoss())  # type: ignore[arg-type]
    model.foward(data.images)  # type: ignore[attr-defined]
    model.train("eval")  # type: ignore[arg-type]
    model.summary(28)  # type: ignore[arg-type]
    cn.Conv3d(1, 2, 3)  # type: ignore[attr-defined]
    cn.save("model.safetensors", model)  # type: ignore[arg-type]
    cn.load(3)  # type: ignore[call-overload]
    cn.manual_seed("0")  # type: ignore[arg-type]
    cn.set_num_threads("2")  # type: ignore[arg-type]
    cn.show_config("yaml")  # type: ignore[call-overload]
    cn.convolution_algorithm("fast")  # type: ignore[arg-type]
    cn.metrics.confusion_matrix(data.labels)  # type: ignore[call-arg]
    cn.plot.plot_images(data.images, class_names=[])  # type: ignore[call-arg]
    cn.models.convnet("mnist", 10)  # type: ignore[arg-type]
    cn.init.kaiming_normal((2, 3), mode="fan")  # type: ignore[arg-type]


def layers() -> None:
    cn.Conv2d(1, 32)  # type: ignore[call-arg]
    cn.Conv2d(1, "32", 3)  # type: ignore[arg-type]
    cn.Conv2d(1, 32, 3, pad=1)  # type: ignore[call-arg]
    cn.Conv2d(1, 32, 3, padding="full")  # type: ignore[arg-type]
    cn.Conv2d(1, 32, 3, dtype=np.float16)  # type: ignore[arg-type]
    cn.Conv2d(1, 32, 3, rng="0")  # type: ignore[arg-type]
    cn.Conv2d(1, 32, 3.0)  # type: ignore[arg-type]
    cn.ConvTranspose2d(1, 32, 3, padding="same")  # type: ignore[arg-type]
    cn.Linear(10)  # type: ignore[call-arg]
    cn.Linear("10", 10)  # type: ignore[arg-type]
    cn.MaxPool2d()  # type: ignore[call-arg]
    cn.BatchNorm2d(8, momentum="0.1")  # type: ignore[arg-type]
    cn.GELU("erf")  # type: ignore[arg-type]
    cn.Upsample(2, mode="bilinear")  # type: ignore[call-overload]
    cn.Upsample()  # type: ignore[call-overload]
    cn.Sequential([cn.ReLU()])  # type: ignore[arg-type]
    cn.Sequential(cn.ReLU)  # type: ignore[arg-type]
    cn.Residual()  # type: ignore[call-arg]
    cn.Parameter("weight")  # type: ignore[call-overload]
    cn.gradcheck(cn.Conv2d, (1, 2))  # type: ignore[arg-type]


def training(model: cn.Sequential, images: NDArray[np.float32]) -> None:
    optimizer = cn.SGD(model.parameters(), 0.1)
    cn.SGD(model.parameters())  # type: ignore[call-arg]
    cn.SGD(model, lr=0.1)  # type: ignore[arg-type]
    cn.SGD(model.parameters(), lr="0.1")  # type: ignore[arg-type]
    cn.Adam(model.parameters(), momentum=0.9)  # type: ignore[call-arg]
    cn.Adam(model.parameters(), betas=0.9)  # type: ignore[arg-type]
    cn.StepLR(optimizer)  # type: ignore[call-arg]
    cn.StepLR(optimizer, 2, interval="step")  # type: ignore[arg-type]
    cn.ReduceLROnPlateau(optimizer).step()  # type: ignore[call-arg]
    cn.CrossEntropyLoss(reduction="average")  # type: ignore[call-overload]
    cn.CrossEntropyLoss(smoothing=0.1)  # type: ignore[call-overload]
    cn.MSELoss(0.5)  # type: ignore[call-overload]
    cn.MSELoss()(images)  # type: ignore[call-arg]
    cn.MSELoss().forward(images, images).shape  # type: ignore[attr-defined]
    cn.clip_grad_norm_(model.parameters())  # type: ignore[call-arg]
    cn.ExponentialMovingAverage(optimizer)  # type: ignore[arg-type]
    model.backward(images, inputs=False)  # type: ignore[call-arg]
    Checkpoint(3)  # type: ignore[arg-type]
    EarlyStopping("val_loss", mode="less")  # type: ignore[arg-type]
    Compose([RandomCrop])  # type: ignore[list-item]
    RandomErasing(value="noise")  # type: ignore[arg-type]
    cn.data.load("digits", test_fraction="0.2")  # type: ignore[arg-type]
    cn.data.load("pictures", channels=2)  # type: ignore[arg-type]
    cn.data.Dataset(images)  # type: ignore[call-arg]


def functions(x: NDArray[np.float32], weight: NDArray[np.float32]) -> None:
    F.conv2d(x)  # type: ignore[call-overload]
    F.conv2d(x, weight, stride="2")  # type: ignore[call-overload]
    F.conv2d(x, weight, algorithm="fast")  # type: ignore[call-overload]
    F.conv2d("x", weight)  # type: ignore[call-overload]
    F.relu(None)  # type: ignore[call-overload]
    F.relu(x, slope=0.1)  # type: ignore[call-overload]
    F.max_pool2d(x)  # type: ignore[call-overload]
    F.dropout(x, key="key")  # type: ignore[call-overload]
    F.cross_entropy(x)  # type: ignore[call-overload]
    F.concat(3)  # type: ignore[call-overload]
    whole: NDArray[np.int64] = F.relu(x)  # type: ignore[assignment]
    loss: NDArray[np.float32] = F.mse_loss(x, x)  # type: ignore[assignment]
    del whole, loss


class WrongLayer(cn.Module):
    def forward(self, x: int) -> int:  # type: ignore[override]
        return x

    def backward(self, dy: NDArray[np.float32]) -> None:  # type: ignore[override]
        pass
