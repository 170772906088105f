/* The weight gradient's functions of strips_winograd.h, for one type. The last that is included: it
 * takes the type's names back. */

/* Along a row of dy: line[tile, j, k] of `tiles` tiles. */
ALWAYS_INLINE void WINOGRAD(gradient_along_of)(const int n, const REAL *dy, ptrdiff_t channels,
                                               ptrdiff_t tiles, REAL *line)
{
    const ptrdiff_t pixel = channels * LANES;
    for (ptrdiff_t tile = 0; tile < tiles; tile++) {
        for (ptrdiff_t k = 0; k < pixel; k += LANES) {
            SIMD(v) d[STRIPS_TILE], t[8];
            UNROLL for (int j = 0; j < STRIPS_TILE; j++) d[j] = SIMD(_load)(dy + j * pixel + k);
            WINOGRAD(points_of_powers)(n, STRIPS_TILE, 0, d, 1, t, 1);
            UNROLL for (int j = 0; j < n; j++) SIMD(_store)(line + j * pixel + k, t[j]);
        }
        dy += STRIPS_TILE * pixel;
        line += n * pixel;
    }
}

LOCAL void WINOGRAD(gradient_along)(ptrdiff_t n, const REAL *dy, ptrdiff_t channels,
                                    ptrdiff_t tiles, REAL *line)
{
    if (n == 6) WINOGRAD(gradient_along_of)(6, dy, channels, tiles, line);
    else WINOGRAD(gradient_along_of)(8, dy, channels, tiles, line);
}

/* Down the columns, for point j of one tile: gradients[k, i] from the four lines' numbers at `dy`. */
ALWAYS_INLINE void WINOGRAD(gradient_down)(const int n, const REAL *dy, ptrdiff_t line,
                                           ptrdiff_t channels, REAL *gradients)
{
    for (ptrdiff_t k = 0; k < channels; k++, dy += LANES, gradients += n * LANES) {
        SIMD(v) d[STRIPS_TILE], t[8];
        UNROLL for (int i = 0; i < STRIPS_TILE; i++) d[i] = SIMD(_load)(dy + i * line);
        WINOGRAD(points_of_powers)(n, STRIPS_TILE, 0, d, 1, t, 1);
        UNROLL for (int i = 0; i < n; i++) SIMD(_store)(gradients + i * LANES, t[i]);
    }
}

/* For each of n points, sums[row, term] += gradients[tile, row] * values[tile, term] over the tiles;
 * or they begin here. */
ALWAYS_INLINE void WINOGRAD(sum_loop)(const int n, const int rows, const int terms,
                                      const strips_winograd *w, ptrdiff_t tiles, int from_zero,
                                      const REAL *values, const REAL *gradients, REAL *to)
{
    const ptrdiff_t x_tile = w->src_channels * n * LANES, dy_tile = w->dst_channels * n * LANES;
    const ptrdiff_t point = w->weight_point;
    for (int p = 0; p < n; p++, values += LANES, gradients += LANES, to += point) {
        SIMD(v) sums[STRIPS_WEIGHT_ROWS][STRIPS_COLUMNS];
        const REAL *x = values, *dy = gradients;
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int t = 0; t < terms; t++)
                sums[i][t] = from_zero ? SIMD(_set1)(0) : SIMD(_load)(to + (i * terms + t) * LANES);
        for (ptrdiff_t tile = tiles; tile > 0; tile--, x += x_tile, dy += dy_tile) {
            SIMD(v) left[STRIPS_WEIGHT_ROWS];
            UNROLL for (int i = 0; i < rows; i++) {
                left[i] = SIMD(_load)(dy + i * n * LANES);
                KEEP(left[i]);
            }
            UNROLL for (int t = 0; t < terms; t++) {
                SIMD(v) right = SIMD(_load)(x + t * n * LANES);
                UNROLL for (int i = 0; i < rows; i++)
                    sums[i][t] = SIMD(_fma)(left[i], right, sums[i][t]);
            }
        }
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int t = 0; t < terms; t++)
                SIMD(_store)(to + (i * terms + t) * LANES, sums[i][t]);
    }
}

#define STRIPS_CASE(terms)                                                                        \
    case terms:                                                                                   \
        if (terms <= STRIPS_WEIGHT_FIT(rows))                                                     \
            WINOGRAD(sum_loop)(n, rows, terms, w, tiles, from_zero, values, gradients, to);       \
        break;
ALWAYS_INLINE void WINOGRAD(sums_by_terms)(const int n, const int rows, ptrdiff_t terms,
                                           const strips_winograd *w, ptrdiff_t tiles,
                                           int from_zero, const REAL *values,
                                           const REAL *gradients, REAL *to)
{
    switch (terms) {
        STRIPS_CASE(1) STRIPS_CASE(2) STRIPS_CASE(3) STRIPS_CASE(4) STRIPS_CASE(5) STRIPS_CASE(6)
        STRIPS_CASE(7) STRIPS_CASE(8)
    }
}
#undef STRIPS_CASE

