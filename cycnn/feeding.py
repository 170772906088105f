"""What a training or an evaluation is fed with: batch after batch of images and targets.

`source` makes either of two of the same methods: `Stored` for data that are there as a whole (in
memory, memory-mapped or on a disk), `Stream` for what comes batch by batch from the user's own
code.
"""

import collections
import contextlib
import itertools
import math

import numpy as np

from . import batches, functional, normalization, sampling
from .ahead import ahead
from .functional import _check


#: How an epoch's batches are made: the arguments of `Trainer.fit` of these names.
Options = collections.namedtuple("Options", "batch_size sampling augment seed")


# Images that are read and augmented at a time, at least: what NumPy takes for a call counts little.
_TOGETHER = 128


def source(data, name, steps=None):
    """`data` as a :class:`Stored` or a :class:`Stream`; `name` is what an error calls it.

    Raises
    ------
    TypeError, ValueError
        If it is neither images with labels nor an iterable of such.
    """
    if batches.comes_in_batches(data):
        return Stream(data, name, steps)
    if steps is not None:
        raise ValueError(f"steps_per_epoch is for a generator: {name} has a length of its own")
    return Stored(*batches.images_and_labels(data, name), name)


def check_augment(augment):
    """The argument `augment` of `Trainer.fit`: None or an augmentation."""
    if augment is not None and (not callable(augment) or isinstance(augment, type)):
        raise TypeError("augment must be an augmentation such as "
                        f"cycnn.data.augment.RandomCrop(28, padding=2), got {augment!r}")
    return augment


def _augmented(augment, images, indices, seed, epoch, samples):
    """What the user's own augmentation gives, checked."""
    images = augment(images, indices, seed, epoch, samples)
    if not hasattr(images, "shape") or not hasattr(images, "dtype"):
        raise TypeError("augment must return an array of images (N, C, H, W), got "
                        f"{type(images).__name__}")
    if len(images.shape) != 4 or len(images) != len(indices):
        raise ValueError("augment must return as many images (N, C, H, W) as it gets indices, "
                         f"{len(indices)}, got shape {tuple(images.shape)}")
    return images


