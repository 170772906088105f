"""Convolution and its input gradient by Winograd's algorithm: `winograd.h` says what that is.

For kernels of 3 x 3 and 5 x 5, stride 1, dilation 1, one group. A task takes a block of tiles
through all stages, so that nothing between src and dst leaves the second-level cache:

    src -> values[tile, point, channel of src]          winograd_input
        -> products[tile, point, channel of dst]        the register tile, for each point
        -> dst                                          winograd_output

Each tile's sums are its own, so neither threads nor the size of a block can change a bit. A NaN or
an infinity in src reaches every output of the tiles that read it.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free
from libc.string cimport memset

from .buffers cimport allocate, whole_lines
from .convolution cimport Convolution
from .tile cimport TILE_FROM_ZERO, TILE_ROWS_2, lanes_of, real, tile_rows, tile_sum

cdef extern from "winograd.h":
    void f32_winograd_input(int n, const winograd_patch *d, float *v, Py_ssize_t point,
                            Py_ssize_t vectors) noexcept nogil
    void f64_winograd_input(int n, const winograd_patch *d, double *v, Py_ssize_t point,
                            Py_ssize_t vectors) noexcept nogil
    void f32_winograd_weight(int n, const float *g, Py_ssize_t tap, float *u,
                             Py_ssize_t point) noexcept nogil
    void f64_winograd_weight(int n, const double *g, Py_ssize_t tap, double *u,
                             Py_ssize_t point) noexcept nogil
    void f32_winograd_output(int n, const float *t, Py_ssize_t point, const float *bias, float *y,
                             unsigned char *winner, const float *positive,
                             const winograd_end *end, int rows, int columns,
                             int channels) noexcept nogil
    void f64_winograd_output(int n, const double *t, Py_ssize_t point, const double *bias,
                             double *y, unsigned char *winner, const double *positive,
                             const winograd_end *end, int rows, int columns,
                             int channels) noexcept nogil

#: Outputs of a tile, each way.
TILE = WINOGRAD_TILE

cdef enum:
    # Bytes of values and products of one block; several threads, which share the way to memory,
    # read the weights less often with larger ones.
    BLOCK_BYTES = 300000
    SHARED_BLOCK_BYTES = 600000

cdef struct Winograd:
    Py_ssize_t kernel           # r
    Py_ssize_t side             # n: of the inputs under a tile
    Py_ssize_t points           # n * n
    Images src
    Py_ssize_t dst_height       # of the outputs before a pool
    Py_ssize_t dst_width
    Py_ssize_t dst_channels
    Py_ssize_t top              # zeros before the first row of src
    Py_ssize_t left
    Py_ssize_t vertical         # tiles of an image
    Py_ssize_t horizontal
    Py_ssize_t lanes            # of a vector
    Py_ssize_t width            # dst channels of one step: two vectors, if there are so many
    Py_ssize_t padded_src       # channels in whole vectors
    Py_ssize_t padded_dst
    Py_ssize_t weight_dst       # numbers from one dst channel to the next in weight
    Py_ssize_t weight_src
    bint flipped                # the taps are read from the last to the first
    winograd_end end


cdef int forward_pass(const Convolution *c, const real *x, const real *weight, const real *bias,
                      real *y, unsigned char *winners, bint relu, bint pool,
                      int threads) except -1 nogil:
    cdef Winograd w
    w.src = images_of(x, NULL, c.n, c.height, c.width, c.channels)
    w.dst_height, w.dst_width, w.dst_channels = c.out_height, c.out_width, c.out_channels
    w.kernel, w.top, w.left = c.kernel_h, c.top, c.left
    w.weight_src = w.kernel * w.kernel
    w.weight_dst = c.channels * w.weight_src
    w.flipped = False
    w.end.relu, w.end.pool = relu, pool
    return sweep(&w, weight, bias, y, winners, <const real *>NULL, threads)


cdef int input_gradient_pass(const Convolution *c, const real *dy, const unsigned char *winners,
                             const real *weight, real *dx, const real *positive,
                             int threads) except -1 nogil:
    """With `winners`, the channels of dy must be whole vectors."""
    cdef Winograd w
    w.src = images_of(dy, winners, c.n, c.out_height, c.out_width, c.out_channels)
    w.dst_height, w.dst_width, w.dst_channels = c.height, c.width, c.channels
    w.kernel = c.kernel_h
    w.top, w.left = w.kernel - 1 - c.top, w.kernel - 1 - c.left
    w.weight_dst = w.kernel * w.kernel
    w.weight_src = c.channels * w.weight_dst
    w.flipped = True
    w.end.relu = w.end.pool = False
    return sweep(&w, weight, <const real *>NULL, dx, <unsigned char *>NULL, positive, threads)


cdef int sweep(Winograd *w, const real *weight, const real *bias, real *dst,
               unsigned char *winners, const real *positive, int threads) except -1 nogil:
    w.side = w.kernel + WINOGRAD_TILE - 1
    w.points = w.side * w.side
    w.vertical = (w.dst_height + WINOGRAD_TILE - 1) // WINOGRAD_TILE
    w.horizontal = (w.dst_width + WINOGRAD_TILE - 1) // WINOGRAD_TILE
    w.lanes = lanes_of(weight)
    w.padded_src = whole_vectors(w.src.channels, w.lanes)
    w.padded_dst = whole_vectors(w.dst_channels, w.lanes)
    w.width = min(2 * w.lanes, w.padded_dst)
    w.end.pixel = w.dst_channels
    w.end.row = (w.dst_width // 2 if w.end.pool else w.dst_width) * w.dst_channels

    cdef Py_ssize_t tiles = w.src.count * w.vertical * w.horizontal
    cdef Py_ssize_t width = w.width
    cdef Py_ssize_t most = ((BLOCK_BYTES if threads == 1 else SHARED_BLOCK_BYTES)
                            // (w.points * (w.padded_src + width) * sizeof(real)))
    most = max(<Py_ssize_t>1, most // TILE_ROWS_2) * TILE_ROWS_2
    cdef Py_ssize_t blocks = (tiles + most - 1) // most
    if threads > 1:     # a few blocks for each thread, while they fill their register tiles
        blocks = max(blocks, min(<Py_ssize_t>4 * threads, tiles // (2 * TILE_ROWS_2)), 1)
    most = (tiles + blocks - 1) // blocks

    # One block of memory: the weights' points, the bias, what is beyond the images; for each thread
    # a patch, values, products.
    cdef Py_ssize_t columns = (w.padded_dst + width - 1) // width, i
    cdef Py_ssize_t units = columns * w.src.channels
    cdef size_t weight_size = whole_lines(
        w.points * w.src.channels * w.padded_dst * sizeof(real))
    cdef size_t bias_size = whole_lines(w.padded_dst * sizeof(real))
    cdef size_t empty_size = whole_lines(
        nothing_size(weight, w.side, w.src.channels, w.padded_src))
    cdef size_t patch_size = whole_lines(w.points * w.padded_src * sizeof(real))
    cdef size_t values_size = whole_lines(
        most * tile_stride(weight, w.points * w.padded_src) * sizeof(real))
    cdef size_t products_size = whole_lines(
        most * tile_stride(weight, w.points * width) * sizeof(real))
    cdef size_t thread_size = patch_size + values_size + products_size
    cdef void *block
    cdef char *memory = allocate(
        weight_size + bias_size + empty_size + thread_size * threads, &block)
    if not memory:
        with gil:
            raise MemoryError("no memory for the working buffers of a convolution")
    cdef real *points = <real *>memory
    cdef real *padded_bias = <real *>(memory + weight_size)
    cdef char *nothing = memory + weight_size + bias_size
    cdef char *buffers = nothing + empty_size

    memset(nothing, NO_WINNER if w.src.winners else 0, empty_size)
    w.src.nothing = nothing
    if bias:
        for i in range(w.padded_dst):
            padded_bias[i] = bias[i] if i < w.dst_channels else 0
    for i in prange(units, num_threads=threads, schedule="static"):
        weight_points(w, weight, points, i // w.src.channels * width, i % w.src.channels)
    for i in prange(blocks, num_threads=threads, schedule="dynamic"):
        sweep_block(w, points, padded_bias if bias else NULL, dst, winners, positive,
                    tiles * i // blocks, tiles * (i + 1) // blocks,
                    <real *>(buffers + threadid() * thread_size),
                    <real *>(buffers + threadid() * thread_size + patch_size),
                    <real *>(buffers + threadid() * thread_size + patch_size + values_size))
    free(block)
    return 0


cdef void weight_points(const Winograd *w, const real *weight, real *points, Py_ssize_t first,
                        Py_ssize_t c) noexcept nogil:
    """The values of the weights from src channel c to up to two vectors of dst channels.

    points[block of dst channels, point, src channel, dst channel]: the order the tile reads it in.
    """
    cdef Py_ssize_t width = min(w.width, w.padded_dst - first)
    cdef Py_ssize_t taps = w.kernel * w.kernel, k, tap, v
    cdef real gathered[25 * 32]
    cdef const real *from_
    cdef real *to = points + w.points * w.src.channels * first + c * width
    for k in range(width):
        if first + k < w.dst_channels:
            from_ = weight + (first + k) * w.weight_dst + c * w.weight_src
            for tap in range(taps):
                gathered[tap * width + k] = from_[taps - 1 - tap if w.flipped else tap]
        else:
            for tap in range(taps):
                gathered[tap * width + k] = 0
    for v in range(width // w.lanes):
        k = v * w.lanes
        if real is float:
            f32_winograd_weight(<int>w.side, gathered + k, width, to + k, w.src.channels * width)
        else:
            f64_winograd_weight(<int>w.side, gathered + k, width, to + k, w.src.channels * width)


cdef void sweep_block(const Winograd *w, const real *points, const real *bias, real *dst,
                      unsigned char *winners, const real *positive, Py_ssize_t begin,
                      Py_ssize_t end, real *patch, real *values,
                      real *products) noexcept nogil:
    """The tiles begin <= tile < end of the batch."""
    cdef Py_ssize_t first, width, p, t, no_offset = 0, n = end - begin
    cdef Py_ssize_t value_tile = tile_stride(values, w.points * w.padded_src), product_tile
    cdef tile_sum sum
    for t in range(n):
        tile_values(w, begin + t, patch, values + t * value_tile)
    sum.a_row, sum.a_step = value_tile, 1
    sum.n_runs, sum.run_length, sum.runs = 1, w.src.channels, &no_offset
    first = 0
    while first < w.dst_channels:
        width = min(w.width, w.padded_dst - first)
        product_tile = tile_stride(values, w.points * width)
        sum.b_step, sum.c_row = width, product_tile
        for p in range(w.points):
            tile_rows(&sum, n, <int>width, values + p * w.padded_src,
                      points + (w.points * first + p * width) * w.src.channels, <const real *>NULL,
                      products + p * width, TILE_FROM_ZERO)
        for t in range(n):
            tile_outputs(w, products + t * product_tile, width, bias + first if bias else NULL,
                         dst, winners, positive, begin + t, first)
        first += w.width


cdef void winograd_input(int n, const winograd_patch *d, real *v, Py_ssize_t point,
                         Py_ssize_t vectors) noexcept nogil:
    """The values of n * n pixels, of whole vectors."""
    if real is float:
        f32_winograd_input(n, d, v, point, vectors)
    else:
        f64_winograd_input(n, d, v, point, vectors)


cdef inline void tile_values(const Winograd *w, Py_ssize_t tile, real *buffer,
                             real *values) noexcept nogil:
    """The values of one tile's inputs."""
    cdef winograd_patch patch
    patch_of(&w.src, tile // (w.horizontal * w.vertical),
             tile // w.horizontal % w.vertical * WINOGRAD_TILE - w.top,
             tile % w.horizontal * WINOGRAD_TILE - w.left, w.side, 0, w.src.channels, w.padded_src,
             buffer, &patch)
    winograd_input(<int>w.side, &patch, values, w.padded_src, w.padded_src // w.lanes)


cdef inline void tile_outputs(const Winograd *w, const real *products, Py_ssize_t point,
                              const real *bias, real *dst, unsigned char *winners,
                              const real *positive, Py_ssize_t tile,
                              Py_ssize_t first) noexcept nogil:
    """Two vectors of channels of one tile's outputs, from `first` on."""
    cdef Py_ssize_t row = tile // w.horizontal % w.vertical * WINOGRAD_TILE
    cdef Py_ssize_t column = tile % w.horizontal * WINOGRAD_TILE
    cdef Py_ssize_t height = w.dst_height, width = w.dst_width, m = WINOGRAD_TILE
    if w.end.pool:
        row, column, height, width, m = row // 2, column // 2, height // 2, width // 2, m // 2
    cdef Py_ssize_t at = ((tile // (w.horizontal * w.vertical) * height + row) * width
                          + column) * w.dst_channels + first
    cdef int rows = <int>min(m, height - row), columns = <int>min(m, width - column)
    cdef int channels = <int>min(w.width, w.dst_channels - first)
    cdef unsigned char *winner = winners + at if winners else NULL
    cdef const real *above = positive + at if positive else NULL
    if real is float:
        f32_winograd_output(<int>w.side, products, point, bias, dst + at, winner, above, &w.end,
                            rows, columns, channels)
    else:
        f64_winograd_output(<int>w.side, products, point, bias, dst + at, winner, above, &w.end,
                            rows, columns, channels)
