/* Maxima, for one pair of types: REAL numbers in vectors SIMD(v) of LANES, TAP winners, POOL(...)
 * the name. */

/* Winner row * kernel_w + column. A byte's is all in `column`, as is that of a 2 x 2 window. */
ALWAYS_INLINE void POOL(store_winners)(TAP *winner, SIMD(v) row, SIMD(v) column,
                                       ptrdiff_t kernel_w, const int how, ptrdiff_t n)
{
    unsigned char part[LANES];
    REAL rows[LANES], columns[LANES];
    if (sizeof(TAP) > 1) {
        SIMD(_store)(rows, row);
        SIMD(_store)(columns, column);
        for (ptrdiff_t i = 0; i < n; i++)
            winner[i] = (TAP)((TAP)rows[i] * (TAP)kernel_w + (TAP)columns[i]);
    } else if (how == POOL_PART) {
        SIMD(_bytes)(part, column);
        memcpy(winner, part, n);
    } else {
        SIMD(_bytes)((unsigned char *)winner, column);
    }
}

/* y = the maxima of n <= LANES windows, whose pixels for tap (u, v) begin at
 * x + u * down + v * right and lie `step` apart, and with `wanted` winner = the first maximum, or the last NaN. */
ALWAYS_INLINE void POOL(any)(const int wanted, const int how, const REAL *x, REAL *y, TAP *winner,
                             ptrdiff_t down, ptrdiff_t right, ptrdiff_t kernel_w, pool_taps us,
                             pool_taps vs, ptrdiff_t step, ptrdiff_t n)
{
    const int bytes = sizeof(TAP) == 1;
    const SIMD(v) one = SIMD(_set1)(1);
    const ptrdiff_t first = (bytes ? us.first * kernel_w : 0) + vs.first;
    SIMD(v) best = SIMD(_set1)(-(REAL)INFINITY);
    SIMD(v) row = SIMD(_set1)((REAL)us.first), column = SIMD(_set1)((REAL)first);
    for (ptrdiff_t u = us.first; u < us.end; u++) {
        const SIMD(v) this_row = SIMD(_set1)((REAL)u);
        SIMD(v) tap = SIMD(_set1)((REAL)((bytes ? u * kernel_w : 0) + vs.first));
        for (ptrdiff_t v = vs.first; v < vs.end; v++) {
            SIMD(v) value = POOL(load)(x + u * down + v * right, how, step, n);
            KEEP(value);
            if (wanted) {
                column = SIMD(_select_wins)(value, best, tap, column);
                if (!bytes) row = SIMD(_select_wins)(value, best, this_row, row);
                tap = SIMD(_add)(tap, one);
            }
            best = SIMD(_select_wins)(value, best, value, best);
        }
    }
    POOL(store)(y, best, how, n);
    if (wanted) POOL(store_winners)(winner, row, column, kernel_w, how, n);
}

/* The same for whole windows of 2 x 2. */
ALWAYS_INLINE void POOL(four)(const int relu, const int wanted, const int how, const REAL *x,
                              REAL *y, TAP *winner, ptrdiff_t down, ptrdiff_t right,
                              ptrdiff_t step, ptrdiff_t n)
{
    SIMD(v) a = POOL(load)(x, how, step, n), b = POOL(load)(x + right, how, step, n);
    SIMD(v) c = POOL(load)(x + down, how, step, n);
    SIMD(v) d = POOL(load)(x + down + right, how, step, n), won;
    KEEP(a); KEEP(b); KEEP(c); KEEP(d);
    POOL(store)(y, POOL(square)(a, b, c, d, relu, &won), how, n);
    if (wanted) POOL(store_winners)(winner, SIMD(_set1)(0), won, 2, how, n);
}

/* LANES results, or n, side by side in y. With `square`, the windows are whole ones of 2 x 2. */
ALWAYS_INLINE void POOL(vector)(const int square, const int relu, const int wanted, const int how,
                                const REAL *x, REAL *y, TAP *winner, ptrdiff_t down,
                                ptrdiff_t right, ptrdiff_t kernel_w, pool_taps us, pool_taps vs,
                                ptrdiff_t step, ptrdiff_t n)
{
    if (square)
        POOL(four)(relu, wanted, how, x, y, winner, down, right, step, n);
    else
        POOL(any)(wanted, how, x, y, winner, down, right, kernel_w, us, vs, step, n);
}

/* n results. Memory is sent for from `ahead` on, unless that is NULL. */
ALWAYS_INLINE void POOL(run)(const int square, const int relu, const int wanted, const int how,
                             const REAL *x, REAL *y, TAP *winner, const pool_window *w,
                             pool_taps us, pool_taps vs, ptrdiff_t step, ptrdiff_t n,
                             const char *ahead)
{
    /* In local variables: the compiler must suppose that a vector's store changes anything else. */
    const ptrdiff_t down = w->dilation_h * w->width * w->channels;
    const ptrdiff_t right = w->dilation_w * w->channels, kernel_w = w->kernel_w;
    const ptrdiff_t forward = (square ? 4 : w->stride_h * w->stride_w) * LANES * sizeof(REAL);
    if (n < LANES) {
        POOL(vector)(square, relu, wanted, POOL_PART, x, y, winner, down, right, kernel_w, us, vs,
                     step, n);
        return;
    }
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        if (ahead)
            for (ptrdiff_t line = 0; line < forward; line += 64) PREFETCH(ahead + line);
        ahead += ahead ? forward : 0;
        if (i > n - LANES) i = n - LANES;
        POOL(vector)(square, relu, wanted, how, x + i * step, y + i, wanted ? winner + i : winner,
                     down, right, kernel_w, us, vs, step, LANES);
    }
}

