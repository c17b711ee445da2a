"""Batch normalization: moments of channels, and scales and shifts from them. For sums see channels.h and sums.pxd."""

from libc.math cimport sqrt
from libc.string cimport memset

from cbackprop.compiled.kernels.channels cimport add_products, add_rows, add_squares, map_channels, map_deltas
from cbackprop.compiled.kernels.sums cimport products_of, squares_of, sum_of


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
    """Mean and variance of the batch, from the mean and spread of its parts."""
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
    """Add up the sums of parts."""
    cdef Py_ssize_t p, c
    memset(total, 0, count * sizeof(double))
    for p in range(parts):
        for c in range(count):
            total[c] += sums[p * channels + c]


cdef inline double scale_of(
    const double* inverse, const double* factor, const floating* gamma, Py_ssize_t first, Py_ssize_t c
) noexcept nogil:
    """Return inverse factor gamma for one channel. `factor` and `gamma` may be NULL, which means 1."""
    cdef double scale = inverse[c] if factor == NULL else inverse[c] * factor[c]
    return scale if gamma == NULL else scale * gamma[first + c]


cdef void batch_forward(
    Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t first, Py_ssize_t count,
    const floating* x,          # (rows, channels, inner) IN
    const double* mean,         # (count,) IN
    const double* inverse,      # (count,) IN: 1 / sqrt(variance + epsilon)
    const double* factor,       # (count,) IN, or NULL: 1
    const double* shift,        # (count,) IN, or NULL: 0
    const floating* gamma,      # (channels,) IN, or NULL
    const floating* beta,       # (channels,) IN, or NULL
    floating* y,                # (rows, channels, inner) OUT
) noexcept nogil:
    """y = ((x - mean) inverse factor + shift) gamma + beta, for some channels."""
    cdef floating center[BATCH_BLOCK]
    cdef floating scale[BATCH_BLOCK]
    cdef floating offset[BATCH_BLOCK]
    cdef Py_ssize_t r, c, i, at
    for c in range(count):
        center[c] = <floating>mean[c]
        scale[c] = <floating>scale_of(inverse, factor, gamma, first, c)
        offset[c] = 0 if beta == NULL else beta[first + c]
        if shift != NULL:
            offset[c] += <floating>(shift[c] if gamma == NULL else shift[c] * gamma[first + c])
    if inner == 1:
        map_channels(rows, channels, count, x + first, center, scale, offset, y + first)
        return
    for r in range(rows):
        at = (r * channels + first) * inner
        for c in range(count):
            for i in range(at + c * inner, at + (c + 1) * inner):
                y[i] = (x[i] - center[c]) * scale[c] + offset[c]


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
    const double* factor,       # (count,) IN, or NULL: 1
    const floating* gamma,      # (channels,) IN, or NULL
    const double* total,        # (count,) IN: sum of dy; NULL: mean and inverse do not depend on x
    const double* product,      # (count,) IN: sum of dy (x - mean) inverse
    double n,                   # elements of a channel in the batch
    bint add,
    floating* dx,               # (rows, channels, inner) OUT
) noexcept nogil:
    """dx = gamma factor inverse (dy - total / n - (x - mean) inverse product / n), for some channels."""
    cdef floating shift[BATCH_BLOCK]
    cdef floating scale[BATCH_BLOCK]
    cdef floating a[BATCH_BLOCK]
    cdef floating b[BATCH_BLOCK]
    cdef floating delta
    cdef Py_ssize_t r, c, i, at
    for c in range(count):
        shift[c] = <floating>mean[c]
        scale[c] = <floating>scale_of(inverse, factor, gamma, first, c)
        a[c] = 0 if total == NULL else <floating>(total[c] / n)
        b[c] = 0 if total == NULL else <floating>(product[c] * inverse[c] / n)
    if inner == 1:
        map_deltas(rows, channels, count, x + first, dy + first, a, b, shift, scale, add, dx + first)
        return
    for r in range(rows):
        at = (r * channels + first) * inner
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
    """Like `batch_moments`, but only for the rows that count; 0 if no row counts."""
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
    const double* factor,       # (count,) IN, or NULL: 1
    const floating* gamma,      # (channels,) IN, or NULL
    const double* total,        # (count,) IN: sum of all dy
    const double* product,      # (count,) IN: sum of all dy (x - mean) inverse
    bint add,
    floating* dx,               # (rows, channels, inner) OUT
) noexcept nogil:
    """Like `batch_backward`, if mean and inverse depend only on the rows that count."""
    cdef Py_ssize_t r, c, i
    cdef double scale, delta
    for c in range(count):
        scale = scale_of(inverse, factor, gamma, first, c)
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


cdef void renormalize(
    Py_ssize_t count, double epsilon, double least, double most, double farthest,
    const double* mean,                 # (count,) IN
    const double* deviation,            # (count,) IN: sqrt(variance + epsilon)
    const floating* renorm_mean,        # (count,) IN: moving averages
    const floating* renorm_deviation,   # (count,) IN
    double* factor,                     # (count,) OUT
    double* shift,                      # (count,) OUT
) noexcept nogil:
    """Compute the limited factor and shift that turn a batch's own statistics into the moving ones."""
    cdef Py_ssize_t c
    cdef double usual
    for c in range(count):
        usual = max(<double>renorm_deviation[c], sqrt(epsilon))
        factor[c] = min(max(deviation[c] / usual, least), most)
        shift[c] = min(max((mean[c] - renorm_mean[c]) / usual, -farthest), farthest)
