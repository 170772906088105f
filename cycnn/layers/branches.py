"""Modules whose parts work on the same input: side by side, or around one another."""

from ..functional import _check
from ..functional._format import channels_last
from ..functional.combine import add, add_gradients, concat, concat_backward
from .module import Module


class Residual(Module):
    r"""A body and a way around it.

    .. math::
        y = body(x) + shortcut(x)

    Parameters
    ----------
    body : Module
    shortcut : Module, optional
        What brings x to the shape of the body's result, such as a convolution with 1 x 1 kernels;
        x itself if not given.

    Notes
    -----
    A ReLU behind it in a :class:`cycnn.Sequential` is computed along with the sum.
    He et al., 2015 (arXiv:1512.03385).

    Examples
    --------
    >>> block = Residual(Sequential(Conv2d(16, 16, 3, padding=1, bias=False), BatchNorm2d(16),
    ...                             ReLU(),
    ...                             Conv2d(16, 16, 3, padding=1, bias=False), BatchNorm2d(16)))
    """

    def __init__(self, body, shortcut=None):
        for name, module in (("body", body), ("shortcut", shortcut)):
            if not isinstance(module, Module) and not (name == "shortcut" and module is None):
                raise TypeError(f"{name} must be a Module, got {type(module).__name__}")
        self.body, self.shortcut = body, shortcut
        check_distinct(self)

    def forward(self, x):
        return self.forward_chain(x)

    def backward(self, dy, input_gradient=True, accumulate=False):
        return self.backward_chain(dy, input_gradient, accumulate)

    def forward_chain(self, x, relu=False):
        """:meth:`forward`, and the ReLU behind it if wanted."""
        x = _check.floats(x, "x")

        def around(shape):
            result = x if self.shortcut is None else self.shortcut.forward(x)
            if result.shape != shape:
                raise ValueError(f"shortcut must give what body gives, {shape}, got {result.shape}")
            return result

        if getattr(self.body, "adds", bool)():
            y = self.body.forward_sum(x, around, relu)
        else:
            y = self.body.forward(x)
            y = add(channels_last(y) if y.ndim == 4 else y, around(y.shape), relu)
        self.remember(True)
        return y

    def backward_chain(self, dy, input_gradient=True, accumulate=False, positive=None):
        """:meth:`backward`; dx is 0 where `positive`, if given, is not above 0."""
        self.recall()
        dx = self.body.backward(dy, input_gradient, accumulate)
        around = dy
        if self.shortcut is not None:
            around = self.shortcut.backward(dy, input_gradient, accumulate)
        if not input_gradient:
            return None
        return add_gradients(dx, around, positive, getattr(self.body, "makes_gradient", bool)())

    def config(self):
        return {"body": self.body, "shortcut": self.shortcut}


class Concat(Module):
    """Branches that work on the same input; their results side by side along the channels.

    Parameters
    ----------
    *branches : Module
        At least one. Their results differ in nothing but the channels. ``Sequential()`` hands on x
        itself.

    Notes
    -----
    Shapes: (N, C, H, W) to (N, sum of the branches' channels, H', W'); likewise (N, features).

    Examples
    --------
    >>> block = Concat(Conv2d(3, 8, 1), Conv2d(3, 8, 3, padding=1), Conv2d(3, 8, 5, padding=2))
    """

    def __init__(self, *branches):
        if not branches:
            raise ValueError("branches must be at least one Module, got none")
        check_modules(branches, "branch", "Concat(*branches)")
        self.layers = branches
        check_distinct(self)

    def forward(self, x):
        parts = [branch.forward(x) for branch in self.layers]
        if getattr(parts[0], "ndim", 0) == 4:       # the result is laid out as the first is
            parts[0] = channels_last(parts[0])
        y = concat(parts)
        self.remember([part.shape[1] for part in parts])
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        parts = concat_backward(dy, self.recall())
        total = None
        for branch, part in zip(self.layers, parts):
            dx = branch.backward(part, input_gradient, accumulate)
            total = dx if total is None or dx is None else add_gradients(total, dx)
        return total if input_gradient else None

    def named_children(self):
        for i, branch in enumerate(self.layers):
            yield str(i), branch

    def __len__(self):
        return len(self.layers)

    def __iter__(self):
        return iter(self.layers)

    def __getitem__(self, index):
        return self.layers[index]


def check_modules(modules, name, call):
    """Raise unless all of them are; `call` is how a list of them is given."""
    for i, module in enumerate(modules):
        if not isinstance(module, Module):
            hint = f"; a list is given as {call}" if i == 0 and isinstance(
                module, (list, tuple)) else ""
            raise TypeError(f"{name} {i} must be a Module, got {type(module).__name__}{hint}")


def check_distinct(network):
    """Raise if a module stands in the network twice."""
    seen = set()
    for module in network.modules():
        if id(module) in seen:
            raise ValueError(f"{module!r} stands in the network twice: a layer remembers only its "
                             "last input, so make one for each place")
        seen.add(id(module))
