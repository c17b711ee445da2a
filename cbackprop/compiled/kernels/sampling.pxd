"""Affine maps of images, flipped images, and windows of images."""

from cython cimport floating

cdef enum:
    # How an image is continued outside of its edges.
    REFLECT
    WRAP
    CONSTANT
    NEAREST


cdef struct Sampling:
    Py_ssize_t height       # of the input, in pixels
    Py_ssize_t width
    Py_ssize_t pitch        # pixels from one of its rows to the next: more than `width` if it is a window of an image
    Py_ssize_t out_height
    Py_ssize_t out_width
    Py_ssize_t channels
    int fill
    bint bilinear           # else the nearest pixel is taken


cdef void sample_forward(
    const Sampling* s, const double* map, floating fill_value, const floating* x, floating* y
) noexcept nogil
cdef void sample_backward(const Sampling* s, const double* map, const floating* dy, floating* dx) noexcept nogil
cdef void flip(
    Py_ssize_t height, Py_ssize_t width, Py_ssize_t channels, bint rows, bint columns, bint add,
    const floating* x, floating* y
) noexcept nogil
