/* Rows of bytes from anywhere in an array, one after the other. */

#ifndef CBACKPROP_COPIES_H
#define CBACKPROP_COPIES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define PREFETCH(p) __builtin_prefetch(p)
#else
#define PREFETCH(p)
#endif

#define LINE 64
/* Shorter rows are copied faster than they are asked for. */
#define LEAST_BYTES_TO_PREFETCH 384

/* Rows of N bytes: a constant, which makes memcpy two instructions instead of a call. */
#define GATHER_FIXED(N) \
    for (ptrdiff_t r = 0; r < rows; r++, out += N) memcpy(out, data + order[r] * N, N);

/* Rows of at least N bytes in pieces of N, of which the last one overlaps the one before. */
#define GATHER_PIECES(N) \
    for (ptrdiff_t r = 0; r < rows; r++, out += row_bytes) { \
        const char* row = data + order[r] * row_bytes; \
        for (ptrdiff_t i = 0; i < row_bytes - N; i += N) memcpy(out + i, row + i, N); \
        memcpy(out + row_bytes - N, row + row_bytes - N, N); \
    }

/* out[r] = data[order[r]]. */
static void gather(
    ptrdiff_t rows, ptrdiff_t row_bytes, const int64_t* order, const char* data, char* out
) {
    if (row_bytes == 4) {
        GATHER_FIXED(4)
    } else if (row_bytes == 8) {
        GATHER_FIXED(8)
    } else if (row_bytes == 16) {
        GATHER_FIXED(16)
    } else if (8 < row_bytes && row_bytes < 16) {
        GATHER_PIECES(8)
    } else if (16 < row_bytes && row_bytes <= LINE) {
        GATHER_PIECES(16)
    } else {
        for (ptrdiff_t r = 0; r < rows; r++, out += row_bytes) {
            if (row_bytes >= LEAST_BYTES_TO_PREFETCH && r + 1 < rows)
                for (ptrdiff_t i = 0; i < row_bytes; i += LINE) PREFETCH(data + order[r + 1] * row_bytes + i);
            memcpy(out, data + order[r] * row_bytes, row_bytes);
        }
    }
}

#endif
