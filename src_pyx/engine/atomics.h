/* Operations on a number that several threads read and write: all of them see these in one order. */

#ifndef CBACKPROP_ATOMICS_H
#define CBACKPROP_ATOMICS_H

#include <stdint.h>

#if defined(_MSC_VER)
#include <windows.h>
#include <intrin.h>
#define ATOMIC_ADD(p, n) ((int32_t)_InterlockedExchangeAdd((volatile long*)(p), (n)) + (n))
#define ATOMIC_LOAD(p) ATOMIC_ADD(p, 0)
#define ATOMIC_SWAP(p, n) ((int32_t)_InterlockedExchange((volatile long*)(p), (n)))
#else
#define ATOMIC_ADD(p, n) __atomic_add_fetch((p), (n), __ATOMIC_SEQ_CST)
#define ATOMIC_LOAD(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define ATOMIC_SWAP(p, n) __atomic_exchange_n((p), (n), __ATOMIC_SEQ_CST)
#endif
#define ATOMIC_STORE(p, n) ((void)ATOMIC_SWAP(p, n))

#endif
