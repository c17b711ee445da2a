"""The flat gradient vector, and who computes which part of it.

A batch that is small enough to lie in memory at once is shared by parts of the vector: each thread computes some, from
all samples. A larger one passes through the layers in tiles; groups of tiles have gradient vectors of their own,
which are added up in the end. Neither the parts nor the groups depend on how many threads there are.
"""

import numpy as np

from cpython.ref cimport PyObject
from cython cimport floating
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.layers.layer cimport Batch, Layer
from cbackprop.compiled.optimizers.optimizer cimport Segment


cdef void add_vectors(Py_ssize_t n, const floating* x, floating* total) noexcept nogil:
    """total += x."""
    cdef Py_ssize_t i
    for i in range(n):
        total[i] += x[i]


cdef class Gradients:
    """
    Parameters
    ----------
    layers : list of Layer
    vector : array
        The gradient vector.
    parameters, parts : list of (layer, parameter, begin, end, offset, add)
        The elements begin:end of the gradient of a layer's parameter go to `offset` of the vector, or are added to
        what is there. A part that is added follows the one that it is added to.
    """

    def __cinit__(self, list layers, vector, list parameters, list parts):
        self.layers = layers
        self.vector = vector
        self.itemsize = vector.dtype.itemsize
        self.size = vector.size
        self.n_parameters, self.n_parts = len(parameters), len(parts)
        self.parameters = <Part*>calloc(self.n_parameters + 1, sizeof(Part))
        self.parts = <Part*>calloc(self.n_parts + 1, sizeof(Part))
        self.work = <Py_ssize_t*>calloc(self.n_parts + 1, sizeof(Py_ssize_t))
        if not (self.parameters and self.parts and self.work):
            raise MemoryError()
        self.fill(self.parameters, parameters)
        self.fill(self.parts, parts)
        for i in range(self.n_parts):
            self.work[i + 1] = self.work[i] + self.parts[i].end - self.parts[i].begin
        self.set_groups(1)

    def __dealloc__(self):
        free(self.parameters)
        free(self.parts)
        free(self.work)
        free(self.groups)

    cdef fill(self, Part* parts, list described):
        cdef Layer layer
        cdef Py_ssize_t i
        for i, (index, k, begin, end, offset, add) in enumerate(described):
            layer = self.layers[index]
            if not (
                0 <= k < layer.n_parameters and 0 <= begin < end <= layer.parameters[k].size
                and (begin % layer.parameters[k].grain, end % layer.parameters[k].grain) == (0, 0)
                and 0 <= offset <= self.size - (end - begin)
            ):
                raise ValueError("A part of the gradient does not fit its parameter or the vector.")
            parts[i] = Part(<PyObject*>layer, k, begin, end, offset, add)

    def set_groups(self, Py_ssize_t n):
        """Have a vector for each of `n` groups of tiles."""
        cdef Py_ssize_t i
        if n <= self.n_groups:
            return
        memory = [self.vector, *[np.zeros_like(self.vector) for _ in range(n - 1)]]
        free(self.groups)
        self.n_groups = 0
        self.groups = <char**>calloc(n, sizeof(char*))
        if self.groups == NULL:
            raise MemoryError()
        for i in range(n):
            self.groups[i] = <char*>address(memory[i], self.vector.dtype, self.size)
        self.memory = memory
        self.n_groups = n

    cdef void collect_tile(self, const Batch* batch, Py_ssize_t group, bint add) noexcept nogil:
        """All gradients of a tile, added to its group's vector unless it is the first."""
        self.collect_all(batch, self.groups[group], add)

    cdef void collect_all(self, const Batch* batch, char* vector, bint add) noexcept nogil:
        """All gradients of a batch, written to a vector or added to what is there."""
        cdef Py_ssize_t i
        cdef Part* part
        for i in range(self.n_parameters):
            part = &self.parameters[i]
            (<Layer>part.layer).collect(
                batch, part.k, part.begin, part.end, add or part.add, vector + part.offset * self.itemsize
            )

    cdef void collect_share(self, const Batch* batch, Py_ssize_t thread, Py_ssize_t threads) noexcept nogil:
        """One thread's parts of the gradient of a whole batch, those that join as one."""
        cdef Py_ssize_t i = 0, end
        cdef Part* part
        cdef bint mine = False
        if threads == 1:
            self.collect_all(batch, self.groups[0], False)
            return
        while i < self.n_parts:
            part = &self.parts[i]
            end = part.end
            if not part.add:
                mine = self.owner(i, threads) == thread
            i += 1
            if not mine:
                continue
            while i < self.n_parts and self.joins(i) and self.owner(i, threads) == thread:
                end = self.parts[i].end
                i += 1
            (<Layer>part.layer).collect(
                batch, part.k, part.begin, end, part.add, self.groups[0] + part.offset * self.itemsize
            )

    cdef bint joins(self, Py_ssize_t i) noexcept nogil:
        """Whether a part goes on where the one before it ends, and no other use is added to either."""
        cdef Part* part = &self.parts[i]
        cdef Part* before = part - 1
        return (
            part.layer == before.layer and part.k == before.k and part.begin == before.end
            and not (part.add or before.add) and not (i + 1 < self.n_parts and self.parts[i + 1].add)
        )

    cdef Py_ssize_t owner(self, Py_ssize_t i, Py_ssize_t threads) noexcept nogil:
        """The thread that computes a part: the one in whose share of all elements its middle is."""
        cdef Py_ssize_t middle = (self.work[i] + self.work[i + 1]) // 2
        return middle * threads // self.work[self.n_parts]

    cdef Segment everything(self) noexcept nogil:
        """The whole gradient vector, without parameters."""
        cdef Segment segment
        memset(&segment, 0, sizeof(Segment))
        segment.size, segment.gradients = self.size, self.groups[0]
        return segment

    cdef void merge(self, const Segment* segment, Py_ssize_t groups) noexcept nogil:
        """Add the vectors of groups of tiles to the first, over a segment of it."""
        cdef Py_ssize_t begin = <char*>segment.gradients - self.groups[0], i
        for i in range(1, groups):
            if self.itemsize == sizeof(double):
                add_vectors(segment.size, <const double*>(self.groups[i] + begin), <double*>segment.gradients)
            else:
                add_vectors(segment.size, <const float*>(self.groups[i] + begin), <float*>segment.gradients)
