/* The functions of pool.h for one pair of types: REAL numbers, TAP winners, POOL(...) the name. */

/* y[i] = the maximum over the window whose pixels for i are x[i * step + u * down + v * right], and
 * winner[i] = u * kernel_w + v of the first maximum, or of the last NaN. */
ALWAYS_INLINE void POOL(any)(const REAL *x, REAL *RESTRICT y, TAP *RESTRICT winner,
                             ptrdiff_t down, ptrdiff_t right, ptrdiff_t kernel_w, pool_taps us,
                             pool_taps vs, const int block, const int step, const int wanted)
{
    int won[POOL_BLOCK];
    const int first = (int)(us.first * kernel_w + vs.first);
    VECTORS for (int i = 0; i < block; i++) {
        y[i] = -(REAL)INFINITY;
        won[i] = first;
    }
    for (ptrdiff_t u = us.first; u < us.end; u++)
        for (ptrdiff_t v = vs.first; v < vs.end; v++) {
            const REAL *p = x + u * down + v * right;
            const int tap = (int)(u * kernel_w + v);
            VECTORS for (int i = 0; i < block; i++) {
                const REAL value = p[i * step];
                const int wins = (value > y[i]) | (value != value);
                y[i] = wins ? value : y[i];
                won[i] = wins ? tap : won[i];
            }
        }
    if (wanted)
        VECTORS for (int i = 0; i < block; i++) winner[i] = (TAP)won[i];
}

/* n channels of one window, or with one channel n windows `step` pixels apart. */
ALWAYS_INLINE void POOL(window)(const REAL *x, REAL *y, TAP *winner, const pool_window *w,
                                pool_taps us, pool_taps vs, ptrdiff_t n, const int block,
                                const int step, const int wanted)
{
    const ptrdiff_t down = w->dilation_h * w->width * w->channels;
    const ptrdiff_t right = w->dilation_w * w->channels;
    const int square = us.end - us.first == 2 && vs.end - vs.first == 2 && w->kernel_h == 2 &&
                       w->kernel_w == 2;
    for (ptrdiff_t i = 0; i < n; i += block) {
        if (i > n - block) i = n - block;
        TAP *to = wanted ? winner + i : winner;
        if (square && w->relu)
            POOL(square)(x + i * step, y + i, to, down, right, 1, block, step, wanted);
        else if (square)
            POOL(square)(x + i * step, y + i, to, down, right, 0, block, step, wanted);
        else
            POOL(any)(x + i * step, y + i, to, down, right, w->kernel_w, us, vs, block, step,
                      wanted);
    }
}

/* One row of outputs; x is the image, y and winner are the row. */
ALWAYS_INLINE void POOL(row)(const REAL *x, REAL *y, TAP *winner, const pool_window *w,
                             ptrdiff_t row, const int wanted)
{
    const ptrdiff_t top = row * w->stride_h - w->pad_h;
    const pool_taps us = pool_within(top, w->kernel_h, w->dilation_h, w->height);
    ptrdiff_t n = w->channels, column = 0;
    x += top * w->width * w->channels;
    while (column < w->out_width) {
        const ptrdiff_t left = column * w->stride_w - w->pad_w, o = column * w->channels;
        const pool_taps vs = pool_within(left, w->kernel_w, w->dilation_w, w->width);
        const REAL *corner = x + left * w->channels;
        TAP *to = wanted ? winner + o : winner;
        if (w->channels == 1 && column >= w->inner && column < w->outer && w->stride_w <= 2) {
            n = w->outer - column;
            if (w->stride_w == 1) {
                POOL_EACH_BLOCK(n, POOL(window)(corner, y + o, to, w, us, vs, n, block, 1, wanted))
            } else {
                POOL_EACH_BLOCK(n, POOL(window)(corner, y + o, to, w, us, vs, n, block, 2, wanted))
            }
            column = w->outer;
        } else {
            n = w->channels;
            POOL_EACH_BLOCK(n, POOL(window)(corner, y + o, to, w, us, vs, n, block, 1, wanted))
            column++;
        }
    }
}

LOCAL void POOL(max_row)(const REAL *x, REAL *y, TAP *winner, const pool_window *w,
                          ptrdiff_t row)
{
    if (winner) POOL(row)(x, y, winner, w, row, 1);
    else POOL(row)(x, y, winner, w, row, 0);
}

/* dx of a 2 x 2 window that shares no pixel with another: dy where it won, else 0. */
ALWAYS_INLINE void POOL(spread)(const REAL *RESTRICT dy, const TAP *RESTRICT winner,
                                REAL *RESTRICT dx, ptrdiff_t down, ptrdiff_t right, ptrdiff_t n,
                                const int block, const int step)
{
    for (ptrdiff_t i = 0; i < n; i += block) {
        if (i > n - block) i = n - block;
        int won[POOL_BLOCK];
        REAL *p = dx + i * step;
        VECTORS for (int j = 0; j < block; j++) won[j] = winner[i + j];
        VECTORS for (int j = 0; j < block; j++) {
            const REAL gradient = dy[i + j], zero = 0;
            p[j * step] = won[j] == 0 ? gradient : zero;
            p[j * step + right] = won[j] == 1 ? gradient : zero;
        }
        p += down;
        VECTORS for (int j = 0; j < block; j++) {
            const REAL gradient = dy[i + j], zero = 0;
            p[j * step] = won[j] == 2 ? gradient : zero;
            p[j * step + right] = won[j] == 3 ? gradient : zero;
        }
    }
}

/* A row of 2 x 2 windows side by side, from the corner of the image dx on: writes each of their
 * pixels once, and zeros to the column and row that may be left over. */
ALWAYS_INLINE void POOL(spread_row)(const REAL *dy, const TAP *winner, REAL *dx,
                                    const pool_window *w, ptrdiff_t row)
{
    const ptrdiff_t channels = w->channels, line = w->width * channels;
    dx += 2 * row * line;
    if (channels == 1) {
        POOL_EACH_BLOCK(w->out_width,
                        POOL(spread)(dy, winner, dx, line, 1, w->out_width, block, 2))
    } else {
        POOL_EACH_BLOCK(channels,
            for (ptrdiff_t column = 0; column < w->out_width; column++)
                POOL(spread)(dy + column * channels, winner + column * channels,
                             dx + 2 * column * channels, line, channels, channels, block, 1))
    }
    if (w->width % 2) {
        memset(dx + line - channels, 0, channels * sizeof(REAL));
        memset(dx + 2 * line - channels, 0, channels * sizeof(REAL));
    }
    if (w->height % 2 && row == w->out_height - 1) memset(dx + 2 * line, 0, line * sizeof(REAL));
}

#undef REAL
#undef TAP
#undef POOL
