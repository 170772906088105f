/* The functions of tile.h for whole matrix products, Linear's, for one type: REAL, its vectors
 * SIMD(...), LANES of them, TILE(...) the name. Included by tile.h after tile_template.h. */

/* Any number of columns into panels of PACKED_VECTORS vectors, each n_rows high, one after the other.
 * Goes row by row, as memory is read fastest. */
LOCAL void TILE(pack_panels)(const REAL *x, ptrdiff_t x_row, ptrdiff_t n_rows, ptrdiff_t count,
                             REAL *to)
{
    enum { WIDTH = PACKED_VECTORS * LANES };
    for (ptrdiff_t i = 0; i < n_rows; i++, x += x_row, to += WIDTH) {
        REAL *panel = to;
        ptrdiff_t k = 0;
        for (; k + WIDTH <= count; k += WIDTH, panel += n_rows * WIDTH)
            UNROLL for (int v = 0; v < PACKED_VECTORS; v++)
                SIMD(_store)(panel + v * LANES, SIMD(_load)(x + k + v * LANES));
        if (k < count) {
            memset(panel, 0, WIDTH * sizeof(REAL));
            memcpy(panel, x + k, (count - k) * sizeof(REAL));
        }
    }
}

/* The tile with both factors packed: c[i, k] = sum over j of a[j, i] * b[j, k], a with `rows` numbers
 * a step, b with PACKED_VECTORS vectors. Every address is a constant distance from one of two
 * pointers, and a load serves more fmas: the processor has fewer instructions to take in, which is
 * what holds up TILE(loop).
 *
 * Every PACKED_STEPS steps it sends for a share of the rows, as wide as b, at `soon` and of those at
 * `later`, but for no more than PACKED_SENT. Sent for all at once, they would hold up what the tile
 * itself loads. Where c is masked, `soon` are its own rows, and what masks them is sent for too. */
ALWAYS_INLINE void TILE(packed_loop)(const int rows, const int finish, const REAL *a,
                                     const REAL *b, ptrdiff_t length, const tile_ahead *soon,
                                     const tile_ahead *later, const REAL *positive, REAL rate,
                                     REAL *c, ptrdiff_t c_row, int lanes)
{
    enum { WIDTH = PACKED_VECTORS * LANES };
    SIMD(v) sums[PACKED_ROWS][PACKED_VECTORS];
    const char *next = (const char *)soon->first, *after = (const char *)later->first;
    const ptrdiff_t mask = finish == PACKED_MASK ? (const char *)positive - (const char *)c : 0;
    const ptrdiff_t shares = length / PACKED_STEPS;
    ptrdiff_t to_go = soon->rows, to_go_after = later->rows;
    const ptrdiff_t each = to_go > shares ? PACKED_SENT : 1;
    const ptrdiff_t each_after = to_go_after > shares ? PACKED_SENT : 1;
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < PACKED_VECTORS; v++) sums[i][v] = SIMD(_set1)(0);
#define PACKED_STEP(u)                                                                            \
    {                                                                                             \
        SIMD(v) column[PACKED_VECTORS];                                                           \
        UNROLL for (int v = 0; v < PACKED_VECTORS; v++)                                           \
            column[v] = SIMD(_load)(b + (u) * WIDTH + v * LANES);                                 \
        UNROLL for (int i = 0; i < rows; i++) {                                                   \
            SIMD(v) x = SIMD(_set1)(a[(u) * rows + i]);                                           \
            UNROLL for (int v = 0; v < PACKED_VECTORS; v++)                                       \
                sums[i][v] = SIMD(_fma)(x, column[v], sums[i][v]);                                \
        }                                                                                         \
    }
    for (; length >= PACKED_STEPS; length -= PACKED_STEPS) {
        for (ptrdiff_t i = 0; i < each && to_go > 0; i++, to_go--, next += soon->row)
            UNROLL for (int v = 0; v < PACKED_VECTORS; v++) {
                PREFETCH_FOR_LATER(next + v * LANES * sizeof(REAL));
                if (finish == PACKED_MASK)
                    PREFETCH_FOR_LATER(next + mask + v * LANES * sizeof(REAL));
            }
        for (ptrdiff_t i = 0; i < each_after && to_go_after > 0; i++, to_go_after--) {
            UNROLL for (int v = 0; v < PACKED_VECTORS; v++)
                PREFETCH_FOR_LATER(after + v * LANES * sizeof(REAL));
            after += later->row;
        }
        for (int half = 0; half < 2; half++) {
            UNROLL for (int u = 0; u < PACKED_STEPS / 2; u++) PACKED_STEP(u)
            a += PACKED_STEPS / 2 * rows;
            b += PACKED_STEPS / 2 * WIDTH;
            FORGET(a);
            FORGET(b);
        }
    }
    for (; length > 0; length--) {
        PACKED_STEP(0)
        a += rows;
        b += WIDTH;
    }
