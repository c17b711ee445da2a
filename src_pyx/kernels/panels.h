/* The functions around the tiles of one float type: the choice of vectors, panels of B, sums of rows.

   matrix.h includes this file for each type, with REAL, NAME(x), FULL(x) (the name of x for the largest vectors), and
   HALF(x) and QUARTER(x) (if smaller vectors are better for few columns) defined.

   Loops are not inlined into their callers: 16 registers are not enough for both, and small products would pay for a
   large stack frame. */

#define LANES ((ptrdiff_t)(sizeof(FULL(Vector)) / sizeof(REAL)))
#define ANYWHERE FULL(Anywhere)

/* C (rows, columns) for a panel of columns. */
static inline void NAME(run_tiles)(ptrdiff_t rows, ptrdiff_t columns, NAME(Product) p) {
#ifdef QUARTER
    if (columns <= LANES / 4) {
        QUARTER(run_tiles)(rows, columns, &p);
        return;
    }
#endif
#ifdef HALF
    if (columns <= LANES / 2) {
        HALF(run_tiles)(rows, columns, &p);
        return;
    }
#endif
    FULL(run_tiles)(rows, columns, &p);
}

/* A panel of B, (k, width) of whole vectors, from rows of B (k, columns): filled up with zeros. */
static NEVER_INLINE void NAME(pack_rows)(
    ptrdiff_t k, ptrdiff_t columns, ptrdiff_t width, const REAL* b, ptrdiff_t b_row, REAL* panel
) {
    const ptrdiff_t whole = columns - columns % LANES;
    for (ptrdiff_t p = 0; p < k; p++, b += b_row, panel += width) {
        for (ptrdiff_t j = 0; j < whole; j += LANES) *(ANYWHERE*)(panel + j) = *(const ANYWHERE*)(b + j);
        if (whole < width) *(ANYWHERE*)(panel + whole) = FULL(load)(b + whole, columns - whole);
    }
}

/* A panel of B, (k, width), from the transpose of B (columns, k), filled up with zeros if tiles read them.

   The last four columns are packed together, even if some of them have been packed already. */
static NEVER_INLINE void NAME(pack_columns)(
    ptrdiff_t k, ptrdiff_t columns, ptrdiff_t width, const REAL* b, ptrdiff_t b_column, REAL* panel
) {
    ptrdiff_t j = 0, p;
#if READS_ACROSS
    if (LANES <= 8 || b_column * sizeof(REAL) % 4096) { /* else a set of the first level cache would not hold them */
        j = 2 * (columns % LANES) > LANES ? columns : columns - columns % LANES;
        if (j) NAME(pack_across)(k, j, width, b, b_column, panel);
    }
#endif
    while (columns >= 4 && j + 1 < columns) {
        if (j > columns - 4) j = columns - 4;
        const REAL* from = b + j * b_column;
#if defined(__GNUC__)
        if (b_column * sizeof(REAL) % 4096 == 0 && j + 8 <= columns) /* where no processor looks ahead by itself */
            for (ptrdiff_t i = 4; i < 8; i++)
                for (p = 0; p < k; p += 64 / (ptrdiff_t)sizeof(REAL)) __builtin_prefetch(from + i * b_column + p);
#endif
        p = 0;
#ifdef SHUFFLE
        for (; p + 4 <= k; p += 4) NAME(transpose_four)(from + p, b_column, 0, panel + p * width + j, width);
#endif
        for (; p < k; p++)
            for (ptrdiff_t i = 0; i < 4; i++) panel[p * width + j + i] = from[p + i * b_column];
        j += 4;
    }
    for (; j < (READS_PARTS ? columns : width); j++)
        for (p = 0; p < k; p++) panel[p * width + j] = j < columns ? b[p + j * b_column] : 0;
}

#if GATHERS
/* C (rows, columns) for a panel of columns; arguments as in Product. */
static void NAME(gather_column)(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t k, const REAL* a, const ptrdiff_t* a_rows, ptrdiff_t a_column,
    const ptrdiff_t* taps, ptrdiff_t n_taps, const REAL* b, ptrdiff_t b_row, const REAL* bias, int add, int spills,
    REAL* c, ptrdiff_t c_row
) {
    const NAME(Product) p = {a, 0, a_column, b, b_row, c, c_row, 1, k, 0, bias, add, a_rows, taps, n_taps, spills};
    NAME(run_tiles)(rows, columns, p);
}

