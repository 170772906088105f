/* The functions of winograd.h for one type: REAL, its vectors SIMD(...), LANES of them,
 * WINOGRAD(...) the name. Included twice by winograd.h, between winograd_points_template.h and
 * winograd_output_template.h. */

/* One vector of channels, from `first` on, of the first `count` pixels of column j. */
ALWAYS_INLINE void WINOGRAD(column_of)(const int count, const int pooled, const int up,
                                       const int left, const winograd_patch *p, int j,
                                       ptrdiff_t first, SIMD(v) *line)
{
    if (pooled) {
        UNROLL for (int i = 0; i < count; i++) {
            const int window = (i + up) / 2 * WINDOWS + (j + left) / 2;
            line[i] = SIMD(_load_where)((const REAL *)p->gradients[window] + first,
                                        p->winners[window] + first,
                                        (i + up) % 2 * 2 + (j + left) % 2);
        }
    } else if (j < p->begin || j >= p->end) {
        UNROLL for (int i = 0; i < count; i++) line[i] = SIMD(_set1)(0);
    } else {
        UNROLL for (int i = 0; i < count; i++)
            line[i] = SIMD(_load)((const REAL *)p->rows[i] + j * p->pixel + first);
    }
}

/* Sends for what the tile below reads besides, and what the next image's first tiles do. */
ALWAYS_INLINE void WINOGRAD(fetch_below)(const int count, const winograd_patch *p, ptrdiff_t first)
{
    UNROLL for (int i = 0; i < WINOGRAD_TILE; i++) {
        const REAL *row = (const REAL *)p->rows[count - WINOGRAD_TILE + i] + first;
        UNROLL for (int j = 0; j < WINOGRAD_TILE; j++)
            PREFETCH_FOR_LATER(row + p->below + j * p->pixel);
    }
}

/* The n x n values of a vector, a row at a time, from those of its columns. */
#define STORE_LINE(n, i, line, t, point)                                                          \
    do {                                                                                          \
        REAL *to = (t) + (n) * (i) * (point);                                                     \
        FORGET(to); /* or compilers keep n * n addresses */                                       \
        UNROLL for (int j = 0; j < (n); j++) SIMD(_store)(to + j * (point), (line)[j]);           \
    } while (0)

/* v = B^T d B for `vectors` vectors of channels. */
ALWAYS_INLINE void WINOGRAD(input_of)(const int n, const int pooled, const int up, const int left,
                                      const winograd_patch *d, REAL *v, ptrdiff_t point,
                                      ptrdiff_t vectors)
{
    const winograd_patch p = *d; /* or the stores of v might change it, as far as compilers know */
    for (ptrdiff_t first = 0; first < vectors * LANES; first += LANES) {
        SIMD(v) half[8][8], line[8];
        if (!pooled) WINOGRAD(fetch_below)(n, &p, first);
        UNROLL for (int j = 0; j < n; j++) {
            WINOGRAD(column_of)(n, pooled, up, left, &p, j, first, line);
            WINOGRAD(points_of_input)(n, line, 1, &half[0][j], 8);
        }
        UNROLL for (int i = 0; i < n; i++) {
            WINOGRAD(points_of_input)(n, half[i], 1, line, 1);
            STORE_LINE(n, i, line, v + first, point);
        }
    }
}

/* t = A x A^T, or with `scaled` G x G^T, of one vector of channels of the count x count pixels of
 * x. Unless `sum` is NULL, the pixels are added to it. */
ALWAYS_INLINE void WINOGRAD(points_of)(const int n, const int count, const int scaled,
                                       const int pooled, const winograd_patch *x, ptrdiff_t first,
                                       REAL *t, ptrdiff_t point, REAL *sum)
{
    SIMD(v) half[8][8], line[8], all = SIMD(_set1)(0);
    UNROLL for (int j = 0; j < count; j++) {
        WINOGRAD(column_of)(count, pooled, 0, 0, x, j, first, line);
        WINOGRAD(points_of_powers)(n, count, scaled, line, 1, &half[0][j], 8);
        if (sum) UNROLL for (int i = 0; i < count; i++) all = SIMD(_add)(all, line[i]);
    }
    if (sum) SIMD(_store)(sum, SIMD(_add)(all, SIMD(_load)(sum)));
    UNROLL for (int i = 0; i < n; i++) {
        WINOGRAD(points_of_powers)(n, count, scaled, half[i], 1, line, 1);
        STORE_LINE(n, i, line, t, point);
    }
}

