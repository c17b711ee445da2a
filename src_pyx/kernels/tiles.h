/* Register tiles of a matrix product C = A B, for one float type and one size of vectors.

   matrix.h includes this file for each, with REAL, BYTES (of a vector), VECTORS (of columns, at most 3) and NAME(x)
   defined; LOAD_PART(p, count) and STORE_PART(p, v, count) too, where the processor masks vectors fast.

   A tile is a few rows of C times one to three vectors of columns. All its sums stay in registers while k runs
   once over a column of A and a row of B: nothing else reaches the limit of two fused multiplications a cycle.
   Each sum is a variable of its own, because gcc 12 keeps an array of vectors in memory; hence the macros.

   An element of C is the sum over k in ascending order, whatever tile it falls into. So the same numbers come out
   however rows and columns are divided. */

#if BYTES == 0 /* no vectors in this compiler's C: a vector of one number */
#define LANES 1
typedef REAL NAME(Vector);
typedef REAL NAME(Anywhere);
#else
#define LANES ((ptrdiff_t)(BYTES / sizeof(REAL)))
typedef REAL NAME(Vector) __attribute__((vector_size(BYTES)));
typedef REAL NAME(Anywhere) __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));
#endif

#define VECTOR NAME(Vector)
#define LOAD(p) (*(const NAME(Anywhere)*)(p))

typedef struct {
    const REAL* a;              /* (rows, k) IN: element (i, p) at i a_row + p a_column */
    ptrdiff_t a_row, a_column;
    const REAL* b;              /* (k, columns) IN: element (p, j) at p b_row + j; whole vectors are read */
    ptrdiff_t b_row;
    REAL* c;                    /* (rows, columns) OUT: element (i, j) at i c_row + j c_column */
    ptrdiff_t c_row, c_column;
    ptrdiff_t k;
    ptrdiff_t last;             /* columns of the last vector of a tile */
    const REAL* bias;           /* (columns,) IN, or NULL: what the sums begin with */
    int add;                    /* add to what is in C */
} NAME(Product);

/* The first `count` numbers from p on; 0 behind them. */
static inline VECTOR NAME(load)(const REAL* p, ptrdiff_t count) {
    if (count == LANES) return LOAD(p);
#ifdef LOAD_PART
    return LOAD_PART(p, count);
#else
    REAL numbers[LANES] = {0};
    for (ptrdiff_t j = 0; j < count; j++) numbers[j] = p[j];
    return LOAD(numbers);
#endif
}

/* Sums of a tile whose columns lie apart. */
static NEVER_INLINE void NAME(scatter_sums)(
    const NAME(Product)* p, REAL* c, ptrdiff_t rows, ptrdiff_t vectors, const REAL* sums
) {
    const ptrdiff_t width = vectors * LANES, columns = width - LANES + p->last;
    for (ptrdiff_t i = 0; i < rows; i++, c += p->c_row, sums += width)
        for (ptrdiff_t j = 0; j < columns; j++)
            c[j * p->c_column] = p->add ? c[j * p->c_column] + sums[j] : sums[j];
}

/* The last vectors of a tile, where only their first numbers are columns: in pieces, because masked stores are slow. */
static NEVER_INLINE void NAME(write_parts)(const NAME(Product)* p, REAL* c, ptrdiff_t rows, VECTOR* sums) {
    for (ptrdiff_t i = 0; i < rows; i++, c += p->c_row) {
        if (p->add) sums[i] += NAME(load)(c, p->last);
        const REAL* from = (const REAL*)&sums[i];
        REAL* to = c;
        for (ptrdiff_t piece = LANES / 2; piece > 0; piece /= 2) {
            if (p->last & piece) {
                memcpy(to, from, piece * sizeof(REAL));
                from += piece;
                to += piece;
            }
        }
    }
}

#define A_ROW(i) const REAL* a##i = a + i * a_row;

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

#define C_ADDRESS(i, v) (c + i * c_row + v * LANES)
#define C_AT(i, v) (*(NAME(Anywhere)*)C_ADDRESS(i, v))
#define WRITE_1(i) C_AT(i, 0) = c##i##_0;
#define WRITE_2(i) WRITE_1(i) C_AT(i, 1) = c##i##_1;
#define WRITE_3(i) WRITE_2(i) C_AT(i, 2) = c##i##_2;
#define ADD_1(i) C_AT(i, 0) += c##i##_0;
#define ADD_2(i) ADD_1(i) C_AT(i, 1) += c##i##_1;
#define ADD_3(i) ADD_2(i) C_AT(i, 2) += c##i##_2;
#define KEEP_1(i) sums[i][0] = c##i##_0;
#define KEEP_2(i) KEEP_1(i) sums[i][1] = c##i##_1;
#define KEEP_3(i) KEEP_2(i) sums[i][2] = c##i##_2;

