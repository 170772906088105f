/* Squares transposed in registers, as many vectors as one has numbers: what strips.h interleaves with,
 * and transpose.h.
 *
 * A vector is taken as pieces of 128 bits (F32_PIECE or F64_PIECE numbers). zip_lo and zip_hi
 * alternate the numbers of the lower and of the upper halves of each pair of pieces. swap_pieces
 * takes as many vectors as one has pieces: piece i of vector j changes places with piece j of
 * vector i. */
#ifndef CYCNN_PIECES_H
#define CYCNN_PIECES_H

#include "simd.h"

#define PIECE_TYPE(P, LO, HI)                                                                     \
    ALWAYS_INLINE P##v P##_zip_lo(P##v a, P##v b) { return LO(a, b); }                            \
    ALWAYS_INLINE P##v P##_zip_hi(P##v a, P##v b) { return HI(a, b); }                            \
    ALWAYS_INLINE void P##_swap_pieces(P##v *a)

#if defined(__AVX512F__)

/* The bits choose two pieces of the first vector and two of the second. */
#define SWAP_4(P, SHUFFLE)                                                                        \
    {                                                                                             \
        P##v low = SHUFFLE(a[0], a[1], 0x44), high = SHUFFLE(a[0], a[1], 0xEE);                   \
        P##v low_2 = SHUFFLE(a[2], a[3], 0x44), high_2 = SHUFFLE(a[2], a[3], 0xEE);               \
        a[0] = SHUFFLE(low, low_2, 0x88);                                                         \
        a[1] = SHUFFLE(low, low_2, 0xDD);                                                         \
        a[2] = SHUFFLE(high, high_2, 0x88);                                                       \
        a[3] = SHUFFLE(high, high_2, 0xDD);                                                       \
    }
#define F32_PIECE 4
#define F64_PIECE 2
PIECE_TYPE(f32, _mm512_unpacklo_ps, _mm512_unpackhi_ps) SWAP_4(f32, _mm512_shuffle_f32x4)
PIECE_TYPE(f64, _mm512_unpacklo_pd, _mm512_unpackhi_pd) SWAP_4(f64, _mm512_shuffle_f64x2)

#elif defined(__AVX2__)

#define SWAP_2(P, PERMUTE)                                                                        \
    {                                                                                             \
        P##v low = PERMUTE(a[0], a[1], 0x20);                                                     \
        a[1] = PERMUTE(a[0], a[1], 0x31);                                                         \
        a[0] = low;                                                                               \
    }
#define F32_PIECE 4
#define F64_PIECE 2
PIECE_TYPE(f32, _mm256_unpacklo_ps, _mm256_unpackhi_ps) SWAP_2(f32, _mm256_permute2f128_ps)
PIECE_TYPE(f64, _mm256_unpacklo_pd, _mm256_unpackhi_pd) SWAP_2(f64, _mm256_permute2f128_pd)

#elif defined(__SSE2__) || defined(_M_X64)

#define F32_PIECE 4
#define F64_PIECE 2
PIECE_TYPE(f32, _mm_unpacklo_ps, _mm_unpackhi_ps) { (void)a; }
PIECE_TYPE(f64, _mm_unpacklo_pd, _mm_unpackhi_pd) { (void)a; }

#elif defined(__aarch64__) || defined(_M_ARM64)

#define F32_PIECE 4
#define F64_PIECE 2
PIECE_TYPE(f32, vzip1q_f32, vzip2q_f32) { (void)a; }
PIECE_TYPE(f64, vzip1q_f64, vzip2q_f64) { (void)a; }

#else

#define F32_PIECE 1
#define F64_PIECE 1
#define SCALAR_FIRST(a, b) ((void)(b), (a))
#define SCALAR_SECOND(a, b) ((void)(a), (b))
PIECE_TYPE(f32, SCALAR_FIRST, SCALAR_SECOND) { (void)a; }
PIECE_TYPE(f64, SCALAR_FIRST, SCALAR_SECOND) { (void)a; }

#endif

/* Row i of a square is to be at a[place(i)]; once transposed, its column k is at a[k]. The pieces of
 * vectors change places first, then the numbers in each piece: number i of vector j with number j
 * of vector i. */
#define SQUARE_TYPE(P, LANES, PIECE)                                                              \
    ALWAYS_INLINE int P##_place(int row) { return row % PIECE * (LANES / PIECE) + row / PIECE; }  \
    ALWAYS_INLINE void P##_swap_numbers(P##v *a)                                                  \
    {                                                                                             \
        P##v t[PIECE];                                                                            \
        UNROLL for (int n = PIECE; n > 1; n /= 2) {                                               \
            UNROLL for (int i = 0; i < PIECE / 2; i++) {                                          \
                t[2 * i] = P##_zip_lo(a[i], a[i + PIECE / 2]);                                    \
                t[2 * i + 1] = P##_zip_hi(a[i], a[i + PIECE / 2]);                                \
            }                                                                                     \
            UNROLL for (int i = 0; i < PIECE; i++) a[i] = t[i];                                   \
        }                                                                                         \
    }                                                                                             \
    ALWAYS_INLINE void P##_transpose_square(P##v *a)                                              \
    {                                                                                             \
        enum { PIECES = LANES / PIECE };                                                          \
        P##v t[LANES];                                                                            \
        UNROLL for (int j = 0; j < PIECE; j++) P##_swap_pieces(a + j * PIECES);                   \
        UNROLL for (int j = 0; j < PIECE; j++)                                                    \
            UNROLL for (int g = 0; g < PIECES; g++) t[g * PIECE + j] = a[j * PIECES + g];         \
        UNROLL for (int g = 0; g < PIECES; g++) P##_swap_numbers(t + g * PIECE);                  \
        UNROLL for (int i = 0; i < LANES; i++) a[i] = t[i];                                       \
    }
SQUARE_TYPE(f32, F32_LANES, F32_PIECE)
SQUARE_TYPE(f64, F64_LANES, F64_PIECE)

#endif
