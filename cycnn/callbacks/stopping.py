"""When enough is enough: no more progress, or no more time."""

import time

import numpy as np

from ..functional import _check
from .base import Callback
from .monitor import Monitor


class EarlyStopping(Callback):
    """Ends training when a number of the history has not become better for some epochs.

    Parameters
    ----------
    monitor : str
        The number: ``"val_loss"``, ``"val_accuracy"``, ``"train_loss"`` or ``"train_accuracy"``.
    patience : int
        Training ends after so many epochs in a row without a better value; 0 is as 1.
    min_delta : float
        By how much a value must be better than the best one to count.
    mode : {"min", "max"}, optional
        Whether less or more is better; by default more of an accuracy and less of all else.
    restore_best_weights : bool
        At the end, give the model the weights of its best epoch: those that were validated, which
        are the averages where the trainer has some.

    Attributes
    ----------
    best : float
        The best value so far.
    wait : int
        Epochs since then.
    """

    def __init__(self, monitor="val_loss", patience=5, min_delta=0.0, mode=None,
                 restore_best_weights=False):
        self.monitor = Monitor(monitor, mode, min_delta)
        self.patience = _check.integer(patience, "patience", 0)
        self.restore_best_weights = bool(restore_best_weights)
        self.wait, self._weights = 0, {}

    @property
    def best(self):
        return self.monitor.best

    def on_fit_begin(self, trainer, state):
        self.monitor.reset()                    # first: a former training is over in any case
        self.wait, self._weights = 0, {}
        self.monitor.check(state)

    def on_epoch_begin(self, trainer, state):
        if self._enough():                      # as a training that is resumed after its end finds
            state.stop = True

    def on_epoch_end(self, trainer, state):
        if self.monitor.better(state):
            self.wait = 0
            if self.restore_best_weights:
                with trainer.averaged_weights():
                    self._weights = {name: np.array(array)
                                     for name, array in trainer.model.state_dict().items()}
        else:
            self.wait += 1
        if self._enough():
            state.stop = True

    def on_fit_end(self, trainer, state):
        if self._weights:
            trainer.model.load_state_dict(self._weights)
            self._weights = {}                  # as large as the model, and in use no more

    def _enough(self):
        return self.wait >= max(self.patience, 1)

    def state_dict(self):
        return {"best": self.best, "wait": self.wait, "weights": self._weights}

    def load_state_dict(self, state_dict):
        self.monitor.best, self.wait = state_dict["best"], state_dict["wait"]
        self._weights = state_dict["weights"]


class TimeLimit(Callback):
    """Ends training after the batch in which the time is over.

    With a :class:`Checkpoint` beside it, `fit(..., resume=True)` goes on from there, with as much
    time again.

    Parameters
    ----------
    seconds : float
        Above 0; counted from the beginning of `fit`.
    """

    def __init__(self, seconds):
        self.seconds = _check.number(seconds, "seconds", 0)
        if not self.seconds:
            raise ValueError("seconds must be above 0, got 0")

    def on_fit_begin(self, trainer, state):
        self.began = time.perf_counter()

    def on_batch_end(self, trainer, state):
        if time.perf_counter() - self.began >= self.seconds:
            state.stop = True

    def on_epoch_end(self, trainer, state):
        self.on_batch_end(trainer, state)           # validation takes time too
