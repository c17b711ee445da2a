"""How work is divided among blocks and threads."""

cdef enum:
    # Rows are divided among threads at multiples of the largest vector, if each thread gets several of these: loops
    # process the last numbers, which do not fill a vector, one by one.
    ROW_STEP = 16
    # The same for parameters. It is also a multiple of a cache line.
    PARAMETER_STEP = 16
    # The most parts of a batch whose sums are joined in order. And the number of parts of a small batch: as many
    # threads can share it, but joining parts costs time.
    MOST_PARTS = 32
    PARTS_OF_SMALL = 8


cdef inline Py_ssize_t share(Py_ssize_t size, Py_ssize_t step, Py_ssize_t thread, Py_ssize_t threads) noexcept nogil:
    """The beginning of a thread's share, at a multiple of `step`. It ends where the next thread's share begins."""
    cdef Py_ssize_t steps = (size + step - 1) // step
    return min(steps * thread // threads * step, size)


cdef inline Py_ssize_t row_step(Py_ssize_t rows, Py_ssize_t threads) noexcept nogil:
    """The step at which the rows of a batch are divided among threads. 32 rows are enough for eight threads."""
    return max(min(rows // (4 * threads), <Py_ssize_t>ROW_STEP), <Py_ssize_t>1)


cdef inline Py_ssize_t part_rows(Py_ssize_t rows) noexcept nogil:
    """The rows of each part of a batch, except for the last part. Threads have whole parts."""
    return max(
        (rows + MOST_PARTS - 1) // MOST_PARTS, min((rows + PARTS_OF_SMALL - 1) // PARTS_OF_SMALL, <Py_ssize_t>ROW_STEP)
    )


cdef inline Py_ssize_t larger_first(Py_ssize_t size, Py_ssize_t pieces, Py_ssize_t piece) noexcept nogil:
    """The beginning of a piece if `size` is divided as evenly as possible. It ends where the next piece begins.

    Larger pieces come first. In each round every thread takes one piece, and then they wait for each other, so the
    pieces of a round should have the same size.
    """
    return piece * (size // pieces) + min(piece, size % pieces)


cdef inline Py_ssize_t block_count(Py_ssize_t rows, Py_ssize_t capacity) noexcept nogil:
    """The number of blocks of up to `capacity` rows in a batch: one, or an even number, for two threads."""
    cdef Py_ssize_t count = (rows + capacity - 1) // capacity
    return count if count == 1 else min((count + 1) // 2 * 2, rows)


cdef inline Py_ssize_t block_begin(
    Py_ssize_t rows, Py_ssize_t step, Py_ssize_t block, Py_ssize_t count
) noexcept nogil:
    """The first row of a block, a multiple of `step` if rows are enough. The block ends where the next one begins."""
    if rows < step * count:
        step = 1
    return min(larger_first((rows + step - 1) // step, count, block) * step, rows)
