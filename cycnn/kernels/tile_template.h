/* The functions of tile.h for one type: REAL, its vectors SIMD(...), LANES of them, TILE(...) the
 * name. Included twice by tile.h. */

/* The loop itself. Inlined with `rows`, `vectors` and `depthwise` constant, all inner loops unroll
 * and `sums` lives in registers. */
ALWAYS_INLINE void TILE(loop)(const int rows, const int vectors, const int depthwise,
                              const tile_sum *s, const REAL *a, const REAL *b, const REAL *bias,
                              REAL *c, int start, int lanes)
{
    SIMD(v) sums[TILE_ROWS_MAX][2];
    REAL edge[2 * LANES]; /* a row of c that does not fill its vectors passes through here */
    const int whole = lanes == vectors * LANES;

    UNROLL for (int i = 0; i < rows; i++) {
        const REAL *from = bias;
        if (start == TILE_FROM_C) {
            from = c + i * s->c_row;
            if (!whole) {
                memset(edge, 0, sizeof edge);
                memcpy(edge, from, lanes * sizeof(REAL));
                from = edge;
            }
        }
        UNROLL for (int v = 0; v < vectors; v++)
            sums[i][v] = start == TILE_FROM_ZERO ? SIMD(_set1)(0) : SIMD(_load)(from + v * LANES);
    }

    const ptrdiff_t a_row = s->a_row, a_step = s->a_step, b_step = s->b_step;
    for (ptrdiff_t r = 0; r < s->n_runs; r++) {
        const REAL *p = a + s->runs[r];
        for (ptrdiff_t j = s->run_length; j > 0; j--) {
            SIMD(v) column[2];
            UNROLL for (int v = 0; v < vectors; v++) column[v] = SIMD(_load)(b + v * LANES);
            UNROLL for (int i = 0; i < rows; i++) {
                const REAL *q = p + i * a_row;
                SIMD(v) x = depthwise ? SIMD(_load)(q) : SIMD(_set1)(*q);
                UNROLL for (int v = 0; v < vectors; v++)
                    sums[i][v] = SIMD(_fma)(x, column[v], sums[i][v]);
            }
            p += a_step;
            b += b_step;
        }
    }

    UNROLL for (int i = 0; i < rows; i++) {
        REAL *to = c + i * s->c_row;
        UNROLL for (int v = 0; v < vectors; v++)
            SIMD(_store)((whole ? to : edge) + v * LANES, sums[i][v]);
        if (!whole) memcpy(to, edge, lanes * sizeof(REAL));
    }
}

/* One tile of a number of rows known only at run time: a jump to the loop made for that number. */
ALWAYS_INLINE void TILE(dispatch)(int rows, const int vectors, const int depthwise,
                                  const tile_sum *s, const REAL *a, const REAL *b,
                                  const REAL *bias, REAL *c, int start, int lanes)
{
#define TILE_CASE(n)                                                                              \
    case n:                                                                                       \
        if (n <= (vectors == 2 ? TILE_ROWS_2 : TILE_ROWS_1))                                      \
            TILE(loop)(n, vectors, depthwise, s, a, b, bias, c, start, lanes);                    \
        break;
    switch (rows) {
        TILE_CASE(1) TILE_CASE(2) TILE_CASE(3) TILE_CASE(4) TILE_CASE(5) TILE_CASE(6) TILE_CASE(7)
        TILE_CASE(8) TILE_CASE(9) TILE_CASE(10) TILE_CASE(11) TILE_CASE(12) TILE_CASE(13)
        TILE_CASE(14)
    }
#undef TILE_CASE
}

/* Any number of rows, in tiles of even height (26 rows are 13 + 13, not 14 + 12), and 1 to
 * 2 * LANES columns. b holds a multiple of LANES columns at each step, and so does bias. */
static void TILE(rows)(const tile_sum *s, ptrdiff_t n_rows, int lanes, const REAL *a,
                       const REAL *b, const REAL *bias, REAL *c, int start)
{
    const int vectors = lanes > LANES ? 2 : 1;
    const ptrdiff_t most = vectors == 2 ? TILE_ROWS_2 : TILE_ROWS_1;
    const ptrdiff_t tiles = (n_rows + most - 1) / most;
    for (ptrdiff_t t = 0; t < tiles; t++) {
        const ptrdiff_t first = n_rows * t / tiles, rows = n_rows * (t + 1) / tiles - first;
        const REAL *from = a + first * s->a_row;
        REAL *to = c + first * s->c_row;
        if (vectors == 2)
            TILE(dispatch)((int)rows, 2, 0, s, from, b, bias, to, start, lanes);
        else
            TILE(dispatch)((int)rows, 1, 0, s, from, b, bias, to, start, lanes);
    }
}

/* The same for the depthwise form: one vector of 1 to LANES channels. */
static void TILE(depthwise_rows)(const tile_sum *s, ptrdiff_t n_rows, int lanes, const REAL *a,
                                 const REAL *b, const REAL *bias, REAL *c, int start)
{
    const ptrdiff_t tiles = (n_rows + TILE_ROWS_1 - 1) / TILE_ROWS_1;
    for (ptrdiff_t t = 0; t < tiles; t++) {
        const ptrdiff_t first = n_rows * t / tiles, rows = n_rows * (t + 1) / tiles - first;
        TILE(dispatch)((int)rows, 1, 1, s, a + first * s->a_row, b, bias,
                       c + first * s->c_row, start, lanes);
    }
}

#undef REAL
#undef SIMD
#undef LANES
#undef TILE
