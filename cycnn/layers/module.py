"""What every layer is: a Module with Parameters."""

import numpy as np

from . import prediction
from .parameter import Parameter

# The types of buffers: those that the files of models know.
_BUFFER_TYPES = [np.dtype(name) for name in (
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
    "uint64", "bool")]


class Deferred:
    """A memory that is made when it is asked for: `make()` lets the layer remember it."""

    def __init__(self, make):
        self.make = make


class Module:
    """A layer or a network: `forward` and, next to it, its `backward`.

    A layer of your own needs these two. Parameters and modules are found among the attributes, and
    named after them. :func:`cycnn.gradcheck` tells whether its `backward` is right.

    Attributes
    ----------
    training : bool
        Whether `forward` remembers what `backward` needs; see :meth:`train` and :meth:`eval`.
    normalization : cycnn.Normalization or None
        What images are normalised by before they enter, where the network is used as a whole
        (:meth:`predict`, :class:`cycnn.Trainer`); `forward` leaves its input as it is.
    classes : list of str or None
        The names of the classes.
    input_shape : tuple (C, H, W) or None
        The shape of the images it was trained on.

    Examples
    --------
    >>> class Scale(Module):                                # y = weight * x, one weight a channel
    ...     def __init__(self, channels):
    ...         self.weight = Parameter(np.ones((channels, 1, 1), np.float32))
    ...     def forward(self, x):
    ...         self.remember(x)
    ...         return x * self.weight.data
    ...     def backward(self, dy, input_gradient=True, accumulate=False):
    ...         x = self.recall()
    ...         self.weight.set_grad((dy * x).sum(axis=(0, 2, 3))[:, None, None], accumulate)
    ...         return dy * self.weight.data if input_gradient else None
    ...     def config(self):                               # for cycnn.save
    ...         return {"channels": len(self.weight.data)}
    """

    training = True
    normalization = None
    classes = None
    input_shape = None
    _memory = None
    _buffers = ()               # the names of those attributes; see register_buffer

    def forward(self, x):
        """The output for a batch `x`."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dy, input_gradient=True, accumulate=False):
        """From the gradient of the output to those of the parameters and of the input.

        Parameters
        ----------
        dy : numpy.ndarray
            The gradient of the last `forward`'s output, of that output's shape.
        input_gradient : bool
            Whether to compute the gradient of the input.
        accumulate : bool
            Add to each parameter's `grad` instead of writing it.

        Returns
        -------
        numpy.ndarray or None
            The gradient of the input; None if not `input_gradient`.

        Raises
        ------
        RuntimeError
            If there was no `forward` in training mode before.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def __call__(self, x):
        return self.forward(x)

    def remember(self, value):
        """Keep what `backward` will need; in evaluation mode nothing is kept."""
        self._memory = value if self.training else None

    def recall(self):
        """What the last `forward` remembered."""
        if self._memory is None:
            if not self.training:
                raise RuntimeError(f"{type(self).__name__} is in evaluation mode, which remembers "
                                   "nothing for backward: call train() before forward")
            raise RuntimeError(f"{type(self).__name__}.backward needs a forward before it")
        if type(self._memory) is Deferred:
            self._memory.make()
        return self._memory

    # --- what is inside ---------------------------------------------------------------------

    def named_children(self):
        """Yield (name, module) for the modules among the attributes."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def modules(self):
        """Yield this module and all modules inside it."""
        yield self
        for _, child in self.named_children():
            yield from child.modules()

    def named_parameters(self, prefix=""):
        """Yield (name, Parameter), with PyTorch's names such as ``"0.weight"``."""
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield prefix + name, value
        for name, child in self.named_children():
            yield from child.named_parameters(f"{prefix}{name}.")

    def parameters(self):
        """Yield every Parameter once."""
        seen = set()
        for _, parameter in self.named_parameters():
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield parameter

    def register_buffer(self, name, array):
        """Make `array` an attribute that belongs to the state but is not learned.

        A running mean, say: :meth:`state_dict` has it, and so has a saved model.

        Parameters
        ----------
        name : str
            Of the attribute.
        array : numpy.ndarray or None
            Of real numbers or booleans, of a type that files know. None: there is no such buffer in
            this layer, but code may ask for it.
        """
        if not name.isidentifier():
            raise ValueError(f"name must be one that an attribute can have, got {name!r}")
        if name in vars(self) and name not in self._buffers:
            raise ValueError(f"name must be a new one, {type(self).__name__} has {name!r} already")
        if array is not None and not isinstance(array, np.ndarray):
            raise TypeError(f"{name} must be a NumPy array, got {type(array).__name__}")
        if array is not None and array.dtype not in _BUFFER_TYPES:
            raise TypeError(f"{name} must be of one of the types that can be saved, "
                            f"{', '.join(map(str, _BUFFER_TYPES))}, got {array.dtype}")
        if name not in self._buffers:
            self._buffers = (*self._buffers, name)
        setattr(self, name, array)

    def named_buffers(self, prefix=""):
        """Yield (name, array) of all buffers, with PyTorch's names such as ``"1.running_mean"``."""
        for name in self._buffers:
            if getattr(self, name) is not None:
                yield prefix + name, getattr(self, name)
        for name, child in self.named_children():
            yield from child.named_buffers(f"{prefix}{name}.")

    def buffers(self):
        """Yield the arrays of all buffers."""
        for _, array in self.named_buffers():
            yield array

    def state_dict(self):
        """The arrays of parameters and buffers by name: the arrays themselves, not copies."""
        return dict(self._named_arrays(""))

    def _named_arrays(self, prefix):
        """In PyTorch's order: a module's parameters, its buffers, then the modules inside it."""
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield prefix + name, value.data
        for name in self._buffers:
            if getattr(self, name) is not None:
                yield prefix + name, getattr(self, name)
        for name, child in self.named_children():
            yield from child._named_arrays(f"{prefix}{name}.")

    def load_state_dict(self, state_dict, strict=True):
        """Copy numbers into the parameters and buffers.

        Parameters
        ----------
        state_dict : mapping of str to array
            As :meth:`state_dict` returns it, or PyTorch's of the same network. Numbers of another
            floating-point type are converted.
        strict : bool
            Whether names that are missing or unexpected are an error.

        Raises
        ------
        ValueError
            If names are missing or unexpected, shapes differ, what counts is no count, or whole
            numbers do not fit: all of them are listed, and nothing has been changed.
        """
        if not hasattr(state_dict, "items"):
            raise TypeError("state_dict must be a dict of arrays by name, got "
                            f"{type(state_dict).__name__}")
        own = self.state_dict()
        arrays = {name: _as_array(value, name, own[name].dtype)
                  for name, value in state_dict.items() if name in own}
        problems = []
        if strict:
            problems += [f"missing {name}" for name in own if name not in state_dict]
            problems += [f"unexpected {name}" for name in state_dict if name not in own]
        problems += [f"{name} has shape {array.shape}, needed is {own[name].shape}"
                     for name, array in arrays.items() if array.shape != own[name].shape]
        for name, array in arrays.items():
            low, high = _limits(name, own[name].dtype)
            if low is not None and not _whole_within(array, low, high):
                problems.append(f"{name} must hold whole numbers of at least {low} and at most "
                                f"{high}, got {array}")
        if problems:
            raise ValueError(f"state_dict does not fit this {type(self).__name__}: "
                             + "; ".join(problems))
        for name, array in arrays.items():
            own[name][...] = array

    # --- modes ------------------------------------------------------------------------------

    def train(self, mode=True):
        """Set training mode (or, with False, evaluation mode) in all modules; returns self."""
        for module in self.modules():
            module.training = bool(mode)
            if not mode:
                module._memory = None
        return self

    def eval(self):
        """Set evaluation mode: `forward` remembers nothing; returns self."""
        return self.train(False)

    # --- use --------------------------------------------------------------------------------

    def predict_proba(self, images, batch_size=256, views=None):
        """The probability of each class for each image.

        The images are read, and the probabilities made, a batch at a time: any number of images
        will do, and of memory-mapped ones those that are not at work need no memory.

        Parameters
        ----------
        images : array, (N, C, H, W), data set, or iterable
            In the units of the training images (pixels 0 to 255, say): they are normalised by
            :attr:`normalization`. Memory-mapped arrays and what is sliced like an array will do,
            data sets, whose labels do not matter, and generators (or functions that make one) of
            images (C, H, W) or of batches of them.
        batch_size : int
            Images that are computed at a time.
        views : list of callables, optional
            Test-time augmentation: the mean of the probabilities of these views of each image, such
            as :func:`cycnn.data.views.identity` and :func:`cycnn.data.views.horizontal_flip`. Each
            is called with images as they are stored, (n, C, H, W), and returns as many.

        Returns
        -------
        numpy.ndarray, (N, classes)
            The softmax of the network's outputs.

        Raises
        ------
        TypeError, ValueError
            If images, views and network do not fit each other.
        """
        return prediction.collected(
            prediction.probabilities(self, images, batch_size, views), images)

    def predict(self, images, batch_size=256, views=None):
        """The number of the most probable class for each image.

        Parameters as for :meth:`predict_proba`.

        Returns
        -------
        numpy.ndarray of int64, (N,)
        """
        parts = prediction.probabilities(self, images, batch_size, views)
        return prediction.collected((rows.argmax(axis=1) for rows in parts), images)

    def gives_probabilities(self):
        """Whether the output is probabilities already (a Softmax at the end)."""
        return False

    def multiply_adds(self, input_shape, output_shape):
        """How many multiply-adds one image takes, for :meth:`summary`.

        Counted are those of convolutions and linear layers, next to which all others are few.

        Parameters
        ----------
        input_shape, output_shape : tuple of int
            Without the batch.
        """
        return 0

    def summary(self, input_shape=None):
        """Print a table of the layers: output shapes, parameters, multiply-adds and memory.

        Parameters
        ----------
        input_shape : tuple (C, H, W), optional
            The shape of one input; :attr:`input_shape` if not given.

        Returns
        -------
        str
            The table. Multiply-adds and memory are those of one image; memory is that of a layer's
            output.

        Raises
        ------
        ValueError
            If no `input_shape` is known, or the network does not take it.
        """
        from .summary import summary
        table = summary(self, input_shape)
        print(table)
        return table

    # --- description ------------------------------------------------------------------------

    def config(self):
        """The constructor's arguments, as JSON can hold them; :func:`cycnn.load` passes them."""
        if type(self).__init__ is object.__init__:
            return {}
        raise NotImplementedError(f"{type(self).__name__} needs a method config() that returns its "
                                  "constructor's arguments as a dict, so that it can be saved")

    def extra_repr(self):
        """What stands between the parentheses of `repr`."""
        return ""

    def __repr__(self):
        children = [f"({name}): {child!r}" for name, child in self.named_children()]
        if not children:
            return f"{type(self).__name__}({self.extra_repr()})"
        body = "\n".join(children).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {body}\n)"


def _limits(name, dtype):
    """The least and the largest whole number that may stand there; None, None where others may."""
    if name.split(".")[-1] == "num_batches_tracked":        # it is still to be counted on
        return 0, 2**62
    if dtype.kind == "b":
        return 0, 1
    return (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.kind in "iu" else (None, None)


def _whole_within(array, low, high):
    if array.dtype.kind == "b":
        return True
    if array.dtype.kind == "f":
        # float64 rounds the largest numbers of 64 bits up: those are one too many.
        return ((array >= low) & (array < float(high + 1)) & (array == np.floor(array))).all()
    return array.size == 0 or low <= int(array.min()) and int(array.max()) <= high


def _as_array(value, name, dtype):
    if hasattr(value, "detach"):                # a PyTorch tensor
        value = value.detach().cpu()
    array = np.asarray(value)
    if array.dtype.kind not in ("fiub" if dtype.kind == "b" else "fiu"):
        raise TypeError(f"{name} must be an array of numbers, got dtype {array.dtype}")
    return array
