"""From NumPy arrays to addresses, with the checks that keep a wrong array from being read as memory."""

cdef void* address(array, dtype, Py_ssize_t size) except NULL
