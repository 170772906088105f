"""Convolutional networks on ordinary CPUs. The public names, nothing else."""

from . import _later, functional, init
from .functional import convolution_algorithm
from .layers import (ELU, GELU, AdaptiveAvgPool2d, AvgPool2d, BatchNorm1d, BatchNorm2d, Concat,
                     Conv2d, ConvTranspose2d, Dropout, Dropout2d, Flatten, GlobalAvgPool2d,
                     GroupNorm, LeakyReLU, Linear, MaxPool2d, Module, Parameter, ReLU, Residual,
                     Sequential, Sigmoid, SiLU, Softmax, Tanh, Upsample, ZeroPad2d)
from .normalization import Normalization
from .random import get_rng_state, manual_seed, set_rng_state
from .serialization import load, save
from .threads import get_num_threads, num_threads, set_num_threads, show_config

__version__ = "0.1.0"

__all__ = [
    "Adam", "AdamW", "AdaptiveAvgPool2d", "AvgPool2d", "BCEWithLogitsLoss", "BatchNorm1d",
    "BatchNorm2d", "Callback", "Concat", "ConstantLR", "Conv2d", "ConvTranspose2d",
    "CosineAnnealingLR", "CrossEntropyLoss", "Dropout", "Dropout2d", "ELU", "ExponentialLR",
    "ExponentialMovingAverage", "Flatten", "GELU", "GlobalAvgPool2d", "GradcheckError", "GroupNorm",
    "History", "HuberLoss", "L1Loss", "LeakyReLU", "Linear", "LinearLR", "MSELoss", "MaxPool2d",
    "Module", "MultiStepLR", "Normalization", "OneCycleLR", "Parameter", "RMSprop", "ReLU",
    "ReduceLROnPlateau", "Residual", "SGD", "Sequential", "SequentialLR", "SiLU", "Sigmoid",
    "Softmax", "StepLR", "Tanh", "Trainer", "Upsample", "ZeroPad2d", "callbacks", "clip_grad_norm_",
    "clip_grad_value_", "convolution_algorithm", "data", "functional", "get_num_threads",
    "get_rng_state", "gradcheck", "init", "load", "manual_seed", "metrics", "models", "num_threads",
    "plot", "save", "set_num_threads", "set_rng_state", "show_config",
]


# They are no part of predicting with a model; an import without them takes half as long.
__getattr__ = _later.loader(
    __name__, modules=("callbacks", "data", "history", "losses", "metrics", "models", "optim",
                       "plot", "schedules", "trainer"),
    names={
        "callbacks": ("Callback",),
        "history": ("History",),
        "layers.gradcheck": ("GradcheckError", "gradcheck"),
        "losses": ("BCEWithLogitsLoss", "CrossEntropyLoss", "HuberLoss", "L1Loss", "MSELoss"),
        "optim": ("SGD", "Adam", "AdamW", "ExponentialMovingAverage", "RMSprop",
                  "clip_grad_norm_", "clip_grad_value_"),
        "schedules": ("ConstantLR", "CosineAnnealingLR", "ExponentialLR", "LinearLR",
                      "MultiStepLR", "OneCycleLR", "ReduceLROnPlateau", "SequentialLR", "StepLR"),
        "trainer": ("Trainer",)})


def __dir__():
    return sorted({*globals(), *__all__})
