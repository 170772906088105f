"""Normalisation: the channels of a group brought to mean 0 and variance 1, forward and backward.

x is (images, rows, channels); statistics are those of one group of channels over all rows of one
image. Batch normalisation is the case of one image, whose rows are the pixels of the whole batch,
with as many groups as channels.

Each pass over memory goes through chunks whose length depends on the shape alone. Sums are taken in
double (of float, those of NORM_STRETCH numbers in float: more would lose digits, and each of them
in double takes twice the time), and the chunks' are put together in their order, so that no
rounding depends on the number of threads and the batch may be large. A chunk's squares are those
of distances from about its own mean, so memory is read once (Chan, Golub and LeVeque 1983 on how
such sums are joined).

Channels may be few: then the loops run over several rows at once (`width` numbers), with what
belongs to a channel repeated for each of them. What is done with one chunk is in `norm.pxd`.
"""

from cython.parallel cimport prange, threadid
from libc.math cimport sqrt
from libc.stdlib cimport free

from .buffers cimport address, allocate, set_apart, whole_lines
from .tile cimport real


def forward(x, other, y, weight, bias, mean, var, Py_ssize_t images, Py_ssize_t rows,
            Py_ssize_t channels, Py_ssize_t groups, double eps, bint given, bint relu,
            int itemsize, int threads):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, + other unless None, then ReLU if wanted.

    mean and var have a number for each group of each image: found here, unless `given`. weight and
    bias, one number a channel, may be None. No size is 0; all arrays are without gaps, mean and var
    of double, the others of float or of double, as `itemsize` says.
    """
    cdef const char *px = address(x)
    cdef const char *po = NULL if other is None else address(other)
    cdef char *py = address(y)
    cdef const char *pw = NULL if weight is None else address(weight)
    cdef const char *pb = NULL if bias is None else address(bias)
    cdef double *pm = <double *>address(mean)
    cdef double *pv = <double *>address(var)
    cdef int failed
    with nogil:
        if itemsize == sizeof(float):
            failed = normalize(images, rows, channels, groups, <const float *>px,
                               <const float *>po, <float *>py, <const float *>pw,
                               <const float *>pb, pm, pv, eps, given, relu, threads)
        else:
            failed = normalize(images, rows, channels, groups, <const double *>px,
                               <const double *>po, <double *>py, <const double *>pw,
                               <const double *>pb, pm, pv, eps, given, relu, threads)
    if failed:
        raise MemoryError("no memory for the sums of a normalisation")


def backward(dy, x, dx, weight, bias, mean, var, dweight, dbias, Py_ssize_t images,
             Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t groups, double eps, bint given,
             bint relu, int itemsize, int threads):
    """The gradients of :func:`forward`, called with the mean and var that it found or was given.

    dx may be None, and so may dweight and dbias. With `relu`, dy is the gradient behind it: the
    signs of its results are found again, by the same arithmetic.
    """
    cdef const char *pdy = address(dy)
    cdef const char *px = address(x)
    cdef char *pdx = NULL if dx is None else address(dx)
    cdef const char *pw = NULL if weight is None else address(weight)
    cdef const char *pb = NULL if bias is None else address(bias)
    cdef const double *pm = <const double *>address(mean)
    cdef const double *pv = <const double *>address(var)
    cdef char *pdw = NULL if dweight is None else address(dweight)
    cdef char *pdb = NULL if dbias is None else address(dbias)
    cdef int failed
    with nogil:
        if itemsize == sizeof(float):
            failed = gradients(images, rows, channels, groups, <const float *>pdy,
                               <const float *>px, <float *>pdx, <const float *>pw,
                               <const float *>pb, pm, pv, <float *>pdw, <float *>pdb,
                               eps, given, relu, threads)
        else:
            failed = gradients(images, rows, channels, groups, <const double *>pdy,
                               <const double *>px, <double *>pdx, <const double *>pw,
                               <const double *>pb, pm, pv, <double *>pdw,
                               <double *>pdb, eps, given, relu, threads)
    if failed:
        raise MemoryError("no memory for the sums of a normalisation")


def channel_sums(x, sums, Py_ssize_t rows, Py_ssize_t channels, int itemsize, int threads):
    """sums[c] = the sum of x[:, c], both of float or both of double: the gradient of a bias."""
    cdef const char *px = address(x)
    cdef char *to = address(sums)
    cdef int failed
    with nogil:
        if itemsize == sizeof(float):
            failed = plain_sums(rows, channels, <const float *>px, <float *>to, threads)
        else:
            failed = plain_sums(rows, channels, <const double *>px, <double *>to, threads)
    if failed:
        raise MemoryError("no memory for the sums of a bias")


# --- the passes --------------------------------------------------------------------------------
# One thread runs the loops without OpenMP: to open a parallel region of one thread costs as much as
# a small array.

cdef struct Memory:
    void *block
    double *sums                # of each chunk, and in the place of an image's first one its own
    double *work                # of the first thread
    Py_ssize_t work_size        # from one thread's to the next one's
    char *terms


cdef bint reserve(Memory *m, const Shape *s, size_t size_of_real, bint sums,
                  int threads) noexcept nogil:
    """Whether there is memory for the passes, with `sums` or without."""
    cdef size_t sums_size = 0, work_size = 0
    cdef size_t terms_size = s.images * NORM_TERMS * s.width * size_of_real
    cdef char *begin
    if sums:
        sums_size = whole_lines(s.images * s.chunks * SUMS * s.channels * sizeof(double))
        work_size = set_apart(WORK * s.width * sizeof(double))
    begin = allocate(sums_size + work_size * threads + terms_size, &m.block)
    m.sums, m.work = <double *>begin, <double *>(begin + sums_size)
    m.work_size = work_size // sizeof(double)
    m.terms = begin + sums_size + work_size * threads
    return begin != NULL


cdef int normalize(Py_ssize_t images, Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t groups,
                   const real *x, const real *other, real *y, const real *weight,
                   const real *bias, double *mean, double *var, double eps, bint given, bint relu,
                   int threads) noexcept nogil:
    cdef Shape s = shape_of(x, images, rows, channels, groups)
    cdef Py_ssize_t tasks = s.images * s.chunks, i
    cdef Memory m
    cdef real *terms
    if not reserve(&m, &s, sizeof(real), not given, threads):
        return 1
    terms = <real *>m.terms
    if threads == 1:
        if not given:
            for i in range(tasks):
                moments_chunk(&s, x, m.sums, m.work, i)
        for i in range(s.images):
            if not given:
                join_moments(&s, m.sums, mean, var, i)
            forward_terms(&s, weight, bias, mean, var, eps, terms, i)
        for i in range(tasks):
            scale_chunk(&s, x, other, y, terms, relu, i)
    else:
        if not given:
            for i in prange(tasks, num_threads=threads, schedule="static"):
                moments_chunk(&s, x, m.sums, m.work + threadid() * m.work_size, i)
        for i in prange(s.images, num_threads=threads, schedule="static"):
            if not given:
                join_moments(&s, m.sums, mean, var, i)
            forward_terms(&s, weight, bias, mean, var, eps, terms, i)
        for i in prange(tasks, num_threads=threads, schedule="static"):
            scale_chunk(&s, x, other, y, terms, relu, i)
    free(m.block)
    return 0


cdef int gradients(Py_ssize_t images, Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t groups,
                   const real *dy, const real *x, real *dx, const real *weight, const real *bias,
                   const double *mean, const double *var, real *dweight, real *dbias, double eps,
                   bint given, bint relu, int threads) noexcept nogil:
    cdef Shape s = shape_of(x, images, rows, channels, groups)
    cdef Py_ssize_t tasks = s.images * s.chunks, i
    cdef Memory m
    cdef real *terms
    if not reserve(&m, &s, sizeof(real), True, threads):
        return 1
    terms = <real *>m.terms
    if threads == 1:
        for i in range(s.images):
            forward_terms(&s, weight, bias, mean, var, eps, terms, i)
        for i in range(tasks):
            products_chunk(&s, dy, x, terms, m.sums, m.work, relu, i)
        for i in range(s.images):
            backward_terms(&s, weight, mean, var, eps, given, m.sums, terms, i)
    else:
        for i in prange(s.images, num_threads=threads, schedule="static"):
            forward_terms(&s, weight, bias, mean, var, eps, terms, i)
        for i in prange(tasks, num_threads=threads, schedule="static"):
            products_chunk(&s, dy, x, terms, m.sums, m.work + threadid() * m.work_size, relu, i)
        for i in prange(s.images, num_threads=threads, schedule="static"):
            backward_terms(&s, weight, mean, var, eps, given, m.sums, terms, i)
    sum_images(&s, m.sums, var, eps, dweight, dbias)
    if not dx:
        pass
    elif threads == 1:
        for i in range(tasks):
            gradient_chunk(&s, dy, x, dx, terms, relu, given, i)
    else:
        for i in prange(tasks, num_threads=threads, schedule="static"):
            gradient_chunk(&s, dy, x, dx, terms, relu, given, i)
    free(m.block)
    return 0


cdef int plain_sums(Py_ssize_t rows, Py_ssize_t channels, const real *x, real *to,
                    int threads) noexcept nogil:
    cdef Shape s = shape_of(x, 1, rows, channels, channels)
    cdef Py_ssize_t i, c
    cdef double total
    cdef Memory m
    if not reserve(&m, &s, sizeof(real), True, threads):
        return 1
    if threads == 1:
        for i in range(s.chunks):
            totals_chunk(&s, x, m.sums, m.work, i)
    else:
        for i in prange(s.chunks, num_threads=threads, schedule="static"):
            totals_chunk(&s, x, m.sums, m.work + threadid() * m.work_size, i)
    for c in range(channels):
        total = 0
        for i in range(s.chunks):
            total += m.sums[i * SUMS * channels + c]
        to[c] = <real>total
    free(m.block)
    return 0


# --- one image ---------------------------------------------------------------------------------

cdef void join_moments(const Shape *s, double *sums, double *mean, double *var,
                       Py_ssize_t image) noexcept nogil:
    """The mean and the variance of each group, from those of the channels of each chunk."""
    cdef Py_ssize_t i, c, g, each = s.channels // s.groups
    cdef double *first = sums + image * s.chunks * SUMS * s.channels   # the whole is gathered here
    cdef double *squares = first + s.channels
    cdef double *other
    cdef double before = length_of(s, 0) // s.channels, more, part, cross, d
    for i in range(1, s.chunks):
        other = first + i * SUMS * s.channels
        more = length_of(s, i) // s.channels
        part, cross = more / (before + more), before * more / (before + more)
        for c in range(s.channels):
            d = other[c] - first[c]
            first[c] += d * part
            squares[c] += other[s.channels + c] + d * d * cross
        before += more
    mean, var = mean + image * s.groups, var + image * s.groups
    for g in range(s.groups):
        mean[g] = var[g] = 0
        for c in range(g * each, (g + 1) * each):
            mean[g] += first[c]
        mean[g] = mean[g] / each
        for c in range(g * each, (g + 1) * each):
            d = first[c] - mean[g]
            var[g] += squares[c] + d * d * s.rows
        var[g] = var[g] / (<double>s.rows * each)


cdef void forward_terms(const Shape *s, const real *weight, const real *bias, const double *mean,
                        const double *var, double eps, real *terms,
                        Py_ssize_t image) noexcept nogil:
    """The center, scale and shift of each channel."""
    cdef Py_ssize_t c, g, term, each = s.channels // s.groups
    cdef double scale, left
    terms += image * NORM_TERMS * s.width
    mean, var = mean + image * s.groups, var + image * s.groups
    for c in range(s.channels):
        g = c // each
        scale = (weight[c] if weight else <real>1) / sqrt(var[g] + eps)
        terms[c] = <real>mean[g]
        left = mean[g] - terms[c]
        terms[NORM_SCALE * s.width + c] = <real>scale
        terms[NORM_SHIFT * s.width + c] = <real>((bias[c] if bias else <real>0) - left * scale)
    for term in range(NORM_SHIFT + 1):
        repeat(s, terms + term * s.width)


cdef void backward_terms(const Shape *s, const real *weight, const double *mean, const double *var,
                         double eps, bint given, double *sums, real *terms,
                         Py_ssize_t image) noexcept nogil:
    """The slope and offset of each channel; the image's sums are left in those of its first chunk.

    There the products become those of dy and the distance from the mean itself.
    """
    cdef Py_ssize_t i, c, g, term, each = s.channels // s.groups
    cdef double *total = sums + image * s.chunks * SUMS * s.channels
    cdef double *products = total + s.channels
    cdef const double *other
    cdef double all_of_it, all_products, inverse, slope, n = <double>s.rows * each, w
    terms += image * NORM_TERMS * s.width
    mean, var = mean + image * s.groups, var + image * s.groups
    for i in range(1, s.chunks):
        other = total + i * SUMS * s.channels
        for c in range(s.channels):
            total[c] += other[c]
            products[c] += other[s.channels + c]
    for g in range(s.groups):
        all_of_it = all_products = 0
        for c in range(g * each, (g + 1) * each):
            products[c] -= (mean[g] - terms[c]) * total[c]
            w = weight[c] if weight else <real>1
            all_of_it += w * total[c]
            all_products += w * products[c]
        if given:       # then y depends on x by way of the scale alone
            continue
        inverse = 1 / sqrt(var[g] + eps)
        slope = -inverse * inverse * inverse * all_products / n
        for c in range(g * each, (g + 1) * each):
            terms[NORM_SLOPE * s.width + c] = <real>slope
            terms[NORM_OFFSET * s.width + c] = <real>(
                -inverse * all_of_it / n - (mean[g] - terms[c]) * slope)
    for term in range(NORM_SLOPE, NORM_SLOPE if given else NORM_TERMS):
        repeat(s, terms + term * s.width)


cdef void sum_images(const Shape *s, const double *sums, const double *var, double eps,
                     real *dweight, real *dbias) noexcept nogil:
    """The gradients of weight and bias, from the sums of the images in their order."""
    cdef Py_ssize_t c, image, each = s.channels // s.groups
    cdef const double *total
    cdef double weight, bias
    for c in range(s.channels):
        weight = bias = 0
        for image in range(s.images):
            total = sums + image * s.chunks * SUMS * s.channels + c
            bias += total[0]
            weight += total[s.channels] / sqrt(var[image * s.groups + c // each] + eps)
        if dweight:
            dweight[c] = <real>weight
        if dbias:
            dbias[c] = <real>bias
