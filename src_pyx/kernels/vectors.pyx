"""Small steps over rows and vectors that layers share."""

from libc.string cimport memcpy, memset


cdef void sum_rows(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t begin, Py_ssize_t end, const floating* x, bint add, floating* out
) noexcept nogil:
    """out = sum over r of x[r, begin:end], added to what is there if `add`.

    x (rows, width) IN; out (end - begin,) OUT.
    """
    cdef Py_ssize_t r, j
    if not add:
        memset(out, 0, (end - begin) * sizeof(floating))
    for r in range(rows):
        for j in range(begin, end):
            out[j - begin] += x[r * width + j]


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
