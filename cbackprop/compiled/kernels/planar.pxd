"""Convolutions of few filters, with vectors along positions. Other packages may `cimport` them."""

from cython cimport floating

from cbackprop.compiled.kernels.sweeps cimport Sweep


cdef double planar_cost(
    Py_ssize_t positions, Py_ssize_t depth, Py_ssize_t channels, Py_ssize_t columns, bint gradient
) noexcept
cdef double tiles_cost(double operations) noexcept
cdef bint planar_pays(
    Py_ssize_t positions, Py_ssize_t depth, Py_ssize_t channels, Py_ssize_t columns, double operations, bint gradient
) noexcept
cdef Py_ssize_t plane_width(Py_ssize_t positions, Py_ssize_t taps, Py_ssize_t tap_step) noexcept
cdef Py_ssize_t planes_room(const Sweep* sweep) noexcept nogil
cdef Py_ssize_t gradient_room(const Sweep* sweep, Py_ssize_t rows) noexcept nogil

cdef void pack_planar(
    const Sweep* sweep, const Py_ssize_t* kernel_sizes, bint transposed, const floating* kernel, floating* packed
) noexcept nogil

cdef void planar_sweep(
    const Sweep* sweep, const floating* source, const floating* packed, const floating* bias, bint add, floating* out,
    floating* planes,
) noexcept nogil

cdef void planar_kernel(
    const Sweep* sweep, Py_ssize_t samples, const floating* image, Py_ssize_t image_size, const floating* maps,
    Py_ssize_t maps_size, Py_ssize_t begin, Py_ssize_t end, bint add, floating* gradient, floating* workspace,
) noexcept nogil
