"""Kernels of activations. Other packages may `cimport` them."""

from cython cimport floating

# x (rows, width) IN; y (rows, width) OUT, may be x itself; p: the activation's own numbers.
ctypedef void (*Forward32)(
    const float* x, float* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil
ctypedef void (*Forward64)(
    const double* x, double* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil

# delta (rows, width) IN dL/dy, OUT dL/dx; x and y as above, each NULL where the activation does not read it.
ctypedef void (*Backward32)(
    float* delta, const float* x, const float* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil
ctypedef void (*Backward64)(
    double* delta, const double* x, const double* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil


cdef struct Kernel:
    Forward32 forward32
    Forward64 forward64
    Backward32 backward32
    Backward64 backward64
    bint reads_input      # backward needs x; otherwise y is enough, and y may overwrite x


cdef list kernel_names()
cdef int find_kernel(str name, Kernel* kernel) except -2
