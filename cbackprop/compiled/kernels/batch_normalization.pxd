"""Sums of channels over a batch, and moments from these sums. Other packages may `cimport` them."""

from cython cimport floating

cdef enum:
    # The number of channels whose sums are taken together: so many numbers of a row are read at once. (Steps of `range`
    # repeat the number, because Cython must know their sign.)
    BATCH_BLOCK = 256


cdef void batch_moments(
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t first, Py_ssize_t count, const floating* x,
    double* mean, double* spread, double* size,
) noexcept nogil

cdef void join_moments(
    Py_ssize_t parts, Py_ssize_t channels, Py_ssize_t count, double more, const double* means,
    const double* spreads, const double* sizes, double* mean, double* variance, double* size,
) noexcept nogil

cdef void join_sums(
    Py_ssize_t parts, Py_ssize_t channels, Py_ssize_t count, const double* sums, double* total,
) noexcept nogil

cdef void batch_forward(
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t first, Py_ssize_t count, const floating* x,
    const double* mean, const double* inverse, const double* factor, const double* shift, const floating* gamma,
    const floating* beta, floating* y,
) noexcept nogil

cdef void batch_sums(
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t first, Py_ssize_t count, const floating* x,
    const floating* dy, const double* mean, const double* inverse, double* total, double* product,
) noexcept nogil

cdef void batch_backward(
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t first, Py_ssize_t count, const floating* x,
    const floating* dy, const double* mean, const double* inverse, const double* factor, const floating* gamma,
    const double* total, const double* product, double n, bint add, floating* dx,
) noexcept nogil

cdef void masked_moments(
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t features, Py_ssize_t first, Py_ssize_t count,
    const floating* x, const floating* mask, double* mean, double* spread, double* size,
) noexcept nogil

cdef void masked_backward(
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t features, Py_ssize_t first, Py_ssize_t count,
    const floating* x, const floating* mask, const floating* dy, const double* size, const double* mean,
    const double* inverse, const double* factor, const floating* gamma, const double* total, const double* product,
    bint add, floating* dx,
) noexcept nogil

cdef void move_average(Py_ssize_t n, floating momentum, const double* new, floating* moving) noexcept nogil

cdef void renormalize(
    Py_ssize_t count, double epsilon, double least, double most, double farthest, const double* mean,
    const double* deviation, const floating* renorm_mean, const floating* renorm_deviation, double* factor,
    double* shift,
) noexcept nogil
