/* The arguments of tiles, for one float type. matrix.h includes this file for each, with REAL and NAME(x) defined. */

typedef struct {
    const REAL* a;              /* (rows, k) IN: element (i, p) at i a_row + p a_column */
    ptrdiff_t a_row, a_column;
    const REAL* b;              /* (k, columns) IN: element (p, j) at p b_row + j; whole vectors are read, or parts */
    ptrdiff_t b_row;
    REAL* c;                    /* (rows, columns) OUT: element (i, j) at i c_row + j c_column */
    ptrdiff_t c_row, c_column;
    ptrdiff_t k;
    ptrdiff_t last;             /* columns of the last vector of a tile */
    const REAL* bias;           /* (columns,) IN, or NULL: what the sums begin with */
    int add;                    /* add to what is in C */
#if GATHERS
    const ptrdiff_t* a_rows;    /* (rows,) */
    const ptrdiff_t* taps;      /* (n_taps,) */
    ptrdiff_t n_taps;
    int spills;                 /* what is behind the last column may be overwritten, but not behind C's last number */
    ptrdiff_t spilling_rows;    /* for how many rows that holds */
#endif
} NAME(Product);

#undef NAME
