"""Elementary functions in the type of their argument.

They have no branches and call no functions, so loops over them can be vectorized. Their error is at most 4 units in the
last place, also for denormal arguments and results; only that of the normal distribution function is up to 9 units. A
result of 0 has the right sign, infinity gives the limit, NaN stays NaN.

The table has the greatest errors in units in the last place, and the nanoseconds for an element. Errors were found with
either instruction set, by the sweeps of tests/compiled/kernels/test_elementary.py with 20 seeds; those of exp, expm1,
sigmoid, tanh, erf and softplus in float32 also over all numbers from 2^-13 to where the result is constant (or x).
Times are for 4096 (or 2048) numbers through elementary_loops.evaluate, with AVX2 on a Zen 4:

                 float32            float64
                 error     time     error     time
    exp          2.3       0.30     1.6       0.98
    expm1        2.1       0.37     1.9       1.2
    sigmoid      3.3       0.38     3.2       1.2
    tanh         3.8       0.25     2.4       1.4
    erf          3.6       0.33     3.4       1.2
    log          1.0       0.65     1.3       1.7
    log1p        1.7       0.78     1.8       2.0
    softplus     2.8       1.2      2.8       2.5
    normal_cdf   6         0.80     9         2.5

If a result is constant outside of a range, that constant is selected at the end, in place of an arbitrary result.
Clipping the argument first is slower, by 0.07 ns for exp of float32 and 0.08 ns for sigmoid: gcc 12 also computes the
results for the bounds, and selects several times.

benchmarks/coefficients.py makes the coefficients.
"""

from cython cimport floating
from libc.math cimport INFINITY, NAN, copysign as copysign_double, copysignf, fabs as fabs_double, fabsf
from libc.math cimport sqrt as sqrt_double, sqrtf
from libc.stdint cimport uint32_t, uint64_t


cdef union Bits32:
    float value
    uint32_t bits


cdef union Bits64:
    double value
    uint64_t bits


cdef inline floating sqrt(floating x) noexcept nogil:
    return sqrtf(x) if floating is float else sqrt_double(x)


cdef inline floating fabs(floating x) noexcept nogil:
    return fabsf(x) if floating is float else fabs_double(x)


cdef inline floating copysign(floating x, floating y) noexcept nogil:
    """x with the sign of y."""
    return copysignf(x, y) if floating is float else copysign_double(x, y)


cdef inline floating clip(floating x, floating low, floating high) noexcept nogil:
    """min(max(x, low), high); NaN stays NaN."""
    x = low if x < low else x
    return high if x > high else x


cdef inline floating expm1_of_remainder(floating r) noexcept nogil:
    """e^r - 1 for |r| <= log(2)."""
    cdef floating r2 = r * r
    cdef floating p
    # two terms at a time, because each step waits for the previous one
    if floating is float:
        p = <floating>0.0014091820921748877 + r * <floating>0.00019852544937748462
        p = p * r2 + (<floating>0.0416620709002018 + r * <floating>0.008334260433912277)
        p = p * r2 + (<floating>0.5000002384185791 + r * <floating>0.16666647791862488)
    else:
        p = <floating>2.1054925999999726e-09 + r * <floating>1.6060919980879452e-10
        p = p * r2 + (<floating>2.7556260659654936e-07 + r * <floating>2.505306634587131e-08)
        p = p * r2 + (<floating>2.4801590305121314e-05 + r * <floating>2.7557312400476274e-06)
        p = p * r2 + (<floating>0.0013888888884779327 + r * <floating>0.00019841269859857005)
        p = p * r2 + (<floating>0.041666666666690375 + r * <floating>0.008333333333312277)
        p = p * r2 + (<floating>0.4999999999999996 + r * <floating>0.16666666666666743)
    return r + r2 * p


