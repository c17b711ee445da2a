"""BatchNormalization: of channels over a batch. For sums see kernels/channels.h and sums.pxd."""

import numpy as np

from cython cimport floating
from libc.math cimport sqrt
from libc.string cimport memset

from cbackprop.compiled.engine.division cimport MOST_PARTS, PARAMETER_STEP, part_rows
from cbackprop.compiled.kernels.channels cimport add_products, add_rows, add_squares, map_channels, map_deltas
from cbackprop.compiled.kernels.sums cimport products_of, squares_of, sum_of
from cbackprop.compiled.layers.layer cimport (
    Batch, couples, IN_TRAINING, in_training, input_of, ITEMS, Layer, LayerMemory, output_of, ROWS, shared_of,
    weight_of,
)


cdef enum:
    # Channels whose sums are taken together: so much of a row is read at once. (Steps of `range` repeat the number, as
    # Cython must know their sign.)
    BATCH_BLOCK = 256

# What Keras adds to the number of elements that a mask has left, so that none is no division by 0.
cdef double MASK_EPSILON = 1e-7


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


cdef inline double scale_of(
    const double* inverse, const double* factor, const floating* gamma, Py_ssize_t first, Py_ssize_t c
) noexcept nogil:
    """inverse factor gamma of one channel; of the two that may be NULL, neither is then there."""
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
    double n,                   # elements a channel in the batch
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
    const double* factor,       # (count,) IN, or NULL: 1
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
    """What makes of a batch's own mean and deviation moving ones, within limits."""
    cdef Py_ssize_t c
    cdef double usual
    for c in range(count):
        usual = max(<double>renorm_deviation[c], sqrt(epsilon))
        factor[c] = min(max(deviation[c] / usual, least), most)
        shift[c] = min(max((mean[c] - renorm_mean[c]) / usual, -farthest), farthest)


cdef struct Moments:
    # What is known of the channels of a training batch, in the layer's memory for a batch; each (channels,).
    double* mean
    double* variance
    double* inverse             # 1 / root of the variance
    double* size                # elements that count
    double* total               # sums of deltas
    double* product             # sums of deltas times normalized values
    double* deviation           # of renorm: root of the variance
    double* factor              # and what makes moving averages of the batch's own
    double* shift
    double* parts               # (3, MOST_PARTS, channels): mean, spread and size of each part; or total and product


