/* The sizes of the tiles of matrix products, for the instruction set for which this is compiled. */

#ifndef CBACKPROP_TILE_SIZES_H
#define CBACKPROP_TILE_SIZES_H

#include "compiler.h"

/* Whether rows of A can be anywhere in memory, for convolutions: see tiles.h. */
#ifndef GATHERS
#define GATHERS 0
#endif

/* As many sums as there are registers for, beside a row of B and a number of A: 32 registers, or 16. With fewer sums, A
   and B are read more often, so packing B gains earlier, and packing A gains, too.

   THIN_TILE_ROWS: rows of a tile of one vector of columns. Each addition to a sum waits four cycles for the previous
   one, so only eight or more parallel sums keep two multipliers busy. For the same reason tiles of at most
   FEW_TILE_ROWS have up to WIDE_TILE_VECTORS, and a single row ROW_VECTORS: longer pieces of B's rows are faster to
   read, too.

   ENOUGH_TO_PACK: the number of bytes between rows of B, times the number of times they are read, from which packing B
   pays. Measured with `product` over shapes from 24 to 2048, on a Zen 4 and an Emerald Rapids. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define TILE_ROWS 8
#define THIN_TILE_ROWS 8
#define TILE_VECTORS 3
#define WIDE_TILE_VECTORS 6
#define ENOUGH_TO_PACK (384 * 1024)
#define PACKS_A 0
#else
#define TILE_ROWS 6
#if GATHERS /* which needs a register for where each row of A is */
#define THIN_TILE_ROWS 8
#else
#define THIN_TILE_ROWS 12
#endif
#define TILE_VECTORS 2
#define WIDE_TILE_VECTORS 2
#define ENOUGH_TO_PACK (128 * 1024)
#define PACKS_A 1
#endif
#define FEW_TILE_ROWS 4
#define ROW_VECTORS 8

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLE __builtin_shufflevector
#endif
#endif

/* READS_PARTS: a tile reads only the used part of its last vector. With masks that costs nothing.

   HALVES_PAY: half vectors take half the time, so they are used for the last few columns. That holds on a Zen 4 (family
   19h), which computes vectors of 64 bytes in two steps. Where whole vectors take no longer, as on a Zen 5, another
   panel would cost more than the unused part of a vector. No result depends on it. CBACKPROP_HALVES decides for tests.

   IN_REGISTER(x) prevents gcc from reading a vector again for each row, in the instruction that multiplies it: tiles of
   two and three rows would wait for memory. */
#if VECTOR_BYTES == 64 && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define READS_PARTS 1
#define IN_REGISTER(x) __asm__("" : "+v"(x));
#else
#define READS_PARTS 0
#define IN_REGISTER(x)
#endif

#if READS_PARTS
#include <stdlib.h>
static int halves_pay;
__attribute__((constructor)) static void find_whether_halves_pay(void) {
    const char* given = getenv("CBACKPROP_HALVES");
    __builtin_cpu_init();
    halves_pay = given ? *given == '1' : __builtin_cpu_is("amdfam19h") != 0;
}
#define HALVES_PAY halves_pay
#else
#define HALVES_PAY 0
#endif

#endif
