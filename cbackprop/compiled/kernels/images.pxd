"""Parts of images, signals and volumes, repetitions, and resizing, channels last."""

from cython cimport floating


cdef struct Box:
    # A part of a larger box, for samples of three axes: numbers along each axis, and where the part begins.
    Py_ssize_t whole[3]
    Py_ssize_t part[3]
    Py_ssize_t start[3]


cdef struct Repeats:
    Py_ssize_t sizes[4]     # of a sample: planes, rows, pixels of a row, channels
    Py_ssize_t times[3]     # how often planes, rows and pixels are repeated


cdef struct Taps:
    # Each output along an axis is a weighted sum over successive inputs.
    Py_ssize_t inputs
    Py_ssize_t outputs
    const Py_ssize_t* first     # (outputs,): the first input
    const Py_ssize_t* ends      # (outputs + 1,): where the weights of an output begin
    const void* weights         # (number of all,)
    const void* constants       # (outputs,): added to the sums


cdef void take(Py_ssize_t samples, const Box* box, const floating* x, bint add, floating* y) noexcept nogil
cdef void put(Py_ssize_t samples, const Box* box, const floating* x, bint add, floating* y) noexcept nogil
cdef void repeat(Py_ssize_t samples, const Repeats* of, const floating* x, floating* y) noexcept nogil
cdef void sum_repeated(
    Py_ssize_t samples, const Repeats* of, const floating* x, bint add, floating* sums, floating* y
) noexcept nogil
cdef void resample(
    Py_ssize_t samples, Py_ssize_t channels, const Taps* tall, const Taps* wide, const floating* x, bint add,
    floating* row, floating* y
) noexcept nogil
