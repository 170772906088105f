"""The weight and bias gradients of a convolution.

    dweight[k, c, u, v]  =  sum over images and pixels (h, w) of y of
                            dy[h, w, k] * x[row of (h, u), column of (w, v), c]
    dbias[k]             =  sum over images and pixels of dy[h, w, k]

The same register tile as forward, turned round: its rows are the kW * C inputs under one kernel
row, or under several where those are few; its columns are output channels, and it sums over pixels.

The rows of y of the whole batch are cut into chunks, whose number depends on the shape alone. Each
chunk has sums of its own, which are added in the order of the chunks: the number of threads cannot
change a bit.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free

from .axis cimport Axis, forward_axes
from .buffers cimport BUFFER_BYTES, allocate, copy_padded, whole_lines
from .convolution cimport Convolution
from .depthwise cimport depthwise_weight_gradient, is_depthwise
from .tile cimport (TILE_FROM_C, TILE_FROM_ZERO, lanes_of, real, tile_columns, tile_count,
                    tile_grouped_rows, tile_pack, tile_rows, tile_rows_ahead, tile_sum,
                    tile_takes_groups)

cdef extern from "simd.h":
    void PREFETCH_FOR_LATER(const void *p) noexcept nogil

cdef enum:
    MOST_CHUNKS = 16
    CHUNK_WORK = 4000000        # multiply-adds that are worth a chunk of their own
    CHUNK_MEMORY = 150000       # numbers that the sums of all chunks may take: they stay in L2
    PIECE_PIXELS = 224          # pixels of y that are summed before the next: dy stays in L1

cdef struct Gradient:
    Py_ssize_t height           # of x
    Py_ssize_t width
    Py_ssize_t out_height       # of y
    Py_ssize_t out_width
    Py_ssize_t kernel_height
    Py_ssize_t kernel_width
    Py_ssize_t stride_h
    Py_ssize_t stride_w
    Py_ssize_t dilation_h
    Py_ssize_t dilation_w
    Py_ssize_t top              # zeros before the first row of x
    Py_ssize_t left
    Py_ssize_t in_channels
    Py_ssize_t out_channels
    bint direct                 # no window reaches over the edge: no buffer
    bint in_place               # the tile reads dy where it lies: whole vectors
    Py_ssize_t groups
    Py_ssize_t n_blocks         # of output channels, all groups together
    Py_ssize_t in_group
    Py_ssize_t out_group
    Py_ssize_t block            # output channels that the tile computes at once
    Py_ssize_t padded_group     # out_group in whole vectors
    Py_ssize_t n_columns        # pixels of a buffered row
    Py_ssize_t row_length       # numbers from one row of x to the next
    Py_ssize_t image_rows       # rows of x under the rows of y, for one image
    Py_ssize_t piece            # rows of y that are summed at once
    Py_ssize_t terms            # rows of the sums: taps times in_group
    Py_ssize_t size             # of the sums of one chunk: padded channels times (terms + 1)


cdef int weight_gradient_pass(const Convolution *c, const real *x, const real *dy,
                              const unsigned char *winners, real *dweight, real *dbias,
                              int threads) except -1 nogil:
    """`winners` is not read: dy lies behind no pool."""
    cdef Gradient g
    cdef Axis rows, columns
    cdef void *axes
    if is_depthwise(c.groups, c.channels, c.out_channels):
        axes = forward_axes(&rows, &columns, c)
        try:
            depthwise_weight_gradient(&rows, &columns, x, dy, dweight, dbias, c.n, c.channels,
                                      threads)
        finally:
            free(axes)
        return 0
    g.height, g.width, g.in_channels = c.height, c.width, c.channels
    g.out_height, g.out_width, g.out_channels = c.out_height, c.out_width, c.out_channels
    g.kernel_height, g.kernel_width = c.kernel_h, c.kernel_w
    g.stride_h, g.stride_w = c.stride_h, c.stride_w
    g.dilation_h, g.dilation_w = c.dilation_h, c.dilation_w
    g.top, g.left = c.top, c.left
    return run(&g, x, dy, dweight, dbias, c.n, c.groups, threads)


cdef int run(Gradient *g, const real *x, const real *dy, real *dweight, real *dbias, Py_ssize_t n,
             Py_ssize_t groups, int threads) except -1 nogil:
    describe(g, groups, lanes_of(x), sizeof(real))
    cdef Py_ssize_t rows = n * g.out_height
    cdef double work = (<double>rows * g.out_width * g.out_channels) * g.terms
    cdef Py_ssize_t chunks = <Py_ssize_t>min(<double>min(rows, <Py_ssize_t>MOST_CHUNKS),
                                             1 + work / CHUNK_WORK)
    chunks = min(chunks, 1 + CHUNK_MEMORY // g.size)
    # Pieces of even height: what is loaded and stored again for a short one takes as long.
    cdef Py_ssize_t chunk_rows = (rows + chunks - 1) // chunks
    cdef Py_ssize_t pieces = (chunk_rows + g.piece - 1) // g.piece
    g.piece = (chunk_rows + pieces - 1) // pieces
    # A task reads its rows of x once for all its blocks: no more tasks than the threads want.
    cdef Py_ssize_t parts = 1
    if threads > 1:
        parts = min(g.n_blocks, (4 * threads + chunks - 1) // chunks)
    # A piece may begin and end within an image; each image in it has `extent` more rows of x.
    cdef Py_ssize_t extent = (g.kernel_height - 1) * g.dilation_h + 1
    cdef Py_ssize_t images = g.piece // g.out_height + 2

    # One block of memory: the sums of every chunk; for every thread, rows of x, dy, and the runs.
    cdef size_t sums_size = whole_lines(chunks * g.size * sizeof(real))
    cdef size_t x_size = 0 if g.direct else whole_lines(
        (g.piece * g.stride_h + images * extent) * g.row_length * sizeof(real))
    cdef size_t dy_size = whole_lines(g.piece * g.out_width * g.block * sizeof(real))
    cdef size_t thread_size = x_size + dy_size + whole_lines(g.piece * sizeof(Py_ssize_t))
    cdef void *block
    cdef char *memory = allocate(sums_size + thread_size * threads, &block)
    if not memory:
        with gil:
            raise MemoryError("no memory for the working buffers of a convolution's gradient")
    cdef real *sums = <real *>memory
    cdef char *buffers = memory + sums_size
    cdef Py_ssize_t i
    for i in prange(chunks * parts, num_threads=threads, schedule="dynamic"):
        sum_chunk(g, x, dy, sums + i // parts * g.size, rows, rows * (i // parts) // chunks,
                  rows * (i // parts + 1) // chunks, g.n_blocks * (i % parts) // parts,
                  g.n_blocks * (i % parts + 1) // parts, dbias != NULL,
                  <real *>(buffers + threadid() * thread_size),
                  <real *>(buffers + threadid() * thread_size + x_size),
                  <Py_ssize_t *>(buffers + threadid() * thread_size + x_size + dy_size))
    for i in prange(g.n_blocks, num_threads=threads, schedule="static"):
        add_chunks(g, sums, chunks, dweight, dbias, i)
    free(block)
    return 0


cdef void describe(Gradient *g, Py_ssize_t groups, Py_ssize_t lanes,
                   Py_ssize_t itemsize) noexcept nogil:
    """Fill in how x, dy and the sums are laid out."""
    g.groups, g.block = groups, 2 * lanes
    g.in_group, g.out_group = g.in_channels // groups, g.out_channels // groups
    g.padded_group = (g.out_group + lanes - 1) // lanes * lanes
    g.n_blocks = g.groups * ((g.out_group + g.block - 1) // g.block)
    g.terms = g.kernel_height * g.kernel_width * g.in_group
    g.in_place = g.padded_group == g.out_group
    g.size = g.groups * g.padded_group * (g.terms + 1)

    g.n_columns = ((g.out_width - 1) * g.stride_w + (g.kernel_width - 1) * g.dilation_w + 1)
    g.image_rows = ((g.out_height - 1) * g.stride_h + (g.kernel_height - 1) * g.dilation_h + 1)
    g.direct = (g.left == 0 and g.top == 0 and g.n_columns <= g.width
                and g.image_rows <= g.height)
    g.row_length = (g.width if g.direct else g.n_columns) * g.in_channels
    # More rows than forward: what is loaded and stored again for every piece is all the sums.
    cdef Py_ssize_t fitting = 2 * <Py_ssize_t>BUFFER_BYTES // (itemsize * g.row_length * g.stride_h)
    g.piece = max(1, min(<Py_ssize_t>PIECE_PIXELS // g.out_width, fitting))


cdef void sum_chunk(const Gradient *g, const real *x, const real *dy, real *sums, Py_ssize_t rows,
                    Py_ssize_t begin, Py_ssize_t end, Py_ssize_t block, Py_ssize_t blocks_end,
                    bint bias, real *x_buffer, real *dy_buffer, Py_ssize_t *runs) noexcept nogil:
    """The sums of some blocks of output channels over the rows begin <= row < end of all images.

    sums[tap row, tap column, input channel, output channel] of a block, then the bias's.
    """
    cdef Py_ssize_t row = begin, piece_end, i
    cdef int start = TILE_FROM_ZERO
    cdef const real *base
    while row < end:
        piece_end = min(end, row + g.piece)
        base = gather_rows(g, x, x_buffer, row, piece_end, runs)
        for i in range(block, blocks_end):
            sum_piece(g, base, x, dy, sums, rows, row, piece_end, i, i - block, blocks_end - block,
                      bias, start, dy_buffer, runs)
        start = TILE_FROM_C
        row = piece_end


cdef inline void sum_piece(const Gradient *g, const real *base, const real *x, const real *dy,
                           real *sums, Py_ssize_t rows, Py_ssize_t row, Py_ssize_t end,
                           Py_ssize_t block, Py_ssize_t part, Py_ssize_t parts, bint bias,
                           int start, real *dy_buffer, const Py_ssize_t *runs) noexcept nogil:
    """One block's sums over a few rows, whose rows of x are at base + runs.

    It is one of `parts` calls for these rows, which together send for the next ones.
    """
    cdef Py_ssize_t group_blocks = g.n_blocks // g.groups
    cdef Py_ssize_t group = block // group_blocks, first = block % group_blocks * g.block
    cdef Py_ssize_t count = min(g.block, g.out_group - first)
    cdef Py_ssize_t width = min(g.block, g.padded_group - first)
    cdef Py_ssize_t a_kernel_row = g.dilation_h * g.row_length
    cdef Py_ssize_t u, v, each, ahead, several
    cdef bint grouped, in_steps
    cdef const real *b = dy + row * g.out_width * g.out_channels + group * g.out_group + first
    cdef const real *a
    cdef real *c
    cdef tile_sum sum
    sums += (group * g.padded_group + first) * (g.terms + 1)
    sum.c_row, sum.runs, sum.run_length, sum.n_runs = width, runs, g.out_width, end - row
    sum.a_step, sum.b_step = g.stride_w * g.in_channels, g.out_channels
    if not g.in_place:
        # The tile wants whole vectors.
        tile_pack(b, g.out_channels, (end - row) * g.out_width, <int>count, dy_buffer)
        b, sum.b_step = dy_buffer, width
    if bias:
        tile_columns(b, sum.b_step, (end - row) * g.out_width, <int>width, sums + g.terms * width,
                     start)

    sum.a_row = 1
    if g.groups == 1 and g.dilation_w == 1:
        each = g.kernel_width * g.in_group
        grouped = g.kernel_height > 1 and tile_takes_groups(base, each, <int>width)
        # Of two vectors: with one, a step of the tile has as many loads as it can do already.
        in_steps = width == g.block and not grouped
        if not in_steps:
            fetch_ahead(g, x, dy, rows, end, part, parts)
        if grouped:
            tile_grouped_rows(&sum, g.kernel_height, a_kernel_row, <int>each, <int>width, base, b,
                              sums, start)
        elif not in_steps:
            # Of one vector such a tile has more rows than tile_rows().
            several = 7
            while several > 1 and each % several:
                several -= 1
            for u in range(g.kernel_height):
                if several > 1:
                    tile_grouped_rows(&sum, each // several, several, <int>several, <int>width,
                                      base + u * a_kernel_row, b, sums + u * each * width, start)
                else:
                    tile_rows(&sum, each, <int>width, base + u * a_kernel_row, b, NULL,
                              sums + u * each * width, start)
        else:
            ahead = (end - row) * g.out_width * tile_count(base, each, <int>width)
            for u in range(g.kernel_height):
                send_in_steps(g, &sum, x, dy, rows, end, part * g.kernel_height + u,
                              parts * g.kernel_height, ahead)
                tile_rows_ahead(&sum, each, <int>width, base + u * a_kernel_row, b, NULL,
                                sums + u * each * width, start)
        return
    fetch_ahead(g, x, dy, rows, end, part, parts)
    for u in range(g.kernel_height):
        for v in range(g.kernel_width):
            a = base + u * a_kernel_row + v * g.dilation_w * g.in_channels + group * g.in_group
            c = sums + (u * g.kernel_width + v) * g.in_group * width
            tile_rows(&sum, g.in_group, <int>width, a, b, NULL, c, start)


cdef inline void fetch_ahead(const Gradient *g, const real *x, const real *dy, Py_ssize_t rows,
                             Py_ssize_t row, Py_ssize_t part, Py_ssize_t parts) noexcept nogil:
    """Send for a part of x and dy of the piece that begins with `row`, while the tile computes."""
    cdef Py_ssize_t count = min(g.piece, rows - row)
    if count <= 0:
        return
    cdef Py_ssize_t length = g.width * g.in_channels, image = row // g.out_height
    cdef Py_ssize_t below = max(<Py_ssize_t>0, row % g.out_height * g.stride_h - g.top
                                + (g.kernel_height - 1) * g.dilation_h)
    send_for(dy + row * g.out_width * g.out_channels, count * g.out_width * g.out_channels, part,
             parts)
    send_for(x + (image * g.height + min(below, g.height)) * length,
             min(count * g.stride_h, g.height - min(below, g.height)) * length, part, parts)


cdef inline void send_in_steps(const Gradient *g, tile_sum *sum, const real *x, const real *dy,
                               Py_ssize_t rows, Py_ssize_t row, Py_ssize_t part, Py_ssize_t parts,
                               Py_ssize_t steps) noexcept nogil:
    """The same in the tile's own steps: long streams get past what it loads itself.

    x and then dy are cut into `parts`; a part that begins in x sends for nothing of dy.
    """
    cdef Py_ssize_t count = min(g.piece, rows - row)
    cdef Py_ssize_t length = g.width * g.in_channels, image = row // g.out_height
    cdef Py_ssize_t below = min(g.height, max(<Py_ssize_t>0, row % g.out_height * g.stride_h - g.top
                                              + (g.kernel_height - 1) * g.dilation_h))
    sum.ahead, sum.ahead_step = dy, 0
    if count <= 0:
        return
    cdef Py_ssize_t of_dy = count * g.out_width * g.out_channels
    cdef Py_ssize_t of_x = min(count * g.stride_h, g.height - below) * length
    cdef Py_ssize_t begin = (of_dy + of_x) * part // parts
    cdef Py_ssize_t end = (of_dy + of_x) * (part + 1) // parts
    if begin < of_x:
        sum.ahead = x + (image * g.height + below) * length + begin
    else:
        sum.ahead = dy + row * g.out_width * g.out_channels + begin - of_x
    sum.ahead_step = (end - begin) * <Py_ssize_t>sizeof(real) // steps + 1


cdef inline void send_for(const real *start, Py_ssize_t length, Py_ssize_t part,
                          Py_ssize_t parts) noexcept nogil:
    cdef Py_ssize_t line = 64 // <Py_ssize_t>sizeof(real), i
    for i in range(length * part // parts // line, length * (part + 1) // parts // line):
        PREFETCH_FOR_LATER(start + i * line)


cdef const real *gather_rows(const Gradient *g, const real *x, real *buffer, Py_ssize_t row,
                             Py_ssize_t end, Py_ssize_t *runs) noexcept nogil:
    """Where the rows of x under the rows row <= r < end of y are: runs[r - row] from the result."""
    cdef Py_ssize_t image = row // g.out_height, first = row % g.out_height, last, i, k
    cdef Py_ssize_t n_rows, begin = 0
    cdef const real *base = x + image * g.height * g.width * g.in_channels
    if g.direct:
        for i in range(end - row):
            runs[i] = ((first + i) // g.out_height * g.height
                       + (first + i) % g.out_height * g.stride_h) * g.row_length
        return base
    i = 0
    while row + i < end:
        last = min(g.out_height, first + end - row - i)
        n_rows = (last - first - 1) * g.stride_h + (g.kernel_height - 1) * g.dilation_h + 1
        copy_padded(base, g.height, g.width, g.in_channels, buffer + begin,
                    first * g.stride_h - g.top, n_rows, -g.left, g.n_columns)
        for k in range(last - first):
            runs[i + k] = begin + k * g.stride_h * g.row_length
        i += last - first
        begin += n_rows * g.row_length
        first = 0
        base += g.height * g.width * g.in_channels
    return buffer


cdef void add_chunks(const Gradient *g, real *sums, Py_ssize_t chunks, real *dweight, real *dbias,
                     Py_ssize_t block) noexcept nogil:
    """Add the chunks' sums of one block of output channels, and put them where they belong."""
    cdef Py_ssize_t group_blocks = g.n_blocks // g.groups, chunk, i, k, tap, c
    cdef Py_ssize_t group = block // group_blocks, first = block % group_blocks * g.block
    cdef Py_ssize_t count = min(g.block, g.out_group - first)
    cdef Py_ssize_t width = min(g.block, g.padded_group - first)
    cdef Py_ssize_t taps = g.kernel_height * g.kernel_width
    cdef real *more
    sums += (group * g.padded_group + first) * (g.terms + 1)
    for chunk in range(1, chunks):
        more = sums + chunk * g.size
        for i in range((g.terms + (dbias != NULL)) * width):
            sums[i] += more[i]
    first += group * g.out_group
    # The sums of one input channel go to as many places as a block is wide: they stay in the cache.
    for c in range(g.in_group):
        for tap in range(taps):
            more = sums + (tap * g.in_group + c) * width
            for k in range(count):
                dweight[((first + k) * g.in_group + c) * taps + tap] = more[k]
    if dbias:
        for k in range(count):
            dbias[first + k] = sums[g.terms * width + k]
