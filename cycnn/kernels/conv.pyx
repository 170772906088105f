"""Convolution and its input gradient: one sweep of the register tile over the images.

Both passes compute, for every pixel of dst and every channel o of it,

    dst[h, w, o]  =  bias[o]  +  sum over taps (u, v), channels i of
                     src[row of (h, u), column of (w, v), i] * weight[o, i, u, v]

Forward, dst is y and src is x. For the input gradient dst is dx, src is dy and the two channels of
the weight change places; with stride s the pixels of dx fall into s * s phases that each meet a
different subset of the taps, and each phase is a stride-1 convolution of dy (of nothing, where the
stride is larger than the kernel: those pixels are zero).

Images are (N, H, W, C) here. Padding is never tested for inside the loops: where a task's rows
reach over the edge, the task copies them into a small buffer with the zeros around them. A task
computes whole outputs, so the number of threads cannot change a bit.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free

from .axis cimport Axis, Phase, backward_axes, forward_axes
from .buffers cimport BUFFER_BYTES, allocate, copy_padded, whole_lines
from .depthwise cimport depthwise_sweep, is_depthwise
from .relu cimport mask_with
from .tile cimport (TILE_FROM_BIAS, TILE_FROM_ZERO, TILE_RELU, lanes_of, real,
                    tile_count, tile_rows, tile_rows_ahead, tile_sum)

cdef enum:
    # Weights of all blocks that may be read anew for each row: a part of the second-level cache.
    PANELS_BYTES = 131072


# One vertical phase with one horizontal phase.
cdef struct Plan:
    Phase *rows
    Phase *columns
    tile_sum sum
    Py_ssize_t packed       # where its weights begin in the packed weights
    Py_ssize_t terms        # of one sum: taps times channels of a group

cdef struct Sweep:
    Axis rows
    Axis columns
    bint direct             # no window reaches over the edge: no buffer
    bint relu
    Py_ssize_t groups
    Py_ssize_t src_channels
    Py_ssize_t dst_channels
    Py_ssize_t src_group    # channels of one group
    Py_ssize_t dst_group
    Py_ssize_t padded_group # dst_group in whole vectors
    Py_ssize_t block        # dst channels that the tile computes at once
    Py_ssize_t first_column
    Py_ssize_t n_columns
    Py_ssize_t row_length   # numbers from one src row to the next
    Py_ssize_t kernel_width
    Py_ssize_t weight_dst   # numbers from one dst channel to the next in weight
    Py_ssize_t weight_src
    Py_ssize_t weight_group
    Py_ssize_t n_plans
    Plan *plans


def forward(const real[:, :, :, ::1] x, const real[:, :, :, ::1] weight, const real[::1] bias,
            real[:, :, :, ::1] y, winners, Py_ssize_t out_height, Py_ssize_t out_width,
            Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t top, Py_ssize_t left,
            Py_ssize_t dilation_h, Py_ssize_t dilation_w, Py_ssize_t groups, bint relu, bint pool,
            int threads):
    """y = bias + x * weight, then ReLU if wanted.

    x (N, H, W, C), weight (K, C / groups, kH, kW), y (N, OH, OW, K); `top` and `left` zeros stand
    before the image; bias may be None. `winners` and `pool`, here and below, are for kernels that
    know pools: None and False.
    """
    cdef Sweep s
    cdef const real *start = NULL
    cdef Py_ssize_t height = weight.shape[2], width = weight.shape[3]
    cdef void *axes = forward_axes(&s.rows, &s.columns, x.shape, y.shape, height, width,
                                   stride_h, stride_w, top, left, dilation_h, dilation_w)
    if bias is not None:
        start = &bias[0]
    s.weight_dst, s.weight_src = weight.shape[1] * height * width, height * width
    s.relu = relu
    try:
        with nogil:
            sweep(&s, &x[0, 0, 0, 0], &y[0, 0, 0, 0], &weight[0, 0, 0, 0], start,
                  <const real *>NULL, x.shape[0], x.shape[3], y.shape[3], groups, height, width,
                  threads)
    finally:
        free(axes)


def input_gradient(const real[:, :, :, ::1] dy, winners, const real[:, :, :, ::1] weight,
                   real[:, :, :, ::1] dx, const real[:, :, :, ::1] positive,
                   Py_ssize_t out_height, Py_ssize_t out_width, Py_ssize_t stride_h,
                   Py_ssize_t stride_w, Py_ssize_t top, Py_ssize_t left, Py_ssize_t dilation_h,
                   Py_ssize_t dilation_w, Py_ssize_t groups, int threads):
    """dx from dy and weight; shapes and the other arguments as for :func:`forward`.

    Where `positive`, of dx's shape, is not None and not above 0, dx is 0: the backward pass of a
    ReLU that made `positive`.
    """
    cdef Sweep s
    cdef const real *mask = NULL
    cdef Py_ssize_t height = weight.shape[2], width = weight.shape[3]
    cdef void *axes = backward_axes(&s.rows, &s.columns, dy.shape, dx.shape, height, width,
                                    stride_h, stride_w, top, left, dilation_h, dilation_w)
    if positive is not None:
        mask = &positive[0, 0, 0, 0]
    s.weight_dst, s.weight_src = height * width, weight.shape[1] * height * width
    s.relu = False
    try:
        with nogil:
            sweep(&s, &dy[0, 0, 0, 0], &dx[0, 0, 0, 0], &weight[0, 0, 0, 0], <const real *>NULL,
                  mask, dy.shape[0], dy.shape[3], dx.shape[3], groups, height, width, threads)
    finally:
        free(axes)


cdef int sweep(Sweep *s, const real *src, real *dst, const real *weight, const real *bias,
               const real *positive, Py_ssize_t n, Py_ssize_t src_channels,
               Py_ssize_t dst_channels, Py_ssize_t groups, Py_ssize_t kernel_height,
               Py_ssize_t kernel_width, int threads) except -1 nogil:
    """Both passes: s holds the two axes and the strides of weight, the rest is found here."""
    if is_depthwise(groups, src_channels, dst_channels):
        return depthwise_sweep(&s.rows, &s.columns, src, dst, weight, bias, positive, n,
                               src_channels, kernel_height, kernel_width, s.relu, threads)
    cdef Py_ssize_t task_rows = describe(s, src_channels, dst_channels, groups, kernel_width,
                                         lanes_of(src), n, threads, sizeof(real))
    cdef Py_ssize_t grid = s.rows.end - s.rows.first
    cdef Py_ssize_t image_tasks = (grid + task_rows - 1) // task_rows
    cdef Py_ssize_t taps = kernel_height * kernel_width
    cdef Py_ssize_t n_blocks = (s.dst_group + s.block - 1) // s.block, i
    s.n_plans = s.rows.n_phases * s.columns.n_phases

    # One block of memory: packed weights, bias, a buffer for every thread, runs, plans.
    cdef size_t packed_size = whole_lines(
        s.groups * s.padded_group * s.src_group * taps * sizeof(real))
    cdef size_t bias_size = whole_lines(s.groups * s.padded_group * sizeof(real))
    cdef size_t buffer_size = 0 if s.direct else whole_lines(
        ((task_rows - 1) * s.rows.src_step + s.rows.extent + 1) * s.row_length * sizeof(real))
    cdef size_t runs_size = whole_lines(taps * sizeof(Py_ssize_t))
    cdef void *block
    cdef char *memory = allocate(packed_size + bias_size + buffer_size * threads + runs_size
                                 + s.n_plans * sizeof(Plan), &block)
    if not memory:
        with gil:
            raise MemoryError("no memory for the working buffers of a convolution")
    cdef real *packed = <real *>memory
    cdef real *padded_bias = <real *>(memory + packed_size)
    cdef char *buffers = memory + packed_size + bias_size
    cdef Py_ssize_t *runs = <Py_ssize_t *>(buffers + buffer_size * threads)
    s.plans = <Plan *>(buffers + buffer_size * threads + runs_size)

    make_plans(s, runs)
    for i in prange(s.groups * n_blocks, num_threads=threads, schedule="static"):
        pack_block(s, weight, bias, packed, padded_bias, i // n_blocks, i % n_blocks)
    for i in prange(n * image_tasks, num_threads=threads, schedule="dynamic"):
        sweep_rows(s, src, dst, packed, padded_bias if bias else NULL, positive, i // image_tasks,
                   s.rows.first + i % image_tasks * task_rows,
                   min(s.rows.end, s.rows.first + (i % image_tasks + 1) * task_rows),
                   <real *>(buffers + threadid() * buffer_size))
    free(block)
    return 0


cdef Py_ssize_t describe(Sweep *s, Py_ssize_t src_channels, Py_ssize_t dst_channels,
                         Py_ssize_t groups, Py_ssize_t kernel_width, Py_ssize_t lanes,
                         Py_ssize_t n, int threads, Py_ssize_t itemsize) noexcept nogil:
    """Fill in how src, dst and weight are laid out; return how many grid rows a task has."""
    s.src_channels, s.dst_channels, s.kernel_width = src_channels, dst_channels, kernel_width
    s.groups, s.block = groups, 2 * lanes
    s.src_group, s.dst_group = src_channels // groups, dst_channels // groups
    s.weight_group = max(s.weight_dst * s.dst_group, s.weight_src * s.src_group)
    s.padded_group = (s.dst_group + lanes - 1) // lanes * lanes

    s.first_column = s.columns.first * s.columns.src_step + s.columns.origin
    s.n_columns = ((s.columns.end - 1 - s.columns.first) * s.columns.src_step + s.columns.extent
                   + 1)
    s.direct = (s.first_column >= 0 and s.first_column + s.n_columns <= s.columns.src_size
                and s.rows.first * s.rows.src_step + s.rows.origin >= 0
                and ((s.rows.end - 1) * s.rows.src_step + s.rows.origin + s.rows.extent
                     < s.rows.src_size))
    s.row_length = (s.columns.src_size if s.direct else s.n_columns) * src_channels

    cdef Py_ssize_t grid = s.rows.end - s.rows.first
    cdef Py_ssize_t fitting = ((BUFFER_BYTES // (itemsize * s.row_length) - s.rows.extent - 1)
                               // s.rows.src_step + 1)
    cdef Py_ssize_t task_rows = min(max(fitting, 1), grid)
    if threads > 1:
        task_rows = min(task_rows, max(1, (n * grid + 2 * threads - 1) // (2 * threads)))
    return task_rows


cdef void make_plans(Sweep *s, Py_ssize_t *runs) noexcept nogil:
    """The runs of the tile for every pair of phases, and where each one's weights are packed."""
    cdef Py_ssize_t i, u, v, step, packed = 0
    cdef Plan *plan
    cdef Phase *rows
    cdef Phase *columns
    for i in range(s.n_plans):
        plan = s.plans + i
        rows = plan.rows = s.rows.phases + i // s.columns.n_phases
        columns = plan.columns = s.columns.phases + i % s.columns.n_phases
        plan.terms = rows.n_taps * columns.n_taps * s.src_group
        plan.packed = packed
        packed += s.groups * s.padded_group * plan.terms
        plan.sum.a_step = 1
        plan.sum.a_row = s.columns.src_step * s.src_channels
        plan.sum.c_row = s.columns.dst_step * s.dst_channels
        plan.sum.runs = runs
        plan.sum.n_runs = rows.n_taps if columns.n_taps else 0
        step = columns.offsets[1] - columns.offsets[0] if columns.n_taps > 1 else 1
        if s.groups == 1 and step == 1:
            # All taps of a kernel row are one run.
            plan.sum.run_length = columns.n_taps * s.src_group
            for u in range(plan.sum.n_runs):
                runs[0] = rows.offsets[u] * s.row_length + columns.offsets[0] * s.src_channels
                runs += 1
        else:
            plan.sum.run_length = s.src_group
            plan.sum.n_runs *= columns.n_taps
            for u in range(rows.n_taps):
                for v in range(columns.n_taps):
                    runs[0] = rows.offsets[u] * s.row_length + columns.offsets[v] * s.src_channels
                    runs += 1


