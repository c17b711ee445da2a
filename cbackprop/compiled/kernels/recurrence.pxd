"""The cells of recurrent layers, for one sample at one time step. See recurrence_of.h for the formulas."""

from cython cimport floating

from cbackprop.compiled.kernels.activation_functions cimport Kernel
from cbackprop.compiled.kernels.activations cimport Activation


cdef struct Gate:
    # The function of a gate.
    Kernel kernel
    const double* numbers   # parameters of the function: kept alive by the layer
    int kind


cdef Gate gate_of(Activation function)

cdef void activate(
    const Gate* gate, Py_ssize_t n, Py_ssize_t count, const floating* more, floating* before, floating* z
) noexcept nogil
cdef void lstm_forward(
    Py_ssize_t n, const Gate* inner, const Gate* outer, const floating* more, floating* z, floating* before,
    floating* c_before, floating* c, floating* h
) noexcept nogil
cdef void lstm_backward(
    Py_ssize_t n, const Gate* inner, const Gate* outer, const floating* z, const floating* before,
    const floating* c_before, const floating* dh, floating* dc, floating* deltas, floating* spare
) noexcept nogil
cdef void gru_forward(
    Py_ssize_t n, const Gate* inner, const Gate* outer, floating* more, floating* z, floating* before,
    floating* product, floating* h
) noexcept nogil
cdef void gru_gates(
    Py_ssize_t n, const Gate* inner, const floating* more, const floating* h, floating* z, floating* before,
    floating* product
) noexcept nogil
cdef void gru_candidate(
    Py_ssize_t n, const Gate* outer, const floating* more, floating* z, floating* before, floating* h
) noexcept nogil
cdef void gru_backward(
    Py_ssize_t n, const Gate* inner, const Gate* outer, const floating* z, const floating* before,
    const floating* h_before, floating* dh, floating* deltas
) noexcept nogil
cdef void reset_backward(
    Py_ssize_t n, const Gate* inner, const floating* z, const floating* before, const floating* p,
    const floating* dq, floating* dr, floating* dp
) noexcept nogil
cdef void differentiate(
    const Gate* gate, Py_ssize_t n, const floating* before, const floating* y, floating* delta
) noexcept nogil
