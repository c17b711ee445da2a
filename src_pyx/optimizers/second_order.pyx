"""Linear algebra of second-order methods: the two loops of L-BFGS, the normal equations of Levenberg-Marquardt.

The methods are called from Python and check the sizes of their arrays. Ordinary steps do not use them, and `update`
changes nothing.
"""

import numpy as np

from cython cimport floating
from scipy.linalg.cython_blas cimport dgemv, dsyrk
from scipy.linalg.cython_lapack cimport dposv

from cbackprop.compiled.optimizers.optimizer cimport Optimizer

include "../kernels/blas_int.pxi"


cdef double dot(Py_ssize_t n, const floating* x, const floating* y) noexcept nogil:
    """Sum of x_i y_i in double precision, in eight partial sums that do not wait for each other's additions."""
    cdef double parts[8]
    cdef Py_ssize_t i, k
    for k in range(8):
        parts[k] = 0
    for i in range(0, n - 7, 8):
        for k in range(8):
            parts[k] += <double>x[i + k] * y[i + k]
    for i in range(n - n % 8, n):
        parts[0] += <double>x[i] * y[i]
    return ((parts[0] + parts[1]) + (parts[2] + parts[3])) + ((parts[4] + parts[5]) + (parts[6] + parts[7]))


cdef void add_scaled(Py_ssize_t n, floating factor, const floating* x, floating* y) noexcept nogil:
    """y = y + factor x."""
    cdef Py_ssize_t i
    for i in range(n):
        y[i] += factor * x[i]


cdef void scale(Py_ssize_t n, floating factor, floating* x) noexcept nogil:
    """x = factor x."""
    cdef Py_ssize_t i
    for i in range(n):
        x[i] *= factor


cdef void two_loops(
    Py_ssize_t n, Py_ssize_t size, Py_ssize_t end, Py_ssize_t count, const floating* s, const floating* y,
    const double* rho, double* alpha, floating* d,
) noexcept nogil:
    """d = H d, with the inverse Hessian H of the last `count` pairs (Nocedal and Wright, algorithm 7.4).

    s, y (size, n) IN: ring buffers, with the last pair before `end`. rho (size,) IN: 1 / s.y. alpha (size,): destroyed.
    """
    cdef Py_ssize_t j, i
    for j in range(count):
        i = (end - 1 - j + size) % size
        alpha[i] = rho[i] * dot(n, s + i * n, d)
        add_scaled(n, <floating>-alpha[i], y + i * n, d)
    i = (end - 1 + size) % size
    scale(n, <floating>(1 / (rho[i] * dot(n, y + i * n, y + i * n))), d)
    for j in range(count - 1, -1, -1):
        i = (end - 1 - j + size) % size
        add_scaled(n, <floating>(alpha[i] - rho[i] * dot(n, y + i * n, d)), s + i * n, d)


cdef class LBFGS(Optimizer):
    def dot(self, const floating[::1] x, const floating[::1] y):
        """The product of two vectors, in double precision."""
        cdef double result
        if x.shape[0] != y.shape[0]:
            raise ValueError("The vectors differ in length.")
        if x.shape[0] == 0:
            return 0.0
        with nogil:
            result = dot(x.shape[0], &x[0], &y[0])
        return result

    def recur(
        self, const floating[:, ::1] s, const floating[:, ::1] y, const double[::1] rho, Py_ssize_t end,
        Py_ssize_t count, floating[::1] d,
    ):
        """d = H d, for the last `count` pairs before `end` in ring buffers."""
        cdef Py_ssize_t size = s.shape[0], n = d.shape[0]
        cdef double[::1] alpha = np.zeros(max(size, 1))
        if not (
            y.shape[0] == rho.shape[0] == size and s.shape[1] == y.shape[1] == n > 0
            and 0 < count <= size and 0 <= end < size
        ):
            raise ValueError("The pairs do not fit the vector.")
        with nogil:
            two_loops(n, size, end, count, &s[0, 0], &y[0, 0], &rho[0], &alpha[0], &d[0])


cdef class LevenbergMarquardt(Optimizer):
    def add(
        self, const double[:, ::1] jacobian, const double[::1] errors, double[:, ::1] squares, double[::1] gradient
    ):
        """squares += J'J in the lower triangle, gradient += J'r. BLAS reads row-major J as column-major J'."""
        cdef blas_int n = <blas_int>jacobian.shape[1], rows = <blas_int>jacobian.shape[0], one = 1
        cdef double unit = 1
        cdef char upper = c'u', plain = c'n'
        if not (
            errors.shape[0] == rows and squares.shape[0] == squares.shape[1] == gradient.shape[0] == n
            and jacobian.shape[0] == rows and jacobian.shape[1] == n
        ):
            raise ValueError("The normal equations do not fit the Jacobian.")
        if n == 0 or rows == 0:
            return
        with nogil:
            dsyrk(
                &upper, &plain, &n, &rows, &unit, <double*>&jacobian[0, 0], &n, &unit, &squares[0, 0], &n
            )
            dgemv(
                &plain, &n, &rows, &unit, <double*>&jacobian[0, 0], &n, <double*>&errors[0], &one, &unit,
                &gradient[0], &one,
            )

    def solve(self, const double[:, ::1] squares, const double[::1] gradient, const double[::1] damping):
        """Solve (A + diag(damping)) d = -g for d. None if rounding makes the matrix not positive definite."""
        cdef blas_int n = <blas_int>gradient.shape[0], one = 1, failed = 0
        cdef char upper = c'u'
        cdef Py_ssize_t i
        if not squares.shape[0] == squares.shape[1] == damping.shape[0] == n:
            raise ValueError("The normal equations do not fit each other.")
        solution = -np.asarray(gradient)
        matrix = np.array(squares)
        if n == 0:
            return solution
        cdef double[::1] d = solution
        cdef double[:, ::1] a = matrix
        with nogil:
            for i in range(n):
                a[i, i] += damping[i]
            dposv(&upper, &n, &one, &a[0, 0], &n, &d[0], &n, &failed)
        return None if failed else solution
