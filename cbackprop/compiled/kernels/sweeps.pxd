"""Sweeps: positions of a convolution that are sums over the same taps and are computed together."""

from cbackprop.compiled.kernels.winograd cimport Tiling

cdef enum:
    AXES = 3
    SLACK = 32                  # numbers that may be read behind the last number of weights and buffers


cdef struct Axis:
    # Along one axis: the positions of the output that a sweep computes, and the inputs that each of them reads.
    Py_ssize_t count            # positions
    Py_ssize_t out_begin, out_step      # their places in the output
    Py_ssize_t in_begin, in_step        # the place of each one's first tap in the input
    Py_ssize_t taps, tap_step           # taps, and their distance in the input
    Py_ssize_t kernel_begin, kernel_step    # the element of the kernel for each tap


cdef struct Stretching:
    # A stretched image; some rows of it are written at a time, see `stretched`.
    bint used
    Py_ssize_t rows             # of output positions that are computed at a time
    Py_ssize_t lines            # rows of the input that they read, of each plane
    Py_ssize_t classes          # input positions in a step along the last axis
    Py_ssize_t positions        # of each class in a row
    Py_ssize_t width            # numbers of each class in a row
    Py_ssize_t entries, taps    # taps of the second axis are `taps` for each entry, or entries
    const Py_ssize_t* at        # (entries,): the place of each one's first tap
    const Py_ssize_t* kernel    # (entries,): the row of the kernel for that tap
    Py_ssize_t kernel_step      # rows of the kernel from a tap to the next one


cdef struct Sweep:
    # Output positions that are sums over the same taps.
    Axis axes[AXES]
    Py_ssize_t in_sizes[AXES]
    Py_ssize_t out_sizes[AXES]
    Py_ssize_t in_channels, out_channels
    bint pads                   # some taps are outside of the input
    bint copies                 # the input is copied, with zeros around it; else taps outside are left out
    Py_ssize_t columns          # numbers that a position computes for each group
    bint runs_on                # output positions are equally far apart, also from one row to the next
    Py_ssize_t rows             # rows of output positions that are computed at a time
    Py_ssize_t strip_rows, strip_columns    # the size of the strip of the input that these read
    Py_ssize_t run              # contiguous numbers of the input for each tap
    Py_ssize_t n_taps
    const Py_ssize_t* taps      # (n_taps,): the place of each tap in the input
    const Py_ssize_t* at        # (rows, positions of the last axis): the beginning of each position's input
    Py_ssize_t packed           # the beginning of its taps in a packed kernel
    Py_ssize_t strip_size       # numbers in a strip
    bint multiplies_less        # it is computed by `winograd`
    Tiling tiling               # the tiles of `winograd`
    Py_ssize_t plane_width      # numbers in a row of a plane of `planar`
    const Py_ssize_t* plane_at  # (taps of two axes, channels): the place in planes that the first position reads
    Stretching stretching
