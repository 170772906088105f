"""Layers: each a `forward` and a `backward` next to each other."""

from .activation import ELU, GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh
from .branches import Concat, Residual
from .container import Sequential
from .conv import Conv2d
from .conv_transpose import ConvTranspose2d
from .dropout import Dropout, Dropout2d
from .linear import Linear
from .module import Module
from .norm import BatchNorm1d, BatchNorm2d, GroupNorm
from .parameter import Parameter
from .pool import AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool2d, MaxPool2d
from .shape import Flatten, Upsample, ZeroPad2d

__all__ = ["AdaptiveAvgPool2d", "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "Concat", "Conv2d",
           "ConvTranspose2d", "Dropout", "Dropout2d", "ELU", "Flatten", "GELU", "GlobalAvgPool2d",
           "GroupNorm", "LeakyReLU", "Linear", "MaxPool2d", "Module", "Parameter", "ReLU",
           "Residual", "Sequential", "SiLU", "Sigmoid", "Softmax", "Tanh", "Upsample", "ZeroPad2d"]
