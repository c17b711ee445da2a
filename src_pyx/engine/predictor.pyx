"""Runs a network forwards, without the GIL: in a team of threads, or a few samples at once.

Samples pass in blocks, so that the output of a layer is still in the cache when the next one reads it.
"""

import numpy as np

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_IsContiguous, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.stdint cimport int32_t

from cbackprop.compiled.engine.context cimport Context, describe
from cbackprop.compiled.engine.contexts cimport Contexts
from cbackprop.compiled.engine.division cimport block_begin, block_count
from cbackprop.compiled.engine.failure cimport take_failure
from cbackprop.compiled.engine.feeds cimport Feeds
from cbackprop.compiled.engine.network cimport Network, run_forwards
from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.kernels.vectors cimport all_finite, all_whole
from cbackprop.compiled.layers.layer cimport Layer

cdef extern from "atomics.h" nogil:
    int32_t ATOMIC_LOAD(int32_t* p)
    int32_t ATOMIC_SWAP(int32_t* p, int32_t n)


cdef void predict_thread(void* predictor, Py_ssize_t thread) noexcept nogil:
    (<Predictor>predictor).run_predictions(thread)


cdef bint fits(const Py_buffer* given, tuple shape, Py_ssize_t itemsize):
    """Whether an array has samples of this shape, is contiguous and is aligned."""
    cdef Py_ssize_t axis
    if given.ndim != 1 + len(shape) or <size_t>given.buf % <size_t>itemsize or not PyBuffer_IsContiguous(given, b"C"):
        return False
    for axis in range(1, given.ndim):
        if given.shape[axis] != shape[axis - 1]:
            return False
    return True


