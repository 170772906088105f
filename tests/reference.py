"""What every function should compute, written so that it is obviously right.

Names and arguments are those of cycnn.functional. One Python loop over the output pixels, float64
throughout, no thought of speed. The tests compare cycnn with this file, and this file with PyTorch.
"""

import math

import numpy as np


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def conv_padding(padding, kernel, dilation):
    """((top, bottom), (left, right)). "same" puts the odd zero below and to the right."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, kernel)]
        return tuple((total // 2, total - total // 2) for total in totals)
    return tuple((p, p) for p in pair(padding))


def windows(padded, kernel, stride, dilation):
    """Yield (row, column) of each output pixel and the slices of `padded` that lie under it."""
    rows, columns = (
        (size - d * (k - 1) - 1) // s + 1
        for size, k, s, d in zip(padded.shape[2:], kernel, stride, dilation))
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride[0], j * stride[1]
            yield (i, j), (slice(None), slice(None),
                           slice(top, top + dilation[0] * (kernel[0] - 1) + 1, dilation[0]),
                           slice(left, left + dilation[1] * (kernel[1] - 1) + 1, dilation[1]))


def channel_groups(groups, channels):
    size = channels // groups
    return [slice(g * size, (g + 1) * size) for g in range(groups)]


def by_group(groups, x, axis):
    """`x` with the channels, on `axis`, as (groups, channels of a group)."""
    return x.reshape(*x.shape[:axis], groups, x.shape[axis] // groups, *x.shape[axis + 1:])


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    stride, dilation, kernel = pair(stride), pair(dilation), weight.shape[2:]
    pads = conv_padding(padding, kernel, dilation)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *pads))
    weights = by_group(groups, weight.astype(np.float64), 0)
    n, out_channels = x.shape[0], weight.shape[0]
    pixels = {}
    for pixel, window in windows(padded, kernel, stride, dilation):
        under = by_group(groups, padded[window], 1)
        pixels[pixel] = np.einsum("ngcij,gkcij->ngk", under, weights).reshape(n, out_channels)
    height, width = (last + 1 for last in max(pixels))
    y = np.zeros((n, out_channels, height, width))
    for (i, j), value in pixels.items():
        y[:, :, i, j] = value
    return y if bias is None else y + bias.astype(np.float64)[:, None, None]


def conv2d_backward(dy, x, weight, bias=False, stride=1, padding=0, dilation=1, groups=1):
    stride, dilation, kernel = pair(stride), pair(dilation), weight.shape[2:]
    (top, bottom), (left, right) = pads = conv_padding(padding, kernel, dilation)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *pads))
    dy, weights = dy.astype(np.float64), by_group(groups, weight.astype(np.float64), 0)
    dpadded, dweight = np.zeros_like(padded), np.zeros_like(weights)
    for (i, j), window in windows(padded, kernel, stride, dilation):
        g = by_group(groups, dy[:, :, i, j], 1)
        under = padded[window]
        dpadded[window] += np.einsum("ngk,gkcij->ngcij", g, weights).reshape(under.shape)
        dweight += np.einsum("ngk,ngcij->gkcij", g, by_group(groups, under, 1))
    dx = dpadded[:, :, top:padded.shape[2] - bottom, left:padded.shape[3] - right]
    return dx, dweight.reshape(weight.shape), dy.sum((0, 2, 3)) if bias else None


def pooled_size(size, kernel, stride, padding, dilation=1, ceil_mode=False):
    """PyTorch's rule: with ceil_mode, the last window must still begin in the input or before."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    out = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (out - 1) * stride >= size + padding:
        out -= 1
    return out


def pool_windows(size, kernel, stride, padding, dilation=(1, 1), ceil_mode=False):
    """Yield each output pixel and the row and column numbers under it, padding included."""
    rows, columns = (pooled_size(*axis, ceil_mode)
                     for axis in zip(size, kernel, stride, padding, dilation))
    for i in range(rows):
        for j in range(columns):
            yield (i, j), [range(at * s - p, at * s - p + d * (k - 1) + 1, d)
                           for at, k, s, p, d in zip((i, j), kernel, stride, padding, dilation)]


