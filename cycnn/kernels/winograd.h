/* Winograd's minimal filtering: Lavin and Gray, arXiv 1509.09308.
 *
 * A tile of 4 x 4 outputs and a kernel of r x r taps are polynomials of the n x n inputs under them,
 * n = r + 3. Their values at n points each way, n * n in all, need one multiplication each where the
 * direct sum needs 16 * r * r: 4 times fewer for r = 3 (n = 6), 6.25 times for r = 5 (n = 8).
 *
 *     forward            y  = A^T [ (G g G^T) * (B^T d B) ] A
 *     weight gradient    dg = G^T [ (A dy A^T) * (B^T d B) ] G
 *
 * where * is number by number; summed over channels (or tiles) it is a matrix product for each
 * point. The points are 0, pairs p and -p, and infinity. The row of A for a point p is
 * 1, p, p^2, p^3; that of G is r powers of it over the product of its distances to the other finite
 * points; that of B^T has the coefficients of the polynomial that is zero at all other points. At
 * infinity only the last power counts.
 *
 * The pairs decide how exact the result is. 5/8 and 3/2 were best in a search: the root mean square
 * error is 2.4 times smaller than with the usual 1 and 2. For r = 5 they are 1/2, 1 and 2, which
 * is as exact as the usual choice is for r = 3.
 *
 * Every function works on whole vectors along the channels. The values of a vector stand `point`
 * numbers apart. */
#ifndef CYCNN_WINOGRAD_H
#define CYCNN_WINOGRAD_H

#include <string.h>
#include "simd.h"
#include "winners.h"

#define WINOGRAD_TILE 4 /* outputs of a tile, each way */
#define WINDOWS 5       /* of a pool, under the widest patch, each way */

/* Where the pixels of a patch are: where each of its rows begins, and `pixel` numbers from one pixel
 * to the next. Columns before `begin` and from `end` on are zeros. Or, for a gradient that comes
 * through a 2 x 2 max-pool, the pooled gradient and the winners of all windows under the patch; its
 * first pixel is pixel (up, left) of the first one. */
typedef struct {
    const void *rows[8]; /* of the functions' type, as are the gradients */
    ptrdiff_t pixel, below; /* `below`: to what the tile below reads besides, from a row */
    int begin, end;
    int pooled, up, left;
    const void *gradients[WINDOWS * WINDOWS];
    const unsigned char *winners[WINDOWS * WINDOWS];
} winograd_patch;

/* What happens to a tile of outputs in registers, and where it goes. */
typedef struct {
    ptrdiff_t row;   /* numbers from one row of y to the next */
    ptrdiff_t pixel; /* and from one pixel to the next */
    int relu;        /* y = max(y, 0) */
    int pool;        /* y is the maximum of 2 x 2 outputs; which one won is kept, see below */
} winograd_end;

#define REAL float
#define SIMD(name) f32##name
#define LANES F32_LANES
#define WINOGRAD(name) f32_winograd_##name
#include "winograd_points_template.h"
#include "winograd_template.h"
#include "winograd_output_template.h"

#define REAL double
#define SIMD(name) f64##name
#define LANES F64_LANES
#define WINOGRAD(name) f64_winograd_##name
#include "winograd_points_template.h"
#include "winograd_template.h"
#include "winograd_output_template.h"

#endif
