"""Dropout and alpha dropout, given a mask."""

cdef void dropout_forward(
    Py_ssize_t n, floating scale,
    const uint8_t* mask,        # (n,) IN: 0 or 1
    const floating* x,          # (n,) IN
    floating* y,                # (n,) OUT, may be x itself
) noexcept nogil:
    """y = scale x where the mask is 1, else 0."""
    cdef Py_ssize_t i
    cdef floating kept
    for i in range(n):
        kept = scale * x[i]     # outside of the condition: a branch here makes SSE2 code 15 times slower
        y[i] = kept if mask[i] else 0


cdef void dropout_backward(
    Py_ssize_t n, floating scale,
    const uint8_t* mask,        # (n,) IN: 0 or 1
    const floating* dy,         # (n,) IN
    floating* dx,               # (n,) OUT, may be dy itself
    bint add_dx,
) noexcept nogil:
    """dx = scale dy where the mask is 1, else 0."""
    cdef Py_ssize_t i
    cdef floating factor
    if add_dx:
        for i in range(n):
            factor = scale if mask[i] else 0    # selected first, so that vectors and single numbers round alike
            dx[i] += factor * dy[i]
    else:
        dropout_forward(n, scale, mask, dy, dx)


cdef void alpha_dropout_forward(
    Py_ssize_t n, floating a, floating b, floating dropped,
    const uint8_t* mask,        # (n,) IN: 0 or 1
    const floating* x,          # (n,) IN
    floating* y,                # (n,) OUT, may be x itself
) noexcept nogil:
    """y = a x + b where the mask is 1, else the value of dropped elements."""
    cdef Py_ssize_t i
    cdef floating kept
    for i in range(n):
        kept = x[i] * a + b
        y[i] = kept if mask[i] else dropped
