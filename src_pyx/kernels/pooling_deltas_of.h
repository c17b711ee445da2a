/* The backward pass of pooling for one float type: pooling_of.h includes this, with its macros and types. */

#ifdef VECTORS
/* The deltas of `count` windows of one row that are `step` positions apart: dx = dy where bytes are the position's
   number, else 0; without `maxima` dx = dy / size. */
INLINE void NAME(give_run)(
    const int maxima, ptrdiff_t channels, const ptrdiff_t width, ptrdiff_t number, ptrdiff_t count, ptrdiff_t step,
    REAL size, const REAL* dy, const uint8_t* bytes, REAL* dx
) {
    const ptrdiff_t gap = (step - width) * channels;
#define HIT(delta, which, i) \
    (maxima ? (NAME(Reals))((NAME(Integers))delta & (which == (NAME(Integers)){0} + (INTEGER)(number + i))) : delta)
#define DELTA(at) (maxima ? (NAME(Reals))AT(dy + at) : (NAME(Reals))(AT(dy + at) / size))
#define WHICH(at) (maxima ? (NAME(Integers))WIDENED(bytes + at) : (NAME(Integers)){0})
    for (; count > 0; count--, dy += channels, bytes += maxima ? channels : 0, dx += gap) {
        if (channels <= LANES) {
            const NAME(Reals) delta = DELTA(0);
            const NAME(Integers) which = WHICH(0);
            for (ptrdiff_t i = 0; i < width; i++, dx += channels) PUT(dx) = HIT(delta, which, i);
        } else {
            for (ptrdiff_t i = 0; i < width; i++, dx += channels)
                for (ptrdiff_t c = 0; c < channels; c += LANES) {
                    const NAME(Reals) delta = DELTA(c);
                    const NAME(Integers) which = WHICH(c);
                    PUT(dx + c) = HIT(delta, which, i);
                }
        }
        if (gap > 0 && count > 1) memset(dx, 0, gap * sizeof(REAL));
    }
#undef HIT
#undef DELTA
#undef WHICH
}

/* One function for each kind, so that each has all registers. */
static void NAME(max_give)(
    ptrdiff_t channels, ptrdiff_t width, ptrdiff_t number, ptrdiff_t count, ptrdiff_t step, const REAL* dy,
    const uint8_t* bytes, REAL* dx
) {
    if (width == 2) NAME(give_run)(1, channels, 2, number, count, step, 1, dy, bytes, dx);
    else NAME(give_run)(1, channels, width, number, count, step, 1, dy, bytes, dx);
}
static void NAME(mean_give)(
    ptrdiff_t channels, ptrdiff_t width, ptrdiff_t count, ptrdiff_t step, REAL size, const REAL* dy, REAL* dx
) {
    if (width == 2) NAME(give_run)(0, channels, 2, 0, count, step, size, dy, NULL, dx);
    else NAME(give_run)(0, channels, width, 0, count, step, size, dy, NULL, dx);
}
#endif

/* The deltas dx of one row of positions, none of which is in two windows. Positions of the maxima of the first window
   have the numbers from `number` on. `room`, `left`: how many numbers may be accessed from dx and from dy on. */
static void NAME(give_row)(
    const Pooling* p, ptrdiff_t number, ptrdiff_t rows, ptrdiff_t left, ptrdiff_t room, const REAL* dy,
    const uint8_t* bytes, REAL* dx
) {
    const ptrdiff_t channels = p->channels;
    ptrdiff_t at = 0;
    for (ptrdiff_t o = 0; o < p->outs[2];) {
        const ptrdiff_t begin = p->begin[2][o], width = p->end[2][o] - begin;
        REAL* to = dx + begin * channels;
        const REAL size = (REAL)(rows * width);
        ptrdiff_t count = 0, step = width;
        if (at < begin) memset(dx + at * channels, 0, (begin - at) * channels * sizeof(REAL));
#ifdef VECTORS
        const ptrdiff_t alike = p->alike[o], touched = (channels + LANES - 1) / LANES * LANES;
        const ptrdiff_t room_in = room - (begin + width - 1) * channels - touched, room_out = left - touched;
        if (alike > 1) step = p->begin[2][o + 1] - begin;
        if (room_in >= 0 && room_out >= 0) {
            count = room_in / (step * channels) + 1;
            count = count < alike ? count : alike;
            count = count < room_out / channels + 1 ? count : room_out / channels + 1;
            if (bytes) NAME(max_give)(channels, width, number, count, step, dy, bytes, to);
            else NAME(mean_give)(channels, width, count, step, size, dy, to);
        }
#endif
        if (count == 0) {
            count = 1;
            for (ptrdiff_t i = 0; i < width; i++)
                for (ptrdiff_t c = 0; c < channels; c++)
                    to[i * channels + c] = !bytes ? dy[c] / size : bytes[c] == number + i ? dy[c] : 0;
        }
        at = begin + (count - 1) * step + width;
        o += count;
        dy += count * channels;
        left -= count * channels;
        if (bytes) bytes += count * channels;
    }
    memset(dx + at * channels, 0, (p->sizes[2] - at) * channels * sizeof(REAL));
}

