"""In which order the phases of layers run, and where threads meet.

Consecutive phases of ROWS make a stage: each thread goes through it with its own samples, without waiting. A phase of
ITEMS is a stage of its own, between two meetings. In a backward pass, gradients can be computed there too, because all
threads have finished the layers before.
"""

from cpython.ref cimport PyObject
from libc.stdlib cimport calloc, free

from cbackprop.compiled.layers.layer cimport Batch, ITEMS, Layer, MOST_PHASES


cdef class Schedule:
    """
    Parameters
    ----------
    layers : list of Layer
        In the order in which they run.
    training : bool
    back : bool
        Whether this is a backward pass.
    points : list of int
        Positions in the list of layers. In front of each, gradients of the layers before are computed: in the layer's
        phase of ITEMS or, if it has none in this run, at an extra meeting.
    shared_rows : int
        The rows of a batch if it is shared by several threads, which then may divide items instead of rows; or 0.
    """

    def __cinit__(self, list layers, bint training, bint back, list points, Py_ssize_t shared_rows):
        cdef Layer layer
        cdef int kinds[MOST_PHASES]
        cdef int number, count
        self.back = back
        self.layers = list(layers)
        self.phases = <Phase*>calloc(MOST_PHASES * len(layers) + 1, sizeof(Phase))
        self.stages = <Stage*>calloc(MOST_PHASES * len(layers) + len(points) + 1, sizeof(Stage))
        if self.phases == NULL or self.stages == NULL:
            raise MemoryError()
        for i, layer in enumerate(self.layers):
            if not back and layer.led[training]:
                continue
            count = layer.phases(training, back, kinds)
            if shared_rows and layer.prefers_items(shared_rows):
                kinds[0] = ITEMS
            point = points.index(i) if i in points else -1
            if point >= 0 and ITEMS not in [kinds[number] for number in range(count)]:
                self.add_stage(ITEMS, point)
                point = -1
            for number in range(count):
                self.add(layer, kinds[number], number, point)
                if kinds[number] == ITEMS:
                    point = -1

    def __dealloc__(self):
        free(self.phases)
        free(self.stages)

    cdef add(self, object layer, int kind, int number, int point):
        """Add a phase, to the last stage or as a new one. A stage of ITEMS begins with the gradients of `point`."""
        cdef Stage* stage
        if self.n_stages == 0 or kind == ITEMS or self.stages[self.n_stages - 1].kind == ITEMS:
            self.add_stage(kind, point)
        stage = &self.stages[self.n_stages - 1]
        self.phases[stage.end] = Phase(<PyObject*>layer, number)
        stage.end += 1

    cdef add_stage(self, int kind, int point):
        """Add a stage without a phase."""
        cdef Py_ssize_t begin = 0 if self.n_stages == 0 else self.stages[self.n_stages - 1].end
        self.stages[self.n_stages] = Stage(kind, begin, begin, point if kind == ITEMS else -1)
        self.n_stages += 1
        self.meets = self.meets or kind == ITEMS

    cdef void run_rows(self, Py_ssize_t stage, const Batch* batch) noexcept nogil:
        """Run all phases of a stage of ROWS on some samples."""
        cdef Py_ssize_t i
        for i in range(self.stages[stage].begin, self.stages[stage].end):
            (<Layer>self.phases[i].layer).run_rows(batch, self.back, self.phases[i].number)

    cdef void run_items(
        self, Py_ssize_t stage, const Batch* batch, Py_ssize_t thread, Py_ssize_t threads
    ) noexcept nogil:
        """Run this thread's items of a stage of ITEMS, given all samples of the batch."""
        cdef Phase* phase = &self.phases[self.stages[stage].begin]
        cdef Py_ssize_t count, begin, end
        if self.stages[stage].begin == self.stages[stage].end:
            return
        count = (<Layer>phase.layer).items(batch, self.back, phase.number)
        # The first thread has the first item, so code in Python runs in the thread that called `fit`.
        begin = (count * thread + threads - 1) // threads
        end = (count * (thread + 1) + threads - 1) // threads
        if begin < end:
            (<Layer>phase.layer).run_items(batch, self.back, phase.number, begin, end)