def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
               return_indices=False):
    """The first maximum wins; a NaN is larger than everything."""
    kernel, padding, dilation = pair(kernel_size), pair(padding), pair(dilation)
    stride = pair(kernel_size if stride is None else stride)
    n, c, height, width = x.shape
    size = [pooled_size(*axis, ceil_mode)
            for axis in zip((height, width), kernel, stride, padding, dilation)]
    y, indices = np.zeros((n, c, *size)), np.zeros((n, c, *size), np.int64)
    for (i, j), (rows, columns) in pool_windows((height, width), kernel, stride, padding, dilation,
                                                ceil_mode):
        flat = np.array([r * width + q for r in rows for q in columns
                         if 0 <= r < height and 0 <= q < width])
        values = x.reshape(n, c, height * width)[:, :, flat]
        winner = values.argmax(axis=2)
        indices[:, :, i, j] = flat[winner]
        y[:, :, i, j] = np.take_along_axis(values, winner[..., None], axis=2)[..., 0]
    return (y, indices) if return_indices else y


def max_pool2d_backward(dy, indices, input_size):
    n, c = dy.shape[:2]
    height, width = input_size[-2:]
    dx = np.zeros((n, c, height * width))
    for image in range(n):
        for channel in range(c):
            np.add.at(dx[image, channel], indices[image, channel].ravel(),
                      dy[image, channel].ravel())
    return dx.reshape(n, c, height, width)


def _average_windows(size, kernel_size, stride, padding, ceil_mode, count_include_pad):
    """Yield output pixel, slices of the input under it, and the number to divide by."""
    kernel, padding = pair(kernel_size), pair(padding)
    stride = pair(kernel_size if stride is None else stride)
    for pixel, under in pool_windows(size, kernel, stride, padding, ceil_mode=ceil_mode):
        inside = [[at for at in axis if 0 <= at < length] for axis, length in zip(under, size)]
        with_pad = [[at for at in axis if at < length + p]
                    for axis, length, p in zip(under, size, padding)]
        rows, columns = with_pad if count_include_pad else inside
        yield pixel, np.ix_(*inside), len(rows) * len(columns)


def avg_pool2d(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    pixels = {}
    for pixel, (rows, columns), count in _average_windows(
            x.shape[2:], kernel_size, stride, padding, ceil_mode, count_include_pad):
        pixels[pixel] = x.astype(np.float64)[:, :, rows, columns].sum((2, 3)) / count
    y = np.zeros((*x.shape[:2], *(last + 1 for last in max(pixels))))
    for (i, j), value in pixels.items():
        y[:, :, i, j] = value
    return y


def avg_pool2d_backward(dy, input_size, kernel_size, stride=None, padding=0, ceil_mode=False,
                        count_include_pad=True):
    dx = np.zeros((*dy.shape[:2], *input_size[-2:]))
    for (i, j), (rows, columns), count in _average_windows(
            input_size[-2:], kernel_size, stride, padding, ceil_mode, count_include_pad):
        dx[:, :, rows, columns] += dy.astype(np.float64)[:, :, i, j][:, :, None, None] / count
    return dx


def global_avg_pool2d(x):
    return avg_pool2d(x, x.shape[2:])


def global_avg_pool2d_backward(dy, input_size):
    return avg_pool2d_backward(dy, input_size, tuple(input_size[-2:]))


def linear(x, weight, bias=None):
    y = np.array([[np.dot(row, column) for column in weight.astype(np.float64)]
                  for row in x.astype(np.float64)]).reshape(len(x), len(weight))
    return y if bias is None else y + bias.astype(np.float64)


def linear_backward(dy, x, weight, bias=False):
    dy, x, weight = (array.astype(np.float64) for array in (dy, x, weight))
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    for row in range(len(x)):
        for out in range(len(weight)):
            dx[row] += dy[row, out] * weight[out]
            dweight[out] += dy[row, out] * x[row]
    return dx, dweight, dy.sum(0) if bias else None


def relu(x):
    return np.maximum(x.astype(np.float64), 0)


def relu_backward(dy, y):
    return np.where(y > 0, dy.astype(np.float64), 0)


def leaky_relu(x, negative_slope=0.01):
    x = x.astype(np.float64)
    return np.where(x > 0, x, negative_slope * x)


def leaky_relu_backward(dy, x, negative_slope=0.01):
    dy = dy.astype(np.float64)
    return np.where(x > 0, dy, negative_slope * dy)


def tanh(x):
    return np.tanh(x.astype(np.float64))


def tanh_backward(dy, y):
    return dy * (1 - y.astype(np.float64) ** 2)


def sigmoid(x):
    e = np.exp(-np.abs(x.astype(np.float64)))               # never overflows
    return np.where(x > 0, 1, e) / (1 + e)


def sigmoid_backward(dy, y):
    return dy * (y.astype(np.float64) * (1 - y.astype(np.float64)))


def elu(x, alpha=1.0):
    x = x.astype(np.float64)
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_backward(dy, x, alpha=1.0):
    x = x.astype(np.float64)
    return dy * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))


