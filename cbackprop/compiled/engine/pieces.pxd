"""Which samples of each batch this process has, if ranks share batches."""


cdef struct Place:
    # The samples of a batch that this process has: all of them, unless ranks share the batch.
    Py_ssize_t start, rows              # their beginning in the order of samples, and their number
    Py_ssize_t first                    # the number of the first one within the batch
    Py_ssize_t batch_start, batch_rows  # the same of the batch
    Py_ssize_t total                    # the number of rows of the batch that layers are told


cdef class Pieces:
    cdef readonly object ranks          # adds up numbers of all ranks; None without ranks
    cdef bint shared                    # there are ranks
    cdef bint in_order                  # results must not depend on how many pieces this rank has
    cdef bint own                       # each rank has its own batches, which together count as one
    cdef Py_ssize_t first, n, total     # this rank's pieces, and all of them
    cdef Py_ssize_t[::1] begins         # (n + 1,): where this rank's pieces begin, among its rows of the batch

    cdef Py_ssize_t most_rows(self, Py_ssize_t batch_size) noexcept nogil
    cdef Place place_of(self, Py_ssize_t start, Py_ssize_t rows, Py_ssize_t batch_size) noexcept nogil
    cdef void divide(self, const Place* place) noexcept nogil
