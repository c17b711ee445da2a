"""Attention scores of some queries with all keys, with a row for each key and a column for each query."""

from cython cimport floating
from libc.stdint cimport uint8_t

cdef enum:
    # The length of a row of scores is a multiple of this many numbers, so that loops over queries need only whole
    # vectors.
    QUERY_STEP = 16


cdef void clear_padding(Py_ssize_t keys, Py_ssize_t queries, Py_ssize_t width, floating* x) noexcept nogil
cdef void first_weights(
    Py_ssize_t keys, Py_ssize_t width, floating factor, const uint8_t* seen, bint hidden_is_zero, floating* scores,
    floating* top, floating* inverse,
) noexcept nogil
cdef void weights_again(
    Py_ssize_t keys, Py_ssize_t width, floating factor, const uint8_t* seen, bint hidden_is_zero,
    const floating* top, const floating* inverse, floating* scores,
) noexcept nogil
cdef void score_deltas(
    Py_ssize_t keys, Py_ssize_t width, const uint8_t* seen, const floating* weights, floating* deltas, floating* totals
) noexcept nogil
cdef void scale_scores(Py_ssize_t n, floating factor, floating* x) noexcept nogil
cdef void drop(Py_ssize_t n, floating scale, const uint8_t* keep, const floating* x, floating* y) noexcept nogil
cdef void additive_scores(
    Py_ssize_t keys, Py_ssize_t width, Py_ssize_t features, const floating* k, Py_ssize_t k_row,
    const floating* queries, const floating* weights, Py_ssize_t weight_step, floating inner, floating* scores,
) noexcept nogil
cdef void additive_deltas(
    Py_ssize_t keys, Py_ssize_t count, Py_ssize_t width, Py_ssize_t features, const floating* k, Py_ssize_t k_row,
    const floating* queries, const floating* weights, Py_ssize_t weight_step, floating inner, const floating* deltas,
    floating* dk, floating* dqueries, floating* dweights, floating* dinner, floating* spare,
) noexcept nogil
