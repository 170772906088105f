"""What all schedules have in common."""

from ..functional import _check


class Schedule:
    """A schedule of your own needs `set(step)`, which changes the optimizer.

    A schedule here is a function of the step alone, so that a training that is resumed has the same
    bits. (PyTorch's multiply what is there.) So each step overwrites what else has changed the
    learning rate meanwhile: by hand (set `optimizer.lr` and make a new schedule), or by another
    schedule, of which :class:`SequentialLR` puts several one after the other.

    Parameters
    ----------
    optimizer : cycnn.optim.Optimizer
    total_steps : int or None
        The number of steps that it is made for, if it ends.
    interval : {"batch", "epoch"}
        When :meth:`cycnn.Trainer.fit` calls `step`: what a step is.

    Raises
    ------
    TypeError, ValueError
        If `optimizer` is none, or another argument is not as the schedule says.

    Attributes
    ----------
    last_step : int
        Steps done, 0 at the start.
    """

    def __init__(self, optimizer, total_steps=None, interval="batch"):
        if interval not in ("batch", "epoch"):
            raise ValueError(f'interval must be "batch" or "epoch", got {interval!r}')
        self.optimizer = optimizer
        self.total_steps = total_steps
        self.interval = interval
        self.last_step = 0
        self.set(0)

    def set(self, step):
        """Give the optimizer the values for step number `step`, counted from 0."""
        raise NotImplementedError(f"{type(self).__name__} has no set")

    def step(self):
        """Go on to the next batch, or epoch."""
        self.set(self.last_step + 1)
        self.last_step += 1

    def get_last_lr(self):
        """The learning rate of each of the optimizer's groups, as it is now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def after_batch(self):
        """What :meth:`cycnn.Trainer.fit` calls after each batch."""
        if self.interval == "batch":
            self.step()

    def after_epoch(self, history):
        """What :meth:`cycnn.Trainer.fit` calls after each epoch, when it is in `history`."""
        if self.interval == "epoch":
            self.step()

    def state_dict(self):
        """Where the schedule stands, as JSON can hold it; not what it was made with."""
        return {"last_step": self.last_step}

    def load_state_dict(self, state_dict):
        """Go on where another schedule, made with the same arguments, was.

        The optimizer gets the values of that step.

        Raises
        ------
        ValueError, TypeError
            If it is no state of such a schedule. Nothing has been changed.
        """
        last_step = _check.integer(entry(state_dict, "last_step"), "last_step", 0)
        self.set(last_step)
        self.last_step = last_step


class LearningRate(Schedule):
    """A schedule of learning rates alone, each group's a function of its first one and the step.

    Attributes
    ----------
    base_lrs : list of float
        The groups' first learning rates: ``"initial_lr"`` of a group, where an earlier schedule has
        left that, as in PyTorch. Setting `optimizer.lr` forgets it.
    """

    def __init__(self, optimizer, total_steps=None, interval="batch"):
        self.base_lrs = []
        super().__init__(check_optimizer(optimizer), total_steps, interval)

    def set(self, step):
        groups = self.optimizer.param_groups
        for group in groups[len(self.base_lrs):]:           # those that came since
            self.base_lrs.append(group.setdefault("initial_lr", group["lr"]))
        lrs = [self.lr_at(base_lr, step) for base_lr in self.base_lrs]      # all, or an error
        for group, lr in zip(groups, lrs):
            group["lr"] = lr

    def lr_at(self, base_lr, step):
        """The learning rate of a group whose first one was `base_lr`."""
        raise NotImplementedError(f"{type(self).__name__} has no lr_at")

    def state_dict(self):
        return {**super().state_dict(), "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict):
        base_lrs = entry(state_dict, "base_lrs")
        if not isinstance(base_lrs, (list, tuple)) or len(base_lrs) != len(self.base_lrs):
            raise ValueError(f"base_lrs must be the learning rates of {len(self.base_lrs)} groups, "
                             f"got {base_lrs!r}")
        before = self.base_lrs
        self.base_lrs = [_check.number(lr, "base_lrs", 0) for lr in base_lrs]
        try:
            super().load_state_dict(state_dict)
        except Exception:
            self.base_lrs = before
            raise


def check_optimizer(optimizer):
    """The optimizer, if it has groups of parameters."""
    if not isinstance(getattr(optimizer, "param_groups", None), list):
        raise TypeError("optimizer must be a cycnn.optim.Optimizer, such as cycnn.SGD, got "
                        f"{type(optimizer).__name__}")
    return optimizer


def entry(state_dict, name):
    """What a state holds under this name, or an error."""
    if not isinstance(state_dict, dict) or name not in state_dict:
        raise ValueError(f"state_dict must be a dict with the entry {name!r}, got {state_dict!r}")
    return state_dict[name]
