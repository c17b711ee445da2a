/* What the cells of recurrent layers do with their gates, for one sample at one time step.

   recurrence_of.h is included here for each float type. The arrays of a call lie apart, and `restrict` says so: gcc then
   makes vectors of loops over ten arrays, which it would not compare with each other first. */

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
