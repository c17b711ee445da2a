"""Normalization: of groups of a sample's elements, and of channels over a batch.

Sums are taken in double precision, in eight parts that do not wait for each other, and in an order that depends on
nothing but their length.
"""

import numpy as np

from cython cimport floating
from libc.math cimport sqrt
from libc.string cimport memset

from cbackprop.compiled.engine.division cimport MOST_PARTS, PARAMETER_STEP, part_rows, share
from cbackprop.compiled.layers.layer cimport Batch, IN_TRAINING, Layer, in_training, input_of, output_of, scratch_of


cdef enum:
    # Channels, or weights, whose sums are taken together: as many numbers as a few cache lines hold. (Steps of `range`
    # repeat the number, as Cython must know their sign.)
    BLOCK = 32
    # The same where rows follow each other: so much of one is read at once.
    BATCH_BLOCK = 256

# What Keras adds to the number of elements that a mask has left, so that none is no division by 0.
cdef double MASK_EPSILON = 1e-7


cdef inline double add_parts(double* parts) noexcept nogil:
    return ((parts[0] + parts[4]) + (parts[2] + parts[6])) + ((parts[1] + parts[5]) + (parts[3] + parts[7]))


cdef inline double sum_of(Py_ssize_t n, const floating* x, Py_ssize_t step) noexcept nogil:
    """Sum of n numbers, `step` apart."""
    cdef double parts[8]
    cdef Py_ssize_t i, k
    cdef double few = 0
    if n < 8:       # which is some 3 times faster without parts
        for i in range(n):
            few += x[i * step]
        return few
    for k in range(8):
        parts[k] = 0
    for i in range(0, n - 7, 8):
        for k in range(8):
            parts[k] += x[(i + k) * step]
    for i in range(n - n % 8, n):
        parts[i % 8] += x[i * step]
    return add_parts(parts)


cdef inline double squares_of(Py_ssize_t n, const floating* x, Py_ssize_t step, double center) noexcept nogil:
    """Sum of (x_i - center)^2."""
    cdef double parts[8]
    cdef Py_ssize_t i, k
    cdef double few = 0
    if n < 8:
        for i in range(n):
            few += (x[i * step] - center) * (x[i * step] - center)
        return few
    for k in range(8):
        parts[k] = 0
    for i in range(0, n - 7, 8):
        for k in range(8):
            parts[k] += (x[(i + k) * step] - center) * (x[(i + k) * step] - center)
    for i in range(n - n % 8, n):
        parts[i % 8] += (x[i * step] - center) * (x[i * step] - center)
    return add_parts(parts)


cdef inline void products_of(
    Py_ssize_t n, Py_ssize_t step, const floating* x, const floating* dy, const floating* gamma, double shift,
    double* total, double* product,
) noexcept nogil:
    """total += sum of g_i, product += sum of g_i (x_i - shift), with g = gamma dy; gamma NULL: ones."""
    cdef double totals[8]
    cdef double products[8]
    cdef Py_ssize_t i, k
    cdef double g, few = 0, few_products = 0
    if n < 8:
        for i in range(n):
            g = dy[i * step] if gamma == NULL else <double>gamma[i] * dy[i * step]
            few += g
            few_products += g * (x[i * step] - shift)
        total[0] += few
        product[0] += few_products
        return
    for k in range(8):
        totals[k] = products[k] = 0
    if gamma == NULL:
        for i in range(0, n - 7, 8):
            for k in range(8):
                totals[k] += dy[(i + k) * step]
                products[k] += dy[(i + k) * step] * (x[(i + k) * step] - shift)
    else:
        for i in range(0, n - 7, 8):
            for k in range(8):
                g = <double>gamma[i + k] * dy[(i + k) * step]
                totals[k] += g
                products[k] += g * (x[(i + k) * step] - shift)
    for i in range(n - n % 8, n):
        g = dy[i * step] if gamma == NULL else <double>gamma[i] * dy[i * step]
        totals[i % 8] += g
        products[i % 8] += g * (x[i * step] - shift)
    total[0] += add_parts(totals)
    product[0] += add_parts(products)


