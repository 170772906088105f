"""A lower learning rate when nothing gets better any more."""

import math

from ..functional import _check
from .schedule import Schedule, check_optimizer, entry


class ReduceLROnPlateau(Schedule):
    """Multiplies the learning rate by `factor` when a metric has not got better for a while.

    Values are PyTorch's. :meth:`cycnn.Trainer.fit` gives it its metric after each epoch.

    Parameters
    ----------
    optimizer : cycnn.optim.Optimizer
    mode : {"min", "max"}
        Whether the metric is to fall or to rise.
    factor : float
        From 0 to below 1.
    patience : int
        So many epochs without improvement are borne; the next one lowers the learning rate.
    threshold : float
        An improvement is more than this,
    threshold_mode : {"rel", "abs"}
        as a part of the best value so far, or in absolute terms.
    cooldown : int
        Epochs after a reduction in which nothing is counted.
    min_lr : float or list of float
        Below this it does not go; one for all groups, or one for each.
    eps : float
        A reduction by less than this is not made.
    monitor : str, optional
        The metric's name in the history; if not given, the loss for "min" and the accuracy for
        "max": on the validation set where there is one, else while training.

    Attributes
    ----------
    best : float
        The best value so far.
    num_bad_epochs, cooldown_counter : int
    """

    def __init__(self, optimizer, mode="min", factor=0.1, patience=10, threshold=1e-4,
                 threshold_mode="rel", cooldown=0, min_lr=0.0, eps=1e-8, monitor=None):
        groups = check_optimizer(optimizer).param_groups
        if mode not in ("min", "max"):
            raise ValueError(f'mode must be "min" or "max", got {mode!r}')
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f'threshold_mode must be "rel" or "abs", got {threshold_mode!r}')
        self.mode, self.threshold_mode = mode, threshold_mode
        self.factor = _check.number(factor, "factor", 0, below=1)
        self.patience = _check.integer(patience, "patience", 0)
        self.threshold = _check.number(threshold, "threshold", 0)
        self.cooldown = _check.integer(cooldown, "cooldown", 0)
        self.eps = _check.number(eps, "eps", 0)
        if isinstance(min_lr, (list, tuple)):
            if len(min_lr) != len(groups):
                raise ValueError(f"min_lr must be a number, or one for each of {len(groups)} "
                                 f"groups, got {len(min_lr)}")
            self.min_lr = [_check.number(lr, "min_lr", 0) for lr in min_lr]
        else:
            self.min_lr = _check.number(min_lr, "min_lr", 0)
        if monitor is not None and not isinstance(monitor, str):
            raise TypeError(f"monitor must be a name in the history, got {monitor!r}")
        self.monitor = monitor
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        super().__init__(optimizer, interval="epoch")

    def set(self, step):
        """Nothing: what comes next depends on the metric."""

    def step(self, metrics):
        """The end of an epoch.

        Parameters
        ----------
        metrics : float
            NaN is no improvement.
        """
        if isinstance(metrics, (str, bytes)) or not hasattr(metrics, "__float__"):
            raise TypeError(f"metrics must be a number, got {metrics!r}")
        metrics = float(metrics)
        if self._is_better(metrics):
            self.best, self.num_bad_epochs = metrics, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self.last_step += 1

    def after_epoch(self, history):
        self.step(self._metric(history))

    def check_monitor(self, names):
        """Raise unless the metric will be among the history's `names`."""
        wanted = self._candidates()
        if not any(name in names for name in wanted):
            raise ValueError(f"monitor must be one of {', '.join(names)}, got "
                             f"{self.monitor or wanted[0]!r}")

    def state_dict(self):
        """Where the schedule stands, as JSON can hold it, with the learning rates."""
        return {**super().state_dict(), "best": self.best if math.isfinite(self.best) else None,
                "num_bad_epochs": self.num_bad_epochs, "cooldown_counter": self.cooldown_counter,
                "lrs": self.get_last_lr()}

    def load_state_dict(self, state_dict):
        best = entry(state_dict, "best")
        best = ((math.inf if self.mode == "min" else -math.inf) if best is None
                else _check.number(best, "best"))
        bad, cooldown = (_check.integer(entry(state_dict, name), name, 0)
                         for name in ("num_bad_epochs", "cooldown_counter"))
        lrs, groups = entry(state_dict, "lrs"), self.optimizer.param_groups
        if not isinstance(lrs, (list, tuple)) or len(lrs) != len(groups):
            raise ValueError(f"lrs must be the learning rates of {len(groups)} groups, got {lrs!r}")
        lrs = [_check.number(lr, "lrs", 0) for lr in lrs]
        super().load_state_dict(state_dict)
        self.best, self.num_bad_epochs, self.cooldown_counter = best, bad, cooldown
        for group, lr in zip(groups, lrs):
            group["lr"] = lr

    def _is_better(self, value):
        if self.threshold_mode == "rel":
            bound = self.best * (1 - self.threshold if self.mode == "min" else 1 + self.threshold)
        else:
            bound = self.best + (-self.threshold if self.mode == "min" else self.threshold)
        return value < bound if self.mode == "min" else value > bound

    def _reduce(self):
        groups = self.optimizer.param_groups
        lowest = self.min_lr if isinstance(self.min_lr, list) else [self.min_lr] * len(groups)
        if len(lowest) != len(groups):
            raise ValueError(f"min_lr has {len(lowest)} numbers, the optimizer has now "
                             f"{len(groups)} groups")
        for group, low in zip(groups, lowest):
            lr = max(group["lr"] * self.factor, low)
            if group["lr"] - lr > self.eps:
                group["lr"] = lr

    def _candidates(self):
        """The names of the metric, of which the first that the history has is taken."""
        if self.monitor is not None:
            return [self.monitor]
        return [f"{part}_{'loss' if self.mode == 'min' else 'accuracy'}"
                for part in ("val", "train")]

    def _metric(self, history):
        last = history.last()
        return last[next(name for name in self._candidates() if name in last)]
