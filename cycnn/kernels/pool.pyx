"""Maximum and average pooling over (N, H, W, C) memory.

With many channels the vectors run over channels. With one (images in planes, channels first) they
run over the outputs of a row. Both go through the same blocks of BLOCK, 8, 4 or 1 numbers; where
the last block does not fit it is moved back and some outputs are worked out twice, which is
cheaper than a remainder one by one.
"""

from cython.parallel cimport prange
from libc.string cimport memset

ctypedef fused real:
    float
    double

# Which pixel of the window won: its number, row by row. One byte, unless the window is larger.
ctypedef fused tap:
    unsigned char
    int

cdef enum:
    BLOCK = 16
    CHANNELS = 64       # channels of one task of the backward passes


cdef struct Window:
    Py_ssize_t height, width, channels, out_height, out_width
    Py_ssize_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w


cdef Window window(tuple geometry, Py_ssize_t height, Py_ssize_t width, Py_ssize_t out_height,
                   Py_ssize_t out_width, Py_ssize_t channels) except *:
    """`geometry` holds the last eight fields in their order."""
    cdef Window w
    w.height, w.width, w.out_height, w.out_width = height, width, out_height, out_width
    w.channels = channels
    (w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.pad_h, w.pad_w, w.dilation_h,
     w.dilation_w) = geometry
    return w


cdef inline Py_ssize_t first_tap(Py_ssize_t start, Py_ssize_t dilation) noexcept nogil:
    """The first tap at start + tap * dilation >= 0."""
    return 0 if start >= 0 else (dilation - 1 - start) // dilation


