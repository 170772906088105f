/* Transposition of matrices in squares that registers hold: y[j, i] = x[i, j].
 *
 * Rows of x are x_row numbers apart, those of y y_row. A square at the edge that would reach beyond
 * it is moved back and covers some numbers twice: there are no loops for what is left over. A
 * matrix narrower than the smallest square has a loop of its own. */
#ifndef CYCNN_TRANSPOSE_H
#define CYCNN_TRANSPOSE_H

#include "simd.h"

#if defined(__SSE2__) || defined(_M_X64)

/* 4 x 4 of float or 2 x 2 of double within each 128 bits, by which wider registers are divided. */
#define X86_SQUARES(M, V, W)                                                                      \
    ALWAYS_INLINE void f32_square##W(const V *a, V *b)                                            \
    {                                                                                             \
        V p = M##_unpacklo_ps(a[0], a[2]), q = M##_unpackhi_ps(a[0], a[2]);                       \
        V r = M##_unpacklo_ps(a[1], a[3]), s = M##_unpackhi_ps(a[1], a[3]);                       \
        b[0] = M##_unpacklo_ps(p, r), b[1] = M##_unpackhi_ps(p, r);                               \
        b[2] = M##_unpacklo_ps(q, s), b[3] = M##_unpackhi_ps(q, s);                               \
    }

X86_SQUARES(_mm, __m128, 128)
ALWAYS_INLINE void f32_transpose4(const float *x, ptrdiff_t x_row, float *y, ptrdiff_t y_row)
{
    __m128 a[4];
    UNROLL for (int i = 0; i < 4; i++) a[i] = _mm_loadu_ps(x + i * x_row);
    f32_square128(a, a);
    UNROLL for (int i = 0; i < 4; i++) _mm_storeu_ps(y + i * y_row, a[i]);
}
ALWAYS_INLINE void f64_transpose2(const double *x, ptrdiff_t x_row, double *y, ptrdiff_t y_row)
{
    __m128d a = _mm_loadu_pd(x), b = _mm_loadu_pd(x + x_row);
    _mm_storeu_pd(y, _mm_unpacklo_pd(a, b));
    _mm_storeu_pd(y + y_row, _mm_unpackhi_pd(a, b));
}

#elif defined(__aarch64__) || defined(_M_ARM64)

ALWAYS_INLINE void f32_transpose4(const float *x, ptrdiff_t x_row, float *y, ptrdiff_t y_row)
{
    float32x4_t a = vld1q_f32(x), b = vld1q_f32(x + x_row);
    float32x4_t c = vld1q_f32(x + 2 * x_row), d = vld1q_f32(x + 3 * x_row);
    float32x4_t p = vzip1q_f32(a, c), q = vzip2q_f32(a, c);
    float32x4_t r = vzip1q_f32(b, d), s = vzip2q_f32(b, d);
    vst1q_f32(y, vzip1q_f32(p, r));
    vst1q_f32(y + y_row, vzip2q_f32(p, r));
    vst1q_f32(y + 2 * y_row, vzip1q_f32(q, s));
    vst1q_f32(y + 3 * y_row, vzip2q_f32(q, s));
}
ALWAYS_INLINE void f64_transpose2(const double *x, ptrdiff_t x_row, double *y, ptrdiff_t y_row)
{
    float64x2_t a = vld1q_f64(x), b = vld1q_f64(x + x_row);
    vst1q_f64(y, vzip1q_f64(a, b));
    vst1q_f64(y + y_row, vzip2q_f64(a, b));
}

#else

ALWAYS_INLINE void f32_transpose4(const float *x, ptrdiff_t x_row, float *y, ptrdiff_t y_row)
{
    for (int j = 0; j < 4; j++)
        for (int i = 0; i < 4; i++) y[j * y_row + i] = x[i * x_row + j];
}
ALWAYS_INLINE void f64_transpose2(const double *x, ptrdiff_t x_row, double *y, ptrdiff_t y_row)
{
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 2; i++) y[j * y_row + i] = x[i * x_row + j];
}

#endif

#if defined(__AVX2__)

/* A register takes the left half of row i below that of row i + half the side: the halves then
 * need no instruction to cross over. */
X86_SQUARES(_mm256, __m256, 256)
ALWAYS_INLINE void f32_transpose8(const float *x, ptrdiff_t x_row, float *y, ptrdiff_t y_row)
{
    UNROLL for (int h = 0; h < 8; h += 4) {
        __m256 a[4];
        UNROLL for (int i = 0; i < 4; i++)
            a[i] = _mm256_insertf128_ps(
                _mm256_castps128_ps256(_mm_loadu_ps(x + i * x_row + h)),
                _mm_loadu_ps(x + (i + 4) * x_row + h), 1);
        f32_square256(a, a);
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

#if defined(__AVX512F__)

X86_SQUARES(_mm512, __m512, 512)
ALWAYS_INLINE void f32_transpose16(const float *x, ptrdiff_t x_row, float *y, ptrdiff_t y_row)
{
    UNROLL for (int h = 0; h < 16; h += 4) {
        __m512 a[4];
        UNROLL for (int i = 0; i < 4; i++) {
            const float *p = x + i * x_row + h;
            a[i] = _mm512_castps128_ps512(_mm_loadu_ps(p));
            a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(p + 4 * x_row), 1);
            a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(p + 8 * x_row), 2);
            a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(p + 12 * x_row), 3);
        }
        f32_square512(a, a);
        UNROLL for (int i = 0; i < 4; i++) _mm512_storeu_ps(y + (i + h) * y_row, a[i]);
    }
}
ALWAYS_INLINE void f64_transpose8(const double *x, ptrdiff_t x_row, double *y, ptrdiff_t y_row)
{
    UNROLL for (int h = 0; h < 8; h += 2) {
        __m512d a[2];
        UNROLL for (int i = 0; i < 2; i++) {
            const double *p = x + i * x_row + h;
            a[i] = _mm512_castpd128_pd512(_mm_loadu_pd(p));
            a[i] = _mm512_insertf64x2(a[i], _mm_loadu_pd(p + 2 * x_row), 1);
            a[i] = _mm512_insertf64x2(a[i], _mm_loadu_pd(p + 4 * x_row), 2);
            a[i] = _mm512_insertf64x2(a[i], _mm_loadu_pd(p + 6 * x_row), 3);
        }
        _mm512_storeu_pd(y + h * y_row, _mm512_unpacklo_pd(a[0], a[1]));
        _mm512_storeu_pd(y + (h + 1) * y_row, _mm512_unpackhi_pd(a[0], a[1]));
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
#if F32_LANES >= 16
    TRANSPOSE_IN(f32_transpose16, 16)
#endif
#if F32_LANES >= 8
    TRANSPOSE_IN(f32_transpose8, 8)
#endif
    TRANSPOSE_IN(f32_transpose4, 4)
    TRANSPOSE_NARROW(1) TRANSPOSE_NARROW(2) TRANSPOSE_NARROW(3)
    TRANSPOSE_ANY()
}

LOCAL void f64_transpose(const double *x, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t columns,
                         double *y, ptrdiff_t y_row, ptrdiff_t ahead)
{
#if F64_LANES >= 8
    TRANSPOSE_IN(f64_transpose8, 8)
#endif
#if F64_LANES >= 4
    TRANSPOSE_IN(f64_transpose4, 4)
#endif
    TRANSPOSE_IN(f64_transpose2, 2)
    TRANSPOSE_NARROW(1)
    TRANSPOSE_ANY()
}

#endif
