/* The functions of norm.h for one type: REAL numbers in vectors SIMD(v) of LANES, NORM(...) their
 * names.
 *
 * All go through n numbers of `width` columns, which is whole vectors; the last row may be shorter.
 * What belongs to a column stays in registers for a stretch of rows. */

/* Runs OF(count, lanes, j, at, rows) over the numbers: `count` vectors of columns from j on, in
 * `rows` rows from `at` on. Of a last row that is shorter, one vector at a time, and of its last
 * vector `lanes` numbers. */
#define SWEEP(OF)                                                                                 \
    for (ptrdiff_t at = 0; at < n; at += NORM_STRETCH * width) {                                  \
        const ptrdiff_t left = n - at;                                                            \
        const ptrdiff_t rows = left < NORM_STRETCH * width ? left / width : NORM_STRETCH;         \
        const ptrdiff_t rest = rows < NORM_STRETCH ? left - rows * width : 0;                     \
        ptrdiff_t j = 0;                                                                          \
        if (rows) {                                                                               \
            for (; j + NORM_VECTORS * LANES <= width; j += NORM_VECTORS * LANES)                  \
                OF(NORM_VECTORS, LANES, j, at + j, rows);                                         \
            for (; j < width; j += LANES) OF(1, LANES, j, at + j, rows);                          \
        }                                                                                         \
        for (j = 0; j + LANES <= rest; j += LANES) OF(1, LANES, j, at + rows * width + j, 1);     \
        if (j < rest) OF(1, (int)(rest - j), j, at + rows * width + j, 1);                        \
    }

ALWAYS_INLINE SIMD(v) NORM(load)(const REAL *p, int lanes)
{
    return lanes == LANES ? SIMD(_load)(p) : SIMD(_load_first)(p, lanes);
}

ALWAYS_INLINE void NORM(store)(REAL *p, SIMD(v) a, int lanes)
{
    if (lanes == LANES) SIMD(_store)(p, a);
    else SIMD(_store_first)(p, a, lanes);
}

/* `count` vectors of one term. */
ALWAYS_INLINE void NORM(term)(const int count, const REAL *terms, SIMD(v) *to)
{
    UNROLL for (int i = 0; i < count; i++) to[i] = SIMD(_load)(terms + i * LANES);
}

/* sums += a */
ALWAYS_INLINE void NORM(add_up)(double *sums, SIMD(v) a, int lanes)
{
    REAL numbers[LANES];
    SIMD(_store)(numbers, a);
    if (lanes == LANES) VECTORS for (int i = 0; i < LANES; i++) sums[i] += numbers[i];
    else for (int i = 0; i < lanes; i++) sums[i] += numbers[i];
}

ALWAYS_INLINE void NORM(totals_of)(const int count, const REAL *x, ptrdiff_t rows, ptrdiff_t width,
                                   int lanes, double *sums)
{
    SIMD(v) sum[NORM_VECTORS];
    UNROLL for (int i = 0; i < count; i++) sum[i] = SIMD(_set1)(0);
    for (; rows > 0; rows--, x += width)
        UNROLL for (int i = 0; i < count; i++)
            sum[i] = SIMD(_add)(sum[i], NORM(load)(x + i * LANES, lanes));
    UNROLL for (int i = 0; i < count; i++) NORM(add_up)(sums + i * LANES, sum[i], lanes);
}

/* sums += each column's sum of x. */
static void NORM(totals)(const REAL *x, ptrdiff_t n, ptrdiff_t width, double *sums)
{
#define OF(count, lanes, j, at, rows)                                                             \
    NORM(totals_of)(count, x + (at), rows, width, lanes, sums + (j))
    SWEEP(OF)
#undef OF
}

ALWAYS_INLINE void NORM(moments_of)(const int count, const REAL *x, ptrdiff_t rows,
                                    ptrdiff_t width, int lanes, const REAL *center, double *sums,
                                    double *squares)
{
    SIMD(v) c[NORM_VECTORS], sum[NORM_VECTORS], square[NORM_VECTORS];
    NORM(term)(count, center, c);
    UNROLL for (int i = 0; i < count; i++) sum[i] = square[i] = SIMD(_set1)(0);
    for (; rows > 0; rows--, x += width)
        UNROLL for (int i = 0; i < count; i++) {
            const SIMD(v) d = SIMD(_sub)(NORM(load)(x + i * LANES, lanes), c[i]);
            sum[i] = SIMD(_add)(sum[i], d);
            square[i] = SIMD(_fma)(d, d, square[i]);
        }
    UNROLL for (int i = 0; i < count; i++) {
        NORM(add_up)(sums + i * LANES, sum[i], lanes);
        NORM(add_up)(squares + i * LANES, square[i], lanes);
    }
}

