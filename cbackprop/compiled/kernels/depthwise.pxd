"""Depthwise convolutions in one, two or three dimensions, channels last. Other packages may `cimport` them."""

from cython cimport floating

from cbackprop.compiled.kernels.convolution_geometry cimport Convolution


cdef Py_ssize_t depthwise_bytes(Convolution conv, Py_ssize_t itemsize) noexcept

cdef void depthwise(
    Convolution conv, Py_ssize_t samples, const floating* image, const floating* kernel, const floating* bias,
    floating* maps, void* workspace,
) noexcept nogil

cdef void depthwise_back(
    Convolution conv, Py_ssize_t samples, const floating* maps, const floating* kernel, bint add, floating* image,
    void* workspace,
) noexcept nogil

cdef void depthwise_kernel(
    Convolution conv, Py_ssize_t samples, const floating* image, const floating* maps, bint add, floating* gradient,
    void* workspace,
) noexcept nogil
