/* Winograd's minimal filtering, float32: Lavin and Gray, arXiv 1509.09308.
 *
 * A tile of 4 x 4 outputs and a kernel of r x r taps are polynomials of the n x n inputs under them,
 * n = r + 3. Their values at n points each way, n * n in all, need one multiplication each where the
 * direct sum needs 16 * r * r: 4 times fewer for r = 3 (n = 6), 6.25 times for r = 5 (n = 8).
 *
 *     forward            y  = A^T [ (G g G^T) * (B^T d B) ] A
 *     weight gradient    dg = G^T [ (A dy A^T) * (B^T d B) ] G
 *
 * where * is number by number; summed over channels (or tiles) it is a matrix product for each
 * point. The points are 0, pairs p and -p, and infinity. The row of A for a point p is
 * 1, p, p^2, p^3; that of G is r powers of it over the product of its distances to the other finite
 * points; that of B^T has the coefficients of the polynomial that is zero at all other points. At
 * infinity only the last power counts.
 *
 * The pairs decide how exact the result is. 5/8 and 3/2 were best in a search: the root mean square
 * error is 2.4 times smaller than with the usual 1 and 2. For r = 5 they are 1/2, 1 and 2, which
 * is as exact as the usual choice is for r = 3.
 *
 * Every function works on whole vectors along the channels. The values of a vector stand `point`
 * numbers apart. */
#ifndef CYCNN_WINOGRAD_H
#define CYCNN_WINOGRAD_H

#include <string.h>
#include "simd.h"
#include "winners.h"

#define WINOGRAD_TILE 4 /* outputs of a tile, each way */

#define F(name) f32##name
#define ADD(a, b) f32_add(a, b)
#define SUB(a, b) f32_sub(a, b)
#define FMA(a, x, b) f32_fma(f32_set1(a), x, b) /* a number times x, plus b */
#define MUL(a, x) f32_mul(f32_set1(a), x)

/* Constants of n = 6 and of n = 8. After inlining each is a literal. */
#define PAIRS(n) ((n) / 2 - 1)
#define PICK(n, i, p6, q6, p8, q8, s8)                                                            \
    ((n) == 6 ? ((i) == 0 ? p6 : q6) : ((i) == 0 ? p8 : (i) == 1 ? q8 : s8))
#define PAIR(n, i) PICK(n, i, .625f, 1.5f, .5f, 1.f, 2.f)
#define SQUARE(n, i) (PAIR(n, i) * PAIR(n, i))
/* One over the product of a point's distances to the other finite points. */
#define INVERSE(n, i)                                                                             \
    PICK(n, i, (float)(.5 / (.390625 * (.390625 - 2.25))),                                        \
         (float)(.5 / (2.25 * (2.25 - .390625))), (float)(1 / 1.40625), (float)(-1 / 4.5),        \
         (float)(1 / 90.))
#define INVERSE_0(n) ((n) == 6 ? (float)(1 / (.390625 * 2.25)) : -1.f)

/* --- one direction at a time: what is read is `step` vectors apart, what is written `to` ------ */

/* B^T. With z = x^2, the polynomial of a pair is (x^2 +- p x) times the product of z - q^2 over the
 * other pairs; those of 0 and infinity are the product over all pairs, the latter times x. */
ALWAYS_INLINE void points_of_input(const int n, const f32v *d, const int step, f32v *t,
                                   const int to)
{
    UNROLL for (int i = 0; i < PAIRS(n); i++) {
        const float a = n == 6 ? SQUARE(n, 1 - i) : SQUARE(n, i == 0 ? 1 : 0);
        const float b = n == 6 ? 0 : SQUARE(n, i == 2 ? 1 : 2);
        f32v even, odd;
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
        const f32v *x = d + i * step;
        if (n == 6)
            t[5 * i * to] = FMA(SQUARE(6, 0) * SQUARE(6, 1), x[0],
                                FMA(-SQUARE(6, 0) - SQUARE(6, 1), x[2 * step], x[4 * step]));
        else
            t[7 * i * to] = FMA(5.25f, SUB(x[2 * step], x[4 * step]), SUB(x[6 * step], x[0]));
    }
}

