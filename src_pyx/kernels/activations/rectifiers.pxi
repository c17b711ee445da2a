# Rectifiers: near 0 or bent down for x < 0, x for x > 0.


cdef void relu_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = max(x, 0)."""
    cdef floating zero = 0
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = zero if x[i] < zero else x[i]


cdef void relu_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1 where y > 0, else 0."""
    cdef floating zero = 0
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] = zero if y[i] <= zero else delta[i]


register("relu", 0, relu_forward[float], relu_forward[double], relu_backward[float], relu_backward[double])


cdef void relu6_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = min(max(x, 0), 6)."""
    cdef floating zero = 0, six = 6
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = clip(x[i], zero, six)


cdef void relu6_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1 where 0 < y < 6, else 0."""
    cdef floating zero = 0, six = 6, inside
    cdef Py_ssize_t i
    for i in range(rows * width):
        inside = zero if y[i] <= zero else delta[i]
        delta[i] = zero if y[i] >= six else inside


register("relu6", 0, relu6_forward[float], relu6_forward[double], relu6_backward[float], relu6_backward[double])


cdef void leaky_relu_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x where x > 0, else slope x, for slope = p[0] >= 0."""
    cdef floating zero = 0, slope = <floating>p[0]
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = x[i] if x[i] > zero else slope * x[i]


cdef void leaky_relu_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1 where y > 0, else slope."""
    cdef floating zero = 0, slope = <floating>p[0]
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] = delta[i] if y[i] > zero else slope * delta[i]


register(
    "leaky_relu", 1, leaky_relu_forward[float], leaky_relu_forward[double],
    leaky_relu_backward[float], leaky_relu_backward[double],
)


cdef void general_relu_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = clip(x, low, high) where x > threshold, else slope (x - threshold).

    slope, high, threshold = p; low is 0 if there is a finite high, else none, as in Keras.
    """
    cdef floating slope = <floating>p[0], high = <floating>p[1], threshold = <floating>p[2]
    cdef floating low = <floating>0 if p[1] < INFINITY else <floating>-INFINITY
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = clip(x[i], low, high) if x[i] > threshold else slope * (x[i] - threshold)


cdef void general_relu_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1 where x > threshold and low <= x <= high, slope where x < threshold, else 0."""
    cdef floating slope = <floating>p[0], high = <floating>p[1], threshold = <floating>p[2]
    cdef floating low = <floating>0 if p[1] < INFINITY else <floating>-INFINITY
    cdef floating zero = 0, above, below
    cdef Py_ssize_t i
    for i in range(rows * width):
        above = zero if x[i] < low else delta[i]
        above = zero if x[i] > high else above
        below = zero if x[i] == threshold else slope * delta[i]
        delta[i] = above if x[i] > threshold else below


register(
    "general_relu", 3, general_relu_forward[float], general_relu_forward[double],
    general_relu_backward[float], general_relu_backward[double], True,
)


cdef void elu_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x where x > 0, else alpha (e^x - 1), for alpha = p[0] >= 0."""
    cdef floating zero = 0, alpha = <floating>p[0]
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = x[i] if x[i] > zero else alpha * expm1(x[i])


cdef void elu_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1 where y > 0, else alpha e^x = y + alpha."""
    cdef floating zero = 0, one = 1, alpha = <floating>p[0]
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] *= one if y[i] > zero else y[i] + alpha


register("elu", 1, elu_forward[float], elu_forward[double], elu_backward[float], elu_backward[double])


cdef void general_elu_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx of elu = 1 where x > 0, else alpha e^x, for any alpha = p[0]."""
    cdef floating zero = 0, one = 1, alpha = <floating>p[0]
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] *= one if x[i] > zero else alpha * exp(x[i])


register(
    "general_elu", 1, elu_forward[float], elu_forward[double],
    general_elu_backward[float], general_elu_backward[double], True,
)


cdef void celu_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x where x >= 0, else alpha (e^(x / alpha) - 1), for alpha = p[0] != 0."""
    cdef floating zero = 0, alpha = <floating>p[0]
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = x[i] if x[i] >= zero else alpha * expm1(x[i] / alpha)