cdef inline Py_ssize_t end_tap(Py_ssize_t start, Py_ssize_t dilation, Py_ssize_t size,
                               Py_ssize_t kernel) noexcept nogil:
    """One past the last tap at start + tap * dilation < size."""
    return min(kernel, (size - start + dilation - 1) // dilation)


cdef inline Py_ssize_t block_size(Py_ssize_t n) noexcept nogil:
    return BLOCK if n >= BLOCK else 8 if n >= 8 else 4 if n >= 4 else 1


# --- maximum -----------------------------------------------------------------------------------

def max_pool(const real[:, :, :, ::1] x, real[:, :, :, ::1] y, tap[:, :, :, ::1] winners,
             tuple geometry, int threads):
    """y = the maximum of each window, and the number of the pixel it came from.

    The first maximum wins, and NaN wins over everything. `winners` may be None.
    """
    cdef Window w = window(geometry, x.shape[1], x.shape[2], y.shape[1], y.shape[2], x.shape[3])
    cdef Py_ssize_t rows = x.shape[0] * w.out_height, row
    cdef const real *px = &x[0, 0, 0, 0]
    cdef real *py = &y[0, 0, 0, 0]
    cdef tap *pw = NULL
    if winners is not None:
        pw = &winners[0, 0, 0, 0]
    with nogil:
        for row in prange(rows, num_threads=threads, schedule="static"):
            max_row(px + row // w.out_height * w.height * w.width * w.channels,
                    py + row * w.out_width * w.channels,
                    pw + row * w.out_width * w.channels if pw != NULL else NULL,
                    &w, row % w.out_height)


cdef inline void max_row(const real *x, real *y, tap *winner, const Window *w,
                         Py_ssize_t row) noexcept nogil:
    """One row of outputs; `x` is the image."""
    cdef Py_ssize_t top = row * w.stride_h - w.pad_h
    cdef Py_ssize_t u0 = first_tap(top, w.dilation_h)
    cdef Py_ssize_t u1 = end_tap(top, w.dilation_h, w.height, w.kernel_h)
    cdef Py_ssize_t left, v0, v1, column = 0, block, c, o
    # The columns before `inner` have windows that end within the image.
    cdef Py_ssize_t inner = min(w.out_width, 1 + (
        w.width + w.pad_w - (w.kernel_w - 1) * w.dilation_w - 1) // w.stride_w)
    x += top * w.width * w.channels
    while column < w.out_width:
        left = column * w.stride_w - w.pad_w
        v0 = first_tap(left, w.dilation_w)
        v1 = end_tap(left, w.dilation_w, w.width, w.kernel_w)
        o = column * w.channels
        if w.channels > 1:
            block = block_size(w.channels)
            c = 0
            while c < w.channels:
                c = min(c, w.channels - block)
                max_block(x + left * w.channels + c, y + o + c,
                          winner + o + c if winner != NULL else NULL,
                          w, u0, u1, v0, v1, block, 1)
                c += block
            column += 1
        elif left < 0 or column >= inner or w.stride_w > 2:
            max_block(x + left, y + o, winner + o if winner != NULL else NULL,
                      w, u0, u1, v0, v1, 1, 1)
            column += 1
        else:
            block = block_size(inner - column)
            max_block(x + left, y + o, winner + o if winner != NULL else NULL,
                      w, u0, u1, v0, v1, block, w.stride_w)
            column += block


cdef inline void max_block(const real *x, real *y, tap *winner, const Window *w,
                           Py_ssize_t u0, Py_ssize_t u1, Py_ssize_t v0, Py_ssize_t v1,
                           Py_ssize_t block, Py_ssize_t step) noexcept nogil:
    """Calls max_step with `block` and `step` as constants, so that its loops become vectors."""
    if step == 1:
        if block == BLOCK:
            max_step(x, y, winner, w, u0, u1, v0, v1, BLOCK, 1)
        elif block == 8:
            max_step(x, y, winner, w, u0, u1, v0, v1, 8, 1)
        elif block == 4:
            max_step(x, y, winner, w, u0, u1, v0, v1, 4, 1)
        else:
            max_step(x, y, winner, w, u0, u1, v0, v1, 1, 1)
    elif block == BLOCK:
        max_step(x, y, winner, w, u0, u1, v0, v1, BLOCK, 2)
    elif block == 8:
        max_step(x, y, winner, w, u0, u1, v0, v1, 8, 2)
    elif block == 4:
        max_step(x, y, winner, w, u0, u1, v0, v1, 4, 2)
    else:
        max_step(x, y, winner, w, u0, u1, v0, v1, 1, 2)


cdef inline void max_step(const real *x, real *y, tap *winner, const Window *w,
                          Py_ssize_t u0, Py_ssize_t u1, Py_ssize_t v0, Py_ssize_t v1,
                          Py_ssize_t block, Py_ssize_t step) noexcept nogil:
    """The same for the common window of 2 x 2, and for whether the winners are wanted."""
    cdef Py_ssize_t down = w.dilation_h * w.width * w.channels, right = w.dilation_w * w.channels
    if w.kernel_h == 2 and w.kernel_w == 2 and u1 - u0 == 2 and v1 - v0 == 2:
        if winner == NULL:
            max_values(x, y, down, right, 0, 2, 0, 2, block, step)
        else:
            max_winners(x, y, winner, down, right, 2, 0, 2, 0, 2, block, step)
    elif winner == NULL:
        max_values(x, y, down, right, u0, u1, v0, v1, block, step)
    else:
        max_winners(x, y, winner, down, right, w.kernel_w, u0, u1, v0, v1, block, step)


# The running maxima are a local array of known length: the compiler keeps it in vector registers.

cdef inline void max_values(const real *x, real *y, Py_ssize_t down, Py_ssize_t right,
                            Py_ssize_t u0, Py_ssize_t u1, Py_ssize_t v0, Py_ssize_t v1,
                            Py_ssize_t block, Py_ssize_t step) noexcept nogil:
    """y[i] = the maximum over the window whose pixels for i are x[i * step + u * down + v * right]."""
    cdef real best[BLOCK]
    cdef real value
    cdef const real *p
    cdef Py_ssize_t i, u, v
    for i in range(block):
        best[i] = x[i * step + u0 * down + v0 * right]
    for u in range(u0, u1):
        for v in range(v0, v1):
            p = x + u * down + v * right
            for i in range(block):
                value = p[i * step]
                best[i] = value if (value > best[i]) | (value != value) else best[i]
    for i in range(block):
        y[i] = best[i]


cdef inline void max_winners(const real *x, real *y, tap *winner, Py_ssize_t down,
                             Py_ssize_t right, Py_ssize_t kernel_w, Py_ssize_t u0, Py_ssize_t u1,
                             Py_ssize_t v0, Py_ssize_t v1, Py_ssize_t block,
                             Py_ssize_t step) noexcept nogil:
    """The same, and winner[i] = u * kernel_w + v of the maximum."""
    cdef real best[BLOCK]
    cdef int won[BLOCK]
    cdef real value
    cdef const real *p
    cdef Py_ssize_t i, u, v
    cdef int number
    cdef bint wins
    for i in range(block):
        best[i] = x[i * step + u0 * down + v0 * right]
        won[i] = <int>(u0 * kernel_w + v0)
    for u in range(u0, u1):
        for v in range(v0, v1):
            p = x + u * down + v * right
            number = <int>(u * kernel_w + v)
            for i in range(block):
                value = p[i * step]
                wins = (value > best[i]) | (value != value)
                best[i] = value if wins else best[i]
                won[i] = number if wins else won[i]
    for i in range(block):
        y[i] = best[i]
        winner[i] = <tap>won[i]


def max_pool_backward(const real[:, :, :, ::1] dy, const tap[:, :, :, ::1] winners,
                      real[:, :, :, ::1] dx, tuple geometry, int threads):
    """dx = dy at the pixels that won, added up where several windows chose the same one."""
    cdef Window w = window(geometry, dx.shape[1], dx.shape[2], dy.shape[1], dy.shape[2],
                           dx.shape[3])
    cdef Py_ssize_t images = dx.shape[0], row, task
    cdef Py_ssize_t blocks = (w.channels + CHANNELS - 1) // CHANNELS
    cdef const real *pdy = &dy[0, 0, 0, 0]
    cdef const tap *pw = &winners[0, 0, 0, 0]
    cdef real *pdx = &dx[0, 0, 0, 0]
    cdef Py_ssize_t large = w.height * w.width * w.channels
    cdef Py_ssize_t small = w.out_height * w.out_width * w.channels
    # Windows side by side that begin at the corner: every pixel belongs to one window or to none.
    cdef bint tiled = (w.kernel_h == 2 and w.kernel_w == 2 and w.stride_h == 2 and w.stride_w == 2
                       and w.pad_h == 0 and w.pad_w == 0 and w.dilation_h == 1
                       and w.dilation_w == 1 and w.out_height == w.height // 2
                       and w.out_width == w.width // 2)
    with nogil:
        if tiled:
            for row in prange(images * w.out_height, num_threads=threads, schedule="static"):
                spread_row(pdy + row * w.out_width * w.channels,
                           pw + row * w.out_width * w.channels,
                           pdx + row // w.out_height * large, &w, row % w.out_height)
        else:
            for task in prange(images * blocks, num_threads=threads, schedule="static"):
                scatter_image(pdy + task // blocks * small, pw + task // blocks * small,
                              pdx + task // blocks * large, &w, task % blocks * CHANNELS)


cdef inline void spread_row(const real *dy, const tap *winner, real *dx, const Window *w,
                            Py_ssize_t row) noexcept nogil:
    """A row of 2 x 2 windows side by side: writes each of their pixels, and what they leave over."""
    cdef Py_ssize_t line = w.width * w.channels, column = 0, block, c, o
    dx += 2 * row * line
    while column < w.out_width:
        o = column * w.channels
        if w.channels > 1:
            block = block_size(w.channels)
            c = 0
            while c < w.channels:
                c = min(c, w.channels - block)
                spread_block(dy + o + c, winner + o + c, dx + 2 * o + c, line, w.channels, block)
                c += block
            column += 1
        else:
            block = block_size(w.out_width - column)
            spread_block(dy + o, winner + o, dx + 2 * o, line, w.channels, block)
            column += block
    if w.width % 2:
        memset(dx + line - w.channels, 0, w.channels * sizeof(real))
        memset(dx + 2 * line - w.channels, 0, w.channels * sizeof(real))
    if w.height % 2 and row == w.out_height - 1:
        memset(dx + 2 * line, 0, line * sizeof(real))


cdef inline void spread_block(const real *dy, const tap *winner, real *dx, Py_ssize_t line,
                              Py_ssize_t channels, Py_ssize_t block) noexcept nogil:
    """Calls `spread` with the block's size and the step between its pixels as constants."""
    if channels > 1:
        if block == BLOCK:
            spread(dy, winner, dx, line, channels, BLOCK, 1)
        elif block == 8:
            spread(dy, winner, dx, line, channels, 8, 1)
        elif block == 4:
            spread(dy, winner, dx, line, channels, 4, 1)
        else:
            spread(dy, winner, dx, line, channels, 1, 1)
    elif block == BLOCK:
        spread(dy, winner, dx, line, 1, BLOCK, 2)
    elif block == 8:
        spread(dy, winner, dx, line, 1, 8, 2)
    elif block == 4:
        spread(dy, winner, dx, line, 1, 4, 2)
    else:
        spread(dy, winner, dx, line, 1, 1, 2)


cdef inline void spread(const real *dy, const tap *winner, real *dx, Py_ssize_t line,
                        Py_ssize_t right, Py_ssize_t block, Py_ssize_t step) noexcept nogil:
    cdef real gradient[BLOCK]
    cdef int won[BLOCK]
    cdef Py_ssize_t i
    for i in range(block):
        gradient[i] = dy[i]
        won[i] = winner[i]
    for i in range(block):
        dx[i * step] = gradient[i] if won[i] == 0 else 0
        dx[i * step + right] = gradient[i] if won[i] == 1 else 0
    dx += line
    for i in range(block):
        dx[i * step] = gradient[i] if won[i] == 2 else 0
        dx[i * step + right] = gradient[i] if won[i] == 3 else 0


cdef inline void scatter_image(const real *dy, const tap *winner, real *dx, const Window *w,
                               Py_ssize_t channel) noexcept nogil:
    """CHANNELS channels of one image, from `channel` on."""
    cdef Py_ssize_t count = min(CHANNELS, w.channels - channel), row, column, i
    cdef Py_ssize_t down = w.dilation_h * w.width * w.channels, right = w.dilation_w * w.channels
    cdef real *corner
    clear_channels(dx, w, channel)
    dy, winner = dy + channel, winner + channel
    for row in range(w.out_height):
        for column in range(w.out_width):
            corner = dx + channel + ((row * w.stride_h - w.pad_h) * w.width
                                     + column * w.stride_w - w.pad_w) * w.channels
            for i in range(count):
                corner[winner[i] // <tap>w.kernel_w * down + winner[i] % <tap>w.kernel_w * right
                       + i] += dy[i]
            dy, winner = dy + w.channels, winner + w.channels


cdef inline void clear_channels(real *dx, const Window *w, Py_ssize_t channel) noexcept nogil:
    """dx = 0 in the CHANNELS channels from `channel` on."""
    cdef Py_ssize_t count = min(CHANNELS, w.channels - channel), i
    if count == w.channels:
        memset(dx, 0, w.height * w.width * w.channels * sizeof(real))
    else:
        for i in range(w.height * w.width):
            memset(dx + i * w.channels + channel, 0, count * sizeof(real))


def winners_to_indices(const tap[:, :, :, ::1] winners, long long[:, :, :, ::1] indices,
                       tuple geometry, Py_ssize_t height, Py_ssize_t width, int threads):
    """indices = each winner's position in its plane, row * width + column."""
    cdef Window w = window(geometry, height, width, winners.shape[1], winners.shape[2],
                           winners.shape[3])
    cdef Py_ssize_t rows = winners.shape[0] * w.out_height, row
    cdef Py_ssize_t line = w.out_width * w.channels
    cdef const tap *pw = &winners[0, 0, 0, 0]
    cdef long long *index = &indices[0, 0, 0, 0]
    with nogil:
        for row in prange(rows, num_threads=threads, schedule="static"):
            indices_of_row(pw + row * line, index + row * line, &w, row % w.out_height)


cdef inline void indices_of_row(const tap *winner, long long *index, const Window *w,
                                Py_ssize_t row) noexcept nogil:
    cdef Py_ssize_t column, c, u, v
    cdef long long corner
    for column in range(w.out_width):
        corner = (row * w.stride_h - w.pad_h) * w.width + column * w.stride_w - w.pad_w
        for c in range(w.channels):
            u = winner[c] // <tap>w.kernel_w
            v = winner[c] - u * w.kernel_w
            index[c] = corner + u * w.dilation_h * w.width + v * w.dilation_w
        winner, index = winner + w.channels, index + w.channels


def scatter(const real[:, :, ::1] dy, const long long[:, :, ::1] indices, real[:, :, ::1] dx,
            int threads):
    """dx[n, indices[n, p, c], c] += dy[n, p, c], from dx = 0; the caller has checked the indices."""
    cdef Window w
    cdef Py_ssize_t images = dy.shape[0], pixels = dy.shape[1], blocks, task
    cdef const real *pdy = &dy[0, 0, 0]
    cdef const long long *index = &indices[0, 0, 0]
    cdef real *pdx = &dx[0, 0, 0]
    w.height, w.width, w.channels = 1, dx.shape[1], dx.shape[2]
    blocks = (w.channels + CHANNELS - 1) // CHANNELS
    with nogil:
        for task in prange(images * blocks, num_threads=threads, schedule="static"):
            scatter_indices(pdy + task // blocks * pixels * w.channels,
                            index + task // blocks * pixels * w.channels,
                            pdx + task // blocks * w.width * w.channels, pixels, &w,
                            task % blocks * CHANNELS)


cdef inline void scatter_indices(const real *dy, const long long *index, real *dx,
                                 Py_ssize_t pixels, const Window *w,
                                 Py_ssize_t channel) noexcept nogil:
    cdef Py_ssize_t p, c
    clear_channels(dx, w, channel)
    for p in range(pixels):
        for c in range(channel, min(channel + CHANNELS, w.channels)):
            dx[index[c] * w.channels + c] += dy[c]
        dy, index = dy + w.channels, index + w.channels


# --- average -----------------------------------------------------------------------------------

def average_pool(const real[:, :, :, ::1] x, real[:, :, :, ::1] y, tuple geometry,
                 bint count_padding, int threads):
    """y = the mean of each window; padding counts as zeros if `count_padding`, else not at all."""
    cdef Window w = window(geometry, x.shape[1], x.shape[2], y.shape[1], y.shape[2], x.shape[3])
    cdef Py_ssize_t rows = x.shape[0] * w.out_height, row
    cdef const real *px = &x[0, 0, 0, 0]
    cdef real *py = &y[0, 0, 0, 0]
    with nogil:
        for row in prange(rows, num_threads=threads, schedule="static"):
            average_row(px + row // w.out_height * w.height * w.width * w.channels,
                        py + row * w.out_width * w.channels, &w, row % w.out_height, count_padding)


def average_pool_backward(const real[:, :, :, ::1] dy, real[:, :, :, ::1] dx, tuple geometry,
                          bint count_padding, int threads):
    """dx = the sum over the windows of each pixel of their dy / size."""
    cdef Window w = window(geometry, dx.shape[1], dx.shape[2], dy.shape[1], dy.shape[2],
                           dx.shape[3])
    cdef Py_ssize_t blocks = (w.channels + CHANNELS - 1) // CHANNELS, task
    cdef const real *pdy = &dy[0, 0, 0, 0]
    cdef real *pdx = &dx[0, 0, 0, 0]
    with nogil:
        for task in prange(dx.shape[0] * blocks, num_threads=threads, schedule="static"):
            average_image_backward(
                pdy + task // blocks * w.out_height * w.out_width * w.channels,
                pdx + task // blocks * w.height * w.width * w.channels, &w,
                task % blocks * CHANNELS, count_padding)


cdef inline Py_ssize_t span(Py_ssize_t start, Py_ssize_t kernel, Py_ssize_t size, Py_ssize_t pad,
                            bint count_padding) noexcept nogil:
    """How many places of one axis of a window count: those in the image, or in the padding too."""
    if count_padding:
        return min(start + kernel, size + pad) - start
    return min(start + kernel, size) - max(start, 0)


cdef inline void average_row(const real *x, real *y, const Window *w, Py_ssize_t row,
                             bint count_padding) noexcept nogil:
    cdef Py_ssize_t top = row * w.stride_h - w.pad_h, left, column, h, v, c
    cdef Py_ssize_t high = span(top, w.kernel_h, w.height, w.pad_h, count_padding)
    cdef const real *p
    cdef real scale
    for column in range(w.out_width):
        left = column * w.stride_w - w.pad_w
        for c in range(w.channels):
            y[c] = 0
        for h in range(max(top, 0), min(top + w.kernel_h, w.height)):
            for v in range(max(left, 0), min(left + w.kernel_w, w.width)):
                p = x + (h * w.width + v) * w.channels
                for c in range(w.channels):
                    y[c] += p[c]
        scale = <real>(high * span(left, w.kernel_w, w.width, w.pad_w, count_padding))
        for c in range(w.channels):
            y[c] /= scale
        y += w.channels


cdef inline void average_image_backward(const real *dy, real *dx, const Window *w,
                                        Py_ssize_t channel, bint count_padding) noexcept nogil:
    """CHANNELS channels of one image, from `channel` on."""
    cdef Py_ssize_t count = min(CHANNELS, w.channels - channel), row, column, top, left, high, h, v
    cdef Py_ssize_t c
    cdef real share[CHANNELS]
    cdef real scale
    cdef real *p
    clear_channels(dx, w, channel)
    dx, dy = dx + channel, dy + channel
    for row in range(w.out_height):
        top = row * w.stride_h - w.pad_h
        high = span(top, w.kernel_h, w.height, w.pad_h, count_padding)
        for column in range(w.out_width):
            left = column * w.stride_w - w.pad_w
            scale = <real>(high * span(left, w.kernel_w, w.width, w.pad_w, count_padding))
            for c in range(count):
                share[c] = dy[c] / scale
            for h in range(max(top, 0), min(top + w.kernel_h, w.height)):
                for v in range(max(left, 0), min(left + w.kernel_w, w.width)):
                    p = dx + (h * w.width + v) * w.channels
                    for c in range(count):
                        p[c] += share[c]
            dy += w.channels


def mean_pixels(const real[:, :, ::1] x, real[:, ::1] y, int threads):
    """y[n, c] = the mean of x[n, p, c] over all pixels p, summed in double."""
    cdef Py_ssize_t pixels = x.shape[1], channels = x.shape[2]
    cdef Py_ssize_t blocks = (channels + CHANNELS - 1) // CHANNELS, task
    cdef const real *px = &x[0, 0, 0]
    cdef real *py = &y[0, 0]
    with nogil:
        for task in prange(x.shape[0] * blocks, num_threads=threads, schedule="static"):
            mean_block(px + task // blocks * pixels * channels + task % blocks * CHANNELS,
                       py + task // blocks * channels + task % blocks * CHANNELS,
                       pixels, channels, min(CHANNELS, channels - task % blocks * CHANNELS))


cdef inline void mean_block(const real *x, real *y, Py_ssize_t pixels, Py_ssize_t channels,
                            Py_ssize_t count) noexcept nogil:
    cdef double total[CHANNELS]
    cdef Py_ssize_t p, c, whole
    for c in range(CHANNELS):
        total[c] = 0
    if channels == 1:
        # A plane: lanes side by side instead of channels, added up at the end.
        whole = pixels - pixels % BLOCK
        for p in range(pixels // BLOCK):
            for c in range(BLOCK):
                total[c] += x[p * BLOCK + c]
        for p in range(whole, pixels):
            total[p - whole] += x[p]
        for c in range(1, BLOCK):
            total[0] += total[c]
    else:
        for p in range(pixels):
            for c in range(count):
                total[c] += x[c]
            x += channels
    for c in range(count):
        y[c] = <real>(total[c] / pixels)


def spread_pixels(const real[:, ::1] dy, real[:, :, ::1] dx, int threads):
    """dx[n, p, c] = dy[n, c] / pixels."""
    cdef Py_ssize_t images = dx.shape[0], pixels = dx.shape[1], channels = dx.shape[2], n
    cdef const real *pdy = &dy[0, 0]
    cdef real *pdx = &dx[0, 0, 0]
    with nogil:
        for n in prange(images, num_threads=threads, schedule="static"):
            spread_image(pdy + n * channels, pdx + n * pixels * channels, pixels, channels)


cdef inline void spread_image(const real *dy, real *dx, Py_ssize_t pixels,
                              Py_ssize_t channels) noexcept nogil:
    cdef Py_ssize_t p, c
    cdef real share
    if channels == 1:
        share = dy[0] / pixels
        for p in range(pixels):
            dx[p] = share
    else:
        for p in range(pixels):
            for c in range(channels):
                dx[p * channels + c] = dy[c] / pixels
