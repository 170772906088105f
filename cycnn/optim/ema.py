"""An average of the weights along the way, which predicts better than the last of them."""

import contextlib

import numpy as np

from ..functional import _check
from ..functional._memory import aligned
from ..functional.adaptive import apply_average
from ..functional.update import Weight
from .optimizer import listed, only_parameters
from .state import what


class ExponentialMovingAverage:
    r"""The exponential moving average of weights.

    .. math::
        a = d\,a + (1 - d)\,w

    after every step but the first, which sets a = w, as PyTorch's `AveragedModel` does.

    Parameters
    ----------
    parameters : iterable of Parameter
        `model.parameters()`.
    decay : float
        d, from 0 to 1: about 1 / (1 - d) steps count.
    warmup : bool
        With it, d is at most (1 + n) / (10 + n) in update n = 0, 1, ...: in a short training the
        average would remember the beginning for too long.

    Attributes
    ----------
    decay : float
    updates : int
        How often `update` was called.
    averages : list of numpy.ndarray

    Examples
    --------
    >>> ema = ExponentialMovingAverage(model.parameters(), decay=0.999)
    >>> trainer = Trainer(model, optimizer, loss, ema=ema)          # updates it after every step
    >>> trainer.fit(train, epochs=5, validation=validation)         # validates the averages
    >>> with ema.average_parameters():
    ...     trainer.evaluate(test)
    """

    def __init__(self, parameters, decay=0.999, warmup=False):
        self.parameters = only_parameters(listed(parameters))
        self.decay = _check.number(decay, "decay", 0)
        if self.decay > 1:
            raise ValueError(f"decay must be from 0 to 1, got {decay!r}")
        self.warmup = bool(warmup)
        self.updates = 0
        self._averages = [Weight(aligned(parameter.data), "an average")
                          for parameter in self.parameters]

    @property
    def averages(self):
        return [average.data for average in self._averages]

    def update(self):
        """Take the weights as they are now into the average. After each `optimizer.step()`."""
        decay = self.decay if self.updates else 0.0
        if self.updates and self.warmup:
            decay = min(decay, (1 + self.updates) / (10 + self.updates))
        apply_average(self._averages, [parameter.data for parameter in self.parameters], decay)
        self.updates += 1

    def copy_to(self):
        """Overwrite the weights with the averages."""
        for parameter, average in zip(self.parameters, self._averages):
            parameter.data[...] = average.data

    def swap(self):
        """Exchange the weights and the averages; once more, and all is as before."""
        for parameter, average in zip(self.parameters, self._averages):
            before = parameter.data.copy()
            parameter.data[...] = average.data
            average.data[...] = before

    @contextlib.contextmanager
    def average_parameters(self):
        """Within a block the weights are the averages: to evaluate, predict or save."""
        before = [parameter.data.copy() for parameter in self.parameters]
        self.copy_to()
        try:
            yield
        finally:
            for parameter, data in zip(self.parameters, before):
                parameter.data[...] = data

    def state_dict(self):
        """All that is needed to go on: plain arrays and numbers.

        Returns
        -------
        dict
            ``"state"``: {number of a parameter: {"average": array}}, the arrays themselves, not
            copies; ``"updates"``: int; ``"decay"``: float.
        """
        return {"state": {number: {"average": average.data}
                          for number, average in enumerate(self._averages)},
                "updates": self.updates, "decay": self.decay}

    def load_state_dict(self, state_dict):
        """Go on where another average of the same parameters was.

        Parameters
        ----------
        state_dict : dict
            As :meth:`state_dict` returns it, also after a way through JSON. Arrays are copied.

        Raises
        ------
        ValueError
            If it is of other parameters. Nothing has been changed.
        """
        if not isinstance(state_dict, dict) or not {"state", "updates", "decay"} <= set(state_dict):
            raise ValueError("state_dict must be a dict with the entries 'state', 'updates' and "
                             f"'decay', got {what(state_dict)}")
        updates = _check.integer(state_dict["updates"], "updates", 0)
        decay = _check.number(state_dict["decay"], "decay", 0)
        found = {str(number): entry for number, entry in state_dict["state"].items()}
        if found.keys() != set(map(str, range(len(self._averages)))):
            raise ValueError(f"state must be of {len(self._averages)} parameters, got "
                             f"{sorted(found)}")
        arrays = [np.asarray(found[str(number)]["average"]) for number in range(len(found))]
        for number, (array, average) in enumerate(zip(arrays, self._averages)):
            _check.shape(array, average.shape, f"average {number}", "that of its parameter")
        for array, average in zip(arrays, self._averages):
            average.data[...] = array
        self.updates, self.decay = updates, decay
