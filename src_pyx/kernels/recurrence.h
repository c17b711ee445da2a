/* The arithmetic of recurrent cells with their gates, for one sample at one time step.

   recurrence_of.h is included here for each float type. The arrays of a call do not overlap, and `restrict` tells gcc
   so. Otherwise it would have to check the arrays for overlaps, and would not vectorize loops over ten of them. */

#include <stddef.h>

#if defined(_MSC_VER)
#define APART __restrict
#else
#define APART __restrict__
#endif

#define REAL float
#define NAME(x) x##_float
#include "recurrence_of.h"
#undef REAL
#undef NAME

#define REAL double
#define NAME(x) x##_double
#include "recurrence_of.h"
#undef REAL
#undef NAME
