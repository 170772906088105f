"""The weight and bias gradients of a convolution with few channels: vectors run along strips.

The sums are those of `conv_weight.pyx`; the interleaved strips of images are those of `strips.pyx`.
A sum is a vector with one partial sum a strip. A task goes down groups of strips, some rows at a
time: it interleaves the rows of x that come new and those of dy, and adds to its sums.

The groups of strips are dealt into chunks. How many there are of each depends on the shape alone.
Each chunk has sums of its own, which are added in the order of the chunks, and their lanes last:
the number of threads cannot change a bit.

Where the strips do not fill all lanes, or an image its last strip, zeros stand for dy; a zero times
an infinity in the rows of x beside them is NaN.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free
from libc.string cimport memset

from .axis cimport Phase, forward_axes
from .buffers cimport allocate, set_apart, whole_lines
from .convolution cimport Convolution
from .strips cimport (MOST_LANES, STRIPS_COLUMNS, STRIPS_WEIGHT_FIT, STRIPS_WEIGHT_ROWS, Strips,
                      Window, advance, cut, gather, lay_out, open_window, spread_numbers,
                      strips_weight_sum)
from .tile cimport lanes_of, real

cdef extern from "strips.h":
    void f32_strips_weight_tile(int rows, int terms, const strips_weight_sum *s, const float *x,
                                const float *dy, const Py_ssize_t *offsets,
                                float *c) noexcept nogil
    void f64_strips_weight_tile(int rows, int terms, const strips_weight_sum *s, const double *x,
                                const double *dy, const Py_ssize_t *offsets,
                                double *c) noexcept nogil
    void f32_strips_add(const float *x, Py_ssize_t channels, Py_ssize_t n, float *to,
                        Py_ssize_t to_row) noexcept nogil
    void f64_strips_add(const double *x, Py_ssize_t channels, Py_ssize_t n, double *to,
                        Py_ssize_t to_row) noexcept nogil
    float f32_strips_sum(const float *x) noexcept nogil
    double f64_strips_sum(const double *x) noexcept nogil

cdef enum:
    MOST_CHUNKS = 16
    CHUNK_WORK = 1000000        # multiply-adds that are worth a chunk of their own
    CHUNK_PIXELS = 192          # pixels of a strip that are worth adding a sum to another chunk's
    CHUNK_MEMORY = 4000000      # numbers that the sums of all chunks may take
    SERIAL_SUMS = 65536         # numbers that one thread adds up sooner than several
    STEP_BYTES = 36864          # of x and dy under one kernel row, for a tile: they stay in L1
    STEP_PIXELS = 24            # pixels of a strip that are worth loading a tile's sums

cdef struct Gradient:
    Strips strips
    strips_weight_sum sum
    const unsigned char *winners    # of the pool that dy lies behind, or NULL: see gather
    Py_ssize_t out_channels
    Py_ssize_t kernel_height
    Py_ssize_t kernel_width
    Py_ssize_t step_rows        # rows of y that are summed at once
    Py_ssize_t n_blocks         # of output channels: the rows of one tile
    Py_ssize_t tile_terms
    Py_ssize_t terms            # taps times channels of x
    Py_ssize_t size             # from one chunk's sums to the next one's: (terms + 1) vectors an
                                # output channel


cdef int weight_gradient_pass(const Convolution *c, const real *x, const real *dy,
                              const unsigned char *winners, real *dweight, real *dbias,
                              int threads) except -1 nogil:
    cdef Gradient g
    cdef void *axes = forward_axes(&g.strips.rows, &g.strips.columns, c)
    g.kernel_height, g.kernel_width, g.out_channels = c.kernel_h, c.kernel_w, c.out_channels
    g.winners = winners
    try:
        run(&g, x, dy, dweight, dbias, c.n, c.channels, threads)
    finally:
        free(axes)
    return 0


cdef int run(Gradient *g, const real *x, const real *dy, real *dweight, real *dbias, Py_ssize_t n,
             Py_ssize_t channels, int threads) except -1 nogil:
    cdef Strips *strips = &g.strips
    cdef Py_ssize_t lanes = lanes_of(x), out_width = strips.columns.dst_size, i
    g.terms = g.kernel_height * g.kernel_width * channels
    g.size = set_apart(g.out_channels * (g.terms + 1) * lanes * sizeof(real)) // sizeof(real)
    cdef double pixels = <double>n * strips.rows.dst_size * out_width
    cdef Py_ssize_t chunks = <Py_ssize_t>min(
        min(<double>MOST_CHUNKS, 1 + pixels / (lanes * CHUNK_PIXELS)),
        min(1 + pixels * g.out_channels * g.terms / CHUNK_WORK, 1. + CHUNK_MEMORY // g.size))
    # A power of two: so many groups of strips are found without more rows to go over.
    while chunks & (chunks - 1):
        chunks &= chunks - 1
    strips.lanes = lanes
    # Even also without a pool: the sums are the same, to the bit, with it and without it.
    cut(strips, n, chunks, True)
    chunks = min(chunks, strips.n_groups)
    describe(g, channels, sizeof(real))

    # One block of memory: the sums of every chunk, a row of zeros; for every thread rows of x and
    # of dy, and those behind a pool; the offsets of the terms.
    cdef size_t sums_size = whole_lines(chunks * g.size * sizeof(real))
    cdef size_t zeros_size = whole_lines(max(strips.columns.src_size * channels,
                                             out_width * g.out_channels) * sizeof(real))
    cdef size_t window_size = whole_lines(strips.capacity * strips.row_length * sizeof(real))
    cdef size_t dy_size = whole_lines(g.step_rows * g.sum.dy_row * sizeof(real))
    cdef size_t thread_size = window_size + dy_size
    if g.winners:
        thread_size += whole_lines(
            spread_numbers(lanes, out_width, g.out_channels) * sizeof(real))
    thread_size = set_apart(thread_size)
    cdef void *block
    cdef char *memory = allocate(sums_size + zeros_size + thread_size * threads
                                 + g.terms * sizeof(Py_ssize_t), &block)
    if not memory:
        with gil:
            raise MemoryError("no memory for the working buffers of a convolution's gradient")
    cdef real *sums = <real *>memory
    cdef real *zeros = <real *>(memory + sums_size)
    cdef char *buffers = memory + sums_size + zeros_size
    memset(zeros, 0, zeros_size)
    place_terms(g, <Py_ssize_t *>(buffers + thread_size * threads))
    # One thread does without OpenMP: a region of one thread costs as much as a small image.
    if threads == 1:
        for i in range(chunks):
            sum_chunk(g, x, dy, zeros, sums + i * g.size, strips.n_groups * i // chunks,
                      strips.n_groups * (i + 1) // chunks, dbias != NULL, <real *>buffers,
                      <real *>(buffers + window_size), <real *>(buffers + window_size + dy_size))
    else:
        for i in prange(chunks, num_threads=threads, schedule="static"):
            sum_chunk(g, x, dy, zeros, sums + i * g.size, strips.n_groups * i // chunks,
                      strips.n_groups * (i + 1) // chunks, dbias != NULL,
                      <real *>(buffers + threadid() * thread_size),
                      <real *>(buffers + threadid() * thread_size + window_size),
                      <real *>(buffers + threadid() * thread_size + window_size + dy_size))
    if chunks * g.size < SERIAL_SUMS:
        threads = 1
    if threads == 1:
        for i in range(g.out_channels):
            add_chunks(g, sums, chunks, dweight, dbias, i)
    else:
        for i in prange(g.out_channels, num_threads=threads, schedule="static"):
            add_chunks(g, sums, chunks, dweight, dbias, i)
    free(block)
    return 0


cdef void describe(Gradient *g, Py_ssize_t channels, Py_ssize_t itemsize) noexcept nogil:
    """Fill in how the tiles go over the rows of one step."""
    cdef Strips *strips = &g.strips
    cdef Py_ssize_t out_width = strips.columns.dst_size
    cdef Py_ssize_t row_bytes
    g.n_blocks = (g.out_channels + STRIPS_WEIGHT_ROWS - 1) // STRIPS_WEIGHT_ROWS
    row_bytes = strips.lanes * itemsize * (
        out_width * strips.columns.src_step * channels + out_width * g.out_channels // g.n_blocks)
    g.step_rows = min(strips.height, max((STEP_PIXELS + out_width - 1) // out_width,
                                         STEP_BYTES // row_bytes))
    lay_out(strips, channels, g.step_rows, itemsize)
    g.tile_terms = min(<Py_ssize_t>STRIPS_COLUMNS, <Py_ssize_t>STRIPS_WEIGHT_FIT(
        (g.out_channels + g.n_blocks - 1) // g.n_blocks))
    g.sum.n_columns = out_width
    g.sum.x_row = strips.rows.src_step * strips.row_length
    g.sum.x_pixel = strips.columns.src_step * channels * strips.lanes
    g.sum.dy_pixel = g.out_channels * strips.lanes
    g.sum.dy_row = out_width * g.sum.dy_pixel
    g.sum.sums_row = (g.terms + 1) * strips.lanes


cdef void place_terms(Gradient *g, Py_ssize_t *offsets) noexcept nogil:
    """Where the x of each term (kernel row, kernel column, channel) is."""
    cdef Py_ssize_t u, v, c
    cdef const Phase *rows = g.strips.rows.phases
    cdef const Phase *columns = g.strips.columns.phases
    g.sum.offsets = offsets
    for u in range(g.kernel_height):
        for v in range(g.kernel_width):
            for c in range(g.strips.channels):
                offsets[0] = (rows.offsets[u] * g.strips.row_length
                              + (columns.offsets[v] * g.strips.channels + c) * g.strips.lanes)
                offsets += 1


cdef void sum_chunk(const Gradient *g, const real *x, const real *dy, const real *zeros,
                    real *sums, Py_ssize_t begin, Py_ssize_t end, bint bias, real *window,
                    real *dy_rows, real *spread) noexcept nogil:
    """The sums over the groups of strips begin <= group < end.

    sums[output channel, kernel row, kernel column, channel], then the bias's, each one vector.
    """
    cdef const Strips *strips = &g.strips
    cdef Py_ssize_t group, row, rows
    cdef Window w
    cdef real *base
    for group in range(begin, end):
        open_window(strips, &w, group, window)
        row = 0
        while row < strips.height:
            rows = min(g.step_rows, strips.height - row)
            base = advance(strips, &w, x, NULL, zeros, row * strips.rows.src_step, window, spread)
            gather_dy(g, &w, dy, zeros, row, rows, dy_rows, spread)
            sum_rows(g, base, dy_rows, rows, group == begin and row == 0, bias, sums)
            row += rows


cdef void gather_dy(const Gradient *g, Window *w, const real *dy, const real *zeros,
                    Py_ssize_t first, Py_ssize_t count, real *dy_rows,
                    real *spread) noexcept nogil:
    """The strips' rows first <= row < first + count of dy, interleaved; zeros below the image."""
    cdef const Strips *strips = &g.strips
    cdef Py_ssize_t i, lane
    cdef Py_ssize_t rows[MOST_LANES]
    for i in range(count):
        for lane in range(strips.lanes):
            rows[lane] = w.begin[lane] + first + i
        gather(w, strips.lanes, rows, dy, g.winners, zeros, strips.rows.dst_size,
               strips.columns.dst_size, g.out_channels, 0, strips.columns.dst_size, spread,
               dy_rows + i * g.sum.dy_row)


