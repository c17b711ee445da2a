"""Activations a = f(z) and their backward pass delta <- delta f'(z), one pair of functions each.

Most take f' from y = f(z) alone, so that y may lie in z's memory; the others say so in `TABLE`.
A function of single elements sees a matrix as rows * width numbers; softmax works row by row.
"""

from cbackprop.compiled.kernels.elementary cimport exp, sigmoid, tanh


cdef dict KERNELS = {}


cdef class Entry:
    cdef Kernel kernel


cdef void register(
    str name, Forward32 forward32, Forward64 forward64, Backward32 backward32, Backward64 backward64,
    bint reads_input=False,
):
    cdef Entry entry = Entry()
    entry.kernel.forward32 = forward32
    entry.kernel.forward64 = forward64
    entry.kernel.backward32 = backward32
    entry.kernel.backward64 = backward64
    entry.kernel.reads_input = reads_input
    KERNELS[name] = entry


def names() -> list:
    """Names of all activations that have a kernel."""
    return sorted(KERNELS)


def reads_input(str name) -> bool:
    """Whether the backward pass of an activation needs z itself, not only f(z)."""
    return (<Entry>KERNELS[name]).kernel.reads_input


cdef class Activation:
    """An activation with its numbers, ready to run on arrays of either type."""

    def __init__(self, str name, tuple parameters=()):
        if name not in KERNELS or len(parameters) > 3:
            raise ValueError(f"There is no kernel for activation {name!r} with parameters {parameters!r}.")
        self.name = name
        self.kernel = (<Entry>KERNELS[name]).kernel
        for i, value in enumerate(parameters):
            self.p[i] = value

    @property
    def reads_input(self) -> bool:
        """Whether the backward pass needs z itself, not only f(z)."""
        return self.kernel.reads_input

    cdef void forward(
        self, const void* x, void* y, Py_ssize_t rows, Py_ssize_t width, bint is_double
    ) noexcept nogil:
        if is_double:
            self.kernel.forward64(<const double*>x, <double*>y, rows, width, self.p)
        else:
            self.kernel.forward32(<const float*>x, <float*>y, rows, width, self.p)

    cdef void backward(
        self, void* delta, const void* x, const void* y, Py_ssize_t rows, Py_ssize_t width, bint is_double
    ) noexcept nogil:
        if is_double:
            self.kernel.backward64(<double*>delta, <const double*>x, <const double*>y, rows, width, self.p)
        else:
            self.kernel.backward32(<float*>delta, <const float*>x, <const float*>y, rows, width, self.p)

    def apply(self, floating[:, ::1] x, floating[:, ::1] y):
        """y[:] = f(x)."""
        if x.shape[0] != y.shape[0] or x.shape[1] != y.shape[1]:
            raise ValueError("x and y must have the same shape.")
        if x.shape[0] and x.shape[1]:
            self.forward(&x[0, 0], &y[0, 0], x.shape[0], x.shape[1], sizeof(floating) == sizeof(double))

    def apply_backward(self, floating[:, ::1] delta, floating[:, ::1] x, floating[:, ::1] y):
        """delta[:] = delta f'(x), where y = f(x)."""
        if not (delta.shape[0] == x.shape[0] == y.shape[0] and delta.shape[1] == x.shape[1] == y.shape[1]):
            raise ValueError("delta, x and y must have the same shape.")
        if x.shape[0] and x.shape[1]:
            self.backward(&delta[0, 0], &x[0, 0], &y[0, 0], x.shape[0], x.shape[1], sizeof(floating) == sizeof(double))


cdef void linear_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = x."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = x[i]


cdef void linear_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1."""
    pass


register(
    "linear", linear_forward[float], linear_forward[double], linear_backward[float], linear_backward[double]
)


cdef void relu_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = max(x, 0)."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = x[i] if x[i] > 0 else 0


cdef void relu_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1 where y > 0, else 0."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] = delta[i] if y[i] > 0 else 0


register("relu", relu_forward[float], relu_forward[double], relu_backward[float], relu_backward[double])


cdef void sigmoid_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = 1 / (1 + e^-x)."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = sigmoid(x[i])


cdef void sigmoid_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = y (1 - y)."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] *= y[i] * (1 - y[i])


register(
    "sigmoid", sigmoid_forward[float], sigmoid_forward[double], sigmoid_backward[float], sigmoid_backward[double]
)


cdef void tanh_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y = tanh(x)."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        y[i] = tanh(x[i])


cdef void tanh_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """dy/dx = 1 - y^2."""
    cdef Py_ssize_t i
    for i in range(rows * width):
        delta[i] *= 1 - y[i] * y[i]


register("tanh", tanh_forward[float], tanh_forward[double], tanh_backward[float], tanh_backward[double])


cdef void softmax_forward(
    const floating* x, floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """y_j = e^(x_j - max x) / sum_k e^(x_k - max x), over every p[0]-th element of a row."""
    cdef Py_ssize_t inner = <Py_ssize_t>p[0], length = width // inner
    cdef Py_ssize_t r, c, j
    cdef floating largest, total
    for r in range(rows):
        for c in range(inner):
            largest = x[c]
            for j in range(1, length):
                largest = x[c + j * inner] if x[c + j * inner] > largest else largest
            total = 0
            for j in range(length):
                y[c + j * inner] = exp(x[c + j * inner] - largest)
                total += y[c + j * inner]
            for j in range(length):
                y[c + j * inner] /= total
        x += width
        y += width


cdef void softmax_backward(
    floating* delta, const floating* x, const floating* y, Py_ssize_t rows, Py_ssize_t width, const double* p
) noexcept nogil:
    """delta_j <- y_j (delta_j - sum_k delta_k y_k), over every p[0]-th element of a row."""
    cdef Py_ssize_t inner = <Py_ssize_t>p[0], length = width // inner
    cdef Py_ssize_t r, c, j
    cdef floating dot
    for r in range(rows):
        for c in range(inner):
            dot = 0
            for j in range(length):
                dot += delta[c + j * inner] * y[c + j * inner]
            for j in range(length):
                delta[c + j * inner] = y[c + j * inner] * (delta[c + j * inner] - dot)
        delta += width
        y += width


register(
    "softmax", softmax_forward[float], softmax_forward[double], softmax_backward[float], softmax_backward[double]
)
