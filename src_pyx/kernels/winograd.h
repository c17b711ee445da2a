/* Transforms of F(2 x 2, 3 x 3), for each float type; see winograd.pyx. */

#include <stddef.h>

#include "tile_sizes.h"

/* The number of kernels that are transformed before their elements are written elsewhere. */
#define SOME_KERNELS 16

#define REAL float
#define NAME(x) x##_float
#include "transposes.h"
#define NAME(x) x##_float
#include "winograd_of.h"

#define REAL double
#define NAME(x) x##_double
#include "transposes.h"
#define NAME(x) x##_double
#include "winograd_of.h"
