"""The three passes of a linear layer, on the register tile.

    y[n, o]  = bias[o] + sum over i of x[n, i] * weight[o, i]      rows of both: dot products
    dx[n, i] = sum over o of dy[n, o] * weight[o, i]               weight rows are tile columns
    dweight[o, i] = sum over n of dy[n, o] * x[n, i]               x rows are the tile's columns

The weight is never brought into another order as a whole. A large one (10 MB for 25088 inputs and
100 outputs) does not fit L2, so each pass reads or writes it once, in stretches that are long
enough for the processor to fetch ahead.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free

from .buffers cimport address, allocate, set_apart, whole_lines
from .relu cimport mask_with
from .tile cimport (DOT_COLUMNS, DOT_ROWS, PACKED_MASK, PACKED_ROWS, PACKED_STEP, PACKED_STORE,
                    PACKED_VECTORS, lanes_of, real, tile_ahead, tile_combine, tile_dots,
                    tile_finish, tile_pack_panels, tile_packed)
from .update cimport sgd_range

cdef enum:
    # Terms of a dot product that are summed at once, about: to add up the lanes of its sums takes a
    # tile as long as 60 terms, and what it reads may as well come from L2. Fixed, so that the order
    # of the additions depends on the length alone.
    DOT_TERMS = 2048
    # Rows of x that one task takes at most: with DOT_TERMS numbers of each, a part of L2.
    TASK_ROWS = 32
    # Bytes of the packed columns that the backward pass and the optimizer's step work on at once: a
    # part of L2. And the most of one row: longer pieces make the step no faster.
    STRIP_BYTES = 1 << 18
    STRIP_ROW_BYTES = 1536
    # The same for one row of x, whose columns fit L1: the weight is read in pieces that long.
    ROW_BYTES = 1 << 13
    # Numbers of the weight that are copied in the time in which a cache line goes from one
    # processor to the other and back.
    LINE_WEIGHTS = 1024


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
    cdef Py_ssize_t i, o, j, next, end
    # In parts of even length, whole vectors: a short one at the end costs as much to add up.
    cdef Py_ssize_t parts = (n_in + DOT_TERMS - 1) // DOT_TERMS, lanes = lanes_of(x)
    cdef Py_ssize_t length = ((n_in + parts - 1) // parts + lanes - 1) // lanes * lanes
    # For many rows of x, all outputs share what has been read of it. For one, a weight's rows are
    # read from their beginnings to their ends, as memory is read fastest.
    cdef Py_ssize_t together = DOT_COLUMNS if row_end - row == 1 else output_end - output
    for i in range(row, row_end):
        for o in range(output, output_end):
            y[i * n_out + o] = bias[o] if bias else 0
    o = output
    while o < output_end:
        end = min(output_end, o + together)
        j = 0
        while j < n_in:
            next = j + length if j + length < n_in else j
            tile_dots(x + row * n_in + j, n_in, row_end - row, weight + o * n_in + j, n_in, end - o,
                      min(length, n_in - j), x + row * n_in + next, weight + o * n_in + next,
                      y + row * n_out + o, n_out)
            j += length
        o = end
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
            backward_tasks(<const float *>pdy, <const float *>px, <const float *>pw, <float *>pdw,
                           <float *>pdb, <float *>pdx, n, n_in, n_out, masked, threads)
        else:
            backward_tasks(<const double *>pdy, <const double *>px, <const double *>pw,
                           <double *>pdw, <double *>pdb, <double *>pdx, n, n_in, n_out, masked,
                           threads)


# The backward pass: dy packed as the gradients of the weight and of x need it, and the strips of
# columns that both are computed in.
cdef struct Backward:
    Py_ssize_t n
    Py_ssize_t n_in
    Py_ssize_t n_out
    Py_ssize_t strips
    Py_ssize_t tasks
    bint by_rows                # whether tasks share the rows of dx, not its columns
    const void *columns
    const void *rows


cdef int backward_tasks(const real *dy, const real *x, const real *weight, real *dweight,
                        real *dbias, real *dx, Py_ssize_t n, Py_ssize_t n_in, Py_ssize_t n_out,
                        bint masked, int threads) except -1 nogil:
    cdef Backward plan
    cdef Py_ssize_t i, o, width
    cdef size_t buffer_size, packed = whole_lines(n * n_out * sizeof(real))
    cdef void *block
    cdef char *buffers
    width = strip_width(x, n, max(n if dweight else 0, n_out if dx else 0))
    plan.n, plan.n_in, plan.n_out, plan.tasks = n, n_in, n_out, threads
    plan.strips = count_strips(n_in, width, threads)
    # Where two tasks have columns of dx side by side, each of its rows has a line that both write.
    # With rows of their own both copy the whole weight.
    plan.by_rows = n >= threads * PACKED_ROWS and n_in * n_out < LINE_WEIGHTS * n
    buffer_size = set_apart(width * max(n, n_out) * sizeof(real) if n > 1 else 0)
    buffers = allocate(2 * packed + buffer_size * threads, &block)
    if not buffers:
        with gil:
            raise MemoryError("no memory for the working buffer of a linear layer")
    if dweight:
        plan.columns = pack_rows(dy, 1, n_out, n_out, n, <real *>buffers)
    if dx:
        plan.rows = pack_rows(dy, n_out, 1, n, n_out, <real *>(buffers + packed))
    buffers += 2 * packed
    if threads == 1:
        backward_task(&plan, 0, x, weight, dweight, dx, masked, <real *>buffers)
    else:
        for i in prange(threads, num_threads=threads, schedule="static"):
            backward_task(&plan, i, x, weight, dweight, dx, masked,
                          <real *>(buffers + i * buffer_size))
    free(block)
    if dbias:
        for o in range(n_out):
            dbias[o] = dy[o]
        for i in range(1, n):
            for o in range(n_out):
                dbias[o] += dy[i * n_out + o]
    return 0


cdef void backward_task(const Backward *p, Py_ssize_t task, const real *x, const real *weight,
                        real *dweight, real *dx, bint masked, real *buffer) noexcept nogil:
    """A task's share of dweight and of dx, unless they are NULL: strip after strip."""
    cdef Py_ssize_t strip, first, count, ahead, tiles = tiles_of(p.n)
    cdef Py_ssize_t begin = p.strips * task // p.tasks, end = p.strips * (task + 1) // p.tasks
    cdef Py_ssize_t top = tiles * task // p.tasks if p.by_rows else 0
    cdef Py_ssize_t bottom = tiles * (task + 1) // p.tasks if p.by_rows else tiles
    for strip in range(p.strips):
        first = strip_start(x, p.n_in, p.strips, strip)
        count = strip_start(x, p.n_in, p.strips, strip + 1) - first
        ahead = strip_start(x, p.n_in, p.strips, strip + 2) - first - count
        if dweight and begin <= strip < end:
            product(<const real *>p.columns, p.n_out, p.n, x + first, p.n_in, count, ahead, 0,
                    tiles_of(p.n_out), NULL, dweight + first, p.n_in, buffer)
        if dx and (p.by_rows or begin <= strip < end):
            product(<const real *>p.rows, p.n, p.n_out, weight + first, p.n_in, count, ahead, top,
                    bottom, x + first if masked else NULL, dx + first, p.n_in, buffer)


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
    cdef Py_ssize_t width = strip_width(x, n, n), strips = count_strips(n_in, width, threads), i
    cdef const real *columns
    cdef size_t packed = whole_lines(n * n_out * sizeof(real))
    cdef size_t buffer_size = set_apart(width * (n + PACKED_ROWS) * sizeof(real))
    cdef void *block
    cdef char *buffers = allocate(packed + buffer_size * threads, &block)
    if not buffers:
        with gil:
            raise MemoryError("no memory for the working buffer of a linear layer")
    columns = pack_rows(dy, 1, n_out, n_out, n, <real *>buffers)
    buffers += packed
    for i in prange(strips, num_threads=threads, schedule="static"):
        sgd_strip(columns, x, weight, velocity, n, n_in, n_out,
                  strip_start(x, n_in, strips, i), strip_start(x, n_in, strips, i + 1),
                  strip_start(x, n_in, strips, i + 2), lr, momentum, weight_decay, nesterov,
                  <real *>(buffers + threadid() * buffer_size))
    free(block)
    return 0


