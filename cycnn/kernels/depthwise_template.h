/* The functions of depthwise.h for one type: included twice by it. */

static const REAL DEPTHWISE(zeros)[LANES];

#define INSIDE(c) (!edge || (size_t)(c) < columns)
/* What lies at p, or zeros if that is beside the image: without a branch. */
#define INPUT(c, p) SIMD(_load)(INSIDE(c) ? (p) : DEPTHWISE(zeros))

/* Where vector v of the channels begins: the last one overlaps its neighbour rather than end beyond
 * the pixel. Of fewer channels than lanes the vector ends beyond; then less is stored. */
ALWAYS_INLINE ptrdiff_t DEPTHWISE(channel)(ptrdiff_t v, ptrdiff_t channels)
{
    const ptrdiff_t last = channels > LANES ? channels - LANES : 0;
    return v * LANES < last ? v * LANES : last;
}

/* Adds a row of the image, with `upper` to the sums of a row of pixels, times the `taps` weights at
 * `weights`, and with `lower` to those of the row of pixels below it, times the weights at `above`:
 * those of the kernel's row above. Each input is loaded once for all taps that it meets. */
ALWAYS_INLINE void DEPTHWISE(add_row)(const int pixels, const int taps, const int edge,
                                      const int upper, const int lower, const REAL *p,
                                      ptrdiff_t pixel, ptrdiff_t column, ptrdiff_t step,
                                      size_t columns, const REAL *weights, const REAL *above,
                                      SIMD(v) *sums, SIMD(v) *sums_below)
{
    UNROLL for (int i = 0; i < pixels + taps - 1; i++, p += pixel) {
        SIMD(v) x = INPUT(column + i * step, p);
        KEEP(x);
        UNROLL for (int t = 0; t < taps; t++)
            if (i >= t && i - t < pixels) {
                if (upper)
                    sums[i - t] = SIMD(_fma)(x, SIMD(_load)(weights + t * LANES), sums[i - t]);
                if (lower)
                    sums_below[i - t] = SIMD(_fma)(x, SIMD(_load)(above + t * LANES),
                                                   sums_below[i - t]);
            }
    }
}

ALWAYS_INLINE void DEPTHWISE(store_row)(const int pixels, SIMD(v) *sums, int relu,
                                        ptrdiff_t channels, ptrdiff_t to_pixel, REAL *to)
{
    if (relu)
        UNROLL for (int i = 0; i < pixels; i++) sums[i] = SIMD(_max)(SIMD(_set1)(0), sums[i]);
    if (channels >= LANES) {
        UNROLL for (int i = 0; i < pixels; i++) SIMD(_store)(to + i * to_pixel, sums[i]);
    } else {
        REAL part[LANES];
        UNROLL for (int i = 0; i < pixels; i++) {
            SIMD(_store)(part, sums[i]);
            memcpy(to + i * to_pixel, part, channels * sizeof(REAL));
        }
    }
}

/* A tile of pixels from `first`, in one row or with `pair` in two; one vector of channels, the one
 * that begins with channel k. With `edge`, inputs may lie left or right of the image. Where pixels
 * are as far apart as taps, `taps` is their number, and elsewhere it is 0.
 *
 * What the next rows will read is sent for in the order of memory, `ahead`. What is written is sent
 * for too, in the same pixels of the next rows: no processor foresees that. */
