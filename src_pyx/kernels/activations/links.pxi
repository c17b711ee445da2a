# What ends a network: the identity, the exponential function, softmax and its logarithm.


cdef void linear_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = x[i]


cdef void linear_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1."""
    pass


register("linear", 0, linear_forward[float], linear_forward[double], linear_backward[float], linear_backward[double])


cdef void exponential_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = e^x."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = exp(x[i])


cdef void exponential_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = y."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] *= y[i]


register(
    "exponential", 0, exponential_forward[float], exponential_forward[double],
    exponential_backward[float], exponential_backward[double],
)


# Reductions over every stride-th of `size` numbers, in 8 partial results that do not wait for each other. With
# stride a constant 1 they vectorise: softmax of (16, 1024) float32 takes 1.7 ns an element instead of 3.4.


cdef inline floating max_of(const floating* x, Py_ssize_t size, Py_ssize_t stride) noexcept nogil:
    cdef floating parts[8]
    cdef floating largest = x[0]
    cdef Py_ssize_t j, k
    for k in range(8):
        parts[k] = largest
    for j in range(0, size - 7, 8):
        for k in range(8):
            parts[k] = x[(j + k) * stride] if x[(j + k) * stride] > parts[k] else parts[k]
    for j in range(size - size % 8, size):
        largest = x[j * stride] if x[j * stride] > largest else largest
    for k in range(8):
        largest = parts[k] if parts[k] > largest else largest
    return largest


cdef inline floating sum_of(const floating* x, Py_ssize_t size, Py_ssize_t stride) noexcept nogil:
    cdef floating parts[8]
    cdef floating total = 0
    cdef Py_ssize_t j, k
    for k in range(8):
        parts[k] = 0
    for j in range(0, size - 7, 8):
        for k in range(8):
            parts[k] += x[(j + k) * stride]
    for j in range(size - size % 8, size):
        total += x[j * stride]
    for k in range(8):
        total += parts[k]
    return total


cdef inline floating dot_of(
    const floating* x, const floating* y, Py_ssize_t size, Py_ssize_t stride
) noexcept nogil:
    cdef floating parts[8]
    cdef floating total = 0
    cdef Py_ssize_t j, k
    for k in range(8):
        parts[k] = 0
    for j in range(0, size - 7, 8):
        for k in range(8):
            parts[k] += x[(j + k) * stride] * y[(j + k) * stride]
    for j in range(size - size % 8, size):
        total += x[j * stride] * y[j * stride]
    for k in range(8):
        total += parts[k]
    return total


cdef void softmax_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y_j = e^(x_j - max x) / sum_k e^(x_k - max x), over every p[0]-th element of a row."""
    cdef Py_ssize_t inner = <Py_ssize_t>p[0]
    cdef Py_ssize_t size = width // inner
    cdef Py_ssize_t i, r, c, j
    cdef floating shift, total
    for r in range(rows):
        for c in range(inner):
            shift = max_of(x + c, size, 1) if inner == 1 else max_of(x + c, size, inner)
            for j in range(size):
                y[c + j * inner] = x[c + j * inner] - shift
        x += width
        y += width
    y -= rows * width
    for i in range(rows * width):
        y[i] = exp(y[i])
    for r in range(rows):
        for c in range(inner):
            total = sum_of(y + c, size, 1) if inner == 1 else sum_of(y + c, size, inner)
            for j in range(size):
                y[c + j * inner] /= total
        y += width


cdef void softmax_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """delta_j <- y_j (delta_j - sum_k delta_k y_k), over every p[0]-th element of a row."""
    cdef Py_ssize_t inner = <Py_ssize_t>p[0]
    cdef Py_ssize_t size = width // inner
    cdef Py_ssize_t r, c, j
    cdef floating dot
    for r in range(rows):
        for c in range(inner):
            dot = dot_of(delta + c, y + c, size, 1) if inner == 1 else dot_of(delta + c, y + c, size, inner)
            for j in range(size):
                delta[c + j * inner] = y[c + j * inner] * (delta[c + j * inner] - dot)
        delta += width
        y += width


