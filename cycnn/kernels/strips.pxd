"""Strips of images, interleaved lane by lane: what `strips.pyx` and `strips_weight.pyx` read."""

from libc.string cimport memmove, memset

from .axis cimport Axis
from .buffers cimport BUFFER_BYTES
from .convolution cimport Convolution
from .tile cimport real

cdef extern from "strips.h":
    ctypedef struct strips_sum:
        Py_ssize_t n_terms
        const Py_ssize_t *offsets
        Py_ssize_t x_pixel
        Py_ssize_t out_pixel
        Py_ssize_t relu
    ctypedef struct strips_weight_sum:
        Py_ssize_t n_rows
        Py_ssize_t n_columns
        Py_ssize_t x_row
        Py_ssize_t x_pixel
        Py_ssize_t dy_row
        Py_ssize_t dy_pixel
        const Py_ssize_t *offsets
        Py_ssize_t sums_row
        Py_ssize_t from_zero

    int STRIPS_ROWS
    int STRIPS_WEIGHT_ROWS
    int STRIPS_COLUMNS
    int STRIPS_FIT(Py_ssize_t rows) nogil
    int STRIPS_WEIGHT_FIT(Py_ssize_t rows) nogil
    void f32_strips_interleave(const float *const *source, Py_ssize_t count,
                               float *to) noexcept nogil
    void f64_strips_interleave(const double *const *source, Py_ssize_t count,
                               double *to) noexcept nogil
    void f32_strips_numbers(const unsigned char *winner, Py_ssize_t n, float *to) noexcept nogil
    void f64_strips_numbers(const unsigned char *winner, Py_ssize_t n, double *to) noexcept nogil
    void f32_strips_spread(const float *gradient, const float *won, Py_ssize_t windows,
                           Py_ssize_t channels, int first, Py_ssize_t begin, Py_ssize_t end,
                           float *to) noexcept nogil
    void f64_strips_spread(const double *gradient, const double *won, Py_ssize_t windows,
                           Py_ssize_t channels, int first, Py_ssize_t begin, Py_ssize_t end,
                           double *to) noexcept nogil

cdef enum:
    MOST_LANES = 16
    NO_WINDOWS = -1000000000

# How the images are cut into strips of grid rows (see axis.pxd), and the strips put into groups of
# one a lane. The rows of src under a group pass through a window of interleaved rows.
cdef struct Strips:
    Axis rows
    Axis columns
    Py_ssize_t channels         # of src
    Py_ssize_t lanes
    Py_ssize_t n_images
    Py_ssize_t per_image        # strips of one image
    Py_ssize_t height           # grid rows of one strip; the last of an image may have fewer
    Py_ssize_t n_groups
    Py_ssize_t first_column     # of src that is needed, below 0 in the padding
    Py_ssize_t n_columns
    Py_ssize_t row_length       # numbers of an interleaved row
    Py_ssize_t need             # rows that one step reads
    Py_ssize_t capacity         # rows of the window

# Where one task stands.
cdef struct Window:
    Py_ssize_t image[MOST_LANES]    # of each lane; -1: the lane has no strip
    Py_ssize_t begin[MOST_LANES]    # its first grid row
    Py_ssize_t first                # row of the strips' src in the first row of the window
    Py_ssize_t end                  # the rows before it have been interleaved
    Py_ssize_t windows              # the row of a pool's windows that was interleaved last


cdef inline void cut(Strips *s, Py_ssize_t n, Py_ssize_t tasks, bint even) noexcept nogil:
    """Choose the height of strips: few empty lanes, few rows that two strips read.

    With `even` all heights are, so that a pool's windows lie in one strip. The time of a cut is
    taken to be that of the groups that the busiest of `tasks` workers gets.
    """
    cdef Py_ssize_t grid = s.rows.end - s.rows.first, height, per_image, groups, tried
    cdef double time, best = 0
    s.n_images = n
    s.height = s.per_image = s.n_groups = 0     # compilers do not see that a grid has a row
    for tried in range(1, min(grid, 4 * s.lanes) + 1):
        height = (grid + tried - 1) // tried
        if even:
            height += height % 2
        per_image = (grid + height - 1) // height
        groups = (n * per_image + s.lanes - 1) // s.lanes
        time = (groups + tasks - 1) // tasks * (
            height + 0.1 + 0.1 * s.rows.extent / s.rows.src_step)
        if tried == 1 or time < best:
            best = time
            s.height, s.per_image, s.n_groups = height, per_image, groups


