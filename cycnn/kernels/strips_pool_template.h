/* The functions of strips.h around a 2 x 2 max-pool, for one type: REAL, LANES, STRIPS(...) the name.
 *
 * Rows are interleaved: a vector holds the same pixel and channel of all lanes. Which pixel of a
 * window won stands in REAL numbers here, see winners.h. */

/* The maxima of two rows' windows, after a ReLU if wanted, and the winners. */
LOCAL void STRIPS(pool)(const REAL *upper, const REAL *lower, ptrdiff_t windows, ptrdiff_t channels,
                        int relu, REAL *y, REAL *won)
{
    const ptrdiff_t right = channels * LANES;
    for (ptrdiff_t w = 0; w < windows; w++)
        for (ptrdiff_t i = 0; i < right; i += LANES) {
            const REAL *x = upper + 2 * w * right + i;
            const ptrdiff_t to = w * right + i;
            if (relu) POOL(square)(x, y + to, won + to, lower - upper, right, 1, LANES, 1, 1);
            else POOL(square)(x, y + to, won + to, lower - upper, right, 0, LANES, 1, 1);
        }
}

/* Pixels begin <= p < end of a row before a pool, from the gradients behind it: `first` is 0 for the
 * upper row of the windows and 2 for the lower. */
LOCAL void STRIPS(spread)(const REAL *gradient, const REAL *won, ptrdiff_t windows,
                          ptrdiff_t channels, int first, ptrdiff_t begin, ptrdiff_t end,
                          REAL *RESTRICT to)
{
    const ptrdiff_t pixel = channels * LANES;
    const SIMD(v) left = SIMD(_set1)((REAL)first), right = SIMD(_set1)((REAL)(first + 1));
    for (ptrdiff_t p = begin; p < end; p++, to += pixel) {
        const REAL *g = gradient + p / 2 * pixel, *w = won + p / 2 * pixel;
        const SIMD(v) tap = p % 2 ? right : left;
        if (p / 2 == windows) {
            memset(to, 0, pixel * sizeof(REAL));
            break;
        }
        for (ptrdiff_t i = 0; i < pixel; i += LANES)
            SIMD(_store)(to + i, SIMD(_where_equal)(SIMD(_load)(w + i), tap, SIMD(_load)(g + i)));
    }
}

/* One lane's winners as numbers, and back. */
LOCAL void STRIPS(numbers)(const unsigned char *winner, ptrdiff_t n, REAL *RESTRICT to)
{
    VECTORS for (ptrdiff_t i = 0; i < n; i++) to[i] = winner[i];
}

LOCAL void STRIPS(bytes)(const REAL *won, ptrdiff_t n, unsigned char *RESTRICT to)
{
    VECTORS for (ptrdiff_t i = 0; i < n; i++) to[i] = (unsigned char)(int)won[i];
}

#undef REAL
#undef TAP
#undef POOL
#undef SIMD
#undef LANES
#undef STRIPS
