"""Layers: each a `forward` and a `backward` next to each other."""

from .activation import LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from .container import Sequential
from .conv import Conv2d
from .linear import Linear
from .module import Module, Parameter
from .pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from .shape import Flatten

__all__ = ["AvgPool2d", "Conv2d", "Flatten", "GlobalAvgPool2d", "LeakyReLU", "Linear", "MaxPool2d",
           "Module", "Parameter", "ReLU", "Sequential", "Sigmoid", "Softmax", "Tanh"]
