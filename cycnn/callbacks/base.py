"""What a callback is, and what it is told."""


class FitState:
    """Where training stands; every hook gets it.

    Attributes
    ----------
    epochs, batches : int
        Epochs in all, and batches (steps of the optimizer) in each; None for a generator of unknown
        length.
    epoch, batch : int
        The current ones, counted from 0.
    loss : float
        The running mean of the training loss in this epoch.
    accuracy : float or None
        That of the accuracy; None where the loss knows no classes.
    history : cycnn.History
        The epochs that are complete.
    records : list of str
        The names of the lists in `history` that every epoch adds to.
    stop : bool
        Set it to True, and training ends after this batch; the epoch is not recorded unless it was
        the epoch's last.
    interrupted : bool
        Whether Ctrl-C asked training to end after this batch.
    resumed : bool
        Whether this training goes on from a checkpoint.
    images : int
        The images seen in this epoch.
    sums : list of numbers
        What `loss` and `accuracy` are made of, over this epoch: the sum of the losses and of their
        weights, how many images were right, and of how many that is known.
    complete : bool
        Whether the current epoch is recorded in `history`.
    number : int
        The epoch's number among all that the trainer has begun, in earlier fits too.
    random : dict
        The state of the trainer's random numbers at the beginning of the epoch.
    schedule, callbacks, setup
        What else belongs to this training: :mod:`cycnn.checkpoint` saves it.
    """

    def __init__(self, epochs, batches, history, records=(), schedule=None, callbacks=(),
                 setup=None):
        self.epochs, self.batches, self.history, self.records = epochs, batches, history, records
        self.schedule, self.callbacks, self.setup = schedule, callbacks, setup
        self.epoch = self.batch = self.number = 0
        self.random = None
        self.stop = self.interrupted = self.resumed = False
        self.begin_epoch()

    def begin_epoch(self):
        """Forget the sums of the epoch before."""
        self.complete = False
        self.images, self.sums = 0, [0.0, 0, 0, 0]
        self.loss, self.accuracy = float("nan"), None

    def add(self, images, sums, classifies):
        """Count a batch: its images, and what it adds to `sums`; is there an accuracy?"""
        self.images += images
        self.sums = [one + other for one, other in zip(self.sums, sums)]
        total, weights, right, counted = self.sums
        self.loss = total / weights if weights else float("nan")
        if classifies:
            self.accuracy = right / counted if counted else float("nan")


class Callback:
    """Override the hooks that you need; each gets the trainer and the :class:`FitState`.

    What a callback needs to go on after a checkpoint it returns from `state_dict`, and gets back by
    `load_state_dict`.

    Attributes
    ----------
    order : int
        Hooks of a lower one are called first; callbacks of the same in the order they were given.

    Examples
    --------
    >>> class StopAt(Callback):
    ...     def on_epoch_end(self, trainer, state):
    ...         state.stop = state.history.val_accuracy[-1] > 0.99
    """

    order = 0

    def on_fit_begin(self, trainer, state):
        """Before the first epoch; nothing has been changed, and an error leaves it so."""

    def on_epoch_begin(self, trainer, state):
        """Before the first batch of an epoch."""

    def on_batch_end(self, trainer, state):
        """After the weights were updated."""

    def on_epoch_end(self, trainer, state):
        """After validation, when the epoch is in `state.history`."""

    def on_fit_end(self, trainer, state):
        """At the end, also after an error or Ctrl-C, unless `on_fit_begin` itself failed."""

    def state_dict(self):
        """Numbers, texts, lists, dicts and arrays to keep in a checkpoint."""
        return {}

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict` returned, after `on_fit_begin`."""


_HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


def checked_callbacks(callbacks):
    """The list of callbacks, or an error if they are none."""
    callbacks = (list(callbacks) if hasattr(callbacks, "__iter__")
                 and not isinstance(callbacks, (str, bytes)) else [callbacks])
    for callback in callbacks:
        if isinstance(callback, type) or not all(hasattr(callback, hook) for hook in _HOOKS):
            raise TypeError("callbacks must be a list of cycnn.callbacks.Callback, such as "
                            f"[EarlyStopping()], got one {callback!r}")
    return callbacks
