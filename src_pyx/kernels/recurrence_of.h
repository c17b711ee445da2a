/* The cells for one float type: recurrence.h includes this with REAL and NAME(x) defined.

   With `plain`, gates are sigmoids and candidates hyperbolic tangents, and their derivatives are included here.
   Otherwise the deltas are those of the outputs of the gates' functions. Gates are stored one after the other, n
   numbers each. */

/* The new cell state c = f c + i g from gates (i, f, g, o); before (n,) OUT: the previous c. */
static inline void NAME(lstm_update)(
    ptrdiff_t n, const REAL* APART gates, REAL* APART before, REAL* APART c) {
    for (ptrdiff_t j = 0; j < n; j++) {
        before[j] = c[j];
        c[j] = gates[n + j] * c[j] + gates[j] * gates[2 * n + j];
    }
}

/* c = f before + i g, computed again. */
static inline void NAME(lstm_state)(
    ptrdiff_t n, const REAL* APART gates, const REAL* APART before, REAL* APART c) {
    for (ptrdiff_t j = 0; j < n; j++) c[j] = gates[n + j] * before[j] + gates[j] * gates[2 * n + j];
}

/* y = a x. */
static inline void NAME(times)(ptrdiff_t n, const REAL* APART a, const REAL* APART x, REAL* APART y) {
    for (ptrdiff_t j = 0; j < n; j++) y[j] = a[j] * x[j];
}

/* deltas (4 n,) OUT of the gates, dc (n,) IN and OUT of the cell state, where a = tanh(c), h = o a. Without `plain`, dc
   already includes the contribution through a. */
static inline void NAME(lstm_deltas)(
    ptrdiff_t n, int plain, const REAL* APART gates, const REAL* APART before, const REAL* APART a,
    const REAL* APART dh, REAL* APART dc, REAL* APART deltas) {
    if (plain) {
        for (ptrdiff_t j = 0; j < n; j++) {
            const REAL i = gates[j], f = gates[n + j], g = gates[2 * n + j], o = gates[3 * n + j];
            const REAL d = dc[j] + dh[j] * o * (1 - a[j] * a[j]);
            deltas[j] = d * g * i * (1 - i);
            deltas[n + j] = d * before[j] * f * (1 - f);
            deltas[2 * n + j] = d * i * (1 - g * g);
            deltas[3 * n + j] = dh[j] * a[j] * o * (1 - o);
            dc[j] = d * f;
        }
        return;
    }
    for (ptrdiff_t j = 0; j < n; j++) {
        const REAL d = dc[j];
        deltas[j] = d * gates[2 * n + j];
        deltas[n + j] = d * before[j];
        deltas[2 * n + j] = d * gates[j];
        deltas[3 * n + j] = dh[j] * a[j];
        dc[j] = d * gates[n + j];
    }
}

/* h = z h + (1 - z) g from gates (z, r, g). */
static inline void NAME(gru_update)(ptrdiff_t n, const REAL* APART gates, REAL* APART h) {
    for (ptrdiff_t j = 0; j < n; j++) h[j] = gates[j] * h[j] + (1 - gates[j]) * gates[2 * n + j];
}

/* deltas of z and g (the first and the third n of 3 n, OUT); dh (n,) IN and OUT: the part that bypasses the gates. */
static inline void NAME(gru_deltas)(
    ptrdiff_t n, int plain, const REAL* APART gates, const REAL* APART before, REAL* APART dh, REAL* APART deltas) {
    for (ptrdiff_t j = 0; j < n; j++) {
        const REAL z = gates[j], g = gates[2 * n + j], d = dh[j];
        const REAL dz = d * (before[j] - g), dg = d * (1 - z);
        deltas[j] = plain ? dz * z * (1 - z) : dz;
        deltas[2 * n + j] = plain ? dg * (1 - g * g) : dg;
        dh[j] = d * z;
    }
}

/* Of q = r p, where the reset gate r is stored after z: dr OUT, dp OUT from dq; with `plain` dr is the delta before the
   sigmoid. */
static inline void NAME(reset_deltas)(
    ptrdiff_t n, int plain, const REAL* APART r, const REAL* APART p, const REAL* APART dq, REAL* APART dr,
    REAL* APART dp) {
    for (ptrdiff_t j = 0; j < n; j++) {
        const REAL d = dq[j] * p[j];
        dr[j] = plain ? d * r[j] * (1 - r[j]) : d;
        dp[j] = dq[j] * r[j];
    }
}
