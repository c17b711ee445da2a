"""Runs a network forwards, in a team of threads."""

from libc.stdint cimport int32_t

from cbackprop.compiled.engine.context cimport Context
from cbackprop.compiled.engine.contexts cimport Contexts
from cbackprop.compiled.engine.feeds cimport Feeds
from cbackprop.compiled.engine.network cimport Network
from cbackprop.compiled.engine.run cimport Run


cdef class Predictor:
    cdef Network network
    cdef Run run
    cdef Feeds feeds
    cdef Contexts contexts
    # The run that threads are in
    cdef Py_ssize_t start, stop
    cdef bint training
    cdef bint check, check_first        # whether and when to check inputs
    cdef int32_t found_infinite         # whether some thread has found a number that is not finite
    cdef size_t[::1] results            # addresses of predictions
    cdef Py_ssize_t[::1] result_buffers, result_bytes

    cdef void run_predictions(self, Py_ssize_t thread) noexcept nogil
    cdef void predict_samples(self, Context context, Py_ssize_t begin, Py_ssize_t rows) noexcept nogil
    cdef bint inputs_finite(self, Context context) noexcept nogil
    cdef void run_layers(self, Context context, Py_ssize_t begin) noexcept nogil
