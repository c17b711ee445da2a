/* Depthwise convolutions: each channel of an image has its own kernel. Channels come last and fill vectors.

   depthwise_of.h is included here for each float type and size of vectors. */

#include <stddef.h>
#include <string.h>

#include "compiler.h"
#include "repeat.h"

/* The numbers that the positions of a row read, and the places of their results. Steps are counted in numbers. */
typedef struct {
    ptrdiff_t taps[3];
    ptrdiff_t tap_step[3];     /* in the input, from one tap to the next */
    ptrdiff_t kernel_step[3];  /* in the kernel */
    ptrdiff_t in_row, in_step; /* in the input, from one row or position to the next */
    ptrdiff_t out_row, out_step;
} DepthwiseTaps;

/* X for each number of the input that a strip reads. REPEAT does the same for positions: a macro cannot be expanded
   within itself. */
#define STEPS_10(X, N) \
    X(0, N) X(1, N) X(2, N) X(3, N) X(4, N) X(5, N) X(6, N) X(7, N) X(8, N) X(9, N) X(10, N)
#define STEPS_18(X, N) \
    STEPS_10(X, N) X(11, N) X(12, N) X(13, N) X(14, N) X(15, N) X(16, N) X(17, N) X(18, N)

#define REAL float
#define OF_TYPE(x) x##_float
#define BYTES VECTOR_BYTES
#define NAME(x) x##_float
#include "depthwise_of.h"
#if VECTOR_BYTES == 64 /* for the last channels, if they fill half a vector at most */
#define BYTES 32
#define NAME(x) x##_half_float
#include "depthwise_of.h"
#endif
#undef REAL
#undef OF_TYPE

#define REAL double
#define OF_TYPE(x) x##_double
#define BYTES VECTOR_BYTES
#define NAME(x) x##_double
#include "depthwise_of.h"
#if VECTOR_BYTES == 64
#define BYTES 32
#define NAME(x) x##_half_double
#include "depthwise_of.h"
#endif
#undef REAL
#undef OF_TYPE

#if VECTOR_BYTES != 64
#define depthwise_row_half_float depthwise_row_float
#define depthwise_row_half_double depthwise_row_double
#define depthwise_gradient_half_float depthwise_gradient_float
#define depthwise_gradient_half_double depthwise_gradient_double
#endif

/* Some channels of `count` positions, stored without the other channels. */
static inline void gather_channels(
    ptrdiff_t count, size_t bytes, const char* from, ptrdiff_t from_step, char* to
) {
    if ((size_t)from_step == bytes)
        memcpy(to, from, count * bytes);
    else if (bytes % 64 == 0)
        for (; count > 0; count--, from += from_step, to += bytes)
            for (size_t i = 0; i < bytes; i += 64) memcpy(to + i, from + i, 64);
    else
        for (; count > 0; count--, from += from_step, to += bytes) memcpy(to, from, bytes);
}
