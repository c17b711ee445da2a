/* Parts of images, signals and volumes, repetitions, and resizing, with the channels last.

   images_of.h is included here for each float type. */

#include "boxes.h"

/* How many numbers are summed in parallel. */
#define BLOCK 16

#define REAL float
#define NAME(x) x##_float
#include "images_of.h"

#define REAL double
#define NAME(x) x##_double
#include "images_of.h"
