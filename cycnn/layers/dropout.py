"""Dropout: numbers, or whole channels, left out at random while training."""

from .. import functional, random
from ..functional import _check
from ..functional.dropout import probability
from ._images import channels_last
from .module import Module


class _Dropout(Module):
    """In training each call drops anew; what it drops follows from a key, which is all it keeps."""

    def __init__(self, p=0.5):
        self.p = probability(p)

    def forward(self, x):
        x = self._checked(x, "x")
        if not self.training:
            self.remember(None)
            return x
        key = random.next_key()
        y = self._drop(x, self.p, key)
        self.remember((key, x.shape))
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        key, shape = self.recall()
        dy = self._checked(dy, "dy")
        _check.shape(dy, shape, "dy", "that of the layer's result")
        return self._drop(dy, self.p, key) if input_gradient else None

    def config(self):
        return {"p": self.p}

    def extra_repr(self):
        return f"p={self.p}"


class Dropout(_Dropout):
    r"""Each number set to 0 with probability p, the others divided by 1 - p; only in training.

    .. math::
        y = x\, m / (1 - p), \qquad m = 0 \text{ with probability } p, \text{ else } 1

    Parameters
    ----------
    p : float
        From 0 to 1.

    Notes
    -----
    Shapes: any, the same; the first axis is that of the samples. What is dropped follows from the
    number's place in its sample and from a seed, not from the threads. The seed is that of the
    :class:`cycnn.Trainer`, with the numbers of epoch, batch and layer; without a trainer, that of
    :func:`cycnn.manual_seed`, with how many calls of dropout layers there were since. In evaluation
    mode the layer hands its input on. Srivastava et al., 2014 (JMLR 15).
    """

    _drop = staticmethod(functional.dropout)

    @staticmethod
    def _checked(x, name):
        x = _check.floats(x, name)
        return channels_last(x) if x.ndim == 4 else x


class Dropout2d(_Dropout):
    r"""Whole channels of an image set to 0 with probability p, the others divided by 1 - p.

    Neighbouring pixels know much of each other, so dropping single ones tells a convolution little.

    Parameters
    ----------
    p : float
        From 0 to 1.

    Notes
    -----
    Shapes: (N, C, H, W), the same. All else as for :class:`Dropout`. Tompson et al., 2015
    (arXiv:1411.4280).
    """

    _drop = staticmethod(functional.dropout2d)

    @staticmethod
    def _checked(x, name):
        return channels_last(_check.floats(x, name, 4))
