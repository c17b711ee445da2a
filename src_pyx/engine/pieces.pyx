"""Which samples of each batch this process has, if ranks share batches. See `cbackprop.engine.ranks`."""

import numpy as np


cdef class Pieces:
    """Divides each batch into pieces. This process has some neighbouring ones; without ranks, the whole batch."""

    def __cinit__(self):
        self.begins = np.zeros(2, np.intp)

    def share(self, ranks, Py_ssize_t first, Py_ssize_t n, Py_ssize_t total, bint own, bint in_order):
        """Share each batch with other processes; with `ranks` None, do not.

        A batch has `total` pieces. This process has `n` of them, from `first` on. With `own` the process has batches of
        its own, and each counts as one piece of a batch that no process sees as a whole. With `in_order`, layers
        compute the same as if one process had all pieces.
        """
        self.ranks, self.shared, self.own, self.in_order = ranks, ranks is not None, own, in_order
        if ranks is None:
            return
        if not (0 <= first and 0 < n <= total - first) or (own and n != 1):
            raise ValueError(f"There are no pieces {first}:{first + n} of {total}.")
        self.first, self.n, self.total = first, n, total
        self.begins = np.zeros(n + 1, np.intp)

    cdef Py_ssize_t most_rows(self, Py_ssize_t batch_size) noexcept nogil:
        """The largest number of rows of a batch that this process has."""
        if not self.shared or self.own:
            return batch_size
        return (batch_size * self.n + self.total - 1) // self.total

    cdef Place place_of(self, Py_ssize_t start, Py_ssize_t rows, Py_ssize_t batch_size) noexcept nogil:
        """The samples that this process has of the batch start:start + rows."""
        cdef Py_ssize_t begin, end
        if not self.shared:
            return Place(start, rows, 0, start, rows, rows)
        if self.own:    # random layers draw by the numbers of rows, so these must differ between ranks
            return Place(start, rows, self.first * batch_size, start, rows, rows)
        begin = rows * self.first // self.total
        end = rows * (self.first + self.n) // self.total
        return Place(start + begin, end - begin, begin, start, rows, rows if self.in_order else end - begin)

    cdef void divide(self, const Place* place) noexcept nogil:
        """Note where the pieces of a batch begin."""
        cdef Py_ssize_t i
        for i in range(self.n + 1):
            self.begins[i] = place.batch_rows * (self.first + i) // self.total - place.first
        if self.own:
            self.begins[0], self.begins[1] = 0, place.rows
