cdef double EPSILON
