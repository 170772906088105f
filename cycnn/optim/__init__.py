"""Optimizers: from gradients to new weights; and what else is done to either in a step."""

from .adam import Adam, AdamW
from .clip import clip_grad_norm_, clip_grad_value_
from .ema import ExponentialMovingAverage
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = ["Adam", "AdamW", "ExponentialMovingAverage", "Optimizer", "RMSprop", "SGD",
           "clip_grad_norm_", "clip_grad_value_"]
