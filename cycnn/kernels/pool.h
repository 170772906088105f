/* The inner loops of max pooling over (N, H, W, C) memory.
 *
 * They are plain loops over a block of numbers whose length is a constant. Cython can promise the
 * compiler neither the constant nor that the arrays are apart; its loops took 20 times as long.
 *
 * With several channels a block lies along the channels. With one channel (images in planes) it
 * lies along a row of outputs. Where the last block does not fit, it is moved back and some results
 * are worked out twice: that is cheaper than a remainder one by one. */
#ifndef CYCNN_POOL_H
#define CYCNN_POOL_H

#include <math.h>
#include <string.h>
#include "simd.h"
#include "winners.h"

typedef struct {
    ptrdiff_t height, width, channels, out_height, out_width;
    ptrdiff_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    ptrdiff_t inner, outer; /* the windows of columns [inner, outer) lie within the rows */
    ptrdiff_t relu;         /* for whole windows of 2 x 2: y = max(y, 0), and NO_WINNER */
} pool_window;

/* Taps first <= tap < end of a window lie in the image: 0 <= start + tap * dilation < size. */
typedef struct { ptrdiff_t first, end; } pool_taps;

ALWAYS_INLINE pool_taps pool_within(ptrdiff_t start, ptrdiff_t kernel, ptrdiff_t dilation,
                                    ptrdiff_t size)
{
    pool_taps taps = {0, kernel};
    if (start >= 0 && start + (kernel - 1) * dilation < size) return taps; /* divisions are slow */
    taps.first = start >= 0 ? 0 : (dilation - 1 - start) / dilation;
    taps.end = (size - start + dilation - 1) / dilation;
    if (taps.end > kernel) taps.end = kernel;
    return taps;
}

#define POOL_BLOCK BLOCK_MOST
ALWAYS_INLINE int pool_block(ptrdiff_t n)
{
    return n >= POOL_BLOCK ? POOL_BLOCK : n >= 8 ? 8 : n >= 4 ? 4 : 1;
}

/* STATEMENT with `block` as each of the constants it may be. */
#define POOL_EACH_BLOCK(n, STATEMENT)                                                             \
    switch (pool_block(n)) {                                                                      \
        case POOL_BLOCK: { enum { block = POOL_BLOCK }; STATEMENT; break; }                       \
        case 8: { enum { block = 8 }; STATEMENT; break; }                                         \
        case 4: { enum { block = 4 }; STATEMENT; break; }                                         \
        default: { enum { block = 1 }; STATEMENT; }                                               \
    }

/* Which pixel of a window won is one byte, unless the window is larger. */
#define REAL float
#define TAP unsigned char
#define POOL(name) pool_##name##_float_byte
#include "square_template.h"
#include "pool_template.h"

#define REAL float
#define TAP int
#define POOL(name) pool_##name##_float_int
#include "square_template.h"
#include "pool_template.h"

#define REAL double
#define TAP unsigned char
#define POOL(name) pool_##name##_double_byte
#include "square_template.h"
#include "pool_template.h"

#define REAL double
#define TAP int
#define POOL(name) pool_##name##_double_int
#include "square_template.h"
#include "pool_template.h"

#endif