cdef struct Layout:
    # A group is `repeats` runs of `run` elements that are `step` apart.
    Py_ssize_t groups, repeats, run, step
    const Py_ssize_t* offsets   # (groups, repeats): where a run begins in a sample
    const Py_ssize_t* places    # (groups, repeats): the first of its weights, which follow each other
    const Py_ssize_t* order     # (groups, repeats): the runs, by their places


cdef struct Rule:
    # y = (x - shift) / sqrt(factor sum (x - center)^2 + epsilon), but no more than `limit` times x - shift.
    bint subtracts_mean, about_mean
    double factor, epsilon, limit


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

    a is the mean of g, or 0 where the mean is not subtracted; b = factor sum of g (x - shift) / root.
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
            # b / root: a factor at its limit does not depend on x
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
    """The first run, in the order of places, whose weights begin at `place` or behind it."""
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


cdef class Normalization(Layer):
    """Groups of a sample's elements. Scratch keeps the mean and the factor of each group."""

    cdef Layout layout
    cdef Rule rule
    cdef object memory          # what the layout points into: kept alive here
    cdef int gamma, beta        # which parameters they are, or -1

    def __init__(self, spec, list input_shapes, tuple output_shape):
        cdef Py_ssize_t[::1] offsets, places, runs
        width = int(np.prod(output_shape))
        order = spec.arrange(np.arange(width, dtype=np.intp).reshape(1, *output_shape))[0]
        shape = spec.parameter_shape(*order.shape)
        weights = np.broadcast_to(np.arange(np.prod(shape), dtype=np.intp).reshape(shape), order.shape)
        order, weights = merged_runs(order, weights)
        self.layout.groups, self.layout.repeats, self.layout.run = order.shape
        self.layout.step = order[0, 0, 1] - order[0, 0, 0] if order.shape[2] > 1 else 1
        offsets, places = order[:, :, 0].flatten(), weights[:, :, 0].flatten()
        runs = np.argsort(places, kind="stable").astype(np.intp)
        self.memory = offsets, places, runs
        self.layout.offsets, self.layout.places, self.layout.order = &offsets[0], &places[0], &runs[0]
        self.rule.subtracts_mean, self.rule.about_mean = spec.subtracts_mean, spec.about_mean
        self.rule.factor = self.layout.groups / width if spec.takes_mean else 1.0
        self.rule.epsilon, self.rule.limit = spec.epsilon, spec.limit
        self.gamma = 0 if spec.gamma is not None else -1
        self.beta = self.n_parameters - 1 if spec.beta is not None else -1
        for k in range(self.n_parameters):
            self.parameters[k].grain = 1
        self.scratch_width = 2 * self.layout.groups

    cdef const void* parameter(self, int k) noexcept nogil:
        return NULL if k < 0 else self.parameters[k].value

    cdef void forward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_forward(batch, <double*>output_of(self, batch).value)
        else:
            self.run_forward(batch, <float*>output_of(self, batch).value)

    cdef void run_forward(self, const Batch* batch, floating* y) noexcept nogil:
        normalization_forward(
            batch.rows, output_of(self, batch).width, self.layout, self.layout.step, self.rule,
            <const floating*>input_of(self, batch, 0).value, <const floating*>self.parameter(self.gamma),
            <const floating*>self.parameter(self.beta), <floating*>scratch_of(self, batch), y,
        )

    cdef void backward(self, const Batch* batch) noexcept nogil:
        if input_of(self, batch, 0).delta == NULL:
            return
        if self.is_double:
            self.run_backward(batch, <double*>input_of(self, batch, 0).delta)
        else:
            self.run_backward(batch, <float*>input_of(self, batch, 0).delta)

    cdef void run_backward(self, const Batch* batch, floating* dx) noexcept nogil:
        normalization_backward(
            batch.rows, output_of(self, batch).width, self.layout, self.layout.step, self.rule,
            <const floating*>input_of(self, batch, 0).value, <const floating*>self.parameter(self.gamma),
            <const floating*>scratch_of(self, batch), <const floating*>output_of(self, batch).delta,
            self.accumulate[0], dx,
        )

    cdef void collect(
        self, const Batch* batch, Py_ssize_t k, Py_ssize_t begin, Py_ssize_t end, bint add, void* gradient
    ) noexcept nogil:
        if self.is_double:
            self.run_collect(batch, k, begin, end, add, <double*>gradient)
        else:
            self.run_collect(batch, k, begin, end, add, <float*>gradient)

    cdef void run_collect(
        self, const Batch* batch, Py_ssize_t k, Py_ssize_t begin, Py_ssize_t end, bint add, floating* gradient
    ) noexcept nogil:
        normalization_collect(
            batch.rows, output_of(self, batch).width, self.layout, self.rule, begin, end, k == self.gamma,
            <const floating*>input_of(self, batch, 0).value, <const floating*>scratch_of(self, batch),
            <const floating*>output_of(self, batch).delta, add, gradient,
        )


