/* How large the tiles of matrix products are, for the instruction set that is compiled for. */

#ifndef CBACKPROP_TILE_SIZES_H
#define CBACKPROP_TILE_SIZES_H

/* Whether rows of A lie anywhere, as convolutions want it: see tiles.h. */
#ifndef GATHERS
#define GATHERS 0
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
   eight or more sums side by side keep two multipliers busy. For the same reason tiles of no more than FEW_TILE_ROWS
   take up to WIDE_TILE_VECTORS, and a single row ROW_VECTORS: longer pieces of B's rows come faster, too.

   ENOUGH_TO_PACK: bytes between rows of B, times how often they are read, where packing B begins to gain. Measured
   with `product` over shapes from 24 to 2048, on a Zen 4. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define TILE_ROWS 8
#define THIN_TILE_ROWS 8
#define TILE_VECTORS 3
#define WIDE_TILE_VECTORS 6
#define ENOUGH_TO_PACK (768 * 1024)
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

/* READS_PARTS: a tile reads no more of its last vector than there is. With masks that costs nothing.

   HALVES_PAY: half vectors take half the time, so that few columns are left to them.

   IN_REGISTER(x) keeps gcc from reading a vector again for each row, in the instruction that multiplies it: tiles of two
   and three rows would wait for memory. */
#if VECTOR_BYTES == 64 && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define READS_PARTS 1
#define IN_REGISTER(x) __asm__("" : "+v"(x));
#else
#define READS_PARTS 0
#define IN_REGISTER(x)
#endif
#define HALVES_PAY READS_PARTS

#endif
