/* The functions of strips.h for one type: REAL, its vectors SIMD(...), LANES of them,
 * STRIPS(...) the name. Included twice by strips.h, before strips_pool_template.h. */

/* LANES numbers of every lane: to[i * LANES + lane] = from[lane][i]. */
ALWAYS_INLINE void STRIPS(interleave_square)(const REAL *const *from, ptrdiff_t i, REAL *to)
{
    SIMD(v) a[LANES];
    UNROLL for (int k = 0; k < LANES; k++) a[SIMD(_place)(k)] = SIMD(_load)(from[k] + i);
    SIMD(_transpose_square)(a);
    UNROLL for (int k = 0; k < LANES; k++) SIMD(_store)(to + k * LANES, a[k]);
}

/* The same back; the matrix being square, what was a lane is a number now. */
ALWAYS_INLINE void STRIPS(part_square)(const REAL *from, ptrdiff_t i, REAL *const *to)
{
    SIMD(v) a[LANES];
    UNROLL for (int k = 0; k < LANES; k++) a[SIMD(_place)(k)] = SIMD(_load)(from + k * LANES);
    SIMD(_transpose_square)(a);
    UNROLL for (int k = 0; k < LANES; k++) SIMD(_store)(to[k] + i, a[k]);
}

/* to[i * LANES + lane] = from[lane][i] for i < count. The last square begins early enough to end
 * with the row; what is shorter than a square passes through one. */
LOCAL void STRIPS(interleave)(const REAL *const *from, ptrdiff_t count, REAL *to)
{
    if (count < LANES) {
        REAL rows[LANES][LANES], square[LANES * LANES];
        const REAL *row[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            memcpy(rows[lane], from[lane], count * sizeof(REAL));
            row[lane] = rows[lane];
        }
        STRIPS(interleave_square)(row, 0, square);
        memcpy(to, square, count * LANES * sizeof(REAL));
        return;
    }
    for (ptrdiff_t first = 0; first < count; first += LANES) {
        const ptrdiff_t i = first + LANES <= count ? first : count - LANES;
        STRIPS(interleave_square)(from, i, to + i * LANES);
    }
}

/* The reverse: to[lane][i] = from[i * LANES + lane]. */
LOCAL void STRIPS(part)(const REAL *from, ptrdiff_t count, REAL *const *to)
{
    if (count < LANES) {
        REAL rows[LANES][LANES], square[LANES * LANES];
        REAL *row[LANES];
        memcpy(square, from, count * LANES * sizeof(REAL));
        for (int lane = 0; lane < LANES; lane++) row[lane] = rows[lane];
        STRIPS(part_square)(square, 0, row);
        for (int lane = 0; lane < LANES; lane++)
            memcpy(to[lane], rows[lane], count * sizeof(REAL));
        return;
    }
    for (ptrdiff_t first = 0; first < count; first += LANES) {
        const ptrdiff_t i = first + LANES <= count ? first : count - LANES;
        STRIPS(part_square)(from + i * LANES, i, to);
    }
}

/* Send for the cache lines that numbers begin <= i < end of each lane will be written to. */
LOCAL void STRIPS(send_for)(REAL *const *to, ptrdiff_t begin, ptrdiff_t end)
{
    const ptrdiff_t line = 64 / sizeof(REAL);
    for (ptrdiff_t i = begin; i < end; i += line)
        for (int lane = 0; lane < LANES; lane++) PREFETCH_TO_WRITE(to[lane] + i);
}

/* One tile: `rows` channels of `columns` pixels. weight has `rows` numbers a term. */
ALWAYS_INLINE void STRIPS(loop)(const int rows, const int columns, const strips_sum *s,
                                const REAL *x, const REAL *weight, const REAL *bias, REAL *out)
{
    SIMD(v) sums[STRIPS_ROWS][STRIPS_COLUMNS];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < columns; v++) sums[i][v] = SIMD(_set1)(bias ? bias[i] : 0);
    const ptrdiff_t *offsets = s->offsets, n_terms = s->n_terms, x_pixel = s->x_pixel;
    for (ptrdiff_t t = 0; t < n_terms; t++) {
        const REAL *q = x + offsets[t];
        SIMD(v) pixels[STRIPS_COLUMNS];
        UNROLL for (int v = 0; v < columns; v++) pixels[v] = SIMD(_load)(q + v * x_pixel);
        UNROLL for (int i = 0; i < rows; i++) {
            SIMD(v) w = SIMD(_set1)(weight[i]);
            UNROLL for (int v = 0; v < columns; v++)
                sums[i][v] = SIMD(_fma)(pixels[v], w, sums[i][v]);
        }
        weight += rows;
    }
    if (s->relu)
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int v = 0; v < columns; v++)
                sums[i][v] = SIMD(_max)(SIMD(_set1)(0), sums[i][v]);
    UNROLL for (int v = 0; v < columns; v++)
        UNROLL for (int i = 0; i < rows; i++)
            SIMD(_store)(out + v * s->out_pixel + i * LANES, sums[i][v]);
}

/* The weight gradient's tile: `rows` channels of dy times `terms` numbers of x, summed over pixels
 * and added to what the sums hold, if anything. */