#undef PACKED_STEP
    UNROLL for (int i = 0; i < rows; i++) {
        REAL *to = c + i * c_row, edge[WIDTH], *place = lanes < WIDTH ? edge : to;
        const REAL *with = finish == PACKED_MASK ? positive + i * c_row : to;
        if (finish != PACKED_STORE && lanes < WIDTH) {
            memset(edge, 0, sizeof edge);
            with = memcpy(edge, with, lanes * sizeof(REAL));
        }
        UNROLL for (int v = 0; v < PACKED_VECTORS; v++) {
            SIMD(v) sum = sums[i][v];
            if (finish == PACKED_MASK)
                sum = SIMD(_unless_below)(SIMD(_load)(with + v * LANES), sum);
            if (finish == PACKED_STEP)
                /* Two roundings, as in update.pxd. */
                sum = SIMD(_sub)(SIMD(_load)(with + v * LANES),
                                 SIMD(_mul)(SIMD(_set1)(rate), sum));
            SIMD(_store)(place + v * LANES, sum);
        }
        if (lanes < WIDTH) memcpy(to, edge, lanes * sizeof(REAL));
    }
}

LOCAL void TILE(packed)(int rows, const REAL *a, const REAL *b, ptrdiff_t length,
                        const tile_ahead *soon, const tile_ahead *later, const tile_finish *finish,
                        REAL *c, ptrdiff_t c_row, int lanes)
{
    const REAL *const positive = (const REAL *)finish->positive;
    const REAL rate = (REAL)finish->rate;
#define TILE_LOOP(n, kind)                                                                        \
    TILE(packed_loop)(n, kind, a, b, length, soon, later, positive, rate, c, c_row, lanes)
#define TILE_CASE(n)                                                                              \
    case n:                                                                                       \
        if (n > PACKED_ROWS) break;                                                               \
        if (finish->kind == PACKED_STORE) TILE_LOOP(n, PACKED_STORE);                             \
        else if (finish->kind == PACKED_MASK) TILE_LOOP(n, PACKED_MASK);                          \
        else TILE_LOOP(n, PACKED_STEP);                                                           \
        break;
    switch (rows) {
        TILE_CASE(1) TILE_CASE(2) TILE_CASE(3) TILE_CASE(4) TILE_CASE(5) TILE_CASE(6) TILE_CASE(7)
        TILE_CASE(8)
    }
#undef TILE_CASE
#undef TILE_LOOP
}

/* c[k] = sum over j of a[j] * b[j, k], for `terms` rows of b, b_row apart, and count columns: what
 * the tile gives for one row, reading b in stretches as long as its rows. Several rows at once,
 * so that c is read and written rarely. */
ALWAYS_INLINE void TILE(combine_loop)(const int terms, const REAL *a, const REAL *b,
                                      ptrdiff_t b_row, ptrdiff_t count, REAL *c, int start)
{
    SIMD(v) factor[COMBINE_ROWS];
    ptrdiff_t k = 0;
    UNROLL for (int j = 0; j < terms; j++) factor[j] = SIMD(_set1)(a[j]);
    for (; k < count; k += LANES) {
        REAL edge[COMBINE_ROWS + 1][LANES];
        const ptrdiff_t rest = count - k;
        SIMD(v) sum = SIMD(_set1)(0);
        if (rest >= LANES) {
            if (start == TILE_FROM_C) sum = SIMD(_load)(c + k);
            UNROLL for (int j = 0; j < terms; j++)
                sum = SIMD(_fma)(factor[j], SIMD(_load)(b + j * b_row + k), sum);
            SIMD(_store)(c + k, sum);
        } else {
            memset(edge, 0, sizeof edge);
            for (int j = 0; j < terms; j++) memcpy(edge[j], b + j * b_row + k, rest * sizeof(REAL));
            if (start == TILE_FROM_C) {
                memcpy(edge[COMBINE_ROWS], c + k, rest * sizeof(REAL));
                sum = SIMD(_load)(edge[COMBINE_ROWS]);
            }
            UNROLL for (int j = 0; j < terms; j++)
                sum = SIMD(_fma)(factor[j], SIMD(_load)(edge[j]), sum);
            SIMD(_store)(edge[0], sum);
            memcpy(c + k, edge[0], rest * sizeof(REAL));
        }
    }
}

LOCAL void TILE(combine)(const REAL *a, ptrdiff_t terms, const REAL *b, ptrdiff_t b_row,
                         ptrdiff_t count, REAL *c)
{
    int start = TILE_FROM_ZERO;
    while (terms > 0) {
        const ptrdiff_t part = terms >= COMBINE_ROWS ? COMBINE_ROWS : terms >= 4 ? 4 : 1;
        if (part == COMBINE_ROWS)
            TILE(combine_loop)(COMBINE_ROWS, a, b, b_row, count, c, start);
        else if (part == 4)
            TILE(combine_loop)(4, a, b, b_row, count, c, start);
        else
            TILE(combine_loop)(1, a, b, b_row, count, c, start);
        terms -= part, a += part, b += part * b_row, start = TILE_FROM_C;
    }
}

/* c[i, k] += the dot product of row i of a and row k of b, for rows that are contiguous in memory:
 * a Linear layer's forward pass, whose two factors both run along the sum, needs no packing. The
 * sums are vectors along the reduction, `rows` x `columns` of them; their lanes are added last. An
 * edge of the matrix computes its last row or column twice rather than having loops of its own.
 * `ahead` is as long as a row, and will be wanted later: it is sent for on the way. */
