"""The three passes of a linear layer, on the register tile.

    y[n, o]  = bias[o] + sum over i of x[n, i] * weight[o, i]      rows of both: dot products
    dx[n, i] = sum over o of dy[n, o] * weight[o, i]               weight rows are the tile's columns
    dweight[o, i] = sum over n of dy[n, o] * x[n, i]               x rows are the tile's columns

None of them needs the weight in another order than it has.
"""

from cython.parallel cimport prange
from libc.stdlib cimport free, malloc

from .tile cimport TILE_FROM_C, TILE_FROM_ZERO, lanes_of, real, tile_dots, tile_rows, tile_sum

cdef enum:
    # Terms of a dot product that are summed at once: four rows of each factor fit L1 and L2. Fixed,
    # so that the order of the additions depends on the length alone.
    DOT_TERMS = 2048
    # Terms of the other two products summed at once: a panel of two vectors of them fits L1.
    PANEL_TERMS = 256
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
    cdef Py_ssize_t width = 2 * lanes_of(a)
    cdef Py_ssize_t blocks = (n_columns + width - 1) // width, i
    cdef real *panel = <real *>malloc(min(<Py_ssize_t>PANEL_TERMS, n_terms) * width * sizeof(real))
    if not panel:
        with gil:
            raise MemoryError("no memory for the working buffer of a linear layer")
    for i in prange(blocks, num_threads=threads, schedule="static"):
        product_block(a, a_row, a_step, n_rows, n_terms, b, n_columns, c, i * width,
                      min(width, n_columns - i * width), panel)
    free(panel)
    return 0


cdef void product_block(const real *a, Py_ssize_t a_row, Py_ssize_t a_step, Py_ssize_t n_rows,
                        Py_ssize_t n_terms, const real *b, Py_ssize_t n_columns, real *c,
                        Py_ssize_t first, Py_ssize_t count, real *panel) noexcept nogil:
    """The columns first <= k < first + count. Only the last block, if it is short, uses `panel`."""
    cdef Py_ssize_t lanes = lanes_of(a), no_offset = 0, j, i, k
    cdef Py_ssize_t width = (count + lanes - 1) // lanes * lanes
    cdef const real *columns
    cdef tile_sum sum
    sum.a_row, sum.a_step, sum.c_row = a_row, a_step, n_columns
    sum.n_runs, sum.runs = 1, &no_offset
    j = 0
    while j < n_terms:
        sum.run_length = min(<Py_ssize_t>PANEL_TERMS, n_terms - j)
        columns, sum.b_step = b + j * n_columns + first, n_columns
        if count < width:
            for i in range(sum.run_length):
                for k in range(width):
                    panel[i * width + k] = columns[i * n_columns + k] if k < count else 0
            columns, sum.b_step = panel, width
        tile_rows(&sum, n_rows, <int>count, a + j * a_step, columns, NULL, c + first,
                  TILE_FROM_ZERO if j == 0 else TILE_FROM_C, False)
        j += PANEL_TERMS
