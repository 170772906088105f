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
from .tile cimport F32_LANES, TILE_FROM_C, TILE_FROM_ZERO, tile_rows, tile_sum
from .winograd cimport (NO_WINNER, WINOGRAD_TILE, Images, images_of, patch_of, tile_stride,
                        whole_vectors, winograd_gradient, winograd_input, winograd_patch,
                        winograd_weight_gradient)

cdef enum:
    # Bytes of values and gradients of one block of tiles.
    BLOCK_BYTES = 614400
    # Channels of one task: its sums shall fit the second-level cache too.
    TASK_IN = 128
    TASK_OUT = 64
    # Tiles that are worth a chunk of their own, and the numbers that all sums may take.
    CHUNK_TILES = 192
    MOST_CHUNKS = 16
    CHUNK_MEMORY = 6000000

cdef struct Gradient:
    Py_ssize_t side             # n: of the inputs under a tile
    Py_ssize_t points           # n * n
    Images x
    Images dy
    Py_ssize_t padded_out       # in whole vectors
    Py_ssize_t top              # zeros before the first row of x
    Py_ssize_t left
    Py_ssize_t vertical         # tiles of an image
    Py_ssize_t horizontal
    Py_ssize_t tasks_in         # tasks that share the input channels of one chunk
    Py_ssize_t tasks_out
    Py_ssize_t most             # tiles of one block
    Py_ssize_t size             # of the sums of one chunk: the bias's come last


def weight_gradient(const float[:, :, :, ::1] x, const float[:, :, :, ::1] dy,
                    const unsigned char[:, :, :, ::1] winners, float[:, :, :, ::1] dweight,
                    float[::1] dbias, Py_ssize_t out_height, Py_ssize_t out_width,
                    Py_ssize_t top, Py_ssize_t left, int threads):
    """Fill dweight (K, C, r, r), and dbias (K,) unless it is None.

    x is (N, H, W, C), dy (N, out_height, out_width, K); `top` and `left` zeros stand before the
    image. With `winners`, dy is the gradient behind the 2 x 2 max-pool that made them; K must be
    whole vectors then.
    """
    cdef Gradient g
    g.side = dweight.shape[2] + WINOGRAD_TILE - 1
    g.points = g.side * g.side
    g.x, g.dy = images_of(x, None, x.shape[1], x.shape[2]), images_of(dy, winners, out_height,
                                                                      out_width)
    g.top, g.left = top, left
    g.vertical = (out_height + WINOGRAD_TILE - 1) // WINOGRAD_TILE
    g.horizontal = (out_width + WINOGRAD_TILE - 1) // WINOGRAD_TILE
    with nogil:
        run(&g, &dweight[0, 0, 0, 0], NULL if dbias is None else &dbias[0], x.shape[0], threads)


