"""3 x 3 convolutions with fewer multiplications. Other packages may `cimport` them."""

from cython cimport floating

from cbackprop.compiled.kernels.done cimport Done


cdef struct Tiling:
    # How the output positions of a sample are divided into tiles of 2 x 2.
    Py_ssize_t in_height, in_width, channels
    Py_ssize_t top, left        # the place that the first position's first tap reads; negative outside of the input
    Py_ssize_t height, width, filters   # of the output
    Py_ssize_t rows, columns    # of tiles that are computed together
    const Py_ssize_t* at        # (rows columns,): the beginning of each tile's numbers in a plane


cdef bint winograd_pays(Py_ssize_t height, Py_ssize_t width, Py_ssize_t channels, Py_ssize_t filters) noexcept
cdef void choose_tiles(Tiling* tiling) noexcept
cdef Py_ssize_t kernel_room(const Tiling* tiling) noexcept
cdef Py_ssize_t tiles_room(const Tiling* tiling) noexcept nogil

cdef void pack_kernel(
    const Tiling* tiling, const floating* kernel, bint transposed, Py_ssize_t row_step, Py_ssize_t column_step,
    floating* panels,
) noexcept nogil

cdef void winograd(
    const Tiling* tiling, const floating* source, const floating* panels, const floating* bias, bint add, floating* out,
    floating* workspace, Done done, void* layer, const void* batch, Py_ssize_t position,
) noexcept nogil
