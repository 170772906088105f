"""Untied biases of a convolution: one number for every output position instead of one a channel.

A bias is (K, OH, OW), as the weights of a model are kept; images are channels last. So it is turned
round, which takes as long as one image, and then added to all of them.
"""

import numpy as np

from ..kernels import add as kernel
from ..kernels.cpu import threads_for
from ._format import from_nhwc, to_nhwc
from ._memory import empty

#: What `bias` says to conv2d_backward where the bias is untied.
UNTIED = "untied"


def add_positions(y, bias, relu):
    """y[n] += bias for all images of y, (N, OH, OW, K), in place; then the ReLU if wanted."""
    kernel.add(y, to_nhwc(bias[None]), y, None, y.size, bias.size, y.itemsize, relu,
               threads_for(y.size * 8))


def position_sums(dy):
    """The gradient (K, OH, OW) of the bias: the sum of dy, (N, OH, OW, K), over the images."""
    n, oh, ow, k = dy.shape
    if n == 0:
        return np.zeros((k, oh, ow), dy.dtype)
    sums = empty((1, oh, ow, k), dy.dtype)
    kernel.sum_images(dy, sums, n, sums.size, dy.itemsize, threads_for(dy.size * 4))
    return from_nhwc(sums, False)[0]
