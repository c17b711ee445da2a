"""Rows of sparse matrices: as dense rows, and in products with other matrices."""

from cython cimport floating
from libc.stdint cimport int32_t
from libc.string cimport memcpy, memset


cdef void densify(const SparseRows* x, Py_ssize_t rows, Py_ssize_t width, floating* out) noexcept nogil:
    """Write the rows as dense rows, with all their zeros.

    out (rows, width) OUT.
    """
    cdef Py_ssize_t r, row, k
    cdef const floating* values = <const floating*>x.values
    memset(out, 0, rows * width * sizeof(floating))
    for r in range(rows):
        row = row_of(x, r)
        for k in range(x.starts[row], x.starts[row + 1]):
            if 0 <= x.columns[k] < width:
                out[r * width + x.columns[k]] += values[k]


cdef void add_scaled(Py_ssize_t n, floating factor, const floating* x, floating* out) noexcept nogil:
    """out += factor x."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] += factor * x[i]


cdef void sparse_times_matrix(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t units, Py_ssize_t begin, Py_ssize_t end,
    const SparseRows* x,        # (rows, width) IN
    const floating* kernel,     # (width, units) IN
    const floating* bias,       # (units,) IN, or NULL
    floating* y,                # (rows, units) OUT: columns begin:end
) noexcept nogil:
    """y = x W + b. It reads a row of W for each stored number."""
    cdef Py_ssize_t r, row, k
    cdef const floating* values = <const floating*>x.values
    for r in range(rows):
        if bias == NULL:
            memset(y + begin, 0, (end - begin) * sizeof(floating))
        else:
            memcpy(y + begin, bias + begin, (end - begin) * sizeof(floating))
        row = row_of(x, r)
        for k in range(x.starts[row], x.starts[row + 1]):
            if 0 <= x.columns[k] < width:
                add_scaled(end - begin, values[k], kernel + x.columns[k] * units + begin, y + begin)
        y += units


cdef Py_ssize_t first_from(const int32_t* columns, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t column) noexcept nogil:
    """The index of the first of the ascending columns[begin:end] that is at least `column`."""
    cdef Py_ssize_t middle
    while begin < end:
        middle = begin + (end - begin) // 2
        if columns[middle] < column:
            begin = middle + 1
        else:
            end = middle
    return begin


cdef void sparse_transposed_times_matrix(
    Py_ssize_t rows, Py_ssize_t units, Py_ssize_t begin, Py_ssize_t end,
    const SparseRows* x,        # (rows, columns) IN; columns begin:end are wanted
    const floating* dy,         # (rows, units) IN
    bint add,
    floating* dkernel,          # (end - begin, units) OUT, or with `add` IN and OUT
) noexcept nogil:
    """dW = x^T dy. Rows of W whose column does not occur in x are not touched."""
    cdef Py_ssize_t r, row, k
    cdef const floating* values = <const floating*>x.values
    if not add:
        memset(dkernel, 0, (end - begin) * units * sizeof(floating))
    for r in range(rows):
        row = row_of(x, r)
        for k in range(first_from(x.columns, x.starts[row], x.starts[row + 1], begin), x.starts[row + 1]):
            if x.columns[k] >= end:
                break
            if x.columns[k] >= begin:
                add_scaled(units, values[k], dy, dkernel + (x.columns[k] - begin) * units)
        dy += units
