/* Boxes within larger boxes, for samples of three axes: contiguous numbers are copied together.

   whole (3,) IN: numbers along each axis of the larger box; part (3,) IN: of the smaller one; start (3,) IN: the
   beginning of the smaller one in the larger one. */

#include <stddef.h>
#include <string.h>

/* The place of row j of plane i of the smaller box in the larger one. */
static inline ptrdiff_t row_at(const ptrdiff_t* whole, const ptrdiff_t* start, ptrdiff_t i, ptrdiff_t j) {
    return ((start[0] + i) * whole[1] + start[1] + j) * whole[2] + start[2];
}

/* y (part) OUT = that part of x (whole) IN; numbers of `bytes` bytes. */
static void take_box(
    const ptrdiff_t* whole, const ptrdiff_t* part, const ptrdiff_t* start, ptrdiff_t bytes, const char* x, char* y) {
    ptrdiff_t run = part[2] * bytes;
    for (ptrdiff_t i = 0; i < part[0]; i++)
        for (ptrdiff_t j = 0; j < part[1]; j++, y += run)
            memcpy(y, x + row_at(whole, start, i, j) * bytes, (size_t)run);
}

/* y (whole) OUT = x (part) IN, and 0 around it; numbers of `bytes` bytes.

   The zeros from the end of a row to the next row are contiguous, so everything is written in the order of memory. */
static void put_box(
    const ptrdiff_t* whole, const ptrdiff_t* part, const ptrdiff_t* start, ptrdiff_t bytes, const char* x, char* y) {
    ptrdiff_t run = part[2] * bytes, written = 0;
    for (ptrdiff_t i = 0; i < part[0]; i++)
        for (ptrdiff_t j = 0; j < part[1]; j++, x += run) {
            ptrdiff_t at = row_at(whole, start, i, j) * bytes;
            memset(y + written, 0, (size_t)(at - written));
            memcpy(y + at, x, (size_t)run);
            written = at + run;
        }
    memset(y + written, 0, (size_t)(whole[0] * whole[1] * whole[2] * bytes - written));
}
