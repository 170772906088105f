/* Shuffles on vectors as pieces of 128 bits (F32_PIECE or F64_PIECE numbers): what strips.h
 * transposes with.
 *
 * zip_lo and zip_hi alternate the numbers of the lower and of the upper halves of each pair of
 * pieces. swap_pieces takes as many vectors as one has pieces: piece i of vector j changes places
 * with piece j of vector i. */
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
#endif