cdef inline floating scaled_expm1(floating x, floating small, floating* scale, floating* inverse) noexcept nogil:
    """q in e^(x + small) = scale^2 (1 + q), |q| <= 1, where `small` may be lost in x + small.

    `scale` (1,) OUT is 2^m and `inverse` (1,) OUT is 2^-m, for the integer m nearest to x / (2 log 2). Because the
    scale is squared, it is in range even if e^x is infinite or denormal. |x| <= 104 (or 746).
    """
    cdef Bits32 single, single_inverse
    cdef Bits64 double_, double_inverse
    cdef floating m
    # m plus the bias of exponents is added to 1.5 2^23 (or 2^52). The last bits of the sum are this integer, which is
    # then shifted to the place of an exponent.
    if floating is float:
        single.value = x * <floating>0.7213475204444817 + <floating>12583039.0            # 1.5 2^23 + 127
        m = single.value - <floating>12583039.0
        single.bits = single.bits << 23
        single_inverse.bits = <uint32_t>0x7F000000 - single.bits
        scale[0] = single.value
        inverse[0] = single_inverse.value
    else:
        double_.value = x * <floating>0.7213475204444817 + <floating>6755399441056767.0   # 1.5 2^52 + 1023
        m = double_.value - <floating>6755399441056767.0
        double_.bits = double_.bits << 52
        double_inverse.bits = <uint64_t>0x7FE0000000000000 - double_.bits
        scale[0] = double_.value
        inverse[0] = double_inverse.value
    # 2 log 2 in two parts; the first has so few bits that its product with m is exact
    return expm1_of_remainder(x - m * <floating>1.38629150390625 - m * <floating>2.8572136406188347e-06 + small)


cdef inline floating exp_of_sum(floating x, floating small) noexcept nogil:
    """e^(x + small), where `small` may be lost in x + small."""
    cdef floating least = -104 if floating is float else -746
    cdef floating greatest = 89 if floating is float else 710
    cdef floating scale, inverse
    cdef floating q = scaled_expm1(x, small, &scale, &inverse)
    cdef floating y = (scale + scale * q) * scale
    y = <floating>0 if x < least else y
    return <floating>INFINITY if x > greatest else y


cdef inline floating exp(floating x) noexcept nogil:
    """e^x."""
    return exp_of_sum(x, <floating>-0.0)        # adding -0.0 needs no instruction; adding 0.0 does


cdef inline floating expm1(floating x) noexcept nogil:
    """e^x - 1, without cancellation near 0."""
    cdef floating least = -20 if floating is float else -40
    cdef floating greatest = 89 if floating is float else 710
    cdef floating scale, inverse
    cdef floating q = scaled_expm1(x, <floating>-0.0, &scale, &inverse)
    cdef floating y = copysign((scale * q + (scale - inverse)) * scale, x)
    y = <floating>-1 if x < least else y
    return <floating>INFINITY if x > greatest else y


cdef inline floating sigmoids(floating x, floating* complement) noexcept nogil:
    """1 / (1 + e^-x). Both terms are divided by the scale of e^-x, which could be infinite.

    `complement` (1,) OUT is the sigmoid of -x.
    """
    cdef floating bound = 104 if floating is float else 746
    cdef floating zero = 0, one = 1
    cdef floating scale, inverse, rest, y
    cdef floating q = scaled_expm1(-x, <floating>-0.0, &scale, &inverse)
    q = scale + scale * q
    y = inverse / (inverse + q)
    y = zero if x < -bound else y
    rest = q / (inverse + q)
    rest = one if x < -bound else rest
    complement[0] = zero if x > bound else rest
    return one if x > bound else y


cdef inline floating sigmoid(floating x) noexcept nogil:
    """1 / (1 + e^-x)."""
    cdef floating complement
    return sigmoids(x, &complement)


