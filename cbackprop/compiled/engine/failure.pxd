"""Exceptions of Python code that runs inside a step: a layer, a loss, a schedule written in Python.

Nothing can be raised without the GIL. The first exception is kept, the batch is worked off on whatever numbers there
are, and before it changes anything the run ends and raises what was kept.
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
