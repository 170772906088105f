"""Normalisation: over the batch, and over groups of channels."""

import numpy as np

from ..functional import _check
from ..functional import norm as functional
from ..functional._format import channels_last
from ..init import float_dtype
from .module import Module, Parameter


class _Norm(Module):
    """Weight and bias, one number a channel, and the passes that they have in common."""

    def _make_parameters(self, channels, affine, bias, dtype):
        self.affine, self._dtype = bool(affine), float_dtype(dtype)
        _check.size((channels,), "weight")
        self.weight = Parameter(np.ones(channels, self._dtype)) if affine else None
        self.bias = Parameter(np.zeros(channels, self._dtype)) if affine and bias else None

    def forward(self, x):
        return self.forward_chain(x)

    def backward(self, dy, input_gradient=True, accumulate=False):
        return self.backward_chain(dy, input_gradient, accumulate)

    def forward_chain(self, x, relu=False, other=None):
        """:meth:`forward`, plus `other` of the same shape, and the ReLU behind it if wanted."""
        x = self._checked(_check.floats(x, "x", dtype=self._type_of_numbers()))
        rows = functional.rows_of(x)
        if other is not None:
            other = functional.rows_of(_check.floats(other, "other", dtype=rows.dtype))
        y, statistics = self._normalize(rows, x.shape, relu, other)
        self.remember((rows, statistics, x.shape, self.uses_running_stats()))
        return functional.back(y, x.shape)

    def backward_chain(self, dy, input_gradient=True, accumulate=False, relu=False,
                       overwrite=False):
        """:meth:`backward`; with `relu`, from the gradient behind the ReLU.

        With `overwrite`, dy may be used up.
        """
        rows, statistics, shape, given = self.recall()
        dy = _check.floats(dy, "dy", dtype=rows.dtype)
        _check.shape(dy, shape, "dy", "that of the layer's result")
        dy = functional.rows_of(dy)
        dx, dweight, dbias = self._gradients(dy, rows, statistics, given, relu, input_gradient,
                                             overwrite)
        if self.weight is not None:
            self.weight.set_grad(dweight, accumulate)
        if self.bias is not None:
            self.bias.set_grad(dbias, accumulate)
        return functional.back(dx, shape) if input_gradient else None

    def input(self):
        """The x of the last `forward`."""
        rows, _, shape, _ = self.recall()
        return functional.back(rows, shape)

    def uses_running_stats(self):
        """Whether `forward` takes the running statistics: then it is one scale and one shift."""
        return False

    def _numbers(self, rows):
        """weight and bias as the kernels take them: others may have been put in their place."""
        return [None if parameter is None else functional.check_numbers(parameter.data, name, rows)
                for parameter, name in ((self.weight, "weight"), (self.bias, "bias"))]

    def _type_of_numbers(self):
        """The type that x must have; None where either goes."""
        return _float_type(self.weight and self.weight.data)

    def _check_channels(self, x, channels):
        if x.shape[1] != channels:
            raise ValueError(f"x must have {channels} channels, got shape {x.shape}")
        return channels_last(x) if x.ndim == 4 else x


def _float_type(array):
    """Its dtype, if that is a type of images."""
    dtype = getattr(array, "dtype", None)
    return dtype if dtype in _check.FLOATS else None


def check_momentum(momentum):
    """The momentum of running statistics: from 0 to 1, or None."""
    if momentum is None:
        return None
    number = _check.number(momentum, "momentum", 0)
    if number > 1:
        raise ValueError(f"momentum must be at most 1, or None, got {momentum}")
    return number


