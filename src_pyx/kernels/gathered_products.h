/* Products whose rows of A lie anywhere: what convolutions are made of. */

#define GATHERS 1
#include "matrix.h"
