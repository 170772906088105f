/* Sums over windows of (N, H, W, C) memory. As in pool.h, a vector lies along the channels, or with
 * one channel along a row of outputs; where the last does not fit, it is moved back. */
#ifndef CYCNN_AVG_POOL_H
#define CYCNN_AVG_POOL_H

#include "pool_simd.h"
#include "windows.h"

#define REAL float
#define SIMD(name) f32##name
#define LANES F32_LANES
#define POOL(name) avg_##name##_float
#include "pool_part_template.h"
#include "avg_pool_template.h"
#undef REAL
#undef SIMD
#undef LANES
#undef POOL

#define REAL double
#define SIMD(name) f64##name
#define LANES F64_LANES
#define POOL(name) avg_##name##_double
#include "pool_part_template.h"
#include "avg_pool_template.h"
#undef REAL
#undef SIMD
#undef LANES
#undef POOL

#endif
