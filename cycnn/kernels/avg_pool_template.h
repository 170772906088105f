/* Sums, for one type: REAL numbers in vectors SIMD(v) of LANES, POOL(...) the name. */

/* y = the sums over the taps us x vs of n <= LANES windows, whose pixels for tap (u, v) begin at
 * x + u * down + v * right and lie `step` apart. */
ALWAYS_INLINE void POOL(sum)(const int how, const REAL *x, REAL *y, ptrdiff_t down,
                             ptrdiff_t right, pool_taps us, pool_taps vs, ptrdiff_t step,
                             ptrdiff_t n)
{
    SIMD(v) sum = SIMD(_set1)(0);
    for (ptrdiff_t u = us.first; u < us.end; u++)
        for (ptrdiff_t v = vs.first; v < vs.end; v++)
            sum = SIMD(_add)(sum, POOL(load)(x + u * down + v * right, how, step, n));
    POOL(store)(y, sum, how, n);
}

/* n results side by side in y. */
ALWAYS_INLINE void POOL(run)(const int how, const REAL *x, REAL *y, const pool_window *w,
                             pool_taps us, pool_taps vs, ptrdiff_t step, ptrdiff_t n)
{
    const ptrdiff_t down = w->width * w->channels, right = w->channels;
    if (n < LANES) {
        POOL(sum)(POOL_PART, x, y, down, right, us, vs, step, n);
        return;
    }
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        if (i > n - LANES) i = n - LANES;
        POOL(sum)(how, x + i * step, y + i, down, right, us, vs, step, LANES);
    }
}

/* One row of outputs: the sums over what the windows hold of the image x. */
static void POOL(row)(const REAL *x, REAL *y, const pool_window *w, ptrdiff_t row)
{
    const ptrdiff_t top = row * w->stride_h - w->pad_h, channels = w->channels;
    const ptrdiff_t over = (LANES - 1) / channels;
    const pool_taps us = pool_within(top, w->kernel_h, 1, w->height);
    x += top * w->width * channels;
    for (ptrdiff_t column = 0; column < w->out_width; column++) {
        const ptrdiff_t left = column * w->stride_w - w->pad_w, stride = w->stride_w;
        const pool_taps vs = pool_within(left, w->kernel_w, 1, w->width);
        const REAL *corner = x + left * channels;
        REAL *to = y + column * channels;
        const int inner = column >= w->inner && column < w->outer;
        if (channels > 1 || !inner) {
            /* Few channels' vectors reach over windows to the right, which come later. */
            const int reaches = channels < LANES && inner && column + over < w->outer;
            POOL(run)(POOL_WHOLE, corner, to, w, us, vs, 1, reaches ? LANES : channels);
            continue;
        }
        /* All windows of one channel that lie within the row. */
        const ptrdiff_t n = w->outer - column;
        if (stride == 1) POOL(run)(POOL_WHOLE, corner, to, w, us, vs, 1, n);
        else if (stride == 2) POOL(run)(POOL_EVERY_OTHER, corner, to, w, us, vs, 2, n);
        else POOL(run)(POOL_PART, corner, to, w, us, vs, stride, n);
        column = w->outer - 1;
    }
}

static void POOL(divide)(REAL *y, ptrdiff_t n, ptrdiff_t by)
{
    const REAL size = (REAL)by;
    VECTORS for (ptrdiff_t i = 0; i < n; i++) y[i] /= size;
}

/* total[c] = the sum of x[p, c] over all pixels p, of n channels, in double. Pixel p goes to part p % PARTS
 * of its channel's sum: one sum alone would wait for each of its additions. So it is in planes too,
 * and the sums are the same to the bit. */
enum { POOL(PARTS) = 8 };

ALWAYS_INLINE void POOL(parts)(const REAL *x, ptrdiff_t pixels, ptrdiff_t channels, const ptrdiff_t n,
                               double *total)
{
    enum { PARTS = POOL(PARTS) };
    double parts[PARTS][PARTS] = {{0}};
    ptrdiff_t p = 0;
    for (; p + PARTS <= pixels; p += PARTS)
        UNROLL for (int part = 0; part < PARTS; part++, x += channels)
            VECTORS for (ptrdiff_t c = 0; c < n; c++) parts[part][c] += x[c];
    for (int part = 0; p < pixels; p++, part++, x += channels)
        for (ptrdiff_t c = 0; c < n; c++) parts[part][c] += x[c];
    for (ptrdiff_t c = 0; c < n; c++) {
        total[c] = parts[0][c];
        for (int part = 1; part < PARTS; part++) total[c] += parts[part][c];
    }
}

static void POOL(totals)(const REAL *x, ptrdiff_t pixels, ptrdiff_t channels, ptrdiff_t n,
                         double *total)
{
    enum { PARTS = POOL(PARTS) };
    double plane[PARTS] = {0};
    ptrdiff_t p = 0;
    if (channels > 1) {
        for (; n >= PARTS; n -= PARTS, x += PARTS, total += PARTS)
            POOL(parts)(x, pixels, channels, PARTS, total);
        if (n) POOL(parts)(x, pixels, channels, n, total);
        return;
    }
    for (; p + PARTS <= pixels; p += PARTS)
        VECTORS for (int part = 0; part < PARTS; part++) plane[part] += x[p + part];
    for (int part = 0; p < pixels; p++, part++) plane[part] += x[p];
    total[0] = plane[0];
    for (int part = 1; part < PARTS; part++) total[0] += plane[part];
}
