/* Transposition of matrices in squares that registers hold: y[j, i] = x[i, j].
 *
 * Rows of x are x_row numbers apart, those of y y_row. A square at the edge that would reach beyond
 * it is moved back and covers some numbers twice: there are no loops for what is left over. A
 * matrix narrower than the smallest square has a loop of its own. */
#ifndef CYCNN_TRANSPOSE_H
#define CYCNN_TRANSPOSE_H

#include "pieces.h"

/* The largest square: as many rows as a vector has numbers. */
#define WHOLE_SQUARE(P, REAL, LANES)                                                              \
    ALWAYS_INLINE void P##_transpose_whole(const REAL *x, ptrdiff_t x_row, REAL *y,               \
                                           ptrdiff_t y_row)                                       \
    {                                                                                             \
        P##v a[LANES];                                                                            \
        UNROLL for (int i = 0; i < LANES; i++) a[P##_place(i)] = P##_load(x + i * x_row);         \
        P##_transpose_square(a);                                                                  \
        UNROLL for (int i = 0; i < LANES; i++) P##_store(y + i * y_row, a[i]);                    \
    }
WHOLE_SQUARE(f32, float, F32_LANES)
WHOLE_SQUARE(f64, double, F64_LANES)

/* Smaller ones, for matrices that are narrower: 4 x 4 of float and 2 x 2 of double within 128 bits. */
#if F32_LANES > 4
#define NARROW_SQUARES(M, V)                                                                      \
    V p = M##_unpacklo_ps(a[0], a[2]), q = M##_unpackhi_ps(a[0], a[2]);                           \
    V r = M##_unpacklo_ps(a[1], a[3]), s = M##_unpackhi_ps(a[1], a[3]);                           \
    a[0] = M##_unpacklo_ps(p, r), a[1] = M##_unpackhi_ps(p, r);                                   \
    a[2] = M##_unpacklo_ps(q, s), a[3] = M##_unpackhi_ps(q, s);

ALWAYS_INLINE void f32_transpose4(const float *x, ptrdiff_t x_row, float *y, ptrdiff_t y_row)
{
    __m128 a[4];
    UNROLL for (int i = 0; i < 4; i++) a[i] = _mm_loadu_ps(x + i * x_row);
    NARROW_SQUARES(_mm, __m128)
    UNROLL for (int i = 0; i < 4; i++) _mm_storeu_ps(y + i * y_row, a[i]);
}
ALWAYS_INLINE void f64_transpose2(const double *x, ptrdiff_t x_row, double *y, ptrdiff_t y_row)
{
    __m128d a = _mm_loadu_pd(x), b = _mm_loadu_pd(x + x_row);
    _mm_storeu_pd(y, _mm_unpacklo_pd(a, b));
    _mm_storeu_pd(y + y_row, _mm_unpackhi_pd(a, b));
}
#endif

#if F32_LANES > 8

/* A register takes the left half of row i below that of row i + half the side: the halves then
 * need no instruction to cross over. */
ALWAYS_INLINE void f32_transpose8(const float *x, ptrdiff_t x_row, float *y, ptrdiff_t y_row)
{
    UNROLL for (int h = 0; h < 8; h += 4) {
        __m256 a[4];
        UNROLL for (int i = 0; i < 4; i++)
            a[i] = _mm256_insertf128_ps(
                _mm256_castps128_ps256(_mm_loadu_ps(x + i * x_row + h)),
                _mm_loadu_ps(x + (i + 4) * x_row + h), 1);
        NARROW_SQUARES(_mm256, __m256)
        UNROLL for (int i = 0; i < 4; i++) _mm256_storeu_ps(y + (i + h) * y_row, a[i]);
    }
}
ALWAYS_INLINE void f64_transpose4(const double *x, ptrdiff_t x_row, double *y, ptrdiff_t y_row)
{
    UNROLL for (int h = 0; h < 4; h += 2) {
        __m256d a[2];
        UNROLL for (int i = 0; i < 2; i++)
            a[i] = _mm256_insertf128_pd(
                _mm256_castpd128_pd256(_mm_loadu_pd(x + i * x_row + h)),
                _mm_loadu_pd(x + (i + 2) * x_row + h), 1);
        _mm256_storeu_pd(y + h * y_row, _mm256_unpacklo_pd(a[0], a[1]));
        _mm256_storeu_pd(y + (h + 1) * y_row, _mm256_unpackhi_pd(a[0], a[1]));
    }
}

#endif

#define TRANSPOSE_MIN(a, b) ((a) < (b) ? (a) : (b))

/* The whole matrix in squares of one size. The columns of y run inside, so that it is written in
 * long stretches. With each square goes as much memory of the matrices `ahead` numbers further on,
 * sent for in order, as memory is read fastest. */
#define TRANSPOSE_IN(SQUARE, SIDE)                                                                \
    if (rows >= SIDE && columns >= SIDE) {                                                        \
        const char *x_ahead = (const char *)(x + ahead), *y_ahead = (const char *)(y + ahead);    \
        const ptrdiff_t bytes = SIDE * SIDE * sizeof *x;                                          \
        for (ptrdiff_t j = 0; j < columns; j += SIDE) {                                           \
            const ptrdiff_t left = TRANSPOSE_MIN(j, columns - SIDE);                              \
            for (ptrdiff_t i = 0; i < rows; i += SIDE) {                                          \
                const ptrdiff_t top = TRANSPOSE_MIN(i, rows - SIDE);                              \
                for (ptrdiff_t line = 0; line < bytes; line += 64) {                              \
                    PREFETCH_FOR_LATER(x_ahead + line);                                           \
                    PREFETCH_FOR_LATER(y_ahead + line);                                           \
                }                                                                                 \
                x_ahead += bytes, y_ahead += bytes;                                               \
                SQUARE(x + top * x_row + left, x_row, y + left * y_row + top, y_row);             \
            }                                                                                     \
        }                                                                                         \
        return;                                                                                   \
    }

/* Where the narrow side is a constant, the compiler has vector code for it. */
#define TRANSPOSE_NARROW(N)                                                                       \
    if (columns == N && x_row == N) {                                                             \
        for (int j = 0; j < N; j++)                                                               \
            for (ptrdiff_t i = 0; i < rows; i++) y[j * y_row + i] = x[i * N + j];                 \
        return;                                                                                   \
    }                                                                                             \
    if (rows == N && y_row == N) {                                                                \
        for (ptrdiff_t j = 0; j < columns; j++)                                                   \
            for (int i = 0; i < N; i++) y[j * N + i] = x[i * x_row + j];                          \
        return;                                                                                   \
    }
#define TRANSPOSE_ANY()                                                                           \
    for (ptrdiff_t j = 0; j < columns; j++)                                                       \
        for (ptrdiff_t i = 0; i < rows; i++) y[j * y_row + i] = x[i * x_row + j];

LOCAL void f32_transpose(const float *x, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t columns,
                         float *y, ptrdiff_t y_row, ptrdiff_t ahead)
{
#if F32_LANES > 1
    TRANSPOSE_IN(f32_transpose_whole, F32_LANES)
#endif
#if F32_LANES > 8
    TRANSPOSE_IN(f32_transpose8, 8)
#endif
#if F32_LANES > 4
    TRANSPOSE_IN(f32_transpose4, 4)
#endif
    TRANSPOSE_NARROW(1) TRANSPOSE_NARROW(2) TRANSPOSE_NARROW(3)
    TRANSPOSE_ANY()
}

LOCAL void f64_transpose(const double *x, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t columns,
                         double *y, ptrdiff_t y_row, ptrdiff_t ahead)
{
#if F64_LANES > 1
    TRANSPOSE_IN(f64_transpose_whole, F64_LANES)
#endif
#if F64_LANES > 4
    TRANSPOSE_IN(f64_transpose4, 4)
#endif
#if F64_LANES > 2
    TRANSPOSE_IN(f64_transpose2, 2)
#endif
    TRANSPOSE_NARROW(1)
    TRANSPOSE_ANY()
}

#endif
