/* The loops of planar.pyx for one float type: planar.h includes this with REAL and NAME(x) defined. */

#define BYTES VECTOR_BYTES
#include "vector_types.h"

#define LOAD(p) (*(const NAME(Anywhere)*)(p))

/* Below, i is a column or a tap, v a vector of positions, V the number of vectors. */
#define BEGIN(i, v) VECTOR c##i##_##v = zero + (bias ? bias[i] : 0);
#define BEGIN_ALL(i, V) VECTORS_##V(BEGIN, i)
#define READ(i, v) VECTOR x##v = LOAD(from + v * LANES); IN_REGISTER(x##v)
#define MULTIPLY(i, v) c##i##_##v += x##v * k##i;
#define MULTIPLY_ALL(i, V) const REAL k##i = kernel[i]; VECTORS_##V(MULTIPLY, i)
#define KEEP(i, v) *(NAME(Anywhere)*)(sums + (i * V_ + v) * LANES) = c##i##_##v;
#define KEEP_ALL(i, V) VECTORS_##V(KEEP, i)

/* sums (C, V vectors): C columns of V vectors of positions, whose input begins at x. */
#define TILE(C, V) \
    static void NAME(planar_##C##_##V)( \
        const PlanarTaps* p, const REAL* x, const REAL* kernel, const REAL* bias, REAL* sums \
    ) { \
        enum { V_ = V }; \
        const VECTOR zero = {0}; \
        ROWS_##C(BEGIN_ALL, V) \
        for (ptrdiff_t row = 0; row < p->rows; row++) { \
            const REAL* from = x + p->at[row]; \
            for (ptrdiff_t tap = p->taps; tap > 0; tap--, from += p->tap_step, kernel += p->columns) { \
                VECTORS_##V(READ, 0) \
                ROWS_##C(MULTIPLY_ALL, V) \
            } \
        } \
        ROWS_##C(KEEP_ALL, V) \
    }

#define TILES(C) TILE(C, 1) TILE(C, 2) TILE(C, 3)
#define ENTRIES(C) {0, NAME(planar_##C##_1), NAME(planar_##C##_2), NAME(planar_##C##_3)}
TILES(1) TILES(2) TILES(3) TILES(4)
#if MOST_COLUMNS == 8
TILES(5) TILES(6) TILES(7) TILES(8)
#define MORE_ENTRIES ENTRIES(5), ENTRIES(6), ENTRIES(7), ENTRIES(8)
#else
#define MORE_ENTRIES
#endif

static void (*const NAME(PLANAR)[MOST_COLUMNS + 1][4])(
    const PlanarTaps*, const REAL*, const REAL*, const REAL*, REAL*
) = {{0}, ENTRIES(1), ENTRIES(2), ENTRIES(3), ENTRIES(4), MORE_ENTRIES};

/* Write columns next to each other in y, with positions y_step apart, from sums (columns, width). */
static void NAME(write_positions)(
    ptrdiff_t count, ptrdiff_t columns, const REAL* sums, ptrdiff_t width, int add, REAL* y, ptrdiff_t y_step
) {
    ptrdiff_t i = 0;
    if (columns == 1 && y_step == 1) {
        for (ptrdiff_t j = 0; j < count; j++) y[j] = add ? y[j] + sums[j] : sums[j];
        return;
    }
#ifdef SHUFFLE
    while (columns >= 4 && i < columns) {
        if (i > columns - 4) {
            if (add) break;
            i = columns - 4; /* some are written for the second time */
        }
        ptrdiff_t j = 0;
        for (; j + 4 <= count; j += 4)
            NAME(transpose_four)(sums + i * width + j, width, add, y + j * y_step + i, y_step);
        for (; j < count; j++)
            for (ptrdiff_t c = i; c < i + 4; c++)
                y[j * y_step + c] = add ? y[j * y_step + c] + sums[c * width + j] : sums[c * width + j];
        i += 4;
    }
#endif
    for (; i < columns; i++)
        for (ptrdiff_t j = 0; j < count; j++)
            y[j * y_step + i] = add ? y[j * y_step + i] + sums[i * width + j] : sums[i * width + j];
}

