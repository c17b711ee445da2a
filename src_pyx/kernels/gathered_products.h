/* Products whose rows of A may begin anywhere in memory, as convolutions need them. */

#define GATHERS 1
#include "matrix.h"
