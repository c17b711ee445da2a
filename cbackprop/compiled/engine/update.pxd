"""The end of a training step, once all threads have computed their parts of the gradients: merge, and update."""

from cbackprop.compiled.engine.network cimport Network


cdef void merge(Network network, Py_ssize_t thread, Py_ssize_t threads, Py_ssize_t rows) noexcept nogil
cdef void add_penalties(Network network, Py_ssize_t thread, Py_ssize_t threads) noexcept nogil
cdef void take_step(Network network, Py_ssize_t thread, Py_ssize_t threads) noexcept nogil
