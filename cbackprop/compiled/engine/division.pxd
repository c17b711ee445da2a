"""Where work is divided among blocks and threads."""

cdef enum:
    # A batch is divided into blocks at multiples of this, if their capacity is one. It suits the height of register
    # tiles.
    BLOCK_STEP = 8
    # Rows are divided among threads at multiples of the numbers in the largest vector, as long as each thread then gets
    # several times as many: loops treat the numbers that are left over one by one.
    ROW_STEP = 16
    # Likewise parameters; a multiple of a cache line, too.
    PARAMETER_STEP = 16
    # Parts of a batch of which sums are taken that are joined in the order of parts; and in how many a small batch is
    # divided, so that so many threads can share it, though joining them costs something.
    MOST_PARTS = 32
    PARTS_OF_SMALL = 8


cdef inline Py_ssize_t share(Py_ssize_t size, Py_ssize_t step, Py_ssize_t thread, Py_ssize_t threads) noexcept nogil:
    """Where a thread's share begins, at a multiple of `step`; the next one's is where it ends."""
    cdef Py_ssize_t steps = (size + step - 1) // step
    return min(steps * thread // threads * step, size)


cdef inline Py_ssize_t row_step(Py_ssize_t rows, Py_ssize_t threads) noexcept nogil:
    """The step at which the rows of a batch are divided among threads. So 32 rows are enough for eight threads."""
    return max(min(rows // (4 * threads), <Py_ssize_t>ROW_STEP), <Py_ssize_t>1)


cdef inline Py_ssize_t part_rows(Py_ssize_t rows) noexcept nogil:
    """Rows of each part of a batch of so many, but for the last; threads have whole parts."""
    return max(
        (rows + MOST_PARTS - 1) // MOST_PARTS, min((rows + PARTS_OF_SMALL - 1) // PARTS_OF_SMALL, <Py_ssize_t>ROW_STEP)
    )


cdef inline Py_ssize_t larger_first(Py_ssize_t size, Py_ssize_t pieces, Py_ssize_t piece) noexcept nogil:
    """Where a piece begins when `size` is divided as evenly as possible; the next one's is where it ends.

    Larger pieces come first. Threads take pieces in turn and wait for each other after each turn, so those of a turn
    are to be of one size.
    """
    return piece * (size // pieces) + min(piece, size % pieces)


cdef inline Py_ssize_t block_count(Py_ssize_t rows, Py_ssize_t capacity) noexcept nogil:
    """In how many blocks of up to `capacity` rows a batch passes."""
    return (rows + capacity - 1) // capacity


cdef inline Py_ssize_t block_begin(
    Py_ssize_t rows, Py_ssize_t capacity, Py_ssize_t block, Py_ssize_t count
) noexcept nogil:
    """The first row of a block; the next one's is where it ends."""
    cdef Py_ssize_t step = BLOCK_STEP if capacity % BLOCK_STEP == 0 else 1
    return min(larger_first((rows + step - 1) // step, count, block) * step, rows)