register(
    "softmax", 1, softmax_forward[float], softmax_forward[double], softmax_backward[float], softmax_backward[double]
)


cdef void log_softmax_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y_j = x_j - max x - log(sum_k e^(x_k - max x)), over every p[0]-th element of a row."""
    cdef Py_ssize_t inner = <Py_ssize_t>p[0]
    cdef Py_ssize_t size = width // inner
    cdef Py_ssize_t r, c, j
    cdef floating shift, total
    for r in range(rows):
        for c in range(inner):
            shift = max_of(x + c, size, 1) if inner == 1 else max_of(x + c, size, inner)
            total = 0
            for j in range(size):
                y[c + j * inner] = x[c + j * inner] - shift
                total += exp(y[c + j * inner])
            shift = log(total)
            for j in range(size):
                y[c + j * inner] -= shift
        x += width
        y += width


cdef void log_softmax_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """delta_j <- delta_j - e^(y_j) sum_k delta_k, over every p[0]-th element of a row."""
    cdef Py_ssize_t inner = <Py_ssize_t>p[0]
    cdef Py_ssize_t size = width // inner
    cdef Py_ssize_t r, c, j
    cdef floating total
    for r in range(rows):
        for c in range(inner):
            total = sum_of(delta + c, size, 1) if inner == 1 else sum_of(delta + c, size, inner)
            for j in range(size):
                delta[c + j * inner] -= exp(y[c + j * inner]) * total
        delta += width
        y += width


register(
    "log_softmax", 1, log_softmax_forward[float], log_softmax_forward[double],
    log_softmax_backward[float], log_softmax_backward[double],
)


cdef inline floating sparsemax_threshold(
    const floating* x, Py_ssize_t size, Py_ssize_t stride, floating shift
) noexcept nogil:
    """tau such that the sum of max(x_j - shift - tau, 0) is 1.

    Elements that are not above the threshold of all that are left drop out, which raises it, until none does
    (Michelot, 1986). It needs no sorted copy, and few rounds. It starts from those above the largest minus 1, where
    tau must lie.
    """
    cdef floating one = 1, tau = -one, total
    cdef Py_ssize_t j, count, before = -1
    while True:
        count = 0
        total = 0
        for j in range(size):
            if x[j * stride] - shift > tau:
                total += x[j * stride] - shift
                count += 1
        # NaN is above nothing: then there is no threshold.
        if count == before or count == 0:
            return tau
        before = count
        tau = (total - one) / count


cdef void sparsemax_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y_j = max(x_j - max x - tau, 0), over every p[0]-th element of a row."""
    cdef Py_ssize_t inner = <Py_ssize_t>p[0]
    cdef Py_ssize_t size = width // inner
    cdef Py_ssize_t r, c, j
    cdef floating shift, tau, z, zero = 0
    for r in range(rows):
        for c in range(inner):
            shift = max_of(x + c, size, inner)
            tau = sparsemax_threshold(x + c, size, inner, shift)
            for j in range(size):
                z = x[c + j * inner] - shift - tau
                y[c + j * inner] = zero if z <= zero else z
        x += width
        y += width


cdef void sparsemax_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """delta_j <- delta_j - mean of delta, where y_j > 0 and over those only; 0 elsewhere."""
    cdef Py_ssize_t inner = <Py_ssize_t>p[0]
    cdef Py_ssize_t size = width // inner
    cdef Py_ssize_t r, c, j, count
    cdef floating total, zero = 0
    for r in range(rows):
        for c in range(inner):
            total = 0
            count = 0
            for j in range(size):
                if y[c + j * inner] > zero:
                    total += delta[c + j * inner]
                    count += 1
            total = total / count if count else total
            for j in range(size):
                delta[c + j * inner] = delta[c + j * inner] - total if y[c + j * inner] > zero else zero
        delta += width
        y += width


register(
    "sparsemax", 1, sparsemax_forward[float], sparsemax_forward[double],
    sparsemax_backward[float], sparsemax_backward[double],
)
