"""Convolution and its input gradient: one sweep of the register tile over the images.

Both passes compute, for every pixel of dst and every channel o of it,

    dst[h, w, o]  =  bias[o]  +  sum over taps (u, v), channels i of
                     src[row of (h, u), column of (w, v), i] * weight[o, i, u, v]

Forward, dst is y and src is x. For the input gradient dst is dx, src is dy and the two channels of
the weight change places; with stride s the pixels of dx fall into s * s phases that each meet a
different subset of the taps, and each phase is a stride-1 convolution of dy (of nothing, where the
stride is larger than the kernel: those pixels are zero).

Images are (N, H, W, C) here. Padding is never tested for inside the loops: where a task's rows
reach over the edge, the task copies them into a small buffer with the zeros around them, and
leaves out the taps that would meet nothing but rows of zeros. Before a max-pool it computes two
rows of dst at a time, or all that it has, into another buffer. A task computes whole outputs, so
the number of threads cannot change a bit.

How all that is laid out, and the packing of the weights, stand in `sweep.pxd`.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free

from .axis cimport backward_axes, forward_axes
from .buffers cimport allocate, copy_padded, whole_lines
from .convolution cimport Convolution
from .depthwise cimport depthwise_sweep, is_depthwise
from .relu cimport mask_with
from .sweep cimport Plan, Sweep, describe, make_plans, pack_block
from .tile cimport (TILE_FROM_BIAS, TILE_FROM_ZERO, TILE_RELU, TILE_ROWS_2, lanes_of, real,
                    tile_count, tile_rows, tile_rows_ahead, tile_sum)

cdef extern from "pool.h" nogil:
    ctypedef struct Window "pool_window":
        Py_ssize_t height, width, channels, out_height, out_width
        Py_ssize_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w
        Py_ssize_t inner, outer, relu

    void pool_max_row_float_byte(const float *x, float *y, unsigned char *winner, const Window *w,
                                 Py_ssize_t row) noexcept
    void pool_max_row_double_byte(const double *x, double *y, unsigned char *winner,
                                  const Window *w, Py_ssize_t row) noexcept

cdef enum:
    # Pixels that are a multiple of so many bytes apart take the same few lines of the first-level
    # cache, which holds no more than 7 of them beside the weights.
    PAGE = 4096
    ALIASED_ROWS = 7
    LEAST_SENT = 8      # bytes for each step of the tile: fewer are not worth an instruction

# Memory that a task sends for while it computes: what the next one will read first.
cdef struct Ahead:
    const char *first
    Py_ssize_t bytes
    Py_ssize_t parts        # it is cut into so many,
    Py_ssize_t part         # of which this is the next


cdef int forward_pass(const Convolution *c, const real *x, const real *weight, const real *bias,
                      real *y, unsigned char *winners, bint relu, bint pool,
                      int threads) except -1 nogil:
    """Depthwise convolutions cannot pool."""
    cdef Sweep s
    cdef Convolution seen = c[0]
    if pool:
        # What windows see.
        seen.out_height, seen.out_width = c.out_height // 2 * 2, c.out_width // 2 * 2
    cdef void *axes = forward_axes(&s.rows, &s.columns, &seen)
    s.weight_src = c.kernel_h * c.kernel_w
    s.weight_dst = c.channels // c.groups * s.weight_src
    s.relu, s.pool, s.winners = relu, pool, winners
    try:
        sweep(&s, x, y, weight, bias, <const real *>NULL, c, c.channels, c.out_channels, threads)
    finally:
        free(axes)
    return 0


cdef int input_gradient_pass(const Convolution *c, const real *dy, const unsigned char *winners,
                             const real *weight, real *dx, const real *positive,
                             int threads) except -1 nogil:
    """`winners` is not read: dy lies behind no pool."""
    cdef Sweep s
    cdef void *axes = backward_axes(&s.rows, &s.columns, c)
    s.weight_dst = c.kernel_h * c.kernel_w
    s.weight_src = c.channels // c.groups * s.weight_dst
    s.relu = s.pool = False
    s.winners = NULL
    try:
        sweep(&s, dy, dx, weight, <const real *>NULL, positive, c, c.out_channels, c.channels,
              threads)
    finally:
        free(axes)
    return 0


cdef int sweep(Sweep *s, const real *src, real *dst, const real *weight, const real *bias,
               const real *positive, const Convolution *c, Py_ssize_t src_channels,
               Py_ssize_t dst_channels, int threads) except -1 nogil:
    """Both passes: s holds the two axes and the strides of weight, the rest is found here."""
    cdef Py_ssize_t n = c.n
    if is_depthwise(c.groups, src_channels, dst_channels):
        return depthwise_sweep(&s.rows, &s.columns, src, dst, weight, bias, positive, n,
                               src_channels, c.kernel_h, c.kernel_w, s.relu, threads)
    describe(s, src_channels, dst_channels, c.groups, c.kernel_h, c.kernel_w, lanes_of(src), n,
             threads, sizeof(real))
    cdef Py_ssize_t n_blocks = s.groups * s.n_blocks, n_tasks = n * s.image_tasks, i

    # One block of memory: packed weights, bias; for every thread its rows of src, rows of dst
    # before a pool, and weights on their way to be packed; runs, plans.
    cdef size_t packed_size = whole_lines(
        s.groups * s.padded_group * s.src_group * s.taps * sizeof(real))
    cdef size_t bias_size = whole_lines(s.groups * s.padded_group * sizeof(real))
    cdef size_t src_size = 0 if s.direct else whole_lines(
        ((s.task_rows - 1) * s.rows.src_step + s.rows.extent + 1) * s.row_length * sizeof(real))
    cdef size_t dst_size = 0 if not s.pool else whole_lines(
        s.task_rows * s.columns.dst_size * s.dst_channels * sizeof(real))
    cdef size_t thread_size = max(
        src_size + dst_size, whole_lines(s.turned * s.taps * s.block * sizeof(real)))
    cdef size_t runs_size = whole_lines(s.taps * sizeof(Py_ssize_t))
    cdef void *block
    cdef char *memory = allocate(packed_size + bias_size + thread_size * threads + runs_size
                                 + s.n_plans * sizeof(Plan), &block)
    if not memory:
        with gil:
            raise MemoryError("no memory for the working buffers of a convolution")
    cdef real *packed = <real *>memory
    cdef real *padded_bias = <real *>(memory + packed_size)
    cdef char *buffers = memory + packed_size + bias_size
    cdef Py_ssize_t *runs = <Py_ssize_t *>(buffers + thread_size * threads)
    s.plans = <Plan *>(buffers + thread_size * threads + runs_size)

    make_plans(s, sizeof(real), runs)
    for i in prange(n_blocks, num_threads=threads, schedule="static"):
        pack_block(s, weight, bias, packed, padded_bias, i // s.n_blocks, i % s.n_blocks,
                   <real *>(buffers + threadid() * thread_size))
    for i in prange(n_tasks, num_threads=threads, schedule="dynamic"):
        run_task(s, src, dst, packed, padded_bias if bias else NULL, positive, i, n_tasks, threads,
                 <real *>(buffers + threadid() * thread_size),
                 <real *>(buffers + threadid() * thread_size + src_size))
    free(block)
    return 0


cdef void run_task(const Sweep *s, const real *src, real *dst, const real *packed,
                   const real *bias, const real *positive, Py_ssize_t task, Py_ssize_t n_tasks,
                   int threads, real *src_buffer, real *dst_buffer) noexcept nogil:
    """All pixels of one image whose grid rows are those of one task, and what follows for them."""
    cdef Py_ssize_t image = task // s.image_tasks, row, rows_end
    cdef Py_ssize_t begin = s.rows.first + task % s.image_tasks * s.task_rows
    cdef Py_ssize_t end = min(s.rows.end, begin + s.task_rows)
    cdef Py_ssize_t line = s.columns.dst_size * s.dst_channels
    cdef Py_ssize_t image_size = s.rows.src_size * s.columns.src_size * s.src_channels
    cdef Py_ssize_t src_row = begin * s.rows.src_step + s.rows.origin
    cdef const real *base = src + image * image_size
    cdef Ahead ahead
    if s.direct:
        base += src_row * s.row_length + s.first_column * s.src_channels
        ahead.part = ahead.parts = 0    # it sends for its own rows
    else:
        copy_padded(base, s.rows.src_size, s.columns.src_size, s.src_channels, src_buffer, src_row,
                    (end - 1 - begin) * s.rows.src_step + s.rows.extent + 1, s.first_column,
                    s.n_columns)
        base = src_buffer
        look_ahead(s, src, task + threads, n_tasks, &ahead)

    if s.pool:
        row = begin
        while row < end:
            rows_end = min(end, row + 2) if s.plans.near else end
            sweep_rows(s, base, dst_buffer - row * line, packed, bias, begin, row, rows_end, &ahead)
            pool_rows(s, dst_buffer, dst, image, row // 2, rows_end // 2)
            row = rows_end
        return
    dst += image * s.rows.dst_size * line
    sweep_rows(s, base, dst, packed, bias, begin, begin, end, &ahead)
    if positive:
        positive += image * s.rows.dst_size * line
        row = max(<Py_ssize_t>0, begin * s.rows.dst_step - s.rows.padding)
        rows_end = min(s.rows.dst_size, end * s.rows.dst_step - s.rows.padding)
        mask_with(dst + row * line, positive + row * line, (rows_end - row) * line)


cdef void look_ahead(const Sweep *s, const real *src, Py_ssize_t task, Py_ssize_t n_tasks,
                     Ahead *ahead) noexcept nogil:
    """The rows of src that `task` will copy."""
    cdef Py_ssize_t grid_row = s.rows.first + task % s.image_tasks * s.task_rows
    cdef Py_ssize_t row = grid_row * s.rows.src_step + s.rows.origin
    cdef Py_ssize_t end = min(s.rows.src_size, row + (s.task_rows - 1) * s.rows.src_step
                              + s.rows.extent + 1)
    cdef Py_ssize_t line = s.columns.src_size * s.src_channels
    row = max(<Py_ssize_t>0, row)
    ahead.first = <const char *>(src + (task // s.image_tasks * s.rows.src_size + row) * line)
    ahead.bytes = (end - row) * line * <Py_ssize_t>sizeof(real)
    ahead.parts = s.task_rows * s.n_plans * s.groups * s.n_blocks if task < n_tasks else 0
    ahead.part = 0


cdef void pool_rows(const Sweep *s, const real *rows, real *dst, Py_ssize_t image,
                    Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Rows begin <= row < end of what the pool makes of an image, from the rows under them."""
    cdef Window w
    cdef Py_ssize_t row, at
    w.height, w.width, w.channels = 2 * (end - begin), s.columns.dst_size, s.dst_channels
    w.out_height, w.out_width = end - begin, s.columns.dst_size // 2
    w.kernel_h = w.kernel_w = w.stride_h = w.stride_w = 2
    w.pad_h = w.pad_w = w.inner = 0
    w.dilation_h = w.dilation_w = 1
    w.outer, w.relu = w.out_width, s.relu
    for row in range(begin, end):
        at = (image * (s.rows.dst_size // 2) + row) * w.out_width * w.channels
        if real is float:
            pool_max_row_float_byte(rows, dst + at, s.winners + at if s.winners else NULL, &w,
                                    row - begin)
        else:
            pool_max_row_double_byte(rows, dst + at, s.winners + at if s.winners else NULL, &w,
                                     row - begin)


cdef void sweep_rows(const Sweep *s, const real *base, real *dst, const real *packed,
                     const real *bias, Py_ssize_t first, Py_ssize_t begin, Py_ssize_t end,
                     Ahead *ahead) noexcept nogil:
    """The pixels of dst, an image, of grid rows begin <= i < end; `first` is that of the task."""
    cdef Py_ssize_t i, t, block, rows, rows_end, blocks = s.groups * s.n_blocks
    cdef Plan *plan
    for i in range(s.n_plans):
        plan = s.plans + i
        rows = max(0, begin - plan.rows.first)
        rows_end = min(plan.rows.count, end - plan.rows.first)
        if plan.near:
            for t in range(rows, rows_end):
                for block in range(blocks):
                    sweep_row(s, plan, base, packed, bias, dst, first, t, block, ahead)
        else:
            # The weights of one block stay in the first-level cache for all rows.
            for block in range(blocks):
                for t in range(rows, rows_end):
                    sweep_row(s, plan, base, packed, bias, dst, first, t, block, ahead)


cdef inline void sweep_row(const Sweep *s, const Plan *plan, const real *base, const real *packed,
                           const real *bias, real *dst, Py_ssize_t begin, Py_ssize_t t,
                           Py_ssize_t block, Ahead *ahead) noexcept nogil:
    """Row t of a plan, for one block of dst channels; `base` is where grid row `begin` reads.

    On the way a part of what is read next is sent for: the tile reads many pixels at once, too many
    for the processor to foresee.
    """
    cdef Py_ssize_t group = block // s.n_blocks, first = block % s.n_blocks * s.block
    cdef Py_ssize_t row = plan.rows.first_dst + t * s.rows.dst_step
    cdef Py_ssize_t channel = group * s.padded_group + first
    cdef int lanes = <int>min(s.block, s.dst_group - first)
    cdef int flags = TILE_FROM_BIAS if bias else TILE_FROM_ZERO
    cdef Py_ssize_t src_row = (plan.rows.first + t) * s.rows.src_step, taps = plan.rows.n_taps
    cdef Py_ssize_t skipped = 0, steps, length, end, column = 0
    cdef Py_ssize_t at_once = plan.columns.count
    cdef bint send
    cdef const real *a
    cdef const real *b = packed + plan.packed + channel * plan.terms
    cdef const real *start = bias + channel if bias else NULL
    cdef real *c = dst + ((row * s.columns.dst_size + plan.columns.first_dst) * s.dst_channels
                          + group * s.dst_group + first)
    cdef tile_sum sum = plan.sum
    if s.relu and not s.pool:       # the pool does it
        flags |= TILE_RELU
    base += (src_row - begin * s.rows.src_step) * s.row_length
    a = base + (plan.columns.first - s.columns.first) * sum.a_row + group * s.src_group
    sum.b_step = min(s.block, s.padded_group - first)
    if s.finite:
        # What lies wholly in the padding adds nothing.
        src_row += s.rows.origin
        while taps and src_row + plan.rows.offsets[taps - 1] >= s.rows.src_size:
            taps -= 1
        while skipped < taps and src_row + plan.rows.offsets[skipped] < 0:
            skipped += 1
        b += skipped * sum.run_length * plan.tap_runs * sum.b_step
        sum.runs += skipped * plan.tap_runs
        sum.n_runs = (taps - skipped) * plan.tap_runs
    if TILE_ROWS_2 > ALIASED_ROWS and sum.a_row * <Py_ssize_t>sizeof(real) % PAGE == 0:
        # Parts of even width.
        at_once = (at_once + ALIASED_ROWS - 1) // ALIASED_ROWS
        at_once = (plan.columns.count + at_once - 1) // at_once
    steps = sum.n_runs * sum.run_length * tile_count(a, plan.columns.count, lanes)
    send = False
    if steps and s.direct and plan.near:        # with a large stride some pixels have no terms
        length = s.n_columns * s.src_channels
        sum.ahead = (base + s.rows.src_step * s.row_length
                     + length * block // (s.groups * s.n_blocks))
        sum.ahead_step = length // (s.groups * s.n_blocks) * <Py_ssize_t>sizeof(real) // steps + 1
        send = True
    elif steps and ahead.part < ahead.parts:
        length = ahead.bytes * ahead.part // ahead.parts
        ahead.part += 1
        end = ahead.bytes * ahead.part // ahead.parts
        sum.ahead, sum.ahead_step = ahead.first + length, (end - length) // steps + 1
        send = sum.ahead_step > LEAST_SENT
    while column < plan.columns.count:
        at_once = min(at_once, plan.columns.count - column)
        if send:
            tile_rows_ahead(&sum, at_once, lanes, a + column * sum.a_row, b, start,
                            c + column * sum.c_row, flags)
            sum.ahead = (<const char *>sum.ahead + sum.ahead_step * sum.n_runs * sum.run_length
                         * tile_count(a, at_once, lanes))
        else:
            tile_rows(&sum, at_once, lanes, a + column * sum.a_row, b, start,
                      c + column * sum.c_row, flags)
        column += at_once