cdef void pack_block(const Sweep *s, const real *weight, const real *bias, real *packed,
                     real *padded_bias, Py_ssize_t group, Py_ssize_t block) noexcept nogil:
    """The weights of one block of dst channels, in the order in which the tile reads them.

    packed[tap row, tap column, src channel, dst channel] for each plan, zeros beyond the group.
    """
    cdef Py_ssize_t first = block * s.block, i, u, v, c, k
    cdef Py_ssize_t width = min(s.block, s.padded_group - first)
    cdef Py_ssize_t count = min(width, s.dst_group - first)
    cdef const real *tap
    cdef real *to
    cdef Plan *plan
    weight += group * s.weight_group + first * s.weight_dst
    for i in range(s.n_plans):
        plan = s.plans + i
        to = packed + plan.packed + (group * s.padded_group + first) * plan.terms
        for u in range(plan.rows.n_taps):
            for v in range(plan.columns.n_taps):
                tap = weight + plan.rows.taps[u] * s.kernel_width + plan.columns.taps[v]
                for c in range(s.src_group):
                    for k in range(count):
                        to[k] = tap[k * s.weight_dst]
                    for k in range(count, width):
                        to[k] = 0
                    to += width
                    tap += s.weight_src
    if bias:
        to = padded_bias + group * s.padded_group + first
        for k in range(width):
            to[k] = bias[group * s.dst_group + first + k] if k < count else 0


