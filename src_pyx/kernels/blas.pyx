"""Matrix products of row-major, contiguous matrices.

BLAS is column-major. A row-major C of (m, n) is its column-major (n, m) transpose, and
C^T = B^T A^T, so each product below hands B first and A second. This file alone knows that.
"""

from scipy.linalg.cython_blas cimport dgemm, sgemm

include "blas_int.pxi"

# The largest dimension that this BLAS can be told; the engine refuses anything longer before it runs.
MAX_DIMENSION = 2 ** (8 * sizeof(blas_int) - 1) - 1


cdef inline void column_major_gemm(
    char trans_a, char trans_b, blas_int m, blas_int n, blas_int k,
    floating alpha, const floating* a, blas_int lda, const floating* b, blas_int ldb,
    floating beta, floating* c, blas_int ldc,
) noexcept nogil:
    if floating is float:
        sgemm(&trans_a, &trans_b, &m, &n, &k, &alpha, <float*>a, &lda, <float*>b, &ldb, &beta, c, &ldc)
    else:
        dgemm(&trans_a, &trans_b, &m, &n, &k, &alpha, <double*>a, &lda, <double*>b, &ldb, &beta, c, &ldc)


cdef void gemm_nn(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    floating alpha, const floating* a, const floating* b, floating beta, floating* c,
) noexcept nogil:
    """C = alpha A B + beta C, with A (m, k), B (k, n), C (m, n)."""
    column_major_gemm(c'n', c'n', n, m, k, alpha, b, n, a, k, beta, c, n)


cdef void gemm_nt(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    floating alpha, const floating* a, const floating* b, floating beta, floating* c,
) noexcept nogil:
    """C = alpha A B^T + beta C, with A (m, k), B (n, k), C (m, n)."""
    column_major_gemm(c't', c'n', n, m, k, alpha, b, k, a, k, beta, c, n)


cdef void gemm_tn(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    floating alpha, const floating* a, const floating* b, floating beta, floating* c,
) noexcept nogil:
    """C = alpha A^T B + beta C, with A (k, m), B (k, n), C (m, n)."""
    column_major_gemm(c'n', c't', n, m, k, alpha, b, n, a, m, beta, c, n)
