/* Depthwise convolutions for one float type and one vector of channels. depthwise.h includes this file with REAL, BYTES
   (of a vector) and NAME(x) defined.

   A strip of up to eight positions of a row stays in registers during the loop over taps. For common widths of kernels,
   a number of the input is loaded once for all positions of the strip that read it: SHARED. Each sum is a separate
   variable, because gcc 12 keeps an array of vectors in memory; hence the macros. */

#include "vector_types.h"

#define LOAD(p) ((VECTOR)*(const NAME(Anywhere)*)(p))
#define STORE(p, v) *(NAME(Anywhere)*)(p) = v

/* Below, i is a position of a strip and N the number of positions; j counts the numbers that they read in a row; T is
   the number of taps in a row of the kernel, and S the distance between two positions in taps. All are constants, so
   that only the matching pairs become code. */
#define BEGIN(i) VECTOR s##i = start;
#define WRITE(i) STORE(y + i * out_step, s##i);

#define WEIGHT(t) (t < T ? LOAD(k + (t < T ? t : 0) * kernel_step) : start)
#define GIVE(i) \
    if (S * i <= j && j < S * i + T) \
        s##i += v * (j == S * i ? w0 : j == S * i + 1 ? w1 : j == S * i + 2 ? w2 : j == S * i + 3 ? w3 : w4);
#define STEP(J, N) \
    if (J < (N - 1) * S + T) { \
        enum { j = J }; \
        const VECTOR v = LOAD(row + j * tap_step); \
        REPEAT_##N(GIVE) \
    }
#define SHARED(N, TAPS, STRIDE) \
    enum { T = TAPS, S = STRIDE }; \
    const VECTOR w0 = WEIGHT(0), w1 = WEIGHT(1), w2 = WEIGHT(2), w3 = WEIGHT(3), w4 = WEIGHT(4); \
    STEPS_18(STEP, N)
#define ROW_2_1(N) SHARED(N, 2, 1)
#define ROW_3_1(N) SHARED(N, 3, 1)
#define ROW_3_2(N) SHARED(N, 3, 2)
#define ROW_5_1(N) SHARED(N, 5, 1)

#define MULTIPLY(i) s##i += LOAD(at + i * in_step) * weight;
#define ROW_ANY(N) \
    const REAL* at = row; \
    const REAL* w = k; \
    for (ptrdiff_t tap = p->taps[2]; tap > 0; tap--, at += tap_step, w += kernel_step) { \
        const VECTOR weight = LOAD(w); \
        REPEAT_##N(MULTIPLY) \
    }

#define STRIP(N, SHAPE) \
    static NEVER_INLINE void NAME(strip_##N##_##SHAPE)( \
        const DepthwiseTaps* p, ptrdiff_t strips, const REAL* x, const REAL* kernel, const REAL* bias, REAL* y \
    ) { \
        const ptrdiff_t in_step = p->in_step, out_step = p->out_step; \
        const ptrdiff_t tap_step = p->tap_step[2], kernel_step = p->kernel_step[2]; \
        const VECTOR zero = {0}, start = bias ? LOAD(bias) : zero; \
        for (; strips > 0; strips--, x += N * in_step, y += N * out_step) { \
            REPEAT_##N(BEGIN) \
            for (ptrdiff_t plane = 0; plane < p->taps[0]; plane++) { \
                const REAL* row = x + plane * p->tap_step[0]; \
                const REAL* k = kernel + plane * p->kernel_step[0]; \
                for (ptrdiff_t r = p->taps[1]; r > 0; r--, row += p->tap_step[1], k += p->kernel_step[1]) { \
                    ROW_##SHAPE(N) \
                } \
            } \
            REPEAT_##N(WRITE) \
        } \
    }
#define STRIPS(SHAPE) \
    STRIP(1, SHAPE) STRIP(2, SHAPE) STRIP(3, SHAPE) STRIP(4, SHAPE) \
    STRIP(5, SHAPE) STRIP(6, SHAPE) STRIP(7, SHAPE) STRIP(8, SHAPE)
