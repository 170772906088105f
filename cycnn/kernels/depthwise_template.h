/* A row of a depthwise convolution, stride 1, for one type: included twice by tile.h.
 *
 * Each input pixel's vector of channels is loaded once for all taps of a kernel row that it meets.
 * Pixels go in tiles of DEPTHWISE_PIXELS; the last tile computes some of its neighbour's again
 * rather than having loops of its own. Of a tile, all channels are computed before the next: memory
 * is read and written in stretches, not a vector a pixel. */

ALWAYS_INLINE void TILE(depthwise_tile)(const int taps, const tile_sum *s, int lanes,
                                        const REAL *a, const REAL *b, const REAL *bias, REAL *c,
                                        int flags)
{
    SIMD(v) sums[DEPTHWISE_PIXELS];
    REAL edge[LANES]; /* channels that do not fill a vector pass through here */
    const ptrdiff_t a_row = s->a_row;
    const SIMD(v) start = bias ? SIMD(_load)(bias) : SIMD(_set1)(0);
    UNROLL for (int i = 0; i < DEPTHWISE_PIXELS; i++) sums[i] = start;
    for (ptrdiff_t r = 0; r < s->n_runs; r++, b += taps * LANES) {
        const REAL *p = a + s->runs[r];
        SIMD(v) weight[7];
        UNROLL for (int t = 0; t < taps; t++) weight[t] = SIMD(_load)(b + t * LANES);
        UNROLL for (int i = 0; i < DEPTHWISE_PIXELS + taps - 1; i++, p += a_row) {
            const SIMD(v) x = SIMD(_load)(p);
            UNROLL for (int t = 0; t < taps; t++)
                if (i >= t && i - t < DEPTHWISE_PIXELS)
                    sums[i - t] = SIMD(_fma)(x, weight[t], sums[i - t]);
        }
    }
    UNROLL for (int i = 0; i < DEPTHWISE_PIXELS; i++) {
        const SIMD(v) sum = flags & TILE_RELU ? SIMD(_max)(SIMD(_set1)(0), sums[i]) : sums[i];
        if (lanes == LANES) {
            SIMD(_store)(c + i * s->c_row, sum);
        } else {
            SIMD(_store)(edge, sum);
            memcpy(c + i * s->c_row, edge, lanes * sizeof(REAL));
        }
    }
}

/* `count` pixels of all `channels`. Returns 0, having done nothing, where it has no tile for the
 * number of taps in a kernel row, their distance, or so few pixels. */
LOCAL int TILE(depthwise_line)(const tile_sum *s, ptrdiff_t count, ptrdiff_t channels,
                               const REAL *a, const REAL *b, const REAL *bias, REAL *c, int flags)
{
    const ptrdiff_t taps = s->run_length;
    if (s->a_step != s->a_row || count < DEPTHWISE_PIXELS || (taps != 3 && taps != 5 && taps != 7))
        return 0;
    for (ptrdiff_t next = 0; next < count; next += DEPTHWISE_PIXELS) {
        const ptrdiff_t i = next + DEPTHWISE_PIXELS <= count ? next : count - DEPTHWISE_PIXELS;
        for (ptrdiff_t k = 0; k < channels; k += LANES) {
            const int lanes = (int)(channels - k < LANES ? channels - k : LANES);
            const REAL *from = a + i * s->a_row + k, *weight = b + k * s->n_runs * taps;
            const REAL *start = bias ? bias + k : NULL;
            REAL *to = c + i * s->c_row + k;
            if (taps == 3)
                TILE(depthwise_tile)(3, s, lanes, from, weight, start, to, flags);
            else if (taps == 5)
                TILE(depthwise_tile)(5, s, lanes, from, weight, start, to, flags);
            else
                TILE(depthwise_tile)(7, s, lanes, from, weight, start, to, flags);
        }
    }
    return 1;
}

#undef REAL
#undef SIMD
#undef LANES
#undef TILE
