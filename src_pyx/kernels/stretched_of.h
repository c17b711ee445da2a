/* The loops of stretched.pyx for one float type: stretched.h includes this with REAL and NAME(x) defined. */

#define BYTES VECTOR_BYTES
#include "vector_types.h"

#define AT(p) (*(NAME(Anywhere)*)(p))
#define LOAD(p) (*(const NAME(Anywhere)*)(p))

/* A vector of R rows of y by T rows of taps: y = x * kernel, + bias unless it is NULL, + the old y if `add`. Each
   number of a line is read once for all taps and rows that need it. */
#define TILE(R, T) \
    static void NAME(stretched_##R##_##T)( \
        const Stretch* p, const REAL* x, const REAL* kernel, ptrdiff_t kernel_row, const REAL* bias, int add, REAL* y, \
        ptrdiff_t y_row \
    ) { \
        const VECTOR zero = {0}; \
        VECTOR sums[R]; \
        UNROLL for (int r = 0; r < R; r++) { \
            sums[r] = bias ? (VECTOR)LOAD(bias) : zero; \
            if (add) sums[r] += LOAD(y + r * y_row); \
        } \
        for (ptrdiff_t e = 0; e < p->entries; e++, kernel += p->taps * kernel_row) { \
            const REAL* from = x + p->at[e]; \
            VECTOR taps[T]; \
            UNROLL for (int i = 0; i < T; i++) { \
                taps[i] = LOAD(kernel + i * kernel_row); \
                IN_REGISTER(taps[i]) \
            } \
            UNROLL for (int l = 0; l < R + T - 1; l++, from += p->line) { \
                VECTOR numbers = LOAD(from); \
                IN_REGISTER(numbers) \
                UNROLL for (int i = 0; i < T; i++) \
                    if (l - i >= 0 && l - i < R) sums[l - i] += numbers * taps[i]; \
            } \
        } \
        UNROLL for (int r = 0; r < R; r++) AT(y + r * y_row) = sums[r]; \
    }

#define ENTRY(R, T) NAME(stretched_##R##_##T)
#if MOST_TAPS == 5
#define TILES(R) TILE(R, 1) TILE(R, 2) TILE(R, 3) TILE(R, 4) TILE(R, 5)
#define ENTRIES(R) {0, ENTRY(R, 1), ENTRY(R, 2), ENTRY(R, 3), ENTRY(R, 4), ENTRY(R, 5)}
#else
#define TILES(R) TILE(R, 1) TILE(R, 2) TILE(R, 3)
#define ENTRIES(R) {0, ENTRY(R, 1), ENTRY(R, 2), ENTRY(R, 3)}
#endif
TILES(1) TILES(2) TILES(3) TILES(4)
#if MOST_ROWS >= 8
TILES(6) TILES(8)
#define TO_8 {0}, ENTRIES(6), {0}, ENTRIES(8),
#else
#define TO_8
#endif
#if MOST_ROWS >= 12
TILES(10) TILES(12)
#define TO_12 {0}, ENTRIES(10), {0}, ENTRIES(12),
#else
#define TO_12
#endif

static void (*const NAME(STRETCHED)[MOST_ROWS + 1][MOST_TAPS + 1])(
    const Stretch*, const REAL*, const REAL*, ptrdiff_t, const REAL*, int, REAL*, ptrdiff_t
) = {
    {0}, ENTRIES(1), ENTRIES(2), ENTRIES(3), ENTRIES(4), TO_8 TO_12
};

/* The size of the next piece: pieces have about equal sizes, at most `most`. */
static inline ptrdiff_t NAME(piece)(ptrdiff_t left, ptrdiff_t most) {
    const ptrdiff_t pieces = (left + most - 1) / most;
    return (left + pieces - 1) / pieces;
}

/* Rows of y, a vector of each. */
static inline void NAME(stretched_column)(
    const Stretch* p, ptrdiff_t rows, const REAL* x, const REAL* kernel, ptrdiff_t kernel_row, const REAL* bias,
    int add, REAL* y, ptrdiff_t y_row
) {
    for (ptrdiff_t r = 0, some; r < rows; r += some) {
        some = NAME(piece)(rows - r, MOST_ROWS);
        if (some > 4 && some % 2) some += some < rows - r ? 1 : -3;
        for (ptrdiff_t t = 0, taps; t < p->taps; t += taps) {
            taps = NAME(piece)(p->taps - t, MOST_TAPS);
            NAME(STRETCHED)[some][taps](
                p, x + (r + t) * p->line, kernel + t * kernel_row, kernel_row, t ? NULL : bias, t || add,
                y + r * y_row, y_row
            );
        }
    }
}

