/* The functions of depthwise.h for one type: included twice by it. */

/* Where vector v of the channels begins: the last one overlaps its neighbour rather than end beyond
 * the pixel. Of fewer channels than lanes the vector ends beyond; then less is stored. */
ALWAYS_INLINE ptrdiff_t DEPTHWISE(channel)(ptrdiff_t v, ptrdiff_t channels)
{
    const ptrdiff_t last = channels > LANES ? channels - LANES : 0;
    return v * LANES < last ? v * LANES : last;
}

/* A tile of pixels from `first`; one vector of channels, the one that begins with channel k. With
 * `edge`, inputs may lie left or right of the image. Where pixels are as far apart as taps, `taps`
 * is their number, and each input is loaded once for all taps of a kernel row that it meets;
 * elsewhere it is 0. The processor foresees what is read, but not what is written: the same pixels
 * of the next row are sent for. */
ALWAYS_INLINE void DEPTHWISE(tile)(const int pixels, const int taps, const int edge,
                                   const depthwise_row *s, const REAL *const *rows,
                                   ptrdiff_t first, ptrdiff_t k, const REAL *b, const REAL *bias,
                                   REAL *to)
{
    SIMD(v) sums[DEPTHWISE_PIXELS];
    const SIMD(v) start = bias ? SIMD(_load)(bias) : SIMD(_set1)(0);
    /* In local variables: the compiler must suppose that a vector's store changes anything else. */
    const ptrdiff_t pixel_step = s->pixel_step, tap_step = s->tap_step, channels = s->channels;
    const ptrdiff_t pixel = pixel_step * channels, step = tap_step * channels;
    const ptrdiff_t column = s->first + first * pixel_step, to_pixel = s->to_pixel;
    const ptrdiff_t kernel_rows = s->kernel_rows, row_taps = s->taps;
    const size_t columns = (size_t)s->columns;
    const int relu = s->relu;
#define INSIDE(c) (!edge || (size_t)(c) < columns)
    to += first * to_pixel + k;
    UNROLL for (int i = 0; i < pixels; i++) sums[i] = start;
    if (s->send)
        UNROLL for (int i = 0; i < pixels; i++)
            PREFETCH_TO_WRITE(to + s->to_next + i * to_pixel);
    for (ptrdiff_t r = 0; r < kernel_rows; r++) {
        const REAL *p = rows[r] + column * channels + k;
        if (taps) {
            SIMD(v) weight[7];
            UNROLL for (int t = 0; t < taps; t++, b += LANES) weight[t] = SIMD(_load)(b);
            UNROLL for (int i = 0; i < pixels + taps - 1; i++, p += pixel) {
                const SIMD(v) x = INSIDE(column + i * pixel_step) ? SIMD(_load)(p) : SIMD(_set1)(0);
                UNROLL for (int t = 0; t < taps; t++)
                    if (i >= t && i - t < pixels)
                        sums[i - t] = SIMD(_fma)(x, weight[t], sums[i - t]);
            }
        } else {
            for (ptrdiff_t t = 0; t < row_taps; t++, b += LANES, p += step) {
                const SIMD(v) weight = SIMD(_load)(b);
                UNROLL for (int i = 0; i < pixels; i++) {
                    const SIMD(v) x = INSIDE(column + i * pixel_step + t * tap_step)
                        ? SIMD(_load)(p + i * pixel) : SIMD(_set1)(0);
                    sums[i] = SIMD(_fma)(x, weight, sums[i]);
                }
            }
        }
    }
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

/* The same pixels of all channels. */
ALWAYS_INLINE void DEPTHWISE(tiles)(const int pixels, const int taps, const int edge,
                                    const depthwise_row *s, const REAL *const *rows,
                                    ptrdiff_t first, const REAL *b, const REAL *bias, REAL *to)
{
    const ptrdiff_t size = s->kernel_rows * s->taps * LANES, channels = s->channels;
    for (ptrdiff_t v = 0; v * LANES < channels; v++, b += size)
        DEPTHWISE(tile)(pixels, taps, edge, s, rows, first, DEPTHWISE(channel)(v, channels),
                        b, bias ? bias + v * LANES : NULL, to);
}

ALWAYS_INLINE void DEPTHWISE(pixels)(const int pixels, const depthwise_row *s,
                                     const REAL *const *rows, const REAL *b, const REAL *bias,
                                     REAL *to)
{
    const ptrdiff_t count = s->count;
    const ptrdiff_t taps = s->taps;
    const int together = s->pixel_step == s->tap_step && (taps == 3 || taps == 5 || taps == 7);
    const int shared = together ? (int)taps : 0;
    for (ptrdiff_t begin = 0; begin < count; begin += pixels) {
        /* The last tile computes some of its neighbour's pixels again. */
        const ptrdiff_t i = begin + pixels <= count ? begin : count - pixels;
        const int edge = i < s->inner || i + pixels > s->inner_end;
#define DEPTHWISE_CASE(taps)                                                                      \
    case 2 * taps: DEPTHWISE(tiles)(pixels, taps, 0, s, rows, i, b, bias, to); break;             \
    case 2 * taps + 1: DEPTHWISE(tiles)(pixels, taps, 1, s, rows, i, b, bias, to); break;
        switch (2 * shared + edge) {
            DEPTHWISE_CASE(0)
            DEPTHWISE_CASE(3)
            DEPTHWISE_CASE(5)
            DEPTHWISE_CASE(7)
        }
#undef DEPTHWISE_CASE
    }
}

/* One row. rows[r]: the row of the image under kernel row r, zeros above and below it.
 * b[vector of channels, kernel row, tap] and bias[vector] (or NULL) are vectors. */
LOCAL void DEPTHWISE(line)(const depthwise_row *s, const REAL *const *rows, const REAL *b,
                           const REAL *bias, REAL *to)
{
    if (s->count >= DEPTHWISE_PIXELS)
        DEPTHWISE(pixels)(DEPTHWISE_PIXELS, s, rows, b, bias, to);
    else if (s->count >= DEPTHWISE_PIXELS / 2)
        DEPTHWISE(pixels)(DEPTHWISE_PIXELS / 2, s, rows, b, bias, to);
    else
        for (ptrdiff_t i = 0; i < s->count; i++)
            DEPTHWISE(tiles)(1, 0, 1, s, rows, i, b, bias, to);
}

/* sums[r, t] += dy times the input under tap (r, tap + t), for pixels begin <= i < end of the
 * vector that begins with channel k, and the taps whose sums fit in the registers: `taps` of each
 * of kernel_rows rows. Rows of sums are `row` vectors long. */
ALWAYS_INLINE void DEPTHWISE(add)(const int kernel_rows, const int taps, const depthwise_row *s,
                                  const REAL *const *rows, ptrdiff_t tap, ptrdiff_t k,
                                  const REAL *dy, ptrdiff_t begin, ptrdiff_t end, REAL *sums,
                                  ptrdiff_t row)
{
    SIMD(v) total[5][5];
    const REAL *p[5];
    const ptrdiff_t pixel = s->pixel_step * s->channels, step = s->tap_step * s->channels;
    ptrdiff_t column = s->first + begin * s->pixel_step + tap * s->tap_step, i = begin;
    UNROLL for (int r = 0; r < kernel_rows; r++) {
        p[r] = rows[r] + column * s->channels + k;
        UNROLL for (int t = 0; t < taps; t++)
            total[r][t] = SIMD(_load)(sums + (r * row + t) * LANES);
    }
    dy += begin * s->to_pixel + k;
#define DEPTHWISE_ADD(limit, INSIDE)                                                              \
    for (; i < (limit); i++, dy += s->to_pixel, column += s->pixel_step) {                        \
        const SIMD(v) d = SIMD(_load)(dy);                                                        \
        UNROLL for (int r = 0; r < kernel_rows; r++) {                                            \
            UNROLL for (int t = 0; t < taps; t++)                                                 \
                total[r][t] = SIMD(_fma)(INSIDE(column + t * s->tap_step)                         \
                                         ? SIMD(_load)(p[r] + t * step) : SIMD(_set1)(0),         \
                                         d, total[r][t]);                                         \
            p[r] += pixel;                                                                        \
            FORGET(p[r]);                                                                         \
        }                                                                                         \
    }
#define ALL_INSIDE(c) 1
#define MAYBE_INSIDE(c) ((size_t)(c) < (size_t)s->columns)
    DEPTHWISE_ADD(s->inner < end ? s->inner : end, MAYBE_INSIDE)
    DEPTHWISE_ADD(s->inner_end < end ? s->inner_end : end, ALL_INSIDE)
    DEPTHWISE_ADD(end, MAYBE_INSIDE)
#undef MAYBE_INSIDE
#undef ALL_INSIDE
#undef DEPTHWISE_ADD
    UNROLL for (int r = 0; r < kernel_rows; r++)
        UNROLL for (int t = 0; t < taps; t++)
            SIMD(_store)(sums + (r * row + t) * LANES, total[r][t]);
}

/* The same for all taps of a kernel of any size. */
LOCAL void DEPTHWISE(add_taps)(const depthwise_row *s, const REAL *const *rows, ptrdiff_t k,
                               const REAL *dy, ptrdiff_t begin, ptrdiff_t end, REAL *sums)
{
    if (s->kernel_rows == 3 && s->taps == 3) {
        DEPTHWISE(add)(3, 3, s, rows, 0, k, dy, begin, end, sums, 3);
    } else if (DEPTHWISE_WIDE && s->kernel_rows == 5 && s->taps == 5) {
        DEPTHWISE(add)(5, 5, s, rows, 0, k, dy, begin, end, sums, 5);
    } else {
        for (ptrdiff_t r = 0; r < s->kernel_rows; r++, rows++) {
            ptrdiff_t t = 0;
            for (; t + 5 <= s->taps; t += 5, sums += 5 * LANES)
                DEPTHWISE(add)(1, 5, s, rows, t, k, dy, begin, end, sums, 0);
            for (; t + 3 <= s->taps; t += 3, sums += 3 * LANES)
                DEPTHWISE(add)(1, 3, s, rows, t, k, dy, begin, end, sums, 0);
            for (; t < s->taps; t++, sums += LANES)
                DEPTHWISE(add)(1, 1, s, rows, t, k, dy, begin, end, sums, 0);
        }
    }
}

/* sums[vector of channels, kernel row, tap] += what one row of dy and the rows of x under it give,
 * and with `bias` sums[vector, after the taps] += dy. */
LOCAL void DEPTHWISE(gradient_line)(const depthwise_row *s, const REAL *const *rows,
                                    const REAL *dy, int bias, REAL *sums)
{
    const ptrdiff_t taps = s->kernel_rows * s->taps, count = s->count;
    for (ptrdiff_t begin = 0; begin < count; begin += DEPTHWISE_STRETCH) {
        const ptrdiff_t end = begin + DEPTHWISE_STRETCH < count ? begin + DEPTHWISE_STRETCH : count;
        REAL *sum = sums;
        for (ptrdiff_t v = 0; v * LANES < s->channels; v++, sum += (taps + 1) * LANES) {
            const ptrdiff_t k = DEPTHWISE(channel)(v, s->channels);
            DEPTHWISE(add_taps)(s, rows, k, dy, begin, end, sum);
            if (bias) {
                SIMD(v) total = SIMD(_load)(sum + taps * LANES);
                for (ptrdiff_t i = begin; i < end; i++)
                    total = SIMD(_add)(total, SIMD(_load)(dy + i * s->to_pixel + k));
                SIMD(_store)(sum + taps * LANES, total);
            }
        }
    }
}

#undef INSIDE
#undef REAL
#undef SIMD
#undef LANES
#undef DEPTHWISE
