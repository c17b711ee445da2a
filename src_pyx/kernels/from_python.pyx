"""Kernels as functions of arrays, for tests and benchmarks.

These functions are in a module of their own, so that they are compiled once, and not for each instruction set.
"""

import numpy as np

from cython cimport floating

from cbackprop.compiled.kernels.convolution cimport convolve, convolve_back
from cbackprop.compiled.kernels.convolution_geometry cimport Convolution
from cbackprop.compiled.kernels.convolution_gradient cimport convolve_kernel
from cbackprop.compiled.kernels.depthwise cimport depthwise, depthwise_back, depthwise_bytes, depthwise_kernel
from cbackprop.compiled.kernels.elementary_loops cimport run_loop
from cbackprop.compiled.kernels.matrix cimport WORKSPACE_BYTES, has_blas, multiply
from cbackprop.compiled.kernels.sweeps cimport SLACK


def elementary(str name, const floating[::1] x, floating[::1] y):
    """y[:] = f(x), for the elementary function f of that name."""
    if y.shape[0] != x.shape[0]:
        raise ValueError("x and y must have the same shape.")
    if x.shape[0]:
        run_loop(name, &x[0], &y[0], x.shape[0])


def product(
    floating[:, ::1] a, floating[:, ::1] b, floating[:, ::1] out, bint transpose_a=False, bint transpose_b=False,
    Py_ssize_t repeat=1, floating[::1] bias=None, bint add=False, Py_ssize_t blas_rows=0,
):
    """Compute out = op(a) op(b) + bias (or add it, if `add`) `repeat` times, where op may transpose.

    It uses tiles or, if `blas_rows` is not 0, BLAS with this many rows of `out` in each call.

    Raises
    ------
    ValueError
        If the shapes do not fit, or one is empty.
    RuntimeError
        If BLAS is requested, but the module `blas` has not been imported.
    """
    cdef Py_ssize_t m = a.shape[transpose_a], k = a.shape[not transpose_a], n = b.shape[not transpose_b], _
    cdef unsigned char[::1] workspace = np.empty(WORKSPACE_BYTES + 64, np.uint8)
    cdef void* aligned = <void*>((<size_t>&workspace[0] + 63) & ~<size_t>63)
    if b.shape[transpose_b] != k or out.shape[0] != m or out.shape[1] != n:
        raise ValueError("The shapes of a, b and out do not fit.")
    if m == 0 or n == 0 or k == 0:
        raise ValueError("The matrices must not be empty.")
    if bias is not None and bias.shape[0] != n:
        raise ValueError("The bias does not fit the columns of out.")
    if blas_rows and not has_blas():
        raise RuntimeError("Import cbackprop.compiled.kernels.blas first.")
    cdef const floating* start = &bias[0] if bias is not None else NULL
    with nogil:
        for _ in range(repeat):
            multiply(
                m, n, k, &a[0, 0], 1 if transpose_a else k, m if transpose_a else 1,
                &b[0, 0], 1 if transpose_b else n, k if transpose_b else 1, False,
                start, add, &out[0, 0], n, 1, aligned, blas_rows,
            )


def convolution(
    Convolution conv not None, str what, floating[::1] image, floating[::1] kernel, floating[::1] maps,
    Py_ssize_t repeat=1, bint add=False,
):
    """Compute the "maps", the "image" or the "kernel" from the other two, `repeat` times.

    After kernel and maps there must be SLACK more numbers, which may be read.

    Raises
    ------
    ValueError
        If an array has another size.
    """
    cdef Py_ssize_t samples = image.shape[0] // conv.image_size, _
    cdef Py_ssize_t rows = conv.layer_taps * (conv.channels // conv.groups)
    cdef Py_ssize_t room = max(conv.forward_numbers(), conv.back_numbers(), conv.kernel_numbers())
    cdef unsigned char[::1] workspace = np.empty(room * sizeof(floating) + 64, np.uint8)
    cdef void* aligned = <void*>((<size_t>&workspace[0] + 63) & ~<size_t>63)
    if (
        samples == 0 or image.shape[0] != samples * conv.image_size
        or maps.shape[0] != samples * conv.maps_size + SLACK or kernel.shape[0] != rows * conv.filters + SLACK
        or what not in ("maps", "image", "kernel")
    ):
        raise ValueError("The arrays do not fit the convolution.")
    cdef int which = ("maps", "image", "kernel").index(what)
    with nogil:
        for _ in range(repeat):
            if which == 0:
                convolve(
                    conv, samples, &image[0], &kernel[0], <const floating*>NULL, add, &maps[0], aligned, NULL, NULL,
                    NULL,
                )
            elif which == 1:
                convolve_back(conv, samples, &maps[0], &kernel[0], <const floating*>NULL, add, &image[0], aligned)
            else:
                convolve_kernel(conv, samples, &image[0], &maps[0], True, 0, rows, add, &kernel[0], aligned)


def depthwise_convolution(
    Convolution conv not None, str what, floating[::1] image, floating[::1] kernel, floating[::1] maps,
    Py_ssize_t repeat=1, bint add=False,
):
    """Compute the "maps", the "image" or the "kernel" from the other two, `repeat` times.

    After kernel and maps there must be SLACK more numbers, which may be read.

    Raises
    ------
    ValueError
        If an array has another size.
    """
    cdef Py_ssize_t samples = image.shape[0] // conv.image_size, _
    cdef Py_ssize_t taps = conv.layer_taps
    cdef unsigned char[::1] workspace = np.empty(depthwise_bytes(conv, sizeof(floating)) + 64, np.uint8)
    cdef void* aligned = <void*>((<size_t>&workspace[0] + 63) & ~<size_t>63)
    if (
        conv.groups != conv.channels or conv.spreads or samples == 0 or image.shape[0] != samples * conv.image_size
        or maps.shape[0] != samples * conv.maps_size + SLACK or kernel.shape[0] != taps * conv.filters + SLACK
        or what not in ("maps", "image", "kernel")
    ):
        raise ValueError("The arrays do not fit the convolution.")
    cdef int which = ("maps", "image", "kernel").index(what)
    with nogil:
        for _ in range(repeat):
            if which == 0:
                depthwise(conv, samples, &image[0], &kernel[0], <const floating*>NULL, &maps[0], aligned)
            elif which == 1:
                depthwise_back(conv, samples, &maps[0], &kernel[0], add, &image[0], aligned)
            else:
                depthwise_kernel(conv, samples, &image[0], &maps[0], add, &kernel[0], aligned)
