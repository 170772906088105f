"""Whether a layer's `backward` fits its `forward`: finite differences in double precision."""

import copy

import numpy as np

from .. import random
from ..functional import _check


class GradcheckError(AssertionError, RuntimeError):
    """A gradient is wrong: an assertion that failed, and, as in PyTorch, a RuntimeError."""


def gradcheck(layer, input_shape, eps=1e-6, atol=1e-6, rtol=1e-5, samples=200, seed=0,
              raise_exception=True):
    r"""Compare the gradients of a layer with finite differences.

    A copy of the layer in float64 gets random numbers x. For random weights g of the outputs, the
    derivative of the sum of g y by each number of x and of each parameter must be what
    ``backward(g)`` gives:

    .. math::
        \frac{L(\theta + \epsilon) - L(\theta - \epsilon)}{2 \epsilon}, \qquad L = \sum g\, y

    Also checked: that neither pass changes the array that it is given, and that `backward` writes
    the gradients of parameters anew, or with ``accumulate=True`` adds to them.

    Parameters
    ----------
    layer : cycnn.Module
        Or a whole network. It stays as it is.
    input_shape : tuple of int
        The shape of x with the batch in front, such as (2, 3, 8, 8); a shape that the layer takes
        only with a batch in front of it, such as (3, 8, 8), gets a batch of two.
    eps : float
        How far a number is moved.
    atol, rtol : float
        A gradient may differ by atol + rtol * the largest gradient of its array.
    samples : int
        Numbers of each array that are tried: all, or so many chosen at random.
    seed : int
        Of the random numbers.
    raise_exception : bool
        Whether to raise where a gradient is wrong; False: return False.

    Returns
    -------
    bool
        True: no difference was found.

    Raises
    ------
    GradcheckError
        Which array's gradient is wrong, at which place it differs most, and by how much; or what
        else is wrong.

    Examples
    --------
    >>> gradcheck(Conv2d(3, 4, 3), (2, 3, 8, 8))
    True
    """
    if (isinstance(layer, type) or not callable(getattr(layer, "forward", None))
            or not hasattr(layer, "named_parameters")):
        raise TypeError(f"layer must be a Module, got {layer!r}")
    if not isinstance(input_shape, (tuple, list)):
        raise TypeError(f"input_shape must be a tuple of integers, got {input_shape!r}")
    shape = tuple(_check.integer(size, "input_shape", 1) for size in input_shape)
    eps = _check.number(eps, "eps", 0)
    if eps == 0:
        raise ValueError("eps must be above 0")
    atol, rtol = _check.number(atol, "atol", 0), _check.number(rtol, "rtol", 0)
    samples = _check.integer(samples, "samples", 1)
    rng = np.random.Generator(np.random.PCG64(_check.integer(seed, "seed", 0)))
    before = random.get_rng_state()
    try:
        problem = _Check(_in_double(layer), shape, rng, eps, atol, rtol, samples).problem()
    finally:
        random.set_rng_state(before)
    if problem is None:
        return True
    if raise_exception:
        raise GradcheckError(f"{type(layer).__name__}: {problem}")
    return False


def _in_double(layer):
    """A copy whose parameters and buffers are float64, in training mode."""
    layer = copy.deepcopy(layer)
    for parameter in layer.parameters():
        parameter.data = parameter.data.astype(np.float64)
        parameter.grad = None
    for module in layer.modules():
        for name, array in [(name, getattr(module, name)) for name in module._buffers]:
            if array is not None and array.dtype.kind == "f":
                setattr(module, name, array.astype(np.float64))
    return layer.train()


class _Check:
    def __init__(self, layer, shape, rng, eps, atol, rtol, samples):
        self.layer, self.rng = layer, rng
        self.eps, self.atol, self.rtol, self.samples = eps, atol, rtol, samples
        # What is dropped at random must be the same in all calls: with a first key there is a seed.
        random.next_key()
        self.state = random.get_rng_state()
        try:
            self.x = rng.standard_normal(shape)
            y = self.forward()
        except (ValueError, TypeError):
            self.x = rng.standard_normal((2, *shape))
            y = self.forward()
        self.weights = rng.standard_normal(y.shape)

    def forward(self):
        random.set_rng_state(self.state)
        return np.asarray(self.layer.forward(self.x))

    def problem(self):
        """What is wrong, or None."""
        before = self.x.copy()
        self.forward()
        if not np.array_equal(self.x, before):
            return "forward changes the array that it is given"
        dy = self.weights.copy()
        dx = self.layer.backward(dy)
        if not np.array_equal(dy, self.weights):
            return "backward changes the gradient that it is given"
        arrays = [("the input", self.x, dx)]
        arrays += [(name, parameter.data, parameter.grad)
                   for name, parameter in self.layer.named_parameters()]
        # Kept, for a layer may use the memory of a gradient again.
        arrays = [(name, array, None if grad is None else np.array(grad))
                  for name, array, grad in arrays]
        for name, array, grad in arrays:
            if grad is None:
                return f"backward gives no gradient of {name}"
            if grad.shape != array.shape:
                return (f"the gradient of {name} has shape {grad.shape}, {name} has "
                        f"{array.shape}")
            if text := self.compare(name, array, grad):
                return text
        return self.added({name: grad for name, _, grad in arrays[1:]})

    def added(self, grads):
        """What is wrong with gradients that are written over others, or added to them, or None."""
        for accumulate, times in ((False, 1), (True, 2)):
            self.forward()
            self.layer.backward(self.weights.copy(), False, accumulate)
            for name, parameter in self.layer.named_parameters():
                expected = times * grads[name]
                bound = self.atol + self.rtol * np.abs(expected).max(initial=0)
                if not (np.abs(parameter.grad - expected) <= bound).all():
                    return (f"backward with accumulate={accumulate} must "
                            f"{'add to' if accumulate else 'write anew'} the gradient of {name}: "
                            "set_grad(gradient, accumulate) does")
        return None

    def compare(self, name, array, grad):
        """What is wrong with one gradient, or None."""
        places = np.arange(array.size)
        if array.size > self.samples:
            places = self.rng.choice(places, self.samples, replace=False)
        places = [np.unravel_index(place, array.shape) for place in places]
        expected = np.array([self.difference(array, place) for place in places])
        given = np.array([grad[place] for place in places])
        if not len(places):
            return None
        error = np.abs(given - expected)
        bound = self.atol + self.rtol * np.abs(expected).max()
        worst = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
        if error[worst] <= bound:
            return None
        wrong = int((~(error <= bound)).sum())
        place = tuple(map(int, places[worst]))
        return (f"the gradient of {name} is wrong at {place}: backward gives {given[worst]:.6g}, "
                f"finite differences {expected[worst]:.6g} ({wrong} of {len(places)} places "
                f"differ by more than {bound:.1e})")

    def difference(self, array, place):
        before, losses = array[place], []
        for value in (before + self.eps, before - self.eps):
            array[place] = value
            losses.append(np.sum(self.weights * self.forward()))
        array[place] = before
        return (losses[0] - losses[1]) / (2 * self.eps)
