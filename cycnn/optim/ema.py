"""An average of the weights along the way, which predicts better than the last of them."""

import contextlib

from ..functional import _check
from ..functional._memory import aligned
from ..functional.adaptive import apply_average
from ..functional.update import Weight
from ..layers import Module
from .optimizer import listed, only_parameters
from .state import what


class ExponentialMovingAverage:
    r"""The exponential moving average of weights.

    .. math::
        a = d\,a + (1 - d)\,w

    after every step but the first, which sets a = w, as PyTorch's `AveragedModel` does.

    Of a model, its buffers of float32 and float64 are averaged too, as with PyTorch's
    ``use_buffers=True``: running statistics belong to the weights that they were measured with.
    Other buffers, such as counts, are left to the model.

    Parameters
    ----------
    parameters : cycnn.Module, or iterable of Parameter
        The model; or `model.parameters()`, and buffers stay those of the last weights.
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
    parameters : list of Parameter
    averages : list of numpy.ndarray
        Those of the parameters, then those of the buffers in the order of `model.named_buffers()`.

    Raises
    ------
    TypeError, ValueError
        If `parameters` are no such things or none, or `decay` is out of range: by `update` where it
        was changed to that.

    Examples
    --------
    >>> ema = ExponentialMovingAverage(model, decay=0.999)
    >>> trainer = Trainer(model, optimizer, loss, ema=ema)          # updates it after every step
    >>> trainer.fit(train, epochs=5, validation=validation)         # validates the averages
    >>> with ema.average_parameters():
    ...     trainer.evaluate(test)
    """

    def __init__(self, parameters, decay=0.999, warmup=False):
        model = parameters if isinstance(parameters, Module) else None
        self.parameters = only_parameters(listed(parameters if model is None
                                                 else model.parameters()))
        self.decay = _decay(decay)
        self.warmup = _check.flag(warmup, "warmup")
        self.updates = 0
        self._buffers = {} if model is None else _buffers_of(model)
        self._averages = [Weight(aligned(array), "an average") for array in self._arrays()]

    @property
    def averages(self):
        return [average.data for average in self._averages]

    def _arrays(self):
        """What is averaged, as it is now: a buffer may be another array than it was."""
        return [*(parameter.data for parameter in self.parameters),
                *(getattr(module, name) for module, name in self._buffers.values())]

    def update(self):
        """Take the weights as they are now into the average. After each `optimizer.step()`."""
        decay = _decay(self.decay)
        if not self.updates:
            decay = 0.0
        elif self.warmup:
            decay = min(decay, (1 + self.updates) / (10 + self.updates))
        apply_average(self._averages, self._arrays(), decay)
        self.updates += 1

    def copy_to(self):
        """Overwrite the weights with the averages."""
        _write(self._arrays(), self.averages)

    def swap(self):
        """Exchange the weights and the averages; once more, and all is as before."""
        arrays = self._arrays()
        before = [array.copy() for array in arrays]
        _write(arrays, self.averages)
        _write(self.averages, before)

    @contextlib.contextmanager
    def average_parameters(self):
        """Within a block the weights are the averages: to evaluate, predict or save."""
        before = [array.copy() for array in self._arrays()]
        self.copy_to()
        try:
            yield
        finally:
            _write(self._arrays(), before)

    def state_dict(self):
        """All that is needed to go on: plain arrays and numbers.

        Returns
        -------
        dict
            ``"state"``: {number of a parameter: {"average": array}}, ``"buffers"``: {name: array}
            as in the model's `state_dict`, the arrays themselves, not copies; ``"updates"``: int;
            ``"decay"``: float.
        """
        averages = self.averages
        of_parameters = averages[:len(self.parameters)]
        return {"state": {number: {"average": average}
                          for number, average in enumerate(of_parameters)},
                "buffers": dict(zip(self._buffers, averages[len(of_parameters):])),
                "updates": self.updates, "decay": self.decay}

    def load_state_dict(self, state_dict):
        """Go on where another average of the same parameters was.

        Parameters
        ----------
        state_dict : dict
            As :meth:`state_dict` returns it, also after a way through JSON. Arrays are copied.

        Raises
        ------
        TypeError, ValueError
            If it is of other parameters or buffers. Nothing has been changed.
        """
        if not isinstance(state_dict, dict) or not {"state", "updates", "decay"} <= set(state_dict):
            raise ValueError("state_dict must be a dict with the entries 'state', 'updates' and "
                             f"'decay', got {what(state_dict)}")
        updates = _check.integer(state_dict["updates"], "updates", 0)
        decay = _decay(state_dict["decay"])
        found, buffers = state_dict["state"], state_dict.get("buffers", {})
        if not isinstance(found, dict) or not isinstance(buffers, dict):
            raise ValueError(f"state and buffers must be dicts, got {what(found)} and "
                             f"{what(buffers)}")
        found = {str(number): entry for number, entry in found.items()}
        if found.keys() != set(map(str, range(len(self.parameters)))):
            raise ValueError(f"state must be of {len(self.parameters)} parameters, got "
                             f"{sorted(found)}")
        if buffers.keys() != self._buffers.keys():
            raise ValueError(f"buffers must be {', '.join(self._buffers) or 'none'}, got "
                             f"{', '.join(map(str, buffers)) or 'none'}")
        arrays = {}
        for number in range(len(found)):
            entry = found[str(number)]
            if not isinstance(entry, dict) or "average" not in entry:
                raise ValueError(f"state[{number}] must be a dict with the entry 'average', got "
                                 f"{what(entry)}")
            arrays[f"average {number}"] = entry["average"]
        arrays.update((f"the average of {name}", buffers[name]) for name in self._buffers)
        arrays = {name: _check.floats(array, name) for name, array in arrays.items()}
        for (name, array), average in zip(arrays.items(), self._averages):
            _check.shape(array, average.shape, name, "that of what is averaged")
        _write(self.averages, arrays.values())
        self.updates, self.decay = updates, decay


def _buffers_of(model):
    """{name: (module, attribute)} of the buffers that are averaged."""
    found = {}
    for name, array in model.named_buffers():
        if array.dtype in _check.FLOATS:
            *path, attribute = name.split(".")
            module = model
            for part in path:
                module = dict(module.named_children())[part]
            found[name] = module, attribute
    return found


def _decay(decay):
    value = _check.number(decay, "decay", 0)
    if value > 1:
        raise ValueError(f"decay must be from 0 to 1, got {decay!r}")
    return value


def _write(targets, arrays):
    for target, array in zip(targets, arrays):
        target[...] = array
