from cython cimport floating


cdef void adam(
    Py_ssize_t n, floating rate, floating one_minus_beta_1, floating one_minus_beta_2, floating epsilon,
    floating* w, const floating* g, floating* m, floating* v,
) noexcept nogil
