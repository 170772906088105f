"""Validation every so many epochs, with the loss of seed 001 beside the usual figures."""

import numpy as np

import cycnn as cn


def scores(trainer, data):
    """The loss as the seed counts it, cross-entropy, and accuracy.

    The seed takes probabilities within 1e-9 of 0 and 1 to be so far from them, and counts
    -log(1 - p) for the wrong classes too: a sure mistake counts twice, with 20.7 each.
    """
    p = trainer.predict_proba(data.images).astype(float)
    classes = np.eye(p.shape[1])
    others = p @ (1 - classes)                  # 1 - p, and exact where p is nearly 1
    of_truth = np.where(classes[data.labels], p, others).clip(1e-9, 1 - 1e-9)
    usual = trainer.evaluate(data)
    return -np.log(of_truth).sum() / len(p), usual["loss"], usual["accuracy"]


class EvalEvery(cn.Callback):
    """Prints how held-out images are told apart, every so many epochs.

    Parameters
    ----------
    data : cycnn.data.Dataset
    every : int
    published : list of float
        What to print beside the loss, an epoch each; there may be fewer.

    Attributes
    ----------
    epochs : list of int
    seen : list of tuple
        What :func:`scores` gave after each of them.
    """

    def __init__(self, data, every, published=()):
        self.data, self.every, self.published = data, every, published
        self.epochs, self.seen = [], []

    def on_epoch_end(self, trainer, state):
        epoch = state.epoch + 1
        if epoch % self.every == 0:
            self.epochs.append(epoch)
            self.seen.append(scores(trainer, self.data))
            beside = [f" (published: {loss:.3f})" for loss in self.published[epoch - 1:epoch]]
            print(f"Validation loss after {epoch} epochs is {self.seen[-1][0]:.3f}"
                  f"{''.join(beside)}, accuracy {self.seen[-1][2]:.2%}", flush=True)
