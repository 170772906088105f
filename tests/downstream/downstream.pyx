# cython: freethreading_compatible=True
"""A training step of a convolution and a max-pool, on C addresses, in one block without the GIL."""

from cycnn.kernels.api cimport (Conv2d, MaxPool2d, conv2d, conv2d_backward_f32,
                                conv2d_backward_f64, conv2d_forward_f32, conv2d_forward_f64,
                                conv2d_plan, max_pool2d, max_pool2d_backward_f32,
                                max_pool2d_forward_f32, max_pool2d_plan)


def output_size(x, weight, int stride, int padding):
    """(OH, OW) of the convolution of x (N, H, W, C) with weight (K, C, kH, kW)."""
    cdef Conv2d conv = conv2d(x.shape[0], x.shape[3], x.shape[1], x.shape[2], weight.shape[0],
                              weight.shape[2], weight.shape[3])
    conv.stride_h = conv.stride_w = stride
    conv.padding_h = conv.padding_w = padding
    conv2d_plan(&conv)
    return conv.out_height, conv.out_width


def step(const float[:, :, :, ::1] x, const float[:, :, :, ::1] weight, const float[::1] bias,
         const float[:, :, :, ::1] dpooled, float[:, :, :, ::1] y, float[:, :, :, ::1] pooled,
         unsigned char[:, :, :, ::1] winners, float[:, :, :, ::1] dy, float[:, :, :, ::1] dx,
         float[:, :, :, ::1] dweight, float[::1] dbias, int padding, int threads):
    """pooled = the 2 x 2 maxima of y = bias + x * weight, and all gradients from that of pooled."""
    cdef Conv2d conv = conv2d(x.shape[0], x.shape[3], x.shape[1], x.shape[2], weight.shape[0],
                              weight.shape[2], weight.shape[3])
    cdef MaxPool2d pool = max_pool2d(y.shape[0], y.shape[3], y.shape[1], y.shape[2], 2, 2)
    conv.padding_h = conv.padding_w = padding
    with nogil:
        conv2d_plan(&conv)
        max_pool2d_plan(&pool)
        conv2d_forward_f32(&conv, &x[0, 0, 0, 0], &weight[0, 0, 0, 0], &bias[0], &y[0, 0, 0, 0],
                           threads)
        max_pool2d_forward_f32(&pool, &y[0, 0, 0, 0], &pooled[0, 0, 0, 0], &winners[0, 0, 0, 0],
                               threads)
        max_pool2d_backward_f32(&pool, &dpooled[0, 0, 0, 0], &winners[0, 0, 0, 0],
                                &dy[0, 0, 0, 0], threads)
        conv2d_backward_f32(&conv, &dy[0, 0, 0, 0], &x[0, 0, 0, 0], &weight[0, 0, 0, 0],
                            &dx[0, 0, 0, 0], &dweight[0, 0, 0, 0], &dbias[0], threads)


def strided(const double[:, :, :, ::1] x, const double[:, :, :, ::1] weight,
            const double[:, :, :, ::1] dy, double[:, :, :, ::1] y, double[:, :, :, ::1] dx,
            double[:, :, :, ::1] dweight, int stride):
    """y = x * weight in double precision, and both gradients from dy."""
    cdef Conv2d conv = conv2d(x.shape[0], x.shape[3], x.shape[1], x.shape[2], weight.shape[0],
                              weight.shape[2], weight.shape[3])
    conv.stride_h = conv.stride_w = stride
    with nogil:
        conv2d_plan(&conv)
        conv2d_forward_f64(&conv, &x[0, 0, 0, 0], &weight[0, 0, 0, 0], NULL, &y[0, 0, 0, 0], 1)
        conv2d_backward_f64(&conv, &dy[0, 0, 0, 0], &x[0, 0, 0, 0], &weight[0, 0, 0, 0],
                            &dx[0, 0, 0, 0], &dweight[0, 0, 0, 0], NULL, 1)


def unplanned():
    """A mistake: what raises without the GIL raises here."""
    cdef Conv2d conv = conv2d(1, 1, 5, 5, 1, 3, 3)
    cdef float x = 0
    with nogil:
        conv2d_forward_f32(&conv, &x, &x, NULL, &x, 1)
