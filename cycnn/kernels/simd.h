/* One vector type for every instruction set: f32v and f64v, F32_LANES and F64_LANES numbers wide.
 *
 * Each has load, store, set1 (one number in every lane), add, mul, fma(a, b, c) = a * b + c, max
 * (of a and b: b where either is NaN), and sums: of as many vectors as one has lanes, the sum of
 * each in its lane, where_equal(a, b, x) = x where a is b, else 0, and unless_below(y, x) = 0 where
 * y <= 0, else x. f32v has sub,
 * select_wins(a, b, x, y) = x where a > b or a is NaN, else y, and load_where(p, bytes, byte) = p
 * where `bytes` are `byte`, else 0. Which instructions these become is decided by the flags that
 * setup.py compiles with. */
#ifndef CYCNN_SIMD_H
#define CYCNN_SIMD_H

#include <stddef.h>

#if defined(_MSC_VER) && !defined(__clang__)
  #define ALWAYS_INLINE static __forceinline
  #define LOCAL static
  #define UNROLL
#else
  #define ALWAYS_INLINE static inline __attribute__((always_inline, unused))
  #define LOCAL static __attribute__((unused)) /* a header's function: not every file needs it */
  #define PRAGMA(text) _Pragma(#text)
  #if defined(__clang__)
    #define UNROLL PRAGMA(clang loop unroll(full))
  #else
    #define UNROLL PRAGMA(GCC unroll 32)
  #endif
#endif

/* Makes the compiler forget that these pointers are a fixed distance apart. */
#if defined(_MSC_VER) && !defined(__clang__)
  #define KEEP_APART(p, q, r) (void)0
  #define FORGET(p) (void)0
  #define PREFETCH(p) (void)0
  #define PREFETCH_TO_WRITE(p) (void)0
  #define PREFETCH_FOR_LATER(p) (void)0
#else
  #define PREFETCH(p) __builtin_prefetch(p)
  #define PREFETCH_TO_WRITE(p) __builtin_prefetch(p, 1)
  #define PREFETCH_FOR_LATER(p) __builtin_prefetch(p, 0, 2) /* no nearer than L2: L1 is in use */
  #define KEEP_APART(p, q, r) __asm__("" : "+r"(p), "+r"(q), "+r"(r))
  #define FORGET(p) __asm__("" : "+r"(p)) /* the same for one of any number of pointers */
#endif

#if defined(_MSC_VER) && !defined(__clang__)
  #define RESTRICT __restrict
#else
  #define RESTRICT restrict
#endif

/* Before a plain loop: make vectors of it. Without this gcc unrolls a short one first, and finds no
 * vectors in what is left. */
#if defined(_OPENMP) && !(defined(_MSC_VER) && !defined(__clang__))
  #define VECTORS _Pragma("omp simd")
#else
  #define VECTORS
#endif

/* Writes the operations of one type as one-line functions around its intrinsics. */
#define SIMD_TYPE(P, REAL, VEC, LOAD, STORE, SET1, ADD, MUL, MAX, FMA)                            \
    typedef VEC P##v;                                                                             \
    ALWAYS_INLINE P##v P##_load(const REAL *p) { return LOAD(p); }                                \
    ALWAYS_INLINE void P##_store(REAL *p, P##v a) { STORE(p, a); }                                \
    ALWAYS_INLINE P##v P##_set1(REAL a) { return SET1(a); }                                       \
    ALWAYS_INLINE P##v P##_add(P##v a, P##v b) { return ADD(a, b); }                              \
    ALWAYS_INLINE P##v P##_mul(P##v a, P##v b) { return MUL(a, b); }                              \
    ALWAYS_INLINE P##v P##_max(P##v a, P##v b) { return MAX(a, b); }                              \
    ALWAYS_INLINE P##v P##_fma(P##v a, P##v b, P##v c) { return FMA(a, b, c); }

#if defined(__SSE2__) || defined(_M_X64)
#include <immintrin.h>
/* Sums of 4 vectors (2 of double) within each 128 bits, by which wider registers are divided. */
#define X86_SUMS(M)                                                                               \
    ALWAYS_INLINE f32v f32_sum4(const f32v *v)                                                    \
    {                                                                                             \
        f32v a = M##_add_ps(M##_unpacklo_ps(v[0], v[2]), M##_unpackhi_ps(v[0], v[2]));            \
        f32v b = M##_add_ps(M##_unpacklo_ps(v[1], v[3]), M##_unpackhi_ps(v[1], v[3]));            \
        return M##_add_ps(M##_unpacklo_ps(a, b), M##_unpackhi_ps(a, b));                          \
    }                                                                                             \
    ALWAYS_INLINE f64v f64_sum2(const f64v *v)                                                    \
    {                                                                                             \
        return M##_add_pd(M##_unpacklo_pd(v[0], v[1]), M##_unpackhi_pd(v[0], v[1]));              \
    }