/* A, or with `scaled` G: the values at the points of a polynomial with `count` coefficients. */
ALWAYS_INLINE void points_of_powers(const int n, const int count, const int scaled, const f32v *x,
                                    const int step, f32v *t, const int to)
{
    t[0] = scaled ? MUL(INVERSE_0(n), x[0]) : x[0];
    UNROLL for (int i = 0; i < PAIRS(n); i++) {
        const float scale = scaled ? INVERSE(n, i) : 1;
        f32v even = x[2 * step], odd = x[step];
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
ALWAYS_INLINE void powers_of_points(const int n, const int count, const int scaled, const f32v *t,
                                    const int step, f32v *x, const int to)
{
    f32v even[3], odd[3];
    UNROLL for (int i = 0; i < PAIRS(n); i++) {
        even[i] = ADD(t[(1 + 2 * i) * step], t[(2 + 2 * i) * step]);
        odd[i] = SUB(t[(1 + 2 * i) * step], t[(2 + 2 * i) * step]);
    }
    UNROLL for (int j = 0; j < count; j++) {
        f32v sum = j == 0 ? (scaled ? MUL(INVERSE_0(n), t[0]) : t[0]) : t[(n - 1) * step];
        UNROLL for (int i = 0; i < PAIRS(n); i++) {
            const f32v part = j % 2 ? odd[i] : even[i];
            const float p = PAIR(n, i), scale = scaled ? INVERSE(n, i) : 1;
            const float power = (j > 0 ? p : 1) * (j > 1 ? p : 1) * (j > 2 ? p : 1) *
                                (j > 3 ? p : 1) * scale;
            sum = i == 0 && j > 0 && j < count - 1 ? MUL(power, part) : FMA(power, part, sum);
        }
        x[j * to] = sum;
    }
}

/* --- both directions ------------------------------------------------------------------------ */

#define WINDOWS 5 /* of a pool, under the widest patch, each way */

/* Where the pixels of a patch are: so many numbers from one row, and from one pixel, to the next.
 * Or, for a gradient that comes through a 2 x 2 max-pool, the pooled gradient and the winners of all
 * windows under the patch; its first pixel is pixel (up, left) of the first one. */
typedef struct {
    const float *pixels;
    ptrdiff_t row, pixel;
    int pooled, up, left;
    const float *gradients[WINDOWS * WINDOWS];
    const unsigned char *winners[WINDOWS * WINDOWS];
} winograd_patch;

/* One vector of channels, from `first` on, of pixel (i, j). */
ALWAYS_INLINE f32v pixel_of(const int pooled, const int up, const int left,
                            const winograd_patch *p, int i, int j, ptrdiff_t first)
{
    const int window = (i + up) / 2 * WINDOWS + (j + left) / 2;
    if (!pooled) return F(_load)(p->pixels + i * p->row + j * p->pixel + first);
    return F(_load_where)(p->gradients[window] + first, p->winners[window] + first,
                          (i + up) % 2 * 2 + (j + left) % 2);
}

/* v = B^T d B for `vectors` vectors of channels. */
ALWAYS_INLINE void input_of(const int n, const int pooled, const int up, const int left,
                            const winograd_patch *d, float *v, ptrdiff_t point, ptrdiff_t vectors)
{
    const winograd_patch p = *d; /* or the stores of v might change it, as far as compilers know */
    for (ptrdiff_t first = 0; first < vectors * F32_LANES; first += F32_LANES) {
        f32v half[8][8], line[8];
        if (!pooled) /* what the next tile to the right reads besides */
            UNROLL for (int i = 0; i < n; i++)
                UNROLL for (int j = 0; j < WINOGRAD_TILE; j++)
                    PREFETCH(p.pixels + first + i * p.row + (n + j) * p.pixel);
        UNROLL for (int j = 0; j < n; j++) {
            UNROLL for (int i = 0; i < n; i++) line[i] = pixel_of(pooled, up, left, &p, i, j, first);
            points_of_input(n, line, 1, &half[0][j], 8);
        }
        UNROLL for (int i = 0; i < n; i++) {
            points_of_input(n, half[i], 1, line, 1);
            UNROLL for (int j = 0; j < n; j++) F(_store)(v + first + (n * i + j) * point, line[j]);
        }
    }
}

/* t = A x A^T, or with `scaled` G x G^T, of one vector of channels of the count x count pixels of
 * x. */
ALWAYS_INLINE void points_of(const int n, const int count, const int scaled, const int pooled,
                             const winograd_patch *x, ptrdiff_t first, float *t, ptrdiff_t point)
{
    f32v half[8][8], line[8];
    UNROLL for (int j = 0; j < count; j++) {
        UNROLL for (int i = 0; i < count; i++) line[i] = pixel_of(pooled, 0, 0, x, i, j, first);
        points_of_powers(n, count, scaled, line, 1, &half[0][j], 8);
    }
    UNROLL for (int i = 0; i < n; i++) {
        points_of_powers(n, count, scaled, half[i], 1, line, 1);
        UNROLL for (int j = 0; j < n; j++) F(_store)(t + (n * i + j) * point, line[j]);
    }
}

/* x = A^T t A, or with `scaled` G^T t G: the count x count numbers of one vector of channels. */
ALWAYS_INLINE void of_points(const int n, const int count, const int scaled, const float *t,
                             ptrdiff_t point, f32v *x)
{
    f32v half[8][8], line[8];
    UNROLL for (int j = 0; j < n; j++) {
        UNROLL for (int i = 0; i < n; i++) line[i] = F(_load)(t + (n * i + j) * point);
        powers_of_points(n, count, scaled, line, 1, &half[0][j], 8);
    }
    UNROLL for (int i = 0; i < count; i++)
        powers_of_points(n, count, scaled, half[i], 1, x + i * count, 1);
}

LOCAL void winograd_input(int n, const winograd_patch *d, float *v, ptrdiff_t point,
                          ptrdiff_t vectors)
{
#define PARITY(up, left)                                                                          \
    case 2 * up + left:                                                                           \
        if (n == 6) input_of(6, 1, up, left, d, v, point, vectors);                               \
        else input_of(8, 1, up, left, d, v, point, vectors);                                      \
        break;
    if (d->pooled)
        switch (2 * d->up + d->left) { PARITY(0, 0) PARITY(0, 1) PARITY(1, 0) PARITY(1, 1) }
    else if (n == 6) input_of(6, 0, 0, 0, d, v, point, vectors);
    else input_of(8, 0, 0, 0, d, v, point, vectors);
#undef PARITY
}

ALWAYS_INLINE void gradient_of(const int n, const int pooled, const winograd_patch *dy,
                               ptrdiff_t first, float *t, ptrdiff_t point, float *sum)
{
    if (!pooled)
        for (int i = 0; i < WINOGRAD_TILE; i++)
            UNROLL for (int j = 0; j < WINOGRAD_TILE; j++)
                PREFETCH(dy->pixels + first + i * dy->row + (WINOGRAD_TILE + j) * dy->pixel);
    if (sum) {
        f32v all = F(_load)(sum + first);
        UNROLL for (int i = 0; i < WINOGRAD_TILE; i++)
            UNROLL for (int j = 0; j < WINOGRAD_TILE; j++)
                all = ADD(all, pixel_of(pooled, 0, 0, dy, i, j, first));
        F(_store)(sum + first, all);
    }
    points_of(n, WINOGRAD_TILE, 0, pooled, dy, first, t + first, point);
}

/* t = A dy A^T for `vectors` vectors of channels. The 16 numbers of each channel are added to `sum`,
 * unless that is NULL. The patch begins with a whole window, if any. */
LOCAL void winograd_gradient(int n, const winograd_patch *dy, float *t, ptrdiff_t point, float *sum,
                             ptrdiff_t vectors)
{
    for (ptrdiff_t first = 0; first < vectors * F32_LANES; first += F32_LANES)
        if (n == 6 && dy->pooled) gradient_of(6, 1, dy, first, t, point, sum);
        else if (n == 6) gradient_of(6, 0, dy, first, t, point, sum);
        else if (dy->pooled) gradient_of(8, 1, dy, first, t, point, sum);
        else gradient_of(8, 0, dy, first, t, point, sum);
}

/* u = G g G^T for one vector of channels; the r * r taps of g are `tap` numbers apart. */
LOCAL void winograd_weight(int n, const float *g, ptrdiff_t tap, float *u, ptrdiff_t point)
{
    winograd_patch taps;
    taps.pixels = g;
    taps.row = (n - 3) * tap;
    taps.pixel = tap;
    if (n == 6) points_of(6, 3, 1, 0, &taps, 0, u, point);
    else points_of(8, 5, 1, 0, &taps, 0, u, point);
}

/* dg = G^T t G for one vector of channels. */
LOCAL void winograd_weight_gradient(int n, const float *t, ptrdiff_t point, float *dg,
                                    ptrdiff_t tap)
{
    f32v taps[25];
    if (n == 6) of_points(6, 3, 1, t, point, taps);
    else of_points(8, 5, 1, t, point, taps);
    for (int i = 0; i < (n - 3) * (n - 3); i++) F(_store)(dg + i * tap, taps[i]);
}

/* --- from the points to the stored outputs -------------------------------------------------- */

/* What happens to a tile of outputs in registers, and where it goes. */
typedef struct {
    ptrdiff_t row;   /* numbers from one row of y to the next */
    ptrdiff_t pixel; /* and from one pixel to the next */
    int relu;        /* y = max(y, 0) */
    int pool;        /* y is the maximum of 2 x 2 outputs; which one won is kept, see below */
} winograd_end;

ALWAYS_INLINE f32v load_lanes(const float *from, int lanes)
{
    float edge[F32_LANES] = {0};
    if (lanes == F32_LANES) return F(_load)(from);
    memcpy(edge, from, lanes * sizeof(float));
    return F(_load)(edge);
}

ALWAYS_INLINE void store_lanes(float *to, f32v a, int lanes)
{
    if (lanes == F32_LANES)
        F(_store)(to, a);
    else {
        float edge[F32_LANES];
        F(_store)(edge, a);
        memcpy(to, edge, lanes * sizeof(float));
    }
}

/* The larger of two outputs; a NaN is larger than all numbers, and than a NaN before it. */
ALWAYS_INLINE void take_larger(f32v *best, f32v *winner, f32v other, int tap)
{
    *winner = F(_select_wins)(other, *best, F(_set1)((float)tap), *winner);
    *best = F(_select_wins)(other, *best, other, *best);
}

ALWAYS_INLINE void pool_of(const f32v *y, ptrdiff_t down, int relu, float *to,
                           unsigned char *winner, int lanes)
{
    const f32v zero = F(_set1)(0);
    f32v best = y[0], won = zero;
    float won_lanes[F32_LANES];
    take_larger(&best, &won, y[1], 1);
    take_larger(&best, &won, y[down], 2);
    take_larger(&best, &won, y[down + 1], 3);
    if (relu) {
        won = F(_select_wins)(best, zero, won, F(_set1)(NO_WINNER));
        best = F(_max)(zero, best);
    }
    store_lanes(to, best, lanes);
    if (winner) {
        F(_store)(won_lanes, won);
        for (int i = 0; i < lanes; i++) winner[i] = (unsigned char)won_lanes[i];
    }
}

/* The stores of a tile: `whole` is a constant, and true where all of its numbers have a place. */
ALWAYS_INLINE void store_outputs(const int whole, f32v *outputs, float *y, const float *positive,
                                 const winograd_end *end, int rows, int columns, int lanes)
{
    const ptrdiff_t row = end->row, pixel = end->pixel;
    const f32v zero = F(_set1)(0);
    if (whole) lanes = F32_LANES;
    if (end->relu)
        UNROLL for (int i = 0; i < 16; i++) outputs[i] = F(_max)(zero, outputs[i]);
    if (positive)
        UNROLL for (int i = 0; i < 4; i++)
            UNROLL for (int j = 0; j < 4; j++)
                if (whole || (i < rows && j < columns))
                    outputs[4 * i + j] = F(_select_wins)(
                        load_lanes(positive + i * row + j * pixel, lanes), zero,
                        outputs[4 * i + j], zero);
    UNROLL for (int i = 0; i < 4; i++)
        UNROLL for (int j = 0; j < 4; j++)
            if (whole || (i < rows && j < columns))
                store_lanes(y + i * row + j * pixel, outputs[4 * i + j], lanes);
}

/* The same behind a pool. */
ALWAYS_INLINE void store_maxima(const int whole, const f32v *outputs, float *y,
                                unsigned char *winner, const winograd_end *end, int rows,
                                int columns, int lanes)
{
    const ptrdiff_t row = end->row, pixel = end->pixel;
    if (whole) lanes = F32_LANES;
    UNROLL for (int i = 0; i < 2; i++)
        UNROLL for (int j = 0; j < 2; j++)
            if (whole || (i < rows && j < columns))
                pool_of(outputs + 8 * i + 2 * j, 4, end->relu, y + i * row + j * pixel,
                        winner ? winner + i * row + j * pixel : NULL, lanes);
}

/* `rows` x `columns` of a tile's outputs (of its maxima, with end->pool) for `channels` channels.
 * `bias` may be NULL; so may `winner`, and `positive`: laid out as y, y = 0 where it is not above
 * 0. */
ALWAYS_INLINE void output_of(const int n, const float *t, ptrdiff_t point, const float *bias,
                             float *y, unsigned char *winner, const float *positive,
                             const winograd_end *end, int rows, int columns, int channels)
{
    const ptrdiff_t row = end->row, pixel = end->pixel;
    for (int first = 0; first < channels; first += F32_LANES) {
        const int lanes = channels - first < F32_LANES ? channels - first : F32_LANES;
        f32v outputs[16];
        if (!end->pool)
            UNROLL for (int i = 0; i < 4; i++)
                UNROLL for (int j = 0; j < 4; j++)
                    PREFETCH_TO_WRITE(y + i * row + (4 + j) * pixel + first);
        of_points(n, 4, 0, t + first, point, outputs);
        if (bias) {
            const f32v b = F(_load)(bias + first);
            UNROLL for (int i = 0; i < 16; i++) outputs[i] = ADD(outputs[i], b);
        }
        if (end->pool) {
            unsigned char *to = winner ? winner + first : NULL;
            if (rows == 2 && columns == 2 && lanes == F32_LANES)
                store_maxima(1, outputs, y + first, to, end, rows, columns, lanes);
            else
                store_maxima(0, outputs, y + first, to, end, rows, columns, lanes);
        } else {
            const float *above = positive ? positive + first : NULL;
            if (rows == 4 && columns == 4 && lanes == F32_LANES)
                store_outputs(1, outputs, y + first, above, end, rows, columns, lanes);
            else
                store_outputs(0, outputs, y + first, above, end, rows, columns, lanes);
        }
    }
}

LOCAL void winograd_output(int n, const float *t, ptrdiff_t point, const float *bias, float *y,
                           unsigned char *winner, const float *positive, const winograd_end *end,
                           int rows, int columns, int channels)
{
    if (n == 6)
        output_of(6, t, point, bias, y, winner, positive, end, rows, columns, channels);
    else
        output_of(8, t, point, bias, y, winner, positive, end, rows, columns, channels);
}

#undef F
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
#endif
