"""The weight and bias gradients of a convolution by Winograd's algorithm: see `winograd.h`.

    x  -> values[tile, point, input channel]            winograd_input
    dy -> gradients[tile, point, output channel]        winograd_gradient
       -> sums[point, input channel, output channel]    the register tile, summing over tiles
       -> dweight                                       winograd_weight_gradient

The tiles of the whole batch are cut into chunks, whose number depends on the shape alone. Each has
sums of its own, which are added in the order of the chunks: the number of threads cannot change a
bit.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free
from libc.string cimport memset

from .buffers cimport allocate, whole_lines
from .convolution cimport Convolution
from .tile cimport TILE_FROM_C, TILE_FROM_ZERO, lanes_of, real, tile_rows, tile_sum
from .winograd cimport (NO_WINNER, WINOGRAD_TILE, Images, images_of, nothing_size, patch_of,
                        tile_stride, whole_vectors, winograd_input, winograd_patch)

cdef extern from "winograd.h":
    void f32_winograd_gradient(int n, const winograd_patch *dy, float *t, Py_ssize_t point,
                               float *sum, Py_ssize_t vectors) noexcept nogil
    void f64_winograd_gradient(int n, const winograd_patch *dy, double *t, Py_ssize_t point,
                               double *sum, Py_ssize_t vectors) noexcept nogil
    void f32_winograd_weight_gradient(int n, const float *t, Py_ssize_t point, float *dg,
                                      Py_ssize_t tap) noexcept nogil
    void f64_winograd_weight_gradient(int n, const double *t, Py_ssize_t point, double *dg,
                                      Py_ssize_t tap) noexcept nogil

cdef enum:
    # Bytes of values and gradients of one block of tiles.
    BLOCK_BYTES = 614400
    # Channels of one task. More would leave less room for tiles in a block: then its sums would be
    # loaded and stored more often. With fewer, more tasks would compute the same values.
    TASK_IN = 128
    TASK_OUT = 256
    # Tiles that are worth a chunk of their own: for the sake of threads, and anyhow.
    CHUNK_TILES = 64
    LARGE_CHUNK_TILES = 768
    SHARES = 16             # that a small batch is divided into, for threads
    MOST_CHUNKS = 16
    CHUNK_MEMORY = 6000000  # the numbers that all sums may take

cdef struct Gradient:
    Py_ssize_t side             # n: of the inputs under a tile
    Py_ssize_t points           # n * n
    Images x
    Images dy
    Py_ssize_t lanes            # of a vector
    Py_ssize_t width            # output channels summed at once: two vectors
    Py_ssize_t padded_out       # in whole vectors
    Py_ssize_t top              # zeros before the first row of x
    Py_ssize_t left
    Py_ssize_t vertical         # tiles of an image
    Py_ssize_t horizontal
    Py_ssize_t tasks_in         # tasks that share the input channels of one chunk
    Py_ssize_t tasks_out
    Py_ssize_t most             # tiles of one block
    Py_ssize_t size             # of the sums of one chunk: the bias's come last


cdef int weight_gradient_pass(const Convolution *c, const real *x, const real *dy,
                              const unsigned char *winners, real *dweight, real *dbias,
                              int threads) except -1 nogil:
    """With `winners`, the channels of dy must be whole vectors."""
    cdef Gradient g
    g.side = c.kernel_h + WINOGRAD_TILE - 1
    g.points = g.side * g.side
    g.x = images_of(x, NULL, c.n, c.height, c.width, c.channels)
    g.dy = images_of(dy, winners, c.n, c.out_height, c.out_width, c.out_channels)
    g.top, g.left = c.top, c.left
    g.vertical = (c.out_height + WINOGRAD_TILE - 1) // WINOGRAD_TILE
    g.horizontal = (c.out_width + WINOGRAD_TILE - 1) // WINOGRAD_TILE
    return run(&g, dweight, dbias, threads)


cdef int run(Gradient *g, real *dweight, real *dbias, int threads) except -1 nogil:
    cdef Py_ssize_t tiles = g.x.count * g.vertical * g.horizontal, width, padded_in
    g.lanes = lanes_of(dweight)
    g.width = width = 2 * g.lanes
    g.padded_out = whole_vectors(g.dy.channels, g.lanes)
    padded_in = whole_vectors(min(g.x.channels, <Py_ssize_t>TASK_IN), g.lanes)
    g.tasks_in = (g.x.channels + TASK_IN - 1) // TASK_IN
    g.size = g.points * g.x.channels * g.padded_out + g.padded_out
    g.most = max(<Py_ssize_t>1,
                 BLOCK_BYTES // <Py_ssize_t>(g.points * (padded_in + width) * sizeof(real)))
    cdef Py_ssize_t columns = (g.padded_out + width - 1) // width
    cdef Py_ssize_t chunks = max(tiles // LARGE_CHUNK_TILES,
                                 min(tiles // CHUNK_TILES, (SHARES + columns - 1) // columns))
    chunks = min(<Py_ssize_t>MOST_CHUNKS, min(chunks, CHUNK_MEMORY // g.size))
    # An even number, which two threads share evenly; or one.
    chunks = max(<Py_ssize_t>1, chunks // 2 * 2)
    # Which task an output channel is in does not change its bits: threads may count.
    g.tasks_out = (g.dy.channels + TASK_OUT - 1) // TASK_OUT
    if threads > 1:
        g.tasks_out = max(g.tasks_out, 3 * threads // (chunks * g.tasks_in))
    g.tasks_out = min(g.tasks_out, columns)

    # One block of memory: the sums of every chunk, what is beyond the images; for each thread a
    # patch, values, gradients.
    cdef size_t sums_size = whole_lines(chunks * g.size * sizeof(real))
    cdef size_t zeros_size = whole_lines(nothing_size(dweight, g.side, g.x.channels, padded_in))
    cdef size_t empty_size = whole_lines(nothing_size(dweight, WINOGRAD_TILE, g.dy.channels, width))
    cdef size_t patch_size = whole_lines(g.points * max(padded_in, width) * sizeof(real))
    cdef size_t values_size = whole_lines(
        g.most * tile_stride(dweight, g.points * padded_in) * sizeof(real))
    cdef size_t gradients_size = whole_lines(
        g.most * tile_stride(dweight, g.points * width) * sizeof(real))
    cdef size_t thread_size = patch_size + values_size + gradients_size
    cdef void *block
    cdef char *memory = allocate(
        sums_size + zeros_size + empty_size + thread_size * threads, &block)
    if not memory:
        with gil:
            raise MemoryError("no memory for the working buffers of a convolution's gradient")
    cdef real *sums = <real *>memory
    cdef char *zeros = memory + sums_size
    cdef char *nothing = zeros + zeros_size
    cdef char *buffers = nothing + empty_size
    cdef Py_ssize_t tasks = g.tasks_in * g.tasks_out, i
    memset(zeros, 0, zeros_size)
    memset(nothing, NO_WINNER if g.dy.winners else 0, empty_size)
    g.x.nothing, g.dy.nothing = zeros, nothing
    for i in prange(chunks * tasks, num_threads=threads, schedule="dynamic"):
        sum_chunk(g, sums + i // tasks * g.size, tiles * (i // tasks) // chunks,
                  tiles * (i // tasks + 1) // chunks, i % tasks // g.tasks_out,
                  i % tasks % g.tasks_out, dbias != NULL,
                  <real *>(buffers + threadid() * thread_size),
                  <real *>(buffers + threadid() * thread_size + patch_size),
                  <real *>(buffers + threadid() * thread_size + patch_size + values_size))
    for i in prange(columns * g.x.channels, num_threads=threads, schedule="static"):
        add_chunks(g, sums, chunks, dweight, i // g.x.channels * width, i % g.x.channels)
    if dbias:
        for i in range(g.dy.channels):
            dbias[i] = add_bias(g, sums, chunks, i)
    free(block)
    return 0


cdef void sum_chunk(const Gradient *g, real *sums, Py_ssize_t begin, Py_ssize_t end,
                    Py_ssize_t task_in, Py_ssize_t task_out, bint bias, real *patch,
                    real *values, real *gradients) noexcept nogil:
    """The sums over the tiles begin <= tile < end, for one task's channels.

    sums[block of output channels, point, input channel, output channel], then the bias's.
    """
    cdef Py_ssize_t first_in = task_in * TASK_IN, k, width, n, p, t, tile, no_offset = 0
    cdef Py_ssize_t count = min(<Py_ssize_t>TASK_IN, g.x.channels - first_in)
    cdef Py_ssize_t padded = whole_vectors(count, g.lanes), gradient_tile
    cdef Py_ssize_t value_tile = tile_stride(values, g.points * padded)
    cdef Py_ssize_t blocks = (g.padded_out + g.width - 1) // g.width
    cdef Py_ssize_t first_out = blocks * task_out // g.tasks_out * g.width
    cdef Py_ssize_t end_out = min(g.padded_out,
                                  blocks * (task_out + 1) // g.tasks_out * g.width)
    cdef real *bias_sums = NULL
    cdef tile_sum sum
    sum.a_row, sum.a_step = 1, value_tile
    sum.n_runs, sum.runs = 1, &no_offset
    if bias and first_in == 0:
        bias_sums = sums + g.size - g.padded_out
        for k in range(first_out, end_out):
            bias_sums[k] = 0
    tile = begin
    while tile < end:
        n = min(g.most, end - tile)
        for t in range(n):
            tile_values(g, tile + t, first_in, count, padded, patch,
                        values + t * value_tile)
        sum.run_length = n
        k = first_out
        while k < end_out:
            width = min(g.width, g.padded_out - k)
            gradient_tile = tile_stride(values, g.points * width)
            for t in range(n):
                tile_gradients(g, tile + t, k, width, patch, gradients + t * gradient_tile,
                               bias_sums + k if bias_sums else NULL)
            sum.b_step, sum.c_row = gradient_tile, width
            for p in range(g.points):
                tile_rows(&sum, count, <int>width, values + p * padded,
                          gradients + p * width, <const real *>NULL,
                          sums + (g.points * k + p * width) * g.x.channels + first_in * width,
                          TILE_FROM_ZERO if tile == begin else TILE_FROM_C)
            k += width
        tile += n


cdef inline void tile_values(const Gradient *g, Py_ssize_t tile, Py_ssize_t first,
                             Py_ssize_t count, Py_ssize_t padded, real *buffer,
                             real *values) noexcept nogil:
    """The values of one tile's inputs, `count` channels from `first` on."""
    cdef winograd_patch patch
    patch_of(&g.x, tile // (g.horizontal * g.vertical),
             tile // g.horizontal % g.vertical * WINOGRAD_TILE - g.top,
             tile % g.horizontal * WINOGRAD_TILE - g.left, g.side, first, count, padded, buffer,
             &patch)
    winograd_input(<int>g.side, &patch, values, padded, padded // g.lanes)


cdef inline void tile_gradients(const Gradient *g, Py_ssize_t tile, Py_ssize_t first,
                                Py_ssize_t width, real *buffer, real *gradients,
                                real *bias_sums) noexcept nogil:
    """The values of one tile's gradients, `width` channels (in whole vectors) from `first` on."""
    cdef winograd_patch patch
    patch_of(&g.dy, tile // (g.horizontal * g.vertical),
             tile // g.horizontal % g.vertical * WINOGRAD_TILE,
             tile % g.horizontal * WINOGRAD_TILE, WINOGRAD_TILE, first,
             min(width, g.dy.channels - first), width, buffer, &patch)
    if real is float:
        f32_winograd_gradient(<int>g.side, &patch, gradients, width, bias_sums, width // g.lanes)
    else:
        f64_winograd_gradient(<int>g.side, &patch, gradients, width, bias_sums, width // g.lanes)


cdef void add_chunks(const Gradient *g, real *sums, Py_ssize_t chunks, real *dweight,
                     Py_ssize_t first, Py_ssize_t c) noexcept nogil:
    """Add the chunks' sums of an input channel and up to two vectors of output channels."""
    cdef Py_ssize_t width = min(g.width, g.padded_out - first)
    cdef Py_ssize_t kernel = g.side - WINOGRAD_TILE + 1, chunk, p, k, v, tap
    cdef Py_ssize_t point = g.x.channels * width
    cdef real taps[25 * 32]
    cdef real *more
    sums += g.points * g.x.channels * first + c * width
    for chunk in range(1, chunks):
        more = sums + chunk * g.size
        for p in range(g.points):
            for k in range(width):
                sums[p * point + k] += more[p * point + k]
    for v in range(width // g.lanes):
        k = v * g.lanes
        if real is float:
            f32_winograd_weight_gradient(<int>g.side, sums + k, point, taps + k, width)
        else:
            f64_winograd_weight_gradient(<int>g.side, sums + k, point, taps + k, width)
    dweight += (first * g.x.channels + c) * kernel * kernel
    for k in range(min(width, g.dy.channels - first)):
        for tap in range(kernel * kernel):
            dweight[tap] = taps[tap * width + k]
        dweight += g.x.channels * kernel * kernel


cdef real add_bias(const Gradient *g, const real *sums, Py_ssize_t chunks,
                   Py_ssize_t k) noexcept nogil:
    cdef real total = 0
    cdef Py_ssize_t chunk
    sums += g.size - g.padded_out + k
    for chunk in range(chunks):
        total += sums[chunk * g.size]
    return total