/* y = x * kernel + bias for `count` positions of a row. Whole vectors of x are read. */
static void NAME(planar_row)(
    const PlanarTaps* p, ptrdiff_t count, const REAL* x, const REAL* kernel, const REAL* bias, int add, REAL* y,
    ptrdiff_t y_step
) {
    REAL sums[MOST_COLUMNS * 3 * LANES];
    for (ptrdiff_t j = 0; j < count; j += 3 * LANES) {
        const ptrdiff_t left = count - j < 3 * LANES ? count - j : 3 * LANES, vectors = (left + LANES - 1) / LANES;
        for (ptrdiff_t i = 0, columns; i < p->columns; i += columns) {
            columns = p->columns - i < MOST_COLUMNS ? p->columns - i : MOST_COLUMNS;
            NAME(PLANAR)[columns][vectors](p, x + j, kernel + i, bias ? bias + i : NULL, sums);
            NAME(write_positions)(left, columns, sums, vectors * LANES, add, y + j * y_step + i, y_step);
        }
    }
}

#define SUM_AT(i, v) (*(NAME(Anywhere)*)(sums + i * step + v * LANES))
#define BEGIN_SUM(i, v) VECTOR s##i##_##v = SUM_AT(i, v);
#define BEGIN_SUMS(i, V) VECTORS_##V(BEGIN_SUM, i)
#define READ_DELTA(i, v) VECTOR d##v = LOAD(dy + v * plane + j); IN_REGISTER(d##v)
#define ADD_PRODUCT(i, v) s##i##_##v += x##i * d##v;
#define ADD_PRODUCTS(i, V) VECTOR x##i = LOAD(x + i * tap_step + j); IN_REGISTER(x##i) VECTORS_##V(ADD_PRODUCT, i)
#define KEEP_SUM(i, v) SUM_AT(i, v) = s##i##_##v;
#define KEEP_SUMS(i, V) VECTORS_##V(KEEP_SUM, i)

/* For T taps and V filters: vectors of sums += x times dy, over positions. After a row's positions, dy is 0. */
#define GRADIENT(T, V) \
    static void NAME(gradient_##T##_##V)( \
        ptrdiff_t rows, ptrdiff_t count, const REAL* x, ptrdiff_t x_row, ptrdiff_t tap_step, const REAL* dy, \
        ptrdiff_t dy_row, ptrdiff_t plane, REAL* sums, ptrdiff_t step \
    ) { \
        ROWS_##T(BEGIN_SUMS, V) \
        for (ptrdiff_t row = 0; row < rows; row++, x += x_row, dy += dy_row) { \
            for (ptrdiff_t j = 0; j < count; j += LANES) { \
                VECTORS_##V(READ_DELTA, 0) \
                ROWS_##T(ADD_PRODUCTS, V) \
            } \
        } \
        ROWS_##T(KEEP_SUMS, V) \
    }

#define GRADIENTS_OF(V) GRADIENT(1, V) GRADIENT(2, V) GRADIENT(3, V)
#define GRADIENT_ENTRIES(V) {0, NAME(gradient_1_##V), NAME(gradient_2_##V), NAME(gradient_3_##V)}
GRADIENTS_OF(1) GRADIENTS_OF(2) GRADIENTS_OF(3) GRADIENTS_OF(4)
#if MOST_COLUMNS == 8
GRADIENTS_OF(5) GRADIENTS_OF(6) GRADIENTS_OF(7) GRADIENTS_OF(8)
#define MORE_GRADIENTS GRADIENT_ENTRIES(5), GRADIENT_ENTRIES(6), GRADIENT_ENTRIES(7), GRADIENT_ENTRIES(8)
#else
#define MORE_GRADIENTS
#endif