cdef class Predictor:
    """
    Parameters
    ----------
    network : Network
    feeds : Feeds
    contexts : Contexts
    """

    def __cinit__(self, Network network not None, Feeds feeds not None, Contexts contexts not None):
        self.network, self.feeds, self.contexts = network, feeds, contexts
        self.run = network.run

    def predict(
        self, Py_ssize_t start, Py_ssize_t stop, list outputs, list results, bint training=False,
        Py_ssize_t threads=1, tick=None, bint check=False, bint check_first=False,
    ):
        """Write the buffers `outputs` of the samples start:stop into the arrays `results`.

        With `check`, return False if a number of the inputs is NaN or infinite; then the results are invalid. The
        inputs of a block are checked after its layers have run, when they are in the cache. With `check_first`, they
        are checked before: layers then see only finite inputs. In training mode, layers whose samples depend on each
        other afterwards update weights without a gradient, such as moving averages.
        """
        cdef Py_ssize_t n_outputs = len(outputs), i
        cdef Py_ssize_t itemsize = 8 if self.network.is_double else 4
        self.feeds.check(None, start, stop, 1)
        self.contexts.check_staged(False)
        if threads > self.contexts.n_blocks:
            raise ValueError("The engine has no memory for so many threads.")
        self.results = np.zeros(n_outputs + 1, np.uintp)
        self.result_buffers = np.zeros(n_outputs + 1, np.intp)
        self.result_bytes = np.zeros(n_outputs + 1, np.intp)
        for i in range(n_outputs):
            self.result_buffers[i] = self.network.buffer(outputs[i])
            self.result_bytes[i] = self.network.widths[outputs[i]] * itemsize
            if results[i].size != (stop - start) * self.network.widths[outputs[i]]:
                raise ValueError("A result does not fit its output.")
            self.results[i] = <size_t>address(results[i], self.network.float_type(), results[i].size)
        self.start, self.stop, self.training = start, stop, training
        self.check, self.check_first, self.found_infinite = check, check_first, False
        self.run.work(predict_thread, <void*>self, threads, tick)
        if training and not self.found_infinite:
            for i in range(self.network.n_predicting):
                (<Layer>self.network.layer_pointers[i]).finish(&(<Context>self.contexts.blocks[0]).batch)
        return not self.found_infinite

    cdef void run_predictions(self, Py_ssize_t thread) noexcept nogil:
        """Run blocks until none is left. A thread that is slower, or disturbed by other programs, has fewer of them."""
        cdef Py_ssize_t rows = self.stop - self.start, i, begin, end
        cdef Py_ssize_t count = block_count(rows, self.contexts.block_capacity)
        while True:
            i = self.run.team.take()
            if i >= count or ATOMIC_LOAD(&self.run.halt):
                return
            begin = block_begin(rows, self.contexts.block_step, i, count)
            end = block_begin(rows, self.contexts.block_step, i + 1, count)
            self.predict_samples(<Context>self.contexts.blocks[thread], begin, end - begin)
            if self.run.failure.error != NULL or ATOMIC_LOAD(&self.found_infinite):
                return
            if thread == 0:
                self.run.look_up(end)

    cdef void predict_samples(self, Context context, Py_ssize_t begin, Py_ssize_t rows) noexcept nogil:
        """Run some samples. The last layers write directly into the results."""
        cdef Py_ssize_t outputs = self.results.shape[0] - 1, k
        context.show(0, rows)
        context.fetch(self.feeds.items, NULL, self.start + begin)
        if self.check and self.check_first and not self.inputs_finite(context):
            ATOMIC_SWAP(&self.found_infinite, True)
            return
        for k in range(outputs):
            context.batch.buffers[self.result_buffers[k]].value = (
                <char*>self.results[k] + begin * self.result_bytes[k]
            )
        self.run_layers(context, self.start + begin)
        for k in range(outputs):
            context.batch.buffers[self.result_buffers[k]].value = context.base[self.result_buffers[k]].value
        if self.check and not self.check_first and not self.inputs_finite(context):
            ATOMIC_SWAP(&self.found_infinite, True)

    cdef bint inputs_finite(self, Context context) noexcept nogil:
        """Whether the inputs of these samples are all finite."""
        cdef Py_ssize_t i, n
        cdef bint is_double = self.network.is_double
        cdef const void* value
        for i in range(self.feeds.n):
            n = context.batch.rows * self.feeds.items[i].width
            value = context.batch.buffers[self.feeds.items[i].buffer].value
            if self.feeds.items[i].sparse != NULL:
                continue
            if not (all_finite(n, <const double*>value) if is_double else all_finite(n, <const float*>value)):
                return False
        return True

    cdef void run_layers(self, Context context, Py_ssize_t first) noexcept nogil:
        """Run all layers that a prediction needs, on the samples from number `first` of the data on."""
        describe(
            context, context.batch.rows, self.training, self.network.iteration, first, 0, context.batch.rows,
            self.network.blas,
        )
        run_forwards(self.network, self.network.n_predicting, &context.batch)

    def predict_now(self, x, result, tuple shape, Py_ssize_t source, Py_ssize_t output, Py_ssize_t limit=-1):
        """Write the buffer `output` of a few samples into `result`, given the values `x` of the buffer `source`.

        It does the same as `predict` for one input and one output, with less work in Python: a network of 8-64-64-4
        takes half a microsecond. It does nothing and returns False if a value is not finite, if `x` is not contiguous
        and aligned, or if its samples do not have this shape. With a limit, values must be whole numbers from 0 to it,
        excluded; with 0, any whole numbers.
        """
        cdef Context context
        cdef Py_ssize_t itemsize = 8 if self.network.is_double else 4, rows
        cdef Py_buffer given, wanted
        cdef bint valid
        self.run.check_idle()
        if not self.contexts.n_blocks or not self.network.checked:
            raise RuntimeError("The engine has no memory.")
        self.contexts.show_weights()
        context = self.contexts.block_list[0]
        PyObject_GetBuffer(x, &given, PyBUF_STRIDES)
        try:
            if not fits(&given, shape, itemsize):
                return False
            PyObject_GetBuffer(result, &wanted, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
            try:
                rows = given.len // (context.base[self.network.buffer(source)].width * itemsize)
                if (
                    rows > context.capacity or given.itemsize != itemsize or wanted.itemsize != itemsize
                    or given.len != rows * context.base[source].width * itemsize
                    or wanted.len != rows * context.base[self.network.buffer(output)].width * itemsize
                ):
                    raise ValueError("An array does not fit the network.")
                self.training = False
                self.run.begin()
                with nogil:
                    if self.network.is_double:
                        valid = all_finite(given.len // itemsize, <const double*>given.buf)
                    else:
                        valid = all_finite(given.len // itemsize, <const float*>given.buf)
                    if valid and limit >= 0:
                        if self.network.is_double:
                            valid = all_whole(given.len // itemsize, limit, <const double*>given.buf)
                        else:
                            valid = all_whole(given.len // itemsize, limit, <const float*>given.buf)
                    if valid:
                        context.show(0, rows)
                        context.batch.buffers[source].value = given.buf
                        context.batch.buffers[source].sparse = NULL
                        context.batch.buffers[output].value = wanted.buf
                        self.run_layers(context, 0)
                        context.batch.buffers[output].value = context.base[output].value
                self.run.busy = False
                error = take_failure(&self.run.failure)
                if error is not None:
                    raise error
                return valid
            finally:
                PyBuffer_Release(&wanted)
        finally:
            PyBuffer_Release(&given)
