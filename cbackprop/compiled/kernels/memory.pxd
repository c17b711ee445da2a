"""Memory for compiled code, and addresses of NumPy arrays, which are checked first."""

cdef enum:
    # Less memory than this is filled or checked without releasing the GIL. Another thread that waits for the GIL, such
    # as those of `fit_many`, would take it, and getting it back takes longer than the work.
    MANY_BYTES = 262144

cdef void* address(array, dtype, Py_ssize_t size) except NULL
