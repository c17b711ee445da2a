"""Normalization of groups of a sample's elements. Other packages may `cimport` it."""

from cython cimport floating

cdef struct Layout:
    # A group is `repeats` runs of `run` elements that are `step` apart.
    Py_ssize_t groups, repeats, run, step
    const Py_ssize_t* offsets   # (groups, repeats): the beginning of each run in a sample
    const Py_ssize_t* places    # (groups, repeats): the first of its weights, which are contiguous
    const Py_ssize_t* order     # (groups, repeats): the runs, sorted by their places


cdef struct Rule:
    # y = (x - shift) / sqrt(factor sum (x - center)^2 + epsilon), but at most `limit` times x - shift.
    bint subtracts_mean, about_mean
    double factor, epsilon, limit


cdef void normalization_forward(
    Py_ssize_t rows, Py_ssize_t width, Layout layout, Py_ssize_t step, Rule rule, const floating* x,
    const floating* gamma, const floating* beta, floating* kept, floating* y,
) noexcept nogil

cdef void normalization_backward(
    Py_ssize_t rows, Py_ssize_t width, Layout layout, Py_ssize_t step, Rule rule, const floating* x,
    const floating* gamma, const floating* kept, const floating* dy, bint add, floating* dx,
) noexcept nogil

cdef void normalization_collect(
    Py_ssize_t rows, Py_ssize_t width, Layout layout, Rule rule, Py_ssize_t begin, Py_ssize_t end, bint scales,
    const floating* x, const floating* kept, const floating* dy, bint add, floating* gradient,
) noexcept nogil
