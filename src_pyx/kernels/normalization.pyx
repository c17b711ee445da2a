"""Normalization of groups of a sample's elements. For sums see sums.pxd."""

from cython cimport floating
from libc.math cimport sqrt
from libc.string cimport memset

from cbackprop.compiled.kernels.sums cimport products_of, squares_of, sum_of


cdef enum:
    # The number of weights whose sums are taken together: a few cache lines. (Steps of `range` repeat the number,
    # because Cython must know their sign.)
    BLOCK = 32


cdef void normalization_forward(
    Py_ssize_t rows, Py_ssize_t width, Layout layout, Py_ssize_t step, Rule rule,
    const floating* x,          # (rows, width) IN
    const floating* gamma,      # (weights,) IN, or NULL
    const floating* beta,       # (weights,) IN, or NULL
    floating* kept,             # (rows, groups, 2) OUT: mean, and 1 / root
    floating* y,                # (rows, width) OUT
) noexcept nogil:
    """y = gamma (x - shift) / root + beta."""
    cdef Py_ssize_t n = layout.repeats * layout.run, g, _, k, j
    cdef const floating* from_
    cdef floating* to
    cdef const floating* scale
    cdef const floating* offset
    cdef double mean, spread
    cdef floating shift, inverse
    for _ in range(rows):
        for g in range(layout.groups):
            mean = spread = 0
            if rule.about_mean:
                for k in range(layout.repeats):
                    mean += sum_of(layout.run, x + layout.offsets[g * layout.repeats + k], step)
                mean /= n
            for k in range(layout.repeats):
                spread += squares_of(layout.run, x + layout.offsets[g * layout.repeats + k], step, mean)
            kept[0] = <floating>mean
            kept[1] = <floating>min(1 / sqrt(rule.factor * spread + rule.epsilon), rule.limit)
            shift, inverse = kept[0] if rule.subtracts_mean else 0, kept[1]
            for k in range(layout.repeats):
                from_ = x + layout.offsets[g * layout.repeats + k]
                to = y + layout.offsets[g * layout.repeats + k]
                scale = gamma + layout.places[g * layout.repeats + k]
                offset = beta + layout.places[g * layout.repeats + k]
                if gamma == NULL and beta == NULL:
                    for j in range(layout.run):
                        to[j * step] = (from_[j * step] - shift) * inverse
                elif gamma == NULL:
                    for j in range(layout.run):
                        to[j * step] = (from_[j * step] - shift) * inverse + offset[j]
                elif beta == NULL:
                    for j in range(layout.run):
                        to[j * step] = (from_[j * step] - shift) * inverse * scale[j]
                else:
                    for j in range(layout.run):
                        to[j * step] = (from_[j * step] - shift) * inverse * scale[j] + offset[j]
            kept += 2
        x += width
        y += width


cdef void normalization_backward(
    Py_ssize_t rows, Py_ssize_t width, Layout layout, Py_ssize_t step, Rule rule,
    const floating* x,          # (rows, width) IN
    const floating* gamma,      # (weights,) IN, or NULL
    const floating* kept,       # (rows, groups, 2) IN
    const floating* dy,         # (rows, width) IN
    bint add,
    floating* dx,               # (rows, width) OUT
) noexcept nogil:
    """dx = (g - a - b (x - center) / root) / root with g = gamma dy.

    a is the mean of g, or 0 if the mean is not subtracted; b = factor sum of g (x - shift) / root.
    """
    cdef Py_ssize_t n = layout.repeats * layout.run, g, _, k, j, at
    cdef const floating* scale
    cdef double total, product
    cdef floating shift, inverse, a, b, delta
    for _ in range(rows):
        for g in range(layout.groups):
            total = product = 0
            inverse = kept[1]
            shift = kept[0] if rule.subtracts_mean else 0
            for k in range(layout.repeats):
                at = g * layout.repeats + k
                scale = NULL if gamma == NULL else gamma + layout.places[at]
                products_of(
                    layout.run, step, x + layout.offsets[at], dy + layout.offsets[at], scale, shift, &total, &product
                )
            a = <floating>(total / n) if rule.subtracts_mean else 0
            # b / root; 0 if the factor is at its limit and so does not depend on x
            b = <floating>(rule.factor * product * inverse * inverse) if kept[1] < rule.limit else 0
            for k in range(layout.repeats):
                at = layout.offsets[g * layout.repeats + k]
                scale = gamma + layout.places[g * layout.repeats + k]
                for j in range(layout.run):
                    delta = dy[at + j * step] if gamma == NULL else dy[at + j * step] * scale[j]
                    delta = (delta - a - b * (x[at + j * step] - kept[0])) * inverse
                    dx[at + j * step] = dx[at + j * step] + delta if add else delta
            kept += 2
        x += width
        dy += width
        dx += width


cdef inline Py_ssize_t first_run(Layout layout, Py_ssize_t place) noexcept nogil:
    """The first run, in the order of places, whose weights begin at `place` or after it."""
    cdef Py_ssize_t low = 0, high = layout.groups * layout.repeats, middle
    while low < high:
        middle = (low + high) // 2
        if layout.places[layout.order[middle]] < place:
            low = middle + 1
        else:
            high = middle
    return low


cdef void normalization_collect(
    Py_ssize_t rows, Py_ssize_t width, Layout layout, Rule rule, Py_ssize_t begin, Py_ssize_t end, bint scales,
    const floating* x,          # (rows, width) IN
    const floating* kept,       # (rows, groups, 2) IN
    const floating* dy,         # (rows, width) IN
    bint add,
    floating* gradient,         # (end - begin,) OUT
) noexcept nogil:
    """dgamma = sum of dy (x - shift) / root if `scales`, else dbeta = sum of dy."""
    cdef double sums[BLOCK]
    cdef Py_ssize_t first, last, r, i, j, at, place, low, high
    cdef floating shift, inverse
    cdef const floating* mine
    for first in range(begin, end, 32):
        last = min(first + BLOCK, end)
        memset(sums, 0, BLOCK * sizeof(double))
        low, high = first_run(layout, first - layout.run + 1), first_run(layout, last)
        for r in range(rows):
            for i in range(low, high):
                mine = kept + 2 * (r * layout.groups + layout.order[i] // layout.repeats)
                shift, inverse = mine[0] if rule.subtracts_mean else 0, mine[1]
                place = layout.places[layout.order[i]]
                at = r * width + layout.offsets[layout.order[i]]
                for j in range(max(first - place, <Py_ssize_t>0), min(last - place, layout.run)):
                    if scales:
                        sums[place + j - first] += (
                            dy[at + j * layout.step] * ((x[at + j * layout.step] - shift) * inverse)
                        )
                    else:
                        sums[place + j - first] += dy[at + j * layout.step]
        for j in range(last - first):
            gradient[first - begin + j] = <floating>sums[j] + (gradient[first - begin + j] if add else 0)