ALWAYS_INLINE void DEPTHWISE(tile)(const int pixels, const int pair, const int taps,
                                   const int edge, const depthwise_row *s,
                                   const REAL *const *rows, const char *ahead, ptrdiff_t first,
                                   ptrdiff_t k, const REAL *b, const REAL *bias, REAL *to)
{
    SIMD(v) sums[DEPTHWISE_PIXELS], below[DEPTHWISE_PIXELS];
    const SIMD(v) start = bias ? SIMD(_load)(bias) : SIMD(_set1)(0);
    /* In local variables: the compiler must suppose that a vector's store changes anything else. */
    const ptrdiff_t pixel_step = s->pixel_step, tap_step = s->tap_step, channels = s->channels;
    const ptrdiff_t pixel = pixel_step * channels, step = tap_step * channels;
    const ptrdiff_t column = s->first + first * pixel_step, to_pixel = s->to_pixel;
    const ptrdiff_t kernel_rows = s->kernel_rows, row_taps = s->taps, to_next = s->to_next;
    const ptrdiff_t from = column * channels + k, bytes = s->ahead_each * pixels;
    const size_t columns = (size_t)s->columns;
    to += first * to_pixel + k;
    UNROLL for (int i = 0; i < pixels; i++) sums[i] = below[i] = start;
    for (ptrdiff_t line = 0; line < bytes; line += 64) PREFETCH_FOR_LATER(ahead + line);
    if (s->send)
        UNROLL for (int i = 0; i < pixels; i++) {
            PREFETCH_FOR_LATER(to + (1 + pair) * to_next + i * to_pixel);
            if (pair) PREFETCH_FOR_LATER(to + 3 * to_next + i * to_pixel);
        }
    if (taps) {
        ptrdiff_t r = 0;
        if (pair) {
            DEPTHWISE(add_row)(pixels, taps, edge, 1, 0, rows[0] + from, pixel, column, pixel_step,
                               columns, b, b, sums, below);
            for (r = 1, b += taps * LANES; r < kernel_rows; r++, b += taps * LANES)
                DEPTHWISE(add_row)(pixels, taps, edge, 1, 1, rows[r] + from, pixel, column,
                                   pixel_step, columns, b, b - taps * LANES, sums, below);
            DEPTHWISE(add_row)(pixels, taps, edge, 0, 1, rows[r] + from, pixel, column, pixel_step,
                               columns, b, b - taps * LANES, sums, below);
        } else {
            for (; r < kernel_rows; r++, b += taps * LANES)
                DEPTHWISE(add_row)(pixels, taps, edge, 1, 0, rows[r] + from, pixel, column,
                                   pixel_step, columns, b, b, sums, below);
        }
    } else {
        for (ptrdiff_t r = 0; r < kernel_rows; r++) {
            const REAL *p = rows[r] + from;
            for (ptrdiff_t t = 0; t < row_taps; t++, b += LANES, p += step) {
                const SIMD(v) weight = SIMD(_load)(b);
                UNROLL for (int i = 0; i < pixels; i++) {
                    const SIMD(v) x = INPUT(column + i * pixel_step + t * tap_step, p + i * pixel);
                    sums[i] = SIMD(_fma)(x, weight, sums[i]);
                }
            }
        }
    }
    DEPTHWISE(store_row)(pixels, sums, s->relu, channels, to_pixel, to);
    if (pair) DEPTHWISE(store_row)(pixels, below, s->relu, channels, to_pixel, to + to_next);
}

/* The same pixels of all channels. */
ALWAYS_INLINE void DEPTHWISE(tiles)(const int pixels, const int pair, const int taps,
                                    const int edge, const depthwise_row *s,
                                    const REAL *const *rows, const char *ahead, ptrdiff_t first,
                                    const REAL *b, const REAL *bias, REAL *to)
{
    const ptrdiff_t size = s->kernel_rows * s->taps * LANES, channels = s->channels;
    for (ptrdiff_t v = 0; v * LANES < channels; v++, b += size, ahead += s->ahead_each * pixels)
        DEPTHWISE(tile)(pixels, pair, taps, edge, s, rows, ahead, first,
                        DEPTHWISE(channel)(v, channels), b, bias ? bias + v * LANES : NULL, to);
}

