/* Transforms for one float type: winograd.h includes this with REAL and NAME(x) defined.

   Each works on contiguous numbers of many channels, with a 4 x 4 matrix for each channel; element i, j has these two
   digits in its name. In memory, elements of a matrix are `plane` numbers apart. */

#if VECTOR_BYTES
typedef REAL NAME(Vector) __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
#define LANES ((ptrdiff_t)(VECTOR_BYTES / sizeof(REAL)))
#define FEW ((ptrdiff_t)(16 / sizeof(REAL)))
typedef REAL NAME(Few) __attribute__((vector_size(16), aligned(sizeof(REAL)), may_alias));
/* DO(T) from c on: for whole vectors, then for small ones, then for single numbers. */
#define EACH_CHANNEL(count, DO) \
    ptrdiff_t c = 0; \
    for (; c + LANES <= (count); c += LANES) { DO(NAME(Vector)) } \
    for (; c + FEW <= (count); c += FEW) { DO(NAME(Few)) } \
    for (; c < (count); c++) { DO(REAL) }
#else
#define EACH_CHANNEL(count, DO) \
    for (ptrdiff_t c = 0; c < (count); c++) { DO(REAL) }
#endif

#define AT(T, p) (*(T*)(p))
#define GET(T, p) (*(const T*)(p))

/* Planes of G g G' for `count` contiguous kernels g, whose rows and columns are row_step and column_step apart. */
static void NAME(transform_kernels)(
    ptrdiff_t count, const REAL* g, ptrdiff_t row_step, ptrdiff_t column_step, REAL* u, ptrdiff_t plane
) {
#define READ_COLUMN(T, j) \
    const T t0##j = GET(T, p + j * column_step), b##j = half * GET(T, p + row_step + j * column_step); \
    const T t3##j = GET(T, p + 2 * row_step + j * column_step), a##j = half * (t0##j + t3##j); \
    const T t1##j = a##j + b##j, t2##j = a##j - b##j;
#define WRITE_ROW(T, i) { \
    const T a = half * (t##i##0 + t##i##2), b = half * t##i##1; \
    AT(T, to + (4 * i) * plane) = t##i##0; \
    AT(T, to + (4 * i + 1) * plane) = a + b; \
    AT(T, to + (4 * i + 2) * plane) = a - b; \
    AT(T, to + (4 * i + 3) * plane) = t##i##2; \
    }
#define KERNEL(T) \
    const REAL* p = g + c; \
    REAL* to = u + c; \
    READ_COLUMN(T, 0) READ_COLUMN(T, 1) READ_COLUMN(T, 2) \
    WRITE_ROW(T, 0) WRITE_ROW(T, 1) WRITE_ROW(T, 2) WRITE_ROW(T, 3)
    const REAL half = (REAL)0.5;
    EACH_CHANNEL(count, KERNEL)
#undef READ_COLUMN
#undef WRITE_ROW
#undef KERNEL
}

/* The same for up to four times `count` kernels, `apart` numbers from each other. Their elements are written next to
   each other, and those of the next `count` kernels `step` numbers further. */
static void NAME(transform_columns)(
    ptrdiff_t count, ptrdiff_t columns, const REAL* g, ptrdiff_t apart, ptrdiff_t row_step, ptrdiff_t column_step,
    REAL* u, ptrdiff_t step, ptrdiff_t plane
) {
    REAL some[4][16][SOME_KERNELS];
    for (ptrdiff_t c = 0; c < count; c += SOME_KERNELS) {
        const ptrdiff_t left = count - c < SOME_KERNELS ? count - c : SOME_KERNELS;
        for (ptrdiff_t k = 0; k < columns; k++)
            NAME(transform_kernels)(left, g + k * apart + c, row_step, column_step, some[k][0], SOME_KERNELS);
        for (ptrdiff_t i = 0; i < 16; i++) {
            REAL* to = u + i * plane + c * step;
            ptrdiff_t j = 0;
#ifdef SHUFFLE
            for (; columns == 4 && j + 4 <= left; j += 4, to += 4 * step)
                NAME(transpose_four)(&some[0][i][j], 16 * SOME_KERNELS, 0, to, step);
#endif
            for (; j < left; j++, to += step)
                for (ptrdiff_t k = 0; k < columns; k++) to[k] = some[k][i][j];
        }
    }
}