#ifdef VECTORS
/* Deltas of 1 or 4 vectors of channels of a position: sums of dy over the windows with the maximum at this position. */
INLINE void NAME(gather_vectors)(
    const int vectors, ptrdiff_t windows, const Shared* shared, const REAL* dy, const uint8_t* bytes, REAL* dx
) {
    NAME(Reals) sum[4];
    for (int v = 0; v < vectors; v++) sum[v] = (NAME(Reals)){0};
    for (ptrdiff_t n = 0; n < windows; n++) {
        const ptrdiff_t at = shared[n].at;
        const NAME(Integers) number = (NAME(Integers)){0} + (INTEGER)shared[n].number;
        for (int v = 0; v < vectors; v++) {
            const NAME(Integers) hit = (NAME(Integers))WIDENED(bytes + at + v * LANES) == number;
            sum[v] += (NAME(Reals))((NAME(Integers))AT(dy + at + v * LANES) & hit);
        }
    }
    for (int v = 0; v < vectors; v++) PUT(dx + v * LANES) = sum[v];
}
#endif

/* The deltas of one row of positions, each in several windows: sums of dy where bytes are the position's number. */
static void NAME(gather_row)(
    const Pooling* p, ptrdiff_t slice, ptrdiff_t row, ptrdiff_t room, const REAL* dy, const uint8_t* bytes, REAL* dx
) {
    const ptrdiff_t channels = p->channels, out = positions(p->outs) * channels;
    Shared shared[MOST_SHARED];
    for (ptrdiff_t i = 0; i < p->sizes[2]; i++, dx += channels, room -= channels) {
        ptrdiff_t windows = 0, c = 0;
        for (ptrdiff_t a = p->first[0][slice]; a < p->last[0][slice]; a++)
            for (ptrdiff_t b = p->first[1][row]; b < p->last[1][row]; b++) {
                const ptrdiff_t above = (slice - p->begin[0][a]) * p->window[1] + row - p->begin[1][b];
                for (ptrdiff_t o = p->first[2][i]; o < p->last[2][i]; o++, windows++) {
                    shared[windows].at = ((a * p->outs[1] + b) * p->outs[2] + o) * channels;
                    shared[windows].number = above * p->window[2] + i - p->begin[2][o];
                }
            }
#ifdef VECTORS
        const ptrdiff_t left = windows ? out - shared[windows - 1].at : room, here = left < room ? left : room;
        for (; channels - c > 3 * LANES && c + 4 * LANES <= here; c += 4 * LANES)
            NAME(gather_vectors)(4, windows, shared, dy + c, bytes + c, dx + c);
        for (; c < channels && c + LANES <= here; c += LANES)
            NAME(gather_vectors)(1, windows, shared, dy + c, bytes + c, dx + c);
#endif
        for (; c < channels; c++) {
            REAL sum = 0;
            for (ptrdiff_t n = 0; n < windows; n++)
                sum += bytes[shared[n].at + c] == shared[n].number ? dy[shared[n].at + c] : 0;
            dx[c] = sum;
        }
    }
}

/* The deltas of one row of positions: sums of the shares of the windows that contain each of them. */
static void NAME(sum_row)(
    const Pooling* p, ptrdiff_t slice, ptrdiff_t row, ptrdiff_t room, const REAL* share, REAL* dx
) {
    const ptrdiff_t channels = p->channels, row_step = p->outs[2] * channels, slice_step = p->outs[1] * row_step;
    const ptrdiff_t slices = p->last[0][slice] - p->first[0][slice], rows = p->last[1][row] - p->first[1][row];
    const ptrdiff_t first = p->first[0][slice] * slice_step + p->first[1][row] * row_step;
    const ptrdiff_t behind = p->outs[0] * slice_step - first - (slices - 1) * slice_step - (rows - 1) * row_step;
    for (ptrdiff_t i = 0; i < p->sizes[2]; i++, dx += channels, room -= channels) {
        const ptrdiff_t begin = p->first[2][i], width = p->last[2][i] - begin;
        const REAL* from = share + first + begin * channels;
        ptrdiff_t c = 0;
#define SUM_WINDOWS(READ) \
    for (ptrdiff_t a = 0; a < slices; a++) \
        for (ptrdiff_t b = 0; b < rows; b++) \
            for (ptrdiff_t o = 0; o < width; o++) sum += READ(from + a * slice_step + b * row_step + o * channels + c);
#ifdef VECTORS
        const ptrdiff_t left = behind - (begin + width - 1) * channels, here = left < room ? left : room;
        for (; c < channels && c + LANES <= here; c += LANES) {
            NAME(Reals) sum = {0};
            SUM_WINDOWS(AT)
            PUT(dx + c) = sum;
        }
#endif
        for (; c < channels; c++) {
            REAL sum = 0;
            SUM_WINDOWS(*)
            dx[c] = sum;
        }
#undef SUM_WINDOWS
    }
}

