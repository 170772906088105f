"""Which of the convolution kernels a call takes: the direct ones, or Winograd's algorithm.

The choice depends on shapes and types alone, never on the number of threads.
"""

from ..kernels.winograd import TILE

ALGORITHMS = ("auto", "direct", "winograd")

_default = "auto"

# Winograd's transformations are worth their cost from so many channels on, each side, and where
# a direct convolution has so many times the multiplications.
_CHANNELS = 16
_GAIN = 1.5


class convolution_algorithm:
    """``with cycnn.convolution_algorithm("direct"): ...``, for all convolutions within a block.

    It holds for the whole process and for calls with ``algorithm="auto"``, those of the layers too.
    A convolution that the algorithm cannot do takes the direct kernels.

    Parameters
    ----------
    algorithm : {"auto", "direct", "winograd"}
        See :func:`cycnn.functional.conv2d`.
    """

    def __init__(self, algorithm):
        self.algorithm = check(algorithm)

    def __enter__(self):
        global _default
        self.before, _default = _default, self.algorithm
        return self

    def __exit__(self, *_):
        global _default
        _default = self.before


def check(algorithm):
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm must be one of {', '.join(map(repr, ALGORITHMS))}, "
                         f"got {algorithm!r}")
    return algorithm


def choose(algorithm, dtype, winograd):
    """Whether a call takes Winograd's algorithm.

    `winograd` is what :func:`winograd_pays` said of its shapes.
    """
    if algorithm != "auto":
        check(algorithm)
        if algorithm == "winograd" and (winograd is None or dtype.itemsize != 4):
            raise ValueError('algorithm="winograd" needs float32, a kernel of 3 x 3 or 5 x 5, '
                             "stride 1, dilation 1 and one group")
        return algorithm == "winograd"
    if winograd is None or dtype.itemsize != 4:
        return False
    return winograd if _default == "auto" else _default == "winograd"


def winograd_pays(out_shape, weight_shape, stride, dilation, groups):
    """Whether Winograd's algorithm is the faster one; None where it is not possible."""
    _, k, out_h, out_w = out_shape
    c, size = weight_shape[1:3]
    if (stride, dilation, groups) != ((1, 1), (1, 1), 1) or weight_shape[2:] not in ((3, 3), (5, 5)):
        return None
    tiles = -(-out_h // TILE) * -(-out_w // TILE)
    gain = out_h * out_w * size * size / (tiles * (size + TILE - 1) ** 2)
    return min(c, k) >= _CHANNELS and gain >= _GAIN
