"""The base of a compiled layer. Other packages may `cimport` it to add their own."""

from libc.stdint cimport uint32_t, uint64_t


cdef struct Buffer:
    void* value             # (rows, width): what a layer computed
    void* delta             # (rows, width): dL/dvalue; NULL where nobody needs it
    Py_ssize_t width        # elements in one row


cdef struct Parameter:
    void* value             # (size,)
    void* gradient          # (size,): dL/dvalue; NULL where the parameter is frozen
    Py_ssize_t size
    bint accumulate         # add to the gradient: another use of a shared layer has written it already


cdef struct Batch:
    Py_ssize_t rows         # samples in this batch
    bint training
    uint64_t iteration      # number of training batches seen so far: what random layers count by
    Py_ssize_t first        # samples in front of this batch at the same iteration, as test and predict have them


cdef class Layer:
    cdef Buffer** inputs
    cdef Buffer* output
    cdef bint* accumulate   # for each input: add to its delta, because a later layer has written it already
    cdef Parameter* parameters
    cdef readonly Py_ssize_t n_inputs
    cdef readonly Py_ssize_t n_parameters
    cdef readonly Py_ssize_t scratch_width
    cdef void* scratch      # (rows, scratch_width): kept from forward to backward
    cdef bint is_double
    cdef int training       # 0 or 1 if the call fixed it, -1 if the batch says so
    cdef uint32_t node      # which use of the layer this is: shared random layers differ by it

    cdef void forward(self, const Batch* batch) noexcept nogil
    cdef void backward(self, const Batch* batch) noexcept nogil


cdef inline bint in_training(Layer layer, const Batch* batch) noexcept nogil:
    """Whether the layer is to behave as in training: as its call fixed it, else as the batch says."""
    return batch.training if layer.training < 0 else layer.training
