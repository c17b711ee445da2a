/* The positions of windows in samples (depth, height, width, channels). A window covers the positions begin:end along
   each axis, which are in tables, so padding, strides and windows of several sizes need no special cases. */

#ifndef WINDOWS_H
#define WINDOWS_H

#include <stddef.h>

typedef struct {
    ptrdiff_t channels;
    ptrdiff_t sizes[3], outs[3];       /* positions along depth, height and width */
    ptrdiff_t window[3];        /* of the longest window along each axis */
    const ptrdiff_t *begin[3], *end[3];     /* (outs,) IN: the positions of each window */
    const ptrdiff_t *first[3], *last[3];    /* (sizes,) IN: the windows that a position is in, first:last */
    const ptrdiff_t* places;    /* (window,) IN: how far behind its first one each position of a window lies */
    const ptrdiff_t* alike;     /* (outs,) IN: windows of the same width and step along the width, from each one on */
    int apart;                  /* no position is in two windows */
    int gathers;                /* few windows share a position: it is faster to look into each than at each maximum */
} Pooling;

/* If positions are in more windows than this, `gathers` must not be set. */
#define MOST_SHARED 32

#endif