cdef void sgd_strip(const real *dy, const real *x, real *weight, real *velocity, Py_ssize_t n,
                    Py_ssize_t n_in, Py_ssize_t n_out, Py_ssize_t first, Py_ssize_t end,
                    Py_ssize_t next_end, real lr, real momentum, real weight_decay, bint nesterov,
                    real *buffer) noexcept nogil:
    """The columns first <= i < end of weight and velocity: one tile of rows after the other."""
    cdef Py_ssize_t tiles = tiles_of(n_out), count = end - first, tile, row, top, bottom, at
    cdef real *gradient = buffer
    cdef tile_finish finish = tile_finish(PACKED_STORE, NULL, 0)
    # A step that needs nothing but weight and gradient is taken as the tile's sums are done.
    cdef bint at_once = n > 1 and n_out > 1 and momentum == 0 and weight_decay == 0
    # Of one row of x the gradient is a multiple. With weight decay the sum of the two would be
    # rounded once, where a gradient that was written is rounded twice.
    cdef bint multiple = n == 1 and weight_decay == 0
    buffer += PACKED_ROWS * count
    if n > 1 and n_out > 1:
        tile_pack_panels(x + first, n_in, n, count, buffer)
    if at_once:
        finish.kind, finish.rate = PACKED_STEP, lr
    for tile in range(tiles):
        top, bottom = n_out * tile // tiles, n_out * (tile + 1) // tiles
        if at_once:
            tile_of_rows(dy, tile, 0, tiles, n_out, n, x + first, n_in, count, next_end - end,
                         weight + top * n_in + first, n_in, &finish, weight + top * n_in + first,
                         n_in, buffer)
            continue
        if not multiple:
            tile_of_rows(dy, tile, 0, tiles, n_out, n, x + first, n_in, count, next_end - end,
                         weight + top * n_in + first, n_in, &finish, gradient, count, buffer)
        for row in range(top, bottom):
            at = row * n_in + first
            # Two calls, since the compiler rounds otherwise where the scale is known to be 1.
            if multiple:
                sgd_range(weight + at, dy[row], x + first, velocity + at if velocity else velocity,
                          count, lr, momentum, weight_decay, nesterov, False)
            else:
                sgd_range(weight + at, <real>1, gradient + (row - top) * count,
                          velocity + at if velocity else velocity, count, lr, momentum,
                          weight_decay, nesterov, False)


