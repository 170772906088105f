"""How `conv.pyx` lays out a pass of a convolution: its phases, its tasks and its packed weights."""

from libc.string cimport memcpy, memset

from .axis cimport Axis, Phase
from .buffers cimport BUFFER_BYTES
from .tile cimport real, tile_finite, tile_sum

cdef extern from "transpose.h":
    void f32_transpose(const float *x, Py_ssize_t x_row, Py_ssize_t rows, Py_ssize_t columns,
                       float *y, Py_ssize_t y_row, Py_ssize_t ahead) noexcept nogil
    void f64_transpose(const double *x, Py_ssize_t x_row, Py_ssize_t rows, Py_ssize_t columns,
                       double *y, Py_ssize_t y_row, Py_ssize_t ahead) noexcept nogil

cdef enum:
    # Weights of all blocks that may be read anew for each row: a part of the second-level cache.
    PANELS_BYTES = 131072
    TURNED_TAPS = 256       # taps, counted for each channel, of the weights that are turned at once

# One vertical phase with one horizontal phase.
cdef struct Plan:
    Phase *rows
    Phase *columns
    tile_sum sum
    Py_ssize_t packed       # where its weights begin in the packed weights
    Py_ssize_t terms        # of one sum: taps times channels of a group
    Py_ssize_t tap_runs     # runs of the tile under one row of taps
    bint near               # all weights stay near: a row of dst is finished before the next

cdef struct Sweep:
    Axis rows
    Axis columns
    bint direct             # no window reaches over the edge: no buffer
    bint relu
    bint pool               # dst gets the maxima of 2 x 2 windows of what is computed,
    unsigned char *winners  # and this the winners, unless it is NULL
    bint finite             # all weights are: taps on rows of zeros may be left out
    Py_ssize_t groups
    Py_ssize_t src_channels
    Py_ssize_t dst_channels
    Py_ssize_t src_group    # channels of one group
    Py_ssize_t dst_group
    Py_ssize_t padded_group  # dst_group in whole vectors
    Py_ssize_t block        # dst channels that the tile computes at once
    Py_ssize_t n_blocks     # of one group
    Py_ssize_t task_rows    # grid rows of one task
    Py_ssize_t image_tasks
    Py_ssize_t first_column
    Py_ssize_t n_columns
    Py_ssize_t row_length   # numbers from one src row to the next
    Py_ssize_t taps
    Py_ssize_t kernel_width
    Py_ssize_t weight_dst   # numbers from one dst channel to the next in weight
    Py_ssize_t weight_src
    Py_ssize_t weight_group
    Py_ssize_t turned       # src channels whose weights are turned at once
    Py_ssize_t n_plans
    Plan *plans