/* Rows of y = x * kernel + bias, whose stretched input begins at x. Rows of the kernel, and the bias after them, are
   kernel_row apart, and are repeated from `columns` on. `rest` has room for a vector of each row. */
static void NAME(stretched_rows)(
    const Stretch* p, ptrdiff_t rows, const REAL* x, const REAL* kernel, ptrdiff_t kernel_row, int add, REAL* y,
    ptrdiff_t y_row, REAL* rest
) {
    const REAL* bias = kernel + p->entries * p->taps * kernel_row;
    ptrdiff_t j = 0;
    for (; j + LANES <= p->width; j += LANES) {
        const ptrdiff_t first = j % p->columns;
        NAME(stretched_column)(p, rows, x + j, kernel + first, kernel_row, bias + first, add, y + j, y_row);
    }
    if (j == p->width) return;
    const ptrdiff_t first = j % p->columns, count = p->width - j;
    for (ptrdiff_t r = 0; add && r < rows; r++)
        for (ptrdiff_t i = 0; i < LANES; i++) rest[r * LANES + i] = i < count ? y[r * y_row + j + i] : 0;
    NAME(stretched_column)(p, rows, x + j, kernel + first, kernel_row, bias + first, add, rest, LANES);
    for (ptrdiff_t r = 0; r < rows; r++) memcpy(y + r * y_row + j, rest + r * LANES, count * sizeof(REAL));
}

/* Vectors of sums, for T taps of K entries, += x times dy, over at least T rows. Each number of a line is read once for
   all taps. The rows of dy that they need are in registers, the latest first. */
#define NEXT_DELTA \
    UNROLL for (int i = T_ - 1; i > 0; i--) deltas[i] = deltas[i - 1];
#define READ_DELTA \
    deltas[0] = LOAD(dy); \
    IN_REGISTER(deltas[0]) \
    dy += dy_row;
#define ADD_LINE(first, end) \
    UNROLL for (int k = 0; k < K_; k++) { \
        VECTOR numbers = LOAD(from[k] + line); \
        IN_REGISTER(numbers) \
        UNROLL for (int i = first; i < end; i++) sums[k][i] += numbers * deltas[i]; \
    } \
    line += p->line;
#define GRADIENT(T, K) \
    static void NAME(stretched_gradient_##T##_##K)( \
        const Stretch* p, ptrdiff_t rows, const REAL* x, const ptrdiff_t* at, const REAL* dy, ptrdiff_t dy_row, \
        REAL* to, ptrdiff_t tap_step, ptrdiff_t entry_step \
    ) { \
        enum { T_ = T, K_ = K }; \
        VECTOR sums[K][T], deltas[T]; \
        const REAL* from[K]; \
        ptrdiff_t line = 0; \
        UNROLL for (int i = 0; i < T; i++) deltas[i] = (VECTOR){0}; \
        UNROLL for (int k = 0; k < K; k++) { \
            from[k] = x + at[k]; \
            UNROLL for (int i = 0; i < T; i++) sums[k][i] = LOAD(to + k * entry_step + i * tap_step); \
        } \
        UNROLL for (int l = 0; l < T - 1; l++) { NEXT_DELTA READ_DELTA ADD_LINE(0, l + 1) } \
        for (ptrdiff_t l = T - 1; l < rows; l++) { NEXT_DELTA READ_DELTA ADD_LINE(0, T) } \
        UNROLL for (int l = 1; l < T; l++) { NEXT_DELTA ADD_LINE(l, T) } \
        UNROLL for (int k = 0; k < K; k++) \
            UNROLL for (int i = 0; i < T; i++) AT(to + k * entry_step + i * tap_step) = sums[k][i]; \
    }

#define GRADIENTS_OF_2(T) GRADIENT(T, 1) GRADIENT(T, 2)
#define GRADIENTS_OF_4(T) GRADIENTS_OF_2(T) GRADIENT(T, 3) GRADIENT(T, 4)
#define GRADIENTS_OF_5(T) GRADIENTS_OF_4(T) GRADIENT(T, 5)
#define OF(T, K) NAME(stretched_gradient_##T##_##K)
#define LIST_OF_2(T) 0, OF(T, 1), OF(T, 2)
#define LIST_OF_4(T) LIST_OF_2(T), OF(T, 3), OF(T, 4)
#define LIST_OF_5(T) LIST_OF_4(T), OF(T, 5)
#if REGISTERS == 32
GRADIENTS_OF_5(1) GRADIENTS_OF_5(2) GRADIENTS_OF_5(3) GRADIENTS_OF_5(4) GRADIENTS_OF_5(5)
#define GRADIENT_LISTS {LIST_OF_5(1)}, {LIST_OF_5(2)}, {LIST_OF_5(3)}, {LIST_OF_5(4)}, {LIST_OF_5(5)}
#elif MOST_TAPS == 3
GRADIENTS_OF_5(1) GRADIENTS_OF_5(2) GRADIENTS_OF_4(3)
#define GRADIENT_LISTS {LIST_OF_5(1)}, {LIST_OF_5(2)}, {LIST_OF_4(3)}
#else
GRADIENTS_OF_5(1) GRADIENTS_OF_5(2) GRADIENTS_OF_4(3) GRADIENTS_OF_2(4) GRADIENTS_OF_2(5)
#define GRADIENT_LISTS {LIST_OF_5(1)}, {LIST_OF_5(2)}, {LIST_OF_4(3)}, {LIST_OF_2(4)}, {LIST_OF_2(5)}
#endif

