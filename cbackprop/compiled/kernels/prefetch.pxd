"""Prefetching of memory before it is read."""

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define CBACKPROP_PREFETCH(p) __builtin_prefetch(p)
    #define CBACKPROP_PREFETCH_TO_WRITE(p) __builtin_prefetch(p, 1)
    #else
    #define CBACKPROP_PREFETCH(p)
    #define CBACKPROP_PREFETCH_TO_WRITE(p)
    #endif
    """
    void prefetch "CBACKPROP_PREFETCH" (const void* p) noexcept nogil
    void prefetch_to_write "CBACKPROP_PREFETCH_TO_WRITE" (const void* p) noexcept nogil


cdef inline void prefetch_bytes(const void* p, Py_ssize_t bytes) noexcept nogil:
    """Prefetch `bytes` bytes into the cache, line by line."""
    cdef Py_ssize_t i
    for i in range(0, bytes, 64):
        prefetch(<const char*>p + i)