cdef inline void describe(Sweep *s, Py_ssize_t src_channels, Py_ssize_t dst_channels,
                          Py_ssize_t groups, Py_ssize_t kernel_height, Py_ssize_t kernel_width,
                          Py_ssize_t lanes, Py_ssize_t n, int threads,
                          Py_ssize_t itemsize) noexcept nogil:
    """Fill in how src, dst and weight are laid out, and what a task is."""
    s.src_channels, s.dst_channels, s.kernel_width = src_channels, dst_channels, kernel_width
    s.groups, s.block, s.taps = groups, 2 * lanes, kernel_height * kernel_width
    s.src_group, s.dst_group = src_channels // groups, dst_channels // groups
    s.weight_group = max(s.weight_dst * s.dst_group, s.weight_src * s.src_group)
    s.padded_group = (s.dst_group + lanes - 1) // lanes * lanes
    s.n_blocks = (s.dst_group + s.block - 1) // s.block
    s.turned = min(s.src_group, max(<Py_ssize_t>1, TURNED_TAPS // s.taps))
    s.n_plans = s.rows.n_phases * s.columns.n_phases

    s.first_column = s.columns.first * s.columns.src_step + s.columns.origin
    s.n_columns = ((s.columns.end - 1 - s.columns.first) * s.columns.src_step + s.columns.extent
                   + 1)
    s.direct = (s.first_column >= 0 and s.first_column + s.n_columns <= s.columns.src_size
                and s.rows.first * s.rows.src_step + s.rows.origin >= 0
                and ((s.rows.end - 1) * s.rows.src_step + s.rows.origin + s.rows.extent
                     < s.rows.src_size))
    s.row_length = (s.columns.src_size if s.direct else s.n_columns) * src_channels
    s.finite = not s.direct

    cdef Py_ssize_t grid = s.rows.end - s.rows.first
    cdef Py_ssize_t fitting = ((BUFFER_BYTES // (itemsize * s.row_length) - s.rows.extent - 1)
                               // s.rows.src_step + 1)
    if s.pool:
        fitting = min(fitting, <Py_ssize_t>BUFFER_BYTES
                      // (itemsize * s.columns.dst_size * dst_channels))
    s.task_rows = min(max(fitting, 1), grid)
    if threads > 1:
        s.task_rows = min(s.task_rows, max(1, (n * grid + 2 * threads - 1) // (2 * threads)))
    if s.pool:
        s.task_rows += s.task_rows % 2      # and so is the height of dst before the pool
    s.image_tasks = (grid + s.task_rows - 1) // s.task_rows


cdef inline void make_plans(Sweep *s, Py_ssize_t itemsize, Py_ssize_t *runs) noexcept nogil:
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
        plan.near = plan.terms * s.groups * s.padded_group * itemsize <= PANELS_BYTES
        plan.packed = packed
        packed += s.groups * s.padded_group * plan.terms
        plan.sum.a_step = 1
        plan.sum.a_row = s.columns.src_step * s.src_channels
        plan.sum.c_row = s.columns.dst_step * s.dst_channels
        plan.sum.runs = runs
        step = columns.offsets[1] - columns.offsets[0] if columns.n_taps > 1 else 1
        if s.groups == 1 and step == 1:
            # All taps of a kernel row are one run.
            plan.tap_runs = 1 if columns.n_taps else 0
            plan.sum.run_length = columns.n_taps * s.src_group
            for u in range(rows.n_taps if columns.n_taps else 0):
                runs[0] = rows.offsets[u] * s.row_length + columns.offsets[0] * s.src_channels
                runs += 1
        else:
            plan.tap_runs = columns.n_taps
            plan.sum.run_length = s.src_group
            for u in range(rows.n_taps):
                for v in range(columns.n_taps):
                    runs[0] = rows.offsets[u] * s.row_length + columns.offsets[v] * s.src_channels
                    runs += 1
        plan.sum.n_runs = rows.n_taps * plan.tap_runs


cdef inline void pack_block(Sweep *s, const real *weight, const real *bias, real *packed,
                            real *padded_bias, Py_ssize_t group, Py_ssize_t block,
                            real *turned) noexcept nogil:
    """The weights of one block of dst channels, in the order in which the tile reads them.

    packed[tap row, tap column, src channel, dst channel] for each plan, zeros beyond the group.
    `turned` is memory to work in: [src channel, tap, dst channel] of some src channels.
    """
    cdef Py_ssize_t first = block * s.block, begin = 0, i, u, v, c, k, channels
    cdef Py_ssize_t width = min(s.block, s.padded_group - first)
    cdef Py_ssize_t count = min(width, s.dst_group - first)
    cdef const real *tap
    cdef real *to
    cdef Plan *plan
    weight += group * s.weight_group + first * s.weight_dst
    if count < width:
        memset(turned, 0, s.turned * s.taps * width * sizeof(real))
    while begin < s.src_group:
        channels = min(s.turned, s.src_group - begin)
        if s.weight_src == s.taps:
            turn(weight + begin * s.taps, s.weight_dst, count, channels * s.taps, turned, width)
        else:
            for c in range(channels):
                turn(weight + (begin + c) * s.weight_src, s.weight_dst, count, s.taps,
                     turned + c * s.taps * width, width)
        if s.finite and not tile_finite(<const real *>turned, channels * s.taps * width):
            s.finite = False
        for i in range(s.n_plans):
            plan = s.plans + i
            to = packed + plan.packed + (group * s.padded_group + first) * plan.terms
            to += begin * width
            for u in range(plan.rows.n_taps):
                for v in range(plan.columns.n_taps):
                    tap = turned + (plan.rows.taps[u] * s.kernel_width
                                    + plan.columns.taps[v]) * width
                    for c in range(channels):
                        memcpy(to + c * width, tap + c * s.taps * width, width * sizeof(real))
                    to += s.src_group * width
        begin += channels
    if bias:
        to = padded_bias + group * s.padded_group + first
        for k in range(width):
            to[k] = bias[group * s.dst_group + first + k] if k < count else 0


cdef inline void turn(const real *x, Py_ssize_t x_row, Py_ssize_t rows, Py_ssize_t columns,
                      real *y, Py_ssize_t y_row) noexcept nogil:
    """y[j, i] = x[i, j]."""
    if real is float:
        f32_transpose(x, x_row, rows, columns, y, y_row, 0)
    else:
        f64_transpose(x, x_row, rows, columns, y, y_row, 0)