#define STRIPS_CASE(rows)                                                                         \
    case rows:                                                                                    \
        if (rows <= STRIPS_WEIGHT_ROWS)                                                           \
            WINOGRAD(sums_by_terms)(n, rows, terms, w, tiles, from_zero, values, gradients, to);  \
        break;
ALWAYS_INLINE void WINOGRAD(sums)(const int n, ptrdiff_t rows, ptrdiff_t terms,
                                  const strips_winograd *w, ptrdiff_t tiles, int from_zero,
                                  const REAL *values, const REAL *gradients, REAL *to)
{
    switch (rows) {
        STRIPS_CASE(1) STRIPS_CASE(2) STRIPS_CASE(3) STRIPS_CASE(4) STRIPS_CASE(5) STRIPS_CASE(6)
    }
}
#undef STRIPS_CASE

ALWAYS_INLINE void WINOGRAD(gradient_of)(const int n, const strips_winograd *w,
                                         const strips_lines *lines, const REAL *dy,
                                         ptrdiff_t tiles, int from_zero, REAL *values,
                                         REAL *gradients, REAL *sums)
{
    const ptrdiff_t c = w->src_channels, k = w->dst_channels;
    const ptrdiff_t blocks = (tiles + w->columns - 1) / w->columns;
    for (int j = 0; j < n; j++)
        for (ptrdiff_t block = 0; block < blocks; block++) {
            const ptrdiff_t first = tiles * block / blocks;
            const ptrdiff_t columns = tiles * (block + 1) / blocks - first;
            REAL *to = sums + j * n * w->weight_point;
            for (ptrdiff_t t = 0; t < columns; t++) {
                const ptrdiff_t point = (first + t) * n + j;
                WINOGRAD(down)(n, lines, point * c * LANES, c, values + t * c * n * LANES);
                WINOGRAD(gradient_down)(n, dy + point * k * LANES, w->dst_row, k,
                                        gradients + t * k * n * LANES);
            }
            for (ptrdiff_t b = 0; b < w->n_blocks; b++) {
                const ptrdiff_t row = k * b / w->n_blocks, rows = k * (b + 1) / w->n_blocks - row;
                for (ptrdiff_t t = 0; t < w->n_terms; t++) {
                    const ptrdiff_t term = c * t / w->n_terms;
                    const ptrdiff_t terms = c * (t + 1) / w->n_terms - term;
                    WINOGRAD(sums)(n, rows, terms, w, columns, from_zero && block == 0,
                                   values + term * n * LANES, gradients + row * n * LANES, to);
                    to += rows * terms * LANES;
                }
            }
        }
}

/* sums[j, i, block of k, block of c, k, c], vectors, += what `tiles` tiles of the n lines of x and the
 * four of dy add to them; or they begin here. */
LOCAL void WINOGRAD(gradient)(const strips_winograd *w, const strips_lines *lines, const REAL *dy,
                              ptrdiff_t tiles, int from_zero, REAL *values, REAL *gradients,
                              REAL *sums)
{
    if (w->side == 6)
        WINOGRAD(gradient_of)(6, w, lines, dy, tiles, from_zero, values, gradients, sums);
    else
        WINOGRAD(gradient_of)(8, w, lines, dy, tiles, from_zero, values, gradients, sums);
}

/* to[i] = the sum of vector i's lanes, for `count` vectors; the last LANES of `to` may be cut. */
LOCAL void WINOGRAD(add_lanes)(const REAL *x, ptrdiff_t count, REAL *to)
{
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        SIMD(v) a[LANES];
        UNROLL for (int j = 0; j < LANES; j++)
            a[j] = i + j < count ? SIMD(_load)(x + (i + j) * LANES) : SIMD(_set1)(0);
        SIMD(_store)(to + i, SIMD(_sums)(a));
    }
}

ALWAYS_INLINE void WINOGRAD(taps_of)(const int n, const REAL *t, ptrdiff_t point, REAL *taps)
{
    const int r = n - STRIPS_TILE + 1;
    SIMD(v) half[8][8], line[8];
    UNROLL for (int j = 0; j < n; j++) {
        UNROLL for (int i = 0; i < n; i++) line[i] = SIMD(_load)(t + (n * j + i) * point);
        WINOGRAD(powers_of_points)(n, r, 1, line, 1, &half[0][j], 8);
    }
    UNROLL for (int i = 0; i < r; i++) {
        WINOGRAD(powers_of_points)(n, r, 1, half[i], 1, line, 1);
        UNROLL for (int j = 0; j < r; j++) SIMD(_store)(taps + (i * r + j) * LANES, line[j]);
    }
}

/* The interleaved taps of as many kernels as there are lanes, from the sums at their points. */
LOCAL void WINOGRAD(taps)(ptrdiff_t n, const REAL *t, ptrdiff_t point, REAL *taps)
{
    if (n == 6) WINOGRAD(taps_of)(6, t, point, taps);
    else WINOGRAD(taps_of)(8, t, point, taps);
}

#undef REAL
#undef SIMD
#undef LANES
#undef WINOGRAD