cdef merged_runs(order, weights):
    """Runs (groups, repeats, run) as single ones (groups, 1, n), where they and their weights follow each other."""
    whole = [array.reshape(len(array), 1, -1) for array in (order, weights)]
    step = order[0, 0, 1] - order[0, 0, 0] if order.shape[2] > 1 else 1
    if all((np.diff(array) == by).all() for array, by in zip(whole, (step, 1))):
        return whole
    return order, weights


# Batches

cdef void add_rows(
    Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count,
    const floating* x,          # (rows, count) IN, rows `step` apart
    double* total,              # (count,) OUT
) noexcept nogil:
    """total += sum of the rows, four at a time, so that totals are read and written less often."""
    cdef Py_ssize_t _, c
    for _ in range(0, rows - 3, 4):
        for c in range(count):
            total[c] += (<double>x[c] + x[c + step]) + (<double>x[c + 2 * step] + x[c + 3 * step])
        x += 4 * step
    for _ in range(rows % 4):
        for c in range(count):
            total[c] += x[c]
        x += step


cdef void add_squares(
    Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count,
    const floating* x,          # (rows, count) IN, rows `step` apart
    const double* mean,         # (count,) IN
    double* total,              # (count,) OUT
) noexcept nogil:
    """total += sum of (x - mean)^2."""
    cdef Py_ssize_t _, c
    cdef double d0, d1, d2, d3
    for _ in range(0, rows - 3, 4):
        for c in range(count):
            d0, d1, d2, d3 = x[c] - mean[c], x[c + step] - mean[c], x[c + 2 * step] - mean[c], x[c + 3 * step] - mean[c]
            total[c] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
        x += 4 * step
    for _ in range(rows % 4):
        for c in range(count):
            total[c] += (x[c] - mean[c]) * (x[c] - mean[c])
        x += step


cdef void add_products(
    Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count,
    const floating* x,          # (rows, count) IN, rows `step` apart
    const floating* dy,         # (rows, count) IN
    const double* mean,         # (count,) IN
    double* total,              # (count,) OUT
    double* product,            # (count,) OUT
) noexcept nogil:
    """total += sum of dy, product += sum of dy (x - mean)."""
    cdef Py_ssize_t _, c
    cdef double g0, g1
    for _ in range(0, rows - 1, 2):
        for c in range(count):
            g0, g1 = dy[c], dy[c + step]
            total[c] += g0 + g1
            product[c] += g0 * (x[c] - mean[c]) + g1 * (x[c + step] - mean[c])
        x += 2 * step
        dy += 2 * step
    if rows % 2:
        for c in range(count):
            total[c] += dy[c]
            product[c] += dy[c] * (x[c] - mean[c])


