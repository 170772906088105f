/* What pooling asks of vectors beside simd.h, for f32v and f64v:
 *
 * every_other(p): p[0], p[2], p[4], ..., without a look at what follows the last of them.
 * bytes(to, v): the numbers of v, whole ones from 0 to 255, as bytes.
 * stream(p, v): stores to an aligned p around the caches; before another thread reads what has been
 * stored so, STREAMED(). */
#ifndef CYCNN_POOL_SIMD_H
#define CYCNN_POOL_SIMD_H

#include <string.h>
#include "simd.h"

/* How a vector's numbers lie: side by side, two apart, or it is filled one by one. */
enum { POOL_WHOLE, POOL_EVERY_OTHER, POOL_PART };

/* A function that is not inlined. */
#if defined(_MSC_VER) && !defined(__clang__)
  #define APART __declspec(noinline)
#else
  #define APART __attribute__((noinline))
#endif

#if defined(__SSE2__) || defined(_M_X64)
  #define STREAMED() _mm_sfence()
#else
  #define STREAMED() (void)0
#endif

/* every_other: the second half is loaded one number early, and its odd numbers are taken. */

#if defined(__AVX512F__)

ALWAYS_INLINE f32v f32_every_other(const float *p)
{
    const __m512i from = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 14, 12, 10, 8, 6, 4, 2,
                                          0);
    return _mm512_permutex2var_ps(_mm512_loadu_ps(p), from, _mm512_loadu_ps(p + 15));
}
ALWAYS_INLINE f64v f64_every_other(const double *p)
{
    const __m512i from = _mm512_set_epi64(15, 13, 11, 9, 6, 4, 2, 0);
    return _mm512_permutex2var_pd(_mm512_loadu_pd(p), from, _mm512_loadu_pd(p + 7));
}
ALWAYS_INLINE void f32_bytes(unsigned char *to, f32v v)
{
    _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(v)));
}
ALWAYS_INLINE void f64_bytes(unsigned char *to, f64v v)
{
    _mm_storel_epi64((__m128i *)to, _mm256_cvtepi32_epi8(_mm512_cvttpd_epi32(v)));
}
ALWAYS_INLINE void f32_stream(float *p, f32v v) { _mm512_stream_ps(p, v); }
ALWAYS_INLINE void f64_stream(double *p, f64v v) { _mm512_stream_pd(p, v); }

#elif defined(__AVX2__)

ALWAYS_INLINE f32v f32_every_other(const float *p)
{
    const __m256 mixed = _mm256_shuffle_ps(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 7), 0xD8);
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xD8));
}
ALWAYS_INLINE f64v f64_every_other(const double *p)
{
    return _mm256_permute4x64_pd(
        _mm256_shuffle_pd(_mm256_loadu_pd(p), _mm256_loadu_pd(p + 3), 0xA), 0xD8);
}
ALWAYS_INLINE void f32_bytes(unsigned char *to, f32v v)
{
    const __m256i all = _mm256_cvttps_epi32(v);
    const __m128i pairs = _mm_packs_epi32(_mm256_castsi256_si128(all),
                                          _mm256_extracti128_si256(all, 1));
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(pairs, pairs));
}
ALWAYS_INLINE void f64_bytes(unsigned char *to, f64v v)
{
    const __m128i all = _mm256_cvttpd_epi32(v), pairs = _mm_packs_epi32(all, all);
    const int bytes = _mm_cvtsi128_si32(_mm_packus_epi16(pairs, pairs));
    memcpy(to, &bytes, 4);
}
ALWAYS_INLINE void f32_stream(float *p, f32v v) { _mm256_stream_ps(p, v); }
ALWAYS_INLINE void f64_stream(double *p, f64v v) { _mm256_stream_pd(p, v); }

#elif defined(__SSE2__) || defined(_M_X64)

ALWAYS_INLINE f32v f32_every_other(const float *p)
{
    return _mm_shuffle_ps(_mm_loadu_ps(p), _mm_loadu_ps(p + 3), 0xD8);
}
ALWAYS_INLINE f64v f64_every_other(const double *p)
{
    return _mm_shuffle_pd(_mm_loadu_pd(p), _mm_loadu_pd(p + 1), 2);
}
ALWAYS_INLINE void f32_bytes(unsigned char *to, f32v v)
{
    const __m128i all = _mm_cvttps_epi32(v), pairs = _mm_packs_epi32(all, all);
    const int bytes = _mm_cvtsi128_si32(_mm_packus_epi16(pairs, pairs));
    memcpy(to, &bytes, 4);
}
ALWAYS_INLINE void f64_bytes(unsigned char *to, f64v v)
{
    to[0] = (unsigned char)_mm_cvttsd_si32(v);
    to[1] = (unsigned char)_mm_cvttsd_si32(_mm_unpackhi_pd(v, v));
}
ALWAYS_INLINE void f32_stream(float *p, f32v v) { _mm_stream_ps(p, v); }
ALWAYS_INLINE void f64_stream(double *p, f64v v) { _mm_stream_pd(p, v); }

#elif defined(__aarch64__) || defined(_M_ARM64)

ALWAYS_INLINE f32v f32_every_other(const float *p)
{
    const float32x4_t low = vld1q_f32(p), high = vld1q_f32(p + 3);
    return vcombine_f32(vget_low_f32(vuzp1q_f32(low, low)), vget_low_f32(vuzp2q_f32(high, high)));
}
ALWAYS_INLINE f64v f64_every_other(const double *p)
{
    return vcombine_f64(vld1_f64(p), vld1_f64(p + 2));
}
ALWAYS_INLINE void f32_bytes(unsigned char *to, f32v v)
{
    const uint16x4_t pairs = vmovn_u32(vcvtq_u32_f32(v));
    const uint8x8_t bytes = vmovn_u16(vcombine_u16(pairs, pairs));
    vst1_lane_u32((uint32_t *)(void *)to, vreinterpret_u32_u8(bytes), 0);
}
ALWAYS_INLINE void f64_bytes(unsigned char *to, f64v v)
{
    to[0] = (unsigned char)vgetq_lane_f64(v, 0);
    to[1] = (unsigned char)vgetq_lane_f64(v, 1);
}
ALWAYS_INLINE void f32_stream(float *p, f32v v) { vst1q_f32(p, v); }
ALWAYS_INLINE void f64_stream(double *p, f64v v) { vst1q_f64(p, v); }

#else

ALWAYS_INLINE f32v f32_every_other(const float *p) { return p[0]; }
ALWAYS_INLINE f64v f64_every_other(const double *p) { return p[0]; }
ALWAYS_INLINE void f32_bytes(unsigned char *to, f32v v) { *to = (unsigned char)v; }
ALWAYS_INLINE void f64_bytes(unsigned char *to, f64v v) { *to = (unsigned char)v; }
ALWAYS_INLINE void f32_stream(float *p, f32v v) { *p = v; }
ALWAYS_INLINE void f64_stream(double *p, f64v v) { *p = v; }

#endif
#endif
