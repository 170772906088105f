"""What `cycnn` offers, for type checkers: a stub for every public module, beside it.

Functions and classes stand in the stub of the package that offers them, and not file by file as
the code does: `layers/__init__.pyi` has all layers.
"""

from . import callbacks, data, functional, init, metrics, models, plot
from . import history as history
from . import kernels as kernels
from . import layers as layers
from . import losses as losses
from . import normalization as normalization
from . import optim as optim
from . import random as random
from . import schedules as schedules
from . import serialization as serialization
from . import threads as threads
from . import trainer as trainer
from .callbacks import Callback
from .functional import convolution_algorithm
from .history import History
from .layers import (ELU, GELU, AdaptiveAvgPool2d, AvgPool2d, BatchNorm1d, BatchNorm2d, Concat,
                     Conv2d, ConvTranspose2d, Dropout, Dropout2d, Flatten, GlobalAvgPool2d,
                     GroupNorm, LeakyReLU, Linear, MaxPool2d, Module, Parameter, ReLU, Residual,
                     Sequential, Sigmoid, SiLU, Softmax, Tanh, Upsample, ZeroPad2d)
from .layers.gradcheck import GradcheckError, gradcheck
from .losses import BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, L1Loss, MSELoss
from .normalization import Normalization
from .optim import (SGD, Adam, AdamW, ExponentialMovingAverage, RMSprop, clip_grad_norm_,
                    clip_grad_value_)
from .random import get_rng_state, manual_seed, set_rng_state
from .schedules import (ConstantLR, CosineAnnealingLR, ExponentialLR, LinearLR, MultiStepLR,
                        OneCycleLR, ReduceLROnPlateau, SequentialLR, StepLR)
from .serialization import load, save
from .threads import get_num_threads, num_threads, set_num_threads, show_config
from .trainer import Trainer

__version__: str

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
