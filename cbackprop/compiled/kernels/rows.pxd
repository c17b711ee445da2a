"""Rows of data, from how they are stored to what layers read."""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t


cdef enum Stored:
    # What the numbers of an array are stored as.
    INT8 = 1
    UINT8 = 2
    INT16 = 3
    UINT16 = 4
    INT32 = 5
    INT64 = 6
    FLOAT16 = 7
    FLOAT32 = 8
    FLOAT64 = 9


cdef struct SparseRows:
    # Rows of a matrix of which only the numbers that are not 0 are stored, as in SciPy's CSR format. Row r is row
    # order[first + r] of the matrix, or first + r if there is no order.
    const int64_t* starts       # (rows of the matrix + 1,): where each row's numbers begin
    const int32_t* columns      # ascending in each row; one outside of the matrix is passed over
    const void* values
    const int64_t* order
    Py_ssize_t first


cdef inline Py_ssize_t row_of(const SparseRows* x, Py_ssize_t r) noexcept nogil:
    """Row r's number in the matrix."""
    return x.first + r if x.order == NULL else x.order[x.first + r]


cdef void convert(int stored_as, Py_ssize_t n, const void* x, floating* out) noexcept nogil
cdef void densify(const SparseRows* x, Py_ssize_t rows, Py_ssize_t width, floating* out) noexcept nogil
cdef void sparse_times_matrix(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t units,
    const SparseRows* x, const floating* kernel, const floating* bias, floating* y,
) noexcept nogil
cdef void sparse_transposed_times_matrix(
    Py_ssize_t rows, Py_ssize_t units, Py_ssize_t begin, Py_ssize_t end,
    const SparseRows* x, const floating* dy, bint add, floating* dkernel,
) noexcept nogil
