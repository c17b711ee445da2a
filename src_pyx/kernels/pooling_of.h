/* Pooling for one float type: vectors, and the forward pass. pooling.h includes this with REAL, INTEGER (as wide), LANES
   (numbers in 32 bytes), NAME(x), and for AVX2 CHOOSE and WIDENED defined. */

#ifdef VECTORS
typedef REAL NAME(Reals) __attribute__((vector_size(32), aligned(sizeof(REAL)), may_alias));
typedef INTEGER NAME(Integers) __attribute__((vector_size(32), aligned(sizeof(REAL)), may_alias));
typedef uint8_t NAME(Bytes) __attribute__((vector_size(LANES), aligned(1), may_alias));
typedef uint32_t NAME(Places) __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
#define AT(p) (*(const NAME(Reals)*)(p))
#define PUT(p) (*(NAME(Reals)*)(p))
#ifndef CHOOSE
#define CHOOSE(take, a, b) (((take) & (NAME(Integers))(a)) | (~(take) & (NAME(Integers))(b)))
#define WIDENED(p) __builtin_convertvector(*(const NAME(Bytes)*)(p), NAME(Integers))
#define NARROW(p, v) (*(NAME(Bytes)*)(p) = __builtin_convertvector(v, NAME(Bytes)))
#endif

/* Maxima of 1, 2 or 4 vectors of channels. The first of several equal ones is taken, and NaN is greater than all
   numbers. */
INLINE void NAME(max_vectors)(
    const int vectors, const int kind, const Window* w, const ptrdiff_t slices, const ptrdiff_t rows,
    const ptrdiff_t width, ptrdiff_t number, const REAL* x, REAL* y, void* index
) {
    NAME(Reals) best[4];
    NAME(Integers) which[4];
    for (int v = 0; v < vectors; v++) {
        best[v] = AT(x + v * LANES);
        which[v] = (NAME(Integers)){0} + (INTEGER)number;
    }
    ptrdiff_t skip = 1;
    for (ptrdiff_t slice = 0; slice < slices; slice++)
        for (ptrdiff_t row = 0; row < rows; row++, skip = 0) {
            const REAL* from = x + slice * w->slice_step + row * w->row_step;
            const ptrdiff_t first = number + slice * w->slice_number + row * w->row_number;
            for (ptrdiff_t i = skip; i < width; i++)
                for (int v = 0; v < vectors; v++) {
                    const NAME(Reals) value = AT(from + i * w->channels + v * LANES);
                    const NAME(Integers) take = (value > best[v]) | (value != value);
                    best[v] = (NAME(Reals))CHOOSE(take, value, best[v]);
                    if (kind != NO_INDEX)
                        which[v] = (NAME(Integers))CHOOSE(take, (NAME(Integers)){0} + (INTEGER)(first + i), which[v]);
                }
        }
    for (int v = 0; v < vectors; v++) {
        PUT(y + v * LANES) = best[v];
        if (kind == BYTES)
            NARROW((uint8_t*)index + v * LANES, which[v]);
        else if (kind == PLACES)
            ((NAME(Places)*)index)[v] = __builtin_convertvector(which[v], NAME(Places));
    }
}

/* Means of 1, 2 or 4 vectors of channels: of the sums of each row. */
INLINE void NAME(mean_vectors)(
    const int vectors, const Window* w, const ptrdiff_t slices, const ptrdiff_t rows, const ptrdiff_t width,
    const REAL* x, REAL* y
) {
    NAME(Reals) total[4], sum[4];
    for (int v = 0; v < vectors; v++) total[v] = (NAME(Reals)){0};
    for (ptrdiff_t slice = 0; slice < slices; slice++)
        for (ptrdiff_t row = 0; row < rows; row++) {
            const REAL* from = x + slice * w->slice_step + row * w->row_step;
            for (int v = 0; v < vectors; v++) sum[v] = AT(from + v * LANES);
            for (ptrdiff_t i = 1; i < width; i++)
                for (int v = 0; v < vectors; v++) sum[v] += AT(from + i * w->channels + v * LANES);
            for (int v = 0; v < vectors; v++) total[v] += sum[v];
        }
    for (int v = 0; v < vectors; v++) PUT(y + v * LANES) = total[v] / (REAL)(slices * rows * width);
}

/* `count` windows that are `step` positions apart. 2 x 2 windows have their own loops, which the compiler unrolls: in
   training, 128 samples of 24 x 24 with 6 channels take 80 instead of 163 us, of 8 x 8 with 16 channels 16 instead of
   25. */
