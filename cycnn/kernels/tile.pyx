"""The register tile of `tile.h`, compiled once: what all kernels that multiply matrices call."""

cdef extern from "tile.h":
    void f32_rows(const tile_sum *s, Py_ssize_t n_rows, int lanes, const float *a, const float *b,
                  const float *bias, float *c, int flags) noexcept nogil
    void f64_rows(const tile_sum *s, Py_ssize_t n_rows, int lanes, const double *a, const double *b,
                  const double *bias, double *c, int flags) noexcept nogil
    int f64_groups_at_once(Py_ssize_t each, int vectors) noexcept nogil
    void f64_grouped_rows(const tile_sum *s, Py_ssize_t n_groups, Py_ssize_t a_group, int each,
                          int lanes, const double *a, const double *b, double *c,
                          int start) noexcept nogil
    void f64_columns(const double *b, Py_ssize_t b_step, Py_ssize_t n_rows, int lanes, double *c,
                     int start) noexcept nogil
    void f64_rows_ahead(const tile_sum *s, Py_ssize_t n_rows, int lanes, const double *a,
                        const double *b, const double *bias, double *c, int flags) noexcept nogil
    void f32_rows_ahead(const tile_sum *s, Py_ssize_t n_rows, int lanes, const float *a,
                        const float *b, const float *bias, float *c, int flags) noexcept nogil
    Py_ssize_t f32_tiles(Py_ssize_t n_rows, int lanes) noexcept nogil
    Py_ssize_t f64_tiles(Py_ssize_t n_rows, int lanes) noexcept nogil
    int f32_groups_at_once(Py_ssize_t each, int vectors) noexcept nogil
    void f32_grouped_rows(const tile_sum *s, Py_ssize_t n_groups, Py_ssize_t a_group, int each,
                          int lanes, const float *a, const float *b, float *c,
                          int start) noexcept nogil
    void f32_columns(const float *b, Py_ssize_t b_step, Py_ssize_t n_rows, int lanes, float *c,
                     int start) noexcept nogil
    int f32_finite(const float *x, Py_ssize_t n) noexcept nogil
    int f64_finite(const double *x, Py_ssize_t n) noexcept nogil
    void f32_pack(const float *x, Py_ssize_t x_row, Py_ssize_t n_rows, int count,
                  float *to) noexcept nogil
    void f64_pack(const double *x, Py_ssize_t x_row, Py_ssize_t n_rows, int count,
                  double *to) noexcept nogil
    void f32_pack_panels(const float *x, Py_ssize_t x_row, Py_ssize_t n_rows, Py_ssize_t count,
                         float *to) noexcept nogil
    void f64_pack_panels(const double *x, Py_ssize_t x_row, Py_ssize_t n_rows, Py_ssize_t count,
                         double *to) noexcept nogil
    void f32_packed(int rows, const float *a, const float *b, Py_ssize_t length,
                    const tile_ahead *soon, const tile_ahead *later, const tile_finish *finish,
                    float *c, Py_ssize_t c_row, int lanes) noexcept nogil
    void f32_combine(const float *a, Py_ssize_t terms, const float *b, Py_ssize_t b_row,
                     Py_ssize_t count, float *c) noexcept nogil
    void f64_packed(int rows, const double *a, const double *b, Py_ssize_t length,
                    const tile_ahead *soon, const tile_ahead *later, const tile_finish *finish,
                    double *c, Py_ssize_t c_row, int lanes) noexcept nogil
    void f64_combine(const double *a, Py_ssize_t terms, const double *b, Py_ssize_t b_row,
                     Py_ssize_t count, double *c) noexcept nogil
    void f32_dots(const float *a, Py_ssize_t a_row, Py_ssize_t n_rows, const float *b,
                  Py_ssize_t b_row, Py_ssize_t n_columns, Py_ssize_t length, const float *a_next,
                  const float *b_next, float *c, Py_ssize_t c_row) noexcept nogil
    void f64_dots(const double *a, Py_ssize_t a_row, Py_ssize_t n_rows, const double *b,
                  Py_ssize_t b_row, Py_ssize_t n_columns, Py_ssize_t length, const double *a_next,
                  const double *b_next, double *c, Py_ssize_t c_row) noexcept nogil


cdef void tile_rows(const tile_sum *s, Py_ssize_t n_rows, int lanes, const real *a, const real *b,
                    const real *bias, real *c, int flags) noexcept nogil:
    """c[i, k] = start + sum a[i, j] * b[j, k] for n_rows rows and `lanes` columns."""
    if real is float:
        f32_rows(s, n_rows, lanes, a, b, bias, c, flags)
    else:
        f64_rows(s, n_rows, lanes, a, b, bias, c, flags)