cdef inline floating tanh(floating x) noexcept nogil:
    """tanh(x) = 2 n d / (n^2 + d^2) of n / d = tanh(x / 2); float64: (e^-2|x| - 1) / (e^-2|x| + 1).

    The nearer tanh(x) is to 1, the smaller is the effect of an error of n / d.
    """
    cdef floating one = 1
    cdef floating u, n, d, scale, inverse, q
    if floating is float:
        u = x * x
        n = <floating>0.00010044439841294661
        n = n * u + <floating>0.02607368864119053
        n = n * u + <floating>0.875
        n = n * x
        d = <floating>2.1709292923333123e-06
        d = d * u + <floating>0.0021160002797842026
        d = d * u + <floating>0.19798065721988678
        d = d * u + <floating>1.75
        n = n * (d + d) / (d * d + n * n)
        return copysign(one, x) if fabs(x) > <floating>8.5 else n
    else:
        q = scaled_expm1(<floating>-2 * fabs(x), <floating>-0.0, &scale, &inverse)
        q = scale * q
        n = (q + (scale - inverse)) / (q + (scale + inverse))
        return copysign(one if fabs(x) > <floating>19 else n, x)


cdef inline floating erf(floating x) noexcept nogil:
    """erf(x) = t (3 - t^2) / 2 of a rational function t.

    The nearer erf(x) is to 1, the smaller is the effect of an error of t.
    """
    cdef floating bound = <floating>3.8 if floating is float else <floating>5.85
    cdef floating one = 1, half = <floating>0.5
    cdef floating u = x * x
    cdef floating n, d, t
    if floating is float:
        n = <floating>1.7465181372244842e-06
        n = n * u + <floating>0.00012131073162890971
        n = n * u + <floating>0.005238440819084644
        n = n * u + <floating>0.036465246230363846
        n = n * u + <floating>0.6582211852073669
        d = <floating>2.042022424575407e-05
        d = d * u + <floating>0.0008669644594192505
        d = d * u + <floating>0.016450563445687294
        d = d * u + <floating>0.175091952085495
        d = d * u + <floating>0.875
    else:
        n = <floating>-2.9323411670618237e-16
        n = n * u + <floating>3.017306620194558e-13
        n = n * u + <floating>7.859763846480628e-11
        n = n * u + <floating>3.2310606171974162e-09
        n = n * u + <floating>1.653302988568745e-07
        n = n * u + <floating>3.532839535474686e-06
        n = n * u + <floating>9.861000570955546e-05
        n = n * u + <floating>0.0011505090961825564
        n = n * u + <floating>0.018646820039861785
        n = n * u + <floating>0.10071370264404879
        n = n * u + <floating>0.9873317712085735
        d = <floating>7.14926892682123e-12
        d = d * u + <floating>5.308939651449046e-10
        d = d * u + <floating>2.439392020469861e-08
        d = d * u + <floating>8.023858197490319e-07
        d = d * u + <floating>1.948376399675706e-05
        d = d * u + <floating>0.00035473411954291885
        d = d * u + <floating>0.004835524461924744
        d = d * u + <floating>0.04787068177543719
        d = d * u + <floating>0.32380843664707215
        d = d * u + <floating>1.3125
    t = x * n / d
    t = t + t * (half - half * t * t)
    return copysign(one, x) if fabs(x) > bound else t


cdef inline floating log1p_of_remainder(floating f) noexcept nogil:
    """log(1 + f) for -1/3 <= f <= 1/2, as 2 artanh(s) = f - s (f - ...) with s = f / (2 + f)."""
    cdef floating half_square = <floating>0.5 * f * f
    cdef floating s = f / (<floating>2 + f)
    cdef floating z = s * s
    cdef floating p
    if floating is float:
        p = <floating>0.3036443889141083
        p = p * z + <floating>0.3995765745639801
        p = p * z + <floating>0.666669487953186
    else:
        p = <floating>0.15373764013268373
        p = p * z + <floating>0.1524947137334711
        p = p * z + <floating>0.18186391957716236
        p = p * z + <floating>0.22222137623848798
        p = p * z + <floating>0.2857142940606155
        p = p * z + <floating>0.3999999999610142
        p = p * z + <floating>0.6666666666667282
    return f - (half_square - s * (half_square + z * p))


