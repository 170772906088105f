/* The loops of depthwise.pyx: convolution with one filter a channel.
 *
 * A vector holds one pixel's channels. Images are read where they lie: pixels whose windows reach
 * over the left or the right edge take loops that look at every column. The caller hands over a
 * pointer for each row under the kernel; above and below the image it points at zeros. The terms of
 * a sum come in the same order everywhere. */
#ifndef CYCNN_DEPTHWISE_H
#define CYCNN_DEPTHWISE_H

#include <string.h>
#include "simd.h"

/* A row of pixels (of y, or those of one phase of dx) and what it reads. */
typedef struct {
    ptrdiff_t channels;    /* numbers from one column of the image that is read to the next */
    ptrdiff_t columns;     /* of that image */
    ptrdiff_t first;       /* the column under the first pixel's first tap; negative: padding */
    ptrdiff_t pixel_step;  /* columns from one pixel to the next */
    ptrdiff_t tap_step;    /* columns from one tap to the next */
    ptrdiff_t kernel_rows;
    ptrdiff_t taps;        /* of one kernel row */
    ptrdiff_t count;       /* pixels */
    ptrdiff_t inner;       /* the first whose window lies inside the image, */
    ptrdiff_t inner_end;   /* and the first after it whose does not */
    ptrdiff_t to_pixel;    /* numbers from one pixel of the row to the next */
    ptrdiff_t to_next;     /* and to the next row */
    ptrdiff_t ahead_each;  /* bytes to send for with each pixel and vector of channels */
    int send;              /* whether the next row of the result is sent for */
    int shared;            /* whether neighbours share inputs: pixels are as far apart as taps */
    int pairs;             /* whether two rows may be computed at once */
    int relu;
} depthwise_row;

/* Pixels of a tile, in one row or two: with the 7 weights of a kernel row and one input they fill
 * 16 registers. */
#define DEPTHWISE_PIXELS 8
/* Pixels whose weight gradients are summed before the next channels': memory is read in order. */
#define DEPTHWISE_STRETCH 8
/* Pixels of a tile of theirs. */
#define DEPTHWISE_TILE 4
/* Whether the sums of 5 x 5 weights stay in registers, or those of 3 x 3 and two rows of pixels. */
#define DEPTHWISE_WIDE (TILE_ROWS_2 >= 12)

#define REAL float
#define SIMD(name) f32##name
#define LANES F32_LANES
#define DEPTHWISE(name) f32_depthwise_##name
#include "depthwise_template.h"

#define REAL double
#define SIMD(name) f64##name
#define LANES F64_LANES
#define DEPTHWISE(name) f64_depthwise_##name
#include "depthwise_template.h"

#endif
