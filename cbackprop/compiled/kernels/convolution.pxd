"""Convolutions in one, two or three dimensions, channels last. Other packages may `cimport` them."""

from cython cimport floating

from cbackprop.compiled.kernels.convolution_geometry cimport Convolution
from cbackprop.compiled.kernels.done cimport Done

cdef void convolve(
    Convolution conv, Py_ssize_t samples, const floating* image, const floating* kernel, const floating* bias,
    bint add, floating* maps, void* workspace, Done done, void* layer, const void* batch,
) noexcept nogil

cdef void convolve_back(
    Convolution conv, Py_ssize_t samples, const floating* maps, const floating* kernel, const floating* bias,
    bint add, floating* image, void* workspace,
) noexcept nogil

cdef void convolve_kernel(
    Convolution conv, Py_ssize_t samples, const floating* image, const floating* maps, bint maps_padded,
    Py_ssize_t begin, Py_ssize_t end, bint add, floating* gradient, void* workspace,
) noexcept nogil
