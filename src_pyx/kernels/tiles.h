/* Register tiles of a matrix product C = A B, for one float type and one size of vectors.

   matrix.h includes this file for each, with REAL, BYTES (of a vector), VECTORS (of columns, at most 3), NAME(x), and
   OF_TYPE(x) (the name of x for the float type) defined. If the processor has fast masks, LOAD_PART(p, count) and
   STORE_PART(p, v, count) are defined, too.

   A tile is a few rows of C times one to three vectors of columns, or up to eight where rows are fewer. All its sums
   stay in registers during a single loop over k, along a column of A and a row of B: nothing else reaches the limit of
   two fused multiply-adds per cycle. Each sum is a separate variable, because gcc 12 keeps an array of vectors in
   memory; hence the macros.

   An element of C is the sum over k in ascending order, in every tile. So the results do not depend on how rows and
   columns are divided.

   With GATHERS, rows of A begin anywhere in memory, and each is read in several runs of k numbers: at a_rows[i] +
   taps[0], a_rows[i] + taps[1], and so on, while B is read continuously. Convolutions are such products. Plain products
   do not pay for it. */

#include "vector_types.h"

#define PRODUCT OF_TYPE(Product)
#define LOAD(p) (*(const NAME(Anywhere)*)(p))

/* The first `count` numbers from p on; then zeros. */
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

/* Sums of a tile whose columns are apart. If the numbers of a column are contiguous, four are written at once. */
static NEVER_INLINE void NAME(scatter_sums)(
    const PRODUCT* p, REAL* c, ptrdiff_t rows, ptrdiff_t vectors, const REAL* sums
) {
    const ptrdiff_t width = vectors * LANES, columns = width - LANES + p->last, c_column = p->c_column;
    ptrdiff_t i = 0;
#ifdef SHUFFLE
    const ptrdiff_t fours = columns - columns % 4;
    for (; p->c_row == 1 && i + 4 <= rows; i += 4, c += 4, sums += 4 * width) {
        for (ptrdiff_t j = 0; j < fours; j += 4)
            OF_TYPE(transpose_four)(sums + j, width, p->add, c + j * c_column, c_column);
        for (ptrdiff_t j = fours; j < columns; j++)
            for (ptrdiff_t r = 0; r < 4; r++)
                c[j * c_column + r] = p->add ? c[j * c_column + r] + sums[r * width + j] : sums[r * width + j];
    }
#endif
    for (; i < rows; i++, c += p->c_row, sums += width)
        for (ptrdiff_t j = 0; j < columns; j++)
            c[j * c_column] = p->add ? c[j * c_column] + sums[j] : sums[j];
}

