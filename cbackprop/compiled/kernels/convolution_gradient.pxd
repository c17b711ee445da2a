"""The gradient of a convolution's kernel. Other packages may `cimport` it."""

from cython cimport floating

from cbackprop.compiled.kernels.convolution_geometry cimport Convolution

cdef void convolve_kernel(
    Convolution conv, Py_ssize_t samples, const floating* image, const floating* maps, bint maps_padded,
    Py_ssize_t begin, Py_ssize_t end, bint add, floating* gradient, void* workspace,
) noexcept nogil
