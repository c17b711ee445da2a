"""What a step does to weights, once the gradients of a batch are there."""

from cbackprop.compiled.engine.network cimport Network


cdef void complete_gradients(Network network, Py_ssize_t groups) noexcept nogil
cdef void step(
    Network network, Py_ssize_t thread, Py_ssize_t threads, Py_ssize_t groups, bint update
) noexcept nogil