cdef inline floating fraction_of(floating x, floating* exponent, floating* half_inverse) noexcept nogil:
    """x / 2^n between 2/3 and 4/3, for a normal x > 0; `exponent` (1,) OUT is n, `half_inverse` (1,) OUT 2^(1-n)."""
    cdef Bits32 single, single_exponent
    cdef Bits64 double_, double_exponent
    # the bits of x, shifted so that the exponent changes at 2/3. It is read as the last bits of 2^23 (or 2^52) + n
    if floating is float:
        single.value = x
        single.bits = single.bits + <uint32_t>(0x3F800000 - 0x3F2AAAAB)
        single_exponent.bits = (single.bits >> 23) | <uint32_t>0x4B000000
        exponent[0] = single_exponent.value - <floating>(8388608 + 127)
        single_exponent.bits = <uint32_t>0x7F800000 - (single.bits & <uint32_t>0x7F800000)
        half_inverse[0] = single_exponent.value
        single.bits = (single.bits & <uint32_t>0x007FFFFF) + <uint32_t>0x3F2AAAAB
        return single.value
    else:
        double_.value = x
        double_.bits = double_.bits + <uint64_t>(0x3FF0000000000000 - 0x3FE5555555555555)
        double_exponent.bits = (double_.bits >> 52) | <uint64_t>0x4330000000000000
        exponent[0] = double_exponent.value - <floating>(4503599627370496 + 1023)
        double_exponent.bits = <uint64_t>0x7FF0000000000000 - (double_.bits & <uint64_t>0x7FF0000000000000)
        half_inverse[0] = double_exponent.value
        double_.bits = (double_.bits & <uint64_t>0x000FFFFFFFFFFFFF) + <uint64_t>0x3FE5555555555555
        return double_.value


cdef inline floating sum_of_logs(floating n, floating f) noexcept nogil:
    """n log(2) + log(1 + f). log(2) has two parts; the first has so few bits that its product with n is exact."""
    return n * <floating>0.693145751953125 + (log1p_of_remainder(f) + n * <floating>1.4286068203094172e-06)


cdef inline floating log(floating x) noexcept nogil:
    """log(x) = n log(2) + log(x / 2^n)."""
    cdef floating tiny = <floating>1.1754943508222875e-38 if floating is float else <floating>2.2250738585072014e-308
    cdef floating up = <floating>33554432 if floating is float else <floating>18014398509481984     # 2^25 or 2^54
    cdef floating up_exponent = 25 if floating is float else 54
    cdef floating n, half_inverse, y
    cdef floating fraction = fraction_of(x * up if x < tiny else x, &n, &half_inverse)
    n = n - up_exponent if x < tiny else n
    y = sum_of_logs(n, fraction - <floating>1)
    y = y if x < <floating>INFINITY else x                                    # also NaN
    y = <floating>-INFINITY if x == 0 else y
    return <floating>NAN if x < 0 else y


cdef inline floating log1p(floating x) noexcept nogil:
    """log(1 + x) = n log(2) + log((1 + x) / 2^n), corrected for the rounding of 1 + x."""
    cdef floating one = 1
    cdef floating y = one + x
    cdef floating lost = one - (y - x) if x > one else x - (y - one)
    cdef floating n, half_inverse
    cdef floating fraction = fraction_of(y, &n, &half_inverse)
    y = copysign(sum_of_logs(n, (fraction - one) + <floating>0.5 * lost * half_inverse), x)
    y = y if x < <floating>INFINITY else x                                    # also NaN
    y = <floating>-INFINITY if x == -one else y
    return <floating>NAN if x < -one else y


