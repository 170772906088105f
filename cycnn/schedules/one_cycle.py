"""One cycle of the learning rate, up and down again."""

from ..functional import _check
from .curves import cosine
from .schedule import Schedule, check_optimizer


class OneCycleLR(Schedule):
    """Up to `max_lr` and far down again, along cosines, momentum the other way round.

    Smith and Topin, arXiv:1708.07120; defaults and values are PyTorch's.

    A function of the step: each step overwrites what else has set learning rate and momentum
    meanwhile, also another schedule; :class:`SequentialLR` puts schedules one after the other.

    Parameters
    ----------
    optimizer : cycnn.optim.Optimizer
    max_lr : float or list of float
        One for all groups, or one for each.
    total_steps : int
        Batches in all: epochs * ceil(images / batch_size). Or give the next two.
    epochs, steps_per_epoch : int
    pct_start : float
        The part of the steps that goes up.
    anneal_strategy : {"cos", "linear"}
        Along cosines or straight lines.
    cycle_momentum : bool
        Whether momentum (Adam's first beta) goes from `max_momentum` down to `base_momentum` and
        back, also where the optimizer's is 0.
    base_momentum, max_momentum : float or list of float
    div_factor : float
        The first learning rate is `max_lr / div_factor`.
    final_div_factor : float
        The last one is `max_lr / div_factor / final_div_factor`.
    three_phase : bool
        Down to the first learning rate in as many steps as up, and only then to the last one.
    interval : {"batch", "epoch"}
        What a step is in :meth:`cycnn.Trainer.fit`.

    Raises
    ------
    ValueError
        Also by `step`, after more than `total_steps`.
    """

    def __init__(self, optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None,
                 pct_start=0.3, anneal_strategy="cos", cycle_momentum=True, base_momentum=0.85,
                 max_momentum=0.95, div_factor=25.0, final_div_factor=1e4, three_phase=False,
                 interval="batch"):
        groups = check_optimizer(optimizer).param_groups
        max_lrs = _one_each(max_lr, len(groups), "max_lr", below=None)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("total_steps must be given, or both epochs and steps_per_epoch")
            total_steps = (_check.integer(epochs, "epochs", 1)
                           * _check.integer(steps_per_epoch, "steps_per_epoch", 1))
        _check.integer(total_steps, "total_steps", 1)
        pct_start = _check.number(pct_start, "pct_start", 0)
        if pct_start > 1:
            raise ValueError(f"pct_start must be from 0 to 1, got {pct_start!r}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f'anneal_strategy must be "cos" or "linear", got {anneal_strategy!r}')
        self.anneal = cosine if anneal_strategy == "cos" else _line
        div_factor = _check.positive(div_factor, "div_factor")
        final_div_factor = _check.positive(final_div_factor, "final_div_factor")
        self.momentum = "momentum" if "momentum" in groups[0] else "betas"
        self.cycle_momentum = _check.flag(cycle_momentum, "cycle_momentum")
        three_phase = _check.flag(three_phase, "three_phase")
        if self.cycle_momentum and not all(self.momentum in group for group in groups):
            raise ValueError("cycle_momentum=True needs an optimizer with the option momentum or "
                             f"betas, {type(optimizer).__name__} has neither")

        # (first, highest, last) of each group.
        self.lrs = [(lr / div_factor, lr, lr / div_factor / final_div_factor) for lr in max_lrs]
        self.momenta = list(zip(_one_each(base_momentum, len(groups), "base_momentum"),
                                _one_each(max_momentum, len(groups), "max_momentum")))
        # The last step of each phase, counted from 0 as PyTorch does, and what the phase goes
        # between: places in `lrs` and in `momenta`.
        peak, end = pct_start * total_steps - 1, total_steps - 1
        up = (peak, (0, 1), (1, 0))
        self.phases = ([up, (2 * peak, (1, 0), (0, 1)), (end, (0, 2), (1, 1))] if three_phase
                       else [up, (end, (1, 2), (0, 1))])
        super().__init__(optimizer, total_steps, interval)

    def set(self, step):
        if step > self.total_steps:
            raise ValueError(f"total_steps is {self.total_steps}, and as many steps are done")
        start = 0
        for end, lr, momentum in self.phases:
            if step <= end or end == self.total_steps - 1:
                break
            start = end
        part = (step - start) / (end - start) if end > start else 1.0
        for group, lrs, momenta in zip(self.optimizer.param_groups, self.lrs, self.momenta):
            group["lr"] = self.anneal(lrs[lr[0]], lrs[lr[1]], part)
            if self.cycle_momentum:
                value = self.anneal(momenta[momentum[0]], momenta[momentum[1]], part)
                group[self.momentum] = (value if self.momentum == "momentum"
                                        else (value, *group["betas"][1:]))


def _line(start, end, part):
    """From `start` to `end` along a line, while `part` goes from 0 to 1; not below 0 after that."""
    return start + (end - start) * min(part, 1)


def _one_each(value, number, name, below=1):
    """One number for each of so many groups, from one for all or a list."""
    values = list(value) if isinstance(value, (list, tuple)) else [value] * number
    if len(values) != number:
        raise ValueError(f"{name} must be a number, or one for each of {number} groups, got "
                         f"{len(values)}")
    return [_check.number(value, name, 0, below=below) for value in values]