def normal_cdf(x):
    return np.vectorize(lambda value: math.erfc(-value / math.sqrt(2)) / 2, otypes=[np.float64])(x)


def gelu(x, approximate="none"):
    x = x.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):      # infinity times 0
        if approximate == "none":
            return x * normal_cdf(x)
        return x * sigmoid(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3))


def gelu_backward(dy, x, approximate="none"):
    x = x.astype(np.float64)
    if approximate == "none":
        return dy * (normal_cdf(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi))
    s = sigmoid(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3))
    return dy * (s + x * s * (1 - s) * 2 * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x * x))


def silu(x):
    x = x.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return x * sigmoid(x)


def silu_backward(dy, x):
    x = x.astype(np.float64)
    return dy * (sigmoid(x) * (1 + x * (1 - sigmoid(x))))


def softmax(x, axis=-1):
    x = x.astype(np.float64)
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def softmax_backward(dy, y, axis=-1):
    dy, y = dy.astype(np.float64), y.astype(np.float64)
    return y * (dy - (dy * y).sum(axis, keepdims=True))


def reduced(losses, reduction, share):
    return losses if reduction == "none" else losses.sum() / (share if reduction == "mean" else 1)


def cross_entropy(logits, labels, weight=None, ignore_index=-100, reduction="mean",
                  label_smoothing=0.0):
    losses, share = [], 0.0
    for row, label in zip(logits.astype(np.float64), labels):
        target, counts = target_of(label, len(row), weight, ignore_index, label_smoothing)
        log_softmax = row - row.max() - np.log(np.exp(row - row.max()).sum())
        losses.append(-sum(target * log_softmax))
        share += counts
    return reduced(np.array(losses), reduction, share)


def cross_entropy_backward(logits, labels, weight=None, ignore_index=-100, reduction="mean",
                           label_smoothing=0.0):
    gradient, share = softmax(logits), 0.0
    for row, label in zip(gradient, labels):
        target, counts = target_of(label, len(row), weight, ignore_index, label_smoothing)
        row[...] = target.sum() * row - target
        share += counts
    return gradient / (share if reduction == "mean" else 1)


def target_of(label, classes, weight, ignore_index, label_smoothing):
    """What a label, or a row of probabilities, wants of each class, and how much the row counts."""
    weight = np.ones(classes) if weight is None else np.asarray(weight, np.float64)
    if np.ndim(label):
        target, counts = np.asarray(label, np.float64), 1.0
    elif label == ignore_index:
        return np.zeros(classes), 0.0
    else:
        target, counts = np.eye(classes)[label], weight[label]
    return weight * ((1 - label_smoothing) * target + label_smoothing / classes), counts


def mse_loss(prediction, target, reduction="mean"):
    return reduced((prediction.astype(np.float64) - target) ** 2, reduction, prediction.size)


def mse_loss_backward(prediction, target, reduction="mean"):
    return 2 * (prediction.astype(np.float64) - target) / share_of(prediction, reduction)


def l1_loss(prediction, target, reduction="mean"):
    return reduced(np.abs(prediction.astype(np.float64) - target), reduction, prediction.size)


def l1_loss_backward(prediction, target, reduction="mean"):
    return np.sign(prediction.astype(np.float64) - target) / share_of(prediction, reduction)


