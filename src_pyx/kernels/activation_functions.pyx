"""Activations a = f(z) and their backward pass delta <- delta f'(z): a pair of functions for each.

Most compute f' from y = f(z) alone, so y may overwrite z. The others tell `register`, and read z instead of y.
Functions of single elements treat a matrix as rows * width numbers; softmax works row by row. Every constant is cast to
the type of the array, because with a plain 1, C would compute the whole expression in double.
"""

from libc.math cimport INFINITY

from cbackprop.compiled.kernels.elementary cimport (
    clip, exp, expm1, fabs, log, normal_cdf, sigmoid, sigmoids, softplus, sqrt, tanh,
)


cdef dict KERNELS = {}


cdef class Entry:
    cdef Kernel kernel
    cdef int n_parameters


cdef void register(
    str name, int n_parameters,
    Forward32 forward32, Forward64 forward64, Backward32 backward32, Backward64 backward64,
    bint reads_input=False,
):
    cdef Entry entry = Entry()
    entry.n_parameters = n_parameters
    entry.kernel.forward32 = forward32
    entry.kernel.forward64 = forward64
    entry.kernel.backward32 = backward32
    entry.kernel.backward64 = backward64
    entry.kernel.reads_input = reads_input
    KERNELS[name] = entry


cdef list kernel_names():
    """Names of all activations that have a kernel."""
    return sorted(KERNELS)


cdef int find_kernel(str name, Kernel* kernel) except -2:
    """The number of an activation's parameters, and its kernel; -1 if there is no kernel of this name."""
    cdef Entry entry = KERNELS.get(name)
    if entry is None:
        return -1
    kernel[0] = entry.kernel
    return entry.n_parameters


include "activations/links.pxi"
include "activations/rectifiers.pxi"
include "activations/sigmoids.pxi"
include "activations/gates.pxi"
include "activations/shrinks.pxi"
