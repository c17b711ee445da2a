/* What threads of a team need to wait for each other: a barrier that spins briefly and then sleeps. */

#ifndef CBACKPROP_TEAM_H
#define CBACKPROP_TEAM_H

#include <stdint.h>

#if defined(_MSC_VER)
#include <windows.h>
#include <intrin.h>
#define ATOMIC_ADD(p, n) ((int32_t)_InterlockedExchangeAdd((volatile long*)(p), (n)) + (n))
#define ATOMIC_LOAD(p) ATOMIC_ADD(p, 0)
#define ATOMIC_STORE(p, n) ((void)_InterlockedExchange((volatile long*)(p), (n)))
#else
#define ATOMIC_ADD(p, n) __atomic_add_fetch((p), (n), __ATOMIC_SEQ_CST)
#define ATOMIC_LOAD(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define ATOMIC_STORE(p, n) __atomic_store_n((p), (n), __ATOMIC_SEQ_CST)
#endif

#if defined(__x86_64__) || defined(_M_X64)
#include <emmintrin.h>
#define SPIN_PAUSE() _mm_pause()
#elif defined(__aarch64__) && defined(__GNUC__)
#define SPIN_PAUSE() __asm__ volatile("yield")
#else
#define SPIN_PAUSE()
#endif

/* Sleep while *p is `value`, and wake whoever does. Without futexes a sleep is a turn given to others. */
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
static void sleep_while(int32_t* p, int32_t value) { syscall(SYS_futex, p, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }
static void wake_all(int32_t* p) { syscall(SYS_futex, p, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0); }
#elif defined(_MSC_VER)
static void sleep_while(int32_t* p, int32_t value) { SwitchToThread(); }
static void wake_all(int32_t* p) {}
#else
#include <sched.h>
static void sleep_while(int32_t* p, int32_t value) { sched_yield(); }
static void wake_all(int32_t* p) {}
#endif

/* Some 20 microseconds: longer than the work of threads that share a step differs, shorter than a time slice. */
#define SPINS 600

static void wait_while(int32_t* p, int32_t value, int32_t* sleepers) {
    for (int i = 0; i < SPINS; i++) {
        if (ATOMIC_LOAD(p) != value) return;
        SPIN_PAUSE();
    }
    ATOMIC_ADD(sleepers, 1);
    while (ATOMIC_LOAD(p) == value) sleep_while(p, value);
    ATOMIC_ADD(sleepers, -1);
}

/* Each counter in a cache line of its own. */
typedef struct {
    int32_t size;
    char gap_0[60];
    int32_t arrived;
    char gap_1[60];
    int32_t generation;         /* how often all have arrived */
    char gap_2[60];
    int32_t sleepers;
    char gap_3[60];
    int32_t running;            /* helpers that have not finished */
    char gap_4[60];
} Barrier;

/* Return when all threads of the team have called this. */
static void barrier_wait(Barrier* b) {
    if (b->size == 1) return;
    const int32_t generation = ATOMIC_LOAD(&b->generation);
    if (ATOMIC_ADD(&b->arrived, 1) < b->size) {
        wait_while(&b->generation, generation, &b->sleepers);
        return;
    }
    ATOMIC_STORE(&b->arrived, 0);
    ATOMIC_ADD(&b->generation, 1);
    if (ATOMIC_LOAD(&b->sleepers)) wake_all(&b->generation);
}

/* Let helpers begin that wait at the gate. */
static void barrier_open(Barrier* b, int32_t* gate) {
    ATOMIC_STORE(gate, 1);
    if (ATOMIC_LOAD(&b->sleepers)) wake_all(gate);
}

static void barrier_enter(Barrier* b, int32_t* gate) { wait_while(gate, 0, &b->sleepers); }

/* A helper's last act: it touches nothing of the team afterwards. */
static void barrier_leave(Barrier* b) {
    int32_t* running = &b->running;
    ATOMIC_ADD(running, -1);
    wake_all(running);
}

/* Return when all helpers have left. */
static void barrier_join(Barrier* b) {
    int32_t running, spins = 0;
    while ((running = ATOMIC_LOAD(&b->running)) > 0) {
        if (spins++ < SPINS) SPIN_PAUSE();
        else sleep_while(&b->running, running);
    }
}

#endif
