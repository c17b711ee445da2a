/* Vectors of one float type: included with REAL, BYTES (of a vector) and NAME(x) defined.

   Vector is in registers, Anywhere at any address in memory. LANES is how many numbers they have. */

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
