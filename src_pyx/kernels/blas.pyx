"""The matrix products of `matrix`, computed by SciPy's BLAS.

Importing this module loads SciPy's BLAS, and tells `multiply` where it is. It is imported only when it is needed.

BLAS is column-major. For BLAS, a row-major C (m, n) is the transpose C^T (n, m), and C^T = B^T A^T. So each call below
passes B first and A second. Only this file knows about that.
"""

from cython cimport floating
from scipy.linalg.cython_blas cimport dgemm, dgemv, sgemm, sgemv

from cbackprop.compiled.kernels.matrix cimport connect_blas

include "blas_int.pxi"

# The largest dimension, and the largest stride, that the integers of this BLAS can hold.
cdef Py_ssize_t LARGEST = <Py_ssize_t>((<size_t>1 << (8 * sizeof(blas_int) - 1)) - 1)


cdef inline bint can_be_told(Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t row, Py_ssize_t column) noexcept nogil:
    """Whether BLAS takes a matrix whose element (i, j) is at i row + j column."""
    return (
        (column == 1 and row >= columns or row == 1 and column >= rows) and rows <= LARGEST and columns <= LARGEST
        and row <= LARGEST and column <= LARGEST
    )


cdef void start(
    Py_ssize_t m, Py_ssize_t n, const floating* bias, bint add,
    floating* c, Py_ssize_t c_row, Py_ssize_t c_column,
) noexcept nogil:
    """Initialize C, to which the product is added: C = bias or 0, or C + bias if `add`."""
    cdef Py_ssize_t i, j
    for i in range(m):
        for j in range(n):
            c[i * c_row + j * c_column] = (
                (c[i * c_row + j * c_column] if add else 0) + (bias[j] if bias != NULL else 0)
            )


cdef void add_vector_product(
    Py_ssize_t rows, Py_ssize_t columns, const floating* a, Py_ssize_t a_row, Py_ssize_t a_column,
    const floating* x, Py_ssize_t x_step, floating* y, Py_ssize_t y_step,
) noexcept nogil:
    """y += A x, with A (rows, columns)."""
    cdef bint row_major = a_column == 1 and a_row >= columns
    cdef char transpose = c't' if row_major else c'n'
    cdef blas_int m = <blas_int>(columns if row_major else rows), n = <blas_int>(rows if row_major else columns)
    cdef blas_int width = <blas_int>(a_row if row_major else a_column)
    cdef blas_int x_increment = <blas_int>x_step, y_increment = <blas_int>y_step
    cdef floating one = 1
    if floating is float:
        sgemv(&transpose, &m, &n, &one, <float*>a, &width, <float*>x, &x_increment, &one, y, &y_increment)
    else:
        dgemv(&transpose, &m, &n, &one, <double*>a, &width, <double*>x, &x_increment, &one, y, &y_increment)


cdef void multiply_whole(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t a_row, Py_ssize_t a_column, const floating* b, Py_ssize_t b_row, Py_ssize_t b_column,
    bint add, floating* c, Py_ssize_t c_row,
) noexcept nogil:
    """C = A B, or C += A B if `add`, in one call of BLAS."""
    cdef bint a_row_major = a_column == 1 and a_row >= k, b_row_major = b_column == 1 and b_row >= n
    cdef char a_kind = c'n' if a_row_major else c't', b_kind = c'n' if b_row_major else c't'
    cdef blas_int rows = <blas_int>m, columns = <blas_int>n, depth = <blas_int>k, c_width = <blas_int>c_row
    cdef blas_int a_width = <blas_int>(a_row if a_row_major else a_column)
    cdef blas_int b_width = <blas_int>(b_row if b_row_major else b_column)
    cdef floating one = 1, beta = add
    if floating is float:
        sgemm(
            &b_kind, &a_kind, &columns, &rows, &depth, &one, <float*>b, &b_width, <float*>a, &a_width, &beta, c,
            &c_width,
        )
    else:
        dgemm(
            &b_kind, &a_kind, &columns, &rows, &depth, &one, <double*>b, &b_width, <double*>a, &a_width, &beta, c,
            &c_width,
        )


cdef void multiply_block(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t a_row, Py_ssize_t a_column, const floating* b, Py_ssize_t b_row, Py_ssize_t b_column,
    const floating* bias, bint add, floating* c, Py_ssize_t c_row, Py_ssize_t c_column,
) noexcept nogil:
    """C = A B + bias, or C += A B + bias if `add`.

    Before products with a vector, y is set to zeros. With a beta of 0, some versions of OpenBLAS multiply the old y by
    0, and NaN would stay NaN.
    """
    if bias != NULL or m == 1 or n == 1:
        start(m, n, bias, add, c, c_row, c_column)
        add = True
    if m == 1:
        add_vector_product(n, k, b, b_column, b_row, a, a_column, c, c_column)
    elif n == 1:
        add_vector_product(m, k, a, a_row, a_column, b, b_row, c, c_row)
    elif c_column == 1:
        multiply_whole(m, n, k, a, a_row, a_column, b, b_row, b_column, add, c, c_row)
    else:
        multiply_whole(n, m, k, b, b_column, b_row, a, a_column, a_row, add, c, c_column)


cdef bint multiply_by_blas(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t a_row, Py_ssize_t a_column, const floating* b, Py_ssize_t b_row, Py_ssize_t b_column,
    const floating* bias, bint add, floating* c, Py_ssize_t c_row, Py_ssize_t c_column, Py_ssize_t block,
) noexcept nogil:
    """C = A B + bias, `block` rows of C at a time.

    It does nothing and returns False if BLAS's integers are too small for a dimension or a stride.
    """
    cdef Py_ssize_t row = 0, rows = min(m, block)
    if not (
        can_be_told(rows, k, a_row, a_column) and can_be_told(k, n, b_row, b_column)
        and can_be_told(rows, n, c_row, c_column)
    ):
        return False
    while row < m:
        rows = min(m - row, block)
        multiply_block(
            rows, n, k, a + row * a_row, a_row, a_column, b, b_row, b_column, bias, add, c + row * c_row, c_row,
            c_column,
        )
        row += rows
    return True


def set_largest(Py_ssize_t largest) -> None:
    """Pretend that BLAS's integers can hold at most this number, so that tests need no huge matrices."""
    global LARGEST
    LARGEST = largest


def get_largest() -> int:
    """The largest dimension, and the largest stride, that is passed to BLAS."""
    return LARGEST


connect_blas(multiply_by_blas[float], multiply_by_blas[double])