#endif

/* TILE_ROWS_2 and TILE_ROWS_1: how many rows of two vectors, and of one, a register tile has.
 * Rows x vectors sums, the vectors of b and one of a must fit in the registers (32 with AVX-512
 * and NEON, 16 before), and there must be 8 to 10 sums to hide the latency of an fma. */

#if defined(__AVX512F__)

#define F32_LANES 16
#define F64_LANES 8
#define TILE_ROWS_2 14
#define TILE_ROWS_1 14
SIMD_TYPE(f32, float, __m512, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps,
          _mm512_add_ps, _mm512_mul_ps, _mm512_max_ps, _mm512_fmadd_ps)
SIMD_TYPE(f64, double, __m512d, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_set1_pd,
          _mm512_add_pd, _mm512_mul_pd, _mm512_max_pd, _mm512_fmadd_pd)
ALWAYS_INLINE f32v f32_sub(f32v a, f32v b) { return _mm512_sub_ps(a, b); }
ALWAYS_INLINE f32v f32_where_equal(f32v a, f32v b, f32v x)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), x);
}
ALWAYS_INLINE f32v f32_unless_below(f32v y, f32v x)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_NLE_UQ), x);
}
ALWAYS_INLINE f64v f64_where_equal(f64v a, f64v b, f64v x)
{
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ), x);
}
ALWAYS_INLINE f64v f64_unless_below(f64v y, f64v x)
{
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(y, _mm512_setzero_pd(), _CMP_NLE_UQ), x);
}
ALWAYS_INLINE f32v f32_select_wins(f32v a, f32v b, f32v x, f32v y)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ)
                                    | _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), y, x);
}
ALWAYS_INLINE f32v f32_load_where(const float *p, const unsigned char *bytes, int byte)
{
    const __m128i all = _mm_loadu_si128((const __m128i *)bytes);
    return _mm512_maskz_loadu_ps(_mm_cmpeq_epi8_mask(all, _mm_set1_epi8((char)byte)), p);
}
X86_SUMS(_mm512)
ALWAYS_INLINE f32v f32_sums(const f32v *v)
{
    f32v a = f32_sum4(v), b = f32_sum4(v + 4), c = f32_sum4(v + 8), d = f32_sum4(v + 12);
    a = f32_add(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    c = f32_add(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
    return f32_add(_mm512_shuffle_f32x4(a, c, 0x88), _mm512_shuffle_f32x4(a, c, 0xdd));
}
ALWAYS_INLINE f64v f64_sums(const f64v *v)
{
    f64v a = f64_sum2(v), b = f64_sum2(v + 2), c = f64_sum2(v + 4), d = f64_sum2(v + 6);
    a = f64_add(_mm512_shuffle_f64x2(a, b, 0x44), _mm512_shuffle_f64x2(a, b, 0xee));
    c = f64_add(_mm512_shuffle_f64x2(c, d, 0x44), _mm512_shuffle_f64x2(c, d, 0xee));
    return f64_add(_mm512_shuffle_f64x2(a, c, 0x88), _mm512_shuffle_f64x2(a, c, 0xdd));
}

#elif defined(__AVX2__)

#define F32_LANES 8
#define F64_LANES 4
#define TILE_ROWS_2 6
#define TILE_ROWS_1 12
SIMD_TYPE(f32, float, __m256, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps,
          _mm256_add_ps, _mm256_mul_ps, _mm256_max_ps, _mm256_fmadd_ps)
SIMD_TYPE(f64, double, __m256d, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_set1_pd,
          _mm256_add_pd, _mm256_mul_pd, _mm256_max_pd, _mm256_fmadd_pd)
ALWAYS_INLINE f32v f32_sub(f32v a, f32v b) { return _mm256_sub_ps(a, b); }
ALWAYS_INLINE f32v f32_where_equal(f32v a, f32v b, f32v x)
{
    return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ), x);
}
ALWAYS_INLINE f32v f32_unless_below(f32v y, f32v x)
{
    return _mm256_and_ps(_mm256_cmp_ps(y, _mm256_setzero_ps(), _CMP_NLE_UQ), x);
}
ALWAYS_INLINE f64v f64_where_equal(f64v a, f64v b, f64v x)
{
    return _mm256_and_pd(_mm256_cmp_pd(a, b, _CMP_EQ_OQ), x);
}
ALWAYS_INLINE f64v f64_unless_below(f64v y, f64v x)
{
    return _mm256_and_pd(_mm256_cmp_pd(y, _mm256_setzero_pd(), _CMP_NLE_UQ), x);
}
ALWAYS_INLINE f32v f32_select_wins(f32v a, f32v b, f32v x, f32v y)
{
    return _mm256_blendv_ps(y, x, _mm256_or_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ),
                                               _mm256_cmp_ps(a, a, _CMP_UNORD_Q)));
}
ALWAYS_INLINE f32v f32_load_where(const float *p, const unsigned char *bytes, int byte)
{
    const __m256i all = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)bytes));
    return _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(all, _mm256_set1_epi32(byte))),
                         _mm256_loadu_ps(p));
}
X86_SUMS(_mm256)
ALWAYS_INLINE f32v f32_sums(const f32v *v)
{
    f32v a = f32_sum4(v), b = f32_sum4(v + 4);
    return f32_add(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}
ALWAYS_INLINE f64v f64_sums(const f64v *v)
{
    f64v a = f64_sum2(v), b = f64_sum2(v + 2);
    return f64_add(_mm256_permute2f128_pd(a, b, 0x20), _mm256_permute2f128_pd(a, b, 0x31));
}

#elif defined(__SSE2__) || defined(_M_X64)

#define F32_LANES 4
#define F64_LANES 2
#define TILE_ROWS_2 6
#define TILE_ROWS_1 12
/* No fma before v3: two roundings instead of one, the same on every thread. */
#define SSE_FMA_PS(a, b, c) _mm_add_ps(_mm_mul_ps(a, b), c)
#define SSE_FMA_PD(a, b, c) _mm_add_pd(_mm_mul_pd(a, b), c)
SIMD_TYPE(f32, float, __m128, _mm_loadu_ps, _mm_storeu_ps, _mm_set1_ps,
          _mm_add_ps, _mm_mul_ps, _mm_max_ps, SSE_FMA_PS)
SIMD_TYPE(f64, double, __m128d, _mm_loadu_pd, _mm_storeu_pd, _mm_set1_pd,
          _mm_add_pd, _mm_mul_pd, _mm_max_pd, SSE_FMA_PD)
ALWAYS_INLINE f32v f32_sub(f32v a, f32v b) { return _mm_sub_ps(a, b); }
ALWAYS_INLINE f32v f32_where_equal(f32v a, f32v b, f32v x)
{
    return _mm_and_ps(_mm_cmpeq_ps(a, b), x);
}
ALWAYS_INLINE f32v f32_unless_below(f32v y, f32v x)
{
    return _mm_and_ps(_mm_cmpnle_ps(y, _mm_setzero_ps()), x);
}
ALWAYS_INLINE f64v f64_where_equal(f64v a, f64v b, f64v x)
{
    return _mm_and_pd(_mm_cmpeq_pd(a, b), x);
}
ALWAYS_INLINE f64v f64_unless_below(f64v y, f64v x)
{
    return _mm_and_pd(_mm_cmpnle_pd(y, _mm_setzero_pd()), x);
}
ALWAYS_INLINE f32v f32_select_wins(f32v a, f32v b, f32v x, f32v y)
{
    const __m128 wins = _mm_or_ps(_mm_cmpgt_ps(a, b), _mm_cmpunord_ps(a, a));
    return _mm_or_ps(_mm_and_ps(wins, x), _mm_andnot_ps(wins, y));
}
ALWAYS_INLINE f32v f32_load_where(const float *p, const unsigned char *bytes, int byte)
{
    const __m128i all = _mm_set_epi32(bytes[3], bytes[2], bytes[1], bytes[0]);
    return _mm_and_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(all, _mm_set1_epi32(byte))),
                      _mm_loadu_ps(p));
}
X86_SUMS(_mm)
ALWAYS_INLINE f32v f32_sums(const f32v *v) { return f32_sum4(v); }
ALWAYS_INLINE f64v f64_sums(const f64v *v) { return f64_sum2(v); }

