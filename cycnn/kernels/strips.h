/* The tiles of strips.pyx and strips_weight.pyx: convolution with too few channels for a vector.
 *
 * A vector holds the same pixel and channel of several strips: of as many images, or bands of
 * image rows, as it has lanes. So a vector is full however few channels there are, every load is
 * aligned, and the loop is that of a convolution with single numbers. Interleaving the strips, and
 * parting the results again, costs a few shuffles a vector.
 *
 * Every lane is a strip of its own: nothing leaks from one into another. The order of the additions
 * of one sum is that of the terms, wherever the tiles and the strips are cut. */
#ifndef CYCNN_STRIPS_H
#define CYCNN_STRIPS_H

#include <string.h>
#include "pieces.h"
#include "winners.h"

/* What must fit in the registers: the sums of a tile, and the factors of one step but for one. */
#if defined(__AVX512F__) || defined(__aarch64__) || defined(_M_ARM64)
  #define STRIPS_REGISTERS 32
  #define STRIPS_ROWS 8
  #define STRIPS_WEIGHT_ROWS 6
#else
  #define STRIPS_REGISTERS 16
  #define STRIPS_ROWS 6
  #define STRIPS_WEIGHT_ROWS 5
#endif
/* How many columns a tile of `rows` rows has at most; the forward tile keeps its columns' factors
 * in registers, the weight gradient's those of its rows. */
#define STRIPS_FIT(rows) ((STRIPS_REGISTERS - 1) / ((rows) + 1))
#define STRIPS_WEIGHT_FIT(rows) ((STRIPS_REGISTERS - 1 - (rows)) / (rows))
#define STRIPS_COLUMNS 8
#define STRIPS_ADDED 4 /* channels whose gradients of the bias are added up side by side */

typedef struct {
    ptrdiff_t n_terms;        /* of one sum */
    const ptrdiff_t *offsets; /* where each term's number is, counted from the pixel's origin */
    ptrdiff_t x_pixel;        /* numbers from one pixel's origin to the next */
    ptrdiff_t out_pixel;      /* numbers from one pixel to the next in the result */
    ptrdiff_t relu;           /* whether the results pass a ReLU */
} strips_sum;

typedef struct {
    ptrdiff_t n_rows;         /* of pixels to sum over */
    ptrdiff_t n_columns;
    ptrdiff_t x_row;          /* numbers from one row, and one pixel, to the next */
    ptrdiff_t x_pixel;
    ptrdiff_t dy_row;
    ptrdiff_t dy_pixel;
    const ptrdiff_t *offsets; /* where each term's x is, counted from the pixel's origin */
    ptrdiff_t sums_row;       /* numbers from one channel's sums to the next */
    ptrdiff_t from_zero;      /* whether the sums begin, or go on from what is there */
} strips_weight_sum;

#define REAL float
#define TAP float
#define POOL(name) strips_##name##_float
#define SIMD(name) f32##name
#define LANES F32_LANES
#define STRIPS(name) f32_strips_##name
#include "strips_template.h"
#include "square_template.h"
#include "strips_pool_template.h"

#define REAL double
#define TAP double
#define POOL(name) strips_##name##_double
#define SIMD(name) f64##name
#define LANES F64_LANES
#define STRIPS(name) f64_strips_##name
#include "strips_template.h"
#include "square_template.h"
#include "strips_pool_template.h"

#endif
