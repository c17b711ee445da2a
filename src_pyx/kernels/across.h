/* Tiles of a few rows that read B with its columns, not its rows, contiguous in memory.

   tiles.h includes this file for the largest vectors. JOIN(c, load) joins load(c), load(c + 4), ..., four numbers of
   every fourth column, to a vector; LOAD_FOUR(p) and LOAD_FEW(p, count) load such numbers. A vector of the same element
   of many columns is made by transposing 4 x 4 numbers. That takes as long as two or three multiplications of it, so B
   is packed instead if it is used for many rows. */

#define COLUMN(c) LOAD_FOUR(b + (c) * b_column)
#define PART_OF_COLUMN(c) LOAD_FEW(b + (c) * b_column, few)
#define FOUND_COLUMN(c) LOAD_FOUR(b + offsets[c])
#define PART_OF_FOUND(c) LOAD_FEW(b + offsets[c], few)

/* x0 to x3: a vector for each of four elements of LANES columns. */
#define TRANSPOSE(load) \
    const VECTOR y0 = (VECTOR)JOIN(0, load), y1 = (VECTOR)JOIN(1, load); \
    const VECTOR y2 = (VECTOR)JOIN(2, load), y3 = (VECTOR)JOIN(3, load); \
    const VECTOR low_01 = SHUFFLE(y0, y1, BLOCKS(0, LANES_, 1, LANES_ + 1)); \
    const VECTOR high_01 = SHUFFLE(y0, y1, BLOCKS(2, LANES_ + 2, 3, LANES_ + 3)); \
    const VECTOR low_23 = SHUFFLE(y2, y3, BLOCKS(0, LANES_, 1, LANES_ + 1)); \
    const VECTOR high_23 = SHUFFLE(y2, y3, BLOCKS(2, LANES_ + 2, 3, LANES_ + 3)); \
    const VECTOR x0 = SHUFFLE(low_01, low_23, BLOCKS(0, 1, LANES_, LANES_ + 1)); \
    const VECTOR x1 = SHUFFLE(low_01, low_23, BLOCKS(2, 3, LANES_ + 2, LANES_ + 3)); \
    const VECTOR x2 = SHUFFLE(high_01, high_23, BLOCKS(0, 1, LANES_, LANES_ + 1)); \
    const VECTOR x3 = SHUFFLE(high_01, high_23, BLOCKS(2, 3, LANES_ + 2, LANES_ + 3)); \
    (void)x3;

/* The beginnings of the columns; the last one is repeated. */
static inline void NAME(find_columns)(ptrdiff_t columns, ptrdiff_t b_column, ptrdiff_t* offsets) {
    for (ptrdiff_t c = 0; c < LANES; c++) offsets[c] = (c < columns ? c : columns - 1) * b_column;
}

#if !GATHERS
#define ROW_ACROSS(i, V) const REAL* a##i = a + i * a_row;
#define BEGIN_ACROSS(i, V) VECTOR c##i##_0 = row_bias ? row_bias[i] - zero : start_0;
#define STEP(ROWS, q) { const VECTOR b_0 = x##q; ROWS_##ROWS(MULTIPLY_ROW, 1) at += a_column; }
#define STEPS_ACROSS(ROWS, load, load_part) \
    for (; steps > 0; steps--, b += 4) { \
        TRANSPOSE(load) \
        STEP(ROWS, 0) STEP(ROWS, 1) STEP(ROWS, 2) STEP(ROWS, 3) \
    } \
    if (few) { \
        TRANSPOSE(load_part) \
        STEP(ROWS, 0) \
        if (few > 1) STEP(ROWS, 1) \
        if (few > 2) STEP(ROWS, 2) \
    }
/* BY_STEPS: whether whole vectors find their columns by steps of b_column. For more rows, there are not enough
   registers. */