#define ADD_WHOLE_1(i)
#define ADD_WHOLE_2(i) ADD_1(i)
#define ADD_WHOLE_3(i) ADD_2(i)
#define WRITE_WHOLE_1(i)
#define WRITE_WHOLE_2(i) WRITE_1(i)
#define WRITE_WHOLE_3(i) WRITE_2(i)
#ifdef STORE_PART
#define PART(i, v) \
    STORE_PART(C_ADDRESS(i, v), p->add ? LOAD_PART(C_ADDRESS(i, v), p->last) + c##i##_##v : c##i##_##v, p->last);
#define PART_1(i) PART(i, 0)
#define PART_2(i) PART(i, 1)
#define PART_3(i) PART(i, 2)
#define WRITE_PARTS(ROWS, V) REPEAT_##ROWS(PART_##V)
#else
#define PART_1(i) sums[i] = c##i##_0;
#define PART_2(i) sums[i] = c##i##_1;
#define PART_3(i) sums[i] = c##i##_2;
#define WRITE_PARTS(ROWS, V) \
    VECTOR sums[ROWS]; \
    REPEAT_##ROWS(PART_##V) \
    NAME(write_parts)(p, C_ADDRESS(0, (V - 1)), ROWS, sums);
#endif

#define TILE(ROWS, V) \
    static void NAME(tile_##ROWS##_##V)(const NAME(Product)* p, ptrdiff_t row, ptrdiff_t tiles) { \
        const ptrdiff_t a_row = p->a_row, a_column = p->a_column, b_row = p->b_row, c_row = p->c_row; \
        const VECTOR zero = {0}; \
        const REAL* a = p->a + row * a_row; \
        REAL* c = p->c + row * c_row; \
        for (; tiles > 0; tiles--, a += ROWS * a_row, c += ROWS * c_row) { \
            REPEAT_##ROWS(A_ROW) \
            START_##V \
            REPEAT_##ROWS(BEGIN_##V) \
            const REAL* b = p->b; \
            ptrdiff_t at = 0; \
            for (ptrdiff_t k = p->k; k > 0; k--) { \
                READ_##V \
                REPEAT_##ROWS(MULTIPLY_##V) \
                b += b_row; \
                at += a_column; \
            } \
            if (p->c_column != 1) { \
                VECTOR sums[ROWS][V]; \
                REPEAT_##ROWS(KEEP_##V) \
                NAME(scatter_sums)(p, c, ROWS, V, (const REAL*)sums); \
            } else if (p->last < LANES) { \
                if (p->add) { \
                    REPEAT_##ROWS(ADD_WHOLE_##V) \
                } else { \
                    REPEAT_##ROWS(WRITE_WHOLE_##V) \
                } \
                WRITE_PARTS(ROWS, V) \
            } else if (p->add) { \
                REPEAT_##ROWS(ADD_##V) \
            } else { \
                REPEAT_##ROWS(WRITE_##V) \
            } \
        } \
    }

typedef void (*NAME(Tile))(const NAME(Product)*, ptrdiff_t, ptrdiff_t);

#if VECTORS == 3
#define TILES_OF(ROWS) TILE(ROWS, 1) TILE(ROWS, 2) TILE(ROWS, 3)
#define TABLE(ROWS) {0, NAME(tile_##ROWS##_1), NAME(tile_##ROWS##_2), NAME(tile_##ROWS##_3)}
#elif VECTORS == 2
#define TILES_OF(ROWS) TILE(ROWS, 1) TILE(ROWS, 2)
#define TABLE(ROWS) {0, NAME(tile_##ROWS##_1), NAME(tile_##ROWS##_2), 0}
#else
#define TILES_OF(ROWS) TILE(ROWS, 1)
#define TABLE(ROWS) {0, NAME(tile_##ROWS##_1), 0, 0}
#endif
#define TABLE_1(ROWS) {0, NAME(tile_##ROWS##_1), 0, 0}

TILES_OF(1) TILES_OF(2) TILES_OF(3) TILES_OF(4) TILES_OF(5) TILES_OF(6)
#if TILE_ROWS == 8
TILES_OF(7) TILES_OF(8)
static const NAME(Tile) NAME(TILES)[THIN_TILE_ROWS + 1][4] = {
    {0}, TABLE(1), TABLE(2), TABLE(3), TABLE(4), TABLE(5), TABLE(6), TABLE(7), TABLE(8),
};
#else
TILE(7, 1) TILE(8, 1) TILE(9, 1) TILE(10, 1) TILE(11, 1) TILE(12, 1)
static const NAME(Tile) NAME(TILES)[THIN_TILE_ROWS + 1][4] = {
    {0}, TABLE(1), TABLE(2), TABLE(3), TABLE(4), TABLE(5), TABLE(6),
    TABLE_1(7), TABLE_1(8), TABLE_1(9), TABLE_1(10), TABLE_1(11), TABLE_1(12),
};
#endif

/* C (rows, columns) for up to VECTORS vectors of columns; arguments as in Product. */
static inline void NAME(tile_column)(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t k, const REAL* a, ptrdiff_t a_row, ptrdiff_t a_column,
    const REAL* b, ptrdiff_t b_row, const REAL* bias, int add, REAL* c, ptrdiff_t c_row,
    ptrdiff_t c_column
) {
    const ptrdiff_t vectors = (columns + LANES - 1) / LANES, last = columns - (vectors - 1) * LANES;
    const ptrdiff_t most = vectors == 1 ? THIN_TILE_ROWS : TILE_ROWS;
    const NAME(Product) p = {a, a_row, a_column, b, b_row, c, c_row, c_column, k, last, bias, add};
    const ptrdiff_t tiles = rows >= 2 * most ? rows / most - 1 : 0;
    if (tiles) NAME(TILES)[most][vectors](&p, 0, tiles);
    for (ptrdiff_t row = tiles * most, count; row < rows; row += count) {
        count = next_rows(rows - row, most);
        NAME(TILES)[count][vectors](&p, row, 1);
    }
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
#undef C_ADDRESS
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
#undef PART
#undef ADD_WHOLE_1
#undef ADD_WHOLE_2
#undef ADD_WHOLE_3
#undef WRITE_WHOLE_1
#undef WRITE_WHOLE_2
#undef WRITE_WHOLE_3
#undef PART_1
#undef PART_2
#undef PART_3
#undef WRITE_PARTS
#undef TILE
#undef TILES_OF
#undef TABLE
#undef TABLE_1
#undef BYTES
#undef VECTORS
#undef NAME
#undef STORE_PART
#undef LOAD_PART
