"""The three passes of a linear layer, on the register tile.

    y[n, o]  = bias[o] + sum over i of x[n, i] * weight[o, i]      rows of both: dot products
    dx[n, i] = sum over o of dy[n, o] * weight[o, i]               weight rows are the tile's columns
    dweight[o, i] = sum over n of dy[n, o] * x[n, i]               x rows are the tile's columns

The weight is never brought into another order as a whole.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free

from .buffers cimport allocate, whole_lines
from .tile cimport (TILE_FROM_C, TILE_FROM_ZERO, lanes_of, real, tile_dots, tile_pack, tile_rows,
                    tile_sum)

cdef enum:
    # Terms of a dot product that are summed at once: four rows of each factor fit L1 and L2. Fixed,
    # so that the order of the additions depends on the length alone.
    DOT_TERMS = 2048
    # Terms of the other two products summed at once: a panel of two vectors of them fits L1.
    PANEL_TERMS = 256
    # Panels that one task computes side by side, so that it reads and writes long stretches, and
    # the rows that it computes for each of them in turn.
    STRIP_PANELS = 4
    BLOCK_ROWS = 84
    # Rows of x, and outputs, that one task computes.
    TASK_ROWS = 32
    TASK_OUTPUTS = 16


def forward(const real[:, ::1] x, const real[:, ::1] weight, const real[::1] bias,
            real[:, ::1] y, int threads):
    """y = x weight^T + bias. x (N, in), weight (out, in), bias (out,) or None, y (N, out)."""
    cdef Py_ssize_t row_tasks = (x.shape[0] + TASK_ROWS - 1) // TASK_ROWS
    cdef Py_ssize_t output_tasks = (weight.shape[0] + TASK_OUTPUTS - 1) // TASK_OUTPUTS, i
    cdef const real *start = NULL
    cdef const real *px = &x[0, 0]
    cdef const real *pw = &weight[0, 0]
    cdef real *py = &y[0, 0]
    cdef Py_ssize_t n = x.shape[0], n_in = x.shape[1], n_out = weight.shape[0]
    if bias is not None:
        start = &bias[0]
    with nogil:
        if threads == 1:
            for i in range(row_tasks * output_tasks):
                forward_task(px, pw, start, py, n_in, n_out, i // output_tasks * TASK_ROWS,
                             min(n, (i // output_tasks + 1) * TASK_ROWS),
                             i % output_tasks * TASK_OUTPUTS,
                             min(n_out, (i % output_tasks + 1) * TASK_OUTPUTS))
        else:
            for i in prange(row_tasks * output_tasks, num_threads=threads, schedule="static"):
                forward_task(px, pw, start, py, n_in, n_out, i // output_tasks * TASK_ROWS,
                             min(n, (i // output_tasks + 1) * TASK_ROWS),
                             i % output_tasks * TASK_OUTPUTS,
                             min(n_out, (i % output_tasks + 1) * TASK_OUTPUTS))


cdef void forward_task(const real *x, const real *weight, const real *bias, real *y,
                       Py_ssize_t n_in, Py_ssize_t n_out, Py_ssize_t row, Py_ssize_t row_end,
                       Py_ssize_t output, Py_ssize_t output_end) noexcept nogil:
    cdef Py_ssize_t i, o, j
    for i in range(row, row_end):
        for o in range(output, output_end):
            y[i * n_out + o] = bias[o] if bias else 0
    j = 0
    while j < n_in:
        tile_dots(x + row * n_in + j, n_in, row_end - row, weight + output * n_in + j, n_in,
                  output_end - output, min(<Py_ssize_t>DOT_TERMS, n_in - j),
                  y + row * n_out + output, n_out)
        j += DOT_TERMS


def input_gradient(const real[:, ::1] dy, const real[:, ::1] weight, real[:, ::1] dx, int threads):
    """dx = dy weight. dy (N, out), weight (out, in), dx (N, in)."""
    with nogil:
        product(&dy[0, 0], dy.shape[1], 1, dy.shape[0], dy.shape[1], &weight[0, 0],
                weight.shape[1], &dx[0, 0], threads)


def weight_gradient(const real[:, ::1] dy, const real[:, ::1] x, real[:, ::1] dweight,
                    real[::1] dbias, int threads):
    """dweight = dy^T x, and dbias the column sums of dy unless it is None."""
    cdef Py_ssize_t n, o
    with nogil:
        product(&dy[0, 0], 1, dy.shape[1], dy.shape[1], dy.shape[0], &x[0, 0], x.shape[1],
                &dweight[0, 0], threads)
        if dbias is not None:
            for o in range(dy.shape[1]):
                dbias[o] = dy[0, o]
            for n in range(1, dy.shape[0]):
                for o in range(dy.shape[1]):
                    dbias[o] += dy[n, o]


cdef int product(const real *a, Py_ssize_t a_row, Py_ssize_t a_step, Py_ssize_t n_rows,
                 Py_ssize_t n_terms, const real *b, Py_ssize_t n_columns, real *c,
                 int threads) except -1 nogil:
    """c[i, k] = sum over j of a[i * a_row + j * a_step] * b[j, k], b and c in rows of n_columns."""
    cdef Py_ssize_t strip = STRIP_PANELS * 2 * lanes_of(a)
    cdef Py_ssize_t strips = (n_columns + strip - 1) // strip, i
    cdef size_t buffer_size = min(<Py_ssize_t>PANEL_TERMS, n_terms) * strip * sizeof(real)
    cdef void *block
    cdef char *buffers = allocate(whole_lines(buffer_size) * threads, &block)
    if not buffers:
        with gil:
            raise MemoryError("no memory for the working buffer of a linear layer")
    if threads == 1:
        for i in range(strips):
            product_strip(a, a_row, a_step, n_rows, n_terms, b, n_columns, c, i * strip,
                          min(strip, n_columns - i * strip), <real *>buffers)
    else:
        for i in prange(strips, num_threads=threads, schedule="static"):
            product_strip(a, a_row, a_step, n_rows, n_terms, b, n_columns, c, i * strip,
                          min(strip, n_columns - i * strip),
                          <real *>(buffers + threadid() * whole_lines(buffer_size)))
    free(block)
    return 0


cdef void product_strip(const real *a, Py_ssize_t a_row, Py_ssize_t a_step, Py_ssize_t n_rows,
                        Py_ssize_t n_terms, const real *b, Py_ssize_t n_columns, real *c,
                        Py_ssize_t first, Py_ssize_t count, real *buffer) noexcept nogil:
    """The columns first <= k < first + count.

    b is copied into panels of two vectors: its rows may be a multiple of 4 KB apart, where all of
    them share the same few places of the L1 cache.
    """
    cdef Py_ssize_t lanes = lanes_of(a), no_offset = 0, j, row, done, width, part
    cdef real *panel
    cdef tile_sum sum
    sum.a_row, sum.a_step, sum.c_row = a_row, a_step, n_columns
    sum.n_runs, sum.runs = 1, &no_offset
    j = 0
    while j < n_terms:
        sum.run_length = min(<Py_ssize_t>PANEL_TERMS, n_terms - j)
        panel, done = buffer, 0
        while done < count:
            part = min(2 * lanes, count - done)
            tile_pack(b + j * n_columns + first + done, n_columns, sum.run_length, <int>part,
                      panel)
            panel += sum.run_length * ((part + lanes - 1) // lanes * lanes)
            done += part
        row = 0
        while row < n_rows:
            panel, done = buffer, 0
            while done < count:
                part = min(2 * lanes, count - done)
                width = (part + lanes - 1) // lanes * lanes
                sum.b_step = width
                tile_rows(&sum, min(<Py_ssize_t>BLOCK_ROWS, n_rows - row), <int>part,
                          a + row * a_row + j * a_step, panel, NULL,
                          c + row * n_columns + first + done,
                          TILE_FROM_ZERO if j == 0 else TILE_FROM_C, False)
                panel += sum.run_length * width
                done += part
            row += BLOCK_ROWS
        j += PANEL_TERMS
