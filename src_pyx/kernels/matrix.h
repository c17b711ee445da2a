/* Matrix products of float and double, in the vectors of the instruction set that is compiled for. */

#ifndef CBACKPROP_MATRIX_H
#define CBACKPROP_MATRIX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if !defined(__GNUC__)
#define VECTOR_BYTES 0
#elif defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

/* As many sums as there are registers for, beside a row of B and a number of A: 32 registers, or 16. With fewer sums,
   A and B are read more often: packing gains earlier, and that of A gains at all.

   THIN_TILE_ROWS: rows of a tile of one vector of columns. A sum must wait four cycles for the one before, so that only
   eight or more sums side by side keep two multipliers busy.

   ENOUGH_TO_PACK: bytes between rows of B, times how often they are read, where packing B begins to gain. Measured
   with `product` over shapes from 24 to 2048, on a Zen 4. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define TILE_ROWS 8
#define THIN_TILE_ROWS 8
#define TILE_VECTORS 3
#define ENOUGH_TO_PACK (768 * 1024)
#define PACKS_A 0
#else
#define TILE_ROWS 6
#define THIN_TILE_ROWS 12
#define TILE_VECTORS 2
#define ENOUGH_TO_PACK (128 * 1024)
#define PACKS_A 1
#endif

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLE __builtin_shufflevector
#endif
#endif

#if defined(__GNUC__)
#define NEVER_INLINE __attribute__((noinline))
#else
#define NEVER_INLINE
#endif

#define REPEAT_1(X) X(0)
#define REPEAT_2(X) REPEAT_1(X) X(1)
#define REPEAT_3(X) REPEAT_2(X) X(2)
#define REPEAT_4(X) REPEAT_3(X) X(3)
#define REPEAT_5(X) REPEAT_4(X) X(4)
#define REPEAT_6(X) REPEAT_5(X) X(5)
#define REPEAT_7(X) REPEAT_6(X) X(6)
#define REPEAT_8(X) REPEAT_7(X) X(7)
#define REPEAT_9(X) REPEAT_8(X) X(8)
#define REPEAT_10(X) REPEAT_9(X) X(9)
#define REPEAT_11(X) REPEAT_10(X) X(10)
#define REPEAT_12(X) REPEAT_11(X) X(11)

/* Rows of the next tile where so many are left: the last two share them, because a tile of a few rows waits for its
   sums and takes as long as one of more. */
static inline ptrdiff_t next_rows(ptrdiff_t left, ptrdiff_t most) {
    if (left >= 2 * most) return most;
    return left > most ? (left + 1) / 2 : left;
}

#if VECTOR_BYTES == 32 && defined(__AVX2__)
/* From `FIRST(bytes)` on: ones in so many bytes, then zeros. */
static const int32_t ONES_AND_ZEROS[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
#define FIRST(bytes) (ONES_AND_ZEROS + 8 - (bytes) / 4)
#endif

#define REAL float

#define BYTES VECTOR_BYTES
#define VECTORS TILE_VECTORS
#define NAME(x) x##_float_full
#if defined(FIRST)
#define LOAD_PART(p, count) (VECTOR)_mm256_maskload_ps(p, _mm256_loadu_si256((const __m256i*)FIRST(4 * (count))))
#elif defined(__AVX512F__)
#define STORE_PART(p, v, count) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (count)) - 1), (__m512)(v))
#define LOAD_PART(p, count) ((VECTOR)_mm512_maskz_loadu_ps((__mmask16)((1u << (count)) - 1), p))
#endif
#include "tiles.h"

#if VECTOR_BYTES == 64
#define BYTES 32
#define VECTORS 1
#define NAME(x) x##_float_half
#include "tiles.h"
#define HALF(x) x##_float_half
#define BYTES 16
#define VECTORS 1
#define NAME(x) x##_float_quarter
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

#define BYTES VECTOR_BYTES
#define VECTORS TILE_VECTORS
#define NAME(x) x##_double_full
#if defined(FIRST)
#define LOAD_PART(p, count) (VECTOR)_mm256_maskload_pd(p, _mm256_loadu_si256((const __m256i*)FIRST(8 * (count))))
#elif defined(__AVX512F__)
#define STORE_PART(p, v, count) _mm512_mask_storeu_pd(p, (__mmask8)((1u << (count)) - 1), (__m512d)(v))
#define LOAD_PART(p, count) ((VECTOR)_mm512_maskz_loadu_pd((__mmask8)((1u << (count)) - 1), p))
#endif
#include "tiles.h"

#define NAME(x) x##_double
#define FULL(x) x##_double_full
#include "panels.h"

#endif
