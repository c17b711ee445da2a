/* Register tiles of a matrix product C = A B, for one float type.

   matrix.h includes this file once for each type, with REAL and NAME(x) defined.

   A tile is a few rows of C times one to three vectors of columns. All its sums stay in registers while k runs
   once over a column of A and a row of B: nothing else reaches the limit of two fused multiplications a cycle.
   Each sum is a variable of its own, because gcc 12 keeps an array of vectors in memory; hence the macros.

   An element of C is the sum over k in ascending order, whatever tile it falls into. So the same numbers come out
   however rows and columns are divided. */

#define LANES ((ptrdiff_t)(VECTOR_BYTES / sizeof(REAL)))

#if VECTOR_BYTES == 0 /* no vectors in this compiler's C: a vector of one number */
#undef LANES
#define LANES 1
typedef REAL NAME(Vector);
typedef REAL NAME(Anywhere);
#else
typedef REAL NAME(Vector) __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL NAME(Anywhere) __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
#endif

#define VECTOR NAME(Vector)
#define LOAD(p) (*(const NAME(Anywhere)*)(p))

typedef struct {
    const REAL* a;              /* (rows, k) IN: element (i, p) at i a_row + p a_column */
    ptrdiff_t a_row, a_column;
    const REAL* b;              /* (k, columns) IN: element (p, j) at p b_row + j; whole vectors are read */
    ptrdiff_t b_row;
    REAL* c;                    /* (rows, columns) OUT: element (i, j) at i c_row + j */
    ptrdiff_t c_row;
    ptrdiff_t k;
    ptrdiff_t last;             /* columns of the last vector of a tile */
    const REAL* bias;           /* (columns,) IN, or NULL: what the sums begin with */
    int add;                    /* add to what is in C */
} NAME(Product);

/* The first `count` numbers from p on; 0 behind them. */
static inline VECTOR NAME(load)(const REAL* p, ptrdiff_t count) {
    REAL numbers[LANES] = {0};
    if (count == LANES) return LOAD(p);
    for (ptrdiff_t j = 0; j < count; j++) numbers[j] = p[j];
    return LOAD(numbers);
}

/* Sums of a tile whose last vector is not full: what is beside C must not be touched. */
static NEVER_INLINE void NAME(write_sums)(
    const NAME(Product)* p, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t vectors, const REAL* sums
) {
    const ptrdiff_t width = vectors * LANES, columns = width - LANES + p->last;
    REAL* c = p->c + row * p->c_row;
    for (ptrdiff_t i = 0; i < rows; i++, c += p->c_row, sums += width)
        for (ptrdiff_t j = 0; j < columns; j++) c[j] = p->add ? c[j] + sums[j] : sums[j];
}

#define A_ROW(i) const REAL* a##i = p->a + (row + i) * p->a_row;

#define START(v, count) const VECTOR start_##v = p->bias ? NAME(load)(p->bias + v * LANES, count) : zero;
#define START_1 START(0, p->last)
#define START_2 START(0, LANES) START(1, p->last)
#define START_3 START(0, LANES) START(1, LANES) START(2, p->last)

#define BEGIN_1(i) VECTOR c##i##_0 = start_0;
#define BEGIN_2(i) BEGIN_1(i) VECTOR c##i##_1 = start_1;
#define BEGIN_3(i) BEGIN_2(i) VECTOR c##i##_2 = start_2;

#define READ_1 const VECTOR b_0 = LOAD(b);
#define READ_2 READ_1 const VECTOR b_1 = LOAD(b + LANES);
#define READ_3 READ_2 const VECTOR b_2 = LOAD(b + 2 * LANES);

#define MULTIPLY_1(i) const REAL s##i = a##i[at]; c##i##_0 += s##i * b_0;
#define MULTIPLY_2(i) MULTIPLY_1(i) c##i##_1 += s##i * b_1;
#define MULTIPLY_3(i) MULTIPLY_2(i) c##i##_2 += s##i * b_2;