cdef inline void lay_out(Strips *s, Py_ssize_t channels, Py_ssize_t step_rows,
                         Py_ssize_t itemsize) noexcept nogil:
    """The window, for steps of step_rows grid rows at a time."""
    s.channels = channels
    s.first_column = s.columns.first * s.columns.src_step + s.columns.origin
    s.n_columns = ((s.columns.end - 1 - s.columns.first) * s.columns.src_step + s.columns.extent
                   + 1)
    s.row_length = s.n_columns * channels * s.lanes
    s.need = (step_rows - 1) * s.rows.src_step + s.rows.extent + 1
    # Rows that are needed again move to the front when the window is full: rarely, if it is large.
    s.capacity = max(2 * s.need, <Py_ssize_t>BUFFER_BYTES // (itemsize * s.row_length))
    s.capacity = max(s.need, min(s.capacity,
                                 (s.height - 1) * s.rows.src_step + s.rows.extent + 1))


cdef inline void open_window(const Strips *s, Window *w, Py_ssize_t group,
                             real *window) noexcept nogil:
    """Give each lane its strip, and write the zeros beside the image."""
    cdef Py_ssize_t lane, strip, _row, left, right
    cdef Py_ssize_t pixel = s.channels * s.lanes
    for lane in range(s.lanes):
        strip = group * s.lanes + lane
        w.image[lane] = strip // s.per_image if strip < s.n_images * s.per_image else -1
        w.begin[lane] = s.rows.first + strip % s.per_image * s.height
    w.first = w.end = 0
    w.windows = NO_WINDOWS
    left = min(max(0, -s.first_column), s.n_columns)
    right = max(left, min(s.n_columns, s.columns.src_size - s.first_column))
    if left or right < s.n_columns:
        for _row in range(s.capacity):
            memset(window, 0, left * pixel * sizeof(real))
            memset(window + right * pixel, 0, (s.n_columns - right) * pixel * sizeof(real))
            window += s.row_length


cdef inline Py_ssize_t spread_numbers(Py_ssize_t lanes, Py_ssize_t width,
                                      Py_ssize_t channels) noexcept nogil:
    """How many numbers :func:`gather` works in, for images behind a pool."""
    return 3 * lanes * (width // 2) * channels


cdef inline void gather(Window *w, Py_ssize_t lanes, const Py_ssize_t *rows, const real *src,
                        const unsigned char *winners, const real *zeros, Py_ssize_t height,
                        Py_ssize_t width, Py_ssize_t channels, Py_ssize_t begin, Py_ssize_t end,
                        real *spread, real *to) noexcept nogil:
    """Pixels begin <= p < end of a row of each lane's image, interleaved; zeros beyond the image.

    src is (N, height, width, channels); or what a 2 x 2 max-pool made of it, then `winners` are the
    pool's, and the rows of all lanes are even, or all odd.
    """
    cdef Py_ssize_t lane, row, at, windows = width // 2, count = windows * channels
    cdef const real *source[MOST_LANES]
    cdef const real *numbers[MOST_LANES]
    cdef real *won = spread + lanes * count
    cdef real *one = won + lanes * count
    if not winners:
        for lane in range(lanes):
            source[lane] = zeros
            if w.image[lane] >= 0 and 0 <= rows[lane] < height:
                source[lane] = src + ((w.image[lane] * height + rows[lane]) * width
                                      + begin) * channels
        interleave(source, (end - begin) * channels, to)
        return
    if w.windows != rows[0] >> 1:
        w.windows = rows[0] >> 1
        for lane in range(lanes):
            source[lane] = numbers[lane] = zeros
            row = rows[lane] >> 1
            if w.image[lane] >= 0 and 0 <= row < height // 2:
                at = (w.image[lane] * (height // 2) + row) * count
                source[lane], numbers[lane] = src + at, one
                if real is float:
                    f32_strips_numbers(winners + at, count, one)
                else:
                    f64_strips_numbers(winners + at, count, one)
                one += count
        interleave(source, count, spread)
        interleave(numbers, count, won)
    if real is float:
        f32_strips_spread(spread, won, windows, channels, (rows[0] & 1) * 2, begin, end, to)
    else:
        f64_strips_spread(spread, won, windows, channels, (rows[0] & 1) * 2, begin, end, to)


cdef inline void interleave(const real *const *source, Py_ssize_t count, real *to) noexcept nogil:
    if real is float:
        f32_strips_interleave(source, count, to)
    else:
        f64_strips_interleave(source, count, to)


cdef inline real *advance(const Strips *s, Window *w, const real *src,
                          const unsigned char *winners, const real *zeros, Py_ssize_t first,
                          real *window, real *spread) noexcept nogil:
    """Row `first` of the strips' src in the window, with the rows that follow it in one step.

    src, winners, zeros and spread are those of :func:`gather`.
    """
    cdef Py_ssize_t end = first + s.need, lane, kept
    cdef Py_ssize_t left = min(max(0, -s.first_column), s.n_columns)
    cdef Py_ssize_t right = max(left, min(s.n_columns, s.columns.src_size - s.first_column))
    cdef Py_ssize_t rows[MOST_LANES]
    if end - w.first > s.capacity:
        kept = max(0, w.end - first)
        memmove(window, window + (first - w.first) * s.row_length,
                kept * s.row_length * sizeof(real))
        w.first = first
    w.end = max(w.end, first)
    while w.end < end:
        for lane in range(s.lanes):
            rows[lane] = w.begin[lane] * s.rows.src_step + s.rows.origin + w.end
        gather(w, s.lanes, rows, src, winners, zeros, s.rows.src_size, s.columns.src_size,
               s.channels, s.first_column + left, s.first_column + right, spread,
               window + (w.end - w.first) * s.row_length + left * s.channels * s.lanes)
        w.end += 1
    return window + (first - w.first) * s.row_length


cdef int forward_pass(const Convolution *c, const real *x, const real *weight, const real *bias,
                      real *y, unsigned char *winners, bint relu, bint pool,
                      int threads) except -1 nogil
cdef int input_gradient_pass(const Convolution *c, const real *dy, const unsigned char *winners,
                             const real *weight, real *dx, const real *positive,
                             int threads) except -1 nogil
