"""The three passes of a linear layer, on the register tile.

    y[n, o]  = bias[o] + sum over i of x[n, i] * weight[o, i]      rows of both: dot products
    dx[n, i] = sum over o of dy[n, o] * weight[o, i]               weight rows are the tile's columns
    dweight[o, i] = sum over n of dy[n, o] * x[n, i]               x rows are the tile's columns

The weight is never brought into another order as a whole. A large one (10 MB for 25088 inputs and
100 outputs) does not fit L2, so each pass reads or writes it once, in stretches that are long
enough for the processor to fetch ahead.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free

from .buffers cimport address, allocate, whole_lines
from .relu cimport mask_with
from .tile cimport (DOT_COLUMNS, DOT_ROWS, TILE_FROM_C, TILE_FROM_ZERO, TILE_ROWS_2, lanes_of, real,
                    tile_dots, tile_pack_panels, tile_rows, tile_sum)
from .update cimport sgd_range

cdef enum:
    # Terms of a dot product that are summed at once: the rows of one tile fit L1. Fixed, so that
    # the order of the additions depends on the length alone.
    DOT_TERMS = 1024
    # Rows of x that one task takes at most: with DOT_TERMS numbers of each, a part of L2.
    TASK_ROWS = 64
    # Bytes of the columns that one task of the backward pass takes at most, and the terms that are
    # summed at once there: together a part of L2.
    STRIP_BYTES = 2048
    PANEL_TERMS = 128
    # Rows of the weight whose step is made at once, while their gradient is in L2.
    UPDATE_ROWS = 64
    # A weight of at most so many bytes is still in L2 when it is wanted again.
    IN_PLACE_BYTES = 1 << 18


# The arrays of `forward` and `backward` are in C order, all of float or all of double, as `size`
# of an element says.

def forward(x, weight, bias, y, Py_ssize_t n, Py_ssize_t n_in, Py_ssize_t n_out, bint relu,
            int size, int threads):
    """y = x weight^T + bias, then ReLU if wanted.

    x (n, n_in), weight (n_out, n_in), bias (n_out,) or None.
    """
    cdef const char *px = address(x)
    cdef const char *pw = address(weight)
    cdef const char *pb = NULL if bias is None else address(bias)
    cdef char *py = address(y)
    with nogil:
        if size == sizeof(float):
            forward_tasks(<const float *>px, <const float *>pw, <const float *>pb, <float *>py,
                          n, n_in, n_out, relu, threads)
        else:
            forward_tasks(<const double *>px, <const double *>pw, <const double *>pb,
                          <double *>py, n, n_in, n_out, relu, threads)


cdef void forward_tasks(const real *x, const real *weight, const real *bias, real *y, Py_ssize_t n,
                        Py_ssize_t n_in, Py_ssize_t n_out, bint relu,
                        int threads) noexcept nogil:
    cdef Py_ssize_t i
    # Threads share out the larger factor, so that each reads only a part of it: the outputs, unless
    # there are more rows. Where the outputs are too few for all threads, the rows are divided too.
    cdef Py_ssize_t across = min(<Py_ssize_t>threads, (n_out + DOT_COLUMNS - 1) // DOT_COLUMNS)
    if n > n_out:
        across = 1
    cdef Py_ssize_t share = min(threads // across, (n + DOT_ROWS - 1) // DOT_ROWS)
    cdef Py_ssize_t down = ((n + TASK_ROWS - 1) // TASK_ROWS + share - 1) // share * share
    if threads == 1:
        for i in range(down * across):
            forward_task(x, weight, bias, y, n_in, n_out, relu, i // across * n // down,
                         (i // across + 1) * n // down, i % across * n_out // across,
                         (i % across + 1) * n_out // across)
    else:
        for i in prange(down * across, num_threads=threads, schedule="static"):
            forward_task(x, weight, bias, y, n_in, n_out, relu, i // across * n // down,
                         (i // across + 1) * n // down, i % across * n_out // across,
                         (i % across + 1) * n_out // across)


cdef void forward_task(const real *x, const real *weight, const real *bias, real *y,
                       Py_ssize_t n_in, Py_ssize_t n_out, bint relu, Py_ssize_t row,
                       Py_ssize_t row_end, Py_ssize_t output,
                       Py_ssize_t output_end) noexcept nogil:
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
    if relu:
        for i in range(row, row_end):
            for o in range(output, output_end):
                if y[i * n_out + o] <= <real>0:
                    y[i * n_out + o] = 0


def backward(dy, x, weight, dweight, dbias, dx, Py_ssize_t n, Py_ssize_t n_in, Py_ssize_t n_out,
             bint masked, int size, int threads):
    """dweight = dy^T x, dbias the column sums of dy and dx = dy weight, unless they are None.

    With `masked`, dx is 0 where x is not above 0: the backward pass of a ReLU that made x.
    """
    cdef const char *pdy = address(dy)
    cdef const char *px = address(x)
    cdef const char *pw = address(weight)
    cdef char *pdw = NULL if dweight is None else address(dweight)
    cdef char *pdb = NULL if dbias is None else address(dbias)
    cdef char *pdx = NULL if dx is None else address(dx)
    with nogil:
        if size == sizeof(float):
            backward_strips(<const float *>pdy, <const float *>px, <const float *>pw, <float *>pdw,
                            <float *>pdb, <float *>pdx, n, n_in, n_out, masked, threads)
        else:
            backward_strips(<const double *>pdy, <const double *>px, <const double *>pw,
                            <double *>pdw, <double *>pdb, <double *>pdx, n, n_in, n_out, masked,
                            threads)


cdef int backward_strips(const real *dy, const real *x, const real *weight, real *dweight,
                         real *dbias, real *dx, Py_ssize_t n, Py_ssize_t n_in, Py_ssize_t n_out,
                         bint masked, int threads) except -1 nogil:
    # Strips of columns, of even width, as many for each thread.
    cdef Py_ssize_t panel = 2 * lanes_of(x), panels = (n_in + panel - 1) // panel, i, o
    cdef Py_ssize_t strip = STRIP_BYTES // (panel * <Py_ssize_t>sizeof(real))
    cdef Py_ssize_t strips = ((panels + strip - 1) // strip + threads - 1) // threads * threads
    cdef size_t buffer_size = whole_lines(STRIP_BYTES * min(<Py_ssize_t>PANEL_TERMS, max(n, n_out)))
    cdef void *block
    cdef char *buffers = allocate(buffer_size * threads, &block)
    if not buffers:
        with gil:
            raise MemoryError("no memory for the working buffer of a linear layer")
    if threads == 1:
        for i in range(strips):
            backward_strip(dy, x, weight, dweight, dx, n, n_in, n_out, masked,
                           panels * i // strips * panel,
                           min(n_in, panels * (i + 1) // strips * panel), <real *>buffers)
    else:
        for i in prange(strips, num_threads=threads, schedule="static"):
            backward_strip(dy, x, weight, dweight, dx, n, n_in, n_out, masked,
                           panels * i // strips * panel,
                           min(n_in, panels * (i + 1) // strips * panel),
                           <real *>(buffers + threadid() * buffer_size))
    free(block)
    if dbias:
        for o in range(n_out):
            dbias[o] = dy[o]
        for i in range(1, n):
            for o in range(n_out):
                dbias[o] += dy[i * n_out + o]
    return 0


cdef void backward_strip(const real *dy, const real *x, const real *weight, real *dweight, real *dx,
                         Py_ssize_t n, Py_ssize_t n_in, Py_ssize_t n_out, bint masked,
                         Py_ssize_t first, Py_ssize_t end, real *buffer) noexcept nogil:
    """The columns first <= i < end of dweight and of dx, unless they are NULL."""
    cdef Py_ssize_t row
    if dweight:
        product(dy, 1, n_out, n_out, n, x + first, n_in, end - first, dweight + first, n_in,
                buffer)
    if dx:
        product(dy, n_out, 1, n, n_out, weight + first, n_in, end - first, dx + first, n_in,
                buffer)
        if masked:
            for row in range(n):
                mask_with(dx + row * n_in + first, x + row * n_in + first, end - first)


def sgd(dy, x, weight, velocity, Py_ssize_t n, Py_ssize_t n_in, Py_ssize_t n_out, double lr,
        double momentum, double weight_decay, bint nesterov, int size, int threads):
    """`update.sgd` for the gradient dy^T x, which is never written to memory.

    Of a layer's large weight, gradient and step would be two more passes over memory.
    """
    cdef const char *pdy = address(dy)
    cdef const char *px = address(x)
    cdef char *pw = address(weight)
    cdef char *pv = NULL if velocity is None else address(velocity)
    with nogil:
        if size == sizeof(float):
            sgd_strips(<const float *>pdy, <const float *>px, <float *>pw, <float *>pv, n, n_in,
                       n_out, <float>lr, <float>momentum, <float>weight_decay, nesterov, threads)
        else:
            sgd_strips(<const double *>pdy, <const double *>px, <double *>pw, <double *>pv, n,
                       n_in, n_out, lr, momentum, weight_decay, nesterov, threads)


cdef int sgd_strips(const real *dy, const real *x, real *weight, real *velocity, Py_ssize_t n,
                    Py_ssize_t n_in, Py_ssize_t n_out, real lr, real momentum, real weight_decay,
                    bint nesterov, int threads) except -1 nogil:
    cdef Py_ssize_t panel = 2 * lanes_of(x), panels = (n_in + panel - 1) // panel, i
    cdef Py_ssize_t strip = STRIP_BYTES // (panel * <Py_ssize_t>sizeof(real))
    cdef Py_ssize_t strips = ((panels + strip - 1) // strip + threads - 1) // threads * threads
    cdef size_t panel_size = whole_lines(STRIP_BYTES * min(<Py_ssize_t>PANEL_TERMS, n))
    cdef size_t buffer_size = panel_size + STRIP_BYTES * min(<Py_ssize_t>UPDATE_ROWS, n_out)
    cdef void *block
    cdef char *buffers = allocate(buffer_size * threads, &block)
    if not buffers:
        with gil:
            raise MemoryError("no memory for the working buffer of a linear layer")
    for i in prange(strips, num_threads=threads, schedule="static"):
        sgd_strip(dy, x, weight, velocity, n, n_in, n_out, panels * i // strips * panel,
                  min(n_in, panels * (i + 1) // strips * panel), lr, momentum, weight_decay,
                  nesterov, <real *>(buffers + threadid() * buffer_size),
                  <real *>(buffers + threadid() * buffer_size + panel_size))
    free(block)
    return 0


cdef void sgd_strip(const real *dy, const real *x, real *weight, real *velocity, Py_ssize_t n,
                    Py_ssize_t n_in, Py_ssize_t n_out, Py_ssize_t first, Py_ssize_t end, real lr,
                    real momentum, real weight_decay, bint nesterov, real *buffer,
                    real *gradient) noexcept nogil:
    """The columns first <= i < end of weight and velocity."""
    cdef Py_ssize_t row = 0, rows, i, at
    while row < n_out:
        rows = min(<Py_ssize_t>UPDATE_ROWS, n_out - row)
        product(dy + row, 1, n_out, rows, n, x + first, n_in, end - first, gradient, end - first,
                buffer)
        for i in range(rows):
            at = (row + i) * n_in + first
            sgd_range(weight + at, gradient + i * (end - first),
                      velocity + at if velocity else velocity, end - first, lr, momentum,
                      weight_decay, nesterov, False)
        row += rows


cdef void product(const real *a, Py_ssize_t a_row, Py_ssize_t a_step, Py_ssize_t n_rows,
                  Py_ssize_t n_terms, const real *b, Py_ssize_t row, Py_ssize_t count, real *c,
                  Py_ssize_t c_row, real *buffer) noexcept nogil:
    """c[i, k] = sum over j of a[i * a_row + j * a_step] * b[j, k] for k < count.

    Rows of b are `row` apart. b is copied into panels of two vectors: its rows may be a
    multiple of 4 KB apart, where all of them share the same few places of the L1 cache. One tile
    of rows is computed for all panels in turn, so that c is written in long stretches. A b that
    serves for one tile only, and fits L2, is read where it lies.
    """
    cdef Py_ssize_t panel = 2 * lanes_of(a), tiles = (n_rows + TILE_ROWS_2 - 1) // TILE_ROWS_2
    cdef Py_ssize_t no_offset = 0, j = 0, tile, top, k, part
    cdef bint in_place = tiles == 1 and n_terms * row * <Py_ssize_t>sizeof(real) <= IN_PLACE_BYTES
    # Vectors are loaded whole, so the last panel is copied if it does not fill them.
    cdef Py_ssize_t whole = count - count % panel if in_place else 0
    cdef tile_sum sum
    sum.a_row, sum.a_step, sum.c_row = a_row, a_step, c_row
    sum.n_runs, sum.runs = 1, &no_offset
    while j < n_terms:
        sum.run_length = min(<Py_ssize_t>PANEL_TERMS, n_terms - j)
        tile_pack_panels(b + j * row + whole, row, sum.run_length, count - whole, buffer)
        for tile in range(tiles):
            top, k = n_rows * tile // tiles, 0
            while k < count:
                part = min(panel, count - k)
                sum.b_step = row if k < whole else panel if part > panel // 2 else panel // 2
                tile_rows(&sum, n_rows * (tile + 1) // tiles - top, <int>part,
                          a + top * a_row + j * a_step,
                          b + j * row + k if k < whole else buffer + (k - whole) * sum.run_length,
                          NULL, c + top * c_row + k, TILE_FROM_ZERO if j == 0 else TILE_FROM_C,
                          False)
                k += panel
        j += PANEL_TERMS
