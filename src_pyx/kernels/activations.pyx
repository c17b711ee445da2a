"""Activations as objects, which choose their kernels by name. The kernels are in `activation_functions`."""

from cython cimport floating

from cbackprop.compiled.kernels.activation_functions cimport Kernel, find_kernel, kernel_names


def names() -> list:
    """Names of all activations that have a kernel."""
    return kernel_names()


def reads_input(str name) -> bool:
    """Whether the backward pass of an activation needs z itself, not only f(z)."""
    cdef Kernel kernel
    if find_kernel(name, &kernel) < 0:
        raise KeyError(name)
    return kernel.reads_input


cdef class Activation:
    """An activation with its numbers, ready to run on arrays of either type."""

    def __init__(self, str name, tuple parameters=()):
        if find_kernel(name, &self.kernel) != len(parameters):
            raise ValueError(f"There is no kernel for activation {name!r} with parameters {parameters!r}.")
        self.name = name
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
