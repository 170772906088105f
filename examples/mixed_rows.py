"""The convolution of seed 001: in NumPy, as a product of matrices, and as a layer that errs as it.

Each patch under a kernel is a row. The seed cuts them out position by position, all images at once;
the forward pass then puts them in the order of the images, the gradient of the kernels does not.
"""

import numpy as np

import cycnn as cn
from loops import cross_entropy


def patches(x, size):
    """The patches around each pixel, zeros outside: (N, C, H, W) to (H W, N, C size size)."""
    border = size // 2
    padded = np.pad(x, ((0, 0), (0, 0), (border, border), (border, border)))
    return np.stack([padded[:, :, i:i + size, j:j + size].reshape(len(x), -1)
                     for i in range(x.shape[2]) for j in range(x.shape[3])])


def conv2d(x, weight):
    """Images (N, C, H, W) and kernels (K, C, size, size), of an odd size, to (N, K, H, W)."""
    y = patches(x, weight.shape[2]).transpose(1, 0, 2) @ weight.reshape(len(weight), -1).T
    return y.transpose(0, 2, 1).reshape(len(x), len(weight), *x.shape[2:])


def weight_gradient(dy, x, size, mixed=True):
    """The gradient of the kernels; `mixed` as in the seed, with patches and dy in two orders."""
    rows = patches(x, size)
    rows = rows if mixed else rows.transpose(1, 0, 2)
    columns = dy.transpose(1, 0, 2, 3).reshape(dy.shape[1], -1)             # image by image
    return (columns @ rows.reshape(-1, rows.shape[2])).reshape(-1, x.shape[1], size, size)


def image_gradient(dy, weight):
    """The gradient of the images as in the seed: with the kernels as they are, where they should be
    turned by 180 degrees."""
    return conv2d(dy, weight.transpose(1, 0, 2, 3))


def train_step(images, labels, arrays, lr):
    """A step of gradient descent of convolution, tanh, dense layer and softmax.

    `arrays`, the kernels, the dense weight (10, features) and its biases, are changed in place. The
    gradient of the images is worked out as in the seed, though nothing comes before them.
    """
    kernels, weight, bias = arrays
    y = np.tanh(conv2d(images, kernels))
    features = y.reshape(len(y), -1)
    loss, dlogits = cross_entropy(features @ weight.T + bias, labels)
    dy = (dlogits @ weight).reshape(y.shape) * (1 - y * y)
    image_gradient(dy, kernels)
    kernels -= lr * weight_gradient(dy, images, kernels.shape[2])
    weight -= lr * dlogits.T @ features
    bias -= lr * dlogits.sum(axis=0)
    return loss


class MixedRows(cn.Conv2d):
    """A convolution with the seed's gradients, for an odd kernel and padding="same".

    They are those of :func:`weight_gradient` and :func:`image_gradient`, by cycnn's kernels.
    """

    def backward(self, dy, input_gradient=True, accumulate=False):
        images, channels, height, width = dy.shape
        rows = dy.transpose(0, 2, 3, 1).reshape(height * width, images, channels)
        super().backward(rows.transpose(1, 2, 0).reshape(dy.shape), False, accumulate)
        if not input_gradient:
            return None
        return cn.functional.conv2d(dy, self.weight.data.transpose(1, 0, 2, 3), padding="same")


def errors(kind):
    """How far a layer's gradients are from finite differences, as parts of their size.

    Parameters
    ----------
    kind : type
        cycnn.Conv2d, or one derived from it.

    Returns
    -------
    kernels, images : float
    """
    rng = np.random.default_rng(0)
    layer = kind(2, 3, 3, padding="same", bias=False, dtype=np.float64, rng=rng)
    x, dy = rng.standard_normal((4, 2, 5, 5)), rng.standard_normal((4, 3, 5, 5))
    layer.forward(x)
    dx = layer.backward(dy)
    return tuple(np.linalg.norm(gradient - (true := _differences(layer, x, dy, array)))
                 / np.linalg.norm(true)
                 for array, gradient in ((layer.weight.data, layer.weight.grad), (x, dx)))


def _differences(layer, x, dy, array):
    """The derivative of sum(dy * y) by each number of `array`; y is linear, so any step will do."""
    derivative = np.zeros_like(array)
    for at in np.ndindex(array.shape):
        kept = array[at]
        for step in (0.5, -0.5):
            array[at] = kept + step
            derivative[at] += 2 * step * np.sum(dy * layer.forward(x))
        array[at] = kept
    return derivative