#elif defined(__aarch64__) || defined(_M_ARM64)

#include <arm_neon.h>
#define F32_LANES 4
#define F64_LANES 2
#define TILE_ROWS_2 12
#define TILE_ROWS_1 14
#define NEON_FMA_F32(a, b, c) vfmaq_f32(c, a, b)
#define NEON_FMA_F64(a, b, c) vfmaq_f64(c, a, b)
SIMD_TYPE(f32, float, float32x4_t, vld1q_f32, vst1q_f32, vdupq_n_f32,
          vaddq_f32, vmulq_f32, vmaxq_f32, NEON_FMA_F32)
SIMD_TYPE(f64, double, float64x2_t, vld1q_f64, vst1q_f64, vdupq_n_f64,
          vaddq_f64, vmulq_f64, vmaxq_f64, NEON_FMA_F64)
ALWAYS_INLINE f32v f32_sub(f32v a, f32v b) { return vsubq_f32(a, b); }
ALWAYS_INLINE f32v f32_where_equal(f32v a, f32v b, f32v x)
{
    return vreinterpretq_f32_u32(vandq_u32(vceqq_f32(a, b), vreinterpretq_u32_f32(x)));
}
ALWAYS_INLINE f32v f32_unless_below(f32v y, f32v x)
{
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), vcleq_f32(y, vdupq_n_f32(0))));
}
ALWAYS_INLINE f64v f64_where_equal(f64v a, f64v b, f64v x)
{
    return vreinterpretq_f64_u64(vandq_u64(vceqq_f64(a, b), vreinterpretq_u64_f64(x)));
}
ALWAYS_INLINE f64v f64_unless_below(f64v y, f64v x)
{
    return vreinterpretq_f64_u64(vbicq_u64(vreinterpretq_u64_f64(x), vcleq_f64(y, vdupq_n_f64(0))));
}
ALWAYS_INLINE f32v f32_select_wins(f32v a, f32v b, f32v x, f32v y)
{
    return vbslq_f32(vornq_u32(vcgtq_f32(a, b), vceqq_f32(a, a)), x, y); /* orn: or not */
}
ALWAYS_INLINE f32v f32_load_where(const float *p, const unsigned char *bytes, int byte)
{
    const uint32_t all[4] = {bytes[0], bytes[1], bytes[2], bytes[3]};
    const uint32x4_t wanted = vceqq_u32(vld1q_u32(all), vdupq_n_u32((uint32_t)byte));
    return vreinterpretq_f32_u32(vandq_u32(wanted, vreinterpretq_u32_f32(vld1q_f32(p))));
}
ALWAYS_INLINE f32v f32_sums(const f32v *v)
{
    return vpaddq_f32(vpaddq_f32(v[0], v[1]), vpaddq_f32(v[2], v[3]));
}
ALWAYS_INLINE f64v f64_sums(const f64v *v) { return vpaddq_f64(v[0], v[1]); }