def huber_loss(prediction, target, reduction="mean", delta=1.0):
    apart = np.abs(prediction.astype(np.float64) - target)
    losses = np.where(apart < delta, apart ** 2 / 2, delta * (apart - delta / 2))
    return reduced(losses, reduction, prediction.size)


def huber_loss_backward(prediction, target, reduction="mean", delta=1.0):
    apart = prediction.astype(np.float64) - target
    return np.clip(apart, -delta, delta) / share_of(prediction, reduction)


def binary_cross_entropy_with_logits(prediction, target, weight=None, reduction="mean",
                                     pos_weight=None):
    x, target = prediction.astype(np.float64), target.astype(np.float64)
    losses = ((1 if pos_weight is None else pos_weight) * target * np.logaddexp(0, -x)
              + (1 - target) * np.logaddexp(0, x))
    return reduced(losses * (1 if weight is None else weight), reduction, prediction.size)


def binary_cross_entropy_with_logits_backward(prediction, target, weight=None, reduction="mean",
                                              pos_weight=None):
    yes, target = sigmoid(prediction), target.astype(np.float64)
    gradient = (1 - target) * yes - (1 if pos_weight is None else pos_weight) * target * (1 - yes)
    return gradient * (1 if weight is None else weight) / share_of(prediction, reduction)


def share_of(prediction, reduction):
    return prediction.size if reduction == "mean" else 1


def sgd_step(weight, grad, velocity, lr, momentum, weight_decay, nesterov, first):
    """(new weight, new velocity), by the formula in torch.optim.SGD's documentation."""
    weight, grad, velocity = (array.astype(np.float64) for array in (weight, grad, velocity))
    grad = grad + weight_decay * weight
    if momentum == 0:
        return weight - lr * grad, velocity
    velocity = grad if first else momentum * velocity + grad
    return weight - lr * (grad + momentum * velocity if nesterov else velocity), velocity


def adam_step(weight, grad, exp_avg, exp_avg_sq, step, lr, betas, eps, weight_decay, decoupled,
              max_exp_avg_sq=None):
    """(new weight, m, v, largest v), by the formulas in torch.optim.Adam's and AdamW's pages."""
    weight, grad, exp_avg, exp_avg_sq = (
        array.astype(np.float64) for array in (weight, grad, exp_avg, exp_avg_sq))
    if decoupled:
        weight = weight - lr * weight_decay * weight
    else:
        grad = grad + weight_decay * weight
    exp_avg = betas[0] * exp_avg + (1 - betas[0]) * grad
    exp_avg_sq = betas[1] * exp_avg_sq + (1 - betas[1]) * grad ** 2
    largest = exp_avg_sq
    if max_exp_avg_sq is not None:
        largest = max_exp_avg_sq = np.maximum(max_exp_avg_sq, exp_avg_sq)
    mean, square = exp_avg / (1 - betas[0] ** step), largest / (1 - betas[1] ** step)
    return weight - lr * mean / (np.sqrt(square) + eps), exp_avg, exp_avg_sq, max_exp_avg_sq


def rmsprop_step(weight, grad, square_avg, lr, alpha, eps, weight_decay, momentum,
                 momentum_buffer, grad_avg=None):
    """(new weight, v, b, a), by the formulas in torch.optim.RMSprop's page."""
    weight, grad, square_avg, momentum_buffer = (
        array.astype(np.float64) for array in (weight, grad, square_avg, momentum_buffer))
    grad = grad + weight_decay * weight
    square_avg = variance = alpha * square_avg + (1 - alpha) * grad ** 2
    if grad_avg is not None:
        grad_avg = alpha * grad_avg + (1 - alpha) * grad
        variance = square_avg - grad_avg ** 2
    momentum_buffer = momentum * momentum_buffer + grad / (np.sqrt(variance) + eps)
    return weight - lr * momentum_buffer, square_avg, momentum_buffer, grad_avg


def numerical_gradient(function, x, step=1e-6):
    """Gradient of the number `function(x)` at the float64 array `x`, by central differences."""
    gradient = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[at] += step
        down[at] -= step
        gradient[at] = (function(up) - function(down)) / (2 * step)
    return gradient
