/* The functions of tile.h for one type: REAL, its vectors SIMD(...), LANES of them, TILE(...) the
 * name. Included twice by tile.h. */

/* Where the loop stands. Rows are addressed from three pointers, five rows apart: with one pointer
 * the compiler wants a register for the offset of every row, has not enough, and keeps them in
 * memory. */
typedef struct {
    const REAL *p0, *p5, *p10, *b;
    const char *ahead, *written;
} TILE(place);

/* `n` steps of a run. With `fetch`, they send for what the caller wants next; with `write`, each
 * sends for a row of c. */
ALWAYS_INLINE void TILE(steps)(const int rows, const int vectors, const int fetch, const int write,
                               const tile_sum *s, ptrdiff_t n, TILE(place) *at,
                               SIMD(v) (*sums)[2])
{
    const ptrdiff_t a_row = s->a_row, a_step = s->a_step, b_step = s->b_step;
    const ptrdiff_t ahead_step = fetch ? s->ahead_step : 0;
    const ptrdiff_t written_step = s->c_row * sizeof(REAL);
    for (; n > 0; n--) {
        SIMD(v) column[2];
        if (fetch) {
            PREFETCH_FOR_LATER(at->ahead);
            at->ahead += ahead_step;
        }
        if (write) {
            UNROLL for (int v = 0; v < vectors; v++)
                PREFETCH_TO_WRITE(at->written + v * LANES * sizeof(REAL));
            at->written += written_step;
        }
        UNROLL for (int v = 0; v < vectors; v++) column[v] = SIMD(_load)(at->b + v * LANES);
        UNROLL for (int i = 0; i < rows; i++) {
            const REAL *q = i < 5 ? at->p0 + i * a_row
                          : i < 10 ? at->p5 + (i - 5) * a_row : at->p10 + (i - 10) * a_row;
            SIMD(v) x = SIMD(_set1)(*q);
            UNROLL for (int v = 0; v < vectors; v++)
                sums[i][v] = SIMD(_fma)(x, column[v], sums[i][v]);
        }
        at->p0 += a_step;
        at->p5 += a_step;
        at->p10 += a_step;
        KEEP_APART(at->p0, at->p5, at->p10);
        at->b += b_step;
    }
}

/* The tile. Inlined with `rows` and `vectors` constant, all inner loops unroll and `sums` lives in
 * registers. */
ALWAYS_INLINE void TILE(loop)(const int rows, const int vectors, const int fetch,
                              const tile_sum *s, const REAL *a, const REAL *b, const REAL *bias,
                              REAL *c, int flags, int lanes)
{
    const int start = flags & TILE_START;
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

    /* The stores at the end wait for their cache lines: the first steps send for them. All at once,
     * they would hold up what the steps themselves load; but with one vector, a step has as many
     * loads as it can do already. */
    TILE(place) at = {NULL, NULL, NULL, b, fetch ? (const char *)s->ahead : NULL, (const char *)c};
    ptrdiff_t unsent = vectors == 1 || start == TILE_FROM_C ? 0 : rows;
    if (vectors == 1 && start != TILE_FROM_C)
        UNROLL for (int i = 0; i < rows; i++) PREFETCH_TO_WRITE(c + i * s->c_row);
    for (ptrdiff_t r = 0; r < s->n_runs; r++) {
        ptrdiff_t left = s->run_length;
        at.p0 = a + s->runs[r];
        at.p5 = at.p0 + 5 * s->a_row;
        at.p10 = at.p5 + 5 * s->a_row;
        if (unsent) {
            const ptrdiff_t sending = left < unsent ? left : unsent;
            TILE(steps)(rows, vectors, fetch, 1, s, sending, &at, sums);
            unsent -= sending;
            left -= sending;
        }
        TILE(steps)(rows, vectors, fetch, 0, s, left, &at, sums);
    }

    if (flags & TILE_RELU)
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int v = 0; v < vectors; v++)
                sums[i][v] = SIMD(_max)(SIMD(_set1)(0), sums[i][v]);

    UNROLL for (int i = 0; i < rows; i++) {
        REAL *to = c + i * s->c_row;
        UNROLL for (int v = 0; v < vectors; v++)
            SIMD(_store)((whole ? to : edge) + v * LANES, sums[i][v]);
        if (!whole) memcpy(to, edge, lanes * sizeof(REAL));
    }
}