class _BatchNorm(_Norm):
    # What the numbers of dimensions of x can be.
    _ranks = ()

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True,
                 dtype=np.float32, bias=True):
        self.num_features = _check.integer(num_features, "num_features", 1)
        self.eps = _check.number(eps, "eps", 0)
        self.momentum = check_momentum(momentum)
        self.track_running_stats = tracked = bool(track_running_stats)
        self._make_parameters(self.num_features, affine, bias, dtype)
        for name, make in (("running_mean", np.zeros), ("running_var", np.ones)):
            self.register_buffer(name, make(self.num_features, self._dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", np.zeros((), np.int64) if tracked else None)

    def _checked(self, x):
        if x.ndim not in self._ranks:
            raise ValueError(f"x must have {' or '.join(map(str, self._ranks))} dimensions "
                             f"{self._meaning}, got shape {x.shape}")
        return self._check_channels(x, self.num_features)

    def _type_of_numbers(self):
        return _float_type(self.running_mean) or super()._type_of_numbers()

    def uses_running_stats(self):
        return self.track_running_stats and not self.training

    def remember(self, value):
        """Keep it in evaluation mode too: a frozen layer may stand in a network that learns."""
        self._memory = value

    def recall(self):
        if self._memory is None and not self.training:
            raise RuntimeError(f"{type(self).__name__} is in evaluation mode, and so is what it "
                               "is part of, or there was no forward: call train() on that, and "
                               "forward, before backward")
        return super().recall()

    def _normalize(self, rows, shape, relu, other):
        weight, bias = self._numbers(rows)
        channels, eps = rows.shape[-1], _check.number(self.eps, "eps", 0)
        learns = self.training and self.track_running_stats
        if self.track_running_stats:
            running = functional.check_running(self.running_mean, self.running_var, rows, learns)
        if self.uses_running_stats():
            return functional.normalize(rows, weight, bias, channels, eps,
                                        functional.doubles(running), relu, other)
        momentum = check_momentum(self.momentum)
        functional.check_batch(rows, shape)
        y, statistics = functional.normalize(functional.batch_of(rows), weight, bias, channels, eps,
                                             relu=relu, other=other)
        if learns and rows.size:
            self.num_batches_tracked += 1
            if momentum is None:
                momentum = 1 / int(self.num_batches_tracked)
            functional.update_running(*running, *statistics, rows.size // channels, momentum)
        return y, statistics

    def _gradients(self, dy, rows, statistics, given, *options):
        if not given:
            dy, rows = functional.batch_of(dy), functional.batch_of(rows)
        return functional.normalize_backward(dy, rows, *self._numbers(rows), rows.shape[-1],
                                             self.eps, statistics, given, *options)

    def reset_running_stats(self):
        """Forget the running statistics, as before training."""
        if self.track_running_stats:
            self.running_mean[...], self.running_var[...] = 0, 1
            self.num_batches_tracked[...] = 0

    def config(self):
        return {"num_features": self.num_features, "eps": self.eps, "momentum": self.momentum,
                "affine": self.affine, "track_running_stats": self.track_running_stats,
                "dtype": self._dtype.name, "bias": self.bias is not None}

    def extra_repr(self):
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
                f"affine={self.affine}, bias={self.bias is not None}, "
                f"track_running_stats={self.track_running_stats}")


_BATCH_NORM = r"""Each channel brought to mean 0 and variance 1, then scaled and shifted.

    .. math::
        y = \frac{{x - \mu}}{{\sqrt{{\sigma^2 + \epsilon}}}}\, w + b

    In training mode mean and variance are those of the batch, and the running ones move towards
    them; in evaluation mode the running ones are used. Behind a :class:`cycnn.Conv2d` of a
    :class:`cycnn.Sequential` they then cost nothing: the convolution has them in its weights.

    A layer put to evaluation mode within a network that trains is frozen: its `backward` gives the
    gradients of input, w and b through the running statistics.

    Parameters
    ----------
    num_features : int
        The number of channels.
    eps : float
        Keeps the root away from 0.
    momentum : float or None
        running = (1 - momentum) * running + momentum * new. None: the mean over all batches.
    affine : bool
        Whether to learn w and b.
    track_running_stats : bool
        Without them, evaluation takes the batch's statistics too.
    dtype : numpy.dtype
        float32 or float64.
    bias : bool
        Whether to learn b, if `affine`.

    Attributes
    ----------
    weight, bias : Parameter, (num_features,), or None
        At first 1 and 0.
    running_mean, running_var : numpy.ndarray, (num_features,), or None
        Buffers: in the `state_dict`, and not learned.
    num_batches_tracked : numpy.ndarray of int64, (), or None
        How many batches the running statistics have seen.

    Raises
    ------
    ValueError
        From `forward`: if the number of channels is another one, or, in training, there is but one
        value a channel.

    Notes
    -----
    Shapes: {shapes}, the same. The sums are taken in double, whatever the type of x.
    Ioffe and Szegedy, 2015 (arXiv:1502.03167).
    """


class BatchNorm1d(_BatchNorm):
    __doc__ = _BATCH_NORM.format(shapes="(N, C) or (N, C, L)")
    _ranks, _meaning = (2, 3), "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    __doc__ = _BATCH_NORM.format(shapes="(N, C, H, W)")
    _ranks, _meaning = (4,), "(N, C, H, W)"


class GroupNorm(_Norm):
    r"""Each group of channels of each image brought to mean 0 and variance 1.

    .. math::
        y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}\, w + b

    with mean and variance over the group's channels and all pixels of one image: an image gets the
    same result in any batch, in training and in evaluation mode.

    Parameters
    ----------
    num_groups : int
        Divides `num_channels`. 1 normalises all channels together, `num_channels` each alone.
    num_channels : int
    eps : float
        Keeps the root away from 0.
    affine : bool
        Whether to learn w and b, which are one number a channel.
    dtype : numpy.dtype
        float32 or float64.
    bias : bool
        Whether to learn b, if `affine`.

    Attributes
    ----------
    weight, bias : Parameter, (num_channels,), or None
        At first 1 and 0.

    Notes
    -----
    Shapes: (N, C), (N, C, L) or (N, C, H, W), the same. Wu and He, 2018 (arXiv:1803.08494).
    """

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, dtype=np.float32,
                 bias=True):
        self.num_groups = _check.integer(num_groups, "num_groups", 1)
        self.num_channels = _check.integer(num_channels, "num_channels", 1)
        if num_channels % num_groups:
            raise ValueError(f"num_groups must divide num_channels, got {num_groups} for "
                             f"{num_channels}")
        self.eps = _check.number(eps, "eps", 0)
        self._make_parameters(self.num_channels, affine, bias, dtype)

    def _checked(self, x):
        if x.ndim not in (2, 3, 4):
            raise ValueError("x must have 2, 3 or 4 dimensions (N, C), (N, C, L) or (N, C, H, W), "
                             f"got shape {x.shape}")
        return self._check_channels(x, self.num_channels)

    def _normalize(self, rows, shape, relu, other):
        groups, eps = functional.check_groups(self.num_groups, rows), self.eps
        return functional.normalize(functional.images_of(rows), *self._numbers(rows), groups,
                                    _check.number(eps, "eps", 0), relu=relu, other=other)

    def _gradients(self, dy, rows, statistics, given, *options):
        dy, rows = functional.images_of(dy), functional.images_of(rows)
        groups = len(statistics[0]) // max(len(rows), 1)        # as they were in forward
        return functional.normalize_backward(dy, rows, *self._numbers(rows), groups, self.eps,
                                             statistics, given, *options)

    def config(self):
        return {"num_groups": self.num_groups, "num_channels": self.num_channels, "eps": self.eps,
                "affine": self.affine,
                "dtype": self._dtype.name, "bias": self.bias is not None}

    def extra_repr(self):
        return (f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
                f"bias={self.bias is not None}")
