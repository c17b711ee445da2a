"""Convolutions of few channels and filters over a stretched image. Other packages may `cimport` them."""

from cython cimport floating

from cbackprop.compiled.kernels.sweeps cimport Sweep


cdef bint stretched_pays(const Sweep* sweep, double cost) noexcept
cdef Py_ssize_t stretched_room(const Sweep* sweep) noexcept nogil
cdef Py_ssize_t stretched_gradient_room(const Sweep* sweep, Py_ssize_t rows) noexcept nogil

cdef void pack_stretched(
    const Sweep* sweep, const floating* kernel, const floating* bias, floating* packed
) noexcept nogil

cdef void stretched_sweep(
    const Sweep* sweep, const floating* source, const floating* packed, bint add, floating* out, floating* workspace
) noexcept nogil

cdef void stretched_kernel(
    const Sweep* sweep, Py_ssize_t samples, const floating* image, Py_ssize_t image_size, const floating* maps,
    Py_ssize_t maps_size, Py_ssize_t begin, Py_ssize_t end, bint add, floating* gradient, floating* workspace,
) noexcept nogil
