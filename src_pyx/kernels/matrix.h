/* Matrix products of float and double, with the vectors of the instruction set for which it is compiled. */

#ifndef CBACKPROP_MATRIX_H
#define CBACKPROP_MATRIX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "compiler.h"
#include "tile_sizes.h"

/* READS_ACROSS: there are tiles that read B across its columns. */
#if READS_PARTS && defined(SHUFFLE)
#define READS_ACROSS 1
#else
#define READS_ACROSS 0
#define multiply_across_float no_tiles
#define multiply_across_double no_tiles
static inline void no_tiles(ptrdiff_t rows, ...) { (void)rows; }
#endif

#include "repeat.h"

/* All vectors but the last, and the last. */
#define BEFORE_1(X, i)
#define BEFORE_2(X, i) VECTORS_1(X, i)
#define BEFORE_3(X, i) VECTORS_2(X, i)
#define BEFORE_4(X, i) VECTORS_3(X, i)
#define BEFORE_5(X, i) VECTORS_4(X, i)
#define BEFORE_6(X, i) VECTORS_5(X, i)
#define BEFORE_7(X, i) VECTORS_6(X, i)
#define BEFORE_8(X, i) VECTORS_7(X, i)
#define LAST_1(X, i) X(i, 0)
#define LAST_2(X, i) X(i, 1)
#define LAST_3(X, i) X(i, 2)
#define LAST_4(X, i) X(i, 3)
#define LAST_5(X, i) X(i, 4)
#define LAST_6(X, i) X(i, 5)
#define LAST_7(X, i) X(i, 6)
#define LAST_8(X, i) X(i, 7)

/* Rows of the next tile when this many are left. The last two tiles share them, because a tile of a few rows waits for
   its sums and takes as long as one of more rows. */
static inline ptrdiff_t next_rows(ptrdiff_t left, ptrdiff_t most) {
    if (left >= 2 * most) return most;
    return left > most ? (left + 1) / 2 : left;
}

#if VECTOR_BYTES == 32 && defined(__AVX2__)
/* From `FIRST(bytes)` on: ones in this many bytes, then zeros. */
static const int32_t ONES_AND_ZEROS[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
#define FIRST(bytes) (ONES_AND_ZEROS + 8 - (bytes) / 4)
#endif

#define REAL float

#define NAME(x) x##_float
#define OF_TYPE(x) x##_float
#include "product.h"
#define NAME(x) x##_float
#include "transposes.h"

#define BYTES VECTOR_BYTES
#define VECTORS TILE_VECTORS
#define NAME(x) x##_float_full
#if defined(FIRST)
#define LOAD_PART(p, count) (VECTOR)_mm256_maskload_ps(p, _mm256_loadu_si256((const __m256i*)FIRST(4 * (count))))
#elif VECTOR_BYTES == 64
#define STORE_PART(p, v, count) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (count)) - 1), (__m512)(v))
#define LOAD_PART(p, count) ((VECTOR)_mm512_maskz_loadu_ps((__mmask16)((1u << (count)) - 1), p))
#if READS_ACROSS
#define ACROSS
#define LANES_ 16
#define LOAD_FOUR(p) _mm_loadu_ps(p)
#define LOAD_FEW(p, count) _mm_maskz_loadu_ps((__mmask8)((1u << (count)) - 1), p)
#define PAIR(c, load) _mm256_insertf128_ps(_mm256_castps128_ps256(load(c)), load(c + 4), 1)
#define JOIN(c, load) _mm512_insertf32x8(_mm512_castps256_ps512(PAIR(c, load)), PAIR(c + 8, load), 1)
#define BLOCKS(a, b, c, d) \
    a, b, c, d, a + 4, b + 4, c + 4, d + 4, a + 8, b + 8, c + 8, d + 8, a + 12, b + 12, c + 12, d + 12
#endif
#endif
#include "tiles.h"

#if VECTOR_BYTES == 64
#define BYTES 32
#define VECTORS 1
#define NAME(x) x##_float_half
#if READS_PARTS
#define STORE_PART(p, v, count) _mm256_mask_storeu_ps(p, (__mmask8)((1u << (count)) - 1), (__m256)(v))
#define LOAD_PART(p, count) ((VECTOR)_mm256_maskz_loadu_ps((__mmask8)((1u << (count)) - 1), p))
#endif
#include "tiles.h"
#define HALF(x) x##_float_half
#define BYTES 16
#define VECTORS 1
#define NAME(x) x##_float_quarter
#if READS_PARTS
#define STORE_PART(p, v, count) _mm_mask_storeu_ps(p, (__mmask8)((1u << (count)) - 1), (__m128)(v))
#define LOAD_PART(p, count) ((VECTOR)_mm_maskz_loadu_ps((__mmask8)((1u << (count)) - 1), p))
#endif
#include "tiles.h"
#define QUARTER(x) x##_float_quarter
#elif VECTOR_BYTES == 32
#define BYTES 16
#define VECTORS 1
#define NAME(x) x##_float_half
#if defined(FIRST)
#define LOAD_PART(p, count) (VECTOR)_mm_maskload_ps(p, _mm_loadu_si128((const __m128i*)FIRST(4 * (count))))
#endif
#include "tiles.h"
#define HALF(x) x##_float_half
#endif

#define NAME(x) x##_float
#define FULL(x) x##_float_full
#include "panels.h"

#define REAL double

#define NAME(x) x##_double
#define OF_TYPE(x) x##_double
#include "product.h"
#define NAME(x) x##_double
#include "transposes.h"

#define BYTES VECTOR_BYTES
#define VECTORS TILE_VECTORS
#define NAME(x) x##_double_full
#if defined(FIRST)
#define LOAD_PART(p, count) (VECTOR)_mm256_maskload_pd(p, _mm256_loadu_si256((const __m256i*)FIRST(8 * (count))))
#elif VECTOR_BYTES == 64
#define STORE_PART(p, v, count) _mm512_mask_storeu_pd(p, (__mmask8)((1u << (count)) - 1), (__m512d)(v))
#define LOAD_PART(p, count) ((VECTOR)_mm512_maskz_loadu_pd((__mmask8)((1u << (count)) - 1), p))
#if READS_ACROSS
#define ACROSS
#define LANES_ 8
#define LOAD_FOUR(p) _mm256_loadu_pd(p)
#define LOAD_FEW(p, count) _mm256_maskz_loadu_pd((__mmask8)((1u << (count)) - 1), p)
#define JOIN(c, load) _mm512_insertf64x4(_mm512_castpd256_pd512(load(c)), load(c + 4), 1)
#define BLOCKS(a, b, c, d) a, b, c, d, a + 4, b + 4, c + 4, d + 4
#endif
#endif
#include "tiles.h"

#if READS_PARTS
#define BYTES 32
#define VECTORS 1
#define NAME(x) x##_double_half
#define STORE_PART(p, v, count) _mm256_mask_storeu_pd(p, (__mmask8)((1u << (count)) - 1), (__m256d)(v))
#define LOAD_PART(p, count) ((VECTOR)_mm256_maskz_loadu_pd((__mmask8)((1u << (count)) - 1), p))
#include "tiles.h"
#define HALF(x) x##_double_half
#endif

#define NAME(x) x##_double
#define FULL(x) x##_double_full
#include "panels.h"

#endif
