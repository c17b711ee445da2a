"""Elementary functions in the type of their argument."""

from cython cimport floating
from libc.math cimport erf as erf_double, erff, exp as exp_double, expf, expm1 as expm1_double, expm1f
from libc.math cimport fabs as fabs_double, fabsf, log as log_double, logf, log1p as log1p_double, log1pf
from libc.math cimport sqrt as sqrt_double, sqrtf, tanh as tanh_double, tanhf


cdef inline floating exp(floating x) noexcept nogil:
    return expf(x) if floating is float else exp_double(x)


cdef inline floating expm1(floating x) noexcept nogil:
    return expm1f(x) if floating is float else expm1_double(x)


cdef inline floating log(floating x) noexcept nogil:
    return logf(x) if floating is float else log_double(x)


cdef inline floating log1p(floating x) noexcept nogil:
    return log1pf(x) if floating is float else log1p_double(x)


cdef inline floating tanh(floating x) noexcept nogil:
    return tanhf(x) if floating is float else tanh_double(x)


cdef inline floating erf(floating x) noexcept nogil:
    return erff(x) if floating is float else erf_double(x)


cdef inline floating sqrt(floating x) noexcept nogil:
    return sqrtf(x) if floating is float else sqrt_double(x)


cdef inline floating fabs(floating x) noexcept nogil:
    return fabsf(x) if floating is float else fabs_double(x)


cdef inline floating sigmoid(floating x) noexcept nogil:
    """1 / (1 + e^-x), without overflow: the exponent is never positive."""
    cdef floating e = exp(-fabs(x))
    return (1 if x >= 0 else e) / (1 + e)


cdef inline floating softplus(floating x) noexcept nogil:
    """log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)."""
    return (x if x > 0 else 0) + log1p(exp(-fabs(x)))
