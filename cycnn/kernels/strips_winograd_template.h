/* The functions of strips_winograd.h for one type: REAL, its vectors SIMD(...), LANES of them,
 * WINOGRAD(...) the name. Included twice, after winograd_points_template.h. */

/* Along a row of x: line[tile, j, c] of `tiles` tiles. */
ALWAYS_INLINE void WINOGRAD(along_of)(const int n, const REAL *x, ptrdiff_t channels,
                                      ptrdiff_t tiles, REAL *line)
{
    const ptrdiff_t pixel = channels * LANES;
    for (ptrdiff_t tile = 0; tile < tiles; tile++) {
        for (ptrdiff_t c = 0; c < pixel; c += LANES) {
            SIMD(v) d[8], t[8];
            UNROLL for (int j = 0; j < n; j++) d[j] = SIMD(_load)(x + j * pixel + c);
            WINOGRAD(points_of_input)(n, d, 1, t, 1);
            UNROLL for (int j = 0; j < n; j++) SIMD(_store)(line + j * pixel + c, t[j]);
        }
        x += STRIPS_TILE * pixel;
        line += n * pixel;
    }
}

LOCAL void WINOGRAD(along)(ptrdiff_t n, const REAL *x, ptrdiff_t channels, ptrdiff_t tiles,
                           REAL *line)
{
    if (n == 6) WINOGRAD(along_of)(6, x, channels, tiles, line);
    else WINOGRAD(along_of)(8, x, channels, tiles, line);
}

/* Down the columns, for point j of one tile: values[c, i] from the lines' numbers at `at`. */
ALWAYS_INLINE void WINOGRAD(down)(const int n, const strips_lines *l, ptrdiff_t at,
                                  ptrdiff_t channels, REAL *values)
{
    const REAL *upper = (const REAL *)l->upper + at, *lower = (const REAL *)l->lower + at;
    const ptrdiff_t line = l->line;
    for (ptrdiff_t c = 0; c < channels; c++, upper += LANES, lower += LANES, values += n * LANES) {
        SIMD(v) d[8], t[8];
        UNROLL for (int i = 0; i < n; i++)
            d[i] = SIMD(_load)(i < STRIPS_TILE ? upper + i * line
                                               : lower + (i - STRIPS_TILE) * line);
        WINOGRAD(points_of_input)(n, d, 1, t, 1);
        UNROLL for (int i = 0; i < n; i++) SIMD(_store)(values + i * LANES, t[i]);
    }
}

/* Back down: sums[k, row, j] from products[k, i]. */
ALWAYS_INLINE void WINOGRAD(back_down)(const int n, const REAL *products, ptrdiff_t channels,
                                       REAL *sums)
{
    for (ptrdiff_t k = 0; k < channels; k++) {
        SIMD(v) t[8], x[STRIPS_TILE];
        UNROLL for (int i = 0; i < n; i++) t[i] = SIMD(_load)(products + i * LANES);
        WINOGRAD(powers_of_points)(n, STRIPS_TILE, 0, t, 1, x, 1);
        UNROLL for (int i = 0; i < STRIPS_TILE; i++) SIMD(_store)(sums + i * n * LANES, x[i]);
        products += n * LANES;
        sums += STRIPS_TILE * n * LANES;
    }
}

/* Back along: the four pixels of one row of y from sums[k, row, j], with the bias (or NULL) and a
 * ReLU if wanted. */