cdef void batch_moments(
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t first, Py_ssize_t count,
    const floating* x,          # (rows, channels, inner) IN
    double* mean,               # (count,) OUT: of the channels from `first` on
    double* spread,             # (count,) OUT
    double* size,               # (count,) OUT: how many elements
) noexcept nogil:
    """Mean and sum of (x - mean)^2 of some channels, in two passes."""
    cdef Py_ssize_t r, c, n = rows * inner
    for c in range(count):
        size[c] = n
    memset(mean, 0, count * sizeof(double))
    memset(spread, 0, count * sizeof(double))
    if inner == 1:
        add_rows(rows, channels, count, x + first, mean)
    else:
        for r in range(rows):
            for c in range(count):
                mean[c] += sum_of(inner, x + (r * channels + first + c) * inner, 1)
    for c in range(count):
        mean[c] /= n
    if inner == 1:
        add_squares(rows, channels, count, x + first, mean, spread)
    else:
        for r in range(rows):
            for c in range(count):
                spread[c] += squares_of(inner, x + (r * channels + first + c) * inner, 1, mean[c])


cdef void join_moments(
    Py_ssize_t parts, Py_ssize_t channels, Py_ssize_t count, double more,
    const double* means,        # (parts, count) IN, `channels` apart
    const double* spreads,      # (parts, count) IN
    const double* sizes,        # (parts, count) IN: elements
    double* mean,               # (count,) OUT
    double* variance,           # (count,) OUT
    double* size,               # (count,) OUT: all elements, and `more`
) noexcept nogil:
    """Mean and variance of all from those of parts: the spread of each about the common mean."""
    cdef Py_ssize_t p, c, i
    cdef double d
    for c in range(count):
        mean[c], variance[c], size[c] = 0, 0, more
    for p in range(parts):
        for c in range(count):
            size[c] += sizes[p * channels + c]
            mean[c] += sizes[p * channels + c] * means[p * channels + c]
    for c in range(count):
        mean[c] /= size[c]
    for p in range(parts):
        for c in range(count):
            i = p * channels + c
            d = means[i] - mean[c]
            variance[c] += spreads[i] + sizes[i] * d * d
    for c in range(count):
        variance[c] /= size[c]


cdef void join_sums(
    Py_ssize_t parts, Py_ssize_t channels, Py_ssize_t count,
    const double* sums,         # (parts, count) IN, `channels` apart
    double* total,              # (count,) OUT
) noexcept nogil:
    """Sums of all from those of parts."""
    cdef Py_ssize_t p, c
    memset(total, 0, count * sizeof(double))
    for p in range(parts):
        for c in range(count):
            total[c] += sums[p * channels + c]


cdef void batch_forward(
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t first, Py_ssize_t count,
    const floating* x,          # (rows, channels, inner) IN
    const double* mean,         # (count,) IN
    const double* inverse,      # (count,) IN: 1 / sqrt(variance + epsilon)
    const floating* gamma,      # (channels,) IN, or NULL
    const floating* beta,       # (channels,) IN, or NULL
    floating* y,                # (rows, channels, inner) OUT
) noexcept nogil:
    """y = (x - mean) inverse gamma + beta, for some channels."""
    cdef floating shift[BATCH_BLOCK]
    cdef floating scale[BATCH_BLOCK]
    cdef floating offset[BATCH_BLOCK]
    cdef Py_ssize_t r, c, i, at
    for c in range(count):
        shift[c] = <floating>mean[c]
        scale[c] = <floating>(inverse[c] if gamma == NULL else inverse[c] * gamma[first + c])
        offset[c] = 0 if beta == NULL else beta[first + c]
    for r in range(rows):
        at = (r * channels + first) * inner
        if inner == 1:
            for c in range(count):
                y[at + c] = (x[at + c] - shift[c]) * scale[c] + offset[c]
        else:
            for c in range(count):
                for i in range(at + c * inner, at + (c + 1) * inner):
                    y[i] = (x[i] - shift[c]) * scale[c] + offset[c]