#define STRIPS_OF(SHAPE) { \
    NAME(strip_1_##SHAPE), NAME(strip_2_##SHAPE), NAME(strip_3_##SHAPE), NAME(strip_4_##SHAPE), \
    NAME(strip_5_##SHAPE), NAME(strip_6_##SHAPE), NAME(strip_7_##SHAPE), NAME(strip_8_##SHAPE)}

STRIPS(2_1)
STRIPS(3_1)
STRIPS(3_2)
STRIPS(5_1)
STRIPS(ANY)

typedef void (*NAME(Strip))(
    const DepthwiseTaps* p, ptrdiff_t strips, const REAL* x, const REAL* kernel, const REAL* bias, REAL* y);

static const NAME(Strip) NAME(strips)[5][8] = {
    STRIPS_OF(ANY), STRIPS_OF(2_1), STRIPS_OF(3_1), STRIPS_OF(3_2), STRIPS_OF(5_1)};

/* Choose the right one of these strips. */
static int NAME(shape)(const DepthwiseTaps* p) {
    const int once = p->in_step == p->tap_step[2], twice = p->in_step == 2 * p->tap_step[2];
    if (p->taps[2] == 2 && once) return 1;
    if (p->taps[2] == 3 && (once || twice)) return once ? 2 : 3;
    if (p->taps[2] == 5 && once) return 4;
    return 0;
}

/* One vector of channels of `count` positions of a row: y = bias + the sum over taps of the input times the kernel. The
   row is divided into strips whose sizes differ by at most one position. */
static void NAME(depthwise_row)(
    const DepthwiseTaps* p, ptrdiff_t count,
    const REAL* x,      /* IN, padded */
    const REAL* kernel, /* IN, padded */
    const REAL* bias,   /* IN, padded, or NULL */
    REAL* y             /* OUT, whole vectors */
) {
    const NAME(Strip)* strip = NAME(strips)[NAME(shape)(p)];
    const ptrdiff_t strips = (count + 7) / 8, small = count / strips, longer = count % strips;
    if (longer) {
        strip[small](p, longer, x, kernel, bias, y);
        x += longer * (small + 1) * p->in_step;
        y += longer * (small + 1) * p->out_step;
    }
    strip[small - 1](p, strips - longer, x, kernel, bias, y);
}

/* The gradient of the kernel. Sums for all taps of R rows of the kernel stay in registers during the loop over
   positions, N at a time; then they are added to the gradient. */
#define TAP_SUMS(r) VECTOR s##r##_0 = zero, s##r##_1 = zero, s##r##_2 = zero, s##r##_3 = zero, s##r##_4 = zero;
#define ADD_TAP(r, t) if (t < T) STORE(g + r * row_step + t * p->kernel_step[2], \
    LOAD(g + r * row_step + t * p->kernel_step[2]) + s##r##_##t);
#define ADD_SUMS(r) ADD_TAP(r, 0) ADD_TAP(r, 1) ADD_TAP(r, 2) ADD_TAP(r, 3) ADD_TAP(r, 4)

#define DELTA(i) const VECTOR d##i = LOAD(d + i * out_step);
#define TAKE_TAP(i, r, t) if (t < T && j == S * i + t) s##r##_##t += v * d##i;
#define TAKE(r, i) TAKE_TAP(i, r, 0) TAKE_TAP(i, r, 1) TAKE_TAP(i, r, 2) TAKE_TAP(i, r, 3) TAKE_TAP(i, r, 4)
#define TAKE_ALL_1(r) TAKE(r, 0)
#define TAKE_ALL_4(r) TAKE(r, 0) TAKE(r, 1) TAKE(r, 2) TAKE(r, 3)
#define READ_NUMBER(J, r, N) \
    if (J < (N - 1) * S + T) { \
        enum { j = J }; \
        const VECTOR v = LOAD(at + r * p->tap_step[1] + j * tap_step); \
        TAKE_ALL_##N(r) \
    }
#define READ_ROW(r, N) \
    READ_NUMBER(0, r, N) READ_NUMBER(1, r, N) READ_NUMBER(2, r, N) READ_NUMBER(3, r, N) READ_NUMBER(4, r, N) \
    READ_NUMBER(5, r, N) READ_NUMBER(6, r, N) READ_NUMBER(7, r, N) READ_NUMBER(8, r, N) READ_NUMBER(9, r, N) \
    READ_NUMBER(10, r, N)
#define READ_ROWS_1(N) READ_ROW(0, N)
#define READ_ROWS_2(N) READ_ROWS_1(N) READ_ROW(1, N)
#define READ_ROWS_3(N) READ_ROWS_2(N) READ_ROW(2, N)

#define GRADIENT(R, TAPS, STRIDE) \
    static NEVER_INLINE void NAME(gradient_##R##_##TAPS##_##STRIDE)( \
        const DepthwiseTaps* p, ptrdiff_t rows, ptrdiff_t count, const REAL* x, const REAL* dy, REAL* g \
    ) { \
        enum { T = TAPS, S = STRIDE }; \
        const ptrdiff_t in_step = p->in_step, out_step = p->out_step, tap_step = p->tap_step[2]; \
        const ptrdiff_t row_step = p->kernel_step[1]; \
        const VECTOR zero = {0}; \
        REPEAT_##R(TAP_SUMS) \
        for (; rows > 0; rows--, x += p->in_row, dy += p->out_row) { \
            const REAL* at = x; \
            const REAL* d = dy; \
            ptrdiff_t left = count; \
            for (; left >= 4; left -= 4, at += 4 * in_step, d += 4 * out_step) { \
                REPEAT_4(DELTA) \
                READ_ROWS_##R(4) \
            } \
            for (; left > 0; left--, at += in_step, d += out_step) { \
                DELTA(0) \
                READ_ROWS_##R(1) \
            } \
        } \
        REPEAT_##R(ADD_SUMS) \
    }

GRADIENT(3, 3, 1)
GRADIENT(3, 3, 2)
GRADIENT(2, 5, 1)
GRADIENT(1, 5, 1)

/* Any tap: sums over every eighth position, which are added at the end. */
#define ZERO(i) VECTOR s##i = zero;
#define PRODUCT(i) s##i += LOAD(at + i * in_step) * LOAD(d + i * out_step);
static NEVER_INLINE void NAME(gradient_any)(
    const DepthwiseTaps* p, ptrdiff_t rows, ptrdiff_t count, const REAL* x, const REAL* dy, REAL* g
) {
    const ptrdiff_t in_step = p->in_step, out_step = p->out_step;
    const VECTOR zero = {0};
    REPEAT_8(ZERO)
    for (; rows > 0; rows--, x += p->in_row, dy += p->out_row) {
        const REAL* at = x;
        const REAL* d = dy;
        ptrdiff_t left = count;
        for (; left >= 8; left -= 8, at += 8 * in_step, d += 8 * out_step) {
            REPEAT_8(PRODUCT)
        }
        for (; left > 0; left--, at += in_step, d += out_step) {
            PRODUCT(0)
        }
    }
    STORE(g, LOAD(g) + (((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))));
}

/* One vector of channels: the contribution of `count` positions of some rows to the gradient of the kernel. */
static void NAME(depthwise_gradient)(
    const DepthwiseTaps* p, ptrdiff_t rows, ptrdiff_t count,
    const REAL* x,  /* IN, padded */
    const REAL* dy, /* IN, padded */
    REAL* gradient  /* IN and OUT, whole vectors */
) {
    const int once = p->in_step == p->tap_step[2], twice = p->in_step == 2 * p->tap_step[2];
    const ptrdiff_t width = once || twice ? p->taps[2] : 0;
    for (ptrdiff_t plane = 0; plane < p->taps[0]; plane++) {
        for (ptrdiff_t row = 0; row < p->taps[1];) {
            const REAL* at = x + plane * p->tap_step[0] + row * p->tap_step[1];
            REAL* g = gradient + plane * p->kernel_step[0] + row * p->kernel_step[1];
            const ptrdiff_t left = p->taps[1] - row;
            if (width == 3 && left >= 3) {
                (once ? NAME(gradient_3_3_1) : NAME(gradient_3_3_2))(p, rows, count, at, dy, g);
                row += 3;
            } else if (width == 5 && once && left >= 2) {
                NAME(gradient_2_5_1)(p, rows, count, at, dy, g);
                row += 2;
            } else if (width == 5 && once) {
                NAME(gradient_1_5_1)(p, rows, count, at, dy, g);
                row++;
            } else {
                for (ptrdiff_t tap = 0; tap < p->taps[2]; tap++)
                    NAME(gradient_any)(
                        p, rows, count, at + tap * p->tap_step[2], dy, g + tap * p->kernel_step[2]);
                row++;
            }
        }
    }
}

#undef LANES
#undef VECTOR
#undef LOAD
#undef STORE
#undef BEGIN
#undef WRITE
#undef WEIGHT
#undef GIVE
#undef STEP
#undef SHARED
#undef ROW_2_1
#undef ROW_3_1
#undef ROW_3_2
#undef ROW_5_1
#undef MULTIPLY
#undef ROW_ANY
#undef STRIP
#undef STRIPS
#undef STRIPS_OF
#undef TAP_SUMS
#undef ADD_TAP
#undef ADD_SUMS
#undef DELTA
#undef TAKE_TAP
#undef TAKE
#undef TAKE_ALL_1
#undef TAKE_ALL_4
#undef READ_NUMBER
#undef READ_ROW
#undef READ_ROWS_1
#undef READ_ROWS_2
#undef READ_ROWS_3
#undef GRADIENT
#undef ZERO
#undef PRODUCT
#undef BYTES
#undef NAME
