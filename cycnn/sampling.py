"""Which images an epoch goes through, and in which order."""

import numpy as np

from .functional import _check


def check(sampling, labels):
    """The argument `sampling` of `Trainer.fit`: None, "balanced" or the images' probabilities.

    Parameters
    ----------
    sampling : None, "balanced", or array_like (N,)
        Weights need not add up to 1.
    labels : numpy.ndarray, (N, ...)

    Raises
    ------
    TypeError, ValueError
    """
    if sampling is None:
        return None
    if isinstance(sampling, str):
        if sampling != "balanced":
            raise ValueError("sampling must be None, 'balanced' or one weight an image, "
                             f"got {sampling!r}")
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise ValueError("sampling='balanced' needs class numbers (N,) as labels, got "
                             f"{labels.dtype} of shape {labels.shape}")
        return sampling
    weights = np.asarray(_check.floats(sampling, "sampling", 1), np.float64)
    _check.shape(weights, (len(labels),), "sampling", "one weight an image")
    if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.max() > 0):
        raise ValueError("sampling must be finite weights of at least 0, not all of them 0, "
                         f"got {weights.min()} to {weights.max()}")
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not np.isfinite(total):              # of what is nearly the largest number there is
        weights = weights / weights.max()
        total = weights.sum()
    return weights / total


def kind(sampling):
    """What a checkpoint remembers of it: None, "balanced" or "weights"."""
    return sampling if sampling is None or isinstance(sampling, str) else "weights"


def order(sampling, labels, rng):
    """The images of an epoch, as many as there are, in a random order: int64, (N,).

    Each once; or with "balanced" each class as often, where no image comes again before all others
    of its class have come; or with weights each draw by these, whatever was drawn before.
    """
    if sampling is None:
        return rng.permutation(len(labels))
    if not isinstance(sampling, str):
        return rng.choice(len(labels), len(labels), p=sampling)
    classes = np.unique(labels)
    # What does not divide evenly goes to classes that chance picks.
    sizes = np.full(len(classes), len(labels) // len(classes))
    sizes[rng.permutation(len(classes))[:len(labels) % len(classes)]] += 1
    drawn = []
    for label, size in zip(classes, sizes):
        members = np.flatnonzero(labels == label)
        while size > 0:
            drawn.append(rng.permutation(members)[:size])
            size -= len(members)
    return rng.permutation(np.concatenate(drawn))


def sample_numbers(drawn):
    """What the augmentation of each of `drawn` is a function of: int64, (N,).

    The image's index; but where it comes a second time in an epoch, it is augmented in another way.
    """
    by_image = np.argsort(drawn, kind="stable")
    images = drawn[by_image]
    first = np.flatnonzero(np.append(True, images[1:] != images[:-1]))
    times = np.empty(len(drawn), np.int64)
    times[by_image] = np.arange(len(drawn)) - np.repeat(first, np.diff(np.append(first,
                                                                                 len(drawn))))
    return drawn + (times << 32)
