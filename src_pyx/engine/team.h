/* What threads of a team need to wait for each other: a barrier that spins briefly and then sleeps. */

#ifndef CBACKPROP_TEAM_H
#define CBACKPROP_TEAM_H

#include <stdint.h>

#include "atomics.h"

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
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#define YIELD() sched_yield()
static void sleep_while(int32_t* p, int32_t value) { syscall(SYS_futex, p, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }
static void wake_all(int32_t* p) { syscall(SYS_futex, p, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0); }
#else
#if defined(_MSC_VER)
#define YIELD() SwitchToThread()
#else
#include <sched.h>
#define YIELD() sched_yield()
#endif
static void sleep_while(int32_t* p, int32_t value) { (void)p, (void)value, YIELD(); }
static void wake_all(int32_t* p) { (void)p; }
#endif

/* Each counter in a cache line of its own. */
typedef struct {
    int32_t size;               /* threads of the current call */
    char gap_0[60];
    int32_t arrived;
    char gap_1[60];
    int32_t generation;         /* how often all have arrived */
    char gap_2[60];
    int32_t sleepers;
    char gap_3[60];
    int32_t processor;          /* where the caller runs */
    char gap_5[60];
    int32_t calls;              /* the current call: its number, and how many threads it is for */
    char gap_6[60];
    int32_t working;            /* helpers that have not finished a call */
    char gap_7[60];
    int32_t running;            /* helpers that have not left */
    char gap_4[60];
    int32_t taken;              /* pieces of work that threads have taken */
    char gap_8[60];
    int32_t turn;               /* the piece of work that may be added to the result: all before it have been */
    char gap_9[60];
} Barrier;

/* Linux wakes a thread where the one runs that wakes it, and may leave both there, one at a time, beside an idle
   processor. So helper `number` goes to a processor of its own, as far as there are some; it may be moved again. */
#if defined(__linux__)
static void spread(Barrier* b, int32_t number) {
    cpu_set_t allowed, one;
    if (number == 0) {
        ATOMIC_STORE(&b->processor, sched_getcpu());
        return;
    }
    if (sched_getaffinity(0, sizeof allowed, &allowed)) return;
    int cpu = ATOMIC_LOAD(&b->processor);
    if (cpu < 0 || cpu >= CPU_SETSIZE || CPU_COUNT(&allowed) < 2) return;
    for (int32_t steps = 0; steps < number;) {
        cpu = (cpu + 1) % CPU_SETSIZE;
        steps += CPU_ISSET(cpu, &allowed) != 0;
    }
    if (cpu == sched_getcpu()) return;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) == 0) sched_setaffinity(0, sizeof allowed, &allowed);
}
#else
static void spread(Barrier* b, int32_t number) { (void)b, (void)number; }
#endif

/* Wake whoever sleeps. A thread that was started or woken on this processor moves away as soon as it runs, see `spread`;
   so it gets a turn now, for the next one comes with the next tick of the clock, up to 4 ms later. */
static void wake_and_yield(int32_t* p) {
    wake_all(p);
    YIELD();
}

/* A thread that waits spins for some 20 microseconds, which suits a share of a step; then it gives its turn to others
   again and again for a millisecond or so, in case they want its processor; only then it sleeps. */
#define SPINS 600
#define YIELDS 2000

/* Return when *p is no longer `value`: 1 if it took a sleep. */
static int wait_while(int32_t* p, int32_t value, int32_t* sleepers) {
    for (int i = 0; i < SPINS; i++) {
        if (ATOMIC_LOAD(p) != value) return 0;
        SPIN_PAUSE();
    }
    for (int i = 0; i < YIELDS; i++) {
        if (ATOMIC_LOAD(p) != value) return 0;
        YIELD();
    }
    ATOMIC_ADD(sleepers, 1);
    while (ATOMIC_LOAD(p) == value) sleep_while(p, value);
    ATOMIC_ADD(sleepers, -1);
    return 1;
}

/* Return when all threads of the team have called this; each gives its number. */
static void barrier_wait(Barrier* b, int32_t number) {
    if (b->size == 1) return;
    const int32_t generation = ATOMIC_LOAD(&b->generation);
    if (ATOMIC_ADD(&b->arrived, 1) < b->size) {
        if (wait_while(&b->generation, generation, &b->sleepers)) spread(b, number);
        return;
    }
    ATOMIC_STORE(&b->arrived, 0);
    ATOMIC_ADD(&b->generation, 1);
    if (ATOMIC_LOAD(&b->sleepers)) wake_and_yield(&b->generation);
}

/* The number of a call and that of its threads are one word, so that a helper which is late never mistakes the threads
   of the next call for those of this one. */
#define MOST_THREADS 4096
static int32_t threads_of(int32_t call) { return (int32_t)((uint32_t)call % MOST_THREADS); }

/* Call the helpers whose numbers are below `size` to work; the others stay where they are. `fresh` of them have just
   been started. */
static void call_helpers(Barrier* b, int32_t size, int32_t fresh) {
    const uint32_t number = (uint32_t)ATOMIC_LOAD(&b->calls) / MOST_THREADS + 1;
    spread(b, 0);
    b->size = size;
    ATOMIC_STORE(&b->working, size - 1);
    ATOMIC_STORE(&b->calls, (int32_t)(number * MOST_THREADS + (uint32_t)size));
    if (ATOMIC_LOAD(&b->sleepers)) wake_and_yield(&b->calls);
    while (fresh-- > 0) YIELD();
}

/* Return the next call that is for this helper, after the one that it has seen last. */
static int32_t await_call(Barrier* b, int32_t number, int32_t seen) {
    do {
        if (wait_while(&b->calls, seen, &b->sleepers) || seen == 0) spread(b, number);
        seen = ATOMIC_LOAD(&b->calls);
    } while (number >= threads_of(seen));
    return seen;
}

/* Wait for the turn of a piece of work, and return whose turn it is then; let the next piece have its turn. */
static int32_t await_turn(Barrier* b, int32_t number) {
    int32_t turn;
    while ((turn = ATOMIC_LOAD(&b->turn)) < number) wait_while(&b->turn, turn, &b->sleepers);
    return turn;
}
static void pass_turn(Barrier* b) {
    ATOMIC_ADD(&b->turn, 1);
    if (ATOMIC_LOAD(&b->sleepers)) wake_all(&b->turn);
}

static void count_down(int32_t* counter) {
    ATOMIC_ADD(counter, -1);
    wake_all(counter);
}

/* Tell that a helper has done its work, or, as its last act, that it has left. */
static void end_work(Barrier* b) { count_down(&b->working); }
static void leave(Barrier* b) { count_down(&b->running); }

static void await_zero(Barrier* b, int32_t* counter) {
    int32_t value;
    while ((value = ATOMIC_LOAD(counter)) > 0) wait_while(counter, value, &b->sleepers);
}

/* Return when all helpers have done their work, or have left. */
static void await_work(Barrier* b) { await_zero(b, &b->working); }
static void await_end(Barrier* b) { await_zero(b, &b->running); }

#endif