static void (*const NAME(STRETCHED_GRADIENTS)[MOST_TAPS + 1][MOST_ENTRIES + 1])(
    const Stretch*, ptrdiff_t, const REAL*, const ptrdiff_t*, const REAL*, ptrdiff_t, REAL*, ptrdiff_t, ptrdiff_t
) = {{0}, GRADIENT_LISTS};

/* Vectors of sums for the taps first:end of entries whose rows of the kernel are successive. */
static void NAME(stretched_sums)(
    const Stretch* p, ptrdiff_t rows, const REAL* x, const ptrdiff_t* at, ptrdiff_t entries, ptrdiff_t first,
    ptrdiff_t end, const REAL* dy, ptrdiff_t dy_row, REAL* sums, ptrdiff_t step
) {
    for (ptrdiff_t t = first, taps; t < end; t += taps) {
        taps = NAME(piece)(end - t, rows < MOST_TAPS ? rows : MOST_TAPS);
        const ptrdiff_t fit = ENTRIES_FIT(taps) < MOST_ENTRIES ? ENTRIES_FIT(taps) : MOST_ENTRIES;
        for (ptrdiff_t e = 0, some; e < entries; e += some) {
            some = NAME(piece)(entries - e, fit);
            NAME(STRETCHED_GRADIENTS)[taps][some](
                p, rows, x + t * p->line, at + e, dy, dy_row, sums + (e + t * p->kernel_step) * step,
                p->kernel_step * step, step
            );
        }
    }
}

/* The taps of an entry that are in rows begin:end of the kernel. */
static inline void NAME(taps_between)(
    const Stretch* p, ptrdiff_t entry, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t* first, ptrdiff_t* last
) {
    const ptrdiff_t row = p->kernel[entry], step = p->kernel_step;
    *first = begin > row ? (begin - row + step - 1) / step : 0;
    if (end > row + (p->taps - 1) * step) *last = p->taps;
    else *last = end > row ? (end - row + step - 1) / step : 0;
}

/* sums (end - begin, step) += x times dy, for rows begin:end of the kernel, over rows of positions. A row of sums has a
   vector for each place that a vector can have among the columns. `rest` (rows, LANES) contains the last numbers of
   each row of dy that do not fill a vector, followed by zeros. */
static void NAME(stretched_products)(
    const Stretch* p, ptrdiff_t rows, const REAL* x, const REAL* dy, ptrdiff_t dy_row, const REAL* rest,
    ptrdiff_t begin, ptrdiff_t end, REAL* sums, ptrdiff_t step
) {
    for (ptrdiff_t e = 0, some, first, last; e < p->entries; e += some) {
        NAME(taps_between)(p, e, begin, end, &first, &last);
        for (some = 1; e + some < p->entries; some++) {
            ptrdiff_t next_first, next_last;
            NAME(taps_between)(p, e + some, begin, end, &next_first, &next_last);
            if (next_first != first || next_last != last || p->kernel[e + some] != p->kernel[e] + some) break;
        }
        REAL* const to = sums + (p->kernel[e] - begin) * step;
        for (ptrdiff_t j = 0, place = 0; j < p->width; j += LANES, place = place + LANES < step ? place + LANES : 0) {
            const int whole = j + LANES <= p->width;
            NAME(stretched_sums)(
                p, rows, x + j, p->at + e, some, first, last, whole ? dy + j : rest, whole ? dy_row : LANES,
                to + place, step
            );
        }
    }
}

/* gradient (rows, columns) = in each row of sums, the sums of the numbers of the same column. */
static void NAME(join_stretched)(
    ptrdiff_t rows, ptrdiff_t columns, REAL* sums, ptrdiff_t step, int add, REAL* gradient
) {
    for (ptrdiff_t r = 0; r < rows; r++, sums += step, gradient += columns) {
        for (ptrdiff_t j = columns; j < step; j += columns)
            for (ptrdiff_t i = 0; i < columns; i++) sums[i] += sums[j + i];
        for (ptrdiff_t i = 0; i < columns; i++) gradient[i] = add ? gradient[i] + sums[i] : sums[i];
    }
}