cdef int run(Gradient *g, float *dweight, float *dbias, Py_ssize_t n,
             int threads) except -1 nogil:
    cdef Py_ssize_t tiles = n * g.vertical * g.horizontal, width = 2 * F32_LANES
    cdef Py_ssize_t padded_in = whole_vectors(min(g.x.channels, <Py_ssize_t>TASK_IN))
    g.padded_out = whole_vectors(g.dy.channels)
    g.tasks_in = (g.x.channels + TASK_IN - 1) // TASK_IN
    # Few tiles make few chunks: then the output channels are what threads can share.
    g.tasks_out = (g.dy.channels + TASK_OUT - 1) // TASK_OUT
    if tiles < 2 * CHUNK_TILES:
        g.tasks_out = (g.padded_out + width - 1) // width
    g.size = g.points * g.x.channels * g.padded_out + g.padded_out
    g.most = max(<Py_ssize_t>1,
                 BLOCK_BYTES // <Py_ssize_t>(g.points * (padded_in + width) * sizeof(float)))
    cdef Py_ssize_t chunks = min(<Py_ssize_t>MOST_CHUNKS, tiles // CHUNK_TILES)
    chunks = max(<Py_ssize_t>1, min(chunks, CHUNK_MEMORY // g.size))

    # One block of memory: the sums of every chunk, winners of nothing; for each thread a patch,
    # values, gradients.
    cdef size_t sums_size = whole_lines(chunks * g.size * sizeof(float))
    cdef size_t nothing_size = whole_lines(width)
    cdef size_t patch_size = whole_lines(g.points * max(padded_in, width) * sizeof(float))
    cdef size_t values_size = whole_lines(
        g.most * tile_stride(g.points * padded_in) * sizeof(float))
    cdef size_t gradients_size = whole_lines(
        g.most * tile_stride(g.points * width) * sizeof(float))
    cdef size_t thread_size = patch_size + values_size + gradients_size
    cdef void *block
    cdef char *memory = allocate(sums_size + nothing_size + thread_size * threads, &block)
    if not memory:
        with gil:
            raise MemoryError("no memory for the working buffers of a convolution's gradient")
    cdef float *sums = <float *>memory
    cdef char *nothing = memory + sums_size
    cdef char *buffers = nothing + nothing_size
    cdef Py_ssize_t tasks = g.tasks_in * g.tasks_out, i
    cdef Py_ssize_t columns = (g.padded_out + width - 1) // width
    memset(nothing, NO_WINNER, nothing_size)
    g.dy.nothing = <unsigned char *>nothing
    for i in prange(chunks * tasks, num_threads=threads, schedule="dynamic"):
        sum_chunk(g, sums + i // tasks * g.size, tiles * (i // tasks) // chunks,
                  tiles * (i // tasks + 1) // chunks, i % tasks // g.tasks_out,
                  i % tasks % g.tasks_out, dbias != NULL,
                  <float *>(buffers + threadid() * thread_size),
                  <float *>(buffers + threadid() * thread_size + patch_size),
                  <float *>(buffers + threadid() * thread_size + patch_size + values_size))
    for i in prange(columns * g.x.channels, num_threads=threads, schedule="static"):
        add_chunks(g, sums, chunks, dweight, i // g.x.channels * width, i % g.x.channels)
    if dbias:
        for i in range(g.dy.channels):
            dbias[i] = add_bias(g, sums, chunks, i)
    free(block)
    return 0


cdef void sum_chunk(const Gradient *g, float *sums, Py_ssize_t begin, Py_ssize_t end,
                    Py_ssize_t task_in, Py_ssize_t task_out, bint bias, float *patch, float *values, float *gradients) noexcept nogil:
    """The sums over the tiles begin <= tile < end, for one task's channels.

    sums[block of output channels, point, input channel, output channel], then the bias's.
    """
    cdef Py_ssize_t first_in = task_in * TASK_IN, k, width, n, p, t, tile, no_offset = 0
    cdef Py_ssize_t count = min(<Py_ssize_t>TASK_IN, g.x.channels - first_in)
    cdef Py_ssize_t padded = whole_vectors(count), gradient_tile
    cdef Py_ssize_t value_tile = tile_stride(g.points * padded)
    cdef Py_ssize_t blocks = (g.padded_out + 2 * F32_LANES - 1) // (2 * F32_LANES)
    cdef Py_ssize_t first_out = blocks * task_out // g.tasks_out * 2 * F32_LANES
    cdef Py_ssize_t end_out = min(
        g.padded_out, blocks * (task_out + 1) // g.tasks_out * 2 * F32_LANES)
    cdef float *bias_sums = NULL
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
            width = min(<Py_ssize_t>2 * F32_LANES, g.padded_out - k)
            gradient_tile = tile_stride(g.points * width)
            for t in range(n):
                tile_gradients(g, tile + t, k, width, patch, gradients + t * gradient_tile,
                               bias_sums + k if bias_sums else NULL)
            sum.b_step, sum.c_row = gradient_tile, width
            for p in range(g.points):
                tile_rows(&sum, count, <int>width, values + p * padded,
                          gradients + p * width, <const float *>NULL,
                          sums + (g.points * k + p * width) * g.x.channels + first_in * width,
                          TILE_FROM_ZERO if tile == begin else TILE_FROM_C)
            k += width
        tile += n


cdef inline void tile_values(const Gradient *g, Py_ssize_t tile, Py_ssize_t first,
                             Py_ssize_t count, Py_ssize_t padded, float *buffer,
                             float *values) noexcept nogil:
    """The values of one tile's inputs, `count` channels from `first` on."""
    cdef winograd_patch patch
    patch_of(&g.x, tile // (g.horizontal * g.vertical),
             tile // g.horizontal % g.vertical * WINOGRAD_TILE - g.top,
             tile % g.horizontal * WINOGRAD_TILE - g.left, g.side, first, count, padded, buffer,
             &patch)
    winograd_input(<int>g.side, &patch, values, padded, padded // F32_LANES)


cdef inline void tile_gradients(const Gradient *g, Py_ssize_t tile, Py_ssize_t first,
                                Py_ssize_t width, float *buffer, float *gradients,
                                float *bias_sums) noexcept nogil:
    """The values of one tile's gradients, `width` channels (in whole vectors) from `first` on."""
    cdef winograd_patch patch
    patch_of(&g.dy, tile // (g.horizontal * g.vertical),
             tile // g.horizontal % g.vertical * WINOGRAD_TILE,
             tile % g.horizontal * WINOGRAD_TILE, WINOGRAD_TILE, first,
             min(width, g.dy.channels - first), width, buffer, &patch)
    winograd_gradient(<int>g.side, &patch, gradients, width, bias_sums, width // F32_LANES)


cdef void add_chunks(const Gradient *g, float *sums, Py_ssize_t chunks, float *dweight,
                     Py_ssize_t first, Py_ssize_t c) noexcept nogil:
    """Add the chunks' sums of an input channel and up to two vectors of output channels."""
    cdef Py_ssize_t width = min(<Py_ssize_t>2 * F32_LANES, g.padded_out - first)
    cdef Py_ssize_t kernel = g.side - WINOGRAD_TILE + 1, chunk, p, k, v, tap
    cdef float total[64 * 32]
    cdef float taps[25 * 32]
    cdef float *more
    for chunk in range(chunks):
        more = sums + chunk * g.size + g.points * g.x.channels * first + c * width
        for p in range(g.points):
            for k in range(width):
                if chunk == 0:
                    total[p * width + k] = more[k]
                else:
                    total[p * width + k] += more[k]
            more += g.x.channels * width
    for v in range(width // F32_LANES):
        winograd_weight_gradient(<int>g.side, total + v * F32_LANES, width,
                                 taps + v * F32_LANES, width)
    dweight += (first * g.x.channels + c) * kernel * kernel
    for k in range(min(width, g.dy.channels - first)):
        for tap in range(kernel * kernel):
            dweight[tap] = taps[tap * width + k]
        dweight += g.x.channels * kernel * kernel


cdef float add_bias(const Gradient *g, const float *sums, Py_ssize_t chunks,
                    Py_ssize_t k) noexcept nogil:
    cdef float total = 0
    cdef Py_ssize_t chunk
    sums += g.size - g.padded_out + k
    for chunk in range(chunks):
        total += sums[chunk * g.size]
    return total
