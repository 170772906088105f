/* One function for one type of vectors, SIMD(v): POOL(...) is its name. */

/* The maxima of 2 x 2 windows that hold a b above c d, and which of the four won: 2 * row + column
 * of the first maximum, or of the last NaN. With `relu`, see winners.h. */
ALWAYS_INLINE SIMD(v) POOL(square)(SIMD(v) a, SIMD(v) b, SIMD(v) c, SIMD(v) d, const int relu,
                                   SIMD(v) *won)
{
    const SIMD(v) zero = SIMD(_set1)(0), one = SIMD(_set1)(1);
    const SIMD(v) two = SIMD(_set1)(2), three = SIMD(_set1)(3);
    const SIMD(v) upper = SIMD(_select_wins)(b, a, b, a), lower = SIMD(_select_wins)(d, c, d, c);
    const SIMD(v) above = SIMD(_select_wins)(b, a, one, zero);
    const SIMD(v) below = SIMD(_select_wins)(d, c, three, two);
    const SIMD(v) best = SIMD(_select_wins)(lower, upper, lower, upper);
    *won = SIMD(_select_wins)(lower, upper, below, above);
    if (!relu) return best;
    *won = SIMD(_select_wins)(best, zero, *won, SIMD(_set1)(NO_WINNER));
    return SIMD(_max)(zero, best);
}
