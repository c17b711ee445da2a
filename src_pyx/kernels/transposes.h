/* Transposes of 4 x 4 numbers of one float type. matrix.h includes this file for each, with REAL and NAME(x). */

#if VECTOR_BYTES
typedef REAL NAME(Four) __attribute__((vector_size(4 * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
#endif

#ifdef SHUFFLE
/* The transpose of the 4 x 4 numbers at b, added to `out` if `add`. */
static inline void NAME(transpose_four)(const REAL* b, ptrdiff_t b_row, int add, REAL* out, ptrdiff_t out_row) {
#define FOUR(p) (*(NAME(Four)*)(p))
    const NAME(Four) b0 = FOUR(b), b1 = FOUR(b + b_row), b2 = FOUR(b + 2 * b_row), b3 = FOUR(b + 3 * b_row);
    const NAME(Four) low_01 = SHUFFLE(b0, b1, 0, 4, 1, 5), high_01 = SHUFFLE(b0, b1, 2, 6, 3, 7);
    const NAME(Four) low_23 = SHUFFLE(b2, b3, 0, 4, 1, 5), high_23 = SHUFFLE(b2, b3, 2, 6, 3, 7);
    NAME(Four) c0 = SHUFFLE(low_01, low_23, 0, 1, 4, 5), c1 = SHUFFLE(low_01, low_23, 2, 3, 6, 7);
    NAME(Four) c2 = SHUFFLE(high_01, high_23, 0, 1, 4, 5), c3 = SHUFFLE(high_01, high_23, 2, 3, 6, 7);
    if (add) {
        c0 += FOUR(out);
        c1 += FOUR(out + out_row);
        c2 += FOUR(out + 2 * out_row);
        c3 += FOUR(out + 3 * out_row);
    }
    FOUR(out) = c0;
    FOUR(out + out_row) = c1;
    FOUR(out + 2 * out_row) = c2;
    FOUR(out + 3 * out_row) = c3;
#undef FOUR
}
#endif

#undef NAME
