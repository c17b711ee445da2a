"""The cells of recurrent layers, for one sample at one time step. The numbers are in the first-level cache.

Gates are stored one after the other, with n numbers each. On entry, `z` holds the gates' terms from the input, and
`more` those from the state. On return, `z` holds the results of the gates' functions. `before` (as long as `z`, OUT)
keeps their arguments, for functions whose derivatives need them; it is NULL if none does.
"""

from cython cimport floating
from libc.string cimport memcpy

from cbackprop.compiled.kernels.elementary cimport sigmoid, tanh

cdef extern from "recurrence.h" nogil:
    void lstm_update_float(Py_ssize_t n, const float* gates, float* before, float* c)
    void lstm_update_double(Py_ssize_t n, const double* gates, double* before, double* c)
    void lstm_state_float(Py_ssize_t n, const float* gates, const float* before, float* c)
    void lstm_state_double(Py_ssize_t n, const double* gates, const double* before, double* c)
    void times_float(Py_ssize_t n, const float* a, const float* x, float* y)
    void times_double(Py_ssize_t n, const double* a, const double* x, double* y)
    void lstm_deltas_float(
        Py_ssize_t n, bint plain, const float* gates, const float* before, const float* a, const float* dh, float* dc,
        float* deltas)
    void lstm_deltas_double(
        Py_ssize_t n, bint plain, const double* gates, const double* before, const double* a, const double* dh,
        double* dc, double* deltas)
    void gru_update_float(Py_ssize_t n, const float* gates, float* h)
    void gru_update_double(Py_ssize_t n, const double* gates, double* h)
    void gru_deltas_float(
        Py_ssize_t n, bint plain, const float* gates, const float* before, float* dh, float* deltas)
    void gru_deltas_double(
        Py_ssize_t n, bint plain, const double* gates, const double* before, double* dh, double* deltas)
    void reset_deltas_float(
        Py_ssize_t n, bint plain, const float* r, const float* p, const float* dq, float* dr, float* dp)
    void reset_deltas_double(
        Py_ssize_t n, bint plain, const double* r, const double* p, const double* dq, double* dr, double* dp)

cdef enum:
    # The functions of most cells, which are built in; others are called.
    CALLED = 0
    SIGMOID = 1
    TANH = 2


cdef Gate gate_of(Activation function):
    """The function of a gate. The caller keeps the object alive."""
    cdef int kind = {"sigmoid": SIGMOID, "tanh": TANH}.get(function.name, CALLED)
    return Gate(function.kernel, &function.p[0], kind)


cdef inline bint is_plain(const Gate* inner, const Gate* outer) noexcept nogil:
    """Whether the cell has the usual functions."""
    return inner.kind == SIGMOID and outer.kind == TANH


cdef void activate(
    const Gate* gate, Py_ssize_t n, Py_ssize_t count,
    const floating* more,       # (count n,) IN
    floating* before,           # (count n,) OUT: z + more, or NULL
    floating* z,                # (count n,) IN and OUT
) noexcept nogil:
    """z = f(z + more), for some adjacent gates."""
    cdef Py_ssize_t j
    if gate.kind == SIGMOID:
        for j in range(count * n):
            z[j] = sigmoid(z[j] + more[j])
    elif gate.kind == TANH:
        for j in range(count * n):
            z[j] = tanh(z[j] + more[j])
    else:
        for j in range(count * n):
            z[j] += more[j]
        for j in range(count):
            call(gate, n, behind(before, j * n), z + j * n)


cdef void call(const Gate* gate, Py_ssize_t n, floating* before, floating* z) noexcept nogil:
    """z = f(z). before (n,) OUT: the old z, or NULL."""
    if before != NULL:
        memcpy(before, z, n * sizeof(floating))
    if floating is float:
        gate.kernel.forward32(z, z, 1, n, gate.numbers)
    else:
        gate.kernel.forward64(z, z, 1, n, gate.numbers)


