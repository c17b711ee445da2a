/* Sums and maps of channels for one float type: channels.h includes this with REAL, LANES (numbers in 32 bytes) and
   NAME(x) defined. */

#ifdef FEW
typedef REAL NAME(Few) __attribute__((vector_size(FEW * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
typedef REAL NAME(Vector) __attribute__((vector_size(32), aligned(sizeof(REAL)), may_alias));
#ifndef WIDE
#define WIDE(p) __builtin_convertvector(*(const NAME(Few)*)(p), Doubles)
#endif
#define REALS(p) (*(NAME(Vector)*)(p))

/* A function of some rows and 4 or 16 channels: BEGIN, STEP and END are repeated by REPEAT for each vector. */
#define ROWS_OF(REPEAT, BEGIN, STEP, END, NEXT) \
    REPEAT(BEGIN) \
    for (ptrdiff_t r = 0; r < rows; r++) { REPEAT(STEP) NEXT } \
    REPEAT(END)
#define ONCE(X) X(0)
#define TWICE(X) X(0) X(1)
#define FOUR_TIMES(X) X(0) X(1) X(2) X(3)

/* All channels but the last few, from c on: 16 at a time, then 4. POINTERS are declared for each step, and moved by
   NEXT. */
#define SUM_CHANNELS(POINTERS, BEGIN, STEP, END, NEXT) \
    for (; c + 4 * FEW <= count; c += 4 * FEW) { POINTERS ROWS_OF(FOUR_TIMES, BEGIN, STEP, END, NEXT) } \
    for (; c + FEW <= count; c += FEW) { POINTERS ROWS_OF(ONCE, BEGIN, STEP, END, NEXT) }
#endif

/* total (count,) += the sum over rows of x (rows, count). */
static void NAME(add_rows)(ptrdiff_t rows, ptrdiff_t step, ptrdiff_t count, const REAL* x, double* total) {
    const ptrdiff_t most = rows_at_once(step * sizeof(REAL));
    for (ptrdiff_t left = rows; left > 0; left -= most, x += most * step) {
        const ptrdiff_t rows = left < most ? left : most;
        ptrdiff_t c = 0;
#ifdef FEW
#define BEGIN(v) Doubles t##v = DOUBLES(total + c + v * FEW);
#define STEP(v) t##v += WIDE(p + v * FEW);
#define END(v) DOUBLES(total + c + v * FEW) = t##v;
        SUM_CHANNELS(const REAL* p = x + c;, BEGIN, STEP, END, p += step;)
#undef BEGIN
#undef STEP
#undef END
#endif
        for (; c < count; c++) {
            double t = total[c];
            for (ptrdiff_t r = 0; r < rows; r++) t += x[r * step + c];
            total[c] = t;
        }
    }
}

/* total (count,) += the sum over rows of (x - mean)^2. */
static void NAME(add_squares)(
    ptrdiff_t rows, ptrdiff_t step, ptrdiff_t count, const REAL* x, const double* mean, double* total
) {
    const ptrdiff_t most = rows_at_once(step * sizeof(REAL));
    for (ptrdiff_t left = rows; left > 0; left -= most, x += most * step) {
        const ptrdiff_t rows = left < most ? left : most;
        ptrdiff_t c = 0;
#ifdef FEW
#define BEGIN(v) Doubles t##v = DOUBLES(total + c + v * FEW); const Doubles m##v = DOUBLES(mean + c + v * FEW);
#define STEP(v) const Doubles d##v = WIDE(p + v * FEW) - m##v; t##v += d##v * d##v;
#define END(v) DOUBLES(total + c + v * FEW) = t##v;
        SUM_CHANNELS(const REAL* p = x + c;, BEGIN, STEP, END, p += step;)
#undef BEGIN
#undef STEP
#undef END
#endif
        for (; c < count; c++) {
            double t = total[c];
            for (ptrdiff_t r = 0; r < rows; r++) t += (x[r * step + c] - mean[c]) * (x[r * step + c] - mean[c]);
            total[c] = t;
        }
    }
}

/* total (count,) += the sum over rows of dy, product (count,) += that of dy (x - mean). */
static void NAME(add_products)(
    ptrdiff_t rows, ptrdiff_t step, ptrdiff_t count, const REAL* x, const REAL* dy, const double* mean,
    double* total, double* product
) {
    const ptrdiff_t most = rows_at_once(2 * step * sizeof(REAL));
    for (ptrdiff_t left = rows; left > 0; left -= most, x += most * step, dy += most * step) {
        const ptrdiff_t rows = left < most ? left : most;
        ptrdiff_t c = 0;
#ifdef FEW
#define BEGIN(v) \
    Doubles t##v = DOUBLES(total + c + v * FEW), s##v = DOUBLES(product + c + v * FEW); \
    const Doubles m##v = DOUBLES(mean + c + v * FEW);
#define STEP(v) const Doubles g##v = WIDE(q + v * FEW); t##v += g##v; s##v += g##v * (WIDE(p + v * FEW) - m##v);
#define END(v) DOUBLES(total + c + v * FEW) = t##v; DOUBLES(product + c + v * FEW) = s##v;
        SUM_CHANNELS(const REAL* p = x + c; const REAL* q = dy + c;, BEGIN, STEP, END, p += step; q += step;)
#undef BEGIN
#undef STEP
#undef END
#endif
        for (; c < count; c++) {
            double t = total[c], s = product[c];
            for (ptrdiff_t r = 0; r < rows; r++) {
                t += dy[r * step + c];
                s += dy[r * step + c] * (x[r * step + c] - mean[c]);
            }
            total[c] = t;
            product[c] = s;
        }
    }
}

/* y = (x - center) scale + offset, with a center, a scale and an offset for each channel. */
static void NAME(map_channels)(
    ptrdiff_t rows, ptrdiff_t step, ptrdiff_t count, const REAL* x, const REAL* center, const REAL* scale,
    const REAL* offset, REAL* y
) {
    const ptrdiff_t most = rows_at_once(2 * step * sizeof(REAL));
    for (ptrdiff_t left = rows; left > 0; left -= most, x += most * step, y += most * step) {
        const ptrdiff_t rows = left < most ? left : most;
        ptrdiff_t c = 0;
#ifdef FEW
#define BEGIN(v) \
    const NAME(Vector) a##v = REALS(center + c + v * LANES), b##v = REALS(scale + c + v * LANES), \
                       d##v = REALS(offset + c + v * LANES);
#define STEP(v) REALS(q + v * LANES) = (REALS(p + v * LANES) - a##v) * b##v + d##v;
#define END(v)
        for (; c + 2 * LANES <= count; c += 2 * LANES) {
            const REAL* p = x + c;
            REAL* q = y + c;
            ROWS_OF(TWICE, BEGIN, STEP, END, p += step; q += step;)
        }
        for (; c + LANES <= count; c += LANES) {
            const REAL* p = x + c;
            REAL* q = y + c;
            ROWS_OF(ONCE, BEGIN, STEP, END, p += step; q += step;)
        }
#undef BEGIN
#undef STEP
#undef END
#endif
        for (; c < count; c++)
            for (ptrdiff_t r = 0; r < rows; r++) y[r * step + c] = (x[r * step + c] - center[c]) * scale[c] + offset[c];
    }
}

/* dx = (dy - a - b (x - center)) scale, with numbers for each channel; added to dx if `add`. */
static void NAME(map_deltas)(
    ptrdiff_t rows, ptrdiff_t step, ptrdiff_t count, const REAL* x, const REAL* dy, const REAL* a, const REAL* b,
    const REAL* center, const REAL* scale, int add, REAL* dx
) {
    const ptrdiff_t most = rows_at_once(3 * step * sizeof(REAL));
    for (ptrdiff_t left = rows; left > 0; left -= most, x += most * step, dy += most * step, dx += most * step) {
        const ptrdiff_t rows = left < most ? left : most;
        ptrdiff_t c = 0;
#ifdef FEW
#define BEGIN(v) \
    const NAME(Vector) a##v = REALS(a + c + v * LANES), b##v = REALS(b + c + v * LANES), \
                       m##v = REALS(center + c + v * LANES), s##v = REALS(scale + c + v * LANES);
#define DELTA(v) ((REALS(g + v * LANES) - a##v - b##v * (REALS(p + v * LANES) - m##v)) * s##v)
#define STEP(v) REALS(q + v * LANES) = DELTA(v);
#define ADD(v) REALS(q + v * LANES) += DELTA(v);
#define END(v)
        for (; c + LANES <= count; c += LANES) {
            const REAL *p = x + c, *g = dy + c;
            REAL* q = dx + c;
            if (add) {
                ROWS_OF(ONCE, BEGIN, ADD, END, p += step; g += step; q += step;)
            } else {
                ROWS_OF(ONCE, BEGIN, STEP, END, p += step; g += step; q += step;)
            }
        }
#undef BEGIN
#undef DELTA
#undef STEP
#undef ADD
#undef END
#endif
        for (; c < count; c++)
            for (ptrdiff_t r = 0; r < rows; r++) {
                const ptrdiff_t i = r * step + c;
                const REAL delta = (dy[i] - a[c] - b[c] * (x[i] - center[c])) * scale[c];
                dx[i] = add ? dx[i] + delta : delta;
            }
    }
}

#ifdef FEW
#undef WIDE
#undef REALS
#undef ROWS_OF
#undef SUM_CHANNELS
#undef ONCE
#undef TWICE
#undef FOUR_TIMES
#endif
#undef REAL
#undef NAME
#undef LANES
