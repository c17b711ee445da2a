/* Convolutions with vectors along the last axis of positions, for each float type; see planar.pyx. */

#include <stddef.h>
#include <string.h>

#include "repeat.h"
#include "tile_sizes.h"

/* The number of columns that are computed together: their sums stay in registers for three vectors of positions. Their
   input is mostly in two cache lines, so it pays to use it for many columns. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define MOST_COLUMNS 8
#else
#define MOST_COLUMNS 4
#endif

/* The input of the positions of a row. */
typedef struct {
    ptrdiff_t rows;             /* rows of planes, one behind the other in the kernel */
    const ptrdiff_t* at;        /* (rows,): where they begin */
    ptrdiff_t taps, tap_step;   /* of each row */
    ptrdiff_t columns;          /* numbers of the kernel for each tap */
} PlanarTaps;

#define REAL float
#define NAME(x) x##_float
#include "transposes.h"
#define NAME(x) x##_float
#include "planar_of.h"

#define REAL double
#define NAME(x) x##_double
#include "transposes.h"
#define NAME(x) x##_double
#include "planar_of.h"