cdef void apply(const Gate* gate, Py_ssize_t n, const floating* x, floating* y) noexcept nogil:
    """y = f(x)."""
    cdef Py_ssize_t j
    if gate.kind == TANH:
        for j in range(n):
            y[j] = tanh(x[j])
    elif floating is float:
        gate.kernel.forward32(x, y, 1, n, gate.numbers)
    else:
        gate.kernel.forward64(x, y, 1, n, gate.numbers)


cdef void differentiate(
    const Gate* gate, Py_ssize_t n,
    const floating* before,     # (n,) IN: x, or NULL where the function does not need it
    const floating* y,          # (n,) IN: f(x)
    floating* delta,            # (n,) IN and OUT
) noexcept nogil:
    """delta = delta f'(x)."""
    if floating is float:
        gate.kernel.backward32(delta, before, y, 1, n, gate.numbers)
    else:
        gate.kernel.backward64(delta, before, y, 1, n, gate.numbers)


cdef inline floating* behind(floating* x, Py_ssize_t n) noexcept nogil:
    """x + n; NULL stays NULL."""
    return NULL if x == NULL else x + n


cdef inline const floating* behind_read(const floating* x, Py_ssize_t n) noexcept nogil:
    """x + n; NULL stays NULL."""
    return NULL if x == NULL else x + n


cdef void lstm_forward(
    Py_ssize_t n, const Gate* inner, const Gate* outer,
    const floating* more,       # (4 n,) IN
    floating* z,                # (4 n,) IN and OUT: gates i, f, g, o
    floating* before,           # (4 n,) OUT, or NULL
    floating* c_before,         # (n,) OUT: the previous cell state
    floating* c,                # (n,) IN and OUT
    floating* h,                # (n,) OUT
) noexcept nogil:
    """c = f c + i g, h = o outer(c)."""
    activate(inner, n, 2, more, before, z)
    activate(outer, n, 1, more + 2 * n, behind(before, 2 * n), z + 2 * n)
    activate(inner, n, 1, more + 3 * n, behind(before, 3 * n), z + 3 * n)
    if floating is float:
        lstm_update_float(n, z, c_before, c)
    else:
        lstm_update_double(n, z, c_before, c)
    apply(outer, n, c, h)
    multiply_gate(n, z + 3 * n, h)


cdef inline void multiply_gate(Py_ssize_t n, const floating* gate, floating* x) noexcept nogil:
    """x = gate x."""
    cdef Py_ssize_t j
    for j in range(n):
        x[j] *= gate[j]


cdef void lstm_backward(
    Py_ssize_t n, const Gate* inner, const Gate* outer,
    const floating* z,          # (4 n,) IN: gates i, f, g, o
    const floating* before,     # (4 n,) IN, or NULL
    const floating* c_before,   # (n,) IN
    const floating* dh,         # (n,) IN
    floating* dc,               # (n,) IN and OUT
    floating* deltas,           # (4 n,) OUT: deltas of the arguments of the gates' functions
    floating* spare,            # (3 n,), destroyed
) noexcept nogil:
    """The deltas of the gates and of the previous cell state, from those of h and c."""
    cdef floating* c = spare
    cdef floating* a = spare + n
    cdef floating* through = spare + 2 * n
    cdef bint plain = is_plain(inner, outer)
    cdef Py_ssize_t j
    if floating is float:
        lstm_state_float(n, z, c_before, c)
    else:
        lstm_state_double(n, z, c_before, c)
    apply(outer, n, c, a)
    if not plain:
        if floating is float:
            times_float(n, z + 3 * n, dh, through)
        else:
            times_double(n, z + 3 * n, dh, through)
        differentiate(outer, n, c, a, through)
        for j in range(n):
            dc[j] += through[j]
    if floating is float:
        lstm_deltas_float(n, plain, z, c_before, a, dh, dc, deltas)
    else:
        lstm_deltas_double(n, plain, z, c_before, a, dh, dc, deltas)
    if not plain:
        differentiate(inner, n, before, z, deltas)
        differentiate(inner, n, behind_read(before, n), z + n, deltas + n)
        differentiate(outer, n, behind_read(before, 2 * n), z + 2 * n, deltas + 2 * n)
        differentiate(inner, n, behind_read(before, 3 * n), z + 3 * n, deltas + 3 * n)


