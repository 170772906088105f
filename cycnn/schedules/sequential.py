"""One schedule after the other."""

import bisect

from .curves import milestones_of
from .plateau import ReduceLROnPlateau
from .schedule import Schedule, check_optimizer, entry


class SequentialLR(Schedule):
    """One schedule after the other, each from its own beginning: a warm-up and what follows.

    The way to combine schedules: each is a function of the step, and its every step overwrites what
    else has set the learning rate meanwhile. Step this one alone, not its parts.

    Parameters
    ----------
    optimizer : cycnn.optim.Optimizer
    schedulers : list of Schedule
        Of this optimizer. Each begins with the learning rate that the optimizer had before all of
        them.
    milestones : list of int
        The steps at which the second, the third, ... begins; growing.
    interval : {"batch", "epoch"}
        What a step is in :meth:`cycnn.Trainer.fit`, for all of them.

    Examples
    --------
    >>> warmup = LinearLR(optimizer, start_factor=0.1, total_iters=100)
    >>> rest = CosineAnnealingLR(optimizer, T_max=900)
    >>> schedule = SequentialLR(optimizer, [warmup, rest], milestones=[100])
    """

    def __init__(self, optimizer, schedulers, milestones, interval="batch"):
        check_optimizer(optimizer)
        schedulers = list(schedulers) if isinstance(schedulers, (list, tuple)) else [schedulers]
        if not schedulers:
            raise ValueError("schedulers is empty")
        for schedule in schedulers:
            if not isinstance(schedule, Schedule) or isinstance(schedule, ReduceLROnPlateau):
                raise TypeError("schedulers must be a list of schedules that need no metric, got "
                                f"one {type(schedule).__name__}")
            if schedule.optimizer is not optimizer:
                raise ValueError("schedulers must be made with this optimizer, "
                                 f"{type(schedule).__name__} is not")
        milestones = milestones_of(milestones)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"milestones must be one less than the {len(schedulers)} schedulers, "
                             f"got {len(milestones)}")
        if sorted(set(milestones)) != milestones:
            raise ValueError(f"milestones must grow, got {milestones}")
        self.schedulers, self.milestones = schedulers, milestones
        last = schedulers[-1].total_steps
        total = None if last is None else (milestones[-1] if milestones else 0) + last
        super().__init__(optimizer, total, interval)

    def set(self, step):
        at = bisect.bisect_right(self.milestones, step)
        schedule = self.schedulers[at]
        inside = step - (self.milestones[at - 1] if at else 0)
        schedule.set(inside)
        schedule.last_step = inside

    def state_dict(self):
        return {**super().state_dict(),
                "schedulers": [schedule.state_dict() for schedule in self.schedulers]}

    def load_state_dict(self, state_dict):
        states = entry(state_dict, "schedulers")
        if not isinstance(states, (list, tuple)) or len(states) != len(self.schedulers):
            raise ValueError(f"schedulers must be the states of {len(self.schedulers)} schedules, "
                             f"got {states!r}")
        before = [schedule.state_dict() for schedule in self.schedulers]
        try:
            for schedule, state in zip(self.schedulers, states):
                schedule.load_state_dict(state)
            super().load_state_dict(state_dict)
        except Exception:
            for schedule, state in zip(self.schedulers, before):
                schedule.load_state_dict(state)
            self.set(self.last_step)
            raise
