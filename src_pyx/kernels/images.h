/* Parts of images, signals and volumes, repetitions, and other sizes, the channels last.

   images_of.h is included here for each float type. */

#include "boxes.h"

/* Numbers that are added up side by side. */
#define BLOCK 16

#define REAL float
#define NAME(x) x##_float
#include "images_of.h"

#define REAL double
#define NAME(x) x##_double
#include "images_of.h"
