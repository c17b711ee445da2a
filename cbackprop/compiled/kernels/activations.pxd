from cbackprop.compiled.kernels.activation_functions cimport Kernel


cdef class Activation:
    cdef Kernel kernel
    cdef double p[3]
    cdef readonly str name