#define C_AT(i, v) (*(NAME(Anywhere)*)(p->c + (row + i) * p->c_row + v * LANES))
#define WRITE_1(i) C_AT(i, 0) = c##i##_0;
#define WRITE_2(i) WRITE_1(i) C_AT(i, 1) = c##i##_1;
#define WRITE_3(i) WRITE_2(i) C_AT(i, 2) = c##i##_2;
#define ADD_1(i) C_AT(i, 0) += c##i##_0;
#define ADD_2(i) ADD_1(i) C_AT(i, 1) += c##i##_1;
#define ADD_3(i) ADD_2(i) C_AT(i, 2) += c##i##_2;
#define KEEP_1(i) sums[i][0] = c##i##_0;
#define KEEP_2(i) KEEP_1(i) sums[i][1] = c##i##_1;
#define KEEP_3(i) KEEP_2(i) sums[i][2] = c##i##_2;

#define TILE(ROWS, V) \
    static void NAME(tile_##ROWS##_##V)(const NAME(Product)* p, ptrdiff_t row) { \
        const VECTOR zero = {0}; \
        REPEAT_##ROWS(A_ROW) \
        START_##V \
        REPEAT_##ROWS(BEGIN_##V) \
        const REAL* b = p->b; \
        ptrdiff_t at = 0; \
        for (ptrdiff_t k = p->k; k > 0; k--) { \
            READ_##V \
            REPEAT_##ROWS(MULTIPLY_##V) \
            b += p->b_row; \
            at += p->a_column; \
        } \
        if (p->last < LANES) { \
            VECTOR sums[ROWS][V]; \
            REPEAT_##ROWS(KEEP_##V) \
            NAME(write_sums)(p, row, ROWS, V, (const REAL*)sums); \
        } else if (p->add) { \
            REPEAT_##ROWS(ADD_##V) \
        } else { \
            REPEAT_##ROWS(WRITE_##V) \
        } \
    }

typedef void (*NAME(Tile))(const NAME(Product)*, ptrdiff_t);

#define TILES_OF(ROWS) TILE(ROWS, 1) TILE(ROWS, 2) MORE_TILES(ROWS)
#if TILE_VECTORS == 3
#define MORE_TILES(ROWS) TILE(ROWS, 3)
#define TABLE(ROWS) {0, NAME(tile_##ROWS##_1), NAME(tile_##ROWS##_2), NAME(tile_##ROWS##_3)}
#else
#define MORE_TILES(ROWS)
#define TABLE(ROWS) {0, NAME(tile_##ROWS##_1), NAME(tile_##ROWS##_2), 0}
#endif

TILES_OF(1) TILES_OF(2) TILES_OF(3) TILES_OF(4) TILES_OF(5) TILES_OF(6)
#if TILE_ROWS == 8
TILES_OF(7) TILES_OF(8)
static const NAME(Tile) NAME(TILES)[TILE_ROWS + 1][4] = {
    {0}, TABLE(1), TABLE(2), TABLE(3), TABLE(4), TABLE(5), TABLE(6), TABLE(7), TABLE(8),
};
#else
static const NAME(Tile) NAME(TILES)[TILE_ROWS + 1][4] = {
    {0}, TABLE(1), TABLE(2), TABLE(3), TABLE(4), TABLE(5), TABLE(6),
};
#endif

/* C (rows, columns) for up to TILE_VECTORS vectors of columns; arguments as in Product. */
static inline void NAME(tile_column)(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t k, const REAL* a, ptrdiff_t a_row, ptrdiff_t a_column,
    const REAL* b, ptrdiff_t b_row, const REAL* bias, int add, REAL* c, ptrdiff_t c_row
) {
    const ptrdiff_t vectors = (columns + LANES - 1) / LANES, last = columns - (vectors - 1) * LANES;
    const NAME(Product) p = {a, a_row, a_column, b, b_row, c, c_row, k, last, bias, add};
    ptrdiff_t row = 0;
    for (; row + TILE_ROWS <= rows; row += TILE_ROWS) NAME(TILES)[TILE_ROWS][vectors](&p, row);
    if (row < rows) NAME(TILES)[rows - row][vectors](&p, row);
}

