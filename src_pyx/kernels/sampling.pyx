"""Affine maps of images, and flipped images.

With ``map = (a0, a1, a2, b0, b1, b2)`` the output's pixel (column, row) is the input at
``(a0 column + a1 row + a2, b0 column + b1 row + b2)``, as in Keras. Channels are the last axis.
"""

from cython cimport floating


cdef inline Py_ssize_t pixel_at(Py_ssize_t i, Py_ssize_t size, int fill) noexcept nogil:
    """The pixel, of `size`, at index i of the extended image; -1 for the constant."""
    if 0 <= i < size:
        return i
    if fill == NEAREST:
        return 0 if i < 0 else size - 1
    if fill == WRAP:
        i %= size           # as in C: it may be negative
        return i + size if i < 0 else i
    if fill == REFLECT:
        i %= 2 * size
        if i < 0:
            i += 2 * size
        return i if i < size else 2 * size - 1 - i
    return -1


cdef inline Py_ssize_t whole_below(double v) noexcept nogil:
    """The largest whole number that is at most v, without a call of the C library."""
    cdef Py_ssize_t i = <Py_ssize_t>v
    return i - (i > v)


cdef inline Py_ssize_t nearest_whole(double v) noexcept nogil:
    """The nearest whole number; of two, the even one. Adding a large constant rounds away the fraction."""
    return <Py_ssize_t>((v + 6755399441055744.0) - 6755399441055744.0)


cdef inline int pixels_for(
    const Sampling* s, double column, double row,
    Py_ssize_t* at,             # (4,) OUT: the pixels that are read, -1 for the constant
    double* down, double* right,    # OUT: the distance of the place from the first pixel, downwards and to the right
) noexcept nogil:
    """Find the input pixels from which an output pixel is interpolated. Return how many."""
    cdef Py_ssize_t i, j, y, x
    cdef int k
    if not s.bilinear:
        i = pixel_at(nearest_whole(row), s.height, s.fill)
        j = pixel_at(nearest_whole(column), s.width, s.fill)
        at[0] = -1 if i < 0 or j < 0 else i * s.pitch + j
        return 1
    i = whole_below(row)
    j = whole_below(column)
    down[0] = row - i
    right[0] = column - j
    if 0 <= i < s.height - 1 and 0 <= j < s.width - 1:
        at[0] = i * s.pitch + j
        at[1] = at[0] + 1
        at[2] = at[0] + s.pitch
        at[3] = at[2] + 1
        return 4
    for k in range(4):
        y = pixel_at(i + (k >> 1), s.height, s.fill)
        x = pixel_at(j + (k & 1), s.width, s.fill)
        at[k] = -1 if y < 0 or x < 0 else y * s.pitch + x
    return 4


cdef inline void weights_for(floating down, floating right, floating* weight) noexcept nogil:
    """weight (4,) OUT: the weights of the pixels (row, column) = (0, 0), (0, 1), (1, 0) and (1, 1)."""
    weight[0] = (1 - down) * (1 - right)
    weight[1] = (1 - down) * right
    weight[2] = down * (1 - right)
    weight[3] = down * right


cdef void sample_forward(
    const Sampling* s,
    const double* map,          # (6,) IN
    floating fill_value,
    const floating* x,          # (height, width, channels) IN
    floating* y,                # (out_height, out_width, channels) OUT
) noexcept nogil:
    """y = x, transformed by the map."""
    cdef Py_ssize_t r, c, k
    cdef Py_ssize_t[4] at
    cdef double down = 0, right = 0
    cdef floating[4] weight
    cdef floating total
    cdef const floating* p
    cdef const floating* q
    cdef int i
    for r in range(s.out_height):
        for c in range(s.out_width):
            if pixels_for(
                s, map[0] * c + (map[1] * r + map[2]), map[3] * c + (map[4] * r + map[5]), at, &down, &right
            ) == 1:
                for k in range(s.channels):
                    y[k] = fill_value if at[0] < 0 else x[at[0] * s.channels + k]
            else:
                weights_for[floating](<floating>down, <floating>right, weight)
                if at[1] == at[0] + 1 and at[2] == at[0] + s.pitch and at[3] == at[2] + 1 and at[0] >= 0:
                    p = x + at[0] * s.channels
                    q = x + at[2] * s.channels
                    for k in range(s.channels):
                        y[k] = (
                            weight[0] * p[k] + weight[1] * p[k + s.channels]
                            + weight[2] * q[k] + weight[3] * q[k + s.channels]
                        )
                else:
                    for k in range(s.channels):
                        total = 0
                        for i in range(4):
                            total += weight[i] * (fill_value if at[i] < 0 else x[at[i] * s.channels + k])
                        y[k] = total
            y += s.channels


cdef void sample_backward(
    const Sampling* s,
    const double* map,          # (6,) IN
    const floating* dy,         # (out_height, out_width, channels) IN
    floating* dx,               # (height, width, channels) IN and OUT
) noexcept nogil:
    """Add dy to the deltas dx of the pixels that were read, with their weights."""
    cdef Py_ssize_t r, c, k
    cdef Py_ssize_t[4] at
    cdef double down = 0, right = 0
    cdef floating[4] weight
    cdef floating* p
    cdef int i, count
    weight[0] = 1
    for r in range(s.out_height):
        for c in range(s.out_width):
            count = pixels_for(
                s, map[0] * c + (map[1] * r + map[2]), map[3] * c + (map[4] * r + map[5]), at, &down, &right
            )
            if count == 4:
                weights_for[floating](<floating>down, <floating>right, weight)
            for i in range(count):
                if at[i] >= 0:
                    p = dx + at[i] * s.channels
                    for k in range(s.channels):
                        p[k] += weight[i] * dy[k]
            dy += s.channels


cdef void flip(
    Py_ssize_t height, Py_ssize_t width, Py_ssize_t channels,
    bint rows, bint columns,    # whether to reverse their order
    bint add,                   # whether to add to y
    const floating* x,          # (height, width, channels) IN
    floating* y,                # (height, width, channels) OUT
) noexcept nogil:
    """y = x with its rows, its columns, or both, in reversed order. The backward pass is the same."""
    cdef Py_ssize_t r, c, k
    cdef const floating* p
    for r in range(height):
        for c in range(width):
            p = x + ((height - 1 - r if rows else r) * width + (width - 1 - c if columns else c)) * channels
            if add:
                for k in range(channels):
                    y[k] += p[k]
            else:
                for k in range(channels):
                    y[k] = p[k]
            y += channels
