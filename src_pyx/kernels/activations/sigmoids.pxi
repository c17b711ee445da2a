# Sigmoids: from one bound to another, and the logarithm of one.


cdef void sigmoid_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = 1 / (1 + e^-x)."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = sigmoid(x[i])


cdef void sigmoid_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = y (1 - y)."""
    cdef floating one = 1
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] *= y[i] * (one - y[i])


register(
    "sigmoid", 0, sigmoid_forward[float], sigmoid_forward[double], sigmoid_backward[float], sigmoid_backward[double]
)


cdef void hard_sigmoid_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = min(max((x + 3) / 6, 0), 1)."""
    cdef floating zero = 0, one = 1, three = 3, sixth = <floating>(1 / 6.)
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = clip((x[i] + three) * sixth, zero, one)


cdef void hard_sigmoid_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1/6 where 0 < y < 1, else 0."""
    cdef floating zero = 0, one = 1, sixth = <floating>(1 / 6.), inside
    cdef Py_ssize_t i
    for i in range(rows * width):
        inside = zero if y[i] <= zero else delta[i] * sixth
        delta[i] = zero if y[i] >= one else inside


register(
    "hard_sigmoid", 0, hard_sigmoid_forward[float], hard_sigmoid_forward[double],
    hard_sigmoid_backward[float], hard_sigmoid_backward[double],
)


cdef void sparse_sigmoid_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = min(max((x + 1) / 2, 0), 1)."""
    cdef floating zero = 0, one = 1, half = <floating>0.5
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = clip(half * (x[i] + one), zero, one)


cdef void sparse_sigmoid_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1/2 where 0 < y < 1, else 0."""
    cdef floating zero = 0, one = 1, half = <floating>0.5, inside
    cdef Py_ssize_t i
    for i in range(rows * width):
        inside = zero if y[i] <= zero else delta[i] * half
        delta[i] = zero if y[i] >= one else inside


register(
    "sparse_sigmoid", 0, sparse_sigmoid_forward[float], sparse_sigmoid_forward[double],
    sparse_sigmoid_backward[float], sparse_sigmoid_backward[double],
)


cdef void log_sigmoid_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = log(1 / (1 + e^-x)) = -softplus(-x)."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = -softplus(-x[i])


cdef void log_sigmoid_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = sigmoid(-x) = 1 - e^y."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] *= -expm1(y[i])


register(
    "log_sigmoid", 0, log_sigmoid_forward[float], log_sigmoid_forward[double],
    log_sigmoid_backward[float], log_sigmoid_backward[double],
)


cdef void tanh_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = tanh(x)."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = tanh(x[i])


cdef void tanh_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1 - y^2."""
    cdef floating one = 1
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] *= one - y[i] * y[i]


register("tanh", 0, tanh_forward[float], tanh_forward[double], tanh_backward[float], tanh_backward[double])


cdef void hard_tanh_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = min(max(x, -1), 1)."""
    cdef floating one = 1
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = clip(x[i], -one, one)


cdef void hard_tanh_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1 where -1 < y < 1, else 0."""
    cdef floating zero = 0, one = 1
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] = zero if fabs(y[i]) >= one else delta[i]


register(
    "hard_tanh", 0, hard_tanh_forward[float], hard_tanh_forward[double],
    hard_tanh_backward[float], hard_tanh_backward[double],
)


cdef void softsign_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x / (1 + |x|)."""
    cdef floating one = 1
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = x[i] / (one + fabs(x[i]))


cdef void softsign_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1 / (1 + |x|)^2 = (1 - |y|)^2."""
    cdef floating one = 1, rest
    cdef Py_ssize_t i
    for i in range(rows * width):
        rest = one - fabs(y[i])
        delta[i] *= rest * rest


register(
    "softsign", 0, softsign_forward[float], softsign_forward[double],
    softsign_backward[float], softsign_backward[double],
)