/* y (count, columns): each of `count` numbers, `step` apart, `columns` times. Up to a vector more is written. */
#if VECTOR_BYTES
#define QUARTER (LANES >= 8 ? LANES / 4 : LANES / 2)
#define STRETCH_BY(width) \
    for (ptrdiff_t i = 0; i < columns; i += width) { \
        typedef REAL Some __attribute__((vector_size((width) * sizeof(REAL)), aligned(sizeof(REAL)), may_alias)); \
        for (ptrdiff_t j = 0; j < count; j++) *(Some*)(y + j * columns + i) = (Some){0} + x[j * step]; \
    }
#endif
static inline void NAME(stretch_row)(ptrdiff_t count, const REAL* x, ptrdiff_t step, ptrdiff_t columns, REAL* y) {
#if VECTOR_BYTES
    if (columns <= QUARTER) STRETCH_BY(QUARTER)
    else if (columns <= LANES / 2) STRETCH_BY(LANES / 2)
    else if (columns <= LANES) STRETCH_BY(LANES)
    else
#endif
    for (ptrdiff_t j = 0; j < count; j++)
        for (ptrdiff_t i = 0; i < columns; i++) y[j * columns + i] = x[j * step];
}

#if PERMUTES
/* For each place that a vector can have among the columns of stretched numbers: the index of its first number, and for
   each lane the index of its number from that one on. */
typedef INTEGER NAME(Lanes) __attribute__((vector_size(VECTOR_BYTES)));
typedef struct {
    ptrdiff_t places, first[LANES];
    NAME(Lanes) lanes[LANES];
} NAME(Order);

static void NAME(order_of)(ptrdiff_t columns, NAME(Order)* order) {
    ptrdiff_t number = 0, column = 0, p = 0;
    do {
        const ptrdiff_t first = order->first[p] = number;
        for (ptrdiff_t lane = 0; lane < LANES; lane++) {
            order->lanes[p][lane] = (INTEGER)(number - first);
            if (++column == columns) column = 0, number++;
        }
        p++;
    } while (column);
    order->places = p;
}

/* The same as stretch_row for contiguous numbers. Whole vectors of x are read. */
static inline void NAME(permute_row)(
    ptrdiff_t count, const REAL* x, ptrdiff_t columns, const NAME(Order)* order, REAL* y
) {
    const ptrdiff_t each = order->places * LANES / columns;
    for (REAL* const end = y + count * columns; y < end; x += each)
        for (ptrdiff_t p = 0; p < order->places && y < end; p++, y += LANES)
            AT(y) = __builtin_shuffle((VECTOR)LOAD(x + order->first[p]), order->lanes[p]);
}
#endif

/* Lines of y, `width` numbers each: zeros, then `count` numbers of each line of x, which are `step` apart, `columns`
   times each, and zeros. From the first of them on, x has `there` numbers. */
static void NAME(stretch_lines)(
    ptrdiff_t lines, ptrdiff_t zeros, ptrdiff_t count, const REAL* x, ptrdiff_t x_line, ptrdiff_t step,
    ptrdiff_t there, ptrdiff_t columns, REAL* y, ptrdiff_t y_line, ptrdiff_t width
) {
    const ptrdiff_t end = zeros + count * columns;
#if PERMUTES
    const int permutes = step == 1 && columns <= LANES;
    NAME(Order) order;
    order.places = 0;
    if (permutes) NAME(order_of)(columns, &order);
#endif
    for (; lines > 0; lines--, x += x_line, there -= x_line, y += y_line) {
        for (ptrdiff_t j = 0; j < zeros; j++) y[j] = 0;
#if PERMUTES
        if (permutes && there >= count + LANES) NAME(permute_row)(count, x, columns, &order, y + zeros);
        else
#endif
        NAME(stretch_row)(count, x, step, columns, y + zeros);
        for (ptrdiff_t j = end; j < width; j++) y[j] = 0;
    }
}

#undef BYTES
#undef LANES
#undef VECTOR
#undef AT
#undef LOAD
#undef TILE
#undef TILES
#undef ENTRY
#undef ENTRIES
#undef TO_8
#undef TO_12
#undef NEXT_DELTA
#undef READ_DELTA
#undef ADD_LINE
#undef GRADIENT
#undef GRADIENTS_OF_2
#undef GRADIENTS_OF_4
#undef GRADIENTS_OF_5
#undef OF
#undef LIST_OF_2
#undef LIST_OF_4
#undef LIST_OF_5
#undef GRADIENT_LISTS
#undef QUARTER
#undef STRETCH_BY
#undef REAL
#undef INTEGER
#undef NAME
