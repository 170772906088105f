"""A convolutional network in plain NumPy loops: what people write by hand to understand it.

Shapes are those of cycnn.functional, (N, C, H, W) for images, so that each function can be held
against the one of the same name there; arithmetic is in float64. The loops run over the images and
the output pixels, and with `each=True` over filters or channels too: the two ways in which such
programs are mostly written. The programs time them beside the kernels, image for image.
"""

import time

import numpy as np


def conv2d(x, weight, bias=None, padding=0, each=False):
    """Slide the filters over each image, (N, C, H, W) to (N, K, H', W'); bias (K,) or (K, H', W').
    """
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    filters, _, height, width = weight.shape
    rows, columns = padded.shape[2] - height + 1, padded.shape[3] - width + 1
    y = np.zeros((len(x), filters, rows, columns))
    for n in range(len(x)):
        for i in range(rows):
            for j in range(columns):
                region = padded[n, :, i:i + height, j:j + width]
                if each:
                    for k in range(filters):
                        y[n, k, i, j] = np.sum(region * weight[k])
                else:
                    y[n, :, i, j] = np.sum(region * weight, axis=(1, 2, 3))
    if bias is None:
        return y
    return y + (bias[:, None, None] if bias.ndim == 1 else bias)


def conv2d_backward(dy, x, weight, padding=0, input_gradient=True):
    """The gradients of the images (or None), the filters, and a bias (K, H', W').

    Each product of the forward pass, y += region * weight, goes back twice: to the weight with the
    region, and to the region with the weight.
    """
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    dpadded, dweight = np.zeros_like(padded), np.zeros_like(weight)
    filters, _, height, width = weight.shape
    for n in range(len(x)):
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                window = n, slice(None), slice(i, i + height), slice(j, j + width)
                for k in range(filters):
                    dweight[k] += dy[n, k, i, j] * padded[window]
                    if input_gradient:
                        dpadded[window] += dy[n, k, i, j] * weight[k]
    inside = slice(padding, padded.shape[2] - padding), slice(padding, padded.shape[3] - padding)
    return dpadded[:, :, *inside] if input_gradient else None, dweight, dy.sum(axis=0)


def max_pool2d(x, size=2, each=False):
    """The largest number of each window, (N, C, H, W) to (N, C, H // size, W // size)."""
    y = np.zeros((*x.shape[:2], x.shape[2] // size, x.shape[3] // size))
    for n, c, i, j in _pixels(y, each):
        y[n, c, i, j] = np.max(x[n, c, i * size:(i + 1) * size, j * size:(j + 1) * size],
                               axis=(-2, -1))
    return y


def max_pool2d_backward(dy, x, size=2, each=False):
    """Each gradient goes where the largest number was: to the first of several equal ones."""
    dx = np.zeros_like(x)
    for n, c, i, j in _pixels(dy, each):
        region = x[n, c, i * size:(i + 1) * size, j * size:(j + 1) * size]
        winners = region.reshape(-1, size * size).argmax(axis=-1)
        routed = (np.arange(size * size) == winners[:, None]) * np.reshape(dy[n, c, i, j], (-1, 1))
        dx[n, c, i * size:(i + 1) * size, j * size:(j + 1) * size] = routed.reshape(region.shape)
    return dx


def cross_entropy(logits, labels):
    """The mean loss, and its gradient: (softmax - 1 at the label) / N."""
    logits = logits - logits.max(axis=1, keepdims=True)
    sums = np.exp(logits).sum(axis=1, keepdims=True)
    probabilities = np.exp(logits) / sums
    own = np.arange(len(labels)), labels
    loss = (np.log(sums[:, 0]) - logits[own]).mean()
    probabilities[own] -= 1
    return loss, probabilities / len(labels)


def train_step(images, labels, arrays, lr, relu=True, each=True, padding=0):
    """One step of gradient descent of convolution, ReLU, max-pool, dense layer and softmax.

    `arrays`, the filters, their biases (K,) or (K, H', W') (or None), the dense weight
    (10, features) and its biases, are changed in place. Returns the loss before the step.
    """
    filters, bias, weight, dense_bias = arrays
    z = conv2d(images, filters, bias, padding, each)
    a = np.maximum(z, 0) if relu else z
    pooled = max_pool2d(a, each=each)
    features = pooled.reshape(len(images), -1)
    loss, dlogits = cross_entropy(features @ weight.T + dense_bias, labels)

    dpooled = (dlogits @ weight).reshape(pooled.shape)
    dz = max_pool2d_backward(dpooled, a, each=True) * ((z > 0) if relu else 1)
    _, dfilters, dbias = conv2d_backward(dz, images, filters, padding, input_gradient=False)
    filters -= lr * dfilters
    if bias is not None:
        bias -= lr * (dbias if bias.ndim == 3 else dbias.sum(axis=(1, 2)))
    weight -= lr * dlogits.T @ features
    dense_bias -= lr * dlogits.sum(axis=0)
    return loss


def deep_train_step(images, labels, arrays, lr, penalty=0.0, padding=2):
    """One step for two convolutions and two dense layers, a ReLU behind the first of each.

    `arrays`, a weight and its biases for each of the four layers, are changed in place; the loss
    has penalty / 2 times the squares of the dense weights. Returns the loss before the step.
    """
    w1, b1, w2, b2, w3, b3, w4, b4 = arrays
    z1 = conv2d(images, w1, b1, padding, each=True)
    a1 = np.maximum(z1, 0)
    z2 = conv2d(a1, w2, b2, padding, each=True)
    features = z2.reshape(len(images), -1)
    z3 = features @ w3.T + b3
    a3 = np.maximum(z3, 0)
    loss, d4 = cross_entropy(a3 @ w4.T + b4, labels)
    loss += penalty / 2 * ((w3 * w3).sum() + (w4 * w4).sum())

    d3 = d4 @ w4 * (z3 > 0)
    da1, dw2, db2 = conv2d_backward((d3 @ w3).reshape(z2.shape), a1, w2, padding)
    _, dw1, db1 = conv2d_backward(da1 * (z1 > 0), images, w1, padding, input_gradient=False)
    gradients = (dw1, db1.sum(axis=(1, 2)), dw2, db2.sum(axis=(1, 2)),
                 d3.T @ features + penalty * w3, d3.sum(axis=0),
                 d4.T @ a3 + penalty * w4, d4.sum(axis=0))
    for array, gradient in zip(arrays, gradients):
        array -= lr * gradient
    return loss


def images_a_second(step, images, seconds=1.0):
    """How many images ``step(images)`` takes a second, called until `seconds` have gone by."""
    step(images[:1])                    # not the first call: it loads what the next ones find
    started, done = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < seconds:
        step(images)
        done += len(images)
    return done / elapsed


def _pixels(y, each):
    """The indices of the pixels of `y`, channel by channel or all channels at once."""
    for n in range(y.shape[0]):
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                for c in range(y.shape[1]) if each else [slice(None)]:
                    yield n, c, i, j