cdef void celu_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1 where y > 0, else e^(x / alpha) = y / alpha + 1."""
    cdef floating zero = 0, one = 1, alpha = <floating>p[0]
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] *= one if y[i] > zero else y[i] / alpha + one


register("celu", 1, celu_forward[float], celu_forward[double], celu_backward[float], celu_backward[double])


# The scale and alpha at which a mean of 0 and a variance of 1 are a fixed point.
cdef double SELU_SCALE = 1.0507009873554804934
cdef double SELU_ALPHA = 1.6732632423543772848


cdef void selu_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = scale x where x > 0, else scale alpha (e^x - 1)."""
    cdef floating zero = 0, scale = <floating>SELU_SCALE, alpha = <floating>(SELU_SCALE * SELU_ALPHA)
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = scale * x[i] if x[i] > zero else alpha * expm1(x[i])


cdef void selu_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = scale where y > 0, else scale alpha e^x = y + scale alpha."""
    cdef floating zero = 0, scale = <floating>SELU_SCALE, alpha = <floating>(SELU_SCALE * SELU_ALPHA)
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] *= scale if y[i] > zero else y[i] + alpha


register("selu", 0, selu_forward[float], selu_forward[double], selu_backward[float], selu_backward[double])


cdef void softplus_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = log(1 + e^x)."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = softplus(x[i])


cdef void softplus_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = sigmoid(x) = 1 - e^-y."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] *= -expm1(-y[i])


register(
    "softplus", 0, softplus_forward[float], softplus_forward[double],
    softplus_backward[float], softplus_backward[double],
)


cdef void squareplus_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = (x + h) / 2 with h = sqrt(x^2 + b), b = p[0] >= 0; for x < 0 in the form b / (2 (h - x))."""
    cdef floating zero = 0, b = <floating>p[0], half = <floating>0.5, h
    cdef floating huge = <floating>1e18 if floating is float else <floating>1e150   # b is negligible beside b^2
    cdef Py_ssize_t i
    for i in range(rows * width):
        h = sqrt(x[i] * x[i] + b) if fabs(x[i]) < huge else fabs(x[i])
        y[i] = half * x[i] + half * h if x[i] >= zero else half * b / (h - x[i])


cdef void squareplus_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = y / h = 1 / (1 + (sqrt(b) / (2 y))^2)."""
    cdef floating zero = 0, one = 1, c = <floating>(0.5 * sqrt(p[0])), ratio
    cdef Py_ssize_t i
    for i in range(rows * width):
        ratio = <floating>INFINITY if y[i] <= zero else c / y[i]
        delta[i] *= one / (one + ratio * ratio)


register(
    "squareplus", 1, squareplus_forward[float], squareplus_forward[double],
    squareplus_backward[float], squareplus_backward[double],
)


cdef void sparse_plus_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = 0 below -1, x above 1, (x + 1)^2 / 4 between."""
    cdef floating zero = 0, one = 1, half = <floating>0.5, middle
    cdef Py_ssize_t i
    for i in range(rows * width):
        middle = (clip(x[i], -one, one) + one) * half
        y[i] = x[i] if x[i] >= one else (zero if x[i] <= -one else middle * middle)


cdef void sparse_plus_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = min(sqrt(y), 1)."""
    cdef floating one = 1
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] *= one if y[i] >= one else sqrt(y[i])


register(
    "sparse_plus", 0, sparse_plus_forward[float], sparse_plus_forward[double],
    sparse_plus_backward[float], sparse_plus_backward[double],
)


cdef void threshold_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x where x > p[0], else p[1]."""
    cdef floating t = <floating>p[0], value = <floating>p[1]
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = value if x[i] <= t else x[i]


cdef void threshold_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1 where x > p[0], else 0."""
    cdef floating zero = 0, t = <floating>p[0]
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] = zero if x[i] <= t else delta[i]


register(
    "threshold", 2, threshold_forward[float], threshold_forward[double],
    threshold_backward[float], threshold_backward[double], True,
)
