/* The register tile: the small matrix product that convolution, its two gradients and Linear share.
 *
 *     c[i, k]  =  sum over runs r, over steps j of run r:  a[i, r, j] * b[r, j, k]
 *
 * for a few rows i (pixels of one image row, say) and 1 or 2 vectors of columns k (output
 * channels). All sums stay in registers from the first term to the last: each step loads one or
 * two vectors of b and multiplies them by one number of a for every row. The C compiler keeps the
 * sums in registers only when the number of rows is a constant, so there is one copy of the loop
 * for every number of rows; the same loop over a local array in Cython lost half of the speed.
 *
 * A run is a stretch of evenly spaced inputs. For an output pixel of a convolution on channels-last
 * memory, the kW * C inputs under one kernel row are contiguous: a run of that length, step 1, one
 * run a kernel row. Element (i, r, j) of a is a[i * a_row + runs[r] + j * a_step].
 *
 * The order of the additions of one sum is fixed by the shape of the tile's reduction alone, never
 * by how many rows are computed together: work can be cut anywhere between rows, with the same
 * bits. */
#ifndef CYCNN_TILE_H
#define CYCNN_TILE_H

#include <string.h>
#include "simd.h"

typedef struct {
    ptrdiff_t a_row;       /* numbers from one row of a to the next */
    ptrdiff_t a_step;      /* numbers from one step of a run to the next, in a */
    ptrdiff_t b_step;      /* the same in b; b goes on from run to run without a gap */
    ptrdiff_t c_row;       /* numbers from one row of c to the next */
    ptrdiff_t n_runs;
    ptrdiff_t run_length;
    const ptrdiff_t *runs; /* where each run begins, in numbers from a */
    const void *ahead;     /* rows_ahead() alone: memory to send for, */
    ptrdiff_t ahead_step;  /* and bytes of it for each step of each tile */
} tile_sum;

/* Rows of memory that are wanted next, `row` bytes apart: packed() sends for them on the way. */
typedef struct {
    const void *first;
    ptrdiff_t row;
    ptrdiff_t rows;
} tile_ahead;

/* What packed() does with its sums: c is them; or 0 where `positive` is not above 0, else them; or c
 * loses `rate` times them. */
enum { PACKED_STORE, PACKED_MASK, PACKED_STEP };
typedef struct {
    int kind;
    const void *positive; /* as large as c, its rows as far apart */
    double rate;
} tile_finish;

/* What the sums begin with, and whether a ReLU follows the last term. */
enum { TILE_FROM_ZERO, TILE_FROM_BIAS, TILE_FROM_C, TILE_START = 3, TILE_RELU = 4 };

/* The tile of dot products: 24 or 12 sums, 10 or 7 vectors loaded a step. */
#define DOT_ROWS (TILE_ROWS_2 >= 12 ? 4 : 3)
#define DOT_COLUMNS (TILE_ROWS_2 >= 12 ? 6 : 4)

/* The tile of two packed factors: 24 or 12 sums, as above. */
#define PACKED_VECTORS 3
#define PACKED_ROWS (TILE_ROWS_2 >= 12 ? 8 : 4)
#define PACKED_STEPS 8 /* computed between two shares of the rows that are sent for, */
#define PACKED_SENT 2  /* and how many rows these are at the most */

/* Rows that combine() adds up at once: as many streams as processors fetch ahead with ease. */
#define COMBINE_ROWS 8

#define TILE_MAX(a, b) ((a) > (b) ? (a) : (b))
#define TILE_ROWS_MAX TILE_MAX(TILE_ROWS_1, TILE_ROWS_2)

/* Rows of a tile whose rows lie in groups: of one vector it has as many sums as of two. */
#define TILE_GROUPED(vectors) ((vectors) == 2 ? TILE_ROWS_2 : 2 * TILE_ROWS_2)
#define TILE_GROUPED_MAX TILE_GROUPED(1)

#define REAL float
#define SIMD(name) f32##name
#define LANES F32_LANES
#define TILE(name) f32_##name
#include "tile_template.h"
#include "products_template.h"

#define REAL double
#define SIMD(name) f64##name
#define LANES F64_LANES
#define TILE(name) f64_##name
#include "tile_template.h"
#include "products_template.h"

#endif