cdef void sum_rows(const Gradient *g, const real *x, const real *dy, Py_ssize_t rows,
                   bint from_zero, bint bias, real *sums) noexcept nogil:
    """All tiles over the same rows."""
    cdef Py_ssize_t tiles = (g.terms + g.tile_terms - 1) // g.tile_terms
    cdef Py_ssize_t block, first, count, t, term, terms, lanes = g.strips.lanes, k
    cdef strips_weight_sum sum = g.sum
    sum.n_rows, sum.from_zero = rows, from_zero
    for block in range(g.n_blocks):
        first = g.out_channels * block // g.n_blocks
        count = g.out_channels * (block + 1) // g.n_blocks - first
        for t in range(tiles):
            term = g.terms * t // tiles
            terms = g.terms * (t + 1) // tiles - term
            if real is float:
                f32_strips_weight_tile(<int>count, <int>terms, &sum, x, dy + first * lanes,
                                       sum.offsets + term,
                                       sums + first * sum.sums_row + term * lanes)
            else:
                f64_strips_weight_tile(<int>count, <int>terms, &sum, x, dy + first * lanes,
                                       sum.offsets + term,
                                       sums + first * sum.sums_row + term * lanes)
    if bias:
        sums += g.terms * lanes
        if from_zero:
            for k in range(g.out_channels):
                memset(sums + k * sum.sums_row, 0, lanes * sizeof(real))
        if real is float:
            f32_strips_add(dy, g.out_channels, rows * sum.n_columns, sums, sum.sums_row)
        else:
            f64_strips_add(dy, g.out_channels, rows * sum.n_columns, sums, sum.sums_row)


cdef void add_chunks(const Gradient *g, real *sums, Py_ssize_t chunks, real *dweight, real *dbias,
                     Py_ssize_t k) noexcept nogil:
    """Add the chunks' sums of one output channel, then their lanes, and put them in place."""
    cdef Py_ssize_t chunk, i, tap, c, lanes = g.strips.lanes, channels = g.strips.channels
    cdef Py_ssize_t taps = g.kernel_height * g.kernel_width
    cdef const real *more
    sums += k * g.sum.sums_row
    for chunk in range(1, chunks):
        more = sums + chunk * g.size
        for i in range((g.terms + (dbias != NULL)) * lanes):
            sums[i] += more[i]
    for c in range(channels):
        for tap in range(taps):
            if real is float:
                dweight[(k * channels + c) * taps + tap] = f32_strips_sum(
                    sums + (tap * channels + c) * lanes)
            else:
                dweight[(k * channels + c) * taps + tap] = f64_strips_sum(
                    sums + (tap * channels + c) * lanes)
    if dbias:
        if real is float:
            dbias[k] = f32_strips_sum(sums + g.terms * lanes)
        else:
            dbias[k] = f64_strips_sum(sums + g.terms * lanes)
