"""Activations a = f(z) and their backward pass delta <- delta f'(z), one pair of functions each.

Most take f' from y = f(z) alone, so that y may lie in z's memory; the others say so to `register`, and read z
instead of y. A function of single elements sees a matrix as rows * width numbers; softmax works row by row.
Every constant has the type of the array: C would compute the whole expression in double beside a plain 1.
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
    """How many numbers an activation has of its own, and its kernel; or -1 if it has none."""
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
