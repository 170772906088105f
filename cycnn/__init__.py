"""Convolutional networks on ordinary CPUs. The public names, nothing else."""

from . import functional, init
from .callbacks import Callback
from .functional import convolution_algorithm
from .history import History
from .init import manual_seed
from .layers import (AvgPool2d, Conv2d, Flatten, GlobalAvgPool2d, LeakyReLU, Linear, MaxPool2d,
                     Module, Parameter, ReLU, Sequential, Sigmoid, Softmax, Tanh)
from .losses import BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, L1Loss, MSELoss
from .normalization import Normalization
from .optim import (SGD, Adam, AdamW, ExponentialMovingAverage, RMSprop, clip_grad_norm_,
                    clip_grad_value_)
from .schedules import (ConstantLR, CosineAnnealingLR, ExponentialLR, LinearLR, MultiStepLR,
                        OneCycleLR, ReduceLROnPlateau, SequentialLR, StepLR)
from .serialization import load, save
from .threads import get_num_threads, num_threads, set_num_threads, show_config
from .trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "Adam", "AdamW", "AvgPool2d", "BCEWithLogitsLoss", "Callback", "ConstantLR", "Conv2d",
    "CosineAnnealingLR", "CrossEntropyLoss", "ExponentialLR", "ExponentialMovingAverage", "Flatten",
    "GlobalAvgPool2d", "History", "HuberLoss", "L1Loss", "LeakyReLU", "Linear", "LinearLR",
    "MSELoss", "MaxPool2d", "Module", "MultiStepLR", "Normalization", "OneCycleLR", "Parameter",
    "RMSprop", "ReLU", "ReduceLROnPlateau", "SGD", "Sequential", "SequentialLR", "Sigmoid",
    "Softmax", "StepLR", "Tanh", "Trainer", "clip_grad_norm_", "clip_grad_value_",
    "convolution_algorithm", "data", "functional", "get_num_threads", "init", "load", "manual_seed",
    "num_threads", "plot", "save", "set_num_threads", "show_config",
]


def __getattr__(name):
    # Loaded when first used: they are no part of predicting with a model.
    if name in ("data", "plot"):
        import importlib
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
