/* Winograd's minimal filtering with too few channels for a vector: winograd.h's transformations and
 * products, on the interleaved strips of strips.h.
 *
 * A vector holds the same pixel and channel of as many strips as it has lanes, so each line below is
 * what one would write for single numbers. Each row of x is transformed along once, for all the tiles
 * that it is in; then a row of tiles passes, a few tiles at a time, through the other stages:
 *
 *     a row of x         -> line[tile, j, c]             along the row
 *     then, for each j:
 *     n lines            -> values[tile, c, i]           down the columns
 *                        -> products[tile, k, i]         the sums over channels
 *                        -> sums[tile, k, row, j]        back down
 *     sums               -> four rows of y               back along
 *
 * i and j are the points of the two directions. From the values to the rows of y everything stays in
 * the first-level cache. The weight gradient transforms x and dy the first two ways, and sums the
 * products of their values over all tiles. */
#ifndef CYCNN_STRIPS_WINOGRAD_H
#define CYCNN_STRIPS_WINOGRAD_H

#include "strips.h"

#define STRIPS_TILE 4 /* outputs of a tile, each way */
#define STRIPS_WINOGRAD_COLUMNS 4 /* tiles of one product at most */

typedef struct {
    ptrdiff_t side;         /* n: of the inputs under a tile */
    ptrdiff_t src_channels;
    ptrdiff_t dst_channels;
    ptrdiff_t n_blocks;     /* of dst channels: the rows of one product */
    ptrdiff_t n_terms;      /* blocks of src channels: of a weight gradient's sums */
    ptrdiff_t columns;      /* tiles that pass the stages at once, at most */
    ptrdiff_t dst_row;      /* numbers from one row of y, or line of dy, to the next */
    ptrdiff_t weight_point; /* from one point of the weights, or of their gradient, to the next */
    ptrdiff_t relu;         /* whether the results pass a ReLU */
} strips_winograd;

/* The n lines under a row of tiles: the upper four, and those below, `line` numbers apart. */
typedef struct {
    const void *upper;
    const void *lower;
    ptrdiff_t line;
} strips_lines;

#define REAL float
#define SIMD(name) f32##name
#define LANES F32_LANES
#define WINOGRAD(name) f32_strips_winograd_##name
#include "winograd_points_template.h"
#include "strips_winograd_template.h"
#include "strips_winograd_weight_template.h"

#define REAL double
#define SIMD(name) f64##name
#define LANES F64_LANES
#define WINOGRAD(name) f64_strips_winograd_##name
#include "winograd_points_template.h"
#include "strips_winograd_template.h"
#include "strips_winograd_weight_template.h"

#endif
