"""The processor's peak: fused multiply-adds on registers and nothing else.

What the other kernels reach is measured against this loop, built with the same flags for the same
instruction set. It is of no use but to benchmarks.
"""

from cython.parallel cimport prange
from libc.stdlib cimport free, malloc

cdef extern from *:
    """
    #include "simd.h"

    /* As many independent sums as the register tile has: each fma waits for its own sum alone. */
    enum { PEAK_SUMS = TILE_ROWS_1, PEAK_F32_LANES = F32_LANES, PEAK_F64_LANES = F64_LANES };

    #define PEAK_LOOP(P, REAL)                                                                    \\
        static double peak_##P(ptrdiff_t rounds)                                                  \\
        {                                                                                         \\
            P##v sums[PEAK_SUMS], factor = P##_set1((REAL)0.5), term = P##_set1((REAL)1);         \\
            REAL lanes[sizeof(P##v) / sizeof(REAL)];                                              \\
            UNROLL for (int i = 0; i < PEAK_SUMS; i++) sums[i] = P##_set1((REAL)i);               \\
            for (ptrdiff_t r = 0; r < rounds; r++)                                                \\
                UNROLL for (int i = 0; i < PEAK_SUMS; i++)                                        \\
                    sums[i] = P##_fma(sums[i], factor, term);                                     \\
            UNROLL for (int i = 1; i < PEAK_SUMS; i++) sums[0] = P##_add(sums[0], sums[i]);       \\
            P##_store(lanes, sums[0]);                                                            \\
            return lanes[0];                                                                      \\
        }
    PEAK_LOOP(f32, float)
    PEAK_LOOP(f64, double)
    """
    const int PEAK_SUMS
    const int PEAK_F32_LANES
    const int PEAK_F64_LANES
    double peak_f32(Py_ssize_t rounds) nogil
    double peak_f64(Py_ssize_t rounds) nogil


def fma_loop(Py_ssize_t rounds, bint double_precision, int threads):
    """Run the loop for that many rounds on each of `threads` threads.

    Returns
    -------
    operations : int
        Floating-point operations done, two a multiply-add, on all threads together.
    total : float
        The sum of what was computed; it is returned so that the compiler has to compute it.
    """
    cdef double *sums = <double *>malloc(threads * sizeof(double))
    cdef int i
    if sums == NULL:
        raise MemoryError
    with nogil:
        for i in prange(threads, num_threads=threads, schedule="static", chunksize=1):
            sums[i] = peak_f64(rounds) if double_precision else peak_f32(rounds)
    total = 0.0
    for i in range(threads):
        total = total + sums[i]
    free(sums)
    lanes = PEAK_F64_LANES if double_precision else PEAK_F32_LANES
    return 2 * lanes * PEAK_SUMS * rounds * threads, total
