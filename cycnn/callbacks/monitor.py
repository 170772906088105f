"""Whether a number of the history has become better."""

import math

from ..functional import _check


class Monitor:
    """The best value so far of one of the history's numbers.

    Parameters
    ----------
    name : str
        Such as ``"val_loss"`` or ``"val_accuracy"``.
    mode : {"min", "max"}, optional
        Whether less or more is better; by default more of an accuracy and less of all else.
    min_delta : float
        By how much a value must be better than the best one to count.
    """

    def __init__(self, name, mode=None, min_delta=0.0):
        if not isinstance(name, str):
            raise TypeError(f"monitor must be the name of a number such as 'val_loss', "
                            f"got {name!r}")
        if mode not in (None, "min", "max"):
            raise ValueError(f"mode must be 'min' or 'max', got {mode!r}")
        self.name = name
        self.more = mode == "max" if mode else name.endswith("accuracy")
        self.min_delta = _check.number(min_delta, "min_delta", 0)
        self.reset()

    def reset(self):
        self.best = -math.inf if self.more else math.inf

    def check(self, state):
        """Raise if the history will not have this number."""
        if self.name not in state.records:
            hint = ("; give fit(validation=...)" if self.name.startswith("val_")
                    and f"train_{self.name[4:]}" in state.records else "")
            raise ValueError(f"monitor must be one of {', '.join(state.records)}, which this "
                             f"training records, got {self.name!r}{hint}")

    def better(self, state):
        """Whether the last epoch's value is better than all before it; it then becomes the best."""
        value = getattr(state.history, self.name)[-1]
        gain = value - self.best if self.more else self.best - value
        if not gain > self.min_delta:
            return False
        self.best = value
        return True