cdef inline floating softplus(floating x) noexcept nogil:
    """log(1 + e^x) = max(x, 0) + log(1 + t) with t = e^-|x|; where t > 1/2, log(1 + t) = log(2) + log((1 + t) / 2)."""
    cdef floating bound = 104 if floating is float else 746
    cdef floating one = 1, half = <floating>0.5
    cdef floating scale, inverse
    cdef floating q = scaled_expm1(-fabs(x), <floating>-0.0, &scale, &inverse)
    cdef floating t = (scale + scale * q) * scale
    cdef floating y = log1p_of_remainder((t - one) * half if t > half else t)
    y = y + (<floating>0.6931471805599453 if t > half else <floating>0)
    y = <floating>0 if fabs(x) > bound else y
    return (<floating>0 if x < 0 else x) + y


cdef inline floating tail_ratio(floating z) noexcept nogil:
    """Phi(-z) e^(z^2/2) of the normal distribution for 0 <= z <= 15 (or 40)."""
    cdef floating z2 = z * z
    cdef floating n, d
    # two terms at a time, because for large z every step rounds as much as the last one
    if floating is float:
        n = <floating>0.0708446204662323 + z * <floating>0.007158163469284773
        n = n * z2 + (<floating>0.7661445140838623 + z * <floating>0.3199426829814911)
        n = n * z + <floating>0.875
        d = <floating>0.017942646518349648
        d = d * z2 + (<floating>0.8196571469306946 + z * <floating>0.1775924116373062)
        d = d * z2 + (<floating>2.9285874366760254 + z * <floating>2.1015536785125732)
        d = d * z + <floating>1.75
    else:
        n = <floating>2.4253938536081643e-06
        n = n * z2 + (<floating>0.0008583360649397182 + z * <floating>6.520428973011878e-05)
        n = n * z2 + (<floating>0.04134270757492052 + z * <floating>0.007157032949366842)
        n = n * z2 + (<floating>0.5063573136403765 + z * <floating>0.17098519481121524)
        n = n * z2 + (<floating>1.3560535808786616 + z * <floating>1.0396161608437466)
        n = n * z + <floating>0.875
        d = <floating>0.0001634429162610166 + z * <floating>6.079560810588482e-06
        d = d * z2 + (<floating>0.018103464050055796 + z * <floating>0.0021576090106723276)
        d = d * z2 + (<floating>0.4462094386892285 + z * <floating>0.1057701708288273)
        d = d * z2 + (<floating>3.000275040289393 + z * <floating>1.368638522758212)
        d = d * z2 + (<floating>4.10840514316232 + z * <floating>4.482265354940357)
        d = d * z + <floating>1.75
    return n / d


cdef inline floating normal_cdf(floating x, floating* density) noexcept nogil:
    """Phi(x) of the normal distribution; `density` (1,) OUT its derivative phi(x).

    It is computed from the tail Phi(-|x|), which is 0 beyond 15 (or 40).
    """
    cdef floating bound = 15 if floating is float else 40
    cdef floating z = fabs(x)
    # z^2 in two parts: the square of the first few bits of z is exact
    cdef floating shift = <floating>49152 if floating is float else <floating>6442450944
    cdef floating shifted = z + shift
    cdef floating short = shifted - shift
    cdef floating half = <floating>0.5
    cdef floating e = exp_of_sum(-half * short * short, -half * (z - short) * (z + short))
    cdef floating p = e * tail_ratio(z)
    density[0] = <floating>0 if z > bound else e * <floating>0.3989422804014327
    p = <floating>0 if z > bound else p
    return <floating>1 - p if x > 0 else p


cdef inline void cos_and_sin(double x, double* c, double* s) noexcept nogil:
    """cos(x) and sin(x) for |x| <= pi/4, by their series, whose remaining terms are below 1e-16."""
    cdef double t = x * x
    s[0] = x * (1 - t / 6 * (1 - t / 20 * (1 - t / 42 * (1 - t / 72 * (1 - t / 110 * (1 - t / 156 * (1 - t / 210)))))))
    c[0] = 1 - t / 2 * (
        1 - t / 12 * (1 - t / 30 * (1 - t / 56 * (1 - t / 90 * (1 - t / 132 * (1 - t / 182 * (1 - t / 240))))))
    )
