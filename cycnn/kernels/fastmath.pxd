"""exp, tanh, the logistic function, the normal distribution: straight-line arithmetic, for vectors.

No branches, no tables, no calls: a loop over these becomes vector code, which one over libm's
functions does not. Errors stay below 3 units in the last place, infinities and NaN are
right, and results too small for a normal number are rounded once, as they should be.

Every constant is cast: to Cython a bare 1 beside a float is a double, and drags the rest along.
Long polynomials are a statement for each degree: nested in one expression, 22 degrees took Cython
two minutes to translate.
"""

ctypedef fused real:
    float
    double

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    /* The number whose bits these are, and back: memcpy is the portable spelling, and free. */
    static CYTHON_INLINE float cycnn_float(int32_t i) { float x; memcpy(&x, &i, 4); return x; }
    static CYTHON_INLINE int32_t cycnn_bits(float x) { int32_t i; memcpy(&i, &x, 4); return i; }
    static CYTHON_INLINE double cycnn_double(int64_t i) { double x; memcpy(&x, &i, 8); return x; }
    static CYTHON_INLINE int64_t cycnn_bits64(double x) { int64_t i; memcpy(&i, &x, 8); return i; }
    """
    ctypedef int int32_t
    ctypedef long long int64_t
    float cycnn_float(int32_t i) noexcept nogil
    int32_t cycnn_bits(float x) noexcept nogil
    double cycnn_double(int64_t i) noexcept nogil
    int64_t cycnn_bits64(double x) noexcept nogil


cdef inline real nearest(real x) noexcept nogil:
    """The nearest integer, for |x| < 2**22: at 1.5 * 2**23 (2**52) the last bit is worth 1."""
    if real is float:
        return (x + <float>12582912.0) - <float>12582912.0
    else:
        return (x + 6755399441055744.0) - 6755399441055744.0


cdef inline real power_of_2(real n) noexcept nogil:
    """2**n for an integer n in the range of normal numbers: the exponent's bits, written directly.

    In n + 1.5 * 2**23 + bias (for double 2**52) the low bits are the biased exponent.
    """
    if real is float:
        return cycnn_float(<int32_t>((<unsigned int>cycnn_bits(n + <float>12583039.0)) << 23))
    else:
        return cycnn_double(<int64_t>(
            (<unsigned long long>cycnn_bits64(n + 6755399441056767.0)) << 52))


cdef inline real reduced(real x, real n) noexcept nogil:
    """x - n * log(2) to nearly twice the precision: n times the first part of log(2) is exact."""
    if real is float:
        return (x - n * <float>0.693359375) - n * <float>-2.12194440054690583e-4
    else:
        return (x - n * 0.693145751953125) - n * 1.42860682030941723212e-6


cdef inline real expm1_small(real r) noexcept nogil:
    """exp(r) - 1 for |r| <= log(2) / 2: Taylor's series, cut below a tenth of the last place."""
    if real is float:
        return r + r * r * (
            <float>(1 / 2.) + r * (<float>(1 / 6.) + r * (<float>(1 / 24.) + r * (
                <float>(1 / 120.) + r * (<float>(1 / 720.) + r * <float>(1 / 5040.))))))
    else:
        return r + r * r * (
            1 / 2. + r * (1 / 6. + r * (1 / 24. + r * (1 / 120. + r * (1 / 720. + r * (
                1 / 5040. + r * (1 / 40320. + r * (1 / 362880. + r * (1 / 3628800. + r * (
                    1 / 39916800. + r * (1 / 479001600. + r * (1 / 6227020800.))))))))))))


cdef inline real clamp(real x, real low, real high) noexcept nogil:
    """x within [low, high]; NaN stays NaN."""
    x = low if x < low else x
    return high if x > high else x


cdef inline real exp(real x) noexcept nogil:
    """e**x."""
    cdef real n, half
    if real is float:
        x = clamp(x, <float>-104.0, <float>89.0)        # exp is 0 below, infinite above
    else:
        x = clamp(x, -746.0, 710.0)
    n = nearest(x * <real>1.44269504088896340736)
    # 2**n itself may lie outside the normal numbers, so it is applied in two halves.
    half = nearest(n * <real>0.5)
    return (<real>1 + expm1_small(reduced(x, n))) * power_of_2(half) * power_of_2(n - half)


cdef inline real sigmoid(real x) noexcept nogil:
    """1 / (1 + e**-x), from e**-|x|, which never overflows."""
    cdef real e = exp(-x if x > <real>0 else x)
    return (e if x < <real>0 else <real>1) / (<real>1 + e)


