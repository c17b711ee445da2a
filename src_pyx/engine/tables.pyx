"""Tables: large weights. Each batch reads some rows, and only those are updated, whatever the table's size.

The gradient is a list of the rows that were read, in the order of their first use, with the sum of the gradients of
each, in the order of samples. For the optimizer's step these rows of weights and slots are copied side by side, so that
any optimizer can treat them as an ordinary segment. Then they are copied back.
"""

import numpy as np

from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.layers.layer cimport Layer
from cbackprop.compiled.optimizers.optimizer cimport MAX_SLOTS


cdef class Table:
    """
    Parameters
    ----------
    users : list of (Layer, int)
        The layers that read the table, and the parameter's number in each, in the order in which gradients are added.
    values : array (rows, width)
    slots : list of such arrays
        The optimizer's slots.
    decay : float
        The weight decay that applies, or 0.
    reads : int
        Rows that a sample reads, in all users together.
    """

    def __cinit__(self, list users, values, list slots, double decay, Py_ssize_t reads):
        cdef Py_ssize_t i
        cdef Layer layer
        self.layers = [layer for layer, _ in users]
        self.owners = (values, slots)
        self.rows, self.width = values.shape
        self.n_slots, self.itemsize, self.reads = len(slots), values.dtype.itemsize, reads
        self.n_users = len(users)
        self.users = <PyObject**>calloc(self.n_users + 1, sizeof(PyObject*))
        self.parameters = <Py_ssize_t*>calloc(self.n_users + 1, sizeof(Py_ssize_t))
        if not (self.users and self.parameters):
            raise MemoryError()
        for i, (layer, k) in enumerate(users):
            if not 0 <= k < layer.n_parameters or layer.parameters[k].size != self.rows * self.width:
                raise ValueError("A table does not fit its layer.")
            self.users[i] = <PyObject*>layer
            self.parameters[i] = k
        if self.n_slots > MAX_SLOTS or self.rows >= 2**31:
            raise ValueError("A table has too many rows, or the optimizer too many slots.")
        places = np.zeros(self.rows, np.intc)
        self.memory = [places]
        self.sums.places = <int*>address(places, np.intc, self.rows)
        self.sums.row_bytes = self.width * self.itemsize
        self.whole.values = address(values, values.dtype, self.rows * self.width)
        for i in range(self.n_slots):
            self.whole.slots[i] = address(slots[i], values.dtype, self.rows * self.width)
        self.reached.decay = decay

    def __dealloc__(self):
        free(self.users)
        free(self.parameters)

    def reserve(self, Py_ssize_t samples):
        """Allocate memory for the rows that a batch of `samples` samples may read."""
        cdef Py_ssize_t capacity = min(self.rows, samples * self.reads), i
        if capacity <= self.capacity:
            return
        self.forget()
        self.capacity = 0
        dtype = self.owners[0].dtype
        rows = np.zeros(capacity, np.intp)
        copies = [np.zeros(capacity * self.width, dtype) for _ in range(2 + self.n_slots)]
        self.memory = [self.memory[0], rows, copies]
        self.sums.rows = <Py_ssize_t*>address(rows, np.intp, capacity)
        self.sums.gradients = self.reached.gradients = address(copies[0], dtype, capacity * self.width)
        self.reached.values = address(copies[1], dtype, capacity * self.width)
        for i in range(self.n_slots):
            self.reached.slots[i] = address(copies[2 + i], dtype, capacity * self.width)
        self.capacity = capacity

    def rows_reached(self):
        """The numbers of the rows that the last batch read."""
        return self.memory[1][:self.sums.count].copy() if self.sums.count else np.zeros(0, np.intp)

    def gradient(self):
        """The gradient of the last batch as an array (rows, width)."""
        dense = np.zeros((self.rows, self.width), self.owners[0].dtype)
        if self.sums.count:
            dense[self.memory[1][:self.sums.count]] = (
                self.memory[2][0][:self.sums.count * self.width].reshape(-1, self.width)
            )
        return dense

    cdef void forget(self) noexcept nogil:
        """Empty the list of rows."""
        cdef Py_ssize_t i
        for i in range(self.sums.count):
            self.sums.places[self.sums.rows[i]] = 0
        self.sums.count = 0

    cdef void collect(self, const Batch* batch) noexcept nogil:
        """Compute the gradient of a batch."""
        cdef Py_ssize_t i
        self.forget()
        for i in range(self.n_users):
            (<Layer>self.users[i]).collect_rows(batch, self.parameters[i], &self.sums)

    cdef void copy(self, Py_ssize_t begin, Py_ssize_t end, bint back) noexcept nogil:
        """Copy weights and slots of the rows begin:end of the list out of the table, or back into it."""
        cdef Py_ssize_t i, k, bytes = self.sums.row_bytes
        cdef char* inside
        cdef char* outside
        for k in range(-1, self.n_slots):
            inside = <char*>(self.whole.values if k < 0 else self.whole.slots[k])
            outside = <char*>(self.reached.values if k < 0 else self.reached.slots[k])
            for i in range(begin, end):
                if back:
                    memcpy(inside + self.sums.rows[i] * bytes, outside + i * bytes, bytes)
                else:
                    memcpy(outside + i * bytes, inside + self.sums.rows[i] * bytes, bytes)

    cdef Segment part(self, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
        """The rows begin:end of the list as a segment."""
        cdef Segment part = self.reached
        cdef Py_ssize_t k, offset = begin * self.sums.row_bytes
        part.size = (end - begin) * self.width
        part.values = <char*>part.values + offset
        part.gradients = <char*>part.gradients + offset
        for k in range(self.n_slots):
            part.slots[k] = <char*>part.slots[k] + offset
        return part
