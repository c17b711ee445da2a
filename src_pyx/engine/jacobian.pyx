"""Derivatives of the numbers predicted for single samples."""

from libc.string cimport memset

from cbackprop.compiled.engine.context cimport Context, describe
from cbackprop.compiled.engine.failure cimport take_failure
from cbackprop.compiled.engine.gradients cimport Gradients
from cbackprop.compiled.engine.head cimport Head
from cbackprop.compiled.engine.network cimport run_forwards
from cbackprop.compiled.engine.predictor cimport Predictor
from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.layers.layer cimport Buffer, Layer, run_whole


def jacobian(
    Predictor predictor not None, Py_ssize_t start, Py_ssize_t stop, Gradients gradients not None,
    derivatives, double[::1] errors, bint training=True,
):
    """Compute the error of every number predicted for the samples start:stop, and its derivatives by the weights.

    derivatives (numbers, parameters), of the engine's float type; `gradients` describes a row
    errors (numbers,), prediction - target: by samples, and within a sample by heads that have a loss
    """
    cdef Py_ssize_t numbers = 0, begin
    cdef Head head
    predictor.feeds.check(None, start, stop, 1)
    predictor.feeds.check_targets()
    predictor.contexts.check_staged(False)
    for head in predictor.network.heads:
        numbers += head.positions * head.width if head.loss is not None else 0
    if not predictor.contexts.n_blocks or any(predictor.network.linked[i] for i in range(predictor.network.n_layers)):
        raise RuntimeError("The engine has no memory, or a loss has taken over a layer.")
    if derivatives.ndim != 2 or gradients.size > derivatives.shape[1] or (
        not derivatives.shape[0] == errors.shape[0] == (stop - start) * numbers
    ):
        raise ValueError("The arrays do not fit the network.")
    cdef char* rows = <char*>address(derivatives, predictor.network.float_type(), derivatives.size)
    cdef Py_ssize_t row_bytes = derivatives.shape[1] * derivatives.itemsize
    predictor.run.begin()
    try:
        with nogil:
            begin = start
            while begin < stop and predictor.run.failure.error == NULL:
                differentiate(
                    predictor, <Context>predictor.contexts.blocks[0], begin,
                    min(predictor.contexts.block_capacity, stop - begin), numbers,
                    gradients, rows + (begin - start) * numbers * row_bytes, row_bytes,
                    &errors[(begin - start) * numbers], training,
                )
                begin += predictor.contexts.block_capacity
    finally:
        predictor.run.busy = False
    failure = take_failure(&predictor.run.failure)
    if failure is not None:
        raise failure


cdef Py_ssize_t width_of(Predictor predictor, Py_ssize_t h) noexcept nogil:
    """How many numbers a head predicts for a sample."""
    return (
        (<Head>predictor.network.head_pointers[h]).positions * (<Head>predictor.network.head_pointers[h]).width
    )


cdef void differentiate(
    Predictor predictor, Context context, Py_ssize_t begin, Py_ssize_t rows, Py_ssize_t numbers, Gradients gradients,
    char* derivatives, Py_ssize_t row_bytes, double* errors, bint training,
) noexcept nogil:
    """Run a block. Each predicted number takes both passes, because layers may destroy their inputs on the way back."""
    cdef Py_ssize_t h, k, i, r, at, number = 0
    for h in range(predictor.network.n_heads):
        if (<Head>predictor.network.head_pointers[h]).loss is None:
            continue
        for k in range(width_of(predictor, h)):
            context.show(0, rows)
            describe(context, rows, training, predictor.network.iteration, begin, 0, rows, predictor.network.blas)
            context.fetch(predictor.feeds.items, NULL, begin)
            run_forwards(predictor.network, predictor.network.n_layers, &context.batch)
            for i in range(predictor.network.n_heads):
                seed(predictor, context, i, k if i == h else -1, numbers, errors + number)
            for i in range(predictor.network.n_backward):
                at = predictor.network.backward_order[i]
                run_whole(<Layer>predictor.network.layer_pointers[at], &context.batch, True)
            for r in range(rows):
                context.show(r, 1)
                describe(context, 1, training, predictor.network.iteration, begin + r, r, rows, predictor.network.blas)
                context.refer(predictor.feeds.items, NULL, begin + r)
                gradients.collect_all(&context.batch, derivatives + (r * numbers + number) * row_bytes, False)
            number += 1


cdef void seed(
    Predictor predictor, Context context, Py_ssize_t h, Py_ssize_t k, Py_ssize_t numbers, double* errors
) noexcept nogil:
    """Set a head's deltas to 1 for number k of each sample, and store its error; others to 0 (k = -1: all to 0)."""
    cdef Py_ssize_t width = width_of(predictor, h), r
    cdef Buffer* buffer = &context.batch.buffers[(<Head>predictor.network.head_pointers[h]).output]
    cdef const void* targets = context.targets[h].values
    cdef bint is_double = predictor.network.is_double
    if (<Head>predictor.network.head_pointers[h]).loss is None:
        return
    if buffer.delta != NULL:    # else the output depends on no weight
        memset(buffer.delta, 0, context.batch.rows * width * (8 if is_double else 4))
    if k < 0:
        return
    for r in range(context.batch.rows):
        if is_double:
            errors[r * numbers] = (<double*>buffer.value)[r * width + k] - (<double*>targets)[r * width + k]
            if buffer.delta != NULL:
                (<double*>buffer.delta)[r * width + k] = 1
        else:
            errors[r * numbers] = (
                <double>(<float*>buffer.value)[r * width + k] - (<float*>targets)[r * width + k]
            )
            if buffer.delta != NULL:
                (<float*>buffer.delta)[r * width + k] = 1
