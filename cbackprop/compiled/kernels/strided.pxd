"""Rows of an array with any strides, whose numbers are converted to another type when they are read."""

from libc.stdint cimport int64_t


# out[r * n + i] = the number at x + order[r] * stride + i * step; without an order, order[r] is r.
ctypedef void (*Reader)(
    Py_ssize_t rows, const int64_t* order, Py_ssize_t stride, Py_ssize_t n, Py_ssize_t step, const char* x, void* out,
) noexcept nogil


cdef enum Stored:
    # The types in which numbers of an array are stored.
    INT8 = 1
    UINT8 = 2
    INT16 = 3
    UINT16 = 4
    INT32 = 5
    UINT32 = 6
    INT64 = 7
    UINT64 = 8
    FLOAT16 = 9
    FLOAT32 = 10
    FLOAT64 = 11


cdef enum ReadAs:
    AS_INT64 = 0
    AS_FLOAT32 = 1
    AS_FLOAT64 = 2


cdef enum:
    MAX_AXES = 64       # of an array of NumPy


cdef struct Axis:
    Py_ssize_t size
    Py_ssize_t stride           # bytes from one index to the next: negative if it runs backwards, 0 if it repeats


cdef struct StridedRows:
    # Row r begins at data + r * stride. It is a box of runs, and a run is numbers that are `step` bytes apart.
    const char* data
    Py_ssize_t stride
    Py_ssize_t run, step
    int n_axes                  # of the box, outermost first; none if a row is one run
    Axis axes[MAX_AXES]
    Py_ssize_t out_bytes        # of a number as it is read
    Reader read


cdef void lay_out(StridedRows* rows, int n_axes, const Py_ssize_t* shape, const Py_ssize_t* strides) noexcept nogil
cdef Reader reader(int stored, int read_as) noexcept nogil
cdef void gather_strided(
    Py_ssize_t rows, const StridedRows* x, const int64_t* order, Py_ssize_t start, char* out) noexcept nogil
cdef double sum_of_row(const StridedRows* x, Py_ssize_t row, double total) noexcept nogil