ALWAYS_INLINE void DEPTHWISE(pixels)(const int pixels, const int pair, const depthwise_row *s,
                                     const REAL *const *rows, const char *ahead, const REAL *b,
                                     const REAL *bias, REAL *to)
{
    const ptrdiff_t count = s->count, each = s->ahead_each * ((s->channels + LANES - 1) / LANES);
    const int shared = s->shared ? (int)s->taps : 0;
    for (ptrdiff_t begin = 0; begin < count; begin += pixels) {
        /* The last tile computes some of its neighbour's pixels again. */
        const ptrdiff_t i = begin + pixels <= count ? begin : count - pixels;
        const int edge = i < s->inner || i + pixels > s->inner_end;
        const char *sent = ahead + begin * each;
#define DEPTHWISE_CASE(taps)                                                                      \
    case 2 * taps:                                                                                \
        DEPTHWISE(tiles)(pixels, pair, taps, 0, s, rows, sent, i, b, bias, to);                   \
        break;                                                                                    \
    case 2 * taps + 1:                                                                            \
        DEPTHWISE(tiles)(pixels, pair, taps, 1, s, rows, sent, i, b, bias, to);                   \
        break;
        switch (2 * shared + edge) {
            DEPTHWISE_CASE(3)
            DEPTHWISE_CASE(5)
            DEPTHWISE_CASE(7)
            default: if (!pair) switch (edge) { DEPTHWISE_CASE(0) }
        }
#undef DEPTHWISE_CASE
    }
}

/* One row. rows[r]: the row of the image under kernel row r, zeros above and below it.
 * b[vector of channels, kernel row, tap] and bias[vector] (or NULL) are vectors. */
LOCAL void DEPTHWISE(line)(const depthwise_row *s, const REAL *const *rows, const char *ahead,
                           const REAL *b, const REAL *bias, REAL *to)
{
    if (s->count >= DEPTHWISE_PIXELS)
        DEPTHWISE(pixels)(DEPTHWISE_PIXELS, 0, s, rows, ahead, b, bias, to);
    else if (s->count >= DEPTHWISE_PIXELS / 2)
        DEPTHWISE(pixels)(DEPTHWISE_PIXELS / 2, 0, s, rows, ahead, b, bias, to);
    else
        for (ptrdiff_t i = 0; i < s->count; i++)
            DEPTHWISE(tiles)(1, 0, 0, 1, s, rows, ahead, i, b, bias, to);
}

/* Two rows, the second one row of the image below the first: most of what they read is the same.
 * There is one more of `rows`; for s->pairs. */
LOCAL void DEPTHWISE(two_lines)(const depthwise_row *s, const REAL *const *rows, const char *ahead,
                                const REAL *b, const REAL *bias, REAL *to)
{
    DEPTHWISE(pixels)(DEPTHWISE_PIXELS / 2, 1, s, rows, ahead, b, bias, to);
}

/* sums[t] += dy times the input under tap `tap` + t of a kernel row that lies on `row` of the image,
 * for pixels begin <= i < end of the vector that begins with channel k. */
ALWAYS_INLINE void DEPTHWISE(add)(const int taps, const depthwise_row *s, const REAL *row,
                                  ptrdiff_t tap, ptrdiff_t k, const REAL *dy, ptrdiff_t begin,
                                  ptrdiff_t end, REAL *sums)
{
    SIMD(v) total[5];
    const ptrdiff_t pixel = s->pixel_step * s->channels, step = s->tap_step * s->channels;
    const size_t columns = (size_t)s->columns;
    const int edge = begin < s->inner || end > s->inner_end;
    ptrdiff_t column = s->first + begin * s->pixel_step + tap * s->tap_step;
    const REAL *p = row + column * s->channels + k;
    UNROLL for (int t = 0; t < taps; t++) total[t] = SIMD(_load)(sums + t * LANES);
    dy += begin * s->to_pixel + k;
    for (ptrdiff_t i = begin; i < end; i++) {
        const SIMD(v) d = SIMD(_load)(dy);
        UNROLL for (int t = 0; t < taps; t++)
            total[t] = SIMD(_fma)(INPUT(column + t * s->tap_step, p + t * step), d, total[t]);
        p += pixel, dy += s->to_pixel, column += s->pixel_step;
    }
    UNROLL for (int t = 0; t < taps; t++) SIMD(_store)(sums + t * LANES, total[t]);
}

