from cython cimport floating


cdef int run_loop(str name, const floating* x, floating* y, Py_ssize_t size) except -1
