"""The places of everything that a convolution reads and writes. Other packages may `cimport` it."""

from cython cimport floating

from cbackprop.compiled.kernels.sweeps cimport AXES, Sweep

cdef class Convolution:
    cdef Py_ssize_t[AXES] image, maps, kernel, stride, dilation, before     # of the taps that reach the image
    cdef readonly Py_ssize_t channels, filters, groups
    cdef Py_ssize_t image_size, maps_size       # numbers of a sample
    cdef Py_ssize_t kernel_rows                 # taps times channels of a group
    cdef const Py_ssize_t* taps_at              # the numbers of these among the layer's taps; NULL if all are used
    cdef Py_ssize_t layer_taps                  # taps of the layer's kernel
    cdef Py_ssize_t taps_room                   # numbers of a copy of their weights, if not all
    cdef bint planar_forward, planar_back, planar_gradient      # maps, image or kernel are computed by `planar`
    cdef bint stretched_forward, stretched_gradient     # maps or kernel are computed by `stretched`
    cdef Py_ssize_t gradient_rows               # rows of output positions over which a gradient is summed at a time
    cdef Py_ssize_t gradient_samples            # or over so many whole samples, if these are small
    cdef Py_ssize_t gradient_step               # how far apart the strips of such samples are
    cdef Sweep forward
    cdef Sweep* back
    cdef Py_ssize_t n_back
    cdef bint gaps                              # in the backward pass, some positions of the image belong to no sweep
    cdef bint spreads                           # in the backward pass, positions of the maps add to rows of the image
    cdef bint abuts                             # if so, whether they write all of a row, without overlapping
    cdef Py_ssize_t spread_room                 # numbers of workspace for what positions add; or for a bias
    cdef Py_ssize_t strip_room                  # numbers of the largest strip, and of those that may be read behind it
    cdef const Py_ssize_t* lines_at             # (samples, rows of the sweep): beginning of each row of positions
    cdef const Py_ssize_t* kernel_at            # (kernel_rows,): the place in a strip that each row of the kernel reads
    cdef Convolution together                   # of several samples, as lines of one image; None if it is not faster
    cdef Py_ssize_t n_together                  # how many samples
    cdef bint joins_forward, joins_back         # whether such passes give the same bits
    cdef list tables                            # the arrays of the pointers: kept alive here

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
    cdef Py_ssize_t forward_numbers(self) noexcept
    cdef Py_ssize_t forward_alone(self) noexcept
    cdef Py_ssize_t back_numbers(self) noexcept
    cdef Py_ssize_t back_alone(self) noexcept
    cdef Py_ssize_t kernel_numbers(self) noexcept
    cdef Py_ssize_t kernel_alone(self) noexcept
    cdef Py_ssize_t gradient_strips(self) noexcept nogil

cdef const floating* reaching_taps(Convolution conv, const floating* kernel, void** workspace) noexcept nogil


cdef inline Py_ssize_t together(Convolution conv, Py_ssize_t samples, bint joins) noexcept nogil:
    """How many samples are computed together with others."""
    return samples // conv.n_together * conv.n_together if joins else 0
