"""Positions of a convolution that are sums over the same taps, and are computed together."""

from cbackprop.compiled.kernels.winograd cimport Tiling

cdef enum:
    AXES = 3
    SLACK = 32                  # numbers behind the last one of weights and buffers that may be read


cdef struct Axis:
    # Along one axis: which positions of the output a sweep computes, and what each of them reads.
    Py_ssize_t count            # how many
    Py_ssize_t out_begin, out_step      # where they are in the output
    Py_ssize_t in_begin, in_step        # where the first tap of each is in the input
    Py_ssize_t taps, tap_step           # taps, and how far apart they are in the input
    Py_ssize_t kernel_begin, kernel_step    # which element of the kernel belongs to each tap


cdef struct Stretching:
    # A stretched image, of which some rows are written at a time; see `stretched`.
    bint used
    Py_ssize_t rows             # of output positions that are computed at a time
    Py_ssize_t lines            # rows of the input that they read, of each plane
    Py_ssize_t classes          # how many input positions a step along the last axis takes
    Py_ssize_t positions        # of each class in a row
    Py_ssize_t width            # numbers of each class in a row
    Py_ssize_t entries, taps    # taps of the second axis are `taps` for each entry, or entries
    const Py_ssize_t* at        # (entries,): where the first tap of each is
    const Py_ssize_t* kernel    # (entries,): which row of the kernel that is
    Py_ssize_t kernel_step      # rows of the kernel from a tap to the next one


cdef struct Sweep:
    # Output positions that are sums over the same taps.
    Axis axes[AXES]
    Py_ssize_t in_sizes[AXES]
    Py_ssize_t out_sizes[AXES]
    Py_ssize_t in_channels, out_channels
    bint pads                   # some taps are outside of the input
    bint copies                 # so that it is copied, with zeros around it; else such taps are left out
    Py_ssize_t columns          # numbers that a position computes for each group
    bint runs_on                # the first position of a row is as far behind the last one as they are from each other
    Py_ssize_t rows             # rows of output positions that are computed at a time
    Py_ssize_t strip_rows, strip_columns    # of the input, as it is read for them
    Py_ssize_t run              # numbers that follow each other in the input from each tap on
    Py_ssize_t n_taps
    const Py_ssize_t* taps      # (n_taps,): where in the input
    const Py_ssize_t* at        # (rows, positions of the last axis): where each position's input begins
    Py_ssize_t packed           # where in a packed kernel its taps begin
    Py_ssize_t strip_size       # numbers in a strip
    bint multiplies_less        # it is computed by `winograd`
    Tiling tiling               # how
    Py_ssize_t plane_width      # numbers in a row of a plane of `planar`
    const Py_ssize_t* plane_at  # (taps of two axes, channels): where in planes the first position reads
    Stretching stretching