cdef void product(const real *a, Py_ssize_t n_rows, Py_ssize_t n_terms, const real *b,
                  Py_ssize_t row, Py_ssize_t count, Py_ssize_t next_count, Py_ssize_t first_tile,
                  Py_ssize_t end_tile, const real *positive, real *c, Py_ssize_t c_row,
                  real *buffer) noexcept nogil:
    """c[i, k] = sum over j of a[i, j] * b[j, k] for k < count, a from pack_rows().

    Of the rows i only those of the tiles first_tile <= tile < end_tile. Unless `positive` is NULL,
    c is 0 where that, as large, is not above 0.

    Rows of b are `row` apart. b is copied into panels: its rows may be a multiple of 4 KB apart,
    where all of them share the same few places of the L1 cache. One tile of rows is computed for
    all panels in turn, so that c is written in long stretches. The next_count columns after these
    are wanted next.
    """
    cdef Py_ssize_t tiles = tiles_of(n_rows), tile, top
    cdef tile_finish finish = tile_finish(PACKED_MASK if positive else PACKED_STORE, NULL, 0)
    if n_rows > 1 and n_terms > 1:
        tile_pack_panels(b, row, n_terms, count, buffer)
    for tile in range(first_tile, end_tile):
        top = n_rows * tile // tiles
        finish.positive = positive + top * c_row if positive else NULL
        tile_of_rows(a, tile, first_tile, end_tile, n_rows, n_terms, b, row, count, next_count,
                     c + top * c_row, c_row, &finish, c + top * c_row, c_row, buffer)


