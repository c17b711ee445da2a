/* Tiles of a few rows that read B where its columns, not its rows, lie one behind the other in memory.

   tiles.h includes this file for the largest vectors, where PIECE(p, step, load) joins the four numbers at p,
   p + step, ... into a vector, and LOAD_FOUR(p) and LOAD_FEW(p, count) load those. A vector is made of the same element
   of many columns by transposing 4 x 4 numbers. That takes as long as multiplying it two or three times, so B is
   packed instead where it meets many rows. */

/* x0 to x3: elements p to p + 3 of LANES columns. */
#define JOIN(r, load) const VECTOR y##r = NAME(piece_##load)(b + r * b_column, 4 * b_column, few);
#define TRANSPOSE(load) \
    JOIN(0, load) JOIN(1, load) JOIN(2, load) JOIN(3, load) \
    const VECTOR low_01 = SHUFFLE(y0, y1, BLOCKS(0, LANES_, 1, LANES_ + 1)); \
    const VECTOR high_01 = SHUFFLE(y0, y1, BLOCKS(2, LANES_ + 2, 3, LANES_ + 3)); \
    const VECTOR low_23 = SHUFFLE(y2, y3, BLOCKS(0, LANES_, 1, LANES_ + 1)); \
    const VECTOR high_23 = SHUFFLE(y2, y3, BLOCKS(2, LANES_ + 2, 3, LANES_ + 3)); \
    const VECTOR x0 = SHUFFLE(low_01, low_23, BLOCKS(0, 1, LANES_, LANES_ + 1)); \
    const VECTOR x1 = SHUFFLE(low_01, low_23, BLOCKS(2, 3, LANES_ + 2, LANES_ + 3)); \
    const VECTOR x2 = SHUFFLE(high_01, high_23, BLOCKS(0, 1, LANES_, LANES_ + 1)); \
    const VECTOR x3 = SHUFFLE(high_01, high_23, BLOCKS(2, 3, LANES_ + 2, LANES_ + 3));

static inline VECTOR NAME(piece_whole)(const REAL* p, ptrdiff_t step, ptrdiff_t few) {
    return (VECTOR)PIECE(p, step, LOAD_FOUR);
}

static inline VECTOR NAME(piece_part)(const REAL* p, ptrdiff_t step, ptrdiff_t few) {
#define LOAD_PIECE(p) LOAD_FEW(p, few)
    return (VECTOR)PIECE(p, step, LOAD_PIECE);
#undef LOAD_PIECE
}

#define BEGIN_ACROSS(i, V) VECTOR c##i##_0 = row_bias ? row_bias[i] - zero : start_0;
#define STEP_ACROSS(ROWS, q) { const VECTOR b_0 = x##q; ROWS_##ROWS(MULTIPLY_ROW, 1) at += a_column; }
#define TILE_ACROSS(ROWS) \
    static NEVER_INLINE void NAME(across_##ROWS)(const NAME(Product)* p, const REAL* row_bias) { \
        const ptrdiff_t a_row = p->a_row, a_column = p->a_column, b_column = p->b_row, c_row = p->c_row; \
        const ptrdiff_t few = p->k % 4, last = LANES; \
        const VECTOR zero = {0}; \
        const REAL *a = p->a, *b = p->b; \
        REAL* c = p->c; \
        ROWS_##ROWS(A_ROW, 1) \
        START_ALL(1) \
        ROWS_##ROWS(BEGIN_ACROSS, 1) \
        ptrdiff_t at = 0; \
        for (ptrdiff_t k = p->k; k >= 4; k -= 4, b += 4) { \
            TRANSPOSE(whole) \
            STEP_ACROSS(ROWS, 0) STEP_ACROSS(ROWS, 1) STEP_ACROSS(ROWS, 2) STEP_ACROSS(ROWS, 3) \
        } \
        if (few) { \
            TRANSPOSE(part) \
            (void)x3; \
            STEP_ACROSS(ROWS, 0) \
            if (few > 1) STEP_ACROSS(ROWS, 1) \
            if (few > 2) STEP_ACROSS(ROWS, 2) \
        } \
        WRITE_TILE(ROWS, 1) \
    }

TILE_ACROSS(1) TILE_ACROSS(2) TILE_ACROSS(3) TILE_ACROSS(4) TILE_ACROSS(5) TILE_ACROSS(6) TILE_ACROSS(7) TILE_ACROSS(8)

/* C (rows, columns) for whole vectors of columns and at most eight rows; element (p, j) of B is at p + j b_column. */
static void OF_TYPE(multiply_across)(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t k, const REAL* a, ptrdiff_t a_row, ptrdiff_t a_column,
    const REAL* b, ptrdiff_t b_column, const REAL* bias, const REAL* row_bias, int add, REAL* c, ptrdiff_t c_row,
    ptrdiff_t c_column
) {
    static void (*const tiles[])(const NAME(Product)*, const REAL*) = {
        NULL, NAME(across_1), NAME(across_2), NAME(across_3), NAME(across_4), NAME(across_5), NAME(across_6),
        NAME(across_7), NAME(across_8),
    };
    for (ptrdiff_t j = 0; j < columns; j += LANES) {
        const NAME(Product) p = {
            a, a_row, a_column, b + j * b_column, b_column, c + j * c_column, c_row, c_column, k, LANES,
            bias ? bias + j : NULL, add,
        };
        tiles[rows](&p, row_bias);
    }
}

/* A panel of B as in pack_columns, for whole vectors of columns. */
static NEVER_INLINE void OF_TYPE(pack_across)(
    ptrdiff_t k, ptrdiff_t columns, ptrdiff_t width, const REAL* b, ptrdiff_t b_column, REAL* panel
) {
#define KEEP_ACROSS(q) *(NAME(Anywhere)*)(to + q * width) = x##q;
    const ptrdiff_t few = k % 4;
    for (; columns > 0; columns -= LANES, panel += LANES, b += LANES * b_column - (k - few)) {
        REAL* to = panel;
        for (ptrdiff_t p = k; p >= 4; p -= 4, b += 4, to += 4 * width) {
            TRANSPOSE(whole)
            KEEP_ACROSS(0) KEEP_ACROSS(1) KEEP_ACROSS(2) KEEP_ACROSS(3)
        }
        if (few) {
            TRANSPOSE(part)
            (void)x3;
            KEEP_ACROSS(0)
            if (few > 1) KEEP_ACROSS(1)
            if (few > 2) KEEP_ACROSS(2)
        }
    }
#undef KEEP_ACROSS
}

#undef JOIN
#undef TRANSPOSE
#undef BEGIN_ACROSS
#undef STEP_ACROSS
#undef TILE_ACROSS
#undef PIECE
#undef PAIR
#undef LOAD_FOUR
#undef LOAD_FEW
#undef BLOCKS
#undef LANES_
#undef ACROSS