cdef void gru_forward(
    Py_ssize_t n, const Gate* inner, const Gate* outer,
    floating* more,             # (3 n,) IN, destroyed
    floating* z,                # (3 n,) IN and OUT: gates z, r, g
    floating* before,           # (3 n,) OUT, or NULL
    floating* product,          # (n,) OUT: the state's term of the candidate g, before the reset
    floating* h,                # (n,) IN and OUT
) noexcept nogil:
    """g = outer(x_g + r product), h = z h + (1 - z) g."""
    activate(inner, n, 2, more, before, z)
    memcpy(product, more + 2 * n, n * sizeof(floating))
    if floating is float:
        times_float(n, z + n, product, more)
    else:
        times_double(n, z + n, product, more)
    gru_candidate(n, outer, more, z, before, h)


cdef void gru_gates(
    Py_ssize_t n, const Gate* inner,
    const floating* more,       # (2 n,) IN
    const floating* h,          # (n,) IN
    floating* z,                # (2 n,) IN and OUT: gates z, r
    floating* before,           # (2 n,) OUT, or NULL
    floating* product,          # (n,) OUT
) noexcept nogil:
    """product = r h, which is then multiplied by the candidate's part of the recurrent kernel."""
    activate(inner, n, 2, more, before, z)
    if floating is float:
        times_float(n, z + n, h, product)
    else:
        times_double(n, z + n, h, product)


cdef void gru_candidate(
    Py_ssize_t n, const Gate* outer,
    const floating* more,       # (n,) IN: the state's term of the candidate
    floating* z,                # (3 n,) IN and OUT: gates z, r, g
    floating* before,           # (3 n,) OUT, or NULL
    floating* h,                # (n,) IN and OUT
) noexcept nogil:
    """g = outer(x_g + more), h = z h + (1 - z) g."""
    activate(outer, n, 1, more, behind(before, 2 * n), z + 2 * n)
    if floating is float:
        gru_update_float(n, z, h)
    else:
        gru_update_double(n, z, h)


cdef void gru_backward(
    Py_ssize_t n, const Gate* inner, const Gate* outer,
    const floating* z,          # (3 n,) IN: gates z, r, g
    const floating* before,     # (3 n,) IN, or NULL
    const floating* h_before,   # (n,) IN
    floating* dh,               # (n,) IN: delta of h, OUT: the part that bypasses the gates
    floating* deltas,           # (3 n,) OUT: the first and the last n
) noexcept nogil:
    """The deltas of the gates z and g, from that of h."""
    cdef bint plain = is_plain(inner, outer)
    if floating is float:
        gru_deltas_float(n, plain, z, h_before, dh, deltas)
    else:
        gru_deltas_double(n, plain, z, h_before, dh, deltas)
    if not plain:
        differentiate(inner, n, before, z, deltas)
        differentiate(outer, n, behind_read(before, 2 * n), z + 2 * n, deltas + 2 * n)


cdef void reset_backward(
    Py_ssize_t n, const Gate* inner,
    const floating* z,          # (3 n,) IN: gates z, r, g
    const floating* before,     # (3 n,) IN, or NULL
    const floating* p,          # (n,) IN
    const floating* dq,         # (n,) IN
    floating* dr,               # (n,) OUT: delta of the argument of the reset gate's function
    floating* dp,               # (n,) OUT
) noexcept nogil:
    """Back through q = r p."""
    cdef bint plain = inner.kind == SIGMOID
    if floating is float:
        reset_deltas_float(n, plain, z + n, p, dq, dr, dp)
    else:
        reset_deltas_double(n, plain, z + n, p, dq, dr, dp)
    if not plain:
        differentiate(inner, n, behind_read(before, n), z + n, dr)