#ifndef STORE_PART
/* The last vectors of a tile, if only their first numbers are columns: in pieces, because masked stores are slow. */
static NEVER_INLINE void NAME(write_parts)(const PRODUCT* p, REAL* c, ptrdiff_t rows, VECTOR* sums) {
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
#endif

/* Below, i is a row of a tile, v one of its vectors, V the number of vectors. */
#if GATHERS
#define A_ROWS_OF_PRODUCT const ptrdiff_t* a_rows = p->a_rows + row; const REAL* const a = p->a;
#define A_ROW(i, V) const REAL* a##i = a + a_rows[i];
#define NEXT_A_ROWS(ROWS) a_rows += ROWS, row += ROWS
#define EACH_RUN for (ptrdiff_t tap = 0; tap < p->n_taps; tap++)
#define RUN_BEGIN p->taps[tap]
#else
#define A_ROWS_OF_PRODUCT const ptrdiff_t a_row = p->a_row; const REAL* a = p->a + row * a_row;
#define A_ROW(i, V) const REAL* a##i = a + i * a_row;
#define NEXT_A_ROWS(ROWS) a += ROWS * a_row
#define EACH_RUN
#define RUN_BEGIN 0
#endif

#define ZERO(i, v) VECTOR start_##v = {0};
#define START(i, v) start_##v = LOAD(p->bias + v * LANES);
#define START_LAST(i, v) start_##v = NAME(load)(p->bias + v * LANES, p->last);
#define START_ALL(V) VECTORS_##V(ZERO, 0) if (p->bias) { BEFORE_##V(START, 0) LAST_##V(START_LAST, 0) }

#define BEGIN(i, v) VECTOR c##i##_##v = start_##v;
#define BEGIN_ROW(i, V) VECTORS_##V(BEGIN, i)

#define READ(i, v) VECTOR b_##v = LOAD(b + v * LANES); IN_REGISTER(b_##v)
#if READS_PARTS
#define READ_LAST(i, v) VECTOR b_##v = LOAD_PART(b + v * LANES, last); IN_REGISTER(b_##v)
#else
#define READ_LAST(i, v) READ(i, v)
#endif
#define READ_ALL(V) BEFORE_##V(READ, 0) LAST_##V(READ_LAST, 0)

#define MULTIPLY(i, v) c##i##_##v += s##i * b_##v;
#define MULTIPLY_ROW(i, V) const REAL s##i = a##i[at]; VECTORS_##V(MULTIPLY, i)

#define C_ADDRESS(i, v) (c + i * c_row + v * LANES)
#define C_AT(i, v) (*(NAME(Anywhere)*)C_ADDRESS(i, v))
#define WRITE(i, v) C_AT(i, v) = c##i##_##v;
#define WRITE_ROW(i, V) VECTORS_##V(WRITE, i)
#define WRITE_WHOLE(i, V) BEFORE_##V(WRITE, i)
#define ADD(i, v) C_AT(i, v) += c##i##_##v;
#define ADD_ROW(i, V) VECTORS_##V(ADD, i)
#define ADD_WHOLE(i, V) BEFORE_##V(ADD, i)
#define KEEP(i, v) sums[i][v] = c##i##_##v;
#define KEEP_ROW(i, V) VECTORS_##V(KEEP, i)
#ifdef STORE_PART
#define PART(i, v) \
    STORE_PART(C_ADDRESS(i, v), p->add ? LOAD_PART(C_ADDRESS(i, v), last) + c##i##_##v : c##i##_##v, last);
#define PART_ROW(i, V) LAST_##V(PART, i)
#define WRITE_PARTS(ROWS, V) ROWS_##ROWS(PART_ROW, V)
#else
#define PART(i, v) sums[i] = c##i##_##v;
#define PART_ROW(i, V) LAST_##V(PART, i)
#define WRITE_PARTS(ROWS, V) \
    VECTOR sums[ROWS]; \
    ROWS_##ROWS(PART_ROW, V) \
    NAME(write_parts)(p, C_ADDRESS(0, (V - 1)), ROWS, sums);
#endif

/* Whether numbers after the last column may be overwritten: they are columns of later rows, which follow. */
#if GATHERS && !defined(STORE_PART)
#define MAY_SPILL(ROWS) (row + ROWS <= p->spilling_rows)
#else
#define MAY_SPILL(ROWS) 0
#endif

#define WRITE_TILE(ROWS, V) \
    if (p->c_column != 1) { \
        VECTOR sums[ROWS][V]; \
        ROWS_##ROWS(KEEP_ROW, V) \
        NAME(scatter_sums)(p, c, ROWS, V, (const REAL*)sums); \
    } else if (last < LANES && !MAY_SPILL(ROWS)) { \
        if (p->add) { \
            ROWS_##ROWS(ADD_WHOLE, V) \
        } else { \
            ROWS_##ROWS(WRITE_WHOLE, V) \
        } \
        WRITE_PARTS(ROWS, V) \
    } else if (p->add) { \
        ROWS_##ROWS(ADD_ROW, V) \
    } else { \
        ROWS_##ROWS(WRITE_ROW, V) \
    }

/* If rows of B are far apart, no processor reads ahead by itself. Multiplications that wait for such a row fill its queue
   before it sees the loads of the next rows. So the largest tiles have a second form, which prefetches them. */
#define FAR_BYTES 2048
#define ROWS_AHEAD 8
#if GATHERS || !defined(__GNUC__) || BYTES != VECTOR_BYTES
#define HAS_FAR_TILES 0
#else
#define HAS_FAR_TILES 1
#define PREFETCH(i, v) __builtin_prefetch(b + ROWS_AHEAD * b_row + v * LANES);
#endif
#define NOTHING(i, v)

#define TILE(ROWS, V) TILE_FORM(tile, NOTHING, ROWS, V)
#define FAR_TILE(ROWS, V) TILE_FORM(far_tile, PREFETCH, ROWS, V)
#define TILE_FORM(NAME_, AHEAD, ROWS, V) \
    static void NAME(NAME_##_##ROWS##_##V)(const PRODUCT* p, ptrdiff_t row, ptrdiff_t tiles) { \
        const ptrdiff_t a_column = p->a_column, b_row = p->b_row, c_row = p->c_row, last = p->last; \
        A_ROWS_OF_PRODUCT \
        REAL* c = p->c + row * c_row; \
        for (; tiles > 0; tiles--, NEXT_A_ROWS(ROWS), c += ROWS * c_row) { \
            ROWS_##ROWS(A_ROW, V) \
            START_ALL(V) \
            ROWS_##ROWS(BEGIN_ROW, V) \
            const REAL* b = p->b; \
            EACH_RUN { \
                ptrdiff_t at = RUN_BEGIN; \
                for (ptrdiff_t k = p->k; k > 0; k--) { \
                    VECTORS_##V(AHEAD, 0) \
                    READ_ALL(V) \
                    ROWS_##ROWS(MULTIPLY_ROW, V) \
                    b += b_row; \
                    at += a_column; \
                } \
            } \
            WRITE_TILE(ROWS, V) \
        } \
    }

typedef void (*NAME(Tile))(const PRODUCT*, ptrdiff_t, ptrdiff_t);

/* Tiles of the same rows for each number of vectors. A single row allows the most vectors, few rows more than many. */
#define ENTRY(ROWS, V) [V] = NAME(tile_##ROWS##_##V),
#define ROWS_OF_1(DO, ROWS) DO(ROWS, 1)
#define ROWS_OF_2(DO, ROWS) ROWS_OF_1(DO, ROWS) DO(ROWS, 2)
#define ROWS_OF_3(DO, ROWS) ROWS_OF_2(DO, ROWS) DO(ROWS, 3)
#define ROWS_OF_6(DO, ROWS) ROWS_OF_3(DO, ROWS) DO(ROWS, 4) DO(ROWS, 5) DO(ROWS, 6)
#define ROWS_OF_8(DO, ROWS) ROWS_OF_6(DO, ROWS) DO(ROWS, 7) DO(ROWS, 8)
#if VECTORS == 1
#define ONE(DO, ROWS) ROWS_OF_1(DO, ROWS)
#define FEW(DO, ROWS) ROWS_OF_1(DO, ROWS)
#define MANY(DO, ROWS) ROWS_OF_1(DO, ROWS)
#elif VECTORS == 2
#define ONE(DO, ROWS) ROWS_OF_8(DO, ROWS)
#define FEW(DO, ROWS) ROWS_OF_2(DO, ROWS)
#define MANY(DO, ROWS) ROWS_OF_2(DO, ROWS)
#else
#define ONE(DO, ROWS) ROWS_OF_8(DO, ROWS)
#define FEW(DO, ROWS) ROWS_OF_6(DO, ROWS)
#define MANY(DO, ROWS) ROWS_OF_3(DO, ROWS)
#endif

ONE(TILE, 1) FEW(TILE, 2) FEW(TILE, 3) FEW(TILE, 4) MANY(TILE, 5) MANY(TILE, 6)
#if TILE_ROWS == 8
MANY(TILE, 7) MANY(TILE, 8)
#define THIN_ENTRIES {MANY(ENTRY, 7)}, {MANY(ENTRY, 8)},
#elif THIN_TILE_ROWS == 8
TILE(7, 1) TILE(8, 1)
#define THIN_ENTRIES {ENTRY(7, 1)}, {ENTRY(8, 1)},
#else
TILE(7, 1) TILE(8, 1) TILE(9, 1) TILE(10, 1) TILE(11, 1) TILE(12, 1)
#define THIN_ENTRIES \
    {ENTRY(7, 1)}, {ENTRY(8, 1)}, {ENTRY(9, 1)}, {ENTRY(10, 1)}, {ENTRY(11, 1)}, {ENTRY(12, 1)},
#endif
static const NAME(Tile) NAME(TILES)[THIN_TILE_ROWS + 1][ROW_VECTORS + 1] = {
    {0}, {ONE(ENTRY, 1)}, {FEW(ENTRY, 2)}, {FEW(ENTRY, 3)}, {FEW(ENTRY, 4)}, {MANY(ENTRY, 5)}, {MANY(ENTRY, 6)},
    THIN_ENTRIES
};

#if HAS_FAR_TILES
#if VECTORS == 3
FAR_TILE(5, 3) FAR_TILE(6, 3) FAR_TILE(7, 3) FAR_TILE(8, 3)
static const NAME(Tile) NAME(FAR_TILES)[TILE_ROWS + 1] = {
    [5] = NAME(far_tile_5_3), [6] = NAME(far_tile_6_3), [7] = NAME(far_tile_7_3), [8] = NAME(far_tile_8_3)
};
#else
FAR_TILE(5, 2) FAR_TILE(6, 2)
static const NAME(Tile) NAME(FAR_TILES)[TILE_ROWS + 1] = {[5] = NAME(far_tile_5_2), [6] = NAME(far_tile_6_2)};
#endif
#endif

/* The tile of some rows and vectors of columns. */
static inline NAME(Tile) NAME(tile_of)(ptrdiff_t rows, ptrdiff_t vectors, ptrdiff_t b_row) {
#if HAS_FAR_TILES
    if (b_row * (ptrdiff_t)sizeof(REAL) >= FAR_BYTES && vectors == VECTORS && rows > FEW_TILE_ROWS)
        return NAME(FAR_TILES)[rows];
#endif
    return NAME(TILES)[rows][vectors];
}

/* C (rows, columns) for up to VECTORS vectors of columns, or more for few rows. Sets the product's `last`. */
static inline void NAME(run_tiles)(ptrdiff_t rows, ptrdiff_t columns, PRODUCT* p) {
    const ptrdiff_t vectors = (columns + LANES - 1) / LANES;
    const ptrdiff_t most = vectors == 1 ? THIN_TILE_ROWS : TILE_ROWS;
    const ptrdiff_t tiles = rows >= 2 * most ? rows / most - 1 : 0;
    p->last = columns - (vectors - 1) * LANES;
#if GATHERS
    p->spilling_rows = p->spills ? rows - (LANES - p->last + p->c_row - 1) / p->c_row : 0;
#endif
    if (tiles) NAME(tile_of)(most, vectors, p->b_row)(p, 0, tiles);
    for (ptrdiff_t row = tiles * most, count; row < rows; row += count) {
        count = next_rows(rows - row, most);
        NAME(tile_of)(count, vectors, p->b_row)(p, row, 1);
    }
}

#ifdef ACROSS
#include "across.h"
#endif

#undef LANES
#undef VECTOR
#undef PRODUCT
#undef LOAD
#undef A_ROWS_OF_PRODUCT
#undef A_ROW
#undef NEXT_A_ROWS
#undef EACH_RUN
#undef RUN_BEGIN
#undef ZERO
#undef START
#undef START_LAST
#undef START_ALL
#undef BEGIN
#undef BEGIN_ROW
#undef READ
#undef READ_LAST
#undef READ_ALL
#undef MULTIPLY
#undef MULTIPLY_ROW
#undef C_ADDRESS
#undef C_AT
#undef WRITE
#undef WRITE_ROW
#undef WRITE_WHOLE
#undef ADD
#undef ADD_ROW
#undef ADD_WHOLE
#undef KEEP
#undef KEEP_ROW
#undef PART
#undef PART_ROW
#undef WRITE_PARTS
#undef WRITE_TILE
#undef FAR_BYTES
#undef ROWS_AHEAD
#undef HAS_FAR_TILES
#undef PREFETCH
#undef NOTHING
#undef TILE
#undef FAR_TILE
#undef TILE_FORM
#undef ENTRY
#undef ROWS_OF_1
#undef ROWS_OF_2
#undef ROWS_OF_3
#undef ROWS_OF_6
#undef ROWS_OF_8
#undef ONE
#undef FEW
#undef MANY
#undef THIN_ENTRIES
#undef MAY_SPILL
#undef BYTES
#undef VECTORS
#undef NAME
#undef STORE_PART
#undef LOAD_PART