INLINE void NAME(pool_run)(
    const int maxima, const int kind, const Window* w, ptrdiff_t count, ptrdiff_t step, const REAL* x, REAL* y,
    void* index
) {
    const ptrdiff_t channels = w->channels, index_size = INDEX_SIZE(kind);
    const ptrdiff_t slices = w->slices, rows = w->rows, width = w->width;
    ptrdiff_t number = w->number;
#define EACH \
    for (; count > 0; count--, x += step * channels, y += channels, number += kind == PLACES ? step : 0, \
                      index = (char*)index + channels * index_size)
#define POOL(vectors, slices, rows, width) \
    if (maxima) \
        NAME(max_vectors)(vectors, kind, w, slices, rows, width, number, x + c, y + c, (char*)index + c * index_size); \
    else \
        NAME(mean_vectors)(vectors, w, slices, rows, width, x + c, y + c);
    if (channels <= LANES && slices == 1 && rows == 2 && width == 2) {
        const ptrdiff_t c = 0;
        EACH { POOL(1, 1, 2, 2) }
    } else if (slices == 1 && rows == 2 && width == 2) {
        EACH {
            ptrdiff_t c = 0;
            for (; c < channels; c += LANES) { POOL(1, 1, 2, 2) }
        }
    } else if (channels <= LANES) {
        const ptrdiff_t c = 0;
        EACH { POOL(1, slices, rows, width) }
    } else {
        EACH {
            ptrdiff_t c = 0;
            for (; channels - c > 3 * LANES; c += 4 * LANES) { POOL(4, slices, rows, width) }
            for (; channels - c > LANES; c += 2 * LANES) { POOL(2, slices, rows, width) }
            if (c < channels) { POOL(1, slices, rows, width) }
        }
    }
#undef EACH
#undef POOL
}

/* One function for each kind, so that each has all registers. */
static void NAME(max_run)(const Window* w, ptrdiff_t count, ptrdiff_t step, const REAL* x, REAL* y) {
    NAME(pool_run)(1, NO_INDEX, w, count, step, x, y, NULL);
}
static void NAME(max_run_bytes)(
    const Window* w, ptrdiff_t count, ptrdiff_t step, const REAL* x, REAL* y, void* index
) {
    NAME(pool_run)(1, BYTES, w, count, step, x, y, index);
}
static void NAME(max_run_places)(
    const Window* w, ptrdiff_t count, ptrdiff_t step, const REAL* x, REAL* y, void* index
) {
    NAME(pool_run)(1, PLACES, w, count, step, x, y, index);
}
static void NAME(mean_run)(const Window* w, ptrdiff_t count, ptrdiff_t step, const REAL* x, REAL* y) {
    NAME(pool_run)(0, NO_INDEX, w, count, step, x, y, NULL);
}
#endif

/* The maximum of one channel. */
static void NAME(max_channel)(const int kind, const Window* w, const REAL* x, REAL* y, void* index) {
    REAL best = *x;
    ptrdiff_t which = w->number;
    for (ptrdiff_t slice = 0; slice < w->slices; slice++)
        for (ptrdiff_t row = 0; row < w->rows; row++) {
            const REAL* from = x + slice * w->slice_step + row * w->row_step;
            const ptrdiff_t number = w->number + slice * w->slice_number + row * w->row_number;
            for (ptrdiff_t i = slice == 0 && row == 0; i < w->width; i++) {
                const REAL value = from[i * w->channels];
                const int take = (value > best) | (value != value);
                best = take ? value : best;
                which = take ? number + i : which;
            }
        }
    *y = best;
    if (kind == BYTES)
        *(uint8_t*)index = (uint8_t)which;
    else if (kind == PLACES)
        *(uint32_t*)index = (uint32_t)which;
}

/* The mean of one channel. */
static void NAME(mean_channel)(const Window* w, const REAL* x, REAL* y) {
    REAL total = 0;
    for (ptrdiff_t slice = 0; slice < w->slices; slice++)
        for (ptrdiff_t row = 0; row < w->rows; row++) {
            const REAL* from = x + slice * w->slice_step + row * w->row_step;
            REAL sum = *from;
            for (ptrdiff_t i = 1; i < w->width; i++) sum += from[i * w->channels];
            total += sum;
        }
    *y = total / (REAL)(w->slices * w->rows * w->width);
}

/* The maxima (`kind`: and their positions) or means of one row of windows. `behind`, `left`: how many numbers the
   sample has from x on, and its output from y on. */