/* A panel of B, (k, vectors LANES), from rows of B (k, columns): 0 behind the columns that there are. */
static void NAME(pack_rows)(
    ptrdiff_t k, ptrdiff_t columns, ptrdiff_t vectors, const REAL* b, ptrdiff_t b_row, REAL* panel
) {
    const ptrdiff_t whole = columns / LANES, rest = columns % LANES;
    for (ptrdiff_t p = 0; p < k; p++, b += b_row, panel += vectors * LANES) {
        for (ptrdiff_t v = 0; v < whole; v++) *(NAME(Anywhere)*)(panel + v * LANES) = LOAD(b + v * LANES);
        if (whole < vectors) *(NAME(Anywhere)*)(panel + whole * LANES) = NAME(load)(b + whole * LANES, rest);
    }
}

#ifdef SHUFFLE
typedef REAL NAME(Four) __attribute__((vector_size(4 * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));

/* The transpose of the 4 x 4 numbers at b. */
static inline void NAME(transpose_four)(const REAL* b, ptrdiff_t b_row, REAL* out, ptrdiff_t out_row) {
#define FOUR(p) (*(NAME(Four)*)(p))
    const NAME(Four) b0 = FOUR(b), b1 = FOUR(b + b_row), b2 = FOUR(b + 2 * b_row), b3 = FOUR(b + 3 * b_row);
    const NAME(Four) low_01 = SHUFFLE(b0, b1, 0, 4, 1, 5), high_01 = SHUFFLE(b0, b1, 2, 6, 3, 7);
    const NAME(Four) low_23 = SHUFFLE(b2, b3, 0, 4, 1, 5), high_23 = SHUFFLE(b2, b3, 2, 6, 3, 7);
    FOUR(out) = SHUFFLE(low_01, low_23, 0, 1, 4, 5);
    FOUR(out + out_row) = SHUFFLE(low_01, low_23, 2, 3, 6, 7);
    FOUR(out + 2 * out_row) = SHUFFLE(high_01, high_23, 0, 1, 4, 5);
    FOUR(out + 3 * out_row) = SHUFFLE(high_01, high_23, 2, 3, 6, 7);
#undef FOUR
}
#endif

/* A panel of B, (k, vectors LANES), from the transpose of B (columns, k): 0 behind the columns that there are. */
static void NAME(pack_columns)(
    ptrdiff_t k, ptrdiff_t columns, ptrdiff_t vectors, const REAL* b, ptrdiff_t b_column, REAL* panel
) {
    const ptrdiff_t width = vectors * LANES;
    ptrdiff_t j = 0, p;
    for (; j + 4 <= columns; j += 4, b += 4 * b_column) {
        p = 0;
#ifdef SHUFFLE
        for (; p + 4 <= k; p += 4) NAME(transpose_four)(b + p, b_column, panel + p * width + j, width);
#endif
        for (; p < k; p++)
            for (ptrdiff_t i = 0; i < 4; i++) panel[p * width + j + i] = b[p + i * b_column];
    }
    for (; j < width; j++, b += b_column)
        for (p = 0; p < k; p++) panel[p * width + j] = j < columns ? b[p] : 0;
}

#undef LANES
#undef VECTOR
#undef LOAD
#undef A_ROW
#undef START
#undef START_1
#undef START_2
#undef START_3
#undef BEGIN_1
#undef BEGIN_2
#undef BEGIN_3
#undef READ_1
#undef READ_2
#undef READ_3
#undef MULTIPLY_1
#undef MULTIPLY_2
#undef MULTIPLY_3
#undef C_AT
#undef WRITE_1
#undef WRITE_2
#undef WRITE_3
#undef ADD_1
#undef ADD_2
#undef ADD_3
#undef KEEP_1
#undef KEEP_2
#undef KEEP_3
#undef TILE
#undef TILES_OF
#undef MORE_TILES
#undef TABLE