/* x = A^T t A, or with `scaled` G^T t G: the count x count numbers of one vector of channels. */
ALWAYS_INLINE void WINOGRAD(of_points)(const int n, const int count, const int scaled,
                                       const REAL *t, ptrdiff_t point, SIMD(v) *x)
{
    SIMD(v) half[8][8], line[8];
    UNROLL for (int j = 0; j < n; j++) {
        UNROLL for (int i = 0; i < n; i++) line[i] = SIMD(_load)(t + (n * i + j) * point);
        WINOGRAD(powers_of_points)(n, count, scaled, line, 1, &half[0][j], 8);
    }
    UNROLL for (int i = 0; i < count; i++)
        WINOGRAD(powers_of_points)(n, count, scaled, half[i], 1, x + i * count, 1);
}

LOCAL void WINOGRAD(input)(int n, const winograd_patch *d, REAL *v, ptrdiff_t point,
                           ptrdiff_t vectors)
{
#define PARITY(up, left)                                                                          \
    case 2 * up + left:                                                                           \
        if (n == 6) WINOGRAD(input_of)(6, 1, up, left, d, v, point, vectors);                     \
        else WINOGRAD(input_of)(8, 1, up, left, d, v, point, vectors);                            \
        break;
    if (d->pooled)
        switch (2 * d->up + d->left) { PARITY(0, 0) PARITY(0, 1) PARITY(1, 0) PARITY(1, 1) }
    else if (n == 6) WINOGRAD(input_of)(6, 0, 0, 0, d, v, point, vectors);
    else WINOGRAD(input_of)(8, 0, 0, 0, d, v, point, vectors);
#undef PARITY
}

ALWAYS_INLINE void WINOGRAD(gradient_of)(const int n, const int pooled, const winograd_patch *dy,
                                         REAL *t, ptrdiff_t point, REAL *sum, ptrdiff_t vectors)
{
    const winograd_patch p = *dy; /* as above */
    for (ptrdiff_t first = 0; first < vectors * LANES; first += LANES) {
        if (!pooled) WINOGRAD(fetch_below)(WINOGRAD_TILE, &p, first);
        WINOGRAD(points_of)(n, WINOGRAD_TILE, 0, pooled, &p, first, t + first, point,
                            sum ? sum + first : NULL);
    }
}

/* t = A dy A^T for `vectors` vectors of channels. The 16 numbers of each channel are added to `sum`,
 * unless that is NULL. The patch begins with a whole window, if any. */
LOCAL void WINOGRAD(gradient)(int n, const winograd_patch *dy, REAL *t, ptrdiff_t point,
                              REAL *sum, ptrdiff_t vectors)
{
    if (n == 6 && dy->pooled) WINOGRAD(gradient_of)(6, 1, dy, t, point, sum, vectors);
    else if (n == 6) WINOGRAD(gradient_of)(6, 0, dy, t, point, sum, vectors);
    else if (dy->pooled) WINOGRAD(gradient_of)(8, 1, dy, t, point, sum, vectors);
    else WINOGRAD(gradient_of)(8, 0, dy, t, point, sum, vectors);
}

/* u = G g G^T for one vector of channels; the r * r taps of g are `tap` numbers apart. */
LOCAL void WINOGRAD(weight)(int n, const REAL *g, ptrdiff_t tap, REAL *u, ptrdiff_t point)
{
    winograd_patch taps = {{0}};
    for (int i = 0; i < n - 3; i++) taps.rows[i] = g + i * (n - 3) * tap;
    taps.pixel = tap;
    taps.begin = 0;
    taps.end = n - 3;
    if (n == 6) WINOGRAD(points_of)(6, 3, 1, 0, &taps, 0, u, point, NULL);
    else WINOGRAD(points_of)(8, 5, 1, 0, &taps, 0, u, point, NULL);
}

/* dg = G^T t G for one vector of channels. */
LOCAL void WINOGRAD(weight_gradient)(int n, const REAL *t, ptrdiff_t point, REAL *dg,
                                     ptrdiff_t tap)
{
    SIMD(v) taps[25];
    if (n == 6) WINOGRAD(of_points)(6, 3, 1, t, point, taps);
    else WINOGRAD(of_points)(8, 5, 1, t, point, taps);
    for (int i = 0; i < (n - 3) * (n - 3); i++) SIMD(_store)(dg + i * tap, taps[i]);
}

#undef STORE_LINE
