"""Which kernels a convolution takes: decided by its shape and type and by the width of a vector.

`kernels/conv.pyx` fills a vector with the channels of the result, `kernels/strips.pyx` with strips
of images (bands of rows of them); both add up the products of the formula. The first wastes lanes
where the channels are few, the second where the images and their rows are; the second also has to
interleave and to part what it works on. `kernels/winograd.pyx` has fewer products to add up, along
channels; so has `kernels/strips_winograd.pyx` in strips, of which `_winograd_strips.py` decides.

The constants are fitted to measured times. The number of threads must not come in here: a result
must not depend on it, and not all kernels round alike.
"""

from typing import NamedTuple

from ..kernels.strips import LANES
from ..kernels.winograd import TILE

ALGORITHMS = ("auto", "direct", "winograd")

_default = "auto"

_LARGEST_WEIGHTS = 1 << 26  # bytes of transformed weights, of which there are several times as many

# What Winograd's algorithm takes for each point of each tile, in fused multiply-adds of a vector:
# those of the products, what each vector of channels costs that is transformed, and the rest, which
# counts the more the less such a multiply-add does.
_MULTIPLY = 1.05
_READ = 6.5                 # a vector of x, or of dy for the gradient of x
_WRITE = 8                  # a vector of y, or of dx
_READ_GRADIENT = 7          # a vector of dy, for the gradient of the weight
_POINT = 48 / LANES[4]
_MARGIN = 1.08              # so much faster it must be than the direct sums at their best


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


class Winograd(NamedTuple):
    """Which passes of a convolution Winograd's algorithm computes."""

    forward: bool
    input_gradient: bool
    weight_gradient: bool


_NEVER, _ALWAYS = Winograd(False, False, False), Winograd(True, True, True)


def choose(algorithm, winograd):
    """The passes of a call that take Winograd's algorithm.

    `winograd` is what :func:`winograd_pays` said of its shapes.
    """
    if algorithm != "auto":
        check(algorithm)
        if algorithm == "winograd" and winograd is None:
            raise ValueError('algorithm="winograd" needs a kernel of 3 x 3 or 5 x 5, stride 1, '
                             "dilation 1 and one group")
    elif winograd is None:
        return _NEVER
    else:
        algorithm = _default
    return winograd if algorithm == "auto" else _ALWAYS if algorithm == "winograd" else _NEVER


def winograd_pays(out_shape, x_shape, weight_shape, options, itemsize):
    """For which passes Winograd's algorithm is the faster one; None where it is not possible.

    `options` as in conv.Plan. How many images there are does not count, so that an image alone
    gives the same bits as in a batch.
    """
    _, k, out_h, out_w = out_shape
    c, size = weight_shape[1:3]
    if options[:2] != (1, 1) or options[4:] != (1, 1, 1):
        return None
    if weight_shape[2:] not in ((3, 3), (5, 5)):
        return None
    points = (size + TILE - 1) ** 2
    if itemsize * points * c * k > _LARGEST_WEIGHTS:
        return _NEVER
    of_c, of_k = (-(-channels // LANES[itemsize]) for channels in (c, k))

    def pays(height, width, vectors):
        """`vectors`: what a point of a tile takes, in multiply-adds of a vector."""
        tiles = -(-height // TILE) * -(-width // TILE)
        direct = height * width * size * size * c * k / LANES[itemsize]
        return _MARGIN * tiles * points * (vectors + _POINT) < direct

    return Winograd(
        pays(out_h, out_w, _MULTIPLY * c * of_k + _READ * of_c + _WRITE * of_k),
        pays(*x_shape[2:], _MULTIPLY * k * of_c + _READ * of_k + _WRITE * of_c),
        pays(out_h, out_w, _MULTIPLY * c * of_k + _READ * of_c + _READ_GRADIENT * of_k))


def whole_vectors(channels, itemsize):
    """Whether the Winograd kernels of the backward pass can start behind a max-pool."""
    return channels % LANES[itemsize] == 0


# --- strips, among the direct kernels --------------------------------------------------------

_COST = 0.85                # what interleaving and parting leave of the speed
_LARGEST_WINDOW = 1 << 23   # bytes of interleaved rows that one thread may have to keep
_SUM_PIXELS = 8             # loading and storing a sum takes as long as adding so many pixels
_LEAST_SUMS = 8             # that a tile must have at once to hide the latency of an fma
_SUM_BYTES = 1 << 21        # sums of this size halve the speed: they leave the caches near the core


def forward_in_strips(out_shape, x_shape, weight_shape, options, itemsize):
    """Whether conv2d is faster in strips, with the same bits; `options` as in conv.Plan."""
    n, k, out_h, _ = out_shape
    lanes = LANES[itemsize]
    return (_fits(x_shape, weight_shape[2], options[4], lanes * itemsize, options[-1])
            and _filled(k, lanes) < _COST * _filled(n * out_h, lanes))


def input_gradient_in_strips(out_shape, x_shape, weight_shape, options, itemsize):
    """Whether the gradient of x is faster in strips."""
    n, c, height, _ = x_shape
    lanes = LANES[itemsize]
    rows = -(-height // options[0])     # a strip's step computes a row of each phase
    return (_fits(out_shape, weight_shape[2], options[4] / options[0], lanes * itemsize,
                  options[-1])
            and _filled(c, lanes) < _COST * _filled(n * rows, lanes))


def weight_gradient_in_strips(out_shape, x_shape, weight_shape, options, itemsize):
    """Whether the gradient of the weight is faster in strips."""
    n, k, out_h, out_w = out_shape
    lanes = LANES[itemsize]
    pixels = n * out_h * out_w / lanes
    size = k * weight_shape[1] * weight_shape[2] * weight_shape[3] * lanes * itemsize
    # The other kernel's tile has the inputs under the kernel for rows: they may be too few.
    rows = x_shape[1] * (weight_shape[2] * weight_shape[3] if options[5] == 1 else 1)
    present = _filled(k, lanes) * min(1, rows * min(2, -(-k // lanes)) / _LEAST_SUMS)
    speed = _COST * pixels / (pixels + _SUM_PIXELS) * _SUM_BYTES / (_SUM_BYTES + size)
    return (_fits(x_shape, weight_shape[2], options[4], lanes * itemsize, options[-1])
            and present < speed * _filled(n * out_h, lanes))


def _filled(count, lanes):
    """How much of the vectors that hold `count` numbers is filled."""
    return count / (-(-count // lanes) * lanes)


def _fits(shape, kernel_height, dilation, vector_bytes, groups):
    """Strips have no groups, and the rows under one row of the result must not be too large."""
    _, channels, _, width = shape
    rows = (kernel_height - 1) * dilation + 1
    return groups == 1 and rows * width * channels * vector_bytes <= _LARGEST_WINDOW
