"""What training shows while it runs: a bar, or a line an epoch."""

import time

from .base import Callback


class ProgressBar(Callback):
    """One tqdm bar an epoch, with the running loss and accuracy.

    Parameters
    ----------
    tqdm : callable
        The class of the bar, `tqdm.auto.tqdm`.
    """

    # Seconds between two updates of the numbers: formatting them for every batch would cost more
    # than a small batch itself.
    INTERVAL = 0.1

    # Both fit a terminal of 80 columns with all the numbers behind them.
    RUNNING = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    COMPLETE = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"

    def __init__(self, tqdm):
        self.tqdm = tqdm
        self.bar = None

    def on_epoch_begin(self, trainer, state):
        self.bar = self.tqdm(total=state.batches, bar_format=self.RUNNING,
                             desc=f"epoch {state.epoch + 1}/{state.epochs}")
        self.shown = time.perf_counter()

    def on_batch_end(self, trainer, state):
        self.bar.update(1)
        now = time.perf_counter()
        if now - self.shown > self.INTERVAL:
            self.shown = now
            self.bar.set_postfix_str(_running(state), refresh=False)

    def on_epoch_end(self, trainer, state):
        last = state.history.last()
        names = ["train_loss", *(("val_loss", "val_accuracy") if "val_loss" in last
                                 else ("train_accuracy",))]
        self.bar.bar_format = self.COMPLETE
        self.bar.set_postfix_str(", ".join(f"{name.removeprefix('train_')} {last[name]:.4f}"
                                           for name in names if name in last))
        self.on_fit_end(trainer, state)

    def on_fit_end(self, trainer, state):
        if self.bar is not None:
            self.bar.close()
            self.bar = None


class ProgressLines(Callback):
    """One plain line an epoch, on the standard output."""

    def on_epoch_end(self, trainer, state):
        print(f"epoch {state.epoch + 1}/{state.epochs}: {_complete(state.history)}, "
              f"{state.history.seconds[-1]:.1f} s", flush=True)


def progress_callback(progress):
    """The callbacks for the argument `progress` of `Trainer.fit`, as a list.

    Parameters
    ----------
    progress : bool or None
        True: a bar, which needs tqdm. False: nothing. None: a bar where tqdm is installed, else a
        line an epoch.
    """
    if progress is not None and not isinstance(progress, bool):
        raise TypeError(f"progress must be True, False or None, got {progress!r}")
    if progress is False:
        return []
    from .._extras import require
    try:
        return [ProgressBar(require("tqdm.auto", "progress", "a progress bar").tqdm)]
    except ImportError:
        if progress:
            raise
        return [ProgressLines()]


def _running(state):
    text = f"loss {state.loss:.4f}"
    return text if state.accuracy is None else f"{text}, accuracy {state.accuracy:.4f}"


def _complete(history):
    """The numbers of the last epoch, such as "loss 0.1034, accuracy 0.9678, validation ..."."""
    last = history.last()
    parts = [f"loss {last['train_loss']:.4f}"]
    for name, label in (("train_accuracy", "accuracy"), ("val_loss", "validation loss"),
                        ("val_accuracy", "validation accuracy")):
        if name in last:
            parts.append(f"{label} {last[name]:.4f}")
    return ", ".join(parts)
