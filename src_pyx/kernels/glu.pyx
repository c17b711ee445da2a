"""The gated linear unit: of x = [a, b] along an axis, y = a sigmoid(b). So y has half as many elements as x.

Matrices are those of an activation along an axis: `rows` of two halves of `half` elements.
"""

import numpy as np

from cbackprop.compiled.kernels.elementary cimport sigmoid, sigmoids


cdef void glu_forward(
    Py_ssize_t rows, Py_ssize_t half,
    const floating* x,          # (rows, 2 half) IN
    floating* y,                # (rows, half) OUT
) noexcept nogil:
    """y = a sigmoid(b)."""
    cdef Py_ssize_t _, j
    for _ in range(rows):
        for j in range(half):
            y[j] = x[j] * sigmoid(x[half + j])
        x += 2 * half
        y += half


cdef void glu_backward(
    Py_ssize_t rows, Py_ssize_t half,
    const floating* x,          # (rows, 2 half) IN
    const floating* dy,         # (rows, half) IN
    bint add,
    floating* dx,               # (rows, 2 half) OUT, added to what is there if `add`
) noexcept nogil:
    """da = dy s and db = dy a s (1 - s) with s = sigmoid(b), 1 - s = sigmoid(-b)."""
    cdef Py_ssize_t _, j
    cdef floating s, rest, da, db
    for _ in range(rows):
        for j in range(half):
            s = sigmoids(x[half + j], &rest)
            da = dy[j] * s
            db = da * x[j] * rest
            dx[j] = dx[j] + da if add else da
            dx[half + j] = dx[half + j] + db if add else db
        x += 2 * half
        dy += half
        dx += 2 * half


def glu(const floating[:, ::1] x):
    """y (rows, half) of x (rows, 2 half)."""
    if x.shape[1] % 2:
        raise ValueError("x must have two halves.")
    result = np.empty((x.shape[0], x.shape[1] // 2), np.float64 if floating is double else np.float32)
    cdef floating[:, ::1] y = result
    if result.size:
        glu_forward(x.shape[0], y.shape[1], &x[0, 0], &y[0, 0])
    return result


def glu_delta(const floating[:, ::1] x, const floating[:, ::1] dy):
    """dx (rows, 2 half) of x and dy (rows, half)."""
    if x.shape[1] != 2 * dy.shape[1] or x.shape[0] != dy.shape[0]:
        raise ValueError("dy must have the rows and half the width of x.")
    result = np.empty((x.shape[0], x.shape[1]), np.float64 if floating is double else np.float32)
    cdef floating[:, ::1] dx = result
    if result.size:
        glu_backward(x.shape[0], dy.shape[1], &x[0, 0], &dy[0, 0], False, &dx[0, 0])
    return result
