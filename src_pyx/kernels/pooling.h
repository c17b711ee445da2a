/* Maxima and means of windows of samples (depth, height, width, channels).

   Vectors run along the channels. If a position has fewer channels than fill a vector, the rest of the vector belongs
   to the next position, which is written later. Only at the end of a sample, channels are processed one by one.

   pooling_of.h is included here for each float type. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "windows.h"

/* How a window's positions are numbered, from its first one: as steps within the longest window (BYTES), or within the
   sample (PLACES). */
enum { NO_INDEX, BYTES, PLACES };

#define INDEX_SIZE(kind) ((kind) == BYTES ? 1 : (kind) == PLACES ? 4 : 0)

/* All positions of one window. */
typedef struct {
    ptrdiff_t channels, width;
    ptrdiff_t rows, row_step;           /* along the height */
    ptrdiff_t slices, slice_step;       /* along the depth */
    ptrdiff_t number, row_number, slice_number;     /* how they are counted */
} Window;

/* A window that contains a position: where its numbers begin, and the number of the position in it. */
typedef struct {
    ptrdiff_t at, number;
} Shared;

static inline ptrdiff_t positions(const ptrdiff_t* sizes) { return sizes[0] * sizes[1] * sizes[2]; }

static inline ptrdiff_t window_size(const Pooling* p, ptrdiff_t a, ptrdiff_t b, ptrdiff_t c) {
    return (p->end[0][a] - p->begin[0][a]) * (p->end[1][b] - p->begin[1][b]) * (p->end[2][c] - p->begin[2][c]);
}

#if defined(__GNUC__)
#define VECTORS
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

#if defined(VECTORS) && defined(__AVX2__)
#include <immintrin.h>

/* gcc 12 would extract the numbers of a vector one by one to narrow them. */
INLINE __m128i bytes_of(__m128i a, __m128i b) { return _mm_packus_epi16(_mm_packus_epi32(a, b), _mm_setzero_si128()); }
INLINE __m128i lower_halves(__m256i v) {
    return _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6)));
}
#endif

#define REAL float
#define INTEGER int32_t
#define NAME(x) x##_float
#define LANES 8
#if defined(VECTORS) && defined(__AVX2__)
#define CHOOSE(take, a, b) _mm256_blendv_ps((__m256)(b), (__m256)(a), (__m256)(take))
#define WIDENED(p) _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)(p)))
#define NARROW(p, v) _mm_storel_epi64((__m128i*)(p), bytes_of(_mm256_castsi256_si128((__m256i)(v)), \
                                                              _mm256_extracti128_si256((__m256i)(v), 1)))
#endif
#include "pooling_of.h"

#define REAL double
#define INTEGER int64_t
#define NAME(x) x##_double
#define LANES 4
#if defined(VECTORS) && defined(__AVX2__)
#define CHOOSE(take, a, b) _mm256_blendv_pd((__m256d)(b), (__m256d)(a), (__m256d)(take))
#define WIDENED(p) _mm256_cvtepu8_epi64(_mm_loadu_si32(p))
#define NARROW(p, v) _mm_storeu_si32(p, bytes_of(lower_halves((__m256i)(v)), _mm_setzero_si128()))
#endif
#include "pooling_of.h"
