from cython cimport floating


cdef void gemm_nn(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    floating alpha, const floating* a, const floating* b, floating beta, floating* c,
) noexcept nogil

cdef void gemm_nt(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    floating alpha, const floating* a, const floating* b, floating beta, floating* c,
) noexcept nogil

cdef void gemm_tn(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    floating alpha, const floating* a, const floating* b, floating beta, floating* c,
) noexcept nogil