cdef inline real tanh(real x) noexcept nogil:
    """(1 - e**-2|x|) / (1 + e**-2|x|) with the sign of x, from e**-2|x| - 1, exact near 0."""
    cdef real negative = -x if x > <real>0 else x             # -|x|
    cdef real n, scale, m
    if real is float:
        negative = clamp(negative, <float>-20.0, <float>0.0)    # beyond, tanh rounds to 1
    else:
        negative = clamp(negative, -40.0, 0.0)
    n = nearest(negative * <real>2.88539008177792681472)
    scale = power_of_2(n)
    m = scale * expm1_small(reduced(<real>2 * negative, n)) + (scale - <real>1)
    m = m / (<real>2 + m)
    return -m if x > <real>0 else m


cdef inline real expm1(real x) noexcept nogil:
    """e**x - 1 for x <= 0, exact near 0; above 0 the result is that of 0."""
    cdef real n, scale
    if real is float:
        x = clamp(x, <float>-20.0, <float>0.0)              # beyond, the result rounds to -1
    else:
        x = clamp(x, -40.0, 0.0)
    n = nearest(x * <real>1.44269504088896340736)
    scale = power_of_2(n)
    return scale * expm1_small(reduced(x, n)) + (scale - <real>1)


cdef inline real tail_factor(real z) noexcept nogil:
    """P(Z > z) * e**(z**2 / 2) for a standard normal Z and z >= 0: t times a polynomial in t.

    t = 4 / (4 + z) runs from 1 down to 0; the polynomials are interpolated at Chebyshev's points,
    with relative errors of 3e-9 and 7e-17.
    """
    cdef real t = <real>4 / (<real>4 + z), p
    if real is float:
        p = <float>-0.0112532702282811667
        p = <float>0.0614511322287203215 + t * p
        p = <float>-0.124648499101392466 + t * p
        p = <float>0.110244694120434269 + t * p
        p = <float>-0.0607864939340843675 + t * p
        p = <float>0.0500930004969260637 + t * p
        p = <float>0.0363605516424369226 + t * p
        p = <float>0.0646360941013879052 + t * p
        p = <float>0.0809239450073009653 + t * p
        p = <float>0.0935078221267092895 + t * p
        p = <float>0.0997354526925623714 + t * p
        p = <float>0.0997355705061560057 + t * p
    else:
        p = -0.00185990172313639805
        p = 0.0211324098228679164 + t * p
        p = -0.110146153707355785 + t * p
        p = 0.347470998848867633 + t * p
        p = -0.737207730559411074 + t * p
        p = 1.10737097724637481 + t * p
        p = -1.21379396608232494 + t * p
        p = 0.997919637954414701 + t * p
        p = -0.637975109695184342 + t * p
        p = 0.324506676992085791 + t * p
        p = -0.125493457393139266 + t * p
        p = 0.0398233723958074956 + t * p
        p = -0.0151268719936168342 + t * p
        p = -0.00462977996816390433 + t * p
        p = -0.00336399346357563489 + t * p
        p = 0.0072193666549194154 + t * p
        p = 0.0233967217153777018 + t * p
        p = 0.0432449155496719457 + t * p
        p = 0.0635034993189361977 + t * p
        p = 0.0810351509197352728 + t * p
        p = 0.0935020969661163212 + t * p
        p = 0.0997355701003748017 + t * p
        p = 0.0997355701003581538 + t * p
    return t * p


cdef inline real normal_cdf(real x, real e) noexcept nogil:
    """P(Z <= x) for a standard normal Z, given e = e**(-x**2 / 2): no digits are lost for x < 0."""
    cdef real beyond = e * tail_factor(-x if x < <real>0 else x)
    return beyond if x < <real>0 else <real>1 - beyond


cdef inline real log1p_of_part(real x) noexcept nogil:
    """log(1 + x) for 0 <= x <= 1: the series of 2 atanh(x / (2 + x)), exact near 0."""
    cdef real s = x / (<real>2 + x), q = s * s, p
    if real is float:
        p = <float>(1 / 13.)
        p = <float>(1 / 11.) + q * p
        p = <float>(1 / 9.) + q * p
        p = <float>(1 / 7.) + q * p
        p = <float>(1 / 5.) + q * p
        p = <float>(1 / 3.) + q * p
    else:
        p = 1 / 31.
        p = 1 / 29. + q * p
        p = 1 / 27. + q * p
        p = 1 / 25. + q * p
        p = 1 / 23. + q * p
        p = 1 / 21. + q * p
        p = 1 / 19. + q * p
        p = 1 / 17. + q * p
        p = 1 / 15. + q * p
        p = 1 / 13. + q * p
        p = 1 / 11. + q * p
        p = 1 / 9. + q * p
        p = 1 / 7. + q * p
        p = 1 / 5. + q * p
        p = 1 / 3. + q * p
    return <real>2 * s * (<real>1 + q * p)
