"""Schedules: how the learning rate changes while training. PyTorch's names and values."""

from .curves import (ConstantLR, CosineAnnealingLR, ExponentialLR, LinearLR, MultiStepLR, StepLR)
from .one_cycle import OneCycleLR
from .plateau import ReduceLROnPlateau
from .schedule import Schedule
from .sequential import SequentialLR

__all__ = ["ConstantLR", "CosineAnnealingLR", "ExponentialLR", "LinearLR", "MultiStepLR",
           "OneCycleLR", "ReduceLROnPlateau", "Schedule", "SequentialLR", "StepLR"]
