"""Where everything is that a convolution reads and writes. Other packages may `cimport` it."""

from cython cimport floating

from cbackprop.compiled.kernels.sweeps cimport AXES, Sweep

cdef class Convolution:
    cdef Py_ssize_t[AXES] image, maps, kernel, stride, dilation, before     # of the taps that reach the image
    cdef readonly Py_ssize_t channels, filters, groups
    cdef Py_ssize_t image_size, maps_size       # numbers of a sample
    cdef Py_ssize_t kernel_rows                 # taps times channels of a group
    cdef const Py_ssize_t* taps_at              # which of the layer's taps these are, if not all, or NULL
    cdef Py_ssize_t layer_taps                  # taps of the layer's kernel
    cdef Py_ssize_t taps_room                   # numbers of a copy of their weights, if not all
    cdef bint planar_forward, planar_back, planar_gradient      # maps, image or kernel are computed by `planar`
    cdef bint stretched_forward, stretched_gradient     # maps or kernel are computed by `stretched`
    cdef Py_ssize_t gradient_rows               # rows of output positions that a gradient is summed over at a time
    cdef Sweep forward
    cdef Sweep* back
    cdef Py_ssize_t n_back
    cdef bint gaps                              # back, some positions of the image belong to no sweep
    cdef bint spreads                           # back, a position of the maps adds to a row of the image at once
    cdef Py_ssize_t spread_room                 # numbers of what is to be added, and of a row
    cdef Py_ssize_t spread_row_size             # numbers of that row
    cdef Py_ssize_t strip_room                  # numbers of the largest strip, and of what is read behind it
    cdef const Py_ssize_t* lines_at             # (rows of the sweep,): where in a strip each row of positions begins
    cdef const Py_ssize_t* kernel_at            # (kernel_rows,): where in a strip each row of the kernel reads
    cdef Convolution together                   # of several samples, as lines of one image; None if that gains nothing
    cdef Py_ssize_t n_together                  # how many
    cdef bint joins_forward, joins_back         # whether such passes give the same bits
    cdef list tables                            # what pointers point into: kept alive here

    cdef int leave_out_taps(self, tuple kernel, tuple parts) except -1
    cdef object forward_axis(self, int axis)
    cdef object back_axis(self, int axis, Py_ssize_t remainder)
    cdef list back_classes(self, int axis)
    cdef tuple choose_forward(self, bint gradient)
    cdef int make_back(self, bint may_spread) except -1
    cdef int choose_back(self, bint may_spread, list classes) except -1
    cdef int make_gradient(self) except -1
    cdef int make_stretching(self) except -1
    cdef int make_together(self, object whole, bint may_spread) except -1
    cdef Sweep make_sweep(self, list axes, bint forward, Py_ssize_t packed, Py_ssize_t columns) except *
    cdef const Py_ssize_t* keep(self, table) except? NULL
    cdef Py_ssize_t spread_row_numbers(self) noexcept
    cdef Py_ssize_t forward_numbers(self) noexcept
    cdef Py_ssize_t forward_alone(self) noexcept
    cdef Py_ssize_t back_numbers(self) noexcept
    cdef Py_ssize_t back_alone(self) noexcept
    cdef Py_ssize_t kernel_numbers(self) noexcept
    cdef Py_ssize_t kernel_alone(self) noexcept

cdef const floating* reaching_taps(Convolution conv, const floating* kernel, void** workspace) noexcept nogil