/* Planes of B' d B for a row of tiles: d are the 4 x 4 positions that a tile reads; those of the next tile begin two
   columns further. */
static void NAME(transform_input)(
    ptrdiff_t tiles, ptrdiff_t channels, const REAL* x, ptrdiff_t x_row, REAL* v, ptrdiff_t plane
) {
#define READ_COLUMN(T, j) \
    const T d0##j = GET(T, p + j * channels), d1##j = GET(T, p + x_row + j * channels); \
    const T d2##j = GET(T, p + 2 * x_row + j * channels), d3##j = GET(T, p + 3 * x_row + j * channels); \
    const T t0##j = d0##j - d2##j, t1##j = d1##j + d2##j, t2##j = d2##j - d1##j, t3##j = d1##j - d3##j;
#define WRITE_ROW(T, i) \
    AT(T, to + (4 * i) * plane) = t##i##0 - t##i##2; \
    AT(T, to + (4 * i + 1) * plane) = t##i##1 + t##i##2; \
    AT(T, to + (4 * i + 2) * plane) = t##i##2 - t##i##1; \
    AT(T, to + (4 * i + 3) * plane) = t##i##1 - t##i##3;
#define INPUT(T) \
    const REAL* p = x + c; \
    REAL* to = v + c; \
    READ_COLUMN(T, 0) READ_COLUMN(T, 1) READ_COLUMN(T, 2) READ_COLUMN(T, 3) \
    WRITE_ROW(T, 0) WRITE_ROW(T, 1) WRITE_ROW(T, 2) WRITE_ROW(T, 3)
    for (; tiles > 0; tiles--, x += 2 * channels, v += channels) {
        EACH_CHANNEL(channels, INPUT)
    }
#undef READ_COLUMN
#undef WRITE_ROW
#undef INPUT
}

/* A' m A + bias for a tile: the 2 x 2 positions y00, y01, y10, y11. */
static void NAME(transform_output)(
    ptrdiff_t filters, const REAL* m, ptrdiff_t plane, const REAL* bias, int add, REAL* y00, REAL* y01, REAL* y10,
    REAL* y11
) {
#define READ_COLUMN(T, j) \
    const T m1##j = GET(T, p + (4 + j) * plane), m2##j = GET(T, p + (8 + j) * plane); \
    const T s0##j = GET(T, p + j * plane) + m1##j + m2##j, s1##j = m1##j - m2##j - GET(T, p + (12 + j) * plane);
#define READ_TILE(T) \
    const REAL* p = m + c; \
    READ_COLUMN(T, 0) READ_COLUMN(T, 1) READ_COLUMN(T, 2) READ_COLUMN(T, 3) \
    T z00 = s00 + s01 + s02, z01 = s01 - s02 - s03, z10 = s10 + s11 + s12, z11 = s11 - s12 - s13;
#define WRITE_TILE(T) AT(T, y00 + c) = z00; AT(T, y01 + c) = z01; AT(T, y10 + c) = z10; AT(T, y11 + c) = z11;
#define ADD_NUMBERS(T, p) { const T b = GET(T, p); z00 += b; z01 += b; z10 += b; z11 += b; }
#define ADD_TILE(T) \
    z00 += GET(T, y00 + c); z01 += GET(T, y01 + c); z10 += GET(T, y10 + c); z11 += GET(T, y11 + c);
#define OUTPUT(T) READ_TILE(T) WRITE_TILE(T)
#define OUTPUT_BIAS(T) READ_TILE(T) ADD_NUMBERS(T, bias + c) WRITE_TILE(T)
#define OUTPUT_ADD(T) READ_TILE(T) ADD_TILE(T) WRITE_TILE(T)
    if (add) {
        EACH_CHANNEL(filters, OUTPUT_ADD)
    } else if (bias) {
        EACH_CHANNEL(filters, OUTPUT_BIAS)
    } else {
        EACH_CHANNEL(filters, OUTPUT)
    }
#undef READ_COLUMN
#undef READ_TILE
#undef WRITE_TILE
#undef ADD_NUMBERS
#undef ADD_TILE
#undef OUTPUT
#undef OUTPUT_BIAS
#undef OUTPUT_ADD
}

#undef AT
#undef GET
#undef LANES
#undef FEW
#undef EACH_CHANNEL
#undef REAL
#undef NAME
