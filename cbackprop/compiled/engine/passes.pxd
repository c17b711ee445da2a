"""What each thread does with its samples of a batch: layers and losses forwards, and layers back."""

from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from cbackprop.compiled.engine.context cimport Context
from cbackprop.compiled.engine.contexts cimport Contexts
from cbackprop.compiled.engine.divisors cimport Divisors
from cbackprop.compiled.engine.feeds cimport Feeds
from cbackprop.compiled.engine.head cimport Head
from cbackprop.compiled.engine.network cimport Network
from cbackprop.compiled.engine.pieces cimport Pieces, Place
from cbackprop.compiled.engine.run cimport Run
from cbackprop.compiled.engine.schedule cimport Schedule


cdef class Passes:
    cdef Network network
    cdef Run run
    cdef Feeds feeds
    cdef Contexts contexts
    cdef Pieces pieces
    cdef Divisors divisors
    # How the batches of a run pass
    cdef const int64_t* order
    cdef bint training, in_blocks, backwards
    cdef readonly bint meets            # some layer or loss needs more than the rows of one thread
    cdef bint adds_blocks               # groups are single blocks, whose gradients may be added at once
    cdef Schedule forward_schedule, backward_schedule

    cdef prepare(self, bint in_blocks, bint backwards, bint training, Py_ssize_t shared_rows)
    cdef Py_ssize_t group_count(self, Py_ssize_t rows) noexcept nogil
    cdef reserve_vectors(self, Py_ssize_t rows, Py_ssize_t threads)
    cdef void run_rows(self, Py_ssize_t thread, const Place* place, uint64_t iteration) noexcept nogil
    cdef void run_blocks(self, Py_ssize_t thread, const Place* place, uint64_t iteration) noexcept nogil
    cdef void run_group(
        self, Py_ssize_t thread, const Place* place, uint64_t iteration, Py_ssize_t group, Py_ssize_t groups
    ) noexcept nogil
    cdef Py_ssize_t take_vector(self, Py_ssize_t group) noexcept nogil
    cdef void run_samples(
        self, Py_ssize_t thread, Context context, Py_ssize_t shown, const Place* place, Py_ssize_t begin,
        Py_ssize_t rows, uint64_t iteration,
    ) noexcept nogil
    cdef void run_stages(
        self, Py_ssize_t thread, Schedule schedule, Context context, Py_ssize_t start
    ) noexcept nogil
    cdef void run_items(
        self, Py_ssize_t thread, Schedule schedule, Py_ssize_t stage, Py_ssize_t start
    ) noexcept nogil
    cdef void weigh(
        self, Py_ssize_t thread, Context context, const Place* place, Py_ssize_t begin
    ) noexcept nogil
    cdef void add_counts(self, Py_ssize_t thread, const Place* place) noexcept nogil
    cdef void add_counts_of_ranks(self) noexcept with gil
    cdef void run_head(
        self, Py_ssize_t thread, Head head, Py_ssize_t i, Context context, Py_ssize_t begin
    ) noexcept nogil
    cdef PyObject* whole_batch(self) noexcept nogil
    cdef void collect(self, Py_ssize_t thread, Py_ssize_t start, Py_ssize_t point) noexcept nogil
    cdef void finish(self) noexcept nogil
