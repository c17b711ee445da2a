/* What this compiler's C has: the size of vectors for the instruction set, and attributes of functions. */

#ifndef CBACKPROP_COMPILER_H
#define CBACKPROP_COMPILER_H

/* VECTOR_BYTES: 0 if there are no vectors. */
#if !defined(__GNUC__)
#define VECTOR_BYTES 0
#elif defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

#if defined(__GNUC__)
#define NEVER_INLINE __attribute__((noinline))
#else
#define NEVER_INLINE
#endif

#endif