cdef void tile_rows_ahead(const tile_sum *s, Py_ssize_t n_rows, int lanes, const real *a,
                          const real *b, const real *bias, real *c, int flags) noexcept nogil:
    """The same, sending for s.ahead on the way."""
    if real is float:
        f32_rows_ahead(s, n_rows, lanes, a, b, bias, c, flags)
    else:
        f64_rows_ahead(s, n_rows, lanes, a, b, bias, c, flags)


cdef Py_ssize_t tile_count(const real *kind, Py_ssize_t n_rows, int lanes) noexcept nogil:
    """How many tiles these rows take."""
    if real is float:
        return f32_tiles(n_rows, lanes)
    else:
        return f64_tiles(n_rows, lanes)


cdef bint tile_takes_groups(const real *kind, Py_ssize_t each, int lanes) noexcept nogil:
    """Whether tile_grouped_rows() is for groups of `each` rows and `lanes` columns."""
    if real is float:
        return f32_groups_at_once(each, 2 if lanes > F32_LANES else 1) > 1
    else:
        return f64_groups_at_once(each, 2 if lanes > F64_LANES else 1) > 1


cdef void tile_grouped_rows(const tile_sum *s, Py_ssize_t n_groups, Py_ssize_t a_group, int each,
                            int lanes, const real *a, const real *b, real *c,
                            int start) noexcept nogil:
    """The same for groups of `each` rows that begin a_group apart, in whole vectors of columns."""
    if real is float:
        f32_grouped_rows(s, n_groups, a_group, each, lanes, a, b, c, start)
    else:
        f64_grouped_rows(s, n_groups, a_group, each, lanes, a, b, c, start)


cdef void tile_columns(const real *b, Py_ssize_t b_step, Py_ssize_t n_rows, int lanes, real *c,
                       int start) noexcept nogil:
    """c[k] = start + sum b[j, k] for `lanes` columns in whole vectors."""
    if real is float:
        f32_columns(b, b_step, n_rows, lanes, c, start)
    else:
        f64_columns(b, b_step, n_rows, lanes, c, start)


cdef bint tile_finite(const real *x, Py_ssize_t n) noexcept nogil:
    """Whether none of n numbers is infinite or NaN."""
    if real is float:
        return f32_finite(x, n)
    else:
        return f64_finite(x, n)


cdef void tile_pack(const real *x, Py_ssize_t x_row, Py_ssize_t n_rows, int count,
                    real *to) noexcept nogil:
    """`count` columns, at most two vectors, of n_rows rows of x: copied into whole vectors."""
    if real is float:
        f32_pack(x, x_row, n_rows, count, to)
    else:
        f64_pack(x, x_row, n_rows, count, to)


cdef void tile_pack_panels(const real *x, Py_ssize_t x_row, Py_ssize_t n_rows, Py_ssize_t count,
                           real *to) noexcept nogil:
    """Any number of columns: in panels as wide as tile_packed(), one after the other."""
    if real is float:
        f32_pack_panels(x, x_row, n_rows, count, to)
    else:
        f64_pack_panels(x, x_row, n_rows, count, to)


cdef void tile_packed(int rows, const real *a, const real *b, Py_ssize_t length,
                      const tile_ahead *soon, const tile_ahead *later, const tile_finish *finish,
                      real *c, Py_ssize_t c_row, int lanes) noexcept nogil:
    """The sums of a[j, i] * b[j, k], both packed, finish c[i, k]; sends for `soon` and `later`."""
    if real is float:
        f32_packed(rows, a, b, length, soon, later, finish, c, c_row, lanes)
    else:
        f64_packed(rows, a, b, length, soon, later, finish, c, c_row, lanes)


cdef void tile_combine(const real *a, Py_ssize_t terms, const real *b, Py_ssize_t b_row,
                       Py_ssize_t count, real *c) noexcept nogil:
    """c[k] = sum of a[j] * b[j, k]: one row of such a product, b as it lies."""
    if real is float:
        f32_combine(a, terms, b, b_row, count, c)
    else:
        f64_combine(a, terms, b, b_row, count, c)


cdef void tile_dots(const real *a, Py_ssize_t a_row, Py_ssize_t n_rows, const real *b,
                    Py_ssize_t b_row, Py_ssize_t n_columns, Py_ssize_t length, const real *a_next,
                    const real *b_next, real *c, Py_ssize_t c_row) noexcept nogil:
    """c[i, k] += dot product of row i of a and row k of b, sending for the next of both."""
    if real is float:
        f32_dots(a, a_row, n_rows, b, b_row, n_columns, length, a_next, b_next, c, c_row)
    else:
        f64_dots(a, a_row, n_rows, b, b_row, n_columns, length, a_next, b_next, c, c_row)
