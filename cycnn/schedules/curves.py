"""Schedules that are a function of the first learning rate and the step."""

import bisect
import math

from ..functional import _check
from .schedule import LearningRate


class ConstantLR(LearningRate):
    """A part of the learning rate for some steps, then all of it.

    A function of the step: each step overwrites what else has set the learning rate meanwhile, also
    another schedule; :class:`SequentialLR` puts schedules one after the other.

    Parameters
    ----------
    optimizer : cycnn.optim.Optimizer
    factor : float
        From 0 to 1; with 1 the learning rate is the same all the time.
    total_iters : int
        After so many steps the factor is 1.
    interval : {"batch", "epoch"}
        What a step is in :meth:`cycnn.Trainer.fit`.
    """

    def __init__(self, optimizer, factor=1 / 3, total_iters=5, interval="batch"):
        self.factor = _up_to_1(factor, "factor")
        self.total_iters = _check.integer(total_iters, "total_iters", 1)
        super().__init__(optimizer, interval=interval)

    def lr_at(self, base_lr, step):
        return base_lr * self.factor if step < self.total_iters else base_lr


class LinearLR(LearningRate):
    r"""Warm-up: from a part of the learning rate to all of it, along a straight line.

    .. math::
        \eta_t = \eta_0 \left( f_s + (f_e - f_s) \min(t, T) / T \right)

    Goyal et al., arXiv:1706.02677.

    A function of the step: each step overwrites what else has set the learning rate meanwhile, also
    another schedule; :class:`SequentialLR` puts schedules one after the other.

    Parameters
    ----------
    optimizer : cycnn.optim.Optimizer
    start_factor : float
        f_s, above 0, at most 1.
    end_factor : float
        f_e, from 0 to 1.
    total_iters : int
        T: after so many steps the end is reached.
    interval : {"batch", "epoch"}
        What a step is in :meth:`cycnn.Trainer.fit`.
    """

    def __init__(self, optimizer, start_factor=1 / 3, end_factor=1.0, total_iters=5,
                 interval="batch"):
        self.start_factor = _up_to_1(_check.positive(start_factor, "start_factor"), "start_factor")
        self.end_factor = _up_to_1(end_factor, "end_factor")
        self.total_iters = _check.integer(total_iters, "total_iters", 1)
        super().__init__(optimizer, interval=interval)

    def lr_at(self, base_lr, step):
        part = min(step, self.total_iters) / self.total_iters
        return base_lr * (self.start_factor + (self.end_factor - self.start_factor) * part)


class StepLR(LearningRate):
    """Every `step_size` steps the learning rate is multiplied by `gamma`.

    A function of the step: each step overwrites what else has set the learning rate meanwhile, also
    another schedule; :class:`SequentialLR` puts schedules one after the other.

    Parameters
    ----------
    optimizer : cycnn.optim.Optimizer
    step_size : int
    gamma : float
        At least 0. Above 1 the learning rate grows; beyond the range of a float `step` raises a
        ValueError.
    interval : {"batch", "epoch"}
        What a step is in :meth:`cycnn.Trainer.fit`.
    """

    def __init__(self, optimizer, step_size, gamma=0.1, interval="batch"):
        self.step_size = _check.integer(step_size, "step_size", 1)
        self.gamma = _check.number(gamma, "gamma", 0)
        super().__init__(optimizer, interval=interval)

    def lr_at(self, base_lr, step):
        return times_gamma(base_lr, self.gamma, step // self.step_size)


class MultiStepLR(LearningRate):
    """At each of some steps the learning rate is multiplied by `gamma`.

    A function of the step: each step overwrites what else has set the learning rate meanwhile, also
    another schedule; :class:`SequentialLR` puts schedules one after the other.

    Parameters
    ----------
    optimizer : cycnn.optim.Optimizer
    milestones : iterable of int
        These steps, each at least 0.
    gamma : float
        At least 0. Above 1 the learning rate grows; beyond the range of a float `step` raises a
        ValueError.
    interval : {"batch", "epoch"}
        What a step is in :meth:`cycnn.Trainer.fit`.
    """

    def __init__(self, optimizer, milestones, gamma=0.1, interval="batch"):
        self.milestones = sorted(milestones_of(milestones))
        self.gamma = _check.number(gamma, "gamma", 0)
        super().__init__(optimizer, interval=interval)

    def lr_at(self, base_lr, step):
        return times_gamma(base_lr, self.gamma, bisect.bisect_right(self.milestones, step))


class ExponentialLR(LearningRate):
    """At every step the learning rate is multiplied by `gamma`.

    A function of the step: each step overwrites what else has set the learning rate meanwhile, also
    another schedule; :class:`SequentialLR` puts schedules one after the other.

    Parameters
    ----------
    optimizer : cycnn.optim.Optimizer
    gamma : float
        At least 0. Above 1 the learning rate grows; beyond the range of a float `step` raises a
        ValueError.
    interval : {"batch", "epoch"}
        What a step is in :meth:`cycnn.Trainer.fit`.
    """

    def __init__(self, optimizer, gamma, interval="batch"):
        self.gamma = _check.number(gamma, "gamma", 0)
        super().__init__(optimizer, interval=interval)

    def lr_at(self, base_lr, step):
        return times_gamma(base_lr, self.gamma, step)


class CosineAnnealingLR(LearningRate):
    r"""From the optimizer's learning rate down to `eta_min` along half a cosine.

    .. math::
        \eta_t = \eta_{min} + \frac{\eta_0 - \eta_{min}}{2} (1 + \cos(\pi t / T_{max}))

    Loshchilov and Hutter, arXiv:1608.03983, without restarts. Beyond T_max the cosine goes up
    again.

    A function of the step: each step overwrites what else has set the learning rate meanwhile, also
    another schedule; :class:`SequentialLR` puts schedules one after the other.

    Parameters
    ----------
    optimizer : cycnn.optim.Optimizer
    T_max : int
        The number of steps to go down in.
    eta_min : float
    interval : {"batch", "epoch"}
        What a step is in :meth:`cycnn.Trainer.fit`.
    """

    def __init__(self, optimizer, T_max, eta_min=0.0, interval="batch"):
        self.T_max = _check.integer(T_max, "T_max", 1)
        self.eta_min = _check.number(eta_min, "eta_min", 0)
        super().__init__(optimizer, self.T_max, interval)

    def lr_at(self, base_lr, step):
        return cosine(base_lr, self.eta_min, step / self.T_max)


def cosine(start, end, part):
    """From `start` to `end` along half a cosine, while `part` goes from 0 to 1."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))


def times_gamma(base_lr, gamma, times):
    """`base_lr` multiplied by `gamma` so many times, or an error beyond the range of a float."""
    try:
        lr = base_lr * gamma ** times
    except OverflowError:
        lr = math.inf
    if lr == math.inf:
        raise ValueError(f"gamma must leave the learning rate finite, got {gamma}: {base_lr} times "
                         f"its power {times} is beyond the range of a float")
    return lr


def milestones_of(milestones):
    """The list of these steps, if they are such."""
    if isinstance(milestones, (str, bytes)) or not hasattr(milestones, "__iter__"):
        raise TypeError(f"milestones must be a list of steps, got {milestones!r}")
    return [_check.integer(step, "milestones", 0) for step in milestones]


def _up_to_1(value, name):
    value = _check.number(value, name, 0)
    if value > 1:
        raise ValueError(f"{name} must be at most 1, got {value!r}")
    return value
