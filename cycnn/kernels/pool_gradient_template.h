/* The way back through a max-pool, for one type of numbers: REAL in vectors SIMD(v) of LANES,
 * winners in bytes, POOL(...) the name. */

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
LOCAL void POOL(spread_row)(const REAL *dy, const unsigned char *winner, REAL *dx,
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
