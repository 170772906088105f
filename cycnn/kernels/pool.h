/* The inner loops of max pooling over (N, H, W, C) memory.
 *
 * With several channels a vector lies along the channels, with one channel (images in planes) along
 * a row of outputs. Where the last vector does not fit, it is moved back and some results are worked
 * out twice: that is cheaper than a remainder one by one. Of fewer channels than lanes the vectors
 * reach over the next pixels, whose results are then written over; only at the end of a row are
 * there vectors of which a part is loaded and stored. */
#ifndef CYCNN_POOL_H
#define CYCNN_POOL_H

#include <math.h>
#include "pool_simd.h"
#include "windows.h"
#include "winners.h"

/* Memory is read fastest if it is sent for in order, this far ahead. A vector of outputs sends for
 * as many bytes as it takes forward. */
#define POOL_AHEAD 8192

/* Which pixel of a window won is one byte, unless the window is larger. */
#define REAL float
#define SIMD(name) f32##name
#define LANES F32_LANES
#define TAP unsigned char
#define POOL(name) pool_##name##_float_byte
#include "square_template.h"
#include "pool_part_template.h"
#include "pool_template.h"
#include "pool_gradient_template.h"
#undef TAP
#undef POOL

#define TAP int
#define POOL(name) pool_##name##_float_int
#include "square_template.h"
#include "pool_part_template.h"
#include "pool_template.h"
#undef REAL
#undef SIMD
#undef LANES
#undef TAP
#undef POOL

#define REAL double
#define SIMD(name) f64##name
#define LANES F64_LANES
#define TAP unsigned char
#define POOL(name) pool_##name##_double_byte
#include "square_template.h"
#include "pool_part_template.h"
#include "pool_template.h"
#include "pool_gradient_template.h"
#undef TAP
#undef POOL

#define TAP int
#define POOL(name) pool_##name##_double_int
#include "square_template.h"
#include "pool_part_template.h"
#include "pool_template.h"
#undef REAL
#undef SIMD
#undef LANES
#undef TAP
#undef POOL

#endif
