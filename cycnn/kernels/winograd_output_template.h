/* The functions of winograd.h from the points to the stored outputs, for one type: see
 * winograd_template.h. */

ALWAYS_INLINE SIMD(v) WINOGRAD(load_lanes)(const REAL *from, int lanes)
{
    return lanes == LANES ? SIMD(_load)(from) : SIMD(_load_first)(from, lanes);
}

ALWAYS_INLINE void WINOGRAD(store_lanes)(REAL *to, SIMD(v) a, int lanes)
{
    if (lanes == LANES) SIMD(_store)(to, a);
    else SIMD(_store_first)(to, a, lanes);
}

/* The larger of two outputs; a NaN is larger than all numbers, and than a NaN before it. */
ALWAYS_INLINE void WINOGRAD(take_larger)(SIMD(v) *best, SIMD(v) *winner, SIMD(v) other, int tap)
{
    *winner = SIMD(_select_wins)(other, *best, SIMD(_set1)((REAL)tap), *winner);
    *best = SIMD(_select_wins)(other, *best, other, *best);
}

ALWAYS_INLINE void WINOGRAD(pool_of)(const SIMD(v) *y, ptrdiff_t down, int relu, REAL *to,
                                     unsigned char *winner, int lanes)
{
    const SIMD(v) zero = SIMD(_set1)(0);
    SIMD(v) best = y[0], won = zero;
    REAL won_lanes[LANES];
    WINOGRAD(take_larger)(&best, &won, y[1], 1);
    WINOGRAD(take_larger)(&best, &won, y[down], 2);
    WINOGRAD(take_larger)(&best, &won, y[down + 1], 3);
    if (relu) {
        won = SIMD(_select_wins)(best, zero, won, SIMD(_set1)(NO_WINNER));
        best = SIMD(_max)(zero, best);
    }
    WINOGRAD(store_lanes)(to, best, lanes);
    if (winner) {
        SIMD(_store)(won_lanes, won);
        if (lanes == LANES)
            VECTORS for (int i = 0; i < LANES; i++) winner[i] = (unsigned char)(int)won_lanes[i];
        else
            for (int i = 0; i < lanes; i++) winner[i] = (unsigned char)won_lanes[i];
    }
}

/* The stores of a tile: `whole` is a constant, and true where all of its numbers have a place. */
ALWAYS_INLINE void WINOGRAD(store_outputs)(const int whole, SIMD(v) *outputs, REAL *y,
                                           const REAL *positive, const winograd_end *end,
                                           int rows, int columns, int lanes)
{
    const ptrdiff_t row = end->row, pixel = end->pixel;
    const SIMD(v) zero = SIMD(_set1)(0);
    if (whole) lanes = LANES;
    if (end->relu)
        UNROLL for (int i = 0; i < 16; i++) outputs[i] = SIMD(_max)(zero, outputs[i]);
    if (positive)
        UNROLL for (int i = 0; i < 4; i++)
            UNROLL for (int j = 0; j < 4; j++)
                if (whole || (i < rows && j < columns))
                    outputs[4 * i + j] = SIMD(_select_wins)(
                        WINOGRAD(load_lanes)(positive + i * row + j * pixel, lanes), zero,
                        outputs[4 * i + j], zero);
    UNROLL for (int i = 0; i < 4; i++)
        UNROLL for (int j = 0; j < 4; j++)
            if (whole || (i < rows && j < columns))
                WINOGRAD(store_lanes)(y + i * row + j * pixel, outputs[4 * i + j], lanes);
}

/* The same behind a pool. */
ALWAYS_INLINE void WINOGRAD(store_maxima)(const int whole, const SIMD(v) *outputs, REAL *y,
                                          unsigned char *winner, const winograd_end *end,
                                          int rows, int columns, int lanes)
{
    const ptrdiff_t row = end->row, pixel = end->pixel;
    if (whole) lanes = LANES;
    UNROLL for (int i = 0; i < 2; i++)
        UNROLL for (int j = 0; j < 2; j++)
            if (whole || (i < rows && j < columns))
                WINOGRAD(pool_of)(outputs + 8 * i + 2 * j, 4, end->relu, y + i * row + j * pixel,
                                  winner ? winner + i * row + j * pixel : NULL, lanes);
}

/* `rows` x `columns` of a tile's outputs (of its maxima, with end->pool) for `channels` channels.
 * `bias` may be NULL; so may `winner`, and `positive`: laid out as y, y = 0 where it is not above
 * 0. */
ALWAYS_INLINE void WINOGRAD(output_of)(const int n, const REAL *t, ptrdiff_t point,
                                       const REAL *bias, REAL *y, unsigned char *winner,
                                       const REAL *positive, const winograd_end *end, int rows,
                                       int columns, int channels)
{
    const ptrdiff_t row = end->row, pixel = end->pixel;
    for (int first = 0; first < channels; first += LANES) {
        const int lanes = channels - first < LANES ? channels - first : LANES;
        SIMD(v) outputs[16];
        if (!end->pool)
            UNROLL for (int i = 0; i < 4; i++)
                UNROLL for (int j = 0; j < 4; j++)
                    PREFETCH_TO_WRITE(y + (4 + i) * row + j * pixel + first);
        WINOGRAD(of_points)(n, 4, 0, t + first, point, outputs);
        if (bias) {
            const SIMD(v) b = SIMD(_load)(bias + first);
            UNROLL for (int i = 0; i < 16; i++) outputs[i] = SIMD(_add)(outputs[i], b);
        }
        if (end->pool) {
            unsigned char *to = winner ? winner + first : NULL;
            if (rows == 2 && columns == 2 && lanes == LANES)
                WINOGRAD(store_maxima)(1, outputs, y + first, to, end, rows, columns, lanes);
            else
                WINOGRAD(store_maxima)(0, outputs, y + first, to, end, rows, columns, lanes);
        } else {
            const REAL *above = positive ? positive + first : NULL;
            if (rows == 4 && columns == 4 && lanes == LANES)
                WINOGRAD(store_outputs)(1, outputs, y + first, above, end, rows, columns, lanes);
            else
                WINOGRAD(store_outputs)(0, outputs, y + first, above, end, rows, columns, lanes);
        }
    }
}

LOCAL void WINOGRAD(output)(int n, const REAL *t, ptrdiff_t point, const REAL *bias, REAL *y,
                           unsigned char *winner, const REAL *positive, const winograd_end *end,
                           int rows, int columns, int channels)
{
    if (n == 6)
        WINOGRAD(output_of)(6, t, point, bias, y, winner, positive, end, rows, columns, channels);
    else
        WINOGRAD(output_of)(8, t, point, bias, y, winner, positive, end, rows, columns, channels);
}

#undef REAL
#undef SIMD
#undef LANES
#undef WINOGRAD