/* total[r][t] += the same for a tile of pixels from `dy` on, and with `pair` for those of the row of
 * dy below, of a kernel of size x size whose taps are neighbours; pixels are `step` columns apart.
 * p[r] is the row under kernel row r, at the column under the first pixel's first tap. Each input is
 * loaded once for all pixels and taps that meet it. */
ALWAYS_INLINE void DEPTHWISE(add_tile)(const int pixels, const int size, const int step,
                                       const int pair, const int edge, const REAL *const *p,
                                       ptrdiff_t channels, ptrdiff_t column, size_t columns,
                                       const REAL *dy, const REAL *below, ptrdiff_t to_pixel,
                                       SIMD(v) total[5][5])
{
    SIMD(v) d[DEPTHWISE_TILE], d_below[DEPTHWISE_TILE];
    UNROLL for (int i = 0; i < pixels; i++) {
        d[i] = SIMD(_load)(dy + i * to_pixel);
        d_below[i] = pair ? SIMD(_load)(below + i * to_pixel) : d[i];
        KEEP(d[i]);
        if (pair) KEEP(d_below[i]);
    }
    UNROLL for (int i = 0; i < (pixels - 1) * step + size; i++)
        UNROLL for (int r = 0; r < size + pair; r++) {
            SIMD(v) x = INPUT(column + i, p[r] + i * channels);
            KEEP(x);
            UNROLL for (int t = 0; t < size; t++)
                if (i >= t && (i - t) % step == 0 && (i - t) / step < pixels) {
                    if (r < size) total[r][t] = SIMD(_fma)(x, d[(i - t) / step], total[r][t]);
                    if (pair && r > 0)
                        total[r - 1][t] = SIMD(_fma)(x, d_below[(i - t) / step], total[r - 1][t]);
                }
        }
}

/* The sums of one vector of channels over pixels begin <= i < end. */
ALWAYS_INLINE void DEPTHWISE(add_tiles)(const int size, const int step, const int pair,
                                        const depthwise_row *s, const REAL *const *rows,
                                        ptrdiff_t k, const REAL *dy, const REAL *below,
                                        ptrdiff_t begin, ptrdiff_t end, REAL *sums)
{
    SIMD(v) total[5][5];
    const REAL *p[6];
    const ptrdiff_t channels = s->channels, to_pixel = s->to_pixel;
    UNROLL for (int r = 0; r < size; r++)
        UNROLL for (int t = 0; t < size; t++)
            total[r][t] = SIMD(_load)(sums + (r * size + t) * LANES);
    for (ptrdiff_t i = begin; i < end;) {
        const ptrdiff_t column = s->first + i * step, o = i * to_pixel + k;
        const REAL *second = pair ? below + o : NULL;
        UNROLL for (int r = 0; r < size + pair; r++) p[r] = rows[r] + column * channels + k;
        if (i + DEPTHWISE_TILE > end) {
            DEPTHWISE(add_tile)(1, size, step, pair, 1, p, channels, column, s->columns, dy + o,
                                second, to_pixel, total);
            i++;
        } else if (i < s->inner || i + DEPTHWISE_TILE > s->inner_end) {
            DEPTHWISE(add_tile)(DEPTHWISE_TILE, size, step, pair, 1, p, channels, column,
                                s->columns, dy + o, second, to_pixel, total);
            i += DEPTHWISE_TILE;
        } else {
            DEPTHWISE(add_tile)(DEPTHWISE_TILE, size, step, pair, 0, p, channels, column,
                                s->columns, dy + o, second, to_pixel, total);
            i += DEPTHWISE_TILE;
        }
    }
    UNROLL for (int r = 0; r < size; r++)
        UNROLL for (int t = 0; t < size; t++)
            SIMD(_store)(sums + (r * size + t) * LANES, total[r][t]);
}

