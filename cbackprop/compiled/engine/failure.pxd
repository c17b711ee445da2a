"""Exceptions of Python code that runs inside a step: a layer, a loss, a schedule written in Python.

Nothing can be raised without the GIL. So the first exception is kept, and the batch is computed to the end with invalid
numbers. Before the batch changes anything, the run ends and raises the exception.
"""

from cpython.ref cimport Py_CLEAR, Py_INCREF, PyObject


cdef struct Failure:
    PyObject* error         # owned; NULL: none


cdef inline void fail(Failure* failure, object error) noexcept:
    """Keep an exception, if it is the first."""
    if failure.error == NULL:
        Py_INCREF(error)
        failure.error = <PyObject*>error


cdef inline object take_failure(Failure* failure):
    """Take the exception that was kept, or None."""
    if failure.error == NULL:
        return None
    error = <object>failure.error
    Py_CLEAR(failure.error)
    return error
