"""Rows of an array with any strides: slices, windows, transposed and broadcast arrays.

A view of an array can be far larger than the array: all windows of 1,000 steps are 1,000 times as large. So only the
rows of a batch are copied, when they are read.
"""

from libc.stdint cimport int64_t
from libc.string cimport memset


cdef extern from "runs.h":
    Reader runs_reader_of(int stored, int read_as) noexcept nogil


cdef enum:
    CHUNK = 64      # numbers that are added up at a time


cdef Reader reader(int stored, int read_as) noexcept nogil:
    """The function that converts numbers of the type `stored` to the type that is read."""
    return runs_reader_of(stored, read_as)


cdef void lay_out(StridedRows* rows, int n_axes, const Py_ssize_t* shape, const Py_ssize_t* strides) noexcept nogil:
    """Describe rows by the axes of an array. The first axis counts the rows.

    Axes that are contiguous in memory are joined, so that contiguous numbers are one run.

    shape (n_axes,) IN; strides (n_axes,) IN, in bytes.
    """
    cdef int i, last
    cdef Axis* axes = rows.axes
    rows.stride = strides[0]
    rows.n_axes = 0
    for i in range(1, n_axes):
        last = rows.n_axes - 1
        if shape[i] == 1:
            continue
        if last >= 0 and axes[last].stride == shape[i] * strides[i]:
            axes[last].size *= shape[i]
            axes[last].stride = strides[i]
        else:
            axes[last + 1].size, axes[last + 1].stride = shape[i], strides[i]
            rows.n_axes += 1
    rows.run, rows.step = 1, 0
    if rows.n_axes:
        rows.n_axes -= 1
        rows.run, rows.step = axes[rows.n_axes].size, axes[rows.n_axes].stride


cdef inline bint advance(const StridedRows* x, Py_ssize_t* index, const char** run) noexcept nogil:
    """Go to the next run of a row. Return False after the last one; then `index` is all 0 again."""
    cdef int axis
    for axis in range(x.n_axes - 1, -1, -1):
        index[axis] += 1
        run[0] += x.axes[axis].stride
        if index[axis] < x.axes[axis].size:
            return True
        run[0] -= x.axes[axis].size * x.axes[axis].stride
        index[axis] = 0
    return False


cdef void gather_strided(
    Py_ssize_t rows, const StridedRows* x, const int64_t* order, Py_ssize_t start, char* out
) noexcept nogil:
    """out[r] = x[order[start + r]], or x[start + r] without an order.

    out (rows, numbers in a row) OUT, of the type that `read` makes.
    """
    cdef Py_ssize_t index[MAX_AXES]
    cdef Py_ssize_t r, bytes = x.run * x.out_bytes
    cdef const char* run
    if x.n_axes == 0:
        run = x.data if order != NULL else x.data + start * x.stride
        x.read(rows, NULL if order == NULL else order + start, x.stride, x.run, x.step, run, out)
        return
    memset(index, 0, x.n_axes * sizeof(Py_ssize_t))
    for r in range(start, start + rows):
        run = x.data + (r if order == NULL else order[r]) * x.stride
        while True:
            x.read(1, NULL, 0, x.run, x.step, run, out)
            out += bytes
            if not advance(x, index, &run):
                break


cdef double sum_of_row(const StridedRows* x, Py_ssize_t row, double total) noexcept nogil:
    """Return `total` plus the numbers of a row, in order, read as doubles."""
    cdef Py_ssize_t index[MAX_AXES]
    cdef double numbers[CHUNK]
    cdef Py_ssize_t begin, i, n
    cdef const char* run = x.data + row * x.stride
    memset(index, 0, x.n_axes * sizeof(Py_ssize_t))
    while True:
        begin = 0
        while begin < x.run:
            n = min(x.run - begin, CHUNK)
            x.read(1, NULL, 0, n, x.step, run + begin * x.step, numbers)
            for i in range(n):
                total += numbers[i]
            begin += n
        if not advance(x, index, &run):
            return total