/* sums += each column's sum of x - center, squares += that of its square. */
static void NORM(moments)(const REAL *x, ptrdiff_t n, ptrdiff_t width, const REAL *center,
                          double *sums, double *squares)
{
#define OF(count, lanes, j, at, rows)                                                             \
    NORM(moments_of)(count, x + (at), rows, width, lanes, center + (j), sums + (j), squares + (j))
    SWEEP(OF)
#undef OF
}

/* (x - center) * scale + shift: the same bits in every pass. */
ALWAYS_INLINE SIMD(v) NORM(scaled)(SIMD(v) distance, SIMD(v) scale, SIMD(v) shift)
{
    return SIMD(_fma)(distance, scale, shift);
}

ALWAYS_INLINE void NORM(scale_of)(const int count, const int relu, const int adds, const REAL *x,
                                  const REAL *other, REAL *y, ptrdiff_t rows, ptrdiff_t width,
                                  int lanes, const REAL *terms)
{
    SIMD(v) center[NORM_VECTORS], scale[NORM_VECTORS], shift[NORM_VECTORS];
    NORM(term)(count, terms + NORM_CENTER * width, center);
    NORM(term)(count, terms + NORM_SCALE * width, scale);
    NORM(term)(count, terms + NORM_SHIFT * width, shift);
    for (ptrdiff_t row = 0; row < rows; row++)
        UNROLL for (int i = 0; i < count; i++) {
            const ptrdiff_t at = row * width + i * LANES;
            SIMD(v) v = SIMD(_sub)(NORM(load)(x + at, lanes), center[i]);
            v = NORM(scaled)(v, scale[i], shift[i]);
            if (adds) v = SIMD(_add)(v, NORM(load)(other + at, lanes));
            if (relu) v = SIMD(_unless_below)(v, v);
            NORM(store)(y + at, v, lanes);
        }
}

/* y = (x - center) * scale + shift, + other unless that is NULL, then ReLU if wanted; NaN stays. */
static void NORM(scale)(const REAL *x, const REAL *other, REAL *y, ptrdiff_t n, ptrdiff_t width,
                        const REAL *terms, int relu)
{
#define OF_RELU(count, lanes, j, at, rows)                                                        \
    NORM(scale_of)(count, 1, 0, x + (at), NULL, y + (at), rows, width, lanes, terms + (j))
#define OF_BOTH(count, lanes, j, at, rows)                                                        \
    NORM(scale_of)(count, 1, 1, x + (at), other + (at), y + (at), rows, width, lanes, terms + (j))
#define OF_SUM(count, lanes, j, at, rows)                                                         \
    NORM(scale_of)(count, 0, 1, x + (at), other + (at), y + (at), rows, width, lanes, terms + (j))
#define OF(count, lanes, j, at, rows)                                                             \
    NORM(scale_of)(count, 0, 0, x + (at), NULL, y + (at), rows, width, lanes, terms + (j))
    if (other && relu) SWEEP(OF_BOTH)
    else if (other) SWEEP(OF_SUM)
    else if (relu) SWEEP(OF_RELU)
    else SWEEP(OF)
#undef OF
#undef OF_SUM
#undef OF_BOTH
#undef OF_RELU
}

ALWAYS_INLINE void NORM(products_of)(const int count, const int relu, const REAL *dy,
                                     const REAL *x, ptrdiff_t rows, ptrdiff_t width, int lanes,
                                     const REAL *terms, double *sums, double *products)
{
    SIMD(v) center[NORM_VECTORS], scale[NORM_VECTORS], shift[NORM_VECTORS];
    SIMD(v) sum[NORM_VECTORS], product[NORM_VECTORS];
    NORM(term)(count, terms + NORM_CENTER * width, center);
    if (relu) {
        NORM(term)(count, terms + NORM_SCALE * width, scale);
        NORM(term)(count, terms + NORM_SHIFT * width, shift);
    }
    UNROLL for (int i = 0; i < count; i++) sum[i] = product[i] = SIMD(_set1)(0);
    for (; rows > 0; rows--, x += width, dy += width)
        UNROLL for (int i = 0; i < count; i++) {
            const SIMD(v) d = SIMD(_sub)(NORM(load)(x + i * LANES, lanes), center[i]);
            SIMD(v) g = NORM(load)(dy + i * LANES, lanes);
            if (relu) g = SIMD(_unless_below)(NORM(scaled)(d, scale[i], shift[i]), g);
            sum[i] = SIMD(_add)(sum[i], g);
            product[i] = SIMD(_fma)(g, d, product[i]);
        }
    UNROLL for (int i = 0; i < count; i++) {
        NORM(add_up)(sums + i * LANES, sum[i], lanes);
        NORM(add_up)(products + i * LANES, product[i], lanes);
    }
}

