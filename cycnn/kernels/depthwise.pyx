"""Convolution with one filter a channel, its input gradient and its weight gradient.

Little is computed for each number that is read, so memory is touched as little as possible: images
are read and written where they lie, once. Nothing is padded: pixels near the left and the right
edge have loops that look at every column (`depthwise.h`), and rows above and below the image are
one row of zeros.

As in `conv.pyx`, a task of the first two computes whole outputs; as in `conv_weight.pyx`, weight
gradients are sums over chunks of the batch's rows whose number depends on the shape alone.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from .axis cimport Phase
from .buffers cimport BUFFER_BYTES, allocate, whole_lines
from .relu cimport mask_with
from .tile cimport lanes_of

cdef extern from "depthwise.h":
    ctypedef struct depthwise_row:
        Py_ssize_t channels
        Py_ssize_t columns
        Py_ssize_t first
        Py_ssize_t pixel_step
        Py_ssize_t tap_step
        Py_ssize_t kernel_rows
        Py_ssize_t taps
        Py_ssize_t count
        Py_ssize_t inner
        Py_ssize_t inner_end
        Py_ssize_t to_pixel
        Py_ssize_t to_next
        Py_ssize_t ahead_each
        int send
        int shared
        int pairs
        int relu

    void f32_depthwise_line(const depthwise_row *s, const float **rows, const char *ahead,
                            const float *b, const float *bias, float *to) noexcept nogil
    void f64_depthwise_line(const depthwise_row *s, const double **rows, const char *ahead,
                            const double *b, const double *bias, double *to) noexcept nogil
    void f32_depthwise_two_lines(const depthwise_row *s, const float **rows, const char *ahead,
                                 const float *b, const float *bias, float *to) noexcept nogil
    void f64_depthwise_two_lines(const depthwise_row *s, const double **rows, const char *ahead,
                                 const double *b, const double *bias, double *to) noexcept nogil
    void f32_depthwise_gradient_line(const depthwise_row *s, const float **rows,
                                     const char *ahead, const float *dy, const float *below,
                                     const char *dy_ahead, int bias, float *sums) noexcept nogil
    void f64_depthwise_gradient_line(const depthwise_row *s, const double **rows,
                                     const char *ahead, const double *dy, const double *below,
                                     const char *dy_ahead, int bias, double *sums) noexcept nogil
    const bint DEPTHWISE_WIDE

cdef enum:
    PAIRED_PIXELS = 4           # that a row must have to be computed with the next one
    MOST_CHUNKS = 16
    CHUNK_WORK = 1000000        # multiply-adds that are worth a chunk of their own


# Images that are read row by row. A vector of few channels ends beyond its pixel: that is harmless,
# but for the last rows of all, of which there are copies with room behind them.
cdef struct Source:
    Py_ssize_t line             # bytes from one row to the next
    Py_ssize_t height
    Py_ssize_t copied           # the first of the copied rows, which are counted through all images
    const char *start
    const char *zeros           # a row of them
    const char *copies


cdef Py_ssize_t source_bytes(Py_ssize_t width, Py_ssize_t channels, Py_ssize_t lanes,
                             Py_ssize_t itemsize) noexcept nogil:
    """What Source.zeros and Source.copies take together."""
    return 2 * whole_lines((width * channels + 2 * lanes) * itemsize)


cdef Source describe_source(const real *start, Py_ssize_t n, Py_ssize_t height, Py_ssize_t width,
                            Py_ssize_t channels, char *memory) noexcept nogil:
    cdef Source s
    cdef Py_ssize_t lanes = lanes_of(start), copies = 0
    cdef Py_ssize_t size = source_bytes(width, channels, lanes, sizeof(real))
    s.height, s.line = height, width * channels * sizeof(real)
    s.start, s.zeros, s.copies = <const char *>start, memory, memory + size // 2
    if channels < lanes:        # a vector may reach over several rows
        copies = min(n * height, 1 + (lanes - 1) // (width * channels))
    s.copied = n * height - copies
    memset(memory, 0, size)
    memcpy(memory + size // 2, s.start + s.copied * s.line, copies * s.line)
    return s


cdef inline const void *source_row(const Source *s, Py_ssize_t image,
                                   Py_ssize_t row) noexcept nogil:
    if row < 0 or row >= s.height:
        return s.zeros
    row += image * s.height
    if row >= s.copied:
        return s.copies + (row - s.copied) * s.line
    return s.start + row * s.line


cdef depthwise_row describe_row(const Axis *axis, const Phase *phase,
                                Py_ssize_t channels) noexcept nogil:
    """The pixels of one phase of a row; the caller fills in what is about rows."""
    cdef depthwise_row s
    cdef Py_ssize_t after
    s.channels, s.columns, s.relu = channels, axis.src_size, False
    s.kernel_rows = s.to_next = s.ahead_each = 0
    s.pairs = False
    # With a stride little is written for what is read; sending for it holds up the loads.
    s.send = axis.src_step == 1
    s.pixel_step, s.taps, s.count = axis.src_step, phase.n_taps, phase.count
    s.first = phase.first * axis.src_step + axis.origin
    s.tap_step = 1
    s.to_pixel = axis.dst_step * channels
    s.shared = False
    s.inner, s.inner_end = 0, s.count
    if s.taps:
        s.first += phase.offsets[0]
        if s.taps > 1:
            s.tap_step = phase.offsets[1] - phase.offsets[0]
        s.shared = s.pixel_step == s.tap_step and (s.taps == 3 or s.taps == 5 or s.taps == 7)
        after = s.columns - (s.taps - 1) * s.tap_step - s.first     # columns for first taps
        s.inner = min(s.count, (max(<Py_ssize_t>0, -s.first) + s.pixel_step - 1) // s.pixel_step)
        s.inner_end = max(s.inner, min(s.count, (max(<Py_ssize_t>0, after) + s.pixel_step - 1)
                                       // s.pixel_step))
    return s


cdef inline Py_ssize_t first_channel(Py_ssize_t vector, Py_ssize_t channels,
                                     Py_ssize_t lanes) noexcept nogil:
    """As in depthwise.h: the last vector overlaps the one before."""
    return min(vector * lanes, max(<Py_ssize_t>0, channels - lanes))


cdef struct Sweep:
    const Axis *rows
    const Axis *columns
    Source src
    Py_ssize_t channels
    Py_ssize_t vectors          # of channels
    Py_ssize_t kernel_width
    Py_ssize_t taps             # of the whole kernel
    bint relu


cdef int depthwise_sweep(const Axis *row_axis, const Axis *column_axis, const real *src, real *dst,
                         const real *weight, const real *bias, const real *positive, Py_ssize_t n,
                         Py_ssize_t channels, Py_ssize_t kernel_height, Py_ssize_t kernel_width,
                         bint relu, int threads) except -1 nogil:
    """The two passes of `conv.pyx`; the axes say which of the two."""
    cdef Sweep s
    cdef Py_ssize_t lanes = lanes_of(src), vectors = (channels + lanes - 1) // lanes
    cdef Py_ssize_t grid = row_axis.end - row_axis.first
    cdef Py_ssize_t bytes = row_axis.src_step * column_axis.src_size * channels * sizeof(real)
    cdef Py_ssize_t task_rows = min(grid, 1 + BUFFER_BYTES // bytes), image_tasks, i
    if threads > 1:
        task_rows = min(task_rows, (n * grid + 2 * threads - 1) // (2 * threads))
    task_rows = min(grid, task_rows + task_rows % 2)            # rows are computed two at a time
    image_tasks = (grid + task_rows - 1) // task_rows
    s.rows, s.columns, s.channels, s.vectors = row_axis, column_axis, channels, vectors
    s.kernel_width, s.taps, s.relu = kernel_width, kernel_height * kernel_width, relu

    cdef size_t packed_size = whole_lines(vectors * lanes * s.taps * sizeof(real))
    cdef size_t bias_size = whole_lines(vectors * lanes * sizeof(real))
    cdef size_t src_size = source_bytes(column_axis.src_size, channels, lanes, sizeof(real))
    cdef size_t pointers_size = whole_lines((kernel_height + 1) * sizeof(void *))
    cdef void *block
    cdef char *memory = allocate(packed_size + bias_size + src_size + pointers_size * threads,
                                 &block)
    if not memory:
        with gil:
            raise MemoryError("no memory for the working buffers of a convolution")
    cdef real *packed = <real *>memory
    cdef real *padded_bias = <real *>(memory + packed_size) if bias else NULL
    cdef char *pointers = memory + packed_size + bias_size + src_size
    s.src = describe_source(src, n, row_axis.src_size, column_axis.src_size, channels,
                            memory + packed_size + bias_size)
    pack(&s, weight, bias, packed, padded_bias)
    for i in prange(n * image_tasks, num_threads=threads, schedule="dynamic"):
        sweep_rows(&s, dst, packed, padded_bias, positive, i // image_tasks,
                   row_axis.first + i % image_tasks * task_rows,
                   min(row_axis.end, row_axis.first + (i % image_tasks + 1) * task_rows),
                   <const real **>(pointers + threadid() * pointers_size))
    free(block)
    return 0


cdef void pack(const Sweep *s, const real *weight, const real *bias, real *packed,
               real *padded_bias) noexcept nogil:
    """packed[pair of phases, vector, tap row, tap column] and bias[vector]: vectors of channels."""
    cdef Py_ssize_t lanes = lanes_of(weight), i, j, u, v, vector, first, count, k
    cdef const Phase *rows
    cdef const Phase *columns
    cdef const real *tap
    for i in range(s.rows.n_phases):
        for j in range(s.columns.n_phases):
            rows, columns = s.rows.phases + i, s.columns.phases + j
            for vector in range(s.vectors):
                first = first_channel(vector, s.channels, lanes)
                count = min(lanes, s.channels - first)
                for u in range(rows.n_taps):
                    for v in range(columns.n_taps):
                        tap = (weight + first * s.taps + rows.taps[u] * s.kernel_width
                               + columns.taps[v])
                        for k in range(lanes):
                            packed[k] = tap[k * s.taps] if k < count else 0
                        packed += lanes
    if bias:
        for vector in range(s.vectors):
            first = first_channel(vector, s.channels, lanes)
            for k in range(lanes):
                padded_bias[vector * lanes + k] = bias[first + k] if first + k < s.channels else 0


cdef void sweep_rows(const Sweep *s, real *dst, const real *packed, const real *bias,
                     const real *positive, Py_ssize_t image, Py_ssize_t begin, Py_ssize_t end,
                     const real **pointers) noexcept nogil:
    """All pixels of one image whose grid rows are begin <= i < end."""
    cdef Py_ssize_t i, j, t, end_t, u, n_rows, src_row, row, rows_end
    cdef Py_ssize_t line = s.columns.dst_size * s.channels
    cdef const Phase *rows
    cdef const Phase *columns
    cdef const char *ahead
    cdef real *to
    cdef depthwise_row pixels
    dst += image * s.rows.dst_size * line
    for i in range(s.rows.n_phases):
        rows = s.rows.phases + i
        for j in range(s.columns.n_phases):
            columns = s.columns.phases + j
            pixels = describe_row(s.columns, columns, s.channels)
            pixels.kernel_rows, pixels.relu = rows.n_taps, s.relu
            pixels.to_next = s.rows.dst_step * line
            # Two rows of pixels share inputs where the rows they read are neighbours.
            pixels.pairs = (pixels.shared and s.rows.src_step == 1 and rows.n_taps > 1
                            and rows.offsets[1] - rows.offsets[0] == 1
                            and pixels.count >= PAIRED_PIXELS)
            t = max(<Py_ssize_t>0, begin - rows.first)
            end_t = min(rows.count, end - rows.first)
            while t < end_t:
                n_rows = 2 if pixels.pairs and t + 1 < end_t else 1
                pixels.ahead_each = (n_rows * s.rows.src_step * s.columns.src_step
                                     * lanes_of(dst) * sizeof(real))
                src_row = (rows.first + t) * s.rows.src_step + s.rows.origin
                for u in range(rows.n_taps):
                    pointers[u] = <const real *>source_row(&s.src, image,
                                                           src_row + rows.offsets[u])
                if rows.n_taps:
                    src_row += rows.offsets[rows.n_taps - 1] + 1
                if n_rows == 2:
                    pointers[rows.n_taps] = <const real *>source_row(&s.src, image, src_row)
                    src_row += 1
                ahead = s.src.start + (image * s.src.height + src_row) * s.src.line
                to = dst + (rows.first_dst + t * s.rows.dst_step) * line
                to += columns.first_dst * s.channels
                t += n_rows
                if real is float:
                    if n_rows == 2:
                        f32_depthwise_two_lines(&pixels, pointers, ahead, packed, bias, to)
                    else:
                        f32_depthwise_line(&pixels, pointers, ahead, packed, bias, to)
                elif n_rows == 2:
                    f64_depthwise_two_lines(&pixels, pointers, ahead, packed, bias, to)
                else:
                    f64_depthwise_line(&pixels, pointers, ahead, packed, bias, to)
            packed += s.vectors * lanes_of(dst) * rows.n_taps * columns.n_taps
    if positive:
        row = max(<Py_ssize_t>0, begin * s.rows.dst_step - s.rows.padding)
        rows_end = min(s.rows.dst_size, end * s.rows.dst_step - s.rows.padding)
        mask_with(dst + row * line, positive + (image * s.rows.dst_size + row) * line,
                  (rows_end - row) * line)


cdef int depthwise_weight_gradient(const Axis *row_axis, const Axis *column_axis, const real *x,
                                   const real *dy, real *dweight, real *dbias, Py_ssize_t n,
                                   Py_ssize_t channels, int threads) except -1 nogil:
    """The pass of `conv_weight.pyx`; the axes are those of the forward pass."""
    cdef Py_ssize_t lanes = lanes_of(x), vectors = (channels + lanes - 1) // lanes
    cdef Py_ssize_t taps = row_axis.phases.n_taps * column_axis.phases.n_taps
    cdef Py_ssize_t rows = n * row_axis.dst_size, size = vectors * (taps + 1) * lanes
    cdef double work = (<double>rows * column_axis.dst_size * channels) * taps
    cdef Py_ssize_t chunks = <Py_ssize_t>min(<double>min(rows, <Py_ssize_t>MOST_CHUNKS),
                                             1 + work / CHUNK_WORK)

    cdef size_t sums_size = whole_lines(chunks * size * sizeof(real))
    cdef size_t x_size = source_bytes(column_axis.src_size, channels, lanes, sizeof(real))
    cdef size_t dy_size = source_bytes(column_axis.dst_size, channels, lanes, sizeof(real))
    cdef size_t pointers_size = whole_lines((row_axis.phases.n_taps + 1) * sizeof(void *))
    cdef void *block
    cdef char *memory = allocate(sums_size + x_size + dy_size + pointers_size * threads, &block)
    if not memory:
        with gil:
            raise MemoryError("no memory for the working buffers of a convolution's gradient")
    cdef real *sums = <real *>memory
    cdef Source from_x = describe_source(x, n, row_axis.src_size, column_axis.src_size, channels,
                                         memory + sums_size)
    cdef Source from_dy = describe_source(dy, n, row_axis.dst_size, column_axis.dst_size, channels,
                                          memory + sums_size + x_size)
    cdef char *pointers = memory + sums_size + x_size + dy_size

    cdef Py_ssize_t i
    for i in prange(chunks, num_threads=threads, schedule="dynamic"):
        sum_chunk(row_axis, column_axis, &from_x, &from_dy, sums + i * size, size,
                  rows * i // chunks, rows * (i + 1) // chunks, channels, dbias != NULL,
                  <const real **>(pointers + threadid() * pointers_size))
    add_chunks(sums, chunks, size, dweight, dbias, channels, taps)
    free(block)
    return 0


cdef void sum_chunk(const Axis *row_axis, const Axis *column_axis, const Source *x,
                    const Source *dy, real *sums, Py_ssize_t size, Py_ssize_t begin,
                    Py_ssize_t end, Py_ssize_t channels, bint bias,
                    const real **pointers) noexcept nogil:
    """The sums over the rows begin <= row < end of all images."""
    cdef Py_ssize_t row = begin, n_rows, image, out_row, src_row, u
    cdef const Phase *rows = row_axis.phases
    cdef depthwise_row pixels = describe_row(column_axis, column_axis.phases, channels)
    cdef const real *gradient
    cdef const real *below
    cdef const char *ahead
    pixels.kernel_rows = rows.n_taps
    # Two rows of pixels share inputs where the rows they read are neighbours.
    pixels.pairs = (DEPTHWISE_WIDE and rows.n_taps == 3 and pixels.taps == 3 and pixels.shared
                    and pixels.tap_step == 1 and row_axis.src_step == 1
                    and rows.offsets[1] - rows.offsets[0] == 1)
    memset(sums, 0, size * sizeof(real))
    while row < end:
        image, out_row = row // row_axis.dst_size, row % row_axis.dst_size
        n_rows = 2 if pixels.pairs and row + 1 < end and out_row + 1 < row_axis.dst_size else 1
        pixels.ahead_each = (n_rows * row_axis.src_step * column_axis.src_step
                             * lanes_of(sums) * sizeof(real))
        src_row = out_row * row_axis.src_step + row_axis.origin
        for u in range(rows.n_taps):
            pointers[u] = <const real *>source_row(x, image, src_row + rows.offsets[u])
        src_row += rows.offsets[rows.n_taps - 1] + 1
        gradient = <const real *>source_row(dy, image, out_row)
        below = NULL
        if n_rows == 2:
            pointers[rows.n_taps] = <const real *>source_row(x, image, src_row)
            below = <const real *>source_row(dy, image, out_row + 1)
            src_row += 1
        ahead = x.start + (image * x.height + src_row) * x.line
        row += n_rows
        if real is float:
            f32_depthwise_gradient_line(&pixels, pointers, ahead, gradient, below,
                                        dy.start + row * dy.line, bias, sums)
        else:
            f64_depthwise_gradient_line(&pixels, pointers, ahead, gradient, below,
                                        dy.start + row * dy.line, bias, sums)


cdef void add_chunks(real *sums, Py_ssize_t chunks, Py_ssize_t size, real *dweight, real *dbias,
                     Py_ssize_t channels, Py_ssize_t taps) noexcept nogil:
    """Add the chunks' sums in their order, and put them where they belong."""
    cdef Py_ssize_t lanes = lanes_of(sums), chunk, i, vector, first, k, tap
    for chunk in range(1, chunks):
        for i in range(size):
            sums[i] += sums[chunk * size + i]
    for vector in range((channels + lanes - 1) // lanes):
        first = first_channel(vector, channels, lanes)
        for k in range(min(lanes, channels - first)):
            for tap in range(taps):
                dweight[(first + k) * taps + tap] = sums[tap * lanes + k]
            if dbias:
                dbias[first + k] = sums[taps * lanes + k]
        sums += (taps + 1) * lanes
