"""A convolution with the ReLU and the 2 x 2 max-pool that follow it, forward and backward in one.

The numbers are those of :func:`conv2d`, :func:`relu` and :func:`max_pool2d` one after another; what
is saved is passes over memory. Layers use this; images are channels last.
"""

from . import _algorithm, _check, conv, pool
from ._format import to_nhwc


def conv2d_chain(x, weight, bias, options, relu, pooled, want_winners=True):
    """max_pool2d(relu(conv2d(x, weight, bias, *options)), 2), each of the two if wanted.

    Parameters
    ----------
    x : array (N, C, H, W), channels-last memory
    options : tuple
        Stride, padding, dilation and groups.
    relu, pooled : bool
    want_winners : bool
        Whether the backward pass will be needed.

    Returns
    -------
    y : array (N, K, OH, OW), channels-last memory
    winners : array (N, OH, OW, K), or None
        Which of its window's four pixels the maximum is; with `relu`, 4 where it is not above 0.
    """
    x, weight, geometry = conv.check(x, weight, *options)
    bias = conv.check_bias(bias, weight)
    use_winograd = _algorithm.choose("auto", x.dtype, geometry.winograd)
    if pooled:
        # Raises if there is no window.
        pool.window_geometry(geometry.out_shape, 2, 2, 0, 1, False)
    y, winners = conv.forward(x, weight, bias, geometry, use_winograd, relu, pooled, want_winners)
    return y.transpose(0, 3, 1, 2), winners


def conv2d_chain_backward(dy, winners, x, weight, bias, options, input_gradient, masked):
    """Gradients of :func:`conv2d_chain`: dx, dweight, dbias.

    Parameters
    ----------
    dy : array (N, K, OH, OW)
        The gradient of y; without a pool that of the convolution's own result, behind the ReLU.
    winners : array or None
        As :func:`conv2d_chain` returned it.
    bias, input_gradient : bool
        Whether these gradients are wanted.
    masked : bool
        Whether x is the result of a ReLU, whose backward pass shall be done too.
    """
    x, weight, geometry = conv.check(x, weight, *options)
    dy = _check.floats(dy, "dy", 4, x.dtype)
    if winners is not None:
        dy = pool.check_gradient(dy, winners)
    else:
        _check.shape(dy, geometry.out_shape, "dy", "that of the layer's result")
        dy = to_nhwc(dy)
    dx, dweight, dbias = conv.backward(
        dy, x, weight, geometry, _algorithm.choose("auto", x.dtype, geometry.winograd), bias,
        input_gradient, masked=masked, winners=winners)
    return dx.transpose(0, 3, 1, 2) if input_gradient else None, dweight, dbias