cdef void batch_sums(
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t first, Py_ssize_t count,
    const floating* x,          # (rows, channels, inner) IN
    const floating* dy,         # (rows, channels, inner) IN
    const double* mean,         # (count,) IN
    const double* inverse,      # (count,) IN
    double* total,              # (count,) OUT
    double* product,            # (count,) OUT
) noexcept nogil:
    """total = sum of dy, product = sum of dy (x - mean) inverse, for some channels."""
    cdef Py_ssize_t r, c, at
    memset(total, 0, count * sizeof(double))
    memset(product, 0, count * sizeof(double))
    if inner == 1:
        add_products(rows, channels, count, x + first, dy + first, mean, total, product)
    else:
        for r in range(rows):
            at = (r * channels + first) * inner
            for c in range(count):
                products_of(
                    inner, 1, x + at + c * inner, dy + at + c * inner, <const floating*>NULL, mean[c],
                    &total[c], &product[c],
                )
    for c in range(count):
        product[c] *= inverse[c]


cdef void batch_backward(
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t first, Py_ssize_t count,
    const floating* x,          # (rows, channels, inner) IN
    const floating* dy,         # (rows, channels, inner) IN
    const double* mean,         # (count,) IN
    const double* inverse,      # (count,) IN
    const floating* gamma,      # (channels,) IN, or NULL
    const double* total,        # (count,) IN: sum of dy; NULL: mean and inverse do not depend on x
    const double* product,      # (count,) IN: sum of dy (x - mean) inverse
    double n,                   # elements a channel in the batch
    bint add,
    floating* dx,               # (rows, channels, inner) OUT
) noexcept nogil:
    """dx = gamma inverse (dy - total / n - (x - mean) inverse product / n), for some channels."""
    cdef floating shift[BATCH_BLOCK]
    cdef floating scale[BATCH_BLOCK]
    cdef floating a[BATCH_BLOCK]
    cdef floating b[BATCH_BLOCK]
    cdef floating delta
    cdef Py_ssize_t r, c, i, at
    for c in range(count):
        shift[c] = <floating>mean[c]
        scale[c] = <floating>(inverse[c] if gamma == NULL else inverse[c] * gamma[first + c])
        a[c] = 0 if total == NULL else <floating>(total[c] / n)
        b[c] = 0 if total == NULL else <floating>(product[c] * inverse[c] / n)
    for r in range(rows):
        at = (r * channels + first) * inner
        if inner == 1:
            for c in range(count):
                delta = (dy[at + c] - a[c] - b[c] * (x[at + c] - shift[c])) * scale[c]
                dx[at + c] = dx[at + c] + delta if add else delta
        else:
            for c in range(count):
                for i in range(at + c * inner, at + (c + 1) * inner):
                    delta = (dy[i] - a[c] - b[c] * (x[i] - shift[c])) * scale[c]
                    dx[i] = dx[i] + delta if add else delta


