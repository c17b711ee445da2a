"""From NumPy arrays to addresses, with the checks that keep a wrong array from being read as memory."""


cdef void* address(array, dtype, Py_ssize_t size) except NULL:
    """Where a writable, contiguous array of this type and of at least `size` elements begins.

    The caller keeps the array alive.
    """
    cdef unsigned char[::1] view
    if array.dtype != dtype or not array.flags.c_contiguous or array.size < size or array.size == 0:
        raise ValueError(
            f"Expected a contiguous array of at least {size} elements of {dtype}, "
            f"but got {array.size} of {array.dtype}."
        )
    view = array.reshape(-1).view("uint8")
    return &view[0]