ALWAYS_INLINE void TILE(dots_loop)(const int rows, const int columns, const REAL *const *a,
                                   const REAL *const *b, ptrdiff_t length, const REAL *ahead,
                                   REAL *out)
{
    const REAL *p[4], *q[6];
    SIMD(v) sums[4 * 6 + LANES];
    const int whole = (rows * columns + LANES - 1) / LANES * LANES; /* for SIMD(_sums) */
    UNROLL for (int i = 0; i < rows; i++) p[i] = a[i];
    UNROLL for (int k = 0; k < columns; k++) q[k] = b[k];
    UNROLL for (int i = 0; i < whole; i++) sums[i] = SIMD(_set1)(0);
    ptrdiff_t j = 0;
    for (; j + LANES <= length; j += LANES) {
        SIMD(v) left[4];
        PREFETCH_FOR_LATER(ahead + j);
        UNROLL for (int i = 0; i < rows; i++) left[i] = SIMD(_load)(p[i] + j);
        UNROLL for (int k = 0; k < columns; k++) {
            SIMD(v) right = SIMD(_load)(q[k] + j);
            UNROLL for (int i = 0; i < rows; i++)
                sums[i * columns + k] = SIMD(_fma)(left[i], right, sums[i * columns + k]);
        }
    }
    if (j < length) { /* the last terms, with zeros after them */
        REAL edge[4 + 6][LANES];
        memset(edge, 0, sizeof edge);
        for (int i = 0; i < rows; i++) memcpy(edge[i], a[i] + j, (length - j) * sizeof(REAL));
        for (int k = 0; k < columns; k++)
            memcpy(edge[4 + k], b[k] + j, (length - j) * sizeof(REAL));
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int k = 0; k < columns; k++)
                sums[i * columns + k] = SIMD(_fma)(SIMD(_load)(edge[i]), SIMD(_load)(edge[4 + k]),
                                                   sums[i * columns + k]);
    }
    UNROLL for (int i = 0; i < whole; i += LANES)
        SIMD(_store)(out + i, SIMD(_sums)(sums + i));
}

/* While this block is computed, the rows of the next are sent for: `a_next` and `b_next` are where they
 * are, n_rows and n_columns of them, as far apart as these. */
LOCAL void TILE(dots)(const REAL *a, ptrdiff_t a_row, ptrdiff_t n_rows, const REAL *b,
                      ptrdiff_t b_row, ptrdiff_t n_columns, ptrdiff_t length, const REAL *a_next,
                      const REAL *b_next, REAL *c, ptrdiff_t c_row)
{
    REAL out[4 * 6 + LANES];
    const REAL *left[4], *right[6];
    const ptrdiff_t tiles = (n_columns + DOT_COLUMNS - 1) / DOT_COLUMNS;
    const ptrdiff_t groups = (n_rows + DOT_ROWS - 1) / DOT_ROWS;
    for (ptrdiff_t t = 0; t < tiles; t++) {
        /* In tiles of even width (10 columns are 5 + 5), of which there are two kinds. */
        const ptrdiff_t first = n_columns * t / tiles, end = n_columns * (t + 1) / tiles;
        const int wide = end - first == DOT_COLUMNS, columns = DOT_COLUMNS - !wide;
        /* Each group of rows sends for one row: the next tile's columns first, then a share of
         * the next block's rows. */
        const REAL *const soon = end < n_columns ? b + end * b_row : b_next;
        const ptrdiff_t later = n_rows * t / tiles, shares = n_rows * (t + 1) / tiles - later;
        for (ptrdiff_t k = 0; k < columns; k++)
            right[k] = b + (first + k < end ? first + k : end - 1) * b_row;
        for (ptrdiff_t g = 0; g < groups; g++) {
            const ptrdiff_t i = g * DOT_ROWS, u = g - columns;
            const REAL *ahead = u < 0 ? soon + g * b_row
                              : u < shares ? a_next + (later + u) * a_row : right[0];
            for (ptrdiff_t u = 0; u < DOT_ROWS; u++)
                left[u] = a + (i + u < n_rows ? i + u : n_rows - 1) * a_row;
            if (n_rows == 1 && wide)
                TILE(dots_loop)(1, DOT_COLUMNS, left, right, length, ahead, out);
            else if (n_rows == 1)
                TILE(dots_loop)(1, DOT_COLUMNS - 1, left, right, length, ahead, out);
            else if (wide)
                TILE(dots_loop)(DOT_ROWS, DOT_COLUMNS, left, right, length, ahead, out);
            else
                TILE(dots_loop)(DOT_ROWS, DOT_COLUMNS - 1, left, right, length, ahead, out);
            for (ptrdiff_t u = 0; u < DOT_ROWS && i + u < n_rows; u++)
                for (ptrdiff_t k = first; k < end; k++)
                    c[(i + u) * c_row + k] += out[u * columns + k - first];
        }
    }
}

#undef REAL
#undef SIMD
#undef LANES
#undef TILE
