"""What happened while training: plain numbers, one an epoch."""


class History:
    """The record that :meth:`cycnn.Trainer.fit` returns; all of it can go into JSON.

    Attributes
    ----------
    train_loss, train_accuracy : list of float
        The running means over each epoch, while the weights were changing.
    val_loss, val_accuracy : list of float
        After each epoch, on the validation set; empty without one. Accuracies are fractions, and
        empty where the loss knows no classes.
    seconds : list of float
        How long each epoch took, validation included.
    interrupted : bool
        Whether Ctrl-C ended training early.
    """

    def __init__(self):
        self.train_loss, self.train_accuracy = [], []
        self.val_loss, self.val_accuracy = [], []
        self.seconds = []
        self.interrupted = False

    def __len__(self):
        """The number of epochs that were completed."""
        return len(self.train_loss)

    def to_dict(self):
        """The attributes as a dict of copies."""
        return {name: list(value) if isinstance(value, list) else value
                for name, value in vars(self).items()}

    def last(self):
        """The numbers of the last epoch by name, without those that are not there."""
        return {name: value[-1] for name, value in vars(self).items()
                if isinstance(value, list) and value}

    def plot(self, path=None):
        """Draw loss and accuracy over the epochs; see :func:`cycnn.plot.plot_history`."""
        from .plot import plot_history
        return plot_history(self, path)

    def __repr__(self):
        numbers = ", ".join(f"{name}={value:.4g}" for name, value in self.last().items())
        return f"History({len(self)} epochs{': ' if numbers else ''}{numbers})"