#else /* any other processor: one number at a time */

#define F32_LANES 1
#define F64_LANES 1
#define TILE_ROWS_2 4
#define TILE_ROWS_1 8
#define SCALAR_LOAD(p) (*(p))
#define SCALAR_STORE(p, a) (*(p) = (a))
#define SCALAR_SET1(a) (a)
#define SCALAR_ADD(a, b) ((a) + (b))
#define SCALAR_MUL(a, b) ((a) * (b))
#define SCALAR_MAX(a, b) ((a) > (b) ? (a) : (b))
#define SCALAR_FMA(a, b, c) ((a) * (b) + (c))
SIMD_TYPE(f32, float, float, SCALAR_LOAD, SCALAR_STORE, SCALAR_SET1,
          SCALAR_ADD, SCALAR_MUL, SCALAR_MAX, SCALAR_FMA)
SIMD_TYPE(f64, double, double, SCALAR_LOAD, SCALAR_STORE, SCALAR_SET1,
          SCALAR_ADD, SCALAR_MUL, SCALAR_MAX, SCALAR_FMA)
ALWAYS_INLINE f32v f32_sub(f32v a, f32v b) { return a - b; }
ALWAYS_INLINE f32v f32_where_equal(f32v a, f32v b, f32v x) { return a == b ? x : 0; }
ALWAYS_INLINE f32v f32_unless_below(f32v y, f32v x) { return y <= 0 ? 0 : x; }
ALWAYS_INLINE f64v f64_where_equal(f64v a, f64v b, f64v x) { return a == b ? x : 0; }
ALWAYS_INLINE f64v f64_unless_below(f64v y, f64v x) { return y <= 0 ? 0 : x; }
ALWAYS_INLINE f32v f32_select_wins(f32v a, f32v b, f32v x, f32v y)
{
    return a > b || a != a ? x : y;
}
ALWAYS_INLINE f32v f32_load_where(const float *p, const unsigned char *bytes, int byte)
{
    return bytes[0] == byte ? p[0] : 0;
}
ALWAYS_INLINE f32v f32_sums(const f32v *v) { return v[0]; }
ALWAYS_INLINE f64v f64_sums(const f64v *v) { return v[0]; }

#endif
#endif