/* sums += each column's sum of dy, products += that of dy * (x - center); with `relu`, of the dy
 * where the ReLU's result is not 0. */
static void NORM(products)(const REAL *dy, const REAL *x, ptrdiff_t n, ptrdiff_t width,
                           const REAL *terms, double *sums, double *products, int relu)
{
#define OF_RELU(count, lanes, j, at, rows)                                                        \
    NORM(products_of)(count, 1, dy + (at), x + (at), rows, width, lanes, terms + (j), sums + (j), \
                      products + (j))
#define OF(count, lanes, j, at, rows)                                                             \
    NORM(products_of)(count, 0, dy + (at), x + (at), rows, width, lanes, terms + (j), sums + (j), \
                      products + (j))
    if (relu) SWEEP(OF_RELU)
    else SWEEP(OF)
#undef OF
#undef OF_RELU
}

ALWAYS_INLINE void NORM(gradient_of)(const int count, const int relu, const int given,
                                     const REAL *dy, const REAL *x, REAL *dx, ptrdiff_t rows,
                                     ptrdiff_t width, int lanes, const REAL *terms)
{
    SIMD(v) center[NORM_VECTORS], scale[NORM_VECTORS], shift[NORM_VECTORS];
    SIMD(v) slope[NORM_VECTORS], offset[NORM_VECTORS];
    NORM(term)(count, terms + NORM_CENTER * width, center);
    NORM(term)(count, terms + NORM_SCALE * width, scale);
    NORM(term)(count, terms + NORM_SHIFT * width, shift);
    NORM(term)(count, terms + NORM_SLOPE * width, slope);
    NORM(term)(count, terms + NORM_OFFSET * width, offset);
    for (ptrdiff_t row = 0; row < rows; row++)
        UNROLL for (int i = 0; i < count; i++) {
            const ptrdiff_t at = row * width + i * LANES;
            SIMD(v) g = NORM(load)(dy + at, lanes), d = g;
            if (relu || !given) d = SIMD(_sub)(NORM(load)(x + at, lanes), center[i]);
            if (relu) g = SIMD(_unless_below)(NORM(scaled)(d, scale[i], shift[i]), g);
            g = given ? SIMD(_mul)(g, scale[i])
                      : SIMD(_fma)(g, scale[i], SIMD(_fma)(d, slope[i], offset[i]));
            NORM(store)(dx + at, g, lanes);
        }
}

/* dx = dy * scale, + (x - center) * slope + offset unless the statistics were `given`; with `relu`
 * of the dy where the ReLU's result is not 0. */
static void NORM(gradient)(const REAL *dy, const REAL *x, REAL *dx, ptrdiff_t n, ptrdiff_t width,
                           const REAL *terms, int relu, int given)
{
#define OF_GIVEN(count, lanes, j, at, rows)                                                       \
    NORM(gradient_of)(count, relu, 1, dy + (at), x + (at), dx + (at), rows, width, lanes,         \
                      terms + (j))
#define OF_RELU(count, lanes, j, at, rows)                                                        \
    NORM(gradient_of)(count, 1, 0, dy + (at), x + (at), dx + (at), rows, width, lanes, terms + (j))
#define OF(count, lanes, j, at, rows)                                                             \
    NORM(gradient_of)(count, 0, 0, dy + (at), x + (at), dx + (at), rows, width, lanes, terms + (j))
    if (given) SWEEP(OF_GIVEN)
    else if (relu) SWEEP(OF_RELU)
    else SWEEP(OF)
#undef OF
#undef OF_RELU
#undef OF_GIVEN
}

#undef SWEEP
