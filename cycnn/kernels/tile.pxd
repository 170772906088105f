"""The register tile, float and double under one name: what `tile.pyx` gives the other kernels."""

cdef extern from "tile.h":
    ctypedef struct tile_sum:
        Py_ssize_t a_row
        Py_ssize_t a_step
        Py_ssize_t b_step
        Py_ssize_t c_row
        Py_ssize_t n_runs
        Py_ssize_t run_length
        const Py_ssize_t *runs
        const void *ahead
        Py_ssize_t ahead_step

    ctypedef struct tile_ahead:
        const void *first
        Py_ssize_t row
        Py_ssize_t rows

    ctypedef struct tile_finish:
        int kind
        const void *positive
        double rate

    int F32_LANES
    int F64_LANES
    int DOT_COLUMNS
    int DOT_ROWS
    int PACKED_ROWS
    int PACKED_VECTORS
    int PACKED_STORE
    int PACKED_MASK
    int PACKED_STEP
    int TILE_ROWS_2
    int TILE_FROM_ZERO
    int TILE_FROM_BIAS
    int TILE_FROM_C
    int TILE_RELU

ctypedef fused real:
    float
    double


cdef inline int lanes_of(const real *kind) noexcept nogil:
    """How many numbers of this pointer's type one vector holds."""
    return F32_LANES if real is float else F64_LANES


cdef void tile_rows(const tile_sum *s, Py_ssize_t n_rows, int lanes, const real *a, const real *b,
                    const real *bias, real *c, int flags) noexcept nogil
cdef void tile_rows_ahead(const tile_sum *s, Py_ssize_t n_rows, int lanes, const real *a,
                          const real *b, const real *bias, real *c, int flags) noexcept nogil
cdef Py_ssize_t tile_count(const real *kind, Py_ssize_t n_rows, int lanes) noexcept nogil
cdef bint tile_takes_groups(const real *kind, Py_ssize_t each, int lanes) noexcept nogil
cdef void tile_grouped_rows(const tile_sum *s, Py_ssize_t n_groups, Py_ssize_t a_group, int each,
                            int lanes, const real *a, const real *b, real *c,
                            int start) noexcept nogil
cdef void tile_columns(const real *b, Py_ssize_t b_step, Py_ssize_t n_rows, int lanes, real *c,
                       int start) noexcept nogil
cdef bint tile_finite(const real *x, Py_ssize_t n) noexcept nogil
cdef void tile_pack(const real *x, Py_ssize_t x_row, Py_ssize_t n_rows, int count,
                    real *to) noexcept nogil
cdef void tile_pack_panels(const real *x, Py_ssize_t x_row, Py_ssize_t n_rows, Py_ssize_t count,
                           real *to) noexcept nogil
cdef void tile_packed(int rows, const real *a, const real *b, Py_ssize_t length,
                      const tile_ahead *soon, const tile_ahead *later, const tile_finish *finish,
                      real *c, Py_ssize_t c_row, int lanes) noexcept nogil
cdef void tile_combine(const real *a, Py_ssize_t terms, const real *b, Py_ssize_t b_row,
                       Py_ssize_t count, real *c) noexcept nogil
cdef void tile_dots(const real *a, Py_ssize_t a_row, Py_ssize_t n_rows, const real *b,
                    Py_ssize_t b_row, Py_ssize_t n_columns, Py_ssize_t length, const real *a_next,
                    const real *b_next, real *c, Py_ssize_t c_row) noexcept nogil
