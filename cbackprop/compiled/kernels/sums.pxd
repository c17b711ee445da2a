"""Sums in double precision, of eight partial sums that do not wait for each other; the order depends on length only."""

from cython cimport floating


cdef inline double add_parts(double* parts) noexcept nogil:
    return ((parts[0] + parts[4]) + (parts[2] + parts[6])) + ((parts[1] + parts[5]) + (parts[3] + parts[7]))


cdef inline double sum_of(Py_ssize_t n, const floating* x, Py_ssize_t step) noexcept nogil:
    """Sum of n numbers, `step` apart."""
    cdef double parts[8]
    cdef Py_ssize_t i, k
    cdef double few = 0
    if n < 8:       # these are some 3 times faster without parts
        for i in range(n):
            few += x[i * step]
        return few
    for k in range(8):
        parts[k] = 0
    for i in range(0, n - 7, 8):
        for k in range(8):
            parts[k] += x[(i + k) * step]
    for i in range(n - n % 8, n):
        parts[i % 8] += x[i * step]
    return add_parts(parts)


cdef inline double squares_of(Py_ssize_t n, const floating* x, Py_ssize_t step, double center) noexcept nogil:
    """Sum of (x_i - center)^2."""
    cdef double parts[8]
    cdef Py_ssize_t i, k
    cdef double few = 0
    if n < 8:
        for i in range(n):
            few += (x[i * step] - center) * (x[i * step] - center)
        return few
    for k in range(8):
        parts[k] = 0
    for i in range(0, n - 7, 8):
        for k in range(8):
            parts[k] += (x[(i + k) * step] - center) * (x[(i + k) * step] - center)
    for i in range(n - n % 8, n):
        parts[i % 8] += (x[i * step] - center) * (x[i * step] - center)
    return add_parts(parts)


cdef inline void products_of(
    Py_ssize_t n, Py_ssize_t step, const floating* x, const floating* dy, const floating* gamma, double shift,
    double* total, double* product,
) noexcept nogil:
    """total += sum of g_i, product += sum of g_i (x_i - shift), with g = gamma dy; gamma NULL: ones."""
    cdef double totals[8]
    cdef double products[8]
    cdef Py_ssize_t i, k
    cdef double g, few = 0, few_products = 0
    if n < 8:
        for i in range(n):
            g = dy[i * step] if gamma == NULL else <double>gamma[i] * dy[i * step]
            few += g
            few_products += g * (x[i * step] - shift)
        total[0] += few
        product[0] += few_products
        return
    for k in range(8):
        totals[k] = products[k] = 0
    if gamma == NULL:
        for i in range(0, n - 7, 8):
            for k in range(8):
                totals[k] += dy[(i + k) * step]
                products[k] += dy[(i + k) * step] * (x[(i + k) * step] - shift)
    else:
        for i in range(0, n - 7, 8):
            for k in range(8):
                g = <double>gamma[i + k] * dy[(i + k) * step]
                totals[k] += g
                products[k] += g * (x[(i + k) * step] - shift)
    for i in range(n - n % 8, n):
        g = dy[i * step] if gamma == NULL else <double>gamma[i] * dy[i * step]
        totals[i % 8] += g
        products[i % 8] += g * (x[i * step] - shift)
    total[0] += add_parts(totals)
    product[0] += add_parts(products)
