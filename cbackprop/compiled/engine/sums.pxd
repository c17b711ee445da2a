"""The sums that losses and metrics are made of."""

from cbackprop.compiled.engine.feeds cimport Feeds
from cbackprop.compiled.engine.network cimport Network


cdef class Sums:
    cdef Network network
    cdef Feeds feeds
    cdef double[::1] head_totals        # (heads,)
    cdef Py_ssize_t heads_version       # the version of the heads that these belong to
    cdef readonly double loss_total
    cdef readonly double loss_count
    cdef double[:, ::1] epochs          # (epochs, numbers of an epoch): the sums of each epoch, if a run has several
    cdef readonly Py_ssize_t epochs_done

    cdef follow_heads(self)
    cdef begin_epochs(self, double[:, ::1] epochs)
    cdef void add(self, Py_ssize_t rows, double batch_rows, const double* divisors) noexcept nogil
    cdef void end_epoch(self) noexcept nogil
