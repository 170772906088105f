"""Which passes take Winograd's algorithm in strips of images: `kernels/strips_winograd.pyx`.

Its vectors are full however few channels there are, as long as the images and their rows of tiles
fill the lanes. It is compared with the direct kernels, and with those of `kernels/winograd.pyx`,
whose vectors run along the channels. Times are counted in products of two channels at one point of
one tile; the constants are fitted to measured times. As everywhere, the number of threads must not
come in. Nor does the number of images where there are channels enough for Winograd's other kernels:
an image alone gives the same bits there as in a batch.
"""

from ..kernels.strips import LANES
from ..kernels.winograd import TILE
from ._algorithm import Winograd, _filled

_ENOUGH = 16                # channels for the other kernels: strips must pay for an image alone
_MARGIN = 1.1               # that must be gained
_EDGE = 5.                  # transforming a channel of a tile there, and back, and interleaving it
_GRADIENT_EDGE = 7.         # the same of a weight gradient, whose sums are also loaded and stored
_SUM_BYTES = 1 << 21        # a weight gradient's sums of this size double its time
_CHANNELS_EDGE = 8.         # transforming a vector's channels where vectors run along them
_CHANNELS_GRADIENT_EDGE = 6.
_DIRECT = 0.87              # a product of a direct sum
_DIRECT_STRIPS = 0.85       # what interleaving leaves of a direct kernel's speed in strips
_LARGEST_LINES = 1 << 22    # bytes that the transformed lines under a row of tiles may have


def passes(out_shape, x_shape, weight_shape, options, itemsize, possible):
    """For which passes strips are the faster way to do Winograd's algorithm, and for which of all.

    `options` as in conv.Plan; `possible` is whether Winograd's algorithm is.
    """
    if not possible or out_shape[0] == 0:
        return (Winograd(False, False, False),) * 2
    n, k, *out_size = out_shape
    _, c, *size = x_shape
    kernel = weight_shape[2]
    forward = _faster(n, c, k, out_size, kernel, itemsize, _EDGE, _CHANNELS_EDGE, 0)
    backward = _faster(n, k, c, size, kernel, itemsize, _EDGE, _CHANNELS_EDGE, 0)
    weight = _faster(n, c, k, out_size, kernel, itemsize, _GRADIENT_EDGE, _CHANNELS_GRADIENT_EDGE,
                     c * k / _SUM_BYTES)
    return tuple(Winograd(*answers) for answers in zip(forward, backward, weight))


def _faster(n, src, dst, size, kernel, itemsize, edge, channels_edge, sums):
    """Whether strips are faster than Winograd's other kernels, and than the direct ones too."""
    height, width = size
    lanes, side = LANES[itemsize], kernel + TILE - 1
    vertical, horizontal = -(-height // TILE), -(-width // TILE)
    vector = lanes * itemsize
    if 8 * horizontal * side * src * vector > _LARGEST_LINES:
        return False, False
    strips = _MARGIN * (src * dst + edge * (src + dst)) * (1 + sums * side * side * vector)
    whole_src, whole_dst = (-(-count // lanes) * lanes for count in (src, dst))
    channels = src * whole_dst + channels_edge * (whole_src + whole_dst)
    if min(src, dst) >= _ENOUGH:
        n = 1
    if strips / _filled(n * vertical, lanes) > channels:
        return False, False
    strips *= side * side * vertical * horizontal / _filled(n * vertical, lanes)
    speed = max(_filled(dst, lanes), _DIRECT_STRIPS * _filled(n * height, lanes))
    return True, strips < _DIRECT * kernel * kernel * height * width * src * dst / speed
