"""Losses written in Python, called once for a batch with copies, so that nothing that they keep is freed memory."""

import numpy as np

from libc.string cimport memcpy

from cbackprop.compiled.engine.failure cimport Failure, fail
from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.losses.row_function cimport RowFunction


cdef class PythonLoss(RowFunction):
    cdef object spec
    cdef tuple shape            # of one sample of the prediction
    cdef tuple given_shape      # of the targets of one sample
    cdef Failure unread         # where exceptions go while no engine is there

    reads = None

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.couples_samples = True       # it is told batches, whatever the spec says
        self.missing = self.ignores = False
        self.given_shape = ()
        self.spec = spec
        self.failure = &self.unread

    def set_shape(self, tuple shape):
        """What one sample of the prediction looks like."""
        self.shape = shape

    def set_given_shape(self, tuple shape):
        """What the targets of one sample look like."""
        self.given_shape = shape

    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        with gil:
            try:
                self.call(rows, width, y_true, y_pred, coefficients, values, delta)
            except BaseException as error:
                fail(self.failure, error)

    cdef call(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, const void* y_pred,
        const double* coefficients, double* values, void* delta,
    ):
        dtype = np.float64 if self.is_double else np.float32
        prediction = copy_of(y_pred, rows * width, dtype).reshape(-1, *self.shape)
        if self.given_targets:
            size = len(prediction) * int(np.prod(self.given_shape, dtype=np.intp))
            target = copy_of(y_true, size, dtype).reshape(-1, *self.given_shape)
        elif self.index_targets:
            target = copy_of(y_true, rows, np.int64).reshape(prediction.shape[:-1])
        else:
            target = copy_of(y_true, rows * width, dtype).reshape(prediction.shape)
        found, delta_of = self.spec.judge(target, prediction)
        found = np.array(found, np.float64)
        memcpy(values, address(found, "float64", rows), rows * sizeof(double))
        if delta != NULL:
            result = np.ascontiguousarray(delta_of(copy_of(coefficients, rows, np.float64)), dtype)
            memcpy(delta, address(result, dtype, rows * width), result.nbytes)


cdef copy_of(const void* data, Py_ssize_t size, dtype):
    """An array of its own."""
    array = np.empty(size, dtype)
    memcpy(address(array, dtype, size), data, array.nbytes)
    return array
