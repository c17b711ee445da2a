"""How alike the rows of targets and predictions are, whatever their scale. Sums are doubles, as differences cancel."""

from cython cimport floating
from libc.math cimport sqrt

from cbackprop.compiled.kernels.epsilon cimport EPSILON
from cbackprop.compiled.losses.row_function cimport KernelFunction


cdef void cosine_similarity(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = sum y p / (|y| |p|)."""
    cdef Py_ssize_t r, j
    cdef double product, size_true, size_pred
    for r in range(rows):
        product = size_true = size_pred = 0
        for j in range(width):
            product += <double>y_true[j] * y_pred[j]
            size_true += <double>y_true[j] * y_true[j]
            size_pred += <double>y_pred[j] * y_pred[j]
        values[r] = product / (max(sqrt(size_true), EPSILON) * max(sqrt(size_pred), EPSILON))
        y_true += width
        y_pred += width


cdef inline void moments(
    Py_ssize_t width, const floating* y_true, const floating* y_pred, double* mean_difference, double* products
) noexcept nogil:
    """The difference of the means, and the mean squares and products (3,) OUT of what is left of y and p without."""
    cdef Py_ssize_t j
    cdef double mean_true = 0, mean_pred = 0, a, b
    for j in range(width):
        mean_true += y_true[j]
        mean_pred += y_pred[j]
    mean_true /= width
    mean_pred /= width
    mean_difference[0] = mean_true - mean_pred
    for j in range(3):
        products[j] = 0
    for j in range(width):
        a, b = y_true[j] - mean_true, y_pred[j] - mean_pred
        products[0] += a * a / width
        products[1] += a * b / width
        products[2] += b * b / width


cdef void pearson_correlation(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = cov(y, p) / sqrt(var(y) var(p)); NaN for constant rows."""
    cdef Py_ssize_t r
    cdef double difference
    cdef double products[3]
    for r in range(rows):
        moments(width, y_true + r * width, y_pred + r * width, &difference, products)
        values[r] = products[1] / (sqrt(products[0]) * sqrt(products[2]))


cdef void concordance_correlation(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = 2 cov(y, p) / (var(y) + var(p) + (mean(y) - mean(p))^2)."""
    cdef Py_ssize_t r
    cdef double difference
    cdef double products[3]
    for r in range(rows):
        moments(width, y_true + r * width, y_pred + r * width, &difference, products)
        values[r] = 2 * products[1] / (products[0] + products[2] + difference * difference + EPSILON)


cdef class CosineSimilarity(KernelFunction):
    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = cosine_similarity[float], cosine_similarity[double]


cdef class PearsonCorrelation(KernelFunction):
    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = pearson_correlation[float], pearson_correlation[double]


cdef class ConcordanceCorrelation(KernelFunction):
    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = concordance_correlation[float], concordance_correlation[double]