static void (*const NAME(GRADIENTS)[MOST_COLUMNS + 1][4])(
    ptrdiff_t, ptrdiff_t, const REAL*, ptrdiff_t, ptrdiff_t, const REAL*, ptrdiff_t, ptrdiff_t, REAL*, ptrdiff_t
) = {
    {0}, GRADIENT_ENTRIES(1), GRADIENT_ENTRIES(2), GRADIENT_ENTRIES(3), GRADIENT_ENTRIES(4), MORE_GRADIENTS
};

/* Vectors of sums (taps, filters) += x, tap_step further for each tap, times dy, over rows of positions. Sums of
   successive taps are `step` vectors apart, filters of dy a plane apart. */
static void NAME(planar_gradient)(
    ptrdiff_t rows, ptrdiff_t count, ptrdiff_t taps, ptrdiff_t filters, const REAL* x, ptrdiff_t x_row,
    ptrdiff_t tap_step, const REAL* dy, ptrdiff_t dy_row, ptrdiff_t plane, REAL* sums, ptrdiff_t step
) {
    step *= LANES;
    for (ptrdiff_t v = 0, some; v < filters; v += some) {
        some = filters - v < MOST_COLUMNS ? filters - v : MOST_COLUMNS;
        for (ptrdiff_t i = 0; i < taps; i += 3)
            NAME(GRADIENTS)[some][taps - i < 3 ? taps - i : 3](
                rows, count, x + i * tap_step, x_row, tap_step, dy + v * plane, dy_row, plane,
                sums + i * step + v * LANES, step
            );
    }
}

/* gradient (count,) = or += the sum of the numbers of each vector. */
static void NAME(join_sums)(ptrdiff_t count, REAL* sums, int add, REAL* gradient) {
    for (ptrdiff_t i = 0; i < count; i++, sums += LANES) {
        for (ptrdiff_t half = LANES / 2; half > 0; half /= 2)
            for (ptrdiff_t j = 0; j < half; j++) sums[j] += sums[j + half];
        gradient[i] = add ? gradient[i] + sums[0] : sums[0];
    }
}

/* Planes (columns, width) of numbers (count, columns), whose positions are `step` apart. */
static void NAME(split_columns)(
    ptrdiff_t count, ptrdiff_t columns, const REAL* x, ptrdiff_t step, REAL* planes, ptrdiff_t plane
) {
    ptrdiff_t i = 0;
    if (columns == 1 && step == 1) {
        memcpy(planes, x, count * sizeof(REAL));
        return;
    }
#ifdef SHUFFLE
    for (; columns >= 4 && i < columns; i += 4) {
        if (i > columns - 4) i = columns - 4; /* some for the second time */
        ptrdiff_t j = 0;
        for (; j + 4 <= count; j += 4) NAME(transpose_four)(x + j * step + i, step, 0, planes + i * plane + j, plane);
        for (; j < count; j++)
            for (ptrdiff_t c = i; c < i + 4; c++) planes[c * plane + j] = x[j * step + c];
    }
#endif
    for (; i < columns; i++)
        for (ptrdiff_t j = 0; j < count; j++) planes[i * plane + j] = x[j * step + i];
}

#undef BYTES
#undef LANES
#undef VECTOR
#undef LOAD
#undef BEGIN
#undef BEGIN_ALL
#undef READ
#undef MULTIPLY
#undef MULTIPLY_ALL
#undef KEEP
#undef KEEP_ALL
#undef TILE
#undef TILES
#undef ENTRIES
#undef MORE_ENTRIES
#undef SUM_AT
#undef BEGIN_SUM
#undef BEGIN_SUMS
#undef READ_DELTA
#undef ADD_PRODUCT
#undef ADD_PRODUCTS
#undef KEEP_SUM
#undef KEEP_SUMS
#undef GRADIENT
#undef GRADIENTS_OF
#undef GRADIENT_ENTRIES
#undef MORE_GRADIENTS
#undef REAL
#undef NAME
