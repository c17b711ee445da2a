"""Memory for compiled code, and from NumPy arrays to addresses, with checks that no wrong array is read as memory."""

cdef enum:
    # What has fewer bytes is filled, or looked through, without letting go of the GIL: another thread that waits for it
    # would take it, as those of `fit_many` do, and to get it back takes longer than the work.
    MANY_BYTES = 262144

cdef void* address(array, dtype, Py_ssize_t size) except NULL