ALWAYS_INLINE void WINOGRAD(back_along)(const int n, const REAL *sums, ptrdiff_t channels,
                                        const REAL *bias, ptrdiff_t relu, REAL *y)
{
    const ptrdiff_t pixel = channels * LANES;
    for (ptrdiff_t k = 0; k < channels; k++, sums += STRIPS_TILE * n * LANES, y += LANES) {
        const SIMD(v) b = SIMD(_set1)(bias ? bias[k] : 0);
        SIMD(v) t[8], x[STRIPS_TILE];
        UNROLL for (int j = 0; j < n; j++) t[j] = SIMD(_load)(sums + j * LANES);
        WINOGRAD(powers_of_points)(n, STRIPS_TILE, 0, t, 1, x, 1);
        UNROLL for (int j = 0; j < STRIPS_TILE; j++) {
            x[j] = SIMD(_add)(x[j], b);
            if (relu) x[j] = SIMD(_max)(SIMD(_set1)(0), x[j]);
            SIMD(_store)(y + j * pixel, x[j]);
        }
    }
}

/* The products of n points, `rows` channels of dst in `columns` tiles: for each point sums over the
 * channels c of weight[c, row] * values[tile, c]. */
ALWAYS_INLINE void WINOGRAD(product_loop)(const int n, const int rows, const int columns,
                                          const strips_winograd *w, const REAL *values,
                                          const REAL *weight, REAL *products)
{
    const ptrdiff_t channels = w->src_channels, weight_point = w->weight_point;
    const ptrdiff_t x_tile = channels * n * LANES, y_tile = w->dst_channels * n * LANES;
    for (int i = 0; i < n; i++, values += LANES, products += LANES, weight += weight_point) {
        SIMD(v) sums[STRIPS_ROWS][STRIPS_WINOGRAD_COLUMNS];
        const REAL *x = values, *u = weight;
        UNROLL for (int k = 0; k < rows; k++)
            UNROLL for (int t = 0; t < columns; t++) sums[k][t] = SIMD(_set1)(0);
        for (ptrdiff_t c = 0; c < channels; c++, x += n * LANES, u += rows) {
            SIMD(v) v[STRIPS_WINOGRAD_COLUMNS];
            UNROLL for (int t = 0; t < columns; t++) v[t] = SIMD(_load)(x + t * x_tile);
            UNROLL for (int k = 0; k < rows; k++) {
                SIMD(v) factor = SIMD(_set1)(u[k]);
                UNROLL for (int t = 0; t < columns; t++)
                    sums[k][t] = SIMD(_fma)(v[t], factor, sums[k][t]);
            }
        }
        UNROLL for (int t = 0; t < columns; t++)
            UNROLL for (int k = 0; k < rows; k++)
                SIMD(_store)(products + t * y_tile + k * n * LANES, sums[k][t]);
    }
}

/* Sizes known only at run time: a jump to the loop made for them. */
#define STRIPS_CASE(columns)                                                                      \
    case columns:                                                                                 \
        if (columns <= STRIPS_FIT(rows))                                                          \
            WINOGRAD(product_loop)(n, rows, columns, w, values, weight, products);                \
        break;
ALWAYS_INLINE void WINOGRAD(products_by_columns)(const int n, const int rows, ptrdiff_t columns,
                                                 const strips_winograd *w, const REAL *values,
                                                 const REAL *weight, REAL *products)
{
    switch (columns) { STRIPS_CASE(1) STRIPS_CASE(2) STRIPS_CASE(3) STRIPS_CASE(4) }
}
#undef STRIPS_CASE

#define STRIPS_CASE(rows)                                                                         \
    case rows:                                                                                    \
        if (rows <= STRIPS_ROWS)                                                                  \
            WINOGRAD(products_by_columns)(n, rows, columns, w, values, weight, products);         \
        break;
ALWAYS_INLINE void WINOGRAD(products)(const int n, ptrdiff_t rows, ptrdiff_t columns,
                                      const strips_winograd *w, const REAL *values,
                                      const REAL *weight, REAL *products)
{
    switch (rows) {
        STRIPS_CASE(1) STRIPS_CASE(2) STRIPS_CASE(3) STRIPS_CASE(4) STRIPS_CASE(5) STRIPS_CASE(6)
        STRIPS_CASE(7) STRIPS_CASE(8)
    }
}
#undef STRIPS_CASE

