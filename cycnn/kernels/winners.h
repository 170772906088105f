/* What a 2 x 2 max-pool remembers of each window: a byte, 0 to 3 for the pixel that won (row by row),
 * or, where a ReLU comes before the pool, that none did. */
#ifndef CYCNN_WINNERS_H
#define CYCNN_WINNERS_H

#define NO_WINNER 4   /* nothing in the window is above 0: the ReLU lets no gradient through */

#endif