class Stored:
    """Images and labels with a length, in any order.

    Attributes
    ----------
    labels : numpy.ndarray
        What the loss takes, after `check`.
    checked : bool
        Whether the targets that come out need no further check.
    """

    checked = True
    repeats = True

    def __init__(self, images, labels, name):
        self.images, self.labels, self.name = images, labels, name

    def __len__(self):
        return len(self.images)

    def check(self, model_output, loss, dtype, augment=None, view=None):
        """Let the loss check the labels, for a model with `model_output(images)` for no images.

        Returns
        -------
        tuple (C, H, W)
            The shape of the images that enter the network.
        """
        images, _ = batches.read(self.images, np.arange(0))
        if augment is not None:
            def augmented(images):
                numbers = np.arange(len(images))
                return _augmented(augment, images, numbers, 0, 0, numbers)

            images = batches.output_of_none(augmented, images[:0])
        if view is not None:
            images = batches.shown(view, np.asarray(self.images[:1]))
        self.labels = loss.check_targets(self.labels, model_output(images).shape[1:], dtype,
                                         f"{self.name} labels")
        return images.shape[1:]

    def skip(self, epochs):
        """Nothing: every epoch begins with the same images."""

    def measure(self):
        """The images' mean and spread."""
        return normalization.measure(self.images)

    def number_of_batches(self, batch_size):
        return math.ceil(len(self) / batch_size)

    def in_order(self, batch_size):
        """Yield (images as they are stored, targets) from the first to the last."""
        start = 0
        for images in batches.in_order(self.images, batch_size):
            yield images, self.labels[start:start + len(images)]
            start += len(images)

    def epoch(self, options, rng, number, first, scale, dtype):
        """The batches of epoch `number` from batch `first` on, in a random order: an iterator.

        The order comes from `rng`, a sample's augmentation from the seed, `number` and its index.
        """
        order = sampling.order(options.sampling, self.labels, rng)
        # A thread for what takes longer than to hand it over: to read, or to change images. Small
        # batches are made, and handed over, several at a time.
        slow = options.augment is not None or batches.stays_on_disk(self.images)
        together = max(1, _TOGETHER // options.batch_size) if slow else 1
        made = self._several(options, order, number, first, together, scale, dtype)
        return _each(ahead(made) if slow else made)

    def _several(self, options, order, number, first, together, scale, dtype):
        """Yield lists of up to `together` batches."""
        size, augment = options.batch_size, options.augment
        mean, std = batches.scaling(scale, self.images.shape[1])
        if augment is not None:
            samples = order if options.sampling is None else sampling.sample_numbers(order)
        for start in range(first * size, len(order), together * size):
            chosen = order[start:start + together * size]
            images, indices = batches.read(self.images, chosen)
            if augment is not None:
                images = _augmented(augment, images, indices, options.seed, number,
                                    samples[start:start + together * size])
                indices = np.arange(len(images))
            yield [(functional.gather_batch(images, indices[at:at + size], mean, std, dtype),
                    self.labels[chosen[at:at + size]]) for at in range(0, len(chosen), size)]


class Stream:
    """Pairs (images, labels), one a batch, from a generator, a function or a data loader.

    Parameters
    ----------
    data : iterable, or function
        A function is called for every epoch, with the epoch's number if it takes an argument.
    steps : int, optional
        How many batches an epoch has; by default all that come.
    """

    checked = False
    labels = None

    def __init__(self, data, name, steps):
        self.data, self.name = data, name
        self.steps = steps if steps is None else _check.integer(steps, "steps_per_epoch", 1)
        #: Whether a second epoch begins anew, rather than going on where the first one ended.
        self.repeats = not hasattr(data, "__next__")
        self.takes_epoch = callable(data) and _takes_an_argument(data)

    def check(self, model_output, loss, dtype, augment=None, view=None):
        """Nothing can be said before a batch has come."""
        return None

    def skip(self, epochs):
        """Go past so many epochs of a generator that is used up once: those done before a training
        was resumed."""
        if not self.repeats:
            collections.deque(itertools.islice(self.data, epochs * (self.steps or 0)), 0)

    def measure(self):
        """None: that would take an epoch of its own. The images enter as they come."""
        return None

    def number_of_batches(self, batch_size):
        if self.steps is None and hasattr(self.data, "__len__"):
            return len(self.data)
        return self.steps

    def in_order(self, batch_size):
        """Yield (images, targets); batches larger than `batch_size` in parts."""
        for images, labels in self._pairs(0):
            for start in range(0, len(images), batch_size):
                yield images[start:start + batch_size], labels[start:start + batch_size]

    def epoch(self, options, rng, number, first, scale, dtype):
        """The batches of epoch `number` from batch `first` on: an iterator."""
        return ahead(self._batches(options, number, first, scale, dtype))

    def _batches(self, options, number, first, scale, dtype):
        done = 0
        with contextlib.closing(self._pairs(number)) as pairs:
            for i, (images, labels) in enumerate(pairs):
                samples = np.arange(done, done + len(images))
                done += len(images)
                if i < first:
                    continue
                if options.augment is not None:
                    images = _augmented(options.augment, images, np.arange(len(images)),
                                        options.seed, number, samples)
                yield batches.whole(images, scale, dtype), labels

    def _pairs(self, number):
        """Yield the (images, labels) of epoch `number`, as arrays."""
        data = self.data
        if callable(data):
            data = data(number) if self.takes_epoch else data()
        come = 0
        if not hasattr(data, "__iter__") and not hasattr(data, "__getitem__"):
            raise TypeError(f"{self.name} must be a function that makes an iterable of pairs "
                            f"(images, labels), got one that returned {type(data).__name__}")
        for item in itertools.islice(iter(data), self.steps):
            if not isinstance(item, (tuple, list)) or len(item) != 2:
                raise TypeError(f"{self.name} must give pairs (images, labels), got "
                                f"{type(item).__name__}")
            images, labels = batches.images_and_labels(item, self.name)
            come += 1
            yield np.asarray(images), np.asarray(labels)
        if come < (self.steps or 1):
            raise ValueError(f"{self.name} gave {come} batches, needed are {self.steps or 'some'}"
                             + _ONCE * (not self.repeats))


_ONCE = (": a generator is used up once, so give a function that makes one, or as steps_per_epoch "
         "how many of its batches are an epoch")


def check_repeats(feed, epochs):
    """Raise if the source `feed` ends before it has been gone through `epochs` times."""
    if epochs > 1 and not feed.repeats and feed.steps is None:
        raise ValueError(f"{feed.name} cannot be gone through {epochs} times{_ONCE}")


def _each(lists):
    """Yield the items of the lists that a generator yields; closed, it closes that."""
    with contextlib.closing(lists):
        for items in lists:
            yield from items


def _takes_an_argument(function):
    import inspect          # slow to load, and for functions alone

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):         # of some built-in ones nothing is known
        return False
    return any(parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
               and parameter.default is parameter.empty for parameter in parameters)
