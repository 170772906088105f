"""Modules made of modules."""

from .branches import check_distinct, check_modules
from .chain import folded_steps, steps_of
from .module import Module
from .norm_chain import Step


class Sequential(Module):
    """One layer after another.

    Parameters
    ----------
    *layers : Module
        From the input to the output. Each remembers the input of its last call, so a layer can
        stand in a network only once.

    Examples
    --------
    >>> model = Sequential(Conv2d(1, 8, 3), ReLU(), MaxPool2d(2), Flatten(), Linear(72, 10))
    >>> len(model), model[0]
    (5, Conv2d(1, 8, kernel_size=(3, 3), stride=(1, 1)))
    """

    def __init__(self, *layers):
        check_modules(layers, "layer", "Sequential(*layers)")
        self.layers = layers
        check_distinct(self)
        # What forward and backward work through: layers, and chains of layers.
        self._steps = steps_of(layers)
        self._inference = folded_steps(layers, self._steps)
        # The layers before the first that learns need no gradient, unless the caller wants that of
        # the input.
        learns = next((i for i, layer in enumerate(layers) if any(layer.parameters())), 0)
        self._first = max((n for n, (i, _) in enumerate(self._steps) if i <= learns), default=0)

    def forward(self, x):
        for step in self._steps if self.training else self._inference:
            x = self._through(step, x)
        return x

    def adds(self):
        """Whether there is a :meth:`forward_sum`, which spares a pass over memory."""
        own = type(self).forward is Sequential.forward and "forward" not in vars(self)
        return (own and self.training and len(self._steps) > 0
                and getattr(self._steps[-1][1], "adds", False))

    def forward_sum(self, x, around, relu):
        """:meth:`forward`, plus around(shape of the result), and the ReLU of that if wanted."""
        for step in self._steps[:-1]:
            x = self._through(step, x)
        return self._through(self._steps[-1], x, around(x.shape), relu)

    def makes_gradient(self):
        """Whether `backward` returns an array that nothing else holds or will read."""
        own = type(self).backward is Sequential.backward and "backward" not in vars(self)
        return own and len(self._steps) > 0 and isinstance(self._steps[0][1], Step)

    def _through(self, step, x, *sum):
        i, step = step
        try:
            return step.forward(x, *sum)
        except (ValueError, TypeError) as error:
            error.add_note(f"in layer {i}, {self.layers[i]!r}")
            raise

    def backward(self, dy, input_gradient=True, accumulate=False):
        stop = 0 if input_gradient else self._first
        for i in range(len(self._steps) - 1, stop - 1, -1):
            dy = self._steps[i][1].backward(dy, input_gradient or i > stop, accumulate)
        return dy

    def named_children(self):
        for i, layer in enumerate(self.layers):
            yield str(i), layer

    def gives_probabilities(self):
        return len(self.layers) > 0 and self.layers[-1].gives_probabilities()

    def __len__(self):
        return len(self.layers)

    def __iter__(self):
        return iter(self.layers)

    def __getitem__(self, index):
        """A layer, or with a slice a Sequential of the same layers."""
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]