cdef void masked_moments(
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t features, Py_ssize_t first, Py_ssize_t count,
    const floating* x,          # (rows, channels, inner) IN
    const floating* mask,       # (rows channels inner / features,) IN: 0 where `features` elements of x do not count
    double* mean,               # (count,) OUT: of the channels from `first` on
    double* spread,             # (count,) OUT
    double* size,               # (count,) OUT: how many elements count
) noexcept nogil:
    """As `batch_moments`, of what counts; 0 where nothing does."""
    cdef Py_ssize_t r, c, i
    for c in range(count):
        mean[c], spread[c], size[c] = 0, 0, 0
        for r in range(rows):
            for i in range((r * channels + first + c) * inner, (r * channels + first + c + 1) * inner):
                if mask[i // features] != 0:
                    size[c] += 1
                    mean[c] += x[i]
        if size[c] > 0:
            mean[c] /= size[c]
        for r in range(rows):
            for i in range((r * channels + first + c) * inner, (r * channels + first + c + 1) * inner):
                if mask[i // features] != 0:
                    spread[c] += (x[i] - mean[c]) * (x[i] - mean[c])


cdef void masked_backward(
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t features, Py_ssize_t first, Py_ssize_t count,
    const floating* x,          # (rows, channels, inner) IN
    const floating* mask,       # (rows channels inner / features,) IN
    const floating* dy,         # (rows, channels, inner) IN
    const double* size,         # (count,) IN: how many elements count, and MASK_EPSILON
    const double* mean,         # (count,) IN
    const double* inverse,      # (count,) IN
    const floating* gamma,      # (channels,) IN, or NULL
    const double* total,        # (count,) IN: sum of all dy
    const double* product,      # (count,) IN: sum of all dy (x - mean) inverse
    bint add,
    floating* dx,               # (rows, channels, inner) OUT
) noexcept nogil:
    """As `batch_backward`, where mean and inverse depend only on what counts."""
    cdef Py_ssize_t r, c, i
    cdef double scale, delta
    for c in range(count):
        scale = inverse[c] if gamma == NULL else inverse[c] * gamma[first + c]
        for r in range(rows):
            for i in range((r * channels + first + c) * inner, (r * channels + first + c + 1) * inner):
                delta = dy[i]
                if mask[i // features] != 0:
                    delta -= (total[c] + (x[i] - mean[c]) * inverse[c] * product[c]) / size[c]
                dx[i] = <floating>(delta * scale) + (dx[i] if add else 0)


cdef void move_average(Py_ssize_t n, floating momentum, const double* new, floating* moving) noexcept nogil:
    """moving = momentum moving + (1 - momentum) new.

    new (n,) IN; moving (n,) IN and OUT.
    """
    cdef Py_ssize_t i
    for i in range(n):
        moving[i] = moving[i] * momentum + <floating>new[i] * (1 - momentum)


cdef class BatchNormalization(Layer):
    """Channels of a batch. In training threads find sums of its parts, and what all amount to is kept in the layer."""

    cdef Py_ssize_t outer, channels, inner      # a sample is (outer, channels, inner)
    cdef double momentum, epsilon
    cdef int gamma, beta, moving                # which parameters they are, or -1; the variance follows the mean
    cdef double[::1] mean, variance, inverse, total, product    # (channels,): of the current training batch
    cdef double[::1] size       # (channels,): elements that count, of all
    # (3, MOST_PARTS, channels): mean, spread and size of each part; or total and product
    cdef double[:, :, ::1] parts
    cdef Py_ssize_t features    # elements that each number of a mask is for; 0: there is no mask

    def __init__(self, spec, list input_shapes, tuple output_shape):
        axis = spec.axis % (len(output_shape) + 1) - 1
        self.outer = int(np.prod(output_shape[:axis]))
        self.channels = output_shape[axis]
        self.inner = int(np.prod(output_shape[axis + 1:]))
        self.momentum, self.epsilon = spec.momentum, spec.epsilon
        self.gamma = 0 if spec.scale else -1
        self.beta = self.n_parameters - 3 if spec.center else -1
        self.moving = self.n_parameters - 2
        self.mean, self.variance, self.inverse, self.total, self.product, self.size = np.zeros((6, self.channels))
        self.parts = np.zeros((3, MOST_PARTS, self.channels))
        self.features = output_shape[-1] if self.n_inputs > 1 else 0
        self.divided = True
        for k in range(self.n_parameters):
            self.parameters[k].grain = 1

    cdef bint owns_moments(self, const Batch* batch) noexcept nogil:
        """Whether the batch's own mean and variance count."""
        return self.alone == IN_TRAINING and in_training(self, batch)

    cdef const void* parameter(self, int k) noexcept nogil:
        return NULL if k < 0 else self.parameters[k].value

    cdef void find_moments(
        self, const Batch* batch, Py_ssize_t first, Py_ssize_t count, double* mean, double* inverse
    ) noexcept nogil:
        """Mean and 1 / root of some channels: of the batch, where `forward` has found them, or the moving ones."""
        cdef Py_ssize_t c
        for c in range(count):
            if self.owns_moments(batch):
                mean[c], inverse[c] = self.mean[first + c], self.inverse[first + c]
            elif self.is_double:
                mean[c] = (<const double*>self.parameters[self.moving].value)[first + c]
                inverse[c] = (<const double*>self.parameters[self.moving + 1].value)[first + c]
            else:
                mean[c] = (<const float*>self.parameters[self.moving].value)[first + c]
                inverse[c] = (<const float*>self.parameters[self.moving + 1].value)[first + c]
            if not self.owns_moments(batch):
                inverse[c] = 1 / sqrt(inverse[c] + self.epsilon)

    cdef double elements(self, Py_ssize_t samples) noexcept nogil:
        """How many a channel has in so many samples."""
        return <double>samples * self.outer * self.inner

    cdef void survey(self, const Batch* batch, bint back) noexcept nogil:
        if not self.owns_moments(batch):
            return
        if self.is_double:
            self.run_survey(batch, back, <const double*>input_of(self, batch, 0).value)
        else:
            self.run_survey(batch, back, <const float*>input_of(self, batch, 0).value)

    cdef void run_survey(self, const Batch* batch, bint back, const floating* x) noexcept nogil:
        """Moments of each part of these samples, or sums of its deltas."""
        cdef const floating* dy = <const floating*>output_of(self, batch).delta
        cdef Py_ssize_t step = part_rows(batch.total), width = self.outer * self.channels * self.inner
        cdef Py_ssize_t i, begin, rows, part, first, count
        for i in range((batch.rows + step - 1) // step):
            begin = i * step
            rows = min(step, batch.rows - begin) * self.outer
            part = batch.offset // step + i
            for first in range(0, self.channels, 256):
                count = min(self.channels - first, <Py_ssize_t>BATCH_BLOCK)
                if back:
                    batch_sums(
                        rows, self.channels, self.inner, first, count, x + begin * width, dy + begin * width,
                        &self.mean[first], &self.inverse[first], &self.parts[0, part, first],
                        &self.parts[1, part, first],
                    )
                elif self.features:
                    masked_moments(
                        rows, self.channels, self.inner, self.features, first, count, x + begin * width,
                        <const floating*>input_of(self, batch, 1).value + begin * width // self.features,
                        &self.parts[0, part, first], &self.parts[1, part, first], &self.parts[2, part, first],
                    )
                else:
                    batch_moments(
                        rows, self.channels, self.inner, first, count, x + begin * width,
                        &self.parts[0, part, first], &self.parts[1, part, first], &self.parts[2, part, first],
                    )

    cdef void conclude(self, const Batch* batch, bint back, Py_ssize_t thread, Py_ssize_t threads) noexcept nogil:
        cdef Py_ssize_t begin = share(self.channels, PARAMETER_STEP, thread, threads)
        cdef Py_ssize_t end = share(self.channels, PARAMETER_STEP, thread + 1, threads)
        cdef Py_ssize_t step = part_rows(batch.total), parts = (batch.total + step - 1) // step, c
        if begin == end or not self.owns_moments(batch):
            return
        if back:
            join_sums(parts, self.channels, end - begin, &self.parts[0, 0, begin], &self.total[begin])
            join_sums(parts, self.channels, end - begin, &self.parts[1, 0, begin], &self.product[begin])
            return
        join_moments(
            parts, self.channels, end - begin, MASK_EPSILON if self.features else 0, &self.parts[0, 0, begin],
            &self.parts[1, 0, begin], &self.parts[2, 0, begin], &self.mean[begin], &self.variance[begin],
            &self.size[begin],
        )
        for c in range(begin, end):
            self.inverse[c] = 1 / sqrt(self.variance[c] + self.epsilon)

    cdef void forward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_forward(batch, <double*>output_of(self, batch).value)
        else:
            self.run_forward(batch, <float*>output_of(self, batch).value)

    cdef void run_forward(self, const Batch* batch, floating* y) noexcept nogil:
        cdef const floating* x = <const floating*>input_of(self, batch, 0).value
        cdef Py_ssize_t rows = batch.rows * self.outer, first, count
        cdef double mean[BATCH_BLOCK]
        cdef double inverse[BATCH_BLOCK]
        for first in range(0, self.channels, 256):
            count = min(self.channels - first, <Py_ssize_t>BATCH_BLOCK)
            self.find_moments(batch, first, count, mean, inverse)
            batch_forward(
                rows, self.channels, self.inner, first, count, x, mean, inverse,
                <const floating*>self.parameter(self.gamma), <const floating*>self.parameter(self.beta), y,
            )

    cdef void backward(self, const Batch* batch) noexcept nogil:
        if input_of(self, batch, 0).delta == NULL:
            return
        if self.is_double:
            self.run_backward(batch, <double*>input_of(self, batch, 0).delta)
        else:
            self.run_backward(batch, <float*>input_of(self, batch, 0).delta)

    cdef void run_backward(self, const Batch* batch, floating* dx) noexcept nogil:
        cdef const floating* x = <const floating*>input_of(self, batch, 0).value
        cdef const floating* dy = <const floating*>output_of(self, batch).delta
        cdef Py_ssize_t rows = batch.rows * self.outer, first, count
        cdef bint own = self.owns_moments(batch)
        cdef double mean[BATCH_BLOCK]
        cdef double inverse[BATCH_BLOCK]
        for first in range(0, self.channels, 256):
            count = min(self.channels - first, <Py_ssize_t>BATCH_BLOCK)
            self.find_moments(batch, first, count, mean, inverse)
            if own and self.features:
                masked_backward(
                    rows, self.channels, self.inner, self.features, first, count, x,
                    <const floating*>input_of(self, batch, 1).value, dy, &self.size[first], mean, inverse,
                    <const floating*>self.parameter(self.gamma), &self.total[first], &self.product[first],
                    self.accumulate[0], dx,
                )
            else:
                batch_backward(
                    rows, self.channels, self.inner, first, count, x, dy, mean, inverse,
                    <const floating*>self.parameter(self.gamma), &self.total[first] if own else NULL,
                    &self.product[first] if own else NULL, self.elements(batch.total), self.accumulate[0], dx,
                )

    cdef void collect(
        self, const Batch* batch, Py_ssize_t k, Py_ssize_t begin, Py_ssize_t end, bint add, void* gradient
    ) noexcept nogil:
        if self.is_double:
            self.run_collect(batch, k, begin, end, add, <double*>gradient)
        else:
            self.run_collect(batch, k, begin, end, add, <float*>gradient)

    cdef void run_collect(
        self, const Batch* batch, Py_ssize_t k, Py_ssize_t begin, Py_ssize_t end, bint add, floating* gradient
    ) noexcept nogil:
        """The sums that `backward` took; where that did not need any, they are taken now."""
        cdef double mean[BATCH_BLOCK]
        cdef double inverse[BATCH_BLOCK]
        cdef double total[BATCH_BLOCK]
        cdef double product[BATCH_BLOCK]
        cdef Py_ssize_t first, count, c
        for first in range(begin, end, 256):
            count = min(end - first, <Py_ssize_t>BATCH_BLOCK)
            if self.owns_moments(batch):
                for c in range(count):
                    total[c], product[c] = self.total[first + c], self.product[first + c]
            else:
                self.find_moments(batch, first, count, mean, inverse)
                batch_sums(
                    batch.rows * self.outer, self.channels, self.inner, first, count,
                    <const floating*>input_of(self, batch, 0).value, <const floating*>output_of(self, batch).delta,
                    mean, inverse, total, product,
                )
            for c in range(count):
                gradient[first - begin + c] = (
                    <floating>(product[c] if k == self.gamma else total[c])
                    + (gradient[first - begin + c] if add else 0)
                )

    cdef void finish(self, const Batch* batch) noexcept nogil:
        if not self.owns_moments(batch):
            return
        if self.is_double:
            self.run_finish(<double*>self.parameters[self.moving].value)
        else:
            self.run_finish(<float*>self.parameters[self.moving].value)

    cdef void run_finish(self, floating* moving_mean) noexcept nogil:
        cdef floating* moving_variance = <floating*>self.parameters[self.moving + 1].value
        move_average(self.channels, <floating>self.momentum, &self.mean[0], moving_mean)
        move_average(self.channels, <floating>self.momentum, &self.variance[0], moving_variance)