/* Rows of an image (size, channels), out_row apart: out = bias + what `count` positions of the maps contribute to it.
   `values` (rows, count, taps, channels) has the contributions of each to successive places of the image; those of the
   first begin `before` places in front of it, those of the next `stride` places further.

   Each place is summed in registers and written once. Adding position after position to memory takes longer, because a
   vector that overlaps one that was just written has to wait for it. A vector of sums begins at each place: what is
   behind its last channel belongs to the next place, or the next row, and is overwritten later. */
#if VECTOR_BYTES
#define SUMS_OF(lanes) \
    typedef REAL Some __attribute__((vector_size((lanes) * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
#else
#define SUMS_OF(lanes) typedef REAL Some;
#endif
#define NEXT sum += *(const Some*)p; p += step;
#define SPREAD_BY(lanes) { \
    SUMS_OF(lanes) \
    ptrdiff_t first = 0, end = 0; \
    for (ptrdiff_t x = 0; x < size; x++) { \
        while (end < count && end * stride <= x + before) end++; \
        while (first < end && first * stride + taps <= x + before) first++; \
        for (ptrdiff_t c = 0; c < channels; c += lanes) { \
            const REAL* p = values + first * step + (x + before) * channels + c; \
            REAL* to = out + x * channels + c; \
            Some sum = bias ? *(const Some*)(bias + c) : (Some){0}; \
            ptrdiff_t left = end - first; \
            for (; left >= 4; left -= 4) { NEXT NEXT NEXT NEXT } \
            if (left & 2) { NEXT NEXT } \
            if (left & 1) { NEXT } \
            if (!add && to + lanes <= out + room) { \
                *(Some*)to = sum; \
            } else { \
                REAL numbers[lanes]; \
                *(Some*)numbers = sum; \
                for (ptrdiff_t i = 0; i < lanes && c + i < channels; i++) \
                    to[i] = add ? to[i] + numbers[i] : numbers[i]; \
            } \
        } \
    } \
}
static void NAME(spread_rows)(
    ptrdiff_t rows, ptrdiff_t count, ptrdiff_t taps, ptrdiff_t stride, ptrdiff_t channels, const REAL* values,
    ptrdiff_t before, ptrdiff_t size, const REAL* bias, int add, REAL* out, ptrdiff_t out_row
) {
    const ptrdiff_t step = (taps - stride) * channels, width = size * channels;
    for (; rows > 0; rows--, values += count * taps * channels, out += out_row) {
        const ptrdiff_t room = out_row == width ? rows * width : width;
#if VECTOR_BYTES
        if (channels <= LANES / 2) SPREAD_BY(LANES / 2)
        else
#endif
        SPREAD_BY(LANES)
    }
}
#undef SUMS_OF
#undef NEXT
#undef SPREAD_BY
#else
/* C (rows, columns) for a panel of columns; arguments as in Product. */
static inline void NAME(tile_column)(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t k, const REAL* a, ptrdiff_t a_row, ptrdiff_t a_column,
    const REAL* b, ptrdiff_t b_row, const REAL* bias, int add, REAL* c, ptrdiff_t c_row, ptrdiff_t c_column
) {
    const NAME(Product) p = {a, a_row, a_column, b, b_row, c, c_row, c_column, k, 0, bias, add};
    NAME(run_tiles)(rows, columns, p);
}

/* One row of C for eight vectors of columns: c = a B + bias. Like a tile, but with less overhead. Element p of a is at
   p a_column. */
static NEVER_INLINE void NAME(multiply_row)(
    ptrdiff_t k, const REAL* a, ptrdiff_t a_column, const REAL* b, ptrdiff_t b_row, const REAL* bias, int add, REAL* c
) {
#define AT(p, v) (*(ANYWHERE*)((p) + v * LANES))
#define ROW_BEGIN(v) FULL(Vector) c##v = bias ? FULL(load)(bias + v * LANES, LANES) : zero;
#define ROW_MULTIPLY(v) c##v += s * AT(b, v);
#define ROW_ADD(v) AT(c, v) += c##v;
#define ROW_WRITE(v) AT(c, v) = c##v;
    const FULL(Vector) zero = {0};
    REPEAT_8(ROW_BEGIN)
    for (; k > 0; k--, a += a_column, b += b_row) {
        const REAL s = *a;
        REPEAT_8(ROW_MULTIPLY)
    }
    if (add) {
        REPEAT_8(ROW_ADD)
    } else {
        REPEAT_8(ROW_WRITE)
    }
#undef AT
#undef ROW_BEGIN
#undef ROW_MULTIPLY
#undef ROW_ADD
#undef ROW_WRITE
}

/* sums (columns,) += a B. The rows of B are read to their ends, four in parallel: the fastest way for memory that is
   not in the cache. Element p of a is at p a_column. `sums` has room for whole vectors. The order is that of tiles. */
static NEVER_INLINE void NAME(add_rows)(
    ptrdiff_t k, ptrdiff_t columns, const REAL* a, ptrdiff_t a_column, const REAL* b, ptrdiff_t b_row, REAL* sums
) {
#define AT(p) (*(ANYWHERE*)(p))
#define NEXT_ROW(i) const REAL s##i = a[i * a_column]; const REAL* b##i = b + i * b_row;
#define ADD_ROW(i) sum += s##i * AT(b##i + j);
#define ADD_LAST(i) sum += s##i * FULL(load)(b##i + whole, columns - whole);
    const ptrdiff_t whole = columns - columns % LANES;
    for (; k >= 4; k -= 4, a += 4 * a_column, b += 4 * b_row) {
        REPEAT_4(NEXT_ROW)
        for (ptrdiff_t j = 0; j < whole; j += LANES) {
            FULL(Vector) sum = AT(sums + j);
            REPEAT_4(ADD_ROW)
            AT(sums + j) = sum;
        }
        if (whole < columns) {
            FULL(Vector) sum = AT(sums + whole);
            REPEAT_4(ADD_LAST)
            AT(sums + whole) = sum;
        }
    }
    for (; k > 0; k--, a += a_column, b += b_row) {
        const REAL s = *a;
        for (ptrdiff_t j = 0; j < whole; j += LANES) AT(sums + j) += s * AT(b + j);
        if (whole < columns) AT(sums + whole) += s * FULL(load)(b + whole, columns - whole);
    }
#undef AT
#undef NEXT_ROW
#undef ADD_ROW
#undef ADD_LAST
}

#if VECTOR_BYTES
/* Add the lanes of four vectors in order to four sums. */
static inline void NAME(add_lanes)(const REAL* x, NAME(Four)* sums) {
    NAME(Four) sum = *sums;
    ptrdiff_t j = 0;
#ifdef SHUFFLE
    for (; j + 4 <= LANES; j += 4) {
        NAME(Four) columns[4];
        NAME(transpose_four)(x + j, LANES, 0, (REAL*)columns, 4);
        sum += columns[0];
        sum += columns[1];
        sum += columns[2];
        sum += columns[3];
    }
#endif
    for (; j < LANES; j++) sum += (NAME(Four)){x[j], x[LANES + j], x[2 * LANES + j], x[3 * LANES + j]};
    *sums = sum;
}
#endif

/* y (rows,) = A x + bias, where the numbers of each row of A (rows, k) and those of x are contiguous.

   Each lane of a vector sums every n-th number of k, for n lanes. Then the lanes are added, of four rows in parallel.
   The order depends only on k. */
static NEVER_INLINE void NAME(multiply_vector)(
    ptrdiff_t rows, ptrdiff_t k, const REAL* a, ptrdiff_t a_row, const REAL* x, const REAL* bias, int add,
    REAL* y, ptrdiff_t y_row
) {
    const REAL start = bias ? *bias : 0;
#if VECTOR_BYTES
#define DOT_BEGIN(i) FULL(Vector) s##i = {0}; const REAL* a##i = a + (i < count ? i : 0) * a_row;
#define DOT_MULTIPLY(i) s##i += *(const ANYWHERE*)(a##i + p) * numbers;
#define DOT_KEEP(i) *(ANYWHERE*)lanes[i] = s##i;
#define DOT_REST(i) rest += columns[i] * x[p + i];
    for (; rows > 0; rows -= 4, a += 4 * a_row, y += 4 * y_row) {
        const ptrdiff_t count = rows < 4 ? rows : 4;
        ptrdiff_t p = 0;
        REAL lanes[4][LANES];
        NAME(Four) sum = {start, start, start, start}, rest = {0};
        REPEAT_4(DOT_BEGIN)
        for (; p + LANES <= k; p += LANES) {
            const FULL(Vector) numbers = *(const ANYWHERE*)(x + p);
            REPEAT_4(DOT_MULTIPLY)
        }
        if (p) {
            REPEAT_4(DOT_KEEP)
            NAME(add_lanes)(lanes[0], &sum);
        }
#ifdef SHUFFLE
        for (; count == 4 && p + 4 <= k; p += 4) {
            NAME(Four) columns[4];
            NAME(transpose_four)(a + p, a_row, 0, (REAL*)columns, 4);
            REPEAT_4(DOT_REST)
        }
#endif
        for (; p < k; p++) rest += (NAME(Four)){a0[p], a1[p], a2[p], a3[p]} * x[p];
        sum += rest;
        for (ptrdiff_t i = 0; i < count; i++) y[i * y_row] = add ? y[i * y_row] + sum[i] : sum[i];
    }
#undef DOT_BEGIN
#undef DOT_MULTIPLY
#undef DOT_KEEP
#undef DOT_REST
#else
    for (; rows > 0; rows--, a += a_row, y += y_row) {
        REAL sum = start;
        for (ptrdiff_t p = 0; p < k; p++) sum += a[p] * x[p];
        *y = add ? *y + sum : sum;
    }
#endif
}

/* Tiles (k, TILE_ROWS) of A (rows, k), `gap` numbers apart, from the transpose of A, whose rows are a_column apart. The
   last tile is filled up with arbitrary numbers. */
static NEVER_INLINE void NAME(pack_tiles)(
    ptrdiff_t rows, ptrdiff_t k, const REAL* a, ptrdiff_t a_column, ptrdiff_t gap, REAL* tiles
) {
    const ptrdiff_t whole = rows - rows % TILE_ROWS;
    for (ptrdiff_t p = 0; p < k; p++, a += a_column, tiles += TILE_ROWS) {
        REAL* tile = tiles;
        ptrdiff_t i = 0;
        for (; i < whole; i += TILE_ROWS, tile += k * TILE_ROWS + gap) memcpy(tile, a + i, TILE_ROWS * sizeof(REAL));
        for (; i < rows; i++) *tile++ = a[i];
    }
}

/* out (columns,) = the sum over rows of x (rows, x_row), added to out if `add`.

   Four rows are summed in parallel, so that additions do not wait for each other. Whole vectors are read. */
static void NAME(sum_rows)(ptrdiff_t rows, ptrdiff_t columns, const REAL* x, ptrdiff_t x_row, int add, REAL* out) {
    for (ptrdiff_t j = 0; j < columns; j += LANES) {
        FULL(Vector) s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
        const REAL* p = x + j;
        ptrdiff_t r = 0;
        for (; r + 4 <= rows; r += 4, p += 4 * x_row) {
            s0 += *(const ANYWHERE*)p;
            s1 += *(const ANYWHERE*)(p + x_row);
            s2 += *(const ANYWHERE*)(p + 2 * x_row);
            s3 += *(const ANYWHERE*)(p + 3 * x_row);
        }
        for (; r < rows; r++, p += x_row) s0 += *(const ANYWHERE*)p;
        s0 = (s0 + s1) + (s2 + s3);
        const ptrdiff_t count = columns - j < LANES ? columns - j : LANES;
        if (add) s0 += FULL(load)(out + j, count);
        if (count == LANES) {
            *(ANYWHERE*)(out + j) = s0;
        } else {
            REAL numbers[LANES];
            *(ANYWHERE*)numbers = s0;
            for (ptrdiff_t i = 0; i < count; i++) out[j + i] = numbers[i];
        }
    }
}
#endif

#undef LANES
#undef ANYWHERE
#undef REAL
#undef NAME
#undef OF_TYPE
#undef FULL
#undef HALF
#undef QUARTER
