from cython cimport floating
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


cdef void random_mask(
    Py_ssize_t n, double probability, uint64_t first, uint64_t iteration, uint32_t stream, uint32_t node,
    uint8_t* mask,
) noexcept nogil
cdef void random_normal(
    Py_ssize_t n, uint64_t first, uint64_t iteration, uint32_t stream, uint32_t node, floating* out
) noexcept nogil
cdef void random_uniform(
    Py_ssize_t n, uint64_t first, uint64_t iteration, uint32_t stream, uint32_t node, double* out
) noexcept nogil
cdef void draw_order(Py_ssize_t n, uint64_t key, int64_t* order) noexcept nogil