static void NAME(pool_row)(
    const int maxima, const int kind, const Pooling* p, Window w, ptrdiff_t behind, ptrdiff_t left, const REAL* x,
    REAL* y, void* index
) {
    const ptrdiff_t channels = p->channels, index_size = INDEX_SIZE(kind), first = w.number;
    behind -= (w.slices - 1) * w.slice_step + (w.rows - 1) * w.row_step;
    for (ptrdiff_t i = 0; i < p->outs[2];) {
        const ptrdiff_t begin = p->begin[2][i];
        const REAL* from = x + begin * channels;
        w.width = p->end[2][i] - begin;
        w.number = kind == PLACES ? first + begin : 0;
        ptrdiff_t count = 0;
#ifdef VECTORS
        const ptrdiff_t alike = p->alike[i], step = alike > 1 ? p->begin[2][i + 1] - begin : 1;
        const ptrdiff_t touched = (channels + LANES - 1) / LANES * LANES;
        const ptrdiff_t room = behind - (begin + w.width - 1) * channels - touched, room_out = left - touched;
        if (room >= 0 && room_out >= 0) {
            count = alike;  /* windows that begin at the same position have a step of 0 */
            if (step > 0 && room / (step * channels) + 1 < count) count = room / (step * channels) + 1;
            count = count < room_out / channels + 1 ? count : room_out / channels + 1;
            if (!maxima) NAME(mean_run)(&w, count, step, from, y);
            else if (kind == BYTES) NAME(max_run_bytes)(&w, count, step, from, y, index);
            else if (kind == PLACES) NAME(max_run_places)(&w, count, step, from, y, index);
            else NAME(max_run)(&w, count, step, from, y);
        }
#endif
        if (count == 0) {
            count = 1;
            for (ptrdiff_t c = 0; c < channels; c++)
                if (maxima) NAME(max_channel)(kind, &w, from + c, y + c, (char*)index + c * index_size);
                else NAME(mean_channel)(&w, from + c, y + c);
        }
        i += count;
        y += count * channels;
        left -= count * channels;
        index = (char*)index + count * channels * index_size;
    }
}

/* All windows of one sample. */
static void NAME(pool_sample)(
    const int maxima, const int kind, const Pooling* p, const REAL* x, REAL* y, void* index
) {
    const ptrdiff_t width = p->outs[2] * p->channels;
    const ptrdiff_t end = positions(p->sizes) * p->channels;
    ptrdiff_t left = positions(p->outs) * p->channels;
    Window w = {p->channels};
    w.row_step = p->sizes[2] * p->channels;
    w.slice_step = p->sizes[1] * w.row_step;
    w.row_number = kind == PLACES ? p->sizes[2] : p->window[2];
    w.slice_number = w.row_number * (kind == PLACES ? p->sizes[1] : p->window[1]);
    for (ptrdiff_t a = 0; a < p->outs[0]; a++)
        for (ptrdiff_t b = 0; b < p->outs[1]; b++, y += width, left -= width) {
            const ptrdiff_t slice = p->begin[0][a], row = p->begin[1][b];
            const ptrdiff_t start = slice * w.slice_step + row * w.row_step;
            w.slices = p->end[0][a] - slice;
            w.rows = p->end[1][b] - row;
            w.number = (slice * p->sizes[1] + row) * p->sizes[2];
            NAME(pool_row)(maxima, kind, p, w, end - start, left, x + start, y, index);
            index = (char*)index + width * INDEX_SIZE(kind);
        }
}

/* y (rows, outs, channels) OUT: the maxima of x (rows, sizes, channels); bytes or places (rows, outs, channels) OUT, or
   NULL: the position of each maximum in its window, or in the sample. */
static void NAME(max_forward)(
    ptrdiff_t rows, const Pooling* p, const REAL* x, REAL* y, uint8_t* bytes, uint32_t* places
) {
    const ptrdiff_t in = positions(p->sizes) * p->channels, out = positions(p->outs) * p->channels;
    for (ptrdiff_t r = 0; r < rows; r++, x += in, y += out)
        if (bytes) NAME(pool_sample)(1, BYTES, p, x, y, bytes + r * out);
        else if (places) NAME(pool_sample)(1, PLACES, p, x, y, places + r * out);
        else NAME(pool_sample)(1, NO_INDEX, p, x, y, NULL);
}

/* y (rows, outs, channels) OUT: the means of x (rows, sizes, channels). */
static void NAME(mean_forward)(ptrdiff_t rows, const Pooling* p, const REAL* x, REAL* y) {
    const ptrdiff_t in = positions(p->sizes) * p->channels, out = positions(p->outs) * p->channels;
    for (ptrdiff_t r = 0; r < rows; r++, x += in, y += out) NAME(pool_sample)(0, NO_INDEX, p, x, y, NULL);
}

#include "pooling_deltas_of.h"

#ifdef VECTORS
#undef AT
#undef PUT
#undef CHOOSE
#undef WIDENED
#undef NARROW
#endif
#undef REAL
#undef INTEGER
#undef NAME
#undef LANES
