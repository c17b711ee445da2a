"""A door to the elementary functions for tests. Each has a loop of its own, to be tested as it is used: vectorised."""


cdef inline floating cdf_of(floating x) noexcept nogil:
    cdef floating density
    return normal_cdf(x, &density)


cdef inline floating density_of(floating x) noexcept nogil:
    cdef floating density
    normal_cdf(x, &density)
    return density


cdef inline floating complement_of(floating x) noexcept nogil:
    cdef floating complement
    sigmoids(x, &complement)
    return complement


def evaluate(str name, const floating[::1] x, floating[::1] y):
    """y[:] = f(x), for the function f of that name."""
    cdef Py_ssize_t i
    cdef Py_ssize_t size = x.shape[0]
    cdef const floating* source
    cdef floating* target
    if y.shape[0] != size:
        raise ValueError("x and y must have the same shape.")
    if size == 0:
        return
    source = &x[0]
    target = &y[0]
    if name == "exp":
        for i in range(size):
            target[i] = exp(source[i])
    elif name == "expm1":
        for i in range(size):
            target[i] = expm1(source[i])
    elif name == "sigmoid":
        for i in range(size):
            target[i] = sigmoid(source[i])
    elif name == "sigmoid_complement":
        for i in range(size):
            target[i] = complement_of(source[i])
    elif name == "tanh":
        for i in range(size):
            target[i] = tanh(source[i])
    elif name == "erf":
        for i in range(size):
            target[i] = erf(source[i])
    elif name == "log":
        for i in range(size):
            target[i] = log(source[i])
    elif name == "log1p":
        for i in range(size):
            target[i] = log1p(source[i])
    elif name == "softplus":
        for i in range(size):
            target[i] = softplus(source[i])
    elif name == "normal_cdf":
        for i in range(size):
            target[i] = cdf_of(source[i])
    elif name == "normal_density":
        for i in range(size):
            target[i] = density_of(source[i])
    else:
        raise ValueError(f"There is no elementary function {name!r}.")