cdef void tile_of_rows(const real *a, Py_ssize_t tile, Py_ssize_t first_tile, Py_ssize_t end_tile,
                       Py_ssize_t n_rows, Py_ssize_t n_terms, const real *b, Py_ssize_t row,
                       Py_ssize_t count, Py_ssize_t next_count, const real *soon,
                       Py_ssize_t soon_row, const tile_finish *finish, real *c,
                       Py_ssize_t c_row, const real *panels) noexcept nogil:
    """One tile of the product's rows, first_tile <= tile < end_tile; b is packed in `panels` too.

    While it is computed, its share of the next columns of b is sent for, and the rows at `soon`.
    With one row, or one term, each number of b is needed once in a row of c: read where it lies.
    """
    cdef Py_ssize_t width = PACKED_VECTORS * lanes_of(a), tiles = tiles_of(n_rows), k = 0
    cdef Py_ssize_t top = n_rows * tile // tiles, shares = end_tile - first_tile
    cdef int rows = <int>(n_rows * (tile + 1) // tiles - top)
    cdef Py_ssize_t share = n_terms * (tile - first_tile) // shares
    cdef tile_ahead now, later
    cdef tile_finish at = finish[0]
    cdef const real *positive = <const real *>finish.positive
    a += top * n_terms
    if n_rows == 1 or n_terms == 1:
        for k in range(rows):
            tile_combine(a + k, n_terms, b, row, count, c + k * c_row)
            if positive:
                mask_with(c + k * c_row, positive + k * c_row, count)
        return
    now.row, now.rows = soon_row * <Py_ssize_t>sizeof(real), rows
    later.row = row * <Py_ssize_t>sizeof(real)
    while k < count:
        now.first = soon + k
        later.first, later.rows = b + share * row + count + k, 0
        if k < next_count:
            later.rows = n_terms * (tile + 1 - first_tile) // shares - share
        at.positive = positive + k if positive else NULL
        tile_packed(rows, a, panels + k * n_terms, n_terms, &now, &later, &at, c + k, c_row,
                    <int>min(width, count - k))
        k += width


cdef const real *pack_rows(const real *a, Py_ssize_t a_row, Py_ssize_t a_step, Py_ssize_t n_rows,
                           Py_ssize_t n_terms, real *to) noexcept nogil:
    """a[i * a_row + j * a_step], tile after tile of rows: for each j the tile's i side by side."""
    cdef Py_ssize_t tiles = tiles_of(n_rows), tile, top, rows, i, j
    cdef real *start = to
    for tile in range(tiles):
        top, rows = n_rows * tile // tiles, n_rows * (tile + 1) // tiles - n_rows * tile // tiles
        for j in range(n_terms):
            for i in range(rows):
                to[i] = a[(top + i) * a_row + j * a_step]
            to += rows
    return start


cdef Py_ssize_t tiles_of(Py_ssize_t n_rows) noexcept nogil:
    """How many tiles a product with so many rows has."""
    return (n_rows + PACKED_ROWS - 1) // PACKED_ROWS


cdef Py_ssize_t strip_width(const real *kind, Py_ssize_t n, Py_ssize_t n_terms) noexcept nogil:
    """Columns of one strip, whole panels, for n rows of x and sums of so many terms."""
    cdef Py_ssize_t panel = PACKED_VECTORS * lanes_of(kind)
    cdef Py_ssize_t bytes = panel * <Py_ssize_t>sizeof(real)
    if n == 1:      # nothing is packed
        return panel * (ROW_BYTES // bytes)
    return panel * max(1, min(<Py_ssize_t>STRIP_ROW_BYTES // bytes,
                              STRIP_BYTES // (bytes * n_terms)))


cdef Py_ssize_t count_strips(Py_ssize_t n_in, Py_ssize_t width, int threads) noexcept nogil:
    """How many strips of at most `width` columns there are, as many for each thread."""
    return ((n_in + width - 1) // width + threads - 1) // threads * threads


cdef Py_ssize_t strip_start(const real *kind, Py_ssize_t n_in, Py_ssize_t strips,
                            Py_ssize_t strip) noexcept nogil:
    """Where a strip begins: strips of even width, in whole panels."""
    cdef Py_ssize_t panel = PACKED_VECTORS * lanes_of(kind)
    cdef Py_ssize_t panels = (n_in + panel - 1) // panel
    return min(n_in, panels * min(strip, strips) // strips * panel)