#define TILE_ACROSS(ROWS, BY_STEPS) \
    static NEVER_INLINE void NAME(across_##ROWS)(const PRODUCT* p, const REAL* row_bias) { \
        const ptrdiff_t a_row = p->a_row, a_column = p->a_column, b_column = p->b_row, c_row = p->c_row; \
        const ptrdiff_t last = p->last; \
        const VECTOR zero = {0}; \
        const REAL *a = p->a, *b = p->b; \
        REAL* c = p->c; \
        ROWS_##ROWS(ROW_ACROSS, 1) \
        START_ALL(1) \
        ROWS_##ROWS(BEGIN_ACROSS, 1) \
        const ptrdiff_t few = p->k % 4; \
        ptrdiff_t at = 0, steps = p->k / 4; \
        if (BY_STEPS && last == LANES) { \
            STEPS_ACROSS(ROWS, COLUMN, PART_OF_COLUMN) \
        } else { \
            ptrdiff_t offsets[LANES]; \
            NAME(find_columns)(last, b_column, offsets); \
            STEPS_ACROSS(ROWS, FOUND_COLUMN, PART_OF_FOUND) \
        } \
        WRITE_TILE(ROWS, 1) \
    }

TILE_ACROSS(1, 1) TILE_ACROSS(2, 1) TILE_ACROSS(3, 1) TILE_ACROSS(4, 1)
TILE_ACROSS(5, 0) TILE_ACROSS(6, 0) TILE_ACROSS(7, 0) TILE_ACROSS(8, 0)

/* C (rows, columns) = A B + bias + row_bias; element (p, j) of B is at p + j b_column. Give at most one bias. */
static void OF_TYPE(multiply_across)(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t k, const REAL* a, ptrdiff_t a_row, ptrdiff_t a_column,
    const REAL* b, ptrdiff_t b_column, const REAL* bias, const REAL* row_bias, int add, REAL* c, ptrdiff_t c_row,
    ptrdiff_t c_column
) {
    static void (*const tiles[])(const PRODUCT*, const REAL*) = {
        NULL, NAME(across_1), NAME(across_2), NAME(across_3), NAME(across_4), NAME(across_5), NAME(across_6),
        NAME(across_7), NAME(across_8),
    };
    for (ptrdiff_t j = 0; j < columns; j += LANES) {
        for (ptrdiff_t i = 0, count; i < rows; i += count) {
            const PRODUCT p = {
                a + i * a_row, a_row, a_column, b + j * b_column, b_column, c + i * c_row + j * c_column, c_row,
                c_column, k, columns - j < LANES ? columns - j : LANES, bias ? bias + j : NULL, add,
            };
            count = next_rows(rows - i, 8);
            tiles[count](&p, row_bias ? row_bias + i : NULL);
        }
    }
}
#endif

/* A panel of B as in pack_columns. Vectors are filled up with copies of the last column. */
static NEVER_INLINE void OF_TYPE(pack_across)(
    ptrdiff_t k, ptrdiff_t columns, ptrdiff_t width, const REAL* b, ptrdiff_t b_column, REAL* panel
) {
#define KEEP_ACROSS(q) *(NAME(Anywhere)*)(to + q * width) = x##q;
#define PACK_ACROSS(load, load_part) \
    for (; steps > 0; steps--, b += 4, to += 4 * width) { \
        TRANSPOSE(load) \
        KEEP_ACROSS(0) KEEP_ACROSS(1) KEEP_ACROSS(2) KEEP_ACROSS(3) \
    } \
    if (few) { \
        TRANSPOSE(load_part) \
        KEEP_ACROSS(0) \
        if (few > 1) KEEP_ACROSS(1) \
        if (few > 2) KEEP_ACROSS(2) \
    }
    const ptrdiff_t few = k % 4;
    for (; columns > 0; columns -= LANES, panel += LANES, b += LANES * b_column - (k - few)) {
        ptrdiff_t steps = k / 4;
        REAL* to = panel;
        if (columns >= LANES) {
            PACK_ACROSS(COLUMN, PART_OF_COLUMN)
        } else {
            ptrdiff_t offsets[LANES];
            NAME(find_columns)(columns, b_column, offsets);
            PACK_ACROSS(FOUND_COLUMN, PART_OF_FOUND)
        }
    }
#undef PACK_ACROSS
#undef KEEP_ACROSS
}

#undef COLUMN
#undef FOUND_COLUMN
#undef PART_OF_COLUMN
#undef PART_OF_FOUND
#undef TRANSPOSE
#undef ROW_ACROSS
#undef BEGIN_ACROSS
#undef STEP
#undef STEPS_ACROSS
#undef TILE_ACROSS
#undef JOIN
#undef PAIR
#undef LOAD_FOUR
#undef LOAD_FEW
#undef BLOCKS
#undef LANES_
#undef ACROSS
