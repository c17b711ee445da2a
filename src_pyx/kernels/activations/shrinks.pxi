# Shrinkage: nothing of x where it is small.


cdef void soft_shrink_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x - t where x > t, x + t where x < -t, else 0, for t = p[0] >= 0."""
    cdef floating t = <floating>p[0]
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = x[i] - clip(x[i], -t, t)


cdef void soft_shrink_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1 where y != 0, else 0."""
    cdef floating zero = 0
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] = zero if y[i] == zero else delta[i]


register(
    "soft_shrink", 1, soft_shrink_forward[float], soft_shrink_forward[double],
    soft_shrink_backward[float], soft_shrink_backward[double],
)


cdef void hard_shrink_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x where |x| > t, else 0, for t = p[0] >= 0."""
    cdef floating zero = 0, t = <floating>p[0]
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = zero if fabs(x[i]) <= t else x[i]


cdef void hard_shrink_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1 where y != 0, else 0."""
    cdef floating zero = 0
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] = zero if y[i] == zero else delta[i]


register(
    "hard_shrink", 1, hard_shrink_forward[float], hard_shrink_forward[double],
    hard_shrink_backward[float], hard_shrink_backward[double],
)


cdef void tanh_shrink_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x - tanh(x)."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = x[i] - tanh(x[i])


cdef void tanh_shrink_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = tanh(x)^2."""
    cdef floating t
    cdef Py_ssize_t i
    for i in range(rows * width):
        t = tanh(x[i])
        delta[i] *= t * t


register(
    "tanh_shrink", 0, tanh_shrink_forward[float], tanh_shrink_forward[double],
    tanh_shrink_backward[float], tanh_shrink_backward[double], True,
)
