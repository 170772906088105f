/* One function for one pair of types: REAL numbers, TAP winners, POOL(...) the name. */

/* y[i] = the maximum of the 2 x 2 window whose pixels for i are x[i * step + u * down + v * right], and
 * winner[i] = 2 * u + v of the first maximum, or of the last NaN. With `relu`, see winners.h. */
ALWAYS_INLINE void POOL(square)(const REAL *x, REAL *RESTRICT y, TAP *RESTRICT winner,
                                ptrdiff_t down, ptrdiff_t right, const int relu, const int block,
                                const int step, const int wanted)
{
    int won[BLOCK_MOST];
    VECTORS for (int i = 0; i < block; i++) {
        const REAL *p = x + i * step;
        const REAL b = p[right], c = p[down], d = p[down + right];
        REAL best = p[0];
        int tap = 0, wins;
        wins = (b > best) | (b != b);
        best = wins ? b : best;
        tap = wins ? 1 : tap;
        wins = (c > best) | (c != c);
        best = wins ? c : best;
        tap = wins ? 2 : tap;
        wins = (d > best) | (d != d);
        best = wins ? d : best;
        tap = wins ? 3 : tap;
        if (relu) {
            tap = best <= 0 ? NO_WINNER : tap;
            best = best <= 0 ? 0 : best;
        }
        y[i] = best;
        won[i] = tap;
    }
    if (wanted)
        VECTORS for (int i = 0; i < block; i++) winner[i] = (TAP)won[i];
}
