"""The part of the engine that exists before a run."""

from cpython.ref cimport PyObject
from libc.stdint cimport uint64_t

from cbackprop.compiled.constraints.projections cimport Projections
from cbackprop.compiled.engine.gradients cimport Gradients
from cbackprop.compiled.engine.run cimport Run
from cbackprop.compiled.layers.layer cimport Batch, Layer, run_whole
from cbackprop.compiled.optimizers.optimizer cimport Optimizer, Segment, SegmentList
from cbackprop.compiled.regularizers.penalties cimport Penalties


cdef class Network:
    cdef readonly Run run
    cdef readonly list layers
    cdef readonly list heads
    cdef list widths
    cdef char* weights                  # the vector of all weights
    cdef object weight_memory           # this vector: kept alive here
    cdef Py_ssize_t weights_version     # how often it was set
    cdef Py_ssize_t n_predicting        # layers that predictions need: the first ones
    cdef bint masked                    # some head has a mask
    cdef Py_ssize_t n_layers, n_heads, n_buffers, n_backward
    cdef readonly Py_ssize_t head_capacity      # samples that heads have memory for
    cdef Py_ssize_t heads_version       # how often heads were set
    cdef PyObject** layer_pointers
    cdef PyObject** head_pointers
    cdef Py_ssize_t* backward_order
    cdef bint* linked                   # layers that a loss has taken over
    cdef bint is_double
    # Training
    cdef Optimizer optimizer
    cdef SegmentList segments
    cdef Gradients gradients
    cdef list tables                    # tables, whose gradients are lists of rows outside of the gradient vector
    cdef PyObject** table_pointers
    cdef Py_ssize_t n_tables
    cdef Segment* all_segments          # memory for the segments of flat vectors, and one for each table
    cdef Penalties penalties
    cdef Projections projections
    cdef bint checked                   # layers know their buffers and parameters
    cdef readonly bint blas             # matrix products of this run are BLAS's
    cdef public uint64_t iteration      # training batches so far
    cdef readonly dict schedules        # by mode: forwards and backwards; made when they are needed
    cdef list points                    # the points of a backward pass at which gradients are computed, without its end
    cdef Py_ssize_t n_points

    cdef Py_ssize_t buffer(self, Py_ssize_t index) except -1


cdef inline void run_forwards(Network network, Py_ssize_t count, const Batch* batch) noexcept nogil:
    """Run the first `count` layers forwards, in a thread that has all samples of the batch."""
    cdef Py_ssize_t i
    for i in range(count):
        if not (<Layer>network.layer_pointers[i]).led[batch.training]:
            run_whole(<Layer>network.layer_pointers[i], batch, False)
