/* The functions of strips.h around a 2 x 2 max-pool, for one type: REAL, LANES, STRIPS(...) the name.
 *
 * Rows are interleaved: a vector holds the same pixel and channel of all lanes. Which pixel of a
 * window won stands in REAL numbers here, see winners.h. */

/* The maxima of two rows' windows, after a ReLU if wanted, and the winners. The first maximum wins,
 * and NaN over everything. */
LOCAL void STRIPS(pool)(const REAL *upper, const REAL *lower, ptrdiff_t windows, ptrdiff_t channels,
                        int relu, REAL *RESTRICT y, REAL *RESTRICT won)
{
    const ptrdiff_t right = channels * LANES;
    for (ptrdiff_t w = 0; w < windows; w++, upper += right, lower += right)
        for (ptrdiff_t c = 0; c < channels; c++) {
            VECTORS for (int i = 0; i < LANES; i++) {
                const REAL b = upper[right + i], d = lower[i], e = lower[right + i];
                REAL best = upper[i], tap = 0;
                int wins;
                wins = (b > best) | (b != b);
                best = wins ? b : best;
                tap = wins ? 1 : tap;
                wins = (d > best) | (d != d);
                best = wins ? d : best;
                tap = wins ? 2 : tap;
                wins = (e > best) | (e != e);
                best = wins ? e : best;
                tap = wins ? 3 : tap;
                tap = relu && best <= 0 ? NO_WINNER : tap;
                best = relu && best <= 0 ? 0 : best;
                y[i] = best;
                won[i] = tap;
            }
            upper += LANES;
            lower += LANES;
            y += LANES;
            won += LANES;
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
#undef SIMD
#undef LANES
#undef PIECE
#undef STRIPS
