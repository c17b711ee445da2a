/* Convolutions over a stretched image, for each float type; see stretched.pyx. */

#include <stddef.h>
#include <string.h>

#include "tile_sizes.h"

#define MOST_ENTRIES 5
/* As many rows as there are registers for. Less for the smallest vectors, which are seldom used, because each number of
   rows and taps needs its own code. Above four, the number of rows is even. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define MOST_ROWS 12
#define MOST_TAPS 5
#define REGISTERS 32
#elif VECTOR_BYTES == 32
#define MOST_ROWS 8
#define MOST_TAPS 5
#define REGISTERS 16
#else
#define MOST_ROWS 4
#define MOST_TAPS 3
#define REGISTERS 16
#endif
/* How many entries may share T rows of deltas: a register for each sum and each row, and one for the input. */
#define ENTRIES_FIT(T) ((REGISTERS - 1 - T) / T)

/* All bounds are constants: every sum gets a register. */
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 32")
#else
#define UNROLL
#endif

/* Whether lanes of a vector can be permuted in an order that is only known at run time, and whether that is faster than
   writing each number as often as it is repeated: with AVX2 it is not. */
#if defined(__AVX512F__) && defined(__GNUC__) && !defined(__clang__)
#define PERMUTES 1
#else
#define PERMUTES 0
#endif

/* The input and output of each row of output positions. */
typedef struct {
    ptrdiff_t width;            /* numbers in a row of the output: positions times columns */
    ptrdiff_t columns;          /* numbers that belong to a position */
    ptrdiff_t entries, taps;    /* the kernel has `taps` rows for each entry */
    const ptrdiff_t* at;        /* (entries,): where in the stretched image the first tap of each is */
    const ptrdiff_t* kernel;    /* (entries,): which row of the kernel that is; entries may follow each other there */
    ptrdiff_t kernel_step;      /* rows of the kernel from a tap to the next */
    ptrdiff_t line;             /* numbers from what a tap, or a row of the output, reads to what the next one reads */
} Stretch;

#define REAL float
#define INTEGER int
#define NAME(x) x##_float
#include "stretched_of.h"

#define REAL double
#define INTEGER long long
#define NAME(x) x##_double
#include "stretched_of.h"
