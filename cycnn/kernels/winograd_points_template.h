/* Winograd's transformations in one direction, for one type: REAL, its vectors SIMD(...),
 * WINOGRAD(...) the name. What is read is `step` vectors apart, what is written `to`.
 *
 * A tile of 4 outputs and a kernel of r taps are polynomials of the n = r + 3 inputs under them. The
 * points at which they are taken, 0, pairs p and -p, and infinity, are explained in winograd.h. */

#define ADD(a, b) SIMD(_add)(a, b)
#define SUB(a, b) SIMD(_sub)(a, b)
/* A number times x, plus b; 1 and -1 need no multiplication. */
#define FMA(a, x, b)                                                                              \
    ((a) == 1 ? ADD(b, x) : (a) == -1 ? SUB(b, x) : SIMD(_fma)(SIMD(_set1)(a), x, b))
#define MUL(a, x) SIMD(_mul)(SIMD(_set1)(a), x)

/* Constants of n = 6 and of n = 8. After inlining each is a literal. */
#define PAIRS(n) ((n) / 2 - 1)
#define PICK(n, i, p6, q6, p8, q8, s8)                                                            \
    ((REAL)((n) == 6 ? ((i) == 0 ? p6 : q6) : ((i) == 0 ? p8 : (i) == 1 ? q8 : s8)))
#define PAIR(n, i) PICK(n, i, .625, 1.5, .5, 1., 2.)
#define SQUARE(n, i) (PAIR(n, i) * PAIR(n, i))
/* One over the product of a point's distances to the other finite points. */
#define INVERSE(n, i)                                                                             \
    PICK(n, i, .5 / (.390625 * (.390625 - 2.25)), .5 / (2.25 * (2.25 - .390625)), 1 / 1.40625,    \
         -1 / 4.5, 1 / 90.)
#define INVERSE_0(n) ((REAL)((n) == 6 ? 1 / (.390625 * 2.25) : -1.))

/* B^T. With z = x^2, the polynomial of a pair is (x^2 +- p x) times the product of z - q^2 over the
 * other pairs; those of 0 and infinity are the product over all pairs, the latter times x. */
ALWAYS_INLINE void WINOGRAD(points_of_input)(const int n, const SIMD(v) *d, const int step,
                                             SIMD(v) *t, const int to)
{
    UNROLL for (int i = 0; i < PAIRS(n); i++) {
        const REAL a = n == 6 ? SQUARE(n, 1 - i) : SQUARE(n, i == 0 ? 1 : 0);
        const REAL b = n == 6 ? 0 : SQUARE(n, i == 2 ? 1 : 2);
        SIMD(v) even, odd;
        if (n == 6) {
            even = FMA(-a, d[2 * step], d[4 * step]);
            odd = FMA(-a, d[step], d[3 * step]);
        } else {
            even = FMA(a * b, d[2 * step], FMA(-a - b, d[4 * step], d[6 * step]));
            odd = FMA(a * b, d[step], FMA(-a - b, d[3 * step], d[5 * step]));
        }
        t[(1 + 2 * i) * to] = FMA(PAIR(n, i), odd, even);
        t[(2 + 2 * i) * to] = FMA(-PAIR(n, i), odd, even);
    }
    UNROLL for (int i = 0; i < 2; i++) {
        const SIMD(v) *x = d + i * step;
        if (n == 6)
            t[5 * i * to] = FMA(SQUARE(6, 0) * SQUARE(6, 1), x[0],
                                FMA(-SQUARE(6, 0) - SQUARE(6, 1), x[2 * step], x[4 * step]));
        else
            t[7 * i * to] = FMA((REAL)5.25, SUB(x[2 * step], x[4 * step]), SUB(x[6 * step], x[0]));
    }
}

/* A, or with `scaled` G: the values at the points of a polynomial with `count` coefficients. */
ALWAYS_INLINE void WINOGRAD(points_of_powers)(const int n, const int count, const int scaled,
                                              const SIMD(v) *x, const int step, SIMD(v) *t,
                                              const int to)
{
    t[0] = scaled ? MUL(INVERSE_0(n), x[0]) : x[0];
    UNROLL for (int i = 0; i < PAIRS(n); i++) {
        const REAL scale = scaled ? INVERSE(n, i) : 1;
        SIMD(v) even = x[2 * step], odd = x[step];
        if (count > 4) even = FMA(SQUARE(n, i), x[4 * step], even);
        if (count > 3) odd = FMA(SQUARE(n, i), x[3 * step], odd);
        even = FMA(SQUARE(n, i), even, x[0]);
        if (scaled) even = MUL(scale, even);
        t[(1 + 2 * i) * to] = FMA(PAIR(n, i) * scale, odd, even);
        t[(2 + 2 * i) * to] = FMA(-PAIR(n, i) * scale, odd, even);
    }
    t[(n - 1) * to] = x[(count - 1) * step];
}

/* A^T, or with `scaled` G^T: `count` numbers from n. */
ALWAYS_INLINE void WINOGRAD(powers_of_points)(const int n, const int count, const int scaled,
                                              const SIMD(v) *t, const int step, SIMD(v) *x,
                                              const int to)
{
    SIMD(v) even[3], odd[3];
    UNROLL for (int i = 0; i < PAIRS(n); i++) {
        even[i] = ADD(t[(1 + 2 * i) * step], t[(2 + 2 * i) * step]);
        odd[i] = SUB(t[(1 + 2 * i) * step], t[(2 + 2 * i) * step]);
    }
    UNROLL for (int j = 0; j < count; j++) {
        SIMD(v) sum = j == 0 ? (scaled ? MUL(INVERSE_0(n), t[0]) : t[0]) : t[(n - 1) * step];
        UNROLL for (int i = 0; i < PAIRS(n); i++) {
            const SIMD(v) part = j % 2 ? odd[i] : even[i];
            const REAL p = PAIR(n, i), scale = scaled ? INVERSE(n, i) : 1;
            const REAL power = (j > 0 ? p : 1) * (j > 1 ? p : 1) * (j > 2 ? p : 1) *
                                (j > 3 ? p : 1) * scale;
            sum = i == 0 && j > 0 && j < count - 1 ? MUL(power, part) : FMA(power, part, sum);
        }
        x[j * to] = sum;
    }
}

#undef ADD
#undef SUB
#undef FMA
#undef MUL
#undef PAIRS
#undef PICK
#undef PAIR
#undef SQUARE
#undef INVERSE
#undef INVERSE_0
