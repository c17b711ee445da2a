"""Rows of sparse matrices."""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t


cdef struct SparseRows:
    # Rows of a matrix that stores only numbers other than 0, as in SciPy's CSR format. Row r is row order[first + r] of
    # the matrix, or first + r without an order.
    const int64_t* starts       # (rows of the matrix + 1,): the beginning of each row's numbers
    const int32_t* columns      # ascending in each row; columns outside of the matrix are ignored
    const void* values
    const int64_t* order
    Py_ssize_t first


cdef inline Py_ssize_t row_of(const SparseRows* x, Py_ssize_t r) noexcept nogil:
    """The number of row r in the matrix."""
    return x.first + r if x.order == NULL else x.order[x.first + r]


cdef void densify(const SparseRows* x, Py_ssize_t rows, Py_ssize_t width, floating* out) noexcept nogil
cdef void sparse_times_matrix(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t units, Py_ssize_t begin, Py_ssize_t end,
    const SparseRows* x, const floating* kernel, const floating* bias, floating* y,
) noexcept nogil
cdef void sparse_transposed_times_matrix(
    Py_ssize_t rows, Py_ssize_t units, Py_ssize_t begin, Py_ssize_t end,
    const SparseRows* x, const floating* dy, bint add, floating* dkernel,
) noexcept nogil
