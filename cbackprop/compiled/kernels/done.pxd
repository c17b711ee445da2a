"""Called by a kernel when some of its results are done and still in the cache."""

# Called with (layer, batch, first, count): the rows first:first + count are done, counted through all samples.
ctypedef void (*Done)(void* layer, const void* batch, Py_ssize_t begin, Py_ssize_t count) noexcept nogil
