from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ._types import Augment, Data, FloatArray, Images, Int, Number, Numbers, StrPath, View
from .callbacks import Callback
from .history import History
from .layers import Module
from .losses import Loss
from .optim import ExponentialMovingAverage, Optimizer
from .schedules import Schedule

class Trainer:
    model: Module
    optimizer: Optimizer
    loss: Loss
    ema: ExponentialMovingAverage | Any     # None without one
    seed: int
    rng: np.random.Generator
    clip_grad_norm: float | None
    clip_grad_value: float | None
    epochs_begun: int
    def __init__(self, model: Module, optimizer: Optimizer, loss: Loss, seed: Int = 0,
                 clip_grad_norm: Number | None = None, clip_grad_value: Number | None = None,
                 ema: ExponentialMovingAverage | None = None) -> None: ...
    def fit(self, train: Data, epochs: Int = 1, batch_size: Int = 64,
            validation: Data | None = None, schedule: Schedule | None = None,
            callbacks: Iterable[Callback] | Callback = (), progress: bool | None = None, *,
            augment: Augment | None = None,
            sampling: Literal["balanced"] | Numbers | None = None, accumulate: Int = 1,
            steps_per_epoch: Int | None = None, resume: StrPath | bool | None = None
            ) -> History: ...
    def evaluate(self, dataset: Data, batch_size: Int = 256, views: Iterable[View] | None = None
                 ) -> dict[str, float]: ...
    def predict_proba(self, images: Images, batch_size: Int = 256,
                      views: Iterable[View] | None = None) -> FloatArray: ...
    def predict(self, images: Images, batch_size: Int = 256,
                views: Iterable[View] | None = None) -> NDArray[np.int64]: ...
    def averaged_weights(self) -> AbstractContextManager[None]: ...
