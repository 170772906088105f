"""Convolution and its input gradient where the result has too few channels to fill a vector.

The passes are those of `conv.pyx`, and so are the phases of the input gradient. There a vector
holds channels of one pixel of the result; with 6 or 10 of them most of it would be empty. Here it
holds one channel of one pixel in as many strips of images as it has lanes, which `strips.h`
explains. A task goes down one group of strips, row by row: it interleaves the rows of src that come
new, computes a row of dst, and parts it. It computes whole outputs, so the number of threads cannot
change a bit.

Only convolutions of one group come here; `functional/_algorithm.py` chooses which of them.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free
from libc.string cimport memset

from .axis cimport Axis, Phase, backward_axes, forward_axes
from .buffers cimport allocate, set_apart, whole_lines
from .convolution cimport Convolution
from .relu cimport mask_with
from .strips cimport (MOST_LANES, STRIPS_COLUMNS, STRIPS_FIT, STRIPS_ROWS, Strips, Window, advance,
                      cut, lay_out, open_window, spread_numbers, strips_sum)
from .strips_store cimport maxima_numbers, part, store_maxima
from .tile cimport F32_LANES, F64_LANES, lanes_of, real

#: {bytes of one number: how many of them a vector holds}
LANES = {4: F32_LANES, 8: F64_LANES}

cdef extern from "strips.h":
    void f32_strips_send_for(float *const *to, Py_ssize_t begin, Py_ssize_t end) noexcept nogil
    void f64_strips_send_for(double *const *to, Py_ssize_t begin, Py_ssize_t end) noexcept nogil
    void f32_strips_tile(int rows, int columns, const strips_sum *s, const float *x,
                         const float *weight, const float *bias, float *out) noexcept nogil
    void f64_strips_tile(int rows, int columns, const strips_sum *s, const double *x,
                         const double *weight, const double *bias, double *out) noexcept nogil

# One vertical phase with one horizontal phase.
cdef struct Plan:
    Phase *rows
    Phase *columns
    strips_sum sum
    Py_ssize_t packed       # where its weights begin in the packed weights

cdef struct Sweep:
    Strips strips
    Py_ssize_t dst_channels
    Py_ssize_t n_blocks     # of dst channels: the rows of one tile
    Py_ssize_t tile_columns
    Py_ssize_t kernel_width
    Py_ssize_t weight_dst   # numbers from one dst channel to the next in weight
    Py_ssize_t weight_src
    Py_ssize_t n_plans
    Plan *plans
    bint relu
    bint pool                           # dst gets the maxima of 2 x 2 windows,
    unsigned char *winners              # and this the winners, unless it is NULL
    const unsigned char *src_winners    # of a pool that src lies behind, or NULL: see gather


cdef int forward_pass(const Convolution *c, const real *x, const real *weight, const real *bias,
                      real *y, unsigned char *winners, bint relu, bint pool,
                      int threads) except -1 nogil:
    cdef Sweep s
    cdef void *axes = forward_axes(&s.strips.rows, &s.strips.columns, c)
    s.weight_src = c.kernel_h * c.kernel_w
    s.weight_dst = c.channels * s.weight_src
    s.relu, s.pool = relu, pool
    s.src_winners, s.winners = NULL, winners
    try:
        sweep(&s, x, y, weight, bias, <const real *>NULL, c.n, c.channels, c.out_channels,
              c.kernel_h, c.kernel_w, threads)
    finally:
        free(axes)
    return 0


cdef int input_gradient_pass(const Convolution *c, const real *dy, const unsigned char *winners,
                             const real *weight, real *dx, const real *positive,
                             int threads) except -1 nogil:
    cdef Sweep s
    cdef void *axes = backward_axes(&s.strips.rows, &s.strips.columns, c)
    s.weight_dst = c.kernel_h * c.kernel_w
    s.weight_src = c.channels * s.weight_dst
    s.relu = s.pool = False
    s.src_winners, s.winners = winners, NULL
    try:
        sweep(&s, dy, dx, weight, <const real *>NULL, positive, c.n, c.out_channels, c.channels,
              c.kernel_h, c.kernel_w, threads)
    finally:
        free(axes)
    return 0


cdef int sweep(Sweep *s, const real *src, real *dst, const real *weight, const real *bias,
               const real *positive, Py_ssize_t n, Py_ssize_t src_channels,
               Py_ssize_t dst_channels, Py_ssize_t kernel_height, Py_ssize_t kernel_width,
               int threads) except -1 nogil:
    """Both passes: s holds what the two differ in, the rest is found here."""
    cdef Strips *strips = &s.strips
    cdef Py_ssize_t lanes = lanes_of(src), i
    cdef Py_ssize_t n_terms = src_channels * kernel_height * kernel_width
    strips.lanes = lanes
    cut(strips, n, threads, s.pool or s.src_winners != NULL)
    lay_out(strips, src_channels, 1, sizeof(real))
    s.dst_channels, s.kernel_width = dst_channels, kernel_width
    s.n_blocks = (dst_channels + STRIPS_ROWS - 1) // STRIPS_ROWS
    s.tile_columns = min(<Py_ssize_t>STRIPS_COLUMNS, <Py_ssize_t>STRIPS_FIT(
        (dst_channels + s.n_blocks - 1) // s.n_blocks))
    s.n_plans = strips.rows.n_phases * strips.columns.n_phases

    # One block of memory: packed weights, a row of zeros; for every thread a window, a row of dst,
    # the row that lanes without a strip write, and what a pool needs; offsets of the terms, plans.
    cdef size_t packed_size = whole_lines(n_terms * dst_channels * sizeof(real))
    cdef size_t zeros_size = whole_lines(strips.columns.src_size * src_channels * sizeof(real))
    cdef size_t window_size = whole_lines(strips.capacity * strips.row_length * sizeof(real))
    cdef size_t out_size = whole_lines(strips.columns.dst_size * dst_channels * lanes
                                       * sizeof(real))
    cdef size_t unused_size = whole_lines(strips.columns.dst_size * dst_channels * sizeof(real))
    cdef size_t thread_size = window_size + out_size + unused_size
    if s.pool:      # the second row of the windows, and what finds their maxima
        thread_size += out_size + whole_lines(
            maxima_numbers(lanes, strips.columns.dst_size, dst_channels) * sizeof(real))
    if s.src_winners:
        thread_size += whole_lines(
            spread_numbers(lanes, strips.columns.src_size, src_channels) * sizeof(real))
    thread_size = set_apart(thread_size)
    cdef size_t offsets_size = whole_lines(n_terms * sizeof(Py_ssize_t))
    cdef void *block
    cdef char *memory = allocate(packed_size + zeros_size + thread_size * threads + offsets_size
                                 + s.n_plans * sizeof(Plan), &block)
    if not memory:
        with gil:
            raise MemoryError("no memory for the working buffers of a convolution")
    cdef real *packed = <real *>memory
    cdef real *zeros = <real *>(memory + packed_size)
    cdef char *buffers = memory + packed_size + zeros_size
    s.plans = <Plan *>(buffers + thread_size * threads + offsets_size)

    memset(zeros, 0, zeros_size)
    make_plans(s, weight, packed, <Py_ssize_t *>(buffers + thread_size * threads))
    # One thread does without OpenMP: a region of one thread costs as much as a small image.
    if threads == 1:
        for i in range(strips.n_groups):
            sweep_group(s, i, src, dst, packed, bias, positive, zeros, <real *>buffers,
                        <real *>(buffers + window_size),
                        <real *>(buffers + window_size + unused_size))
    else:
        # Every thread has the images that it has in other passes, and in its caches.
        for i in prange(strips.n_groups, num_threads=threads, schedule="static"):
            sweep_group(s, i, src, dst, packed, bias, positive, zeros,
                        <real *>(buffers + threadid() * thread_size),
                        <real *>(buffers + threadid() * thread_size + window_size),
                        <real *>(buffers + threadid() * thread_size + window_size + unused_size))
    free(block)
    return 0


cdef void make_plans(Sweep *s, const real *weight, real *packed,
                     Py_ssize_t *offsets) noexcept nogil:
    """The terms of every pair of phases, and the weights in the order in which tiles read them.

    packed[tap row, tap column, src channel, dst channel] for each block of dst channels of a plan.
    """
    cdef Py_ssize_t i, block, u, v, c, _c, k, begin, end, first = 0
    cdef Strips *strips = &s.strips
    cdef Plan *plan
    cdef const real *tap
    for i in range(s.n_plans):
        plan = s.plans + i
        plan.rows = strips.rows.phases + i // strips.columns.n_phases
        plan.columns = strips.columns.phases + i % strips.columns.n_phases
        plan.packed = first * s.dst_channels
        plan.sum.offsets = offsets + first
        plan.sum.n_terms = plan.rows.n_taps * plan.columns.n_taps * strips.channels
        plan.sum.relu = s.relu and not s.pool     # the pool does it
        plan.sum.x_pixel = strips.columns.src_step * strips.channels * strips.lanes
        plan.sum.out_pixel = strips.columns.dst_step * s.dst_channels * strips.lanes
        for u in range(plan.rows.n_taps):
            for v in range(plan.columns.n_taps):
                for c in range(strips.channels):
                    offsets[first] = (plan.rows.offsets[u] * strips.row_length
                                      + (plan.columns.offsets[v] * strips.channels + c)
                                      * strips.lanes)
                    first += 1
        for block in range(s.n_blocks):
            begin = s.dst_channels * block // s.n_blocks
            end = s.dst_channels * (block + 1) // s.n_blocks
            for u in range(plan.rows.n_taps):
                for v in range(plan.columns.n_taps):
                    tap = weight + plan.rows.taps[u] * s.kernel_width + plan.columns.taps[v]
                    for _c in range(strips.channels):
                        for k in range(begin, end):
                            packed[0] = tap[k * s.weight_dst]
                            packed += 1
                        tap += s.weight_src


cdef void sweep_group(const Sweep *s, Py_ssize_t group, const real *src, real *dst,
                      const real *packed, const real *bias, const real *positive,
                      const real *zeros, real *window, real *unused, real *out) noexcept nogil:
    """All pixels of one group of strips. `unused` takes the rows of lanes that have none."""
    cdef const Strips *strips = &s.strips
    cdef const Axis *rows = &strips.rows
    cdef Py_ssize_t grid_row, phase, lane, row, i
    cdef Py_ssize_t length = strips.columns.dst_size * s.dst_channels
    cdef bint any_row
    cdef Window w
    cdef real *to[MOST_LANES]
    cdef real *base
    cdef real *spread = out + length * strips.lanes
    open_window(strips, &w, group, window)
    for grid_row in range(strips.height):
        base = advance(strips, &w, src, s.src_winners, zeros, grid_row * rows.src_step, window,
                       spread)
        if s.pool:
            compute_row(s, s.plans, base, packed, bias, out + grid_row % 2 * length * strips.lanes,
                        NULL)
            if grid_row % 2:
                store_maxima(strips, &w, grid_row // 2, s.dst_channels, s.relu, out,
                             out + length * strips.lanes, out + 2 * length * strips.lanes, unused,
                             dst, s.winners)
            continue
        for phase in range(rows.n_phases):
            any_row = False
            for lane in range(strips.lanes):
                row = w.begin[lane] + grid_row - rows.phases[phase].first
                to[lane] = unused
                if w.image[lane] >= 0 and 0 <= row < rows.phases[phase].count:
                    row = rows.phases[phase].first_dst + row * rows.dst_step
                    to[lane] = dst + (w.image[lane] * rows.dst_size + row) * length
                    any_row = True
            if not any_row:
                continue
            for i in range(strips.columns.n_phases):
                compute_row(s, s.plans + phase * strips.columns.n_phases + i, base, packed, bias,
                            out, to if i == 0 else NULL)
            part(out, length, to)
            if positive:
                for lane in range(strips.lanes):
                    if to[lane] != unused:
                        mask_with(to[lane], positive + (to[lane] - dst), length)


cdef void compute_row(const Sweep *s, const Plan *plan, const real *base, const real *packed,
                      const real *bias, real *out, real *const *to_send_for) noexcept nogil:
    """The pixels of one plan in one row of dst, all lanes.

    While the tiles compute, the cache lines of the row of dst come, unless that pointer is NULL.
    """
    cdef Py_ssize_t n = plan.columns.count, lanes = s.strips.lanes
    cdef Py_ssize_t tiles = (n + s.tile_columns - 1) // s.tile_columns
    cdef Py_ssize_t t, block, begin, rows, first, columns
    cdef Py_ssize_t row_length = s.strips.columns.dst_size * s.dst_channels
    cdef const real *x
    cdef real *to
    base += (plan.columns.first - s.strips.columns.first) * plan.sum.x_pixel
    out += plan.columns.first_dst * s.dst_channels * lanes
    for t in range(tiles):
        first = n * t // tiles
        columns = n * (t + 1) // tiles - first
        x = base + first * plan.sum.x_pixel
        if to_send_for:
            if real is float:
                f32_strips_send_for(to_send_for, row_length * t // tiles,
                                    row_length * (t + 1) // tiles)
            else:
                f64_strips_send_for(to_send_for, row_length * t // tiles,
                                    row_length * (t + 1) // tiles)
        for block in range(s.n_blocks):
            begin = s.dst_channels * block // s.n_blocks
            rows = s.dst_channels * (block + 1) // s.n_blocks - begin
            to = out + first * plan.sum.out_pixel + begin * lanes
            if real is float:
                f32_strips_tile(<int>rows, <int>columns, &plan.sum, x,
                                packed + plan.packed + begin * plan.sum.n_terms,
                                bias + begin if bias else NULL, to)
            else:
                f64_strips_tile(<int>rows, <int>columns, &plan.sum, x,
                                packed + plan.packed + begin * plan.sum.n_terms,
                                bias + begin if bias else NULL, to)
