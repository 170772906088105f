"""Convolutional networks on ordinary CPUs. The public names, nothing else."""

from . import callbacks, functional, init, metrics
from .callbacks import Callback
from .functional import convolution_algorithm
from .history import History
from .init import manual_seed
from .layers import (AvgPool2d, Conv2d, Flatten, GlobalAvgPool2d, LeakyReLU, Linear, MaxPool2d,
                     Module, Parameter, ReLU, Sequential, Sigmoid, Softmax, Tanh)
from .losses import CrossEntropyLoss, MSELoss
from .normalization import Normalization
from .optim import SGD
from .schedules import CosineAnnealingLR, OneCycleLR
from .serialization import load, save
from .threads import get_num_threads, num_threads, set_num_threads, show_config
from .trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "AvgPool2d", "Callback", "Conv2d", "CosineAnnealingLR", "CrossEntropyLoss", "Flatten",
    "GlobalAvgPool2d", "History", "LeakyReLU", "Linear", "MSELoss", "MaxPool2d", "Module",
    "Normalization", "OneCycleLR", "Parameter", "ReLU", "SGD", "Sequential", "Sigmoid", "Softmax",
    "Tanh", "Trainer", "callbacks", "convolution_algorithm", "data", "functional",
    "get_num_threads", "init", "load", "manual_seed", "metrics", "num_threads", "plot", "save",
    "set_num_threads", "show_config",
]


def __getattr__(name):
    # Loaded when first used: they are no part of predicting with a model.
    if name in ("data", "plot"):
        import importlib
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