/* The windows of columns [inner, outer), which lie within the row. */
ALWAYS_INLINE void POOL(inner)(const int square, const int relu, const int wanted, const REAL *x,
                               REAL *y, TAP *winner, const pool_window *w, pool_taps us)
{
    const ptrdiff_t begin = w->inner, end = w->outer;
    const ptrdiff_t channels = w->channels, stride = w->stride_w;
    const pool_taps vs = {0, w->kernel_w};
    /* In bytes for one number of y, as in `run`. */
    const ptrdiff_t forward = (square ? 4 : w->stride_h * stride) * sizeof(REAL);
    const char *ahead = (const char *)(x - w->pad_w * channels) + POOL_AHEAD;
    x += (begin * stride - w->pad_w) * channels;
    y += begin * channels;
    if (wanted) winner += begin * channels;
    if (channels == 1) {
        const ptrdiff_t n = end - begin;
        ahead += begin * forward;
        if (stride == 1)
            POOL(run)(square, relu, wanted, POOL_WHOLE, x, y, winner, w, us, vs, 1, n, ahead);
        else if (stride == 2)
            POOL(run)(square, relu, wanted, POOL_EVERY_OTHER, x, y, winner, w, us, vs, 2, n, ahead);
        else
            POOL(run)(square, relu, wanted, POOL_PART, x, y, winner, w, us, vs, stride, n, ahead);
        return;
    }
    /* A vector of few channels may reach over so many windows to the right. */
    const ptrdiff_t over = (LANES - 1) / channels;
    for (ptrdiff_t column = begin; column < end; column++) {
        const ptrdiff_t n = channels >= LANES || column + over >= end ? channels : LANES;
        POOL(run)(square, relu, wanted, POOL_WHOLE, x, y, winner, w, us, vs, 1, n,
                  ahead + column * channels * forward);
        x += stride * channels;
        y += channels;
        if (wanted) winner += channels;
    }
}

/* Each a function of its own: inlined into one, their loops would share its registers. */
#define POOL_INNER(name, square, relu, wanted)                                                    \
    static APART void POOL(name)(const REAL *x, REAL *y, TAP *winner, const pool_window *w,       \
                                 pool_taps us)                                                    \
    {                                                                                             \
        POOL(inner)(square, relu, wanted, x, y, winner, w, us);                                   \
    }
POOL_INNER(square_winners_relu, 1, 1, 1)
POOL_INNER(square_winners, 1, 0, 1)
POOL_INNER(square_relu, 1, 1, 0)
POOL_INNER(square_only, 1, 0, 0)
POOL_INNER(any_winners, 0, 0, 1)
POOL_INNER(any_only, 0, 0, 0)
#undef POOL_INNER

/* The window of one column, which may reach over the edges. */
static APART void POOL(edge)(const REAL *x, REAL *y, TAP *winner, const pool_window *w,
                             pool_taps us, ptrdiff_t column)
{
    const ptrdiff_t left = column * w->stride_w - w->pad_w, channels = w->channels;
    const pool_taps vs = pool_within(left, w->kernel_w, w->dilation_w, w->width);
    x += left * channels, y += column * channels;
    if (winner)
        POOL(run)(0, 0, 1, POOL_WHOLE, x, y, winner + column * channels, w, us, vs, 1, channels,
                  NULL);
    else
        POOL(run)(0, 0, 0, POOL_WHOLE, x, y, NULL, w, us, vs, 1, channels, NULL);
}

/* One row of outputs; x is the image, y and winner (or NULL) are the row. */
LOCAL void POOL(max_row)(const REAL *x, REAL *y, TAP *winner, const pool_window *w,
                          ptrdiff_t row)
{
    const ptrdiff_t top = row * w->stride_h - w->pad_h;
    const pool_taps us = pool_within(top, w->kernel_h, w->dilation_h, w->height);
    const int square = us.end - us.first == 2 && w->kernel_h == 2 && w->kernel_w == 2
        && w->stride_h == 2 && w->stride_w == 2;
    x += top * w->width * w->channels;
    if (w->inner < w->outer)
        switch (4 * square + 2 * (square && w->relu) + (winner != NULL)) {
            case 7: POOL(square_winners_relu)(x, y, winner, w, us); break;
            case 6: POOL(square_relu)(x, y, winner, w, us); break;
            case 5: POOL(square_winners)(x, y, winner, w, us); break;
            case 4: POOL(square_only)(x, y, winner, w, us); break;
            case 1: POOL(any_winners)(x, y, winner, w, us); break;
            default: POOL(any_only)(x, y, winner, w, us);
        }
    for (ptrdiff_t column = 0; column < w->out_width; column++)
        if (column < w->inner || column >= w->outer) POOL(edge)(x, y, winner, w, us, column);
}