/* One tile of a number of rows known only at run time: a jump to the loop made for that number. */
ALWAYS_INLINE void TILE(dispatch)(int rows, const int vectors, const int fetch,
                                  const tile_sum *s, const REAL *a, const REAL *b,
                                  const REAL *bias, REAL *c, int flags, int lanes)
{
#define TILE_CASE(n)                                                                              \
    case n:                                                                                       \
        if (n <= (vectors == 2 ? TILE_ROWS_2 : TILE_ROWS_1))                                      \
            TILE(loop)(n, vectors, fetch, s, a, b, bias, c, flags, lanes);             \
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
LOCAL void TILE(rows)(const tile_sum *s, ptrdiff_t n_rows, int lanes, const REAL *a,
                       const REAL *b, const REAL *bias, REAL *c, int flags)
{
    const int vectors = lanes > LANES ? 2 : 1;
    const ptrdiff_t most = vectors == 2 ? TILE_ROWS_2 : TILE_ROWS_1;
    const ptrdiff_t tiles = (n_rows + most - 1) / most;
    for (ptrdiff_t t = 0; t < tiles; t++) {
        const ptrdiff_t first = n_rows * t / tiles, rows = n_rows * (t + 1) / tiles - first;
        const REAL *from = a + first * s->a_row;
        REAL *to = c + first * s->c_row;
        if (vectors == 2)
            TILE(dispatch)((int)rows, 2, 0, s, from, b, bias, to, flags, lanes);
        else
            TILE(dispatch)((int)rows, 1, 0, s, from, b, bias, to, flags, lanes);
    }
}

/* The same, sending for the memory at s->ahead on the way, `ahead_step` bytes further with each step
 * of each tile. Sent for all at once, it would hold up what the tile itself loads. */
LOCAL void TILE(rows_ahead)(const tile_sum *s, ptrdiff_t n_rows, int lanes, const REAL *a,
                            const REAL *b, const REAL *bias, REAL *c, int flags)
{
    const int vectors = lanes > LANES ? 2 : 1;
    const ptrdiff_t most = vectors == 2 ? TILE_ROWS_2 : TILE_ROWS_1;
    const ptrdiff_t tiles = (n_rows + most - 1) / most;
    tile_sum part = *s;
    for (ptrdiff_t t = 0; t < tiles; t++) {
        const ptrdiff_t first = n_rows * t / tiles, rows = n_rows * (t + 1) / tiles - first;
        const REAL *from = a + first * s->a_row;
        REAL *to = c + first * s->c_row;
        if (vectors == 2)
            TILE(dispatch)((int)rows, 2, 1, &part, from, b, bias, to, flags, lanes);
        else
            TILE(dispatch)((int)rows, 1, 1, &part, from, b, bias, to, flags, lanes);
        part.ahead = (const char *)part.ahead + s->ahead_step * s->n_runs * s->run_length;
    }
}

LOCAL ptrdiff_t TILE(tiles)(ptrdiff_t n_rows, int lanes)
{
    const ptrdiff_t most = lanes > LANES ? TILE_ROWS_2 : TILE_ROWS_1;
    return (n_rows + most - 1) / most;
}

/* The tile of a weight gradient whose rows lie in groups: `each` rows a_row apart, and the same
 * again a_group further on, `groups` times. The few inputs under one kernel row are too few sums to
 * hide the latency of an fma; those under several are enough, and share the loads of b. Columns come
 * in whole vectors. */
ALWAYS_INLINE void TILE(grouped_loop)(const int groups, const int each, const int vectors,
                                      const tile_sum *s, ptrdiff_t a_group, const REAL *a,
                                      const REAL *b, REAL *c, int start)
{
    SIMD(v) sums[TILE_GROUPED_MAX][2];
    UNROLL for (int i = 0; i < groups * each; i++)
        UNROLL for (int v = 0; v < vectors; v++)
            sums[i][v] = start == TILE_FROM_C ? SIMD(_load)(c + i * s->c_row + v * LANES)
                                              : SIMD(_set1)(0);

    const ptrdiff_t a_row = s->a_row, a_step = s->a_step, b_step = s->b_step;
    for (ptrdiff_t r = 0; r < s->n_runs; r++) {
        const REAL *p[5];
        UNROLL for (int g = 0; g < groups; g++) p[g] = a + s->runs[r] + g * a_group;
        for (ptrdiff_t j = s->run_length; j > 0; j--) {
            SIMD(v) column[2];
            UNROLL for (int v = 0; v < vectors; v++) column[v] = SIMD(_load)(b + v * LANES);
            UNROLL for (int g = 0; g < groups; g++) {
                UNROLL for (int i = 0; i < each; i++) {
                    const REAL *q = p[g] + i * a_row;
                    SIMD(v) x = SIMD(_set1)(*q);
                    UNROLL for (int v = 0; v < vectors; v++)
                        sums[g * each + i][v] = SIMD(_fma)(x, column[v], sums[g * each + i][v]);
                }
                p[g] += a_step;
            }
            UNROLL for (int g = 0; g < groups; g++) FORGET(p[g]);
            b += b_step;
        }
    }

    UNROLL for (int i = 0; i < groups * each; i++)
        UNROLL for (int v = 0; v < vectors; v++)
            SIMD(_store)(c + i * s->c_row + v * LANES, sums[i][v]);
}

/* How many groups of `each` rows one such tile takes; below 2 there is none. */
LOCAL int TILE(groups_at_once)(ptrdiff_t each, int vectors)
{
    const ptrdiff_t fitting = each > 1 && each <= 7 ? TILE_GROUPED(vectors) / each : 1;
    return (int)(fitting < 5 ? fitting : 5);
}

ALWAYS_INLINE void TILE(grouped_dispatch)(int groups, int each, const int vectors,
                                          const tile_sum *s, ptrdiff_t a_group, const REAL *a,
                                          const REAL *b, REAL *c, int start)
{
#define TILE_CASE(g, n)                                                                           \
    case 8 * g + n:                                                                               \
        if (g * n <= TILE_GROUPED(vectors))                                                       \
            TILE(grouped_loop)(g, n, vectors, s, a_group, a, b, c, start);                        \
        break;
#define TILE_CASES(n) TILE_CASE(1, n) TILE_CASE(2, n) TILE_CASE(3, n) TILE_CASE(4, n) TILE_CASE(5, n)
    switch (8 * groups + each) {
        TILE_CASES(2) TILE_CASES(3) TILE_CASES(4) TILE_CASES(5) TILE_CASES(6) TILE_CASES(7)
    }
#undef TILE_CASES
#undef TILE_CASE
}

/* Any number of groups, of a size for which groups_at_once() is at least 2. */
LOCAL void TILE(grouped_rows)(const tile_sum *s, ptrdiff_t n_groups, ptrdiff_t a_group, int each,
                              int lanes, const REAL *a, const REAL *b, REAL *c, int start)
{
    const int vectors = lanes > LANES ? 2 : 1;
    const ptrdiff_t most = TILE(groups_at_once)(each, vectors);
    const ptrdiff_t tiles = (n_groups + most - 1) / most;
    for (ptrdiff_t t = 0; t < tiles; t++) {
        const ptrdiff_t first = n_groups * t / tiles;
        const int groups = (int)(n_groups * (t + 1) / tiles - first);
        const REAL *from = a + first * a_group;
        REAL *to = c + first * each * s->c_row;
        if (vectors == 2)
            TILE(grouped_dispatch)(groups, each, 2, s, a_group, from, b, to, start);
        else
            TILE(grouped_dispatch)(groups, each, 1, s, a_group, from, b, to, start);
    }
}

/* c[k] = start + the sum of column k of b, in whole vectors: four sums side by side, as one alone
 * would wait for itself. */
ALWAYS_INLINE void TILE(add_up)(const int vectors, const REAL *b, ptrdiff_t b_step,
                                ptrdiff_t n_rows, REAL *c, int start)
{
    SIMD(v) sums[4][2];
    UNROLL for (int i = 0; i < 4; i++)
        UNROLL for (int v = 0; v < vectors; v++)
            sums[i][v] = i == 0 && start == TILE_FROM_C ? SIMD(_load)(c + v * LANES)
                                                        : SIMD(_set1)(0);
    for (; n_rows >= 4; n_rows -= 4, b += 4 * b_step)
        UNROLL for (int i = 0; i < 4; i++)
            UNROLL for (int v = 0; v < vectors; v++)
                sums[i][v] = SIMD(_add)(sums[i][v], SIMD(_load)(b + i * b_step + v * LANES));
    for (; n_rows > 0; n_rows--, b += b_step)
        UNROLL for (int v = 0; v < vectors; v++)
            sums[0][v] = SIMD(_add)(sums[0][v], SIMD(_load)(b + v * LANES));
    UNROLL for (int v = 0; v < vectors; v++)
        SIMD(_store)(c + v * LANES, SIMD(_add)(SIMD(_add)(sums[0][v], sums[1][v]),
                                               SIMD(_add)(sums[2][v], sums[3][v])));
}

LOCAL void TILE(columns)(const REAL *b, ptrdiff_t b_step, ptrdiff_t n_rows, int lanes, REAL *c,
                         int start)
{
    if (lanes > LANES)
        TILE(add_up)(2, b, b_step, n_rows, c, start);
    else
        TILE(add_up)(1, b, b_step, n_rows, c, start);
}

/* Whether all of n numbers are: an infinite one or a NaN is not 0 when 0 times as large. */
LOCAL int TILE(finite)(const REAL *x, ptrdiff_t n)
{
    SIMD(v) sum = SIMD(_set1)(0);
    REAL lanes[LANES], total = 0;
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES) sum = SIMD(_fma)(SIMD(_load)(x + i), SIMD(_set1)(0), sum);
    SIMD(_store)(lanes, sum);
    for (int j = 0; j < LANES; j++) total += lanes[j];
    for (; i < n; i++) total += 0 * x[i];
    return total == 0;
}

/* `count` columns of n_rows rows of x into whole vectors, side by side, zeros in what is left over:
 * to[i, k] = x[i, k], to with 1 or 2 vectors a row. */
LOCAL void TILE(pack)(const REAL *x, ptrdiff_t x_row, ptrdiff_t n_rows, int count, REAL *to)
{
    const int width = count > LANES ? 2 * LANES : LANES;
    for (ptrdiff_t i = 0; i < n_rows; i++, x += x_row, to += width) {
        int k = 0;
        for (; k + LANES <= count; k += LANES) SIMD(_store)(to + k, SIMD(_load)(x + k));
        if (k < width) {
            SIMD(_store)(to + k, SIMD(_set1)(0));
            for (; k < count; k++) to[k] = x[k];
        }
    }
}
