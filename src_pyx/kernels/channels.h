/* Sums over rows for each channel, in double precision, and maps of rows, for numbers (rows, count). Numbers of the
   same channel are `step` apart.

   channels_of.h is included here for each float type. Sums of a few channels stay in registers during the loop over
   rows. The loop takes a few rows at a time, so that long rows stay in the cache until all their channels are done. The
   sum of a channel is taken in the order of rows. */

#include <stddef.h>

#if defined(__GNUC__)
/* The number of channels that fill a vector of doubles. */
#define FEW 4
typedef double Doubles __attribute__((vector_size(32)));
typedef double DoublesAnywhere __attribute__((vector_size(32), aligned(8), may_alias));
#define DOUBLES(p) (*(DoublesAnywhere*)(p))
#endif

#if defined(__AVX__)
#include <immintrin.h>
#endif

/* Bytes of the rows that are read again for the next channels. */
#define CLOSE_BYTES 16384

static inline ptrdiff_t rows_at_once(ptrdiff_t row_bytes) {
    return row_bytes >= CLOSE_BYTES / 8 ? 8 : CLOSE_BYTES / row_bytes;
}

#define REAL float
#define NAME(x) x##_float
#define LANES 8
#if defined(__AVX__) /* gcc 12 takes six instructions for what is one */
#define WIDE(p) ((Doubles)_mm256_cvtps_pd(_mm_loadu_ps(p)))
#endif
#include "channels_of.h"

#define REAL double
#define NAME(x) x##_double
#define LANES 4
#include "channels_of.h"
