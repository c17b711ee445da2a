/* Convert numbers from the type in which they are stored. A number may be at any address, aligned or not, and at any
   distance from the next one: memcpy of a few bytes is one instruction, and loops over neighbors process eight. */

#ifndef CBACKPROP_RUNS_H
#define CBACKPROP_RUNS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Runs of n numbers that are `step` bytes apart, one run in each row: out[r * n + i] = the number at x + order[r] *
   stride + i * step; without an order, order[r] is r. */
typedef void (*runs_reader)(
    ptrdiff_t rows, const int64_t* order, ptrdiff_t stride, ptrdiff_t n, ptrdiff_t step, const char* x, void* out);

/* IEEE 754 half to single: exponent and fraction, moved to their places, are the number times 2^-112, even if it is
   subnormal; an exponent of all ones (infinity, NaN) stays one. There is no branch, so loops can be vectorized. */
static inline float runs_half(uint16_t half) {
    uint32_t bits = (uint32_t)(half & 0x7fff) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t special = (half & 0x7c00) == 0x7c00 ? 0x7f800000u : 0;
    float number;
    memcpy(&number, &bits, 4);
    number *= 5.192296858534828e+33f;
    memcpy(&bits, &number, 4);
    bits |= sign | special;
    memcpy(&number, &bits, 4);
    return number;
}

#define RUNS_SAME(x) (x)
#define RUNS_READER(STORED, TYPE, VALUE, READ, OUT) \
    static void runs_##STORED##_as_##READ( \
        ptrdiff_t rows, const int64_t* order, ptrdiff_t stride, ptrdiff_t n, ptrdiff_t step, const char* x, void* out \
    ) { \
        OUT* restrict numbers = (OUT*)out; \
        for (ptrdiff_t r = 0; r < rows; r++, numbers += n) { \
            const char* restrict run = x + (order ? order[r] : r) * stride; \
            TYPE number; \
            if (step == (ptrdiff_t)sizeof number) { \
                for (ptrdiff_t i = 0; i < n; i++) { \
                    memcpy(&number, run + i * (ptrdiff_t)sizeof number, sizeof number); \
                    numbers[i] = (OUT)VALUE(number); \
                } \
            } else { \
                for (ptrdiff_t i = 0; i < n; i++) { \
                    memcpy(&number, run + i * step, sizeof number); \
                    numbers[i] = (OUT)VALUE(number); \
                } \
            } \
        } \
    }
#define RUNS_READERS(STORED, TYPE, VALUE) \
    RUNS_READER(STORED, TYPE, VALUE, int64, int64_t) \
    RUNS_READER(STORED, TYPE, VALUE, float32, float) \
    RUNS_READER(STORED, TYPE, VALUE, float64, double)
#define RUNS_ROW(STORED) {runs_##STORED##_as_int64, runs_##STORED##_as_float32, runs_##STORED##_as_float64}

RUNS_READERS(int8, int8_t, RUNS_SAME)
RUNS_READERS(uint8, uint8_t, RUNS_SAME)
RUNS_READERS(int16, int16_t, RUNS_SAME)
RUNS_READERS(uint16, uint16_t, RUNS_SAME)
RUNS_READERS(int32, int32_t, RUNS_SAME)
RUNS_READERS(uint32, uint32_t, RUNS_SAME)
RUNS_READERS(int64, int64_t, RUNS_SAME)
RUNS_READERS(uint64, uint64_t, RUNS_SAME)
RUNS_READERS(float16, uint16_t, runs_half)
RUNS_READERS(float32, float, RUNS_SAME)
RUNS_READERS(float64, double, RUNS_SAME)

/* The function that reads numbers stored as `stored`, which counts from 1, as int64 (0), float (1) or double (2). */
static runs_reader runs_reader_of(int stored, int read_as) {
    static const runs_reader readers[11][3] = {
        RUNS_ROW(int8), RUNS_ROW(uint8), RUNS_ROW(int16), RUNS_ROW(uint16), RUNS_ROW(int32), RUNS_ROW(uint32),
        RUNS_ROW(int64), RUNS_ROW(uint64), RUNS_ROW(float16), RUNS_ROW(float32), RUNS_ROW(float64),
    };
    return readers[stored - 1][read_as];
}

#endif