cdef void sweep_rows(const Sweep *s, const real *src, real *dst, const real *packed,
                     const real *bias, const real *positive, Py_ssize_t image, Py_ssize_t begin,
                     Py_ssize_t end, real *buffer) noexcept nogil:
    """All pixels of one image whose grid rows are begin <= i < end."""
    cdef Py_ssize_t i, t, block, rows, rows_end
    cdef Py_ssize_t blocks = (s.dst_group + s.block - 1) // s.block
    cdef Py_ssize_t line = s.columns.dst_size * s.dst_channels
    cdef int flags = (TILE_FROM_BIAS if bias else TILE_FROM_ZERO) | (TILE_RELU if s.relu else 0)
    cdef Py_ssize_t src_row = begin * s.rows.src_step + s.rows.origin
    cdef Plan *plan
    cdef const real *base = src + image * s.rows.src_size * s.columns.src_size * s.src_channels
    if s.direct:
        base += src_row * s.row_length + s.first_column * s.src_channels
    else:
        copy_padded(base, s.rows.src_size, s.columns.src_size, s.src_channels, buffer, src_row,
                    (end - 1 - begin) * s.rows.src_step + s.rows.extent + 1, s.first_column,
                    s.n_columns)
        base = buffer
    dst += image * s.rows.dst_size * line

    for i in range(s.n_plans):
        plan = s.plans + i
        rows = max(0, begin - plan.rows.first)
        rows_end = min(plan.rows.count, end - plan.rows.first)
        if plan.terms * s.groups * s.padded_group * <Py_ssize_t>sizeof(real) <= PANELS_BYTES:
            # All weights stay near: a row of dst is finished before the next is begun.
            for t in range(rows, rows_end):
                for block in range(s.groups * blocks):
                    sweep_row(s, plan, base, packed, bias, dst, flags, begin, t, block // blocks,
                              block % blocks, s.direct)
        else:
            # The weights of one block stay in the first-level cache for all rows.
            for block in range(s.groups * blocks):
                for t in range(rows, rows_end):
                    sweep_row(s, plan, base, packed, bias, dst, flags, begin, t, block // blocks,
                              block % blocks, False)
    if positive:
        positive += image * s.rows.dst_size * line
        rows = max(<Py_ssize_t>0, begin * s.rows.dst_step - s.rows.padding)
        rows_end = min(s.rows.dst_size, end * s.rows.dst_step - s.rows.padding)
        mask_with(dst + rows * line, positive + rows * line, (rows_end - rows) * line)


