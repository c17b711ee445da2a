"""Convolutions in one, two or three dimensions, channels last. Other packages may `cimport` them."""

from cython cimport floating

from cbackprop.compiled.kernels.convolution_geometry cimport Convolution
from cbackprop.compiled.kernels.done cimport Done
from cbackprop.compiled.kernels.sweeps cimport Sweep

cdef void convolve(
    Convolution conv, Py_ssize_t samples, const floating* image, const floating* kernel, const floating* bias,
    bint add, floating* maps, void* workspace, Done done, void* layer, const void* batch,
) noexcept nogil

cdef void convolve_back(
    Convolution conv, Py_ssize_t samples, const floating* maps, const floating* kernel, const floating* bias,
    bint add, floating* image, void* workspace,
) noexcept nogil

cdef const floating* read_strip(
    const Sweep* sweep, const floating* source, Py_ssize_t z, Py_ssize_t y, Py_ssize_t rows, floating* strip,
) noexcept nogil

cdef bint packs_kernel(Convolution conv, floating* c) noexcept nogil
