"""Rows with the elements of other rows, repeated, permuted or broadcast; and the backward pass for deltas.

Both directions use the same index of the output's elements. Layers compute it from shapes when they are built.
"""

from libc.string cimport memset


cdef void gather_rows(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t out_width,
    const Py_ssize_t* index,    # (out_width,) IN: positions in a row of x
    const floating* x,          # (rows, width) IN
    floating* y,                # (rows, out_width) OUT
) noexcept nogil:
    """y[r, j] = x[r, index[j]]."""
    cdef Py_ssize_t _, j
    for _ in range(rows):
        for j in range(out_width):
            y[j] = x[index[j]]
        x += width
        y += out_width


cdef void scatter_rows(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t out_width,
    const Py_ssize_t* index,    # (out_width,) IN: positions in a row of dx
    const floating* dy,         # (rows, out_width) IN
    bint accumulate,
    floating* dx,               # (rows, width) OUT
) noexcept nogil:
    """dx[r, i] = sum of dy[r, j] over all j with index[j] = i; with `accumulate`, dx += this."""
    cdef Py_ssize_t _, j
    if not accumulate:
        memset(dx, 0, rows * width * sizeof(floating))
    for _ in range(rows):
        for j in range(out_width):
            dx[index[j]] += dy[j]
        dx += width
        dy += out_width
