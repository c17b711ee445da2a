"""Random numbers that depend only on where they are used.

Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011) turns a counter of
four 32-bit words and a key of two words into four random words. Here the key is (stream, node), and the counter
consists of the number of a block of four elements and the number of training batches. There is no state, so the order
in which numbers are drawn, and how work is divided, make no difference.
"""

import numpy as np

from cython cimport floating
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from cbackprop.compiled.kernels.elementary cimport cos_and_sin, log, sqrt
from cbackprop.compiled.kernels.memory cimport MANY_BYTES

cdef enum:
    ROUNDS = 10
    MULTIPLIER_0 = 0xD2511F53
    MULTIPLIER_1 = 0xCD9E8D57
    KEY_STEP_0 = 0x9E3779B9
    KEY_STEP_1 = 0xBB67AE85
    # Blocks that are computed together, so that the compiler can use vector registers.
    LANES = 64


cdef void philox(
    uint64_t block, uint64_t iteration, uint32_t stream, uint32_t node,
    uint32_t* out,              # (4 * LANES,) OUT
) noexcept nogil:
    """The random words of LANES blocks, from `block` on."""
    cdef uint32_t[LANES] c0, c1, c2, c3
    cdef uint64_t low, high
    cdef Py_ssize_t i, _
    for i in range(LANES):
        c0[i] = <uint32_t>(block + i)
        c1[i] = <uint32_t>((block + i) >> 32)
        c2[i] = <uint32_t>iteration
        c3[i] = <uint32_t>(iteration >> 32)
    for _ in range(ROUNDS):
        for i in range(LANES):
            low = <uint64_t>c0[i] * <uint32_t>MULTIPLIER_0
            high = <uint64_t>c2[i] * <uint32_t>MULTIPLIER_1
            c0[i] = <uint32_t>(high >> 32) ^ c1[i] ^ stream
            c1[i] = <uint32_t>high
            c2[i] = <uint32_t>(low >> 32) ^ c3[i] ^ node
            c3[i] = <uint32_t>low
        stream += <uint32_t>KEY_STEP_0
        node += <uint32_t>KEY_STEP_1
    for i in range(LANES):
        out[4 * i] = c0[i]
        out[4 * i + 1] = c1[i]
        out[4 * i + 2] = c2[i]
        out[4 * i + 3] = c3[i]


cdef void random_mask(
    Py_ssize_t n, double probability, uint64_t first, uint64_t iteration, uint32_t stream, uint32_t node,
    uint8_t* mask,              # (n,) OUT
) noexcept nogil:
    """For n elements from `first` on, 1 with this probability, else 0.

    It is 1 if the element's 32 random bits are below probability * 2^32.
    """
    cdef uint32_t[4 * LANES] words
    cdef uint64_t threshold = <uint64_t>(probability * 4294967296.0 + 0.5), block = first // 4
    cdef Py_ssize_t skipped = first % 4, length, i
    while n > 0:
        length = min(n, 4 * LANES - skipped)
        philox(block, iteration, stream, node, words)
        for i in range(length):
            mask[i] = words[skipped + i] < threshold
        mask += length
        n -= length
        block += LANES
        skipped = 0


cdef void normals(
    const uint32_t* words,      # (4 * LANES,) IN
    double* out,                # (4 * LANES,) OUT
) noexcept nogil:
    """Normally distributed numbers, a pair from each pair of words (Box and Muller).

    The first word gives the distance from the origin, the second the angle: a quarter, and an angle within it.
    """
    cdef double r, c, s, x, y
    cdef uint32_t quarter
    cdef Py_ssize_t i
    for i in range(2 * LANES):
        r = sqrt(-2 * log((words[2 * i] + 0.5) * 2.0**-32))
        quarter = words[2 * i + 1] >> 30
        cos_and_sin((<double>(words[2 * i + 1] & 0x3FFFFFFF) * 2.0**-30 - 0.5) * 1.5707963267948966, &c, &s)
        x = s if quarter & 1 else c
        y = c if quarter & 1 else s
        out[2 * i] = r * (-x if quarter == 1 or quarter == 2 else x)
        out[2 * i + 1] = r * (-y if quarter >= 2 else y)


cdef void random_normal(
    Py_ssize_t n, uint64_t first, uint64_t iteration, uint32_t stream, uint32_t node,
    floating* out,              # (n,) OUT
) noexcept nogil:
    """Normally distributed numbers with mean 0 and variance 1, for n elements from `first` on."""
    cdef uint32_t[4 * LANES] words
    cdef double[4 * LANES] numbers
    cdef uint64_t block = first // 4
    cdef Py_ssize_t skipped = first % 4, length, i
    while n > 0:
        length = min(n, 4 * LANES - skipped)
        philox(block, iteration, stream, node, words)
        normals(words, numbers)
        for i in range(length):
            out[i] = <floating>numbers[skipped + i]
        out += length
        n -= length
        block += LANES
        skipped = 0


