"""The weight and bias gradients by Winograd's algorithm, with few channels: `strips_winograd.h`.

    x  -> values[j, tile, input channel]        dy -> gradients[j, tile, output channel]
       -> sums[point, output channel, input channel], each a vector with one partial sum a strip
       -> dweight

The groups of strips are dealt into chunks, whose number depends on the shape alone. Each chunk adds
the lanes of its sums; the chunks are added in their order: the number of threads cannot change a
bit.

Where the strips do not fill all lanes, or an image its last tiles, zeros stand for dy.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free
from libc.string cimport memset

from .buffers cimport allocate, whole_lines
from .convolution cimport Convolution
from .strips cimport (MOST_LANES, STRIPS_COLUMNS, STRIPS_WEIGHT_FIT, STRIPS_WEIGHT_ROWS, Strips,
                      Window, gather, open_window, spread_numbers)
from .strips_winograd cimport (LINES, MOST_TAPS, STRIPS_TILE, advance_lines, cut_tiles, line_of,
                               odd_lines, strips_lines, strips_winograd, tile_axis)
from .tile cimport lanes_of, real

cdef extern from "strips_winograd.h":
    void f32_strips_part(const float *source, Py_ssize_t count, float *const *to) noexcept nogil
    void f64_strips_part(const double *source, Py_ssize_t count, double *const *to) noexcept nogil
    void f32_strips_add(const float *x, Py_ssize_t channels, Py_ssize_t n, float *to,
                        Py_ssize_t to_row) noexcept nogil
    void f64_strips_add(const double *x, Py_ssize_t channels, Py_ssize_t n, double *to,
                        Py_ssize_t to_row) noexcept nogil
    void f32_strips_winograd_gradient_along(Py_ssize_t n, const float *dy, Py_ssize_t channels,
                                            Py_ssize_t tiles, float *line) noexcept nogil
    void f64_strips_winograd_gradient_along(Py_ssize_t n, const double *dy, Py_ssize_t channels,
                                            Py_ssize_t tiles, double *line) noexcept nogil
    void f32_strips_winograd_gradient(const strips_winograd *w, const strips_lines *lines,
                                      const float *dy, Py_ssize_t tiles, int from_zero,
                                      float *values, float *gradients, float *sums) noexcept nogil
    void f64_strips_winograd_gradient(const strips_winograd *w, const strips_lines *lines,
                                      const double *dy, Py_ssize_t tiles, int from_zero,
                                      double *values, double *gradients,
                                      double *sums) noexcept nogil
    void f32_strips_winograd_add_lanes(const float *x, Py_ssize_t count, float *to) noexcept nogil
    void f64_strips_winograd_add_lanes(const double *x, Py_ssize_t count,
                                       double *to) noexcept nogil
    void f32_strips_winograd_taps(Py_ssize_t n, const float *t, Py_ssize_t point,
                                  float *taps) noexcept nogil
    void f64_strips_winograd_taps(Py_ssize_t n, const double *t, Py_ssize_t point,
                                  double *taps) noexcept nogil

cdef enum:
    MOST_CHUNKS = 16
    CHUNK_TILES = 24            # of a strip that are worth adding all lanes of the sums
    CUT_TASKS = 2               # that few images are cut for: more cuts are more work in all
    STEP_BYTES = 49152          # of values and gradients of one j: they stay in L1
    STEP_TILES = 4              # tiles that are worth loading and storing the sums

cdef struct Gradient:
    Strips strips
    strips_winograd tiles
    const unsigned char *winners    # of the pool that dy lies behind, or NULL: see gather
    Py_ssize_t padded               # pairs of channels, in whole vectors
    Py_ssize_t size                 # of the sums of one chunk, lanes added: the bias's come last

# Where in the memory of one thread its buffers begin.
cdef struct Buffers:
    size_t row
    size_t lines
    size_t dy_row
    size_t dy_lines
    size_t values
    size_t gradients
    size_t sums
    size_t spread
    size_t size                     # of all


cdef int weight_gradient_pass(const Convolution *c, const real *x, const real *dy,
                              const unsigned char *winners, real *dweight, real *dbias,
                              int threads) except -1 nogil:
    cdef Gradient g
    g.tiles.side = c.kernel_h + STRIPS_TILE - 1
    g.tiles.src_channels, g.tiles.dst_channels = c.channels, c.out_channels
    g.winners = winners
    tile_axis(&g.strips.rows, c.height, c.out_height, c.top, g.tiles.side)
    tile_axis(&g.strips.columns, c.width, c.out_width, c.left, g.tiles.side)
    return run(&g, x, dy, dweight, dbias, c.n, threads)


cdef int run(Gradient *g, const real *x, const real *dy, real *dweight, real *dbias, Py_ssize_t n,
             int threads) except -1 nogil:
    cdef Strips *strips = &g.strips
    cdef strips_winograd *w = &g.tiles
    cdef Py_ssize_t lanes = lanes_of(x), pairs = w.src_channels * w.dst_channels, i
    cdef double tiles = <double>n * strips.rows.end * strips.columns.end
    cdef Py_ssize_t chunks = <Py_ssize_t>min(<double>MOST_CHUNKS,
                                             1 + tiles / (lanes * CHUNK_TILES))
    strips.lanes = lanes
    w.n_blocks = (w.dst_channels + STRIPS_WEIGHT_ROWS - 1) // STRIPS_WEIGHT_ROWS
    w.n_terms = min(<Py_ssize_t>STRIPS_COLUMNS, <Py_ssize_t>STRIPS_WEIGHT_FIT(
        (w.dst_channels + w.n_blocks - 1) // w.n_blocks))
    w.n_terms = (w.src_channels + w.n_terms - 1) // w.n_terms
    w.columns = max(<Py_ssize_t>STEP_TILES, <Py_ssize_t>STEP_BYTES // <Py_ssize_t>(
        w.side * (w.src_channels + w.dst_channels) * lanes * sizeof(real)))
    w.columns = min(w.columns, strips.columns.end)
    cut_tiles(strips, w, n, min(chunks, <Py_ssize_t>CUT_TASKS), sizeof(real))
    w.dst_row = odd_lines(strips.columns.end * w.side * w.dst_channels * lanes, sizeof(real))
    chunks = min(chunks, strips.n_groups)
    w.weight_point = pairs * lanes
    g.padded = (pairs + lanes - 1) // lanes * lanes
    g.size = w.side * w.side * g.padded + (w.dst_channels + lanes - 1) // lanes * lanes

    # One block of memory: the sums of every chunk, a row of zeros, each thread's buffers.
    cdef Buffers b
    measure(g, sizeof(real), &b)
    cdef size_t sums_size = whole_lines(chunks * g.size * sizeof(real))
    cdef size_t zeros_size = whole_lines(
        max(strips.columns.src_size * w.src_channels,
            strips.columns.dst_size * w.dst_channels) * sizeof(real))
    cdef void *block
    cdef char *memory = allocate(sums_size + zeros_size + b.size * threads, &block)
    if not memory:
        with gil:
            raise MemoryError("no memory for the working buffers of a convolution's gradient")
    cdef real *sums = <real *>memory
    cdef real *zeros = <real *>(memory + sums_size)
    memory += sums_size + zeros_size
    memset(zeros, 0, zeros_size)
    # One thread does without OpenMP: a region of one thread costs as much as a small image.
    if threads == 1:
        for i in range(chunks):
            sum_chunk(g, &b, x, dy, zeros, strips.n_groups * i // chunks,
                      strips.n_groups * (i + 1) // chunks, dbias != NULL, sums + i * g.size, memory)
    else:
        for i in prange(chunks, num_threads=threads, schedule="dynamic"):
            sum_chunk(g, &b, x, dy, zeros, strips.n_groups * i // chunks,
                      strips.n_groups * (i + 1) // chunks, dbias != NULL, sums + i * g.size,
                      memory + threadid() * b.size)
    add_chunks(g, sums, chunks, dweight, dbias)
    free(block)
    return 0


cdef void measure(const Gradient *g, Py_ssize_t itemsize, Buffers *b) noexcept nogil:
    """Where each buffer of a thread begins."""
    cdef const Strips *strips = &g.strips
    cdef const strips_winograd *w = &g.tiles
    cdef Py_ssize_t point = w.side * strips.lanes * itemsize    # bytes of a channel's points
    b.row = 0
    b.lines = whole_lines(strips.row_length * itemsize)
    b.dy_row = b.lines + whole_lines(LINES * line_of(strips, w, itemsize) * itemsize)
    b.dy_lines = b.dy_row + whole_lines(
        STRIPS_TILE * strips.columns.end * w.dst_channels * strips.lanes * itemsize)
    b.values = b.dy_lines + whole_lines(STRIPS_TILE * w.dst_row * itemsize)
    b.gradients = b.values + whole_lines(w.columns * point * w.src_channels)
    b.sums = b.gradients + whole_lines(w.columns * point * w.dst_channels)
    b.spread = b.sums + whole_lines(
        (w.side * w.side * w.weight_point + w.dst_channels * strips.lanes) * itemsize)
    b.size = b.spread
    if g.winners:
        b.size += whole_lines(
            spread_numbers(strips.lanes, strips.columns.dst_size, w.dst_channels) * itemsize)


cdef void sum_chunk(const Gradient *g, const Buffers *b, const real *x, const real *dy,
                    const real *zeros, Py_ssize_t begin, Py_ssize_t end, bint bias, real *sums,
                    char *memory) noexcept nogil:
    """The sums over the groups of strips begin <= group < end, lanes added.

    sums[point, pair of channels], then the bias's.
    """
    cdef const Strips *strips = &g.strips
    cdef const strips_winograd *w = &g.tiles
    cdef Py_ssize_t group, tile_row, p, lanes = strips.lanes
    cdef Py_ssize_t pairs = w.src_channels * w.dst_channels
    cdef Window window
    cdef strips_lines lines
    cdef real *row = <real *>(memory + b.row)
    cdef real *dy_row = <real *>(memory + b.dy_row)
    cdef real *dy_lines = <real *>(memory + b.dy_lines)
    cdef real *spread = <real *>(memory + b.spread)
    cdef real *vectors = <real *>(memory + b.sums)
    cdef real *bias_sums = vectors + w.side * w.side * w.weight_point
    lines.line = line_of(strips, w, sizeof(real))
    memset(dy_row, 0, STRIPS_TILE * strips.columns.end * w.dst_channels * lanes * sizeof(real))
    memset(bias_sums, 0, w.dst_channels * lanes * sizeof(real))
    for group in range(begin, end):
        open_window(strips, &window, group, row)
        for tile_row in range(strips.height):
            advance_lines(strips, w, &window, x, NULL, zeros, tile_row, row, spread,
                          <real *>(memory + b.lines), &lines)
            gather_dy(g, &window, dy, zeros, tile_row * STRIPS_TILE, dy_row, dy_lines,
                      bias_sums if bias else NULL, spread)
            if real is float:
                f32_strips_winograd_gradient(
                    w, &lines, dy_lines, strips.columns.end, group == begin and tile_row == 0,
                    <real *>(memory + b.values), <real *>(memory + b.gradients), vectors)
            else:
                f64_strips_winograd_gradient(
                    w, &lines, dy_lines, strips.columns.end, group == begin and tile_row == 0,
                    <real *>(memory + b.values), <real *>(memory + b.gradients), vectors)
    if real is float:
        for p in range(w.side * w.side):
            f32_strips_winograd_add_lanes(vectors + p * w.weight_point, pairs, sums + p * g.padded)
        f32_strips_winograd_add_lanes(bias_sums, w.dst_channels, sums + w.side * w.side * g.padded)
    else:
        for p in range(w.side * w.side):
            f64_strips_winograd_add_lanes(vectors + p * w.weight_point, pairs, sums + p * g.padded)
        f64_strips_winograd_add_lanes(bias_sums, w.dst_channels, sums + w.side * w.side * g.padded)


cdef void gather_dy(const Gradient *g, Window *window, const real *dy, const real *zeros,
                    Py_ssize_t below, real *row, real *lines, real *bias_sums,
                    real *spread) noexcept nogil:
    """The lines of the four rows of dy under a row of tiles; zeros stand beyond the image.

    The rows are added to the bias's sums, unless that pointer is NULL.
    """
    cdef const Strips *strips = &g.strips
    cdef const strips_winograd *w = &g.tiles
    cdef Py_ssize_t i, lane, lanes = strips.lanes, width = strips.columns.dst_size
    cdef Py_ssize_t rows[MOST_LANES]
    for i in range(STRIPS_TILE):
        for lane in range(lanes):
            rows[lane] = window.begin[lane] * STRIPS_TILE + below + i
        gather(window, lanes, rows, dy, g.winners, zeros, strips.rows.dst_size, width,
               w.dst_channels, 0, width, spread, row)
        if real is float:
            f32_strips_winograd_gradient_along(w.side, row, w.dst_channels, strips.columns.end,
                                               lines + i * w.dst_row)
        else:
            f64_strips_winograd_gradient_along(w.side, row, w.dst_channels, strips.columns.end,
                                               lines + i * w.dst_row)
        if not bias_sums:
            continue
        if real is float:
            f32_strips_add(row, w.dst_channels, width, bias_sums, lanes)
        else:
            f64_strips_add(row, w.dst_channels, width, bias_sums, lanes)


cdef void add_chunks(const Gradient *g, real *sums, Py_ssize_t chunks, real *dweight,
                     real *dbias) noexcept nogil:
    """Add the chunks' sums, and put the taps and the bias's gradient in place."""
    cdef const strips_winograd *w = &g.tiles
    cdef Py_ssize_t chunk, i, lane, lanes = g.strips.lanes, block, term, k, c
    cdef Py_ssize_t taps = (w.side - STRIPS_TILE + 1) * (w.side - STRIPS_TILE + 1)
    cdef const real *more
    cdef real unused[MOST_TAPS]
    cdef real *to[MOST_LANES]
    for chunk in range(1, chunks):
        more = sums + chunk * g.size
        for i in range(g.size):
            sums[i] += more[i]
    # In the order of the sums: block of k, block of c, k, c.
    i = lane = 0
    for block in range(w.n_blocks):
        for term in range(w.n_terms):
            for k in range(w.dst_channels * block // w.n_blocks,
                           w.dst_channels * (block + 1) // w.n_blocks):
                for c in range(w.src_channels * term // w.n_terms,
                               w.src_channels * (term + 1) // w.n_terms):
                    to[lane] = dweight + (k * w.src_channels + c) * taps
                    lane += 1
                    if lane == lanes:
                        put_taps(w, sums + i, g.padded, to)
                        i += lanes
                        lane = 0
    if lane:
        for lane in range(lane, lanes):
            to[lane] = unused
        put_taps(w, sums + i, g.padded, to)
    if dbias:
        for i in range(w.dst_channels):
            dbias[i] = sums[w.side * w.side * g.padded + i]


cdef inline void put_taps(const strips_winograd *w, const real *sums, Py_ssize_t point,
                          real *const *to) noexcept nogil:
    """The taps of as many pairs of channels as there are lanes."""
    cdef Py_ssize_t kernel = w.side - STRIPS_TILE + 1
    cdef real taps[MOST_TAPS * MOST_LANES]
    if real is float:
        f32_strips_winograd_taps(w.side, sums, point, taps)
        f32_strips_part(taps, kernel * kernel, to)
    else:
        f64_strips_winograd_taps(w.side, sums, point, taps)
        f64_strips_part(taps, kernel * kernel, to)