ALWAYS_INLINE void STRIPS(weight_loop)(const int rows, const int terms,
                                       const strips_weight_sum *s, const REAL *x,
                                       const REAL *dy, const ptrdiff_t *offsets, REAL *c)
{
    SIMD(v) sums[STRIPS_WEIGHT_ROWS][STRIPS_COLUMNS];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int t = 0; t < terms; t++)
            sums[i][t] = s->from_zero ? SIMD(_set1)(0)
                                      : SIMD(_load)(c + i * s->sums_row + t * LANES);
    for (ptrdiff_t row = 0; row < s->n_rows; row++) {
        const REAL *q = x + row * s->x_row, *d = dy + row * s->dy_row;
        for (ptrdiff_t w = s->n_columns; w > 0; w--) {
            SIMD(v) left[STRIPS_WEIGHT_ROWS];
            UNROLL for (int i = 0; i < rows; i++) left[i] = SIMD(_load)(d + i * LANES);
            UNROLL for (int t = 0; t < terms; t++) {
                SIMD(v) right = SIMD(_load)(q + offsets[t]);
                UNROLL for (int i = 0; i < rows; i++)
                    sums[i][t] = SIMD(_fma)(left[i], right, sums[i][t]);
            }
            q += s->x_pixel;
            d += s->dy_pixel;
        }
    }
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int t = 0; t < terms; t++)
            SIMD(_store)(c + i * s->sums_row + t * LANES, sums[i][t]);
}

/* The sums of `channels` channels over n pixels, added to what `to` holds: one vector a channel, to_row
 * numbers apart. Some channels side by side, as one sum alone would wait for itself. */
ALWAYS_INLINE void STRIPS(add_loop)(const int channels, const REAL *x, ptrdiff_t pixel, ptrdiff_t n,
                                    REAL *to, ptrdiff_t to_row)
{
    SIMD(v) sums[STRIPS_ADDED];
    UNROLL for (int k = 0; k < channels; k++) sums[k] = SIMD(_load)(to + k * to_row);
    for (ptrdiff_t p = 0; p < n; p++, x += pixel)
        UNROLL for (int k = 0; k < channels; k++)
            sums[k] = SIMD(_add)(sums[k], SIMD(_load)(x + k * LANES));
    UNROLL for (int k = 0; k < channels; k++) SIMD(_store)(to + k * to_row, sums[k]);
}

LOCAL void STRIPS(add)(const REAL *x, ptrdiff_t channels, ptrdiff_t n, REAL *to, ptrdiff_t to_row)
{
    const ptrdiff_t pixel = channels * LANES;
    ptrdiff_t k = 0;
    for (; k + STRIPS_ADDED <= channels; k += STRIPS_ADDED)
        STRIPS(add_loop)(STRIPS_ADDED, x + k * LANES, pixel, n, to + k * to_row, to_row);
    for (; k < channels; k++) STRIPS(add_loop)(1, x + k * LANES, pixel, n, to + k * to_row, to_row);
}

LOCAL REAL STRIPS(sum)(const REAL *x)
{
    REAL sum = x[0];
    for (int i = 1; i < LANES; i++) sum += x[i];
    return sum;
}

/* Tiles of sizes known only at run time: a jump to the loop made for them. */
#define STRIPS_CASE(n)                                                                            \
    case n:                                                                                       \
        if (n <= STRIPS_FIT(rows)) STRIPS(loop)(rows, n, s, x, weight, bias, out);              \
        break;
ALWAYS_INLINE void STRIPS(by_columns)(const int rows, int columns, const strips_sum *s,
                                      const REAL *x, const REAL *weight, const REAL *bias,
                                      REAL *out)
{
    switch (columns) {
        STRIPS_CASE(1) STRIPS_CASE(2) STRIPS_CASE(3) STRIPS_CASE(4) STRIPS_CASE(5) STRIPS_CASE(6)
        STRIPS_CASE(7) STRIPS_CASE(8)
    }
}
#undef STRIPS_CASE

#define STRIPS_CASE(n)                                                                            \
    case n:                                                                                       \
        if (n <= STRIPS_ROWS) STRIPS(by_columns)(n, columns, s, x, weight, bias, out);            \
        break;
LOCAL void STRIPS(tile)(int rows, int columns, const strips_sum *s, const REAL *x,
                        const REAL *weight, const REAL *bias, REAL *out)
{
    switch (rows) {
        STRIPS_CASE(1) STRIPS_CASE(2) STRIPS_CASE(3) STRIPS_CASE(4) STRIPS_CASE(5) STRIPS_CASE(6)
        STRIPS_CASE(7) STRIPS_CASE(8)
    }
}
#undef STRIPS_CASE

#define STRIPS_CASE(n)                                                                            \
    case n:                                                                                       \
        if (n <= STRIPS_WEIGHT_FIT(rows))                                                       \
            STRIPS(weight_loop)(rows, n, s, x, dy, offsets, c);                                   \
        break;
ALWAYS_INLINE void STRIPS(weight_by_terms)(const int rows, int terms, const strips_weight_sum *s,
                                           const REAL *x, const REAL *dy,
                                           const ptrdiff_t *offsets, REAL *c)
{
    switch (terms) {
        STRIPS_CASE(1) STRIPS_CASE(2) STRIPS_CASE(3) STRIPS_CASE(4) STRIPS_CASE(5) STRIPS_CASE(6)
        STRIPS_CASE(7) STRIPS_CASE(8)
    }
}
#undef STRIPS_CASE

#define STRIPS_CASE(n)                                                                            \
    case n:                                                                                       \
        if (n <= STRIPS_WEIGHT_ROWS)                                                              \
            STRIPS(weight_by_terms)(n, terms, s, x, dy, offsets, c);                              \
        break;
LOCAL void STRIPS(weight_tile)(int rows, int terms, const strips_weight_sum *s, const REAL *x,
                               const REAL *dy, const ptrdiff_t *offsets, REAL *c)
{
    switch (rows) {
        STRIPS_CASE(1) STRIPS_CASE(2) STRIPS_CASE(3) STRIPS_CASE(4) STRIPS_CASE(5) STRIPS_CASE(6)
        STRIPS_CASE(7) STRIPS_CASE(8)
    }
}
#undef STRIPS_CASE
