"""Small steps over rows and vectors that layers share."""

from libc.string cimport memcpy, memset


cdef void fill_rows(Py_ssize_t rows, Py_ssize_t width, const floating* row, floating* out) noexcept nogil:
    """out[r, :] = row.

    row (width,) IN; out (rows, width) OUT.
    """
    cdef Py_ssize_t r
    for r in range(rows):
        memcpy(out + r * width, row, width * sizeof(floating))


cdef void sum_rows(
    Py_ssize_t rows, Py_ssize_t width, const floating* x, bint accumulate, floating* out
) noexcept nogil:
    """out = sum over r of x[r, :], added to what is there if `accumulate`.

    x (rows, width) IN; out (width,) OUT.
    """
    cdef Py_ssize_t r, j
    if not accumulate:
        memset(out, 0, width * sizeof(floating))
    for r in range(rows):
        for j in range(width):
            out[j] += x[r * width + j]


cdef void copy_or_add(Py_ssize_t n, const floating* x, bint accumulate, floating* out) noexcept nogil:
    """out = x, or out += x if `accumulate`.

    x (n,) IN; out (n,) OUT.
    """
    cdef Py_ssize_t i
    if accumulate:
        for i in range(n):
            out[i] += x[i]
    else:
        memcpy(out, x, n * sizeof(floating))
