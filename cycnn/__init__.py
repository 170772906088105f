"""Convolutional networks on ordinary CPUs. The public names, nothing else."""

from . import callbacks, functional, init, metrics
from .callbacks import Callback
from .functional import convolution_algorithm
from .history import History
from .layers import (ELU, GELU, AdaptiveAvgPool2d, AvgPool2d, BatchNorm1d, BatchNorm2d, Concat,
                     Conv2d, ConvTranspose2d, Dropout, Dropout2d, Flatten, GlobalAvgPool2d,
                     GroupNorm, LeakyReLU, Linear, MaxPool2d, Module, Parameter, ReLU, Residual,
                     Sequential, Sigmoid, SiLU, Softmax, Tanh, Upsample, ZeroPad2d)
from .layers.gradcheck import GradcheckError, gradcheck
from .losses import CrossEntropyLoss, MSELoss
from .normalization import Normalization
from .optim import SGD
from .random import get_rng_state, manual_seed, set_rng_state
from .schedules import CosineAnnealingLR, OneCycleLR
from .serialization import load, save
from .threads import get_num_threads, num_threads, set_num_threads, show_config
from .trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "AdaptiveAvgPool2d", "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "Callback", "Concat", "Conv2d",
    "ConvTranspose2d", "CosineAnnealingLR", "CrossEntropyLoss", "Dropout", "Dropout2d", "ELU",
    "Flatten", "GELU", "GlobalAvgPool2d", "GradcheckError", "GroupNorm", "History", "LeakyReLU",
    "Linear", "MSELoss", "MaxPool2d", "Module", "Normalization", "OneCycleLR", "Parameter", "ReLU",
    "Residual", "SGD", "Sequential", "SiLU", "Sigmoid", "Softmax", "Tanh", "Trainer", "Upsample",
    "ZeroPad2d", "callbacks", "convolution_algorithm", "data", "functional", "get_num_threads",
    "get_rng_state", "gradcheck", "init", "load", "manual_seed", "metrics", "models",
    "num_threads", "plot", "save",
    "set_num_threads", "set_rng_state", "show_config",
]


def __getattr__(name):
    # Loaded when first used: they are no part of predicting with a model.
    if name in ("data", "models", "plot"):
        import importlib
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
