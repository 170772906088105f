/* Whole vectors and parts of them, for one type: REAL numbers in vectors SIMD(v) of LANES, POOL(...)
 * the name. */

/* LANES numbers `step` apart, or n of them and zeros. */
ALWAYS_INLINE SIMD(v) POOL(load)(const REAL *x, const int how, ptrdiff_t step, ptrdiff_t n)
{
    REAL part[LANES] = {0};
    if (how == POOL_WHOLE) return SIMD(_load)(x);
    if (how == POOL_EVERY_OTHER) return SIMD(_every_other)(x);
    for (ptrdiff_t i = 0; i < n; i++) part[i] = x[i * step];
    return SIMD(_load)(part);
}

ALWAYS_INLINE void POOL(store)(REAL *y, SIMD(v) best, const int how, ptrdiff_t n)
{
    REAL part[LANES];
    if (how == POOL_PART) {
        SIMD(_store)(part, best);
        memcpy(y, part, n * sizeof(REAL));
    } else {
        SIMD(_store)(y, best);
    }
}
