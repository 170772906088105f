"""Convolution and its input gradient by Winograd's algorithm where there are too few channels to
fill a vector: `strips_winograd.h` says how.

The strips of images are those of `strips.pyx`, cut between rows of tiles. A task goes down one
group of strips: it interleaves the rows of src that come new, takes a row of tiles through all
stages, pools the four rows of dst if wanted, and parts them. Each tile's sums are its own, and the
grid of tiles begins with the image: neither threads nor the images beside it can change a bit. A
NaN or an infinity in src reaches every output of the tiles that read it.

For kernels of 3 x 3 and 5 x 5, stride 1, dilation 1 and one group; `functional/_algorithm.py`
chooses which of them.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free
from libc.string cimport memset

from .buffers cimport allocate, whole_lines
from .convolution cimport Convolution
from .relu cimport mask_with
from .strips cimport (MOST_LANES, STRIPS_FIT, STRIPS_ROWS, Strips, Window, interleave, open_window,
                      spread_numbers)
from .strips_store cimport maxima_numbers, part, store_maxima
from .strips_winograd cimport (LINES, MOST_TAPS, STRIPS_TILE, STRIPS_WINOGRAD_COLUMNS,
                               advance_lines, cut_tiles, line_of, odd_lines, strips_lines,
                               strips_winograd, tile_axis)
from .tile cimport lanes_of, real

cdef extern from "strips_winograd.h":
    void f32_strips_winograd_tiles(const strips_winograd *w, const strips_lines *lines,
                                   const float *weight, const float *bias, Py_ssize_t tiles,
                                   float *values, float *products, float *sums,
                                   float *y) noexcept nogil
    void f64_strips_winograd_tiles(const strips_winograd *w, const strips_lines *lines,
                                   const double *weight, const double *bias, Py_ssize_t tiles,
                                   double *values, double *products, double *sums,
                                   double *y) noexcept nogil
    void f32_strips_winograd_weight(Py_ssize_t n, int flipped, const float *taps, float *u,
                                    Py_ssize_t point) noexcept nogil
    void f64_strips_winograd_weight(Py_ssize_t n, int flipped, const double *taps, double *u,
                                    Py_ssize_t point) noexcept nogil

cdef enum:
    STAGE_BYTES = 24576     # of what is between the lines and dst: it stays in L1

cdef struct Sweep:
    Strips strips
    strips_winograd tiles
    Py_ssize_t weight_dst               # numbers from one dst channel to the next in weight
    Py_ssize_t weight_src
    bint flipped                        # the taps are read from the last to the first
    bint relu
    bint pool                           # dst gets the maxima of 2 x 2 windows,
    unsigned char *winners              # and this the winners, unless it is NULL
    const unsigned char *src_winners    # of a pool that src lies behind, or NULL: see gather

# Where in the memory of one thread its buffers begin: a row of src, the lines, what is between the
# stages, four rows of dst, the row that lanes without a strip write; behind a pool also maxima,
# winners, and the latter parted; and what gather works in.
cdef struct Buffers:
    size_t row
    size_t lines
    size_t values
    size_t products
    size_t sums
    size_t out
    size_t unused
    size_t pooled
    size_t spread
    size_t size                         # of all


cdef int forward_pass(const Convolution *c, const real *x, const real *weight, const real *bias,
                      real *y, unsigned char *winners, bint relu, bint pool,
                      int threads) except -1 nogil:
    cdef Sweep s
    s.tiles.side = c.kernel_h + STRIPS_TILE - 1
    s.tiles.src_channels, s.tiles.dst_channels = c.channels, c.out_channels
    tile_axis(&s.strips.rows, c.height, c.out_height, c.top, s.tiles.side)
    tile_axis(&s.strips.columns, c.width, c.out_width, c.left, s.tiles.side)
    s.weight_src = c.kernel_h * c.kernel_w
    s.weight_dst = c.channels * s.weight_src
    s.flipped, s.relu, s.pool = False, relu, pool
    s.src_winners, s.winners = NULL, winners
    return sweep(&s, x, y, weight, bias, <const real *>NULL, c.n, threads)


cdef int input_gradient_pass(const Convolution *c, const real *dy, const unsigned char *winners,
                             const real *weight, real *dx, const real *positive,
                             int threads) except -1 nogil:
    cdef Sweep s
    s.tiles.side = c.kernel_h + STRIPS_TILE - 1
    s.tiles.src_channels, s.tiles.dst_channels = c.out_channels, c.channels
    tile_axis(&s.strips.rows, c.out_height, c.height, c.kernel_h - 1 - c.top, s.tiles.side)
    tile_axis(&s.strips.columns, c.out_width, c.width, c.kernel_w - 1 - c.left, s.tiles.side)
    s.weight_dst = c.kernel_h * c.kernel_w
    s.weight_src = c.channels * s.weight_dst
    s.flipped, s.relu, s.pool = True, False, False
    s.src_winners, s.winners = winners, NULL
    return sweep(&s, dy, dx, weight, <const real *>NULL, positive, c.n, threads)


cdef int sweep(Sweep *s, const real *src, real *dst, const real *weight, const real *bias,
               const real *positive, Py_ssize_t n, int threads) except -1 nogil:
    cdef Strips *strips = &s.strips
    cdef strips_winograd *w = &s.tiles
    cdef Py_ssize_t lanes = lanes_of(src), pairs = w.src_channels * w.dst_channels, i
    strips.lanes = lanes
    w.n_blocks = (w.dst_channels + STRIPS_ROWS - 1) // STRIPS_ROWS
    w.columns = STAGE_BYTES // <Py_ssize_t>(
        w.side * (w.src_channels + (1 + STRIPS_TILE) * w.dst_channels) * lanes * sizeof(real))
    w.columns = max(<Py_ssize_t>1, min(
        min(w.columns, <Py_ssize_t>STRIPS_WINOGRAD_COLUMNS),
        <Py_ssize_t>STRIPS_FIT((w.dst_channels + w.n_blocks - 1) // w.n_blocks)))
    cut_tiles(strips, w, n, threads, sizeof(real))
    w.dst_row = odd_lines(STRIPS_TILE * strips.columns.end * w.dst_channels * lanes, sizeof(real))
    w.weight_point = (pairs + lanes - 1) // lanes * lanes
    w.relu = s.relu and not s.pool      # the pool does it

    # One block of memory: the weights' points, a row of zeros, each thread's buffers.
    cdef Buffers buffers
    measure(s, sizeof(real), &buffers)
    cdef size_t weight_size = whole_lines(w.side * w.side * w.weight_point * sizeof(real))
    cdef size_t zeros_size = whole_lines(strips.columns.src_size * w.src_channels * sizeof(real))
    cdef void *block
    cdef char *memory = allocate(weight_size + zeros_size + buffers.size * threads, &block)
    if not memory:
        with gil:
            raise MemoryError("no memory for the working buffers of a convolution")
    cdef real *points = <real *>memory
    cdef real *zeros = <real *>(memory + weight_size)
    memory += weight_size + zeros_size
    memset(zeros, 0, zeros_size)
    transform_weight(s, weight, points)
    # One thread does without OpenMP: a region of one thread costs as much as a small image.
    if threads == 1:
        for i in range(strips.n_groups):
            sweep_group(s, &buffers, i, src, dst, points, bias, positive, zeros, memory)
    else:
        for i in prange(strips.n_groups, num_threads=threads, schedule="dynamic"):
            sweep_group(s, &buffers, i, src, dst, points, bias, positive, zeros,
                        memory + threadid() * buffers.size)
    free(block)
    return 0


cdef void measure(const Sweep *s, Py_ssize_t itemsize, Buffers *b) noexcept nogil:
    """Where each buffer of a thread begins."""
    cdef const Strips *strips = &s.strips
    cdef const strips_winograd *w = &s.tiles
    cdef Py_ssize_t row = strips.columns.dst_size * w.dst_channels
    cdef Py_ssize_t point = w.side * strips.lanes * itemsize    # bytes of a channel's points
    b.row = 0
    b.lines = whole_lines(strips.row_length * itemsize)
    b.values = b.lines + whole_lines(LINES * line_of(strips, w, itemsize) * itemsize)
    b.products = b.values + whole_lines(w.columns * point * w.src_channels)
    b.sums = b.products + whole_lines(w.columns * point * w.dst_channels)
    b.out = b.sums + whole_lines(w.columns * point * STRIPS_TILE * w.dst_channels)
    b.unused = b.out + whole_lines(STRIPS_TILE * w.dst_row * itemsize)
    b.pooled = b.unused + whole_lines(row * itemsize)
    b.spread = b.pooled
    if s.pool:
        b.spread += whole_lines(
            maxima_numbers(strips.lanes, strips.columns.dst_size, w.dst_channels) * itemsize)
    b.size = b.spread
    if s.src_winners:
        b.size += whole_lines(
            spread_numbers(strips.lanes, strips.columns.src_size, w.src_channels) * itemsize)


cdef void transform_weight(const Sweep *s, const real *weight, real *points) noexcept nogil:
    """points[point, block of dst channels, src channel, dst channel]: as the products read them.

    The kernels are interleaved, and transformed as many at once as there are lanes.
    """
    cdef const strips_winograd *w = &s.tiles
    cdef Py_ssize_t kernel = w.side - STRIPS_TILE + 1, lanes = s.strips.lanes
    cdef Py_ssize_t block, begin, end, k, c, lane = 0, first = 0
    cdef const real *from_[MOST_LANES]
    cdef real taps[MOST_TAPS * MOST_LANES]
    for lane in range(lanes):
        from_[lane] = weight
    lane = 0
    for block in range(w.n_blocks):
        begin = w.dst_channels * block // w.n_blocks
        end = w.dst_channels * (block + 1) // w.n_blocks
        for c in range(w.src_channels):
            for k in range(begin, end):
                from_[lane] = weight + k * s.weight_dst + c * s.weight_src
                lane += 1
                first += 1
                if lane < lanes and first < w.src_channels * w.dst_channels:
                    continue
                interleave(from_, kernel * kernel, taps)
                if real is float:
                    f32_strips_winograd_weight(w.side, s.flipped, taps, points + first - lane,
                                               w.weight_point)
                else:
                    f64_strips_winograd_weight(w.side, s.flipped, taps, points + first - lane,
                                               w.weight_point)
                lane = 0


cdef void sweep_group(const Sweep *s, const Buffers *b, Py_ssize_t group, const real *src,
                      real *dst, const real *points, const real *bias, const real *positive,
                      const real *zeros, char *memory) noexcept nogil:
    """All tiles of one group of strips."""
    cdef const Strips *strips = &s.strips
    cdef const strips_winograd *w = &s.tiles
    cdef Py_ssize_t tile_row, i
    cdef Window window
    cdef strips_lines lines
    cdef real *row = <real *>(memory + b.row)
    cdef real *out = <real *>(memory + b.out)
    lines.line = line_of(strips, w, sizeof(real))
    open_window(strips, &window, group, row)
    for tile_row in range(strips.height):
        advance_lines(strips, w, &window, src, s.src_winners, zeros, tile_row, row,
                      <real *>(memory + b.spread), <real *>(memory + b.lines), &lines)
        if real is float:
            f32_strips_winograd_tiles(
                w, &lines, points, bias, strips.columns.end, <real *>(memory + b.values),
                <real *>(memory + b.products), <real *>(memory + b.sums), out)
        else:
            f64_strips_winograd_tiles(
                w, &lines, points, bias, strips.columns.end, <real *>(memory + b.values),
                <real *>(memory + b.products), <real *>(memory + b.sums), out)
        if s.pool:
            for i in range(STRIPS_TILE // 2):
                store_maxima(strips, &window, tile_row * (STRIPS_TILE // 2) + i, w.dst_channels,
                             s.relu, out + 2 * i * w.dst_row, out + (2 * i + 1) * w.dst_row,
                             <real *>(memory + b.pooled), <real *>(memory + b.unused), dst,
                             s.winners)
        else:
            for i in range(STRIPS_TILE):
                store_row(s, b, &window, tile_row * STRIPS_TILE + i, dst, out + i * w.dst_row,
                          positive, memory)


cdef void store_row(const Sweep *s, const Buffers *b, const Window *window, Py_ssize_t below,
                    real *dst, const real *out, const real *positive,
                    char *memory) noexcept nogil:
    """Part a row of the strips, the `below`-th of each, where an image has it."""
    cdef const Strips *strips = &s.strips
    cdef Py_ssize_t height = strips.rows.dst_size, lane, row
    cdef Py_ssize_t length = strips.columns.dst_size * s.tiles.dst_channels
    cdef real *unused = <real *>(memory + b.unused)
    cdef real *to[MOST_LANES]
    for lane in range(strips.lanes):
        row = window.begin[lane] * STRIPS_TILE + below
        to[lane] = unused
        if window.image[lane] >= 0 and row < height:
            to[lane] = dst + (window.image[lane] * height + row) * length
    part(out, length, to)
    if positive:
        for lane in range(strips.lanes):
            if to[lane] != unused:
                mask_with(to[lane], positive + (to[lane] - dst), length)
