# Gates: x times a function that rises from 0 to 1.


cdef void silu_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x sigmoid(x)."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = x[i] * sigmoid(x[i])


cdef void silu_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = s (1 + x (1 - s)) with s = sigmoid(x), 1 - s = sigmoid(-x)."""
    cdef floating one = 1, s, rest
    cdef Py_ssize_t i
    for i in range(rows * width):
        s = sigmoids(x[i], &rest)
        delta[i] *= s * (one + x[i] * rest)


register("silu", 0, silu_forward[float], silu_forward[double], silu_backward[float], silu_backward[double], True)


cdef void hard_silu_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x min(max((x + 3) / 6, 0), 1)."""
    cdef floating zero = 0, one = 1, three = 3, sixth = <floating>(1 / 6.)
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = x[i] * clip((x[i] + three) * sixth, zero, one)


cdef void hard_silu_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 0 where x <= -3, 1 where x >= 3, else x / 3 + 1/2."""
    cdef floating zero = 0, one = 1, three = 3, half = <floating>0.5, third = <floating>(1 / 3.), slope
    cdef Py_ssize_t i
    for i in range(rows * width):
        slope = one if x[i] >= three else x[i] * third + half
        delta[i] *= zero if x[i] <= -three else slope


register(
    "hard_silu", 0, hard_silu_forward[float], hard_silu_forward[double],
    hard_silu_backward[float], hard_silu_backward[double], True,
)


cdef void gelu_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x Phi(x), with the distribution function Phi of the normal distribution."""
    cdef floating density
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = x[i] * normal_cdf(x[i], &density)


cdef void gelu_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = Phi(x) + x phi(x), with the density phi."""
    cdef floating cdf, density
    cdef Py_ssize_t i
    for i in range(rows * width):
        cdf = normal_cdf(x[i], &density)
        delta[i] *= cdf + x[i] * density


register("gelu", 0, gelu_forward[float], gelu_forward[double], gelu_backward[float], gelu_backward[double], True)


# gelu's approximation: Phi(x) is nearly sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)).
cdef double GELU_SLOPE = 1.5957691216057307117
cdef double GELU_CUBIC = 0.044715


cdef void approximate_gelu_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x sigmoid(u), u = 2 sqrt(2 / pi) (x + 0.044715 x^3), which is x (1 + tanh(u / 2)) / 2."""
    cdef floating one = 1, slope = <floating>GELU_SLOPE, cubic = <floating>GELU_CUBIC
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = x[i] * sigmoid(slope * x[i] * (one + cubic * x[i] * x[i]))


cdef void approximate_gelu_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = s (1 + x (1 - s) du/dx) with s = sigmoid(u), 1 - s = sigmoid(-u)."""
    cdef floating one = 1, three = 3, slope = <floating>GELU_SLOPE, cubic = <floating>GELU_CUBIC
    cdef floating bound = 30      # where s is 0 or 1 in either type
    cdef floating z, u, du, s, rest
    cdef Py_ssize_t i
    for i in range(rows * width):
        z = clip(x[i], -bound, bound)
        u = slope * z * (one + cubic * z * z)
        du = slope * (one + three * cubic * z * z)
        s = sigmoids(u, &rest)
        delta[i] *= s * (one + z * rest * du)


register(
    "approximate_gelu", 0, approximate_gelu_forward[float], approximate_gelu_forward[double],
    approximate_gelu_backward[float], approximate_gelu_backward[double], True,
)


cdef void mish_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x tanh(log(1 + e^x)) = x n / d, where e^x = b / a, both at most 1, n = b (b + 2 a), d = n + 2 a^2."""
    cdef floating zero = 0, one = 1, two = 2, e, a, b, n, rest
    cdef Py_ssize_t i
    for i in range(rows * width):
        e = exp(-fabs(x[i]))
        a = e if x[i] >= zero else one
        b = one if x[i] >= zero else e
        n = b * (b + two * a)
        # Never negative. The comparison keeps the compiler from fusing product and sum, which it would do for the
        # numbers behind the last whole vector only: an element's bits must not depend on where it lies.
        rest = two * a * a
        rest = rest if rest > zero else zero
        y[i] = x[i] * (n / (n + rest))


cdef void mish_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = t + x sigmoid(x) (1 - t^2), t = n / d as above; sigmoid(x) (1 - t^2) = 4 a^2 b (1 + e) / d^2."""
    cdef floating zero = 0, one = 1, two = 2, four = 4, e, a, b, n, d, rest
    cdef Py_ssize_t i
    for i in range(rows * width):
        e = exp(-fabs(x[i]))
        a = e if x[i] >= zero else one
        b = one if x[i] >= zero else e
        n = b * (b + two * a)
        rest = two * a * a
        rest = rest if rest > zero else zero    # as above
        d = n + rest
        delta[i] *= n / d + x[i] * (four * a * a * b * (one + e) / (d * d))


register("mish", 0, mish_forward[float], mish_forward[double], mish_backward[float], mish_backward[double], True)
