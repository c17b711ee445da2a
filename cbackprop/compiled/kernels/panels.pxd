"""How the columns of a matrix product are divided into panels, for the tiles of this instruction set."""

from cython cimport floating

cdef extern from "../kernels/tile_sizes.h" nogil:
    enum:
        VECTOR_BYTES
        TILE_VECTORS
        READS_PARTS
        HALVES_PAY


cdef inline Py_ssize_t lanes(floating* c) noexcept nogil:
    """Numbers in a vector."""
    return max(VECTOR_BYTES // <Py_ssize_t>sizeof(floating), 1)


cdef inline Py_ssize_t panel_width(Py_ssize_t columns, Py_ssize_t lane, Py_ssize_t most) noexcept nogil:
    """How many of the remaining columns the next panel takes. A panel has at most `most` vectors.

    The last two panels have about the same size. If half vectors take half the time, columns that fill at most half a
    vector are a panel of their own.
    """
    cdef Py_ssize_t rest = columns % lane, vectors
    if HALVES_PAY and most == TILE_VECTORS and columns > lane and 0 < 2 * rest <= lane:
        columns -= rest
    vectors = (columns + lane - 1) // lane
    if vectors <= most:
        return columns
    return (most if vectors >= 2 * most else (vectors + 1) // 2) * lane


cdef inline Py_ssize_t panel_row(Py_ssize_t width, Py_ssize_t lane) noexcept nogil:
    """Numbers in a row of a packed panel."""
    return (width + lane - 1) // lane * lane


cdef inline Py_ssize_t cost_of_columns(Py_ssize_t columns, Py_ssize_t lane) noexcept nogil:
    """Time for a row of a tile, in sixteenths of an operation on a vector.

    It decides between computations that add in different orders. So it must be the same on all processors with the same
    instruction set.
    """
    cdef Py_ssize_t rest = columns % lane
    return columns // lane * 16 + (0 if rest == 0 else 9 if READS_PARTS and 2 * rest <= lane else 16)