cdef void random_uniform(
    Py_ssize_t n, uint64_t first, uint64_t iteration, uint32_t stream, uint32_t node,
    double* out,                # (n,) OUT
) noexcept nogil:
    """Numbers from [0, 1), multiples of 2^-32, for n elements from `first` on."""
    cdef uint32_t[4 * LANES] words
    cdef uint64_t block = first // 4
    cdef Py_ssize_t skipped = first % 4, length, i
    while n > 0:
        length = min(n, 4 * LANES - skipped)
        philox(block, iteration, stream, node, words)
        for i in range(length):
            out[i] = words[skipped + i] * 2.0**-32
        out += length
        n -= length
        block += LANES
        skipped = 0


cdef void shuffle(
    Py_ssize_t n, uint32_t stream, uint32_t node,
    int64_t* items,             # (n,) IN and OUT, n < 2^32
) noexcept nogil:
    """Shuffle the items (Fisher and Yates).

    A random number below `size` is the upper half of `size` times a random word. Words that would make some numbers
    more likely are rejected (Lemire, "Fast random integer generation in an interval", ACM TOMACS 29, 2019).
    """
    cdef uint32_t[4 * LANES] words
    cdef uint64_t block = 0, scaled
    cdef Py_ssize_t used = 4 * LANES, i = n - 1
    cdef uint32_t size
    while i > 0:
        if used == 4 * LANES:
            philox(block, 0, stream, node, words)
            block += LANES
            used = 0
        size = <uint32_t>(i + 1)
        scaled = <uint64_t>words[used] * size
        used += 1
        if <uint32_t>scaled < size and <uint32_t>scaled < (<uint32_t>0 - size) % size:
            continue
        items[i], items[scaled >> 32] = items[scaled >> 32], items[i]
        i -= 1


def permutation(Py_ssize_t n, uint32_t stream, uint32_t node):
    """The numbers 0 ... n - 1 in random order. For 2,000 it takes a third of NumPy's time."""
    if not 0 <= n < 2**32:
        raise ValueError(f"There is no order of {n} numbers.")
    result = np.empty(n, np.int64)
    cdef int64_t[::1] view = result
    cdef uint64_t key = stream | <uint64_t>node << <uint64_t>32
    if result.nbytes >= MANY_BYTES:
        with nogil:
            draw_order(n, key, &view[0])
    elif n:
        draw_order(n, key, &view[0])
    return result


cdef void draw_order(
    Py_ssize_t n, uint64_t key,
    int64_t* order,             # (n,) OUT, n < 2^32
) noexcept nogil:
    """The `permutation` of a key: its low half is the stream, its high half the node."""
    cdef Py_ssize_t k
    for k in range(n):
        order[k] = k
    shuffle(n, <uint32_t>key, <uint32_t>(key >> <uint64_t>32), order)


def bits(Py_ssize_t n, uint64_t iteration, uint32_t stream, uint32_t node, uint64_t block=0):
    """The random words of n elements, four from each block, from `block` on."""
    cdef uint32_t[4 * LANES] words
    cdef Py_ssize_t i
    result = np.empty(n, np.uint32)
    cdef uint32_t[::1] view = result
    for i in range(n):
        if i % (4 * LANES) == 0:
            philox(block + i // 4, iteration, stream, node, words)
        view[i] = words[i % (4 * LANES)]
    return result


def mask(Py_ssize_t n, double probability, uint64_t iteration, uint32_t stream, uint32_t node, uint64_t first=0):
    """`random_mask` as an array."""
    result = np.empty(n, np.uint8)
    cdef uint8_t[::1] view = result
    if n:
        random_mask(n, probability, first, iteration, stream, node, &view[0])
    return result


def normal(Py_ssize_t n, uint64_t iteration, uint32_t stream, uint32_t node, uint64_t first=0):
    """`random_normal` as an array of float64."""
    result = np.empty(n)
    cdef double[::1] view = result
    if n:
        random_normal(n, first, iteration, stream, node, &view[0])
    return result


def uniform(Py_ssize_t n, uint64_t iteration, uint32_t stream, uint32_t node, uint64_t first=0):
    """`random_uniform` as an array."""
    result = np.empty(n)
    cdef double[::1] view = result
    if n:
        random_uniform(n, first, iteration, stream, node, &view[0])
    return result
