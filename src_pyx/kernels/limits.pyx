"""Measure the processor's limits of floating-point operations and memory traffic.

Benchmarks divide by these numbers. The loops are written in C, because for a peak all accumulators must stay in
registers: separate variables do, but gcc 12 puts an array of vectors on the stack.
"""

import numpy as np

cdef extern from *:
    """
    #include <stddef.h>
    #include <time.h>

    #if defined(__GNUC__) || defined(__clang__)
    #if defined(__AVX512F__)
    #define LIMITS_BYTES 64
    #elif defined(__AVX__)
    #define LIMITS_BYTES 32
    #else
    #define LIMITS_BYTES 16
    #endif
    typedef float limits_vector __attribute__((vector_size(LIMITS_BYTES)));
    #define LIMITS_BARRIER __asm__ volatile("" ::: "memory")
    #else
    typedef float limits_vector;
    #define LIMITS_BYTES 4
    #define LIMITS_BARRIER
    #endif

    /* Twelve chains hide the latency of a multiply-add (4 cycles, two of them at once), and leave registers for
       the two constants. They start from different numbers, and the constants are volatile: whatever the compiler
       can work out, it does not compute (a chain that starts at its fixed point is dropped, for one). */
    #define LIMITS_CHAINS 12
    #define LIMITS_EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
    #define LIMITS_START(i) limits_vector chain##i = zero + (float)i;
    #define LIMITS_STEP(i) chain##i = chain##i * factor + term;
    #define LIMITS_ADD(i) sum += chain##i;

    static volatile float limits_factor = 0.999f, limits_term = 0.001f, limits_sink;

    static void limits_multiply_add(ptrdiff_t repeats) {
        limits_vector zero = {0};
        limits_vector factor = zero + limits_factor, term = zero + limits_term, sum = zero;
        ptrdiff_t i;
        LIMITS_EACH(LIMITS_START)
        for (i = 0; i < repeats; i++) {
            LIMITS_EACH(LIMITS_STEP)
        }
        LIMITS_EACH(LIMITS_ADD)
        limits_sink = *(float*)&sum;
    }

    static double limits_operations(ptrdiff_t repeats) {
        return 2.0 * LIMITS_CHAINS * (LIMITS_BYTES / sizeof(float)) * (double)repeats;
    }

    /* In place: a processor reads a line of memory before it writes to it, so that of a third vector would be
       moved once more than is counted. */
    static void limits_triad(ptrdiff_t n, float* a, const float* b) {
        ptrdiff_t i;
        for (i = 0; i < n; i++) a[i] = b[i] + 0.5f * a[i];
        LIMITS_BARRIER;
    }

    /* Seconds of the day: those since 1970 would leave a double no digits below 200 ns. */
    static double limits_now(void) {
        struct timespec t;
        timespec_get(&t, TIME_UTC);
        return (double)(t.tv_sec % 86400) + 1e-9 * (double)t.tv_nsec;
    }
    """
    void limits_multiply_add(Py_ssize_t repeats) noexcept nogil
    double limits_operations(Py_ssize_t repeats) noexcept nogil
    void limits_triad(Py_ssize_t n, float* a, const float* b) noexcept nogil
    double limits_now() noexcept nogil

# Multiply-adds of each chain, and numbers of a triad, between two readings of the clock: a few milliseconds.
cdef Py_ssize_t FMA_REPEATS = 2_000_000
cdef Py_ssize_t TRIAD_NUMBERS = 4_000_000
# Numbers between the two vectors: some cache lines, but not a multiple of a page.
cdef Py_ssize_t OFFSET = 272


def fma_peak(double seconds=0.2) -> float:
    """Float32 operations of one thread in GF/s: the best few milliseconds of multiply-adds in registers.

    A multiply-add counts as two operations. Vectors are as wide as in the other kernels of this instruction set.
    """
    cdef double begin = limits_now(), start, best = 0
    with nogil:
        while best == 0 or limits_now() - begin < seconds:
            start = limits_now()
            limits_multiply_add(FMA_REPEATS)
            best = max(best, limits_operations(FMA_REPEATS) / max(limits_now() - start, 1e-9))
    return best / 1e9


def stream_bandwidth(double seconds=0.5, Py_ssize_t size=32_000_000) -> float:
    """Bytes that one thread reads and writes in GB/s: the best pass of ``a = b + a / 2`` over float32 vectors.

    Parameters
    ----------
    seconds : float
    size : int
        The numbers in each of the two vectors. If both fit into a cache, its bandwidth is measured.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, but got {size}.")
    # NumPy asks for huge pages. Vectors that begin at the same offset of a page would slow each other down.
    cdef float[::1] memory = np.ones(2 * size + OFFSET, np.float32)
    cdef Py_ssize_t _pass, passes = max(1, TRIAD_NUMBERS // size)
    cdef double begin = limits_now(), start, best = 0
    with nogil:
        while best == 0 or limits_now() - begin < seconds:
            start = limits_now()
            for _pass in range(passes):
                limits_triad(size, &memory[0], &memory[size + OFFSET])
            best = max(best, 12.0 * size * passes / max(limits_now() - start, 1e-9))
    return best / 1e9