ALWAYS_INLINE void WINOGRAD(tiles_of)(const int n, const strips_winograd *w,
                                      const strips_lines *lines, const REAL *weight,
                                      const REAL *bias, ptrdiff_t tiles, REAL *values,
                                      REAL *products, REAL *sums, REAL *y)
{
    const ptrdiff_t c = w->src_channels, k = w->dst_channels;
    const ptrdiff_t blocks = (tiles + w->columns - 1) / w->columns;
    for (ptrdiff_t block = 0; block < blocks; block++) {
        const ptrdiff_t first = tiles * block / blocks;
        const ptrdiff_t columns = tiles * (block + 1) / blocks - first;
        for (int j = 0; j < n; j++) {
            const REAL *points = weight + j * n * w->weight_point;
            for (ptrdiff_t t = 0; t < columns; t++)
                WINOGRAD(down)(n, lines, ((first + t) * n + j) * c * LANES, c,
                               values + t * c * n * LANES);
            for (ptrdiff_t b = 0; b < w->n_blocks; b++) {
                const ptrdiff_t begin = k * b / w->n_blocks, end = k * (b + 1) / w->n_blocks;
                WINOGRAD(products)(n, end - begin, columns, w, values, points + begin * c,
                                   products + begin * n * LANES);
            }
            WINOGRAD(back_down)(n, products, columns * k, sums + j * LANES);
        }
        for (ptrdiff_t t = 0; t < columns; t++)
            for (int i = 0; i < STRIPS_TILE; i++)
                WINOGRAD(back_along)(n, sums + (t * k * STRIPS_TILE + i) * n * LANES, k, bias,
                                     w->relu,
                                     y + i * w->dst_row + STRIPS_TILE * (first + t) * k * LANES);
    }
}

/* Four rows of y under `tiles` tiles from the n lines under them. weight[j, i, block, c, row] are the
 * values of the weights; `bias` may be NULL. */
LOCAL void WINOGRAD(tiles)(const strips_winograd *w, const strips_lines *lines,
                           const REAL *weight, const REAL *bias, ptrdiff_t tiles, REAL *values,
                           REAL *products, REAL *sums, REAL *y)
{
    if (w->side == 6)
        WINOGRAD(tiles_of)(6, w, lines, weight, bias, tiles, values, products, sums, y);
    else
        WINOGRAD(tiles_of)(8, w, lines, weight, bias, tiles, values, products, sums, y);
}

ALWAYS_INLINE void WINOGRAD(weight_of)(const int n, const int flipped, const REAL *taps, REAL *u,
                                       ptrdiff_t point)
{
    const int r = n - STRIPS_TILE + 1;
    SIMD(v) half[8][8], line[8];
    UNROLL for (int j = 0; j < r; j++) {
        UNROLL for (int i = 0; i < r; i++) {
            const int tap = i * r + j;
            line[i] = SIMD(_load)(taps + (flipped ? r * r - 1 - tap : tap) * LANES);
        }
        WINOGRAD(points_of_powers)(n, r, 1, line, 1, &half[0][j], 8);
    }
    UNROLL for (int i = 0; i < n; i++) {
        WINOGRAD(points_of_powers)(n, r, 1, half[i], 1, line, 1);
        UNROLL for (int j = 0; j < n; j++) SIMD(_store)(u + (n * j + i) * point, line[j]);
    }
}

/* The values of as many r x r kernels as there are lanes; their taps are interleaved, and with
 * `flipped` read from the last to the first. */
LOCAL void WINOGRAD(weight)(ptrdiff_t n, int flipped, const REAL *taps, REAL *u, ptrdiff_t point)
{
    if (n == 6 && flipped) WINOGRAD(weight_of)(6, 1, taps, u, point);
    else if (n == 6) WINOGRAD(weight_of)(6, 0, taps, u, point);
    else if (flipped) WINOGRAD(weight_of)(8, 1, taps, u, point);
    else WINOGRAD(weight_of)(8, 0, taps, u, point);
}
