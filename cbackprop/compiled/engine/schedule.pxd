"""In which order the phases of layers run, and where threads meet."""

from cpython.ref cimport PyObject

from cbackprop.compiled.layers.layer cimport Batch


cdef struct Phase:
    PyObject* layer
    int number                  # which of the layer's phases


cdef struct Stage:
    # Consecutive phases of ROWS; or a single phase of ITEMS; or a meeting without a phase, which has the kind ITEMS.
    int kind
    Py_ssize_t begin, end       # of the schedule's phases
    int point                   # the point whose gradients are computed here, or -1


cdef class Schedule:
    cdef bint back
    cdef Phase* phases
    cdef Stage* stages
    cdef Py_ssize_t n_stages
    cdef readonly bint meets    # there is a phase of ITEMS
    cdef list layers            # the targets of the pointers: kept alive here

    cdef add(self, object layer, int kind, int number, int point)
    cdef add_stage(self, int kind, int point)
    cdef void run_rows(self, Py_ssize_t stage, const Batch* batch) noexcept nogil
    cdef void run_items(
        self, Py_ssize_t stage, const Batch* batch, Py_ssize_t thread, Py_ssize_t threads
    ) noexcept nogil
