/* Included by images.h for each float type, as REAL and NAME(name). */

/* y (part) += that part of x (whole) IN; see boxes.h. */
static void NAME(add_taken)(
    const ptrdiff_t* whole, const ptrdiff_t* part, const ptrdiff_t* start, const REAL* x, REAL* y)
{
    for (ptrdiff_t i = 0; i < part[0]; i++)
        for (ptrdiff_t j = 0; j < part[1]; j++, y += part[2]) {
            const REAL* row = x + row_at(whole, start, i, j);
            for (ptrdiff_t k = 0; k < part[2]; k++) y[k] += row[k];
        }
}

/* That part of y (whole) += x (part) IN. */
static void NAME(add_put)(
    const ptrdiff_t* whole, const ptrdiff_t* part, const ptrdiff_t* start, const REAL* x, REAL* y)
{
    for (ptrdiff_t i = 0; i < part[0]; i++)
        for (ptrdiff_t j = 0; j < part[1]; j++, x += part[2]) {
            REAL* row = y + row_at(whole, start, i, j);
            for (ptrdiff_t k = 0; k < part[2]; k++) row[k] += x[k];
        }
}

/* y (width * times, channels) OUT = each pixel of x (width, channels) IN, `times` times. */
static inline void NAME(repeat_pixels)(
    ptrdiff_t width, ptrdiff_t channels, ptrdiff_t times, const REAL* x, REAL* y)
{
    for (ptrdiff_t i = 0; i < width; i++, x += channels)
        for (ptrdiff_t t = 0; t < times; t++, y += channels)
            for (ptrdiff_t c = 0; c < channels; c++) y[c] = x[c];
}

/* y OUT = x (planes, rows, width, channels) IN, whose first three axes are repeated `times` (3,) IN times.

   Only the first of equal rows is made from pixels. The others, and equal planes, are copies of those just written. */
static void NAME(repeat_volume)(const ptrdiff_t* sizes, const ptrdiff_t* times, const REAL* x, REAL* y)
{
    ptrdiff_t row = sizes[2] * sizes[3], long_row = row * times[2], plane = long_row * times[1] * sizes[1];
    for (ptrdiff_t i = 0; i < sizes[0]; i++) {
        const REAL* first = y;
        for (ptrdiff_t j = 0; j < sizes[1]; j++, x += row) {
            const REAL* made = y;
            NAME(repeat_pixels)(sizes[2], sizes[3], times[2], x, y);
            y += long_row;
            for (ptrdiff_t t = 1; t < times[1]; t++, y += long_row) memcpy(y, made, (size_t)long_row * sizeof(REAL));
        }
        for (ptrdiff_t t = 1; t < times[0]; t++, y += plane) memcpy(y, first, (size_t)plane * sizeof(REAL));
    }
}

/* sums (count,) OUT: sums over `groups` times `times` rows of x; rows of a group are contiguous, and groups are `step`
   apart. */
static inline void NAME(sum_rows)(
    ptrdiff_t count, ptrdiff_t groups, ptrdiff_t times, ptrdiff_t step, const REAL* x, REAL* sums)
{
    memcpy(sums, x, (size_t)count * sizeof(REAL));
    for (ptrdiff_t g = 0; g < groups; g++)
        for (ptrdiff_t t = g == 0; t < times; t++) {
            const REAL* row = x + g * step + t * count;
            for (ptrdiff_t k = 0; k < count; k++) sums[k] += row[k];
        }
}

/* y (sizes) OUT: sums of x IN, an output of `repeat_volume`, over repetitions; added to y if `add`.

   sums (sizes[2] * times[2], channels) is destroyed: first equal rows are summed, and then their equal pixels. */
static void NAME(sum_repeats)(
    const ptrdiff_t* sizes, const ptrdiff_t* times, const REAL* x, int add, REAL* sums, REAL* y)
{
    ptrdiff_t channels = sizes[3], row = sizes[2] * channels, long_row = row * times[2];
    ptrdiff_t plane = long_row * times[1] * sizes[1];
    for (ptrdiff_t i = 0; i < sizes[0]; i++)
        for (ptrdiff_t j = 0; j < sizes[1]; j++) {
            const REAL* group = x + i * times[0] * plane + j * times[1] * long_row;
            NAME(sum_rows)(long_row, times[0], times[1], plane, group, sums);
            const REAL* pixel = sums;
            for (ptrdiff_t k = 0; k < row; k += channels, y += channels, pixel += times[2] * channels)
                for (ptrdiff_t c = 0; c < channels; c++) {
                    REAL sum = pixel[c];
                    for (ptrdiff_t t = 1; t < times[2]; t++) sum += pixel[t * channels + c];
                    y[c] = add ? y[c] + sum : sum;
                }
        }
}

/* y (count,) OUT = constant + the sum over t of weights[t] * x[t * step + j], added to y if `add`. */
static inline void NAME(add_up)(
    ptrdiff_t count, ptrdiff_t taps, ptrdiff_t step, const REAL* weights, REAL constant, const REAL* x, int add,
    REAL* y)
{
    ptrdiff_t j = 0;
    for (; j + BLOCK <= count; j += BLOCK) {
        REAL sums[BLOCK];
        for (int k = 0; k < BLOCK; k++) sums[k] = constant;
        for (ptrdiff_t t = 0; t < taps; t++) {
            const REAL* from = x + t * step + j;
            REAL weight = weights[t];
            for (int k = 0; k < BLOCK; k++) sums[k] += weight * from[k];
        }
        for (int k = 0; k < BLOCK; k++) y[j + k] = add ? y[j + k] + sums[k] : sums[k];
    }
    for (; j < count; j++) {
        REAL sum = constant;
        for (ptrdiff_t t = 0; t < taps; t++) sum += weights[t] * x[t * step + j];
        y[j] = add ? y[j] + sum : sum;
    }
}

/* y (outputs, count) OUT: output i is a sum over successive rows of x (inputs, count) IN, from first[i] on, with the
   weights from ends[i] to ends[i + 1], and a constant. */
static void NAME(add_up_rows)(
    ptrdiff_t outputs, ptrdiff_t count, const ptrdiff_t* first, const ptrdiff_t* ends, const REAL* weights,
    const REAL* constants, const REAL* x, int add, REAL* y)
{
    for (ptrdiff_t i = 0; i < outputs; i++, y += count) {
        const REAL* from = x + first[i] * count;
        NAME(add_up)(count, ends[i + 1] - ends[i], count, weights + ends[i], constants[i], from, add, y);
    }
}

#undef REAL
#undef NAME
