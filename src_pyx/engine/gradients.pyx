"""The flat gradient vector, and who computes which part of it.

If a batch is held in memory as a whole, the vector is divided into parts, and each thread computes some parts from all
samples. The gradient of a small kernel that is used at many positions has few elements, but each is a long sum. Such a
sum is also divided into chunks of samples, each with a partial sum for this variable only. A larger batch passes
through the layers in blocks. Groups of blocks are summed apart and added up in order: in vectors of their own or, if a
group is a single block, in portions. Parts, chunks, groups and portions do not depend on the number of threads.
"""

import numpy as np

from cbackprop.compiled.kernels.memory import aligned_zeros

from cpython.ref cimport PyObject
from cython cimport floating
from libc.stdint cimport int32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from cbackprop.compiled.engine.context cimport Context, describe
from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.layers.layer cimport Batch, Layer
from cbackprop.compiled.optimizers.optimizer cimport Segment

cdef extern from "atomics.h" nogil:
    int32_t ATOMIC_SWAP(int32_t* p, int32_t n)

# The least floating point operations of a chunk. They take some 40 microseconds, much longer than adding the chunk up.
cdef double CHUNK_FLOPS = 4e6

cdef enum:
    LARGE_BYTES = 1024 * 1024   # of a gradient vector that should not be there once more than needed


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
    parameters, parts, portions : list of (layer, parameter, begin, end, offset, add, flops, sum, point)
        The elements begin:end of the gradient of a layer's parameter are stored at `offset` of the vector, or are added
        to the values there. `flops` is the number of floating point operations for a sample. A part that is added comes
        after the one that it is added to. `sum` is the number of the long sum that this is a part of, or -1. `point`
        says when the part can be computed, if the batch is held as a whole: at that meeting of the backward pass, or
        after the pass. Points are in ascending order.
    sums : list of (offset, size, flops, most)
        Variables whose gradients may be summed in up to `most` chunks of samples: their place in the vector, and their
        floating point operations for a sample.
    """

    def __cinit__(self, list layers, vector, list parameters, list parts, list portions, list sums):
        self.layers = layers
        self.vector = vector
        self.itemsize = vector.dtype.itemsize
        self.size = vector.size
        self.n_parameters, self.n_parts, self.n_sums = len(parameters), len(parts), len(sums)
        self.n_portions = len(portions)
        self.n_points = max([part[8] for part in parameters], default=0) + 1
        self.parameters = <Part*>calloc(self.n_parameters + 1, sizeof(Part))
        self.parts = <Part*>calloc(self.n_parts + 1, sizeof(Part))
        self.portions = <Part*>calloc(self.n_portions + 1, sizeof(Part))
        self.work = <double*>calloc(self.n_parts + 1, sizeof(double))
        self.sums = <LongSum*>calloc(self.n_sums + 1, sizeof(LongSum))
        self.first_parameter = <Py_ssize_t*>calloc(self.n_points + 1, sizeof(Py_ssize_t))
        self.first_part = <Py_ssize_t*>calloc(self.n_points + 1, sizeof(Py_ssize_t))
        if not (
            self.parameters and self.parts and self.portions and self.work and self.sums and self.first_parameter
            and self.first_part
        ):
            raise MemoryError()
        for i, (offset, size, flops, most) in enumerate(sums):
            if not 0 <= offset <= self.size - size or most < 1:
                raise ValueError("A long sum does not fit the vector.")
            self.sums[i] = LongSum(offset, size, flops, most, 1, NULL)
        self.fill(self.parameters, parameters)
        self.fill(self.parts, parts)
        self.fill(self.portions, portions)
        self.find_firsts(self.first_parameter, parameters)
        self.find_firsts(self.first_part, parts)
        for i in range(self.n_parts):
            self.work[i + 1] = self.work[i] + max(<double>parts[i][6], 1.0)
        self.set_vectors(1)

    def __dealloc__(self):
        free(self.parameters)
        free(self.parts)
        free(self.portions)
        free(self.work)
        free(self.sums)
        free(self.first_parameter)
        free(self.first_part)
        free(self.vectors)
        free(self.in_use)

    cdef fill(self, Part* parts, list described):
        """Fill an array of parts."""
        cdef Layer layer
        cdef Py_ssize_t i
        for i, (index, k, begin, end, offset, add, _, number, _) in enumerate(described):
            layer = self.layers[index]
            if not (
                0 <= k < layer.n_parameters and 0 <= begin < end <= layer.parameters[k].size
                and (begin % layer.parameters[k].grain, end % layer.parameters[k].grain) == (0, 0)
                and 0 <= offset <= self.size - (end - begin) and -1 <= number < self.n_sums
            ):
                raise ValueError("A part of the gradient does not fit its parameter or the vector.")
            if number >= 0 and not (
                self.sums[number].offset <= offset
                and offset + end - begin <= self.sums[number].offset + self.sums[number].size
            ):
                raise ValueError("A part of the gradient does not fit its sum.")
            parts[i] = Part(<PyObject*>layer, k, begin, end, offset, add, number)

    cdef find_firsts(self, Py_ssize_t* firsts, list described):
        """firsts (n_points + 1,) OUT: the first part of each point, then the number of parts."""
        cdef Py_ssize_t i, point = 0
        firsts[self.n_points] = len(described)
        for i, (*_, at) in enumerate(described):
            if not point <= at < self.n_points:
                raise ValueError("The parts of the gradient are not in the order in which they can be computed.")
            while point < at:
                point += 1
                firsts[point] = i
        while point < self.n_points - 1:
            point += 1
            firsts[point] = len(described)

    cdef bint sums_everything(self):
        """Whether every parameter belongs to a long sum."""
        cdef Py_ssize_t i
        for i in range(self.n_parameters):
            if self.parameters[i].sum < 0:
                return False
        return True

    def cut(self, const Py_ssize_t[::1] begins):
        """From now on, sum the rows of every batch in these pieces, and add the sums of the pieces up pair by pair.

        begins (pieces + 1,): where each piece begins, and where the last one ends. The owner of the array changes it
        before each batch. There are 1, 2, 4, ... pieces.
        """
        cdef Py_ssize_t n = begins.shape[0] - 1
        if n < 1 or n & (n - 1) or not self.sums_everything():
            raise ValueError("The gradients cannot be cut in these pieces.")
        self.piece_memory = begins
        self.n_pieces, self.pieces = n, &begins[0]

    def reserve(self, Py_ssize_t rows):
        """Allocate memory for the chunks of a batch of up to `rows` samples that is held as a whole."""
        cdef Py_ssize_t i, room
        self.sum_memory = self.sum_memory or [None] * self.n_sums
        for i in range(self.n_sums):
            room = self.chunks(&self.sums[i], rows)
            if room > self.sums[i].room:
                self.sums[i].room = 1
                self.sum_memory[i] = np.zeros((room - 1) * self.sums[i].size, self.vector.dtype)
                self.sums[i].partials = <char*>address(
                    self.sum_memory[i], self.vector.dtype, (room - 1) * self.sums[i].size
                )
                self.sums[i].room = room
                self.cuts = True

    def chunk_counts(self, Py_ssize_t rows):
        """The number of chunks of each long sum, for a batch of `rows` samples."""
        return [self.chunks(&self.sums[i], rows) for i in range(self.n_sums)]

    cdef Py_ssize_t chunks(self, const LongSum* sum, Py_ssize_t rows) noexcept nogil:
        """The number of chunks of a long sum. It must not depend on the number of threads."""
        if self.n_pieces:
            return self.n_pieces
        return max(min(min(<Py_ssize_t>(sum.flops * rows / CHUNK_FLOPS), sum.most), rows), <Py_ssize_t>1)

    cdef Py_ssize_t chunk_begin(self, Py_ssize_t chunk, Py_ssize_t n, Py_ssize_t rows) noexcept nogil:
        """The first row of one of n chunks of a batch. A chunk ends where the next one begins."""
        return self.pieces[chunk] if self.n_pieces else rows * chunk // n

    cdef bint has_room(self, Py_ssize_t rows) noexcept nogil:
        """Whether there is memory for the chunks of a batch of `rows` samples."""
        cdef Py_ssize_t i
        for i in range(self.n_sums):
            if self.chunks(&self.sums[i], rows) > self.sums[i].room:
                return False
        return True

    def set_vectors(self, Py_ssize_t n):
        """Allocate up to `n` vectors for groups of blocks. The first one is the gradient vector itself."""
        cdef Py_ssize_t i
        if n <= self.n_vectors:
            return
        memory = [self.vector, *[np.zeros_like(self.vector) for _ in range(n - 1)]]
        cdef char** vectors = <char**>calloc(n, sizeof(char*))
        cdef int32_t* in_use = <int32_t*>calloc(n, sizeof(int32_t))
        if vectors == NULL or in_use == NULL:
            free(vectors)
            free(in_use)
            raise MemoryError()     # with everything as it was
        for i in range(n):
            vectors[i] = <char*>address(memory[i], self.vector.dtype, self.size)
        free(self.vectors)
        free(self.in_use)
        self.memory, self.vectors, self.in_use, self.n_vectors = memory, vectors, in_use, n

    def reserve_scratch(self):
        """Allocate memory for the largest portion of a block's gradient."""
        cdef Py_ssize_t i, size = 1
        if self.scratch != NULL:
            return
        for i in range(self.n_portions):
            size = max(size, self.portions[i].end - self.portions[i].begin)
        self.scratch_memory = aligned_zeros(size, self.vector.dtype)
        self.scratch = <char*>address(self.scratch_memory, self.vector.dtype, size)

    cdef bint is_large(self) noexcept nogil:
        """Whether another vector takes much memory."""
        return self.size * self.itemsize >= LARGE_BYTES

    cdef void collect_block(self, const Batch* batch, Py_ssize_t vector, bint add) noexcept nogil:
        """Compute all gradients of a block, and write them to a vector or add them to it.

        With BLAS this takes the same calls as `add_block`, because the bits of BLAS's results may depend on the number
        of rows.
        """
        if batch.blas_rows:
            self.collect_each(batch, self.portions, self.n_portions, self.vectors[vector], add)
        else:
            self.collect_all(batch, self.vectors[vector], add)

    cdef void add_block(self, const Batch* batch) noexcept nogil:
        """Compute all gradients of a block, portion by portion, and add each to the gradient vector.

        This gives the same bits as a vector of their own that is added later: what is added is the sum over the block.
        """
        cdef Py_ssize_t i
        cdef Part* part
        for i in range(self.n_portions):
            part = &self.portions[i]
            (<Layer>part.layer).collect(batch, part.k, part.begin, part.end, part.add, self.scratch)
            if not part[1].add:     # else another use of the same weights comes first; there is a part after the last
                self.add_to(part.offset, part.offset + part.end - part.begin, self.scratch)

    cdef void collect_all(self, const Batch* batch, char* vector, bint add) noexcept nogil:
        """Compute all gradients of a batch, and write them to a vector or add them to it."""
        self.collect_each(batch, self.parameters, self.n_parameters, vector, add)

    cdef void collect_each(
        self, const Batch* batch, const Part* parts, Py_ssize_t n, char* vector, bint add
    ) noexcept nogil:
        """Compute parts of the gradients of a batch, and write them to a vector or add them to it."""
        cdef Py_ssize_t i
        cdef const Part* part
        for i in range(n):
            part = &parts[i]
            (<Layer>part.layer).collect(
                batch, part.k, part.begin, part.end, add or part.add, vector + part.offset * self.itemsize
            )

    cdef void collect_share(
        self, const Batch* batch, Context own, const Samples* samples, Py_ssize_t point
    ) noexcept nogil:
        """Compute this thread's parts of the gradients that are ready at a point. One call computes adjacent parts.

        With BLAS every part is a call of its own, also on one thread, because the bits of BLAS's results may depend on
        the number of rows.

        own : the thread's own context, which it points to chunks of the samples.
        """
        cdef Py_ssize_t i = self.first_part[point], base = i, last = self.first_part[point + 1], end
        cdef Part* part
        cdef bint mine = False
        if samples.threads == 1 and not batch.blas_rows:
            self.collect_parameters(batch, own, samples, point)
            return
        while i < last:
            part = &self.parts[i]
            end = part.end
            if not part.add:
                base = i
                mine = self.owner(i, point, 0, 1, samples.threads) == samples.thread
            i += 1
            if self.is_cut(part, batch.rows):
                self.collect_chunks(base, point, part, batch, own, samples)
                continue
            if not mine:
                continue
            while (
                i < last and not batch.blas_rows and self.joins(i, last, batch.rows)
                and self.owner(i, point, 0, 1, samples.threads) == samples.thread
            ):
                end = self.parts[i].end
                i += 1
            (<Layer>part.layer).collect(
                batch, part.k, part.begin, end, part.add, self.vectors[0] + part.offset * self.itemsize
            )

    cdef void collect_parameters(
        self, const Batch* batch, Context own, const Samples* samples, Py_ssize_t point
    ) noexcept nogil:
        """Compute all gradients of a point in one thread: the same sums as with several threads, in fewer calls."""
        cdef Py_ssize_t i
        cdef Part* part
        for i in range(self.first_parameter[point], self.first_parameter[point + 1]):
            part = &self.parameters[i]
            if self.is_cut(part, batch.rows):
                self.collect_chunks(0, point, part, batch, own, samples)
            else:
                (<Layer>part.layer).collect(
                    batch, part.k, part.begin, part.end, part.add, self.vectors[0] + part.offset * self.itemsize
                )

    cdef void collect_chunks(
        self, Py_ssize_t i, Py_ssize_t point, Part* part, const Batch* batch, Context own, const Samples* samples
    ) noexcept nogil:
        """Compute this thread's chunks of a part; they have the same owners as those of part i. Restore the context."""
        cdef LongSum* sum = &self.sums[part.sum]
        cdef Py_ssize_t rows = batch.rows, n = self.chunks(sum, rows), chunk, begin, end
        cdef Py_ssize_t shown = own.shown
        cdef Batch before = own.batch
        cdef char* out
        for chunk in range(n):
            if samples.threads > 1 and self.owner(i, point, chunk, n, samples.threads) != samples.thread:
                continue
            begin, end = self.chunk_begin(chunk, n, rows), self.chunk_begin(chunk + 1, n, rows)
            out = self.vectors[0] + part.offset * self.itemsize
            if chunk:
                out = sum.partials + ((chunk - 1) * sum.size + part.offset - sum.offset) * self.itemsize
            if begin == end:
                self.clear(part, out)
                continue
            own.show(begin, end - begin)
            describe(
                own, end - begin, batch.training, batch.iteration, batch.first + begin, begin, batch.total,
                batch.blas_rows > 0,
            )
            own.refer(samples.feeds, samples.order, samples.start + begin)
            (<Layer>part.layer).collect(&own.batch, part.k, part.begin, part.end, part.add, out)
        own.show(shown, before.rows)
        own.refer(samples.feeds, samples.order, samples.start + before.offset)
        own.batch = before

    cdef void clear(self, const Part* part, char* out) noexcept nogil:
        """Write the gradient of a batch without rows, which is 0, unless the part is added to another one."""
        if not part.add:
            memset(out, 0, (part.end - part.begin) * self.itemsize)

    cdef void clear_all(self) noexcept nogil:
        """Write all gradients of a batch without rows."""
        memset(self.vectors[0], 0, self.size * self.itemsize)

    cdef bint is_cut(self, const Part* part, Py_ssize_t rows) noexcept nogil:
        """Whether a part of the gradient is summed in chunks, for a batch of `rows` samples."""
        return self.cuts and part.sum >= 0 and self.chunks(&self.sums[part.sum], rows) > 1

    cdef bint joins(self, Py_ssize_t i, Py_ssize_t last, Py_ssize_t rows) noexcept nogil:
        """Whether a part begins where the previous one ends, and no other use is added to either."""
        cdef Part* part = &self.parts[i]
        cdef Part* before = part - 1
        return (
            part.layer == before.layer and part.k == before.k and part.begin == before.end
            and not (self.is_cut(part, rows) or part.add or before.add)
            and not (i + 1 < last and self.parts[i + 1].add)
        )

    cdef Py_ssize_t owner(
        self, Py_ssize_t i, Py_ssize_t point, Py_ssize_t chunk, Py_ssize_t chunks, Py_ssize_t threads
    ) noexcept nogil:
        """The thread that computes a chunk: the one whose share of the operations contains the middle of the chunk."""
        cdef double before = self.work[self.first_part[point]], all = self.work[self.first_part[point + 1]] - before
        cdef double middle = self.work[i] + (self.work[i + 1] - self.work[i]) * (2 * chunk + 1) / (2 * chunks) - before
        return min(<Py_ssize_t>(middle * threads / all), threads - 1)

    cdef Segment everything(self) noexcept nogil:
        """The whole gradient vector, without parameters."""
        cdef Segment segment
        memset(&segment, 0, sizeof(Segment))
        segment.size, segment.gradients = self.size, self.vectors[0]
        return segment

    cdef Py_ssize_t take_vector(self) noexcept nogil:
        """The number of a vector that no thread uses, which the caller may use from now on; 0 if there is none."""
        cdef Py_ssize_t i
        for i in range(1, self.n_vectors):
            if not ATOMIC_SWAP(&self.in_use[i], True):
                return i
        return 0

    cdef void add_and_free(self, Py_ssize_t vector) noexcept nogil:
        """Add a vector to the first one; then other threads may use it."""
        self.add_to(0, self.size, self.vectors[vector])
        ATOMIC_SWAP(&self.in_use[vector], False)

    cdef void merge_chunks(self, const Segment* segment, Py_ssize_t rows) noexcept nogil:
        """Add the chunks up over a segment of the vector, for a batch of `rows` samples that is held as a whole."""
        cdef Py_ssize_t begin = (<char*>segment.gradients - self.vectors[0]) // self.itemsize, first, end, i, chunk
        cdef LongSum* sum
        for i in range(self.n_sums):
            sum = &self.sums[i]
            first, end = max(sum.offset, begin), min(sum.offset + sum.size, begin + segment.size)
            if first >= end:
                continue
            if self.n_pieces:
                self.join_pieces(first, end, sum)
                continue
            for chunk in range(1, self.chunks(sum, rows)):
                self.add_to(
                    first, end,
                    sum.partials + ((chunk - 1) * sum.size + first - sum.offset) * self.itemsize,
                )

    cdef void join_pieces(self, Py_ssize_t first, Py_ssize_t end, const LongSum* sum) noexcept nogil:
        """Add up the pieces of a sum over the elements first:end of the vector: neighbours, then their sums, and so on.

        So the sums of pieces 0:n/2 and n/2:n have the same bits, whichever ranks compute them.
        """
        cdef Py_ssize_t step = 1, pair, i
        cdef char* vector = self.vectors[0] + first * self.itemsize
        while step < self.n_pieces:
            for pair in range(self.n_pieces // (2 * step)):
                i = pair * 2 * step
                self.add(
                    end - first,
                    sum.partials + ((i + step - 1) * sum.size + first - sum.offset) * self.itemsize,
                    vector if i == 0 else sum.partials + ((i - 1) * sum.size + first - sum.offset) * self.itemsize,
                )
            step *= 2

    cdef void add_to(self, Py_ssize_t begin, Py_ssize_t end, const char* sum) noexcept nogil:
        """Add to the elements begin:end of the vector."""
        self.add(end - begin, sum, self.vectors[0] + begin * self.itemsize)

    cdef void add(self, Py_ssize_t n, const char* x, char* total) noexcept nogil:
        """total += x."""
        if self.itemsize == sizeof(double):
            add_vectors(n, <const double*>x, <double*>total)
        else:
            add_vectors(n, <const float*>x, <float*>total)