cdef class BatchNormalization(Layer):
    """Channels of a batch. In training threads find sums of its parts, and what all of these amount to."""

    cdef Py_ssize_t outer, channels, inner      # a sample is (outer, channels, inner)
    cdef double momentum, epsilon
    cdef int gamma, beta, moving                # which parameters they are, or -1; the variance follows the mean
    cdef bint renorm
    cdef double renorm_momentum, least, most, farthest          # limits of factor and shift
    cdef Py_ssize_t features    # elements that each number of a mask is for; 0: there is no mask

    def __init__(self, spec, list input_shapes, tuple output_shape):
        shape = input_shapes[0]
        axis = spec.axis % (len(shape) + 1) - 1
        names = ["gamma"] * spec.scale + ["beta"] * spec.center + ["moving_mean", "moving_variance"]
        names += ["moving_stddev", "renorm_mean", "renorm_stddev"] if spec.renorm else []
        masks = [shape[:-1]] if self.n_inputs > 1 else []
        self.expect([shape, *masks], shape, {name: (shape[axis],) for name in names})
        self.outer = int(np.prod(output_shape[:axis]))
        self.channels = output_shape[axis]
        self.inner = int(np.prod(output_shape[axis + 1:]))
        self.momentum, self.epsilon = spec.momentum, spec.epsilon
        self.gamma = 0 if spec.scale else -1
        self.beta = names.index("beta") if spec.center else -1
        self.moving = names.index("moving_mean")
        self.renorm, self.renorm_momentum = spec.renorm, spec.renorm_momentum
        self.least, self.most, self.farthest = spec.renorm_limits
        self.features = output_shape[-1] if self.n_inputs > 1 else 0
        for k in range(self.n_parameters):
            self.parameters[k].grain = 1

    cdef LayerMemory needs(self):
        return LayerMemory(0, (9 + 3 * MOST_PARTS) * self.channels * sizeof(double), 0)

    cdef Moments moments_of(self, const Batch* batch) noexcept nogil:
        cdef double* start = <double*>shared_of(self, batch)
        cdef Py_ssize_t n = self.channels
        return Moments(
            start, start + n, start + 2 * n, start + 3 * n, start + 4 * n, start + 5 * n, start + 6 * n, start + 7 * n,
            start + 8 * n, start + 9 * n,
        )

    cdef bint owns_moments(self, const Batch* batch) noexcept nogil:
        """Whether the batch's own mean and variance count."""
        return self.couples_samples == IN_TRAINING and in_training(self, batch)

    cdef const double* renormalized(self, const Batch* batch, const double* values) noexcept nogil:
        """Factors or shifts, where there are any; else NULL."""
        return values if self.renorm and self.owns_moments(batch) else NULL

    cdef void find_moments(
        self, const Batch* batch, Py_ssize_t first, Py_ssize_t count, double* mean, double* inverse
    ) noexcept nogil:
        """Mean and 1 / root of some channels: of the batch, where `forward` has found them, or the moving ones."""
        cdef Moments moments = self.moments_of(batch)
        cdef Py_ssize_t c
        for c in range(count):
            if self.owns_moments(batch):
                mean[c], inverse[c] = moments.mean[first + c], moments.inverse[first + c]
            elif self.is_double:
                mean[c] = (<const double*>weight_of(self, batch, self.moving))[first + c]
                inverse[c] = (<const double*>weight_of(self, batch, self.moving + 1))[first + c]
            else:
                mean[c] = (<const float*>weight_of(self, batch, self.moving))[first + c]
                inverse[c] = (<const float*>weight_of(self, batch, self.moving + 1))[first + c]
            if not self.owns_moments(batch):
                inverse[c] = 1 / sqrt(inverse[c] + self.epsilon)

    cdef double elements(self, Py_ssize_t samples) noexcept nogil:
        """How many a channel has in so many samples."""
        return <double>samples * self.outer * self.inner

    # In training: sums of parts of the batch, these joined for each channel, and then what needs them.

    cdef int phases(self, bint training, bint back, int* kinds) noexcept nogil:
        kinds[0] = ROWS
        if not couples(self, training):
            return 1
        kinds[1], kinds[2] = ITEMS, ROWS
        return 3

    cdef void run_rows(self, const Batch* batch, bint back, int phase) noexcept nogil:
        if phase == 2 or not self.owns_moments(batch):
            if back:
                self.backward(batch)
            else:
                self.forward(batch)
        elif self.is_double:
            self.sum_parts(batch, back, <const double*>input_of(self, batch, 0).value)
        else:
            self.sum_parts(batch, back, <const float*>input_of(self, batch, 0).value)

    cdef Py_ssize_t items(self, const Batch* batch, bint back, int phase) noexcept nogil:
        return (self.channels + PARAMETER_STEP - 1) // PARAMETER_STEP

    cdef void run_items(
        self, const Batch* batch, bint back, int phase, Py_ssize_t begin, Py_ssize_t end
    ) noexcept nogil:
        self.join_parts(batch, back, begin * PARAMETER_STEP, min(end * PARAMETER_STEP, self.channels))

    cdef void sum_parts(self, const Batch* batch, bint back, const floating* x) noexcept nogil:
        """Moments of each part of these samples, or sums of its deltas."""
        cdef Moments moments = self.moments_of(batch)
        cdef const floating* dy = <const floating*>output_of(self, batch).delta
        cdef Py_ssize_t step = part_rows(batch.total), width = self.outer * self.channels * self.inner
        cdef Py_ssize_t apart = MOST_PARTS * self.channels, i, begin, rows, part, first, count
        cdef double* sums
        for i in range((batch.rows + step - 1) // step):
            begin = i * step
            rows = min(step, batch.rows - begin) * self.outer
            part = batch.offset // step + i
            for first in range(0, self.channels, 256):
                count = min(self.channels - first, <Py_ssize_t>BATCH_BLOCK)
                sums = moments.parts + part * self.channels + first
                if back:
                    batch_sums(
                        rows, self.channels, self.inner, first, count, x + begin * width, dy + begin * width,
                        moments.mean + first, moments.inverse + first, sums, sums + apart,
                    )
                elif self.features:
                    masked_moments(
                        rows, self.channels, self.inner, self.features, first, count, x + begin * width,
                        <const floating*>input_of(self, batch, 1).value + begin * width // self.features,
                        sums, sums + apart, sums + 2 * apart,
                    )
                else:
                    batch_moments(
                        rows, self.channels, self.inner, first, count, x + begin * width,
                        sums, sums + apart, sums + 2 * apart,
                    )

    cdef void join_parts(self, const Batch* batch, bint back, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
        """What the sums of all parts amount to, for the channels begin:end."""
        cdef Moments moments = self.moments_of(batch)
        cdef Py_ssize_t apart = MOST_PARTS * self.channels
        cdef double* sums = moments.parts + begin
        cdef Py_ssize_t step = part_rows(batch.total), parts = (batch.total + step - 1) // step, c
        if back:
            join_sums(parts, self.channels, end - begin, sums, moments.total + begin)
            join_sums(parts, self.channels, end - begin, sums + apart, moments.product + begin)
            return
        join_moments(
            parts, self.channels, end - begin, MASK_EPSILON if self.features else 0, sums,
            sums + apart, sums + 2 * apart, moments.mean + begin, moments.variance + begin,
            moments.size + begin,
        )
        for c in range(begin, end):
            moments.deviation[c] = sqrt(moments.variance[c] + self.epsilon)
            moments.inverse[c] = 1 / moments.deviation[c]
        if not self.renorm:
            return
        if self.is_double:
            self.run_renormalize(batch, begin, end, <const double*>weight_of(self, batch, self.moving + 3))
        else:
            self.run_renormalize(batch, begin, end, <const float*>weight_of(self, batch, self.moving + 3))

    cdef void run_renormalize(
        self, const Batch* batch, Py_ssize_t begin, Py_ssize_t end, const floating* renorm_mean
    ) noexcept nogil:
        cdef Moments moments = self.moments_of(batch)
        cdef const floating* renorm_deviation = <const floating*>weight_of(self, batch, self.moving + 4)
        renormalize(
            end - begin, self.epsilon, self.least, self.most, self.farthest, moments.mean + begin,
            moments.deviation + begin, renorm_mean + begin, renorm_deviation + begin, moments.factor + begin,
            moments.shift + begin,
        )

    cdef void forward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_forward(batch, <double*>output_of(self, batch).value)
        else:
            self.run_forward(batch, <float*>output_of(self, batch).value)

    cdef void run_forward(self, const Batch* batch, floating* y) noexcept nogil:
        cdef Moments moments = self.moments_of(batch)
        cdef const floating* x = <const floating*>input_of(self, batch, 0).value
        cdef Py_ssize_t rows = batch.rows * self.outer, first, count
        cdef double mean[BATCH_BLOCK]
        cdef double inverse[BATCH_BLOCK]
        for first in range(0, self.channels, 256):
            count = min(self.channels - first, <Py_ssize_t>BATCH_BLOCK)
            self.find_moments(batch, first, count, mean, inverse)
            batch_forward(
                rows, self.channels, self.inner, first, count, x, mean, inverse,
                self.renormalized(batch, moments.factor + first), self.renormalized(batch, moments.shift + first),
                <const floating*>weight_of(self, batch, self.gamma),
                <const floating*>weight_of(self, batch, self.beta), y,
            )

    cdef void backward(self, const Batch* batch) noexcept nogil:
        if input_of(self, batch, 0).delta == NULL:
            return
        if self.is_double:
            self.run_backward(batch, <double*>input_of(self, batch, 0).delta)
        else:
            self.run_backward(batch, <float*>input_of(self, batch, 0).delta)

    cdef void run_backward(self, const Batch* batch, floating* dx) noexcept nogil:
        cdef Moments moments = self.moments_of(batch)
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
                    <const floating*>input_of(self, batch, 1).value, dy, moments.size + first, mean, inverse,
                    self.renormalized(batch, moments.factor + first),
                    <const floating*>weight_of(self, batch, self.gamma), moments.total + first, moments.product + first,
                    self.accumulate[0], dx,
                )
            else:
                batch_backward(
                    rows, self.channels, self.inner, first, count, x, dy, mean, inverse,
                    self.renormalized(batch, moments.factor + first),
                    <const floating*>weight_of(self, batch, self.gamma),
                    (moments.total + first) if own else NULL, (moments.product + first) if own else NULL,
                    self.elements(batch.total), self.accumulate[0], dx,
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
        cdef Moments moments = self.moments_of(batch)
        cdef double mean[BATCH_BLOCK]
        cdef double inverse[BATCH_BLOCK]
        cdef double total[BATCH_BLOCK]
        cdef double product[BATCH_BLOCK]
        cdef Py_ssize_t first, count, c
        for first in range(begin, end, 256):
            count = min(end - first, <Py_ssize_t>BATCH_BLOCK)
            if self.owns_moments(batch):
                for c in range(count):
                    total[c], product[c] = moments.total[first + c], moments.product[first + c]
                    if self.renorm:
                        product[c] = product[c] * moments.factor[first + c] + total[c] * moments.shift[first + c]
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
            self.run_finish(batch, <double*>weight_of(self, batch, self.moving))
        else:
            self.run_finish(batch, <float*>weight_of(self, batch, self.moving))

    cdef void run_finish(self, const Batch* batch, floating* moving_mean) noexcept nogil:
        cdef Moments moments = self.moments_of(batch)
        cdef floating* moving_variance = <floating*>weight_of(self, batch, self.moving + 1)
        cdef floating* more         # moving_stddev, renorm_mean, renorm_stddev
        cdef floating variance
        cdef Py_ssize_t c
        move_average(self.channels, <floating>self.momentum, moments.mean, moving_mean)
        if not self.renorm:
            move_average(self.channels, <floating>self.momentum, moments.variance, moving_variance)
            return
        more = <floating*>weight_of(self, batch, self.moving + 2)
        move_average(self.channels, <floating>self.momentum, moments.deviation, more)
        for c in range(self.channels):
            variance = more[c] * more[c] - <floating>self.epsilon
            moving_variance[c] = variance if variance > 0 else 0
        more = <floating*>weight_of(self, batch, self.moving + 3)
        move_average(self.channels, <floating>self.renorm_momentum, moments.mean, more)
        more = <floating*>weight_of(self, batch, self.moving + 4)
        move_average(self.channels, <floating>self.renorm_momentum, moments.deviation, more)
