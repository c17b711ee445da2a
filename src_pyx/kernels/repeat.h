/* Macros that repeat others, because gcc 12 keeps an array of vectors in memory: so each sum is a separate variable. */

#ifndef CBACKPROP_REPEAT_H
#define CBACKPROP_REPEAT_H

#define REPEAT_1(X) X(0)
#define REPEAT_2(X) REPEAT_1(X) X(1)
#define REPEAT_3(X) REPEAT_2(X) X(2)
#define REPEAT_4(X) REPEAT_3(X) X(3)
#define REPEAT_5(X) REPEAT_4(X) X(4)
#define REPEAT_6(X) REPEAT_5(X) X(5)
#define REPEAT_7(X) REPEAT_6(X) X(6)
#define REPEAT_8(X) REPEAT_7(X) X(7)

/* The same with a second argument, for rows and vectors of a tile, because a macro cannot be expanded within itself. */
#define ROWS_1(X, V) X(0, V)
#define ROWS_2(X, V) ROWS_1(X, V) X(1, V)
#define ROWS_3(X, V) ROWS_2(X, V) X(2, V)
#define ROWS_4(X, V) ROWS_3(X, V) X(3, V)
#define ROWS_5(X, V) ROWS_4(X, V) X(4, V)
#define ROWS_6(X, V) ROWS_5(X, V) X(5, V)
#define ROWS_7(X, V) ROWS_6(X, V) X(6, V)
#define ROWS_8(X, V) ROWS_7(X, V) X(7, V)
#define ROWS_9(X, V) ROWS_8(X, V) X(8, V)
#define ROWS_10(X, V) ROWS_9(X, V) X(9, V)
#define ROWS_11(X, V) ROWS_10(X, V) X(10, V)
#define ROWS_12(X, V) ROWS_11(X, V) X(11, V)

#define VECTORS_1(X, i) X(i, 0)
#define VECTORS_2(X, i) VECTORS_1(X, i) X(i, 1)
#define VECTORS_3(X, i) VECTORS_2(X, i) X(i, 2)
#define VECTORS_4(X, i) VECTORS_3(X, i) X(i, 3)
#define VECTORS_5(X, i) VECTORS_4(X, i) X(i, 4)
#define VECTORS_6(X, i) VECTORS_5(X, i) X(i, 5)
#define VECTORS_7(X, i) VECTORS_6(X, i) X(i, 6)
#define VECTORS_8(X, i) VECTORS_7(X, i) X(i, 7)

#endif
