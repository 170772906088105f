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
            const REAL *a = upper + 2 * w * right + i, *c = lower + 2 * w * right + i;
            SIMD(v) best, tap;
            best = POOL(square)(SIMD(_load)(a), SIMD(_load)(a + right), SIMD(_load)(c),
                                SIMD(_load)(c + right), relu, &tap);
            SIMD(_store)(y + w * right + i, best);
            SIMD(_store)(won + w * right + i, tap);
        }
}

/* Pixels begin <= p < end of a row before a pool, from the gradients behind it: `first` is 0 for the
 * upper row of the windows and 2 for the lower. */
LOCAL void STRIPS(spread)(const REAL *gradient, const REAL *won, ptrdiff_t windows,
                          ptrdiff_t channels, int first, ptrdiff_t begin, ptrdiff_t end,
                          REAL *RESTRICT to)
{
    const ptrdiff_t pixel = channels * LANES;
    for (ptrdiff_t p = begin; p < end; p++, to += pixel) {
        const REAL *g = gradient + p / 2 * pixel, *w = won + p / 2 * pixel;
        const REAL tap = (REAL)(first + p % 2);
        if (p / 2 == windows) {
            memset(to, 0, pixel * sizeof(REAL));
            break;
        }
        for (ptrdiff_t i = 0; i < pixel; i += LANES)
            VECTORS for (int j = 0; j < LANES; j++) to[i + j] = w[i + j] == tap ? g[i + j] : 0;
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
#undef POOL
#undef SIMD
#undef LANES
#undef PIECE
#undef STRIPS