/* dx (sizes, channels) OUT: the deltas of one sample, row by row; with `spare` (a row and a vector) they are added to
   dx. */
INLINE void NAME(give_sample)(const Pooling* p, const REAL* dy, const uint8_t* bytes, REAL* spare, REAL* dx) {
    const ptrdiff_t width = p->sizes[2] * p->channels, out_width = p->outs[2] * p->channels;
    ptrdiff_t room = p->sizes[0] * p->sizes[1] * width;
    for (ptrdiff_t slice = 0; slice < p->sizes[0]; slice++)
        for (ptrdiff_t row = 0; row < p->sizes[1]; row++, dx += width, room -= width) {
            const ptrdiff_t a = p->first[0][slice], b = p->first[1][row];
            REAL* to = spare ? spare : dx;
            const ptrdiff_t touched = spare ? width + LANES : room;
            if (a >= p->last[0][slice] || b >= p->last[1][row]) {
                memset(to, 0, width * sizeof(REAL));
            } else if (p->apart) {
                const ptrdiff_t o = (a * p->outs[1] + b) * out_width, left = positions(p->outs) * p->channels - o;
                const ptrdiff_t number = (slice - p->begin[0][a]) * p->window[1] + row - p->begin[1][b];
                const ptrdiff_t rows = (p->end[0][a] - p->begin[0][a]) * (p->end[1][b] - p->begin[1][b]);
                NAME(give_row)(p, number * p->window[2], rows, left, touched, dy + o, bytes ? bytes + o : NULL, to);
            } else if (bytes) {
                NAME(gather_row)(p, slice, row, touched, dy, bytes, to);
            } else {
                NAME(sum_row)(p, slice, row, touched, dy, to);
            }
            if (spare)
                for (ptrdiff_t i = 0; i < width; i++) dx[i] += spare[i];
        }
}

/* dx (sizes, channels) IN and OUT += dy at the places of maxima, where windows overlap or are large. */
static void NAME(scatter_sample)(
    const Pooling* p, const REAL* dy, const uint8_t* bytes, const uint32_t* places, REAL* dx
) {
    const ptrdiff_t channels = p->channels;
    for (ptrdiff_t a = 0; a < p->outs[0]; a++)
        for (ptrdiff_t b = 0; b < p->outs[1]; b++)
            for (ptrdiff_t o = 0; o < p->outs[2]; o++, dy += channels)
                if (bytes) {
                    const ptrdiff_t row = p->begin[0][a] * p->sizes[1] + p->begin[1][b];
                    REAL* to = dx + (row * p->sizes[2] + p->begin[2][o]) * channels;
                    for (ptrdiff_t c = 0; c < channels; c++) to[p->places[bytes[c]] * channels + c] += dy[c];
                    bytes += channels;
                } else {
                    for (ptrdiff_t c = 0; c < channels; c++) dx[places[c] * channels + c] += dy[c];
                    places += channels;
                }
}

/* dx (rows, sizes, channels) OUT: dy (rows, outs, channels) at the places of maxima, which max_forward has stored; with
   `spare` they are added to dx. */
static void NAME(max_backward)(
    ptrdiff_t rows, const Pooling* p, const REAL* dy, const uint8_t* bytes, const uint32_t* places, REAL* spare,
    REAL* dx
) {
    const ptrdiff_t in = positions(p->sizes) * p->channels, out = positions(p->outs) * p->channels;
    for (ptrdiff_t r = 0; r < rows; r++, dx += in, dy += out) {
        if (bytes && p->gathers) {
            NAME(give_sample)(p, dy, bytes + r * out, spare, dx);
            continue;
        }
        if (!spare) memset(dx, 0, in * sizeof(REAL));
        NAME(scatter_sample)(p, dy, bytes ? bytes + r * out : NULL, places ? places + r * out : NULL, dx);
    }
}

/* dx (rows, sizes, channels) OUT: the shares of dy (rows, outs, channels), which is destroyed; with `spare` they are
   added to dx. */
static void NAME(mean_backward)(ptrdiff_t rows, const Pooling* p, REAL* dy, REAL* spare, REAL* dx) {
    const ptrdiff_t in = positions(p->sizes) * p->channels, out = positions(p->outs) * p->channels;
    for (ptrdiff_t r = 0; r < rows; r++, dx += in, dy += out) {
        REAL* share = dy;
        for (ptrdiff_t a = 0; !p->apart && a < p->outs[0]; a++)
            for (ptrdiff_t b = 0; b < p->outs[1]; b++)
                for (ptrdiff_t o = 0; o < p->outs[2]; o++, share += p->channels) {
                    const REAL size = (REAL)window_size(p, a, b, o);
                    for (ptrdiff_t c = 0; c < p->channels; c++) share[c] /= size;
                }
        NAME(give_sample)(p, dy, NULL, spare, dx);
    }
}
