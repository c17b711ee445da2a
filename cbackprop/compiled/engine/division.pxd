"""Where work is divided among tiles and threads."""

cdef enum:
    # Rows are divided among tiles at multiples of this, which suits the sizes of register tiles.
    TILE_STEP = 24
    # Rows are divided among threads at multiples of the numbers in the largest vector: then no share but the last has
    # numbers left over, which loops treat one by one, and may round otherwise.
    ROW_STEP = 16
    # Likewise parameters; a multiple of a cache line, too.
    PARAMETER_STEP = 16
    # Parts of a batch of which sums are taken that are joined in the order of parts.
    MOST_PARTS = 32


cdef inline Py_ssize_t share(Py_ssize_t size, Py_ssize_t step, Py_ssize_t thread, Py_ssize_t threads) noexcept nogil:
    """Where a thread's share begins, at a multiple of `step`; the next one's is where it ends."""
    cdef Py_ssize_t steps = (size + step - 1) // step
    return min(steps * thread // threads * step, size)


cdef inline Py_ssize_t part_rows(Py_ssize_t rows) noexcept nogil:
    """Rows of each part of a batch of so many, but for the last; threads have whole parts."""
    return ((rows + ROW_STEP - 1) // ROW_STEP + MOST_PARTS - 1) // MOST_PARTS * ROW_STEP
