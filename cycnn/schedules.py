"""Schedules: how the learning rate changes while training. `step()` once a batch."""

import math

from .functional import _check


class Schedule:
    """A schedule of your own needs `set(step)`, which changes the optimizer.

    Parameters
    ----------
    optimizer : cycnn.SGD
    total_steps : int or None
        The number of batches that it is made for, if it ends.

    Attributes
    ----------
    last_step : int
        Steps done, 0 at the start.
    """

    def __init__(self, optimizer, total_steps=None):
        self.optimizer = optimizer
        self.total_steps = total_steps
        self.last_step = 0
        self.set(0)

    def set(self, step):
        """Give the optimizer the values for batch number `step`, counted from 0."""
        raise NotImplementedError(f"{type(self).__name__} has no set")

    def step(self):
        """Go on to the next batch."""
        self.last_step += 1
        self.set(self.last_step)

    def state_dict(self):
        """All numbers of the schedule; the optimizer's are in its own."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict):
        """Go on from what :meth:`state_dict` returned."""
        vars(self).update(state_dict)


class CosineAnnealingLR(Schedule):
    r"""From the optimizer's learning rate down to `eta_min` along half a cosine.

    .. math::
        \eta_t = \eta_{min} + \frac{\eta_0 - \eta_{min}}{2} (1 + \cos(\pi t / T_{max}))

    Loshchilov and Hutter, arXiv:1608.03983, without restarts.

    Parameters
    ----------
    optimizer : cycnn.SGD
    T_max : int
        The number of batches to go down in.
    eta_min : float
    """

    def __init__(self, optimizer, T_max, eta_min=0.0):
        self.T_max = _check.integer(T_max, "T_max", 1)
        self.eta_min = _check.number(eta_min, "eta_min", 0)
        self.base_lr = optimizer.lr
        super().__init__(optimizer, self.T_max)

    def set(self, step):
        self.optimizer.lr = _cosine(self.base_lr, self.eta_min, step, self.T_max)


class OneCycleLR(Schedule):
    """Up to `max_lr` and far down again, along cosines, momentum the other way round.

    Smith and Topin, arXiv:1708.07120; defaults and values are PyTorch's.

    Parameters
    ----------
    optimizer : cycnn.SGD
    max_lr : float
    total_steps : int
        Batches in all: epochs * ceil(images / batch_size).
    pct_start : float
        The part of the steps that goes up.
    cycle_momentum : bool
        Whether momentum goes from `max_momentum` down to `base_momentum` and back.
    base_momentum, max_momentum : float
    div_factor : float
        The first learning rate is `max_lr / div_factor`.
    final_div_factor : float
        The last one is `max_lr / div_factor / final_div_factor`.
    """

    def __init__(self, optimizer, max_lr, total_steps, pct_start=0.3, cycle_momentum=True,
                 base_momentum=0.85, max_momentum=0.95, div_factor=25.0, final_div_factor=1e4):
        self.max_lr = _check.number(max_lr, "max_lr", 0)
        _check.integer(total_steps, "total_steps", 1)
        self.first_lr = self.max_lr / _check.number(div_factor, "div_factor", 1)
        self.last_lr = self.first_lr / _check.number(final_div_factor, "final_div_factor", 1)
        # PyTorch counts steps from 0: the peak and the end are the last steps of their parts.
        self.peak = _check.number(pct_start, "pct_start", 0, below=1) * total_steps - 1
        self.end = total_steps - 1
        self.cycle_momentum = bool(cycle_momentum)
        self.base_momentum = _check.number(base_momentum, "base_momentum", 0, below=1)
        self.max_momentum = _check.number(max_momentum, "max_momentum", 0, below=1)
        if self.cycle_momentum and optimizer.momentum == 0:
            raise ValueError("cycle_momentum=True needs an optimizer with momentum")
        super().__init__(optimizer, total_steps)

    def set(self, step):
        if step <= self.peak:
            lr = _cosine(self.first_lr, self.max_lr, step, self.peak)
            momentum = _cosine(self.max_momentum, self.base_momentum, step, self.peak)
        else:
            step, steps = step - self.peak, self.end - self.peak
            lr = _cosine(self.max_lr, self.last_lr, step, steps)
            momentum = _cosine(self.base_momentum, self.max_momentum, step, steps)
        self.optimizer.lr = lr
        if self.cycle_momentum:
            self.optimizer.momentum = momentum


def _cosine(start, end, step, steps):
    """From `start` at step 0 to `end` at step `steps` along half a cosine; it stays there."""
    part = step / steps if step < steps else 1.0
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))
