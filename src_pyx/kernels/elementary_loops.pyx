"""Loops over the elementary functions, for tests and benchmarks.

Like kernels, they are called through a pointer. If `run_loop` called them directly, gcc would consider them rarely
used, and would neither inline the functions nor vectorize the loops.
"""

from cython cimport floating

from cbackprop.compiled.kernels.elementary cimport (
    erf, exp, expm1, log, log1p, normal_cdf, sigmoid, sigmoids, softplus, tanh,
)


cdef void erf_loop(const floating* x, floating* y, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = erf(x[i])


cdef void exp_loop(const floating* x, floating* y, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = exp(x[i])


cdef void expm1_loop(const floating* x, floating* y, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = expm1(x[i])


cdef void log_loop(const floating* x, floating* y, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = log(x[i])


cdef void log1p_loop(const floating* x, floating* y, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = log1p(x[i])


cdef void normal_cdf_loop(const floating* x, floating* y, Py_ssize_t size) noexcept nogil:
    cdef floating density
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = normal_cdf(x[i], &density)


cdef void normal_density_loop(const floating* x, floating* y, Py_ssize_t size) noexcept nogil:
    cdef floating density
    cdef Py_ssize_t i
    for i in range(size):
        normal_cdf(x[i], &density)
        y[i] = density


cdef void sigmoid_loop(const floating* x, floating* y, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = sigmoid(x[i])


cdef void sigmoid_complement_loop(const floating* x, floating* y, Py_ssize_t size) noexcept nogil:
    cdef floating complement
    cdef Py_ssize_t i
    for i in range(size):
        sigmoids(x[i], &complement)
        y[i] = complement


cdef void softplus_loop(const floating* x, floating* y, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = softplus(x[i])


cdef void tanh_loop(const floating* x, floating* y, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = tanh(x[i])


cdef int run_loop(str name, const floating* x, floating* y, Py_ssize_t size) except -1:
    """y = f(x), for the function f of that name.

    x (size,) IN; y (size,) OUT.
    """
    cdef void (*loop)(const floating*, floating*, Py_ssize_t) noexcept nogil
    if name == "erf":
        loop = erf_loop
    elif name == "exp":
        loop = exp_loop
    elif name == "expm1":
        loop = expm1_loop
    elif name == "log":
        loop = log_loop
    elif name == "log1p":
        loop = log1p_loop
    elif name == "normal_cdf":
        loop = normal_cdf_loop
    elif name == "normal_density":
        loop = normal_density_loop
    elif name == "sigmoid":
        loop = sigmoid_loop
    elif name == "sigmoid_complement":
        loop = sigmoid_complement_loop
    elif name == "softplus":
        loop = softplus_loop
    elif name == "tanh":
        loop = tanh_loop
    else:
        raise ValueError(f"There is no elementary function {name!r}.")
    loop(x, y, size)
    return 0
