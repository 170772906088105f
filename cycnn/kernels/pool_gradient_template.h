/* The way back through a max-pool, for one type of numbers: REAL in vectors SIMD(v) of LANES, winners
 * in bytes, POOL(...) the name. */

/* The pixels left[0 ...] and right[0 ...] of n <= LANES numbers: the gradient where they won. */
ALWAYS_INLINE void POOL(pair)(const REAL *dy, const unsigned char *winner, REAL *left, REAL *right,
                              const int tap, const int whole, const int stream, ptrdiff_t n)
{
    if (whole) {
        const SIMD(v) a = SIMD(_load_where)(dy, winner, tap);
        const SIMD(v) b = SIMD(_load_where)(dy, winner, tap + 1);
        if (stream) SIMD(_stream)(left, a), SIMD(_stream)(right, b);
        else SIMD(_store)(left, a), SIMD(_store)(right, b);
    } else {
        for (ptrdiff_t i = 0; i < n; i++) {
            left[i] = winner[i] == tap ? dy[i] : 0;
            right[i] = winner[i] == tap + 1 ? dy[i] : 0;
        }
    }
}

/* The upper (tap 0) or lower (tap 2) row of pixels of a row of 2 x 2 windows side by side. */
ALWAYS_INLINE void POOL(spread_half)(const REAL *dy, const unsigned char *winner, REAL *dx,
                                     const pool_window *w, const int tap, const int stream)
{
    const ptrdiff_t channels = w->channels;
    /* As forward, few channels' vectors reach over windows to the right. */
    const ptrdiff_t over = (LANES - 1) / channels;
    for (ptrdiff_t column = 0; column < w->out_width; column++) {
        REAL *right = dx + channels;
        if (channels >= LANES)
            for (ptrdiff_t k = 0; k < channels; k += LANES) {
                if (k > channels - LANES) k = channels - LANES;
                POOL(pair)(dy + k, winner + k, dx + k, right + k, tap, 1, stream, LANES);
            }
        else
            POOL(pair)(dy, winner, dx, right, tap, column + over < w->out_width, 0, channels);
        dy += channels, winner += channels, dx += 2 * channels;
    }
    if (w->width % 2) memset(dx, 0, channels * sizeof(REAL));
}

/* A row of 2 x 2 windows side by side, from the corner of the image dx on: writes each of their
 * pixels once, in the order of memory, and zeros to the column and row that may be left over. */
static void POOL(spread_row)(const REAL *dy, const unsigned char *winner, REAL *dx,
                             const pool_window *w, ptrdiff_t row, int stream)
{
    const ptrdiff_t line = w->width * w->channels;
    dx += 2 * row * line;
    if (stream) {
        POOL(spread_half)(dy, winner, dx, w, 0, 1);
        POOL(spread_half)(dy, winner, dx + line, w, 2, 1);
        STREAMED();
    } else {
        POOL(spread_half)(dy, winner, dx, w, 0, 0);
        POOL(spread_half)(dy, winner, dx + line, w, 2, 0);
    }
    if (w->height % 2 && row == w->out_height - 1) memset(dx + 2 * line, 0, line * sizeof(REAL));
}

/* A row of pixels of an image, of windows of any kind: at each the sum of what the windows that hold
 * it send there, in their order. columns[pixel] says which windows these are; at least LANES
 * channels. */
static void POOL(gather_row)(const REAL *dy, const unsigned char *winner, REAL *dx,
                             const pool_window *w, const pool_reach *columns, ptrdiff_t row)
{
    const ptrdiff_t channels = w->channels;
    const ptrdiff_t divisor_h = pool_divisor(w->stride_h, w->dilation_h);
    const ptrdiff_t divisor_w = pool_divisor(w->stride_w, w->dilation_w);
    /* From one window of a pixel to the next, down and to the right: in numbers and in taps. */
    const ptrdiff_t down = w->dilation_h / divisor_h * w->out_width * channels;
    const ptrdiff_t right = w->dilation_w / divisor_w * channels;
    const ptrdiff_t up_taps = w->stride_h / divisor_h * w->kernel_w;
    const ptrdiff_t left_taps = w->stride_w / divisor_w;
    const pool_reach rows = pool_windows_of(row, w->kernel_h, w->stride_h, w->pad_h, w->dilation_h,
                                            w->out_height);
    dx += row * w->width * channels;
    for (ptrdiff_t column = 0; column < w->width; column++, dx += channels) {
        const pool_reach reach = columns[column];
        const ptrdiff_t first = (rows.first * w->out_width + reach.first) * channels;
        const ptrdiff_t first_tap = rows.tap * w->kernel_w + reach.tap;
        for (ptrdiff_t k = 0; k < channels; k += LANES) {
            SIMD(v) sum = SIMD(_set1)(0);
            if (k > channels - LANES) k = channels - LANES;
            for (ptrdiff_t r = 0; r < rows.count; r++) {
                ptrdiff_t from = first + r * down + k, tap = first_tap - r * up_taps;
                for (ptrdiff_t c = 0; c < reach.count; c++, from += right, tap -= left_taps)
                    sum = SIMD(_add)(sum, SIMD(_load_where)(dy + from, winner + from, (int)tap));
            }
            SIMD(_store)(dx + k, sum);
        }
    }
}