/* The same for all taps of a kernel of any size; `below` is the next row of dy or NULL. */
LOCAL void DEPTHWISE(add_taps)(const depthwise_row *s, const REAL *const *rows, ptrdiff_t k,
                               const REAL *dy, const REAL *below, ptrdiff_t begin, ptrdiff_t end,
                               REAL *sums)
{
    const ptrdiff_t step = s->tap_step == 1 ? s->pixel_step : 0;
    const int three = s->kernel_rows == 3 && s->taps == 3;
    const int five = DEPTHWISE_WIDE && s->kernel_rows == 5 && s->taps == 5;
    if (three && below) {
        DEPTHWISE(add_tiles)(3, 1, 1, s, rows, k, dy, below, begin, end, sums);
    } else if (three && step == 1) {
        DEPTHWISE(add_tiles)(3, 1, 0, s, rows, k, dy, NULL, begin, end, sums);
    } else if (three && step == 2) {
        DEPTHWISE(add_tiles)(3, 2, 0, s, rows, k, dy, NULL, begin, end, sums);
    } else if (five && step == 1) {
        DEPTHWISE(add_tiles)(5, 1, 0, s, rows, k, dy, NULL, begin, end, sums);
    } else if (five && step == 2) {
        DEPTHWISE(add_tiles)(5, 2, 0, s, rows, k, dy, NULL, begin, end, sums);
    } else {
        for (ptrdiff_t r = 0; r < s->kernel_rows; r++, rows++) {
            ptrdiff_t t = 0;
            for (; t + 5 <= s->taps; t += 5, sums += 5 * LANES)
                DEPTHWISE(add)(5, s, *rows, t, k, dy, begin, end, sums);
            for (; t + 3 <= s->taps; t += 3, sums += 3 * LANES)
                DEPTHWISE(add)(3, s, *rows, t, k, dy, begin, end, sums);
            for (; t < s->taps; t++, sums += LANES)
                DEPTHWISE(add)(1, s, *rows, t, k, dy, begin, end, sums);
        }
    }
}

/* sums[vector of channels, kernel row, tap] += what one row of dy and the rows of x under it give, or
 * that one and the row below it; and with `bias` sums[vector, after the taps] += dy. What the next
 * rows will read is sent for: of x from `ahead`, of dy from `dy_ahead` on. */
LOCAL void DEPTHWISE(gradient_line)(const depthwise_row *s, const REAL *const *rows,
                                    const char *ahead, const REAL *dy, const REAL *below,
                                    const char *dy_ahead, int bias, REAL *sums)
{
    const ptrdiff_t taps = s->kernel_rows * s->taps, count = s->count;
    const ptrdiff_t dy_each = (below ? 2 : 1) * LANES * (ptrdiff_t)sizeof(REAL);
    for (ptrdiff_t begin = 0; begin < count; begin += DEPTHWISE_STRETCH) {
        const ptrdiff_t end = begin + DEPTHWISE_STRETCH < count ? begin + DEPTHWISE_STRETCH : count;
        const ptrdiff_t bytes = s->ahead_each * (end - begin), dy_bytes = dy_each * (end - begin);
        REAL *sum = sums;
        for (ptrdiff_t v = 0; v * LANES < s->channels; v++, sum += (taps + 1) * LANES) {
            const ptrdiff_t k = DEPTHWISE(channel)(v, s->channels);
            for (ptrdiff_t line = 0; line < bytes; line += 64) PREFETCH_FOR_LATER(ahead + line);
            for (ptrdiff_t line = 0; line < dy_bytes; line += 64)
                PREFETCH_FOR_LATER(dy_ahead + line);
            ahead += bytes, dy_ahead += dy_bytes;
            DEPTHWISE(add_taps)(s, rows, k, dy, below, begin, end, sum);
            if (bias) {
                SIMD(v) total = SIMD(_load)(sum + taps * LANES);
                for (ptrdiff_t i = begin; i < end; i++)
                    total = SIMD(_add)(total, SIMD(_load)(dy + i * s->to_pixel + k));
                for (ptrdiff_t i = begin; below && i < end; i++)
                    total = SIMD(_add)(total, SIMD(_load)(below + i * s->to_pixel + k));
                SIMD(_store)(sum + taps * LANES, total);
            }
        }
    }
}

#undef INPUT
#undef INSIDE
#undef REAL
#undef SIMD
#undef LANES
#undef DEPTHWISE
