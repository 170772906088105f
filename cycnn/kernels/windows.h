/* The windows of a pool over (N, H, W, C) memory: which pixels a window holds. */
#ifndef CYCNN_WINDOWS_H
#define CYCNN_WINDOWS_H

#include "simd.h"

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

#endif
