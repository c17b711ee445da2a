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


def names() -> list:
    """Names of all activations that have a kernel."""
    return sorted(KERNELS)


def reads_input(str name) -> bool:
    """Whether the backward pass of an activation needs z itself, not only f(z)."""
    return (<Entry>KERNELS[name]).kernel.reads_input


cdef class Activation:
    """An activation with its numbers, ready to run on arrays of either type."""

    def __init__(self, str name, tuple parameters=()):
        cdef Entry entry = KERNELS.get(name)
        if entry is None or len(parameters) != entry.n_parameters:
            raise ValueError(f"There is no kernel for activation {name!r} with parameters {parameters!r}.")
        self.name = name
        self.kernel = entry.kernel
        for i, value in enumerate(parameters):
            self.p[i] = value

    @property
    def reads_input(self) -> bool:
        """Whether the backward pass needs z itself, not only f(z)."""
        return self.kernel.reads_input

    def apply(self, const floating[:, ::1] x, floating[:, ::1] y):
        """y[:] = f(x)."""
        if x.shape[0] != y.shape[0] or x.shape[1] != y.shape[1]:
            raise ValueError("x and y must have the same shape.")
        if not (x.shape[0] and x.shape[1]):
            return
        if floating is double:
            self.kernel.forward64(&x[0, 0], &y[0, 0], x.shape[0], x.shape[1], self.p)
        else:
            self.kernel.forward32(&x[0, 0], &y[0, 0], x.shape[0], x.shape[1], self.p)

    def apply_backward(self, floating[:, ::1] delta, const floating[:, ::1] x, const floating[:, ::1] y):
        """delta[:] = delta f'(x), where y = f(x)."""
        if not (delta.shape[0] == x.shape[0] == y.shape[0] and delta.shape[1] == x.shape[1] == y.shape[1]):
            raise ValueError("delta, x and y must have the same shape.")
        if not (x.shape[0] and x.shape[1]):
            return
        if floating is double:
            self.kernel.backward64(&delta[0, 0], &x[0, 0], &y[0, 0], x.shape[0], x.shape[1], self.p)
        else:
            self.kernel.backward32(&delta[0, 0], &x[0, 0], &y[0, 0], x.shape[0], x.shape[1], self.p)


include "activations/links.pxi"
include "activations/rectifiers.pxi"
include "activations/sigmoids.pxi"
include "activations/gates.pxi"
include "activations/shrinks.pxi"
