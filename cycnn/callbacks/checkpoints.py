"""The last and the best state of a training, in files."""

import os

from .. import checkpoint
from ..functional import _check
from . import paths
from .base import Callback
from .monitor import Monitor


class Checkpoint(Callback):
    """Writes where training stands, so that it can go on after the process has ended in any way.

    ``trainer.fit(..., callbacks=[Checkpoint("last.safetensors")], resume=True)`` goes on from the
    file if there is one. A kill while it is written leaves the one before. It is a model file too:
    :func:`cycnn.load` reads it.

    Parameters
    ----------
    path : str or path-like
    every : int, optional
        Write after so many batches too; by default after each epoch only. When Ctrl-C or a callback
        ends training within an epoch, it is written as well.
    """

    # After the others, whose state it saves.
    order = 100

    def __init__(self, path, every=None):
        self.path = paths.checked(path)
        self.every = every if every is None else _check.integer(every, "every", 1)

    def on_fit_begin(self, trainer, state):
        paths.check_writable(self.path, checkpoint.SUFFIX)
        checkpoint.check(trainer, state)

    def on_batch_end(self, trainer, state):
        due = self.every is not None and (state.batch + 1) % self.every == 0
        if due or state.stop or state.interrupted:
            checkpoint.save(self.path, trainer, state)

    def on_epoch_end(self, trainer, state):
        checkpoint.save(self.path, trainer, state)


class BestCheckpoint(Callback):
    """Writes a checkpoint after each epoch that was better than all before it.

    :func:`cycnn.load` reads it as a model: with the weights that were validated, which are the
    averages where the trainer has some.

    Parameters
    ----------
    path : str or path-like
    monitor : str
        The number of the history that decides.
    mode : {"min", "max"}, optional
        Whether less or more is better; by default more of an accuracy and less of all else.

    Attributes
    ----------
    best : float
        The best value so far.
    """

    order = 99

    def __init__(self, path, monitor="val_loss", mode=None):
        self.path = paths.checked(path)
        self.monitor = Monitor(monitor, mode)

    @property
    def best(self):
        return self.monitor.best

    def on_fit_begin(self, trainer, state):
        self.monitor.check(state)
        paths.check_writable(self.path, checkpoint.SUFFIX)
        checkpoint.check(trainer, state)
        self.monitor.reset()

    def on_epoch_end(self, trainer, state):
        if self.monitor.better(state):
            checkpoint.save(self.path, trainer, state, averaged=True)

    def state_dict(self):
        return {"best": self.best}

    def load_state_dict(self, state_dict):
        self.monitor.best = state_dict["best"]


def resume_file(resume, callbacks):
    """The file to go on from for the argument `resume` of `Trainer.fit`, or None.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
    """
    if resume is None or resume is False:
        return None
    if resume is True:
        files = [callback.path for callback in callbacks if isinstance(callback, Checkpoint)]
        if not files:
            raise ValueError("resume=True needs a Checkpoint among the callbacks, whose file it "
                             "takes; or give the file")
        return files[0] if os.path.exists(files[0]) else None
    try:
        path = os.fspath(resume)
    except TypeError:
        raise TypeError(f"resume must be a checkpoint's path or True, got {resume!r}") from None
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no checkpoint {path}")
    return path