cdef inline void sweep_row(const Sweep *s, const Plan *plan, const real *base, const real *packed,
                           const real *bias, real *dst, int flags, Py_ssize_t begin,
                           Py_ssize_t t, Py_ssize_t group, Py_ssize_t block,
                           bint send) noexcept nogil:
    """Row t of a plan, for one block of dst channels; `base` is where grid row `begin` reads.

    With `send`, a part of the next row of src is sent for on the way: the tile reads many pixels
    at once, too many for the processor to foresee.
    """
    cdef Py_ssize_t first = block * s.block, blocks = (s.dst_group + s.block - 1) // s.block
    cdef Py_ssize_t row = plan.rows.first_dst + t * s.rows.dst_step
    cdef int lanes = <int>min(s.block, s.dst_group - first)
    cdef Py_ssize_t length = s.n_columns * s.src_channels
    cdef Py_ssize_t next_step = s.rows.src_step * s.row_length
    cdef const real *a
    cdef const real *b = packed + plan.packed + (group * s.padded_group + first) * plan.terms
    cdef const real *start = bias + (group * s.padded_group + first) if bias else NULL
    cdef real *c = dst + ((row * s.columns.dst_size + plan.columns.first_dst) * s.dst_channels
                          + group * s.dst_group + first)
    cdef tile_sum sum = plan.sum
    base += (plan.rows.first + t - begin) * next_step
    a = base + (plan.columns.first - s.columns.first) * sum.a_row + group * s.src_group
    sum.b_step = min(s.block, s.padded_group - first)
    cdef Py_ssize_t steps = plan.terms * tile_count(a, plan.columns.count, lanes)
    if send and steps:      # with a large stride some pixels have no terms
        block += group * blocks
        blocks *= s.groups
        sum.ahead = base + next_step + length * block // blocks
        sum.ahead_step = length // blocks * <Py_ssize_t>sizeof(real) // steps + 1
        tile_rows_ahead(&sum, plan.columns.count, lanes, a, b, start, c, flags)
    else:
        tile_rows(&sum, plan.columns.count, lanes, a, b, start, c, flags)
