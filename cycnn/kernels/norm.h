/* The loops of a normalisation over memory, for norm.pxd. */
#ifndef CYCNN_NORM_H
#define CYCNN_NORM_H

#include "simd.h"

enum {
    NORM_VECTORS = 4, /* side by side: their sums do not wait for one another */
    NORM_STRETCH = 32 /* numbers that a sum in x's type may have before it goes to one in double */
};

/* What a number meets there: `width` of each of these, one after another.
 *
 *     y = (x - center) * scale + shift        dx = dy * scale + (x - center) * slope + offset
 *
 * `center` is the mean as x's type has it; what that leaves of it is in `shift` and `offset`. */
enum { NORM_CENTER, NORM_SCALE, NORM_SHIFT, NORM_SLOPE, NORM_OFFSET, NORM_TERMS };

#define REAL float
#define SIMD(name) f32##name
#define LANES F32_LANES
#define NORM(name) norm_##name##_float
#include "norm_template.h"
#undef REAL
#undef SIMD
#undef LANES
#undef NORM

#define REAL double
#define SIMD(name) f64##name
#define LANES F64_LANES
#define NORM(name) norm_##name##_double
#include "norm_template.h"
#undef REAL
#undef SIMD
#undef LANES
#undef NORM

#endif
