"""The part of the engine that is there before anything runs."""

from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from cbackprop.compiled.constraints.projections cimport Projections
from cbackprop.compiled.engine.context cimport Context, Feed
from cbackprop.compiled.engine.failure cimport Failure
from cbackprop.compiled.engine.gradients cimport Gradients
from cbackprop.compiled.kernels.rows cimport SparseRows
from cbackprop.compiled.optimizers.optimizer cimport Optimizer, Segment, SegmentList
from cbackprop.compiled.regularizers.penalties cimport Penalties


cdef class Network:
    cdef readonly list layers
    cdef readonly list heads
    cdef list widths
    cdef char* weights                  # the vector of all weights
    cdef object weight_memory           # it: kept alive here
    cdef Py_ssize_t n_predicting        # layers that predictions need: the first ones
    cdef bint masked                    # of some head not all rows count
    cdef Py_ssize_t n_layers, n_heads, n_buffers, n_backward, n_feeds
    cdef PyObject** layer_pointers
    cdef PyObject** head_pointers
    cdef Py_ssize_t* backward_order
    cdef bint* linked                   # layers that a loss has taken over
    cdef bint is_double
    # Memory: contexts whose arenas tiles pass through, contexts that share one arena, and the same arena as a whole
    cdef list tile_list, share_list
    cdef list workspaces                # of threads, by number
    cdef PyObject** tiles
    cdef PyObject** shares
    cdef Context whole
    cdef readonly Py_ssize_t tile_capacity, whole_capacity, head_capacity
    cdef Py_ssize_t n_tiles, n_shares
    # Data
    cdef Feed* feeds
    cdef SparseRows* sparse_rows         # (feeds,)
    cdef list feed_memory
    cdef object untold                  # why losses and metrics cannot run on these data; None: they can
    cdef list tile_staging, whole_staging       # bytes for the gathered rows of each feed that contexts have
    cdef int staged                     # contexts know these feeds: 1 where the data lies, 2 also gathered
    # Training
    cdef Optimizer optimizer
    cdef SegmentList segments
    cdef Gradients gradients
    cdef list tables                    # whose gradients are not in the gradient vector, but lists of rows
    cdef PyObject** table_pointers
    cdef Py_ssize_t n_tables
    cdef Segment* all_segments          # room for those of flat vectors, and one for each table
    cdef Penalties penalties
    cdef Projections projections
    cdef bint checked                   # layers know their buffers and parameters
    cdef readonly bint blas             # matrix products of this run are BLAS's
    cdef readonly bint busy             # inside a run: a signal handler or a finalizer may call us then
    cdef unsigned long runner           # the thread whose run that is
    cdef public uint64_t iteration      # training batches so far
    cdef double[::1] head_loss_totals
    cdef Failure failure                # what Python code inside of a step raised
    cdef dict schedules                 # by mode: forwards and backwards; made when they are needed
    cdef list points                    # where in a backward pass gradients are computed, beside its end
    cdef Py_ssize_t n_points

    cdef begin_run(self)
    cdef check_idle(self)
    cdef Py_ssize_t buffer(self, Py_ssize_t index) except -1
    cdef show_weights(self)
    cdef give_workspaces(self, list contexts)
    cdef PyObject** list_contexts(self, list contexts, Py_ssize_t capacity, PyObject** old) except NULL
    cdef add_feed(self, array, dtype, Py_ssize_t width, Py_ssize_t buffer, Py_ssize_t head, int role)
    cdef add_strided(self, Feed* feed, array, dtype)
    cdef add_sparse(self, Feed* feed, SparseRows* rows, array, dtype)
    cdef find_untold(self, dict targets, Py_ssize_t i)
    cdef check_targets(self)
    cdef list readers_of(self, Py_ssize_t buffer)
    cdef list staging_bytes(self, Py_ssize_t rows, bint gathered)
    cdef check_run(self, const int64_t[::1] order, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size)
