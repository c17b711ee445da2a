"""Parts of images, signals and volumes, repetitions, and resizing, channels last. See images.h and boxes.h."""

from cython cimport floating


cdef extern from "images.h" nogil:
    void take_box(
        const Py_ssize_t* whole, const Py_ssize_t* part, const Py_ssize_t* start, Py_ssize_t bytes, const char* x,
        char* y)
    void put_box(
        const Py_ssize_t* whole, const Py_ssize_t* part, const Py_ssize_t* start, Py_ssize_t bytes, const char* x,
        char* y)
    void add_taken_float(
        const Py_ssize_t* whole, const Py_ssize_t* part, const Py_ssize_t* start, const float* x, float* y)
    void add_taken_double(
        const Py_ssize_t* whole, const Py_ssize_t* part, const Py_ssize_t* start, const double* x, double* y)
    void add_put_float(
        const Py_ssize_t* whole, const Py_ssize_t* part, const Py_ssize_t* start, const float* x, float* y)
    void add_put_double(
        const Py_ssize_t* whole, const Py_ssize_t* part, const Py_ssize_t* start, const double* x, double* y)
    void repeat_volume_float(const Py_ssize_t* sizes, const Py_ssize_t* times, const float* x, float* y)
    void repeat_volume_double(const Py_ssize_t* sizes, const Py_ssize_t* times, const double* x, double* y)
    void sum_repeats_float(
        const Py_ssize_t* sizes, const Py_ssize_t* times, const float* x, bint add, float* sums, float* y)
    void sum_repeats_double(
        const Py_ssize_t* sizes, const Py_ssize_t* times, const double* x, bint add, double* sums, double* y)
    void add_up_rows_float(
        Py_ssize_t outputs, Py_ssize_t count, const Py_ssize_t* first, const Py_ssize_t* ends, const float* weights,
        const float* constants, const float* x, bint add, float* y)
    void add_up_rows_double(
        Py_ssize_t outputs, Py_ssize_t count, const Py_ssize_t* first, const Py_ssize_t* ends, const double* weights,
        const double* constants, const double* x, bint add, double* y)


cdef inline Py_ssize_t product(const Py_ssize_t* sizes) noexcept nogil:
    return sizes[0] * sizes[1] * sizes[2]


cdef void take(
    Py_ssize_t samples, const Box* box,
    const floating* x,          # (samples, whole of box) IN
    bint add,
    floating* y,                # (samples, part of box) OUT
) noexcept nogil:
    """Copy the part, or add it if `add`."""
    cdef Py_ssize_t s, whole = product(box.whole), part = product(box.part)
    for s in range(samples):
        if not add:
            take_box(
                box.whole, box.part, box.start, sizeof(floating), <const char*>(x + s * whole), <char*>(y + s * part)
            )
        elif floating is float:
            add_taken_float(box.whole, box.part, box.start, x + s * whole, y + s * part)
        else:
            add_taken_double(box.whole, box.part, box.start, x + s * whole, y + s * part)


cdef void put(
    Py_ssize_t samples, const Box* box,
    const floating* x,          # (samples, part of box) IN
    bint add,
    floating* y,                # (samples, whole of box) OUT
) noexcept nogil:
    """Copy the part, with zeros around it, or add it if `add`."""
    cdef Py_ssize_t s, whole = product(box.whole), part = product(box.part)
    for s in range(samples):
        if not add:
            put_box(
                box.whole, box.part, box.start, sizeof(floating), <const char*>(x + s * part), <char*>(y + s * whole)
            )
        elif floating is float:
            add_put_float(box.whole, box.part, box.start, x + s * part, y + s * whole)
        else:
            add_put_double(box.whole, box.part, box.start, x + s * part, y + s * whole)


cdef void repeat(
    Py_ssize_t samples, const Repeats* of,
    const floating* x,          # (samples, sizes) IN
    floating* y,                # (samples, sizes * times) OUT
) noexcept nogil:
    """Repeat planes, rows and pixels."""
    cdef Py_ssize_t s, width = product(of.sizes) * of.sizes[3], out_width = width * product(of.times)
    for s in range(samples):
        if floating is float:
            repeat_volume_float(of.sizes, of.times, x + s * width, y + s * out_width)
        else:
            repeat_volume_double(of.sizes, of.times, x + s * width, y + s * out_width)


cdef void sum_repeated(
    Py_ssize_t samples, const Repeats* of,
    const floating* x,          # (samples, sizes * times) IN
    bint add,
    floating* sums,             # (pixels of a row * their times, channels), destroyed
    floating* y,                # (samples, sizes) OUT
) noexcept nogil:
    """Write the sums over repetitions, or add them if `add`."""
    cdef Py_ssize_t s, width = product(of.sizes) * of.sizes[3], out_width = width * product(of.times)
    for s in range(samples):
        if floating is float:
            sum_repeats_float(of.sizes, of.times, x + s * out_width, add, sums, y + s * width)
        else:
            sum_repeats_double(of.sizes, of.times, x + s * out_width, add, sums, y + s * width)


cdef inline void add_up_rows(
    const Taps* taps, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t count,
    const floating* x,          # (inputs, count) IN
    bint add,
    floating* y,                # (end - begin, count) OUT
) noexcept nogil:
    """Compute the outputs begin:end along an axis."""
    cdef const floating* weights = <const floating*>taps.weights
    cdef const floating* constants = <const floating*>taps.constants + begin
    cdef const Py_ssize_t* first = taps.first + begin
    cdef const Py_ssize_t* ends = taps.ends + begin
    if floating is float:
        add_up_rows_float(end - begin, count, first, ends, weights, constants, x, add, y)
    else:
        add_up_rows_double(end - begin, count, first, ends, weights, constants, x, add, y)


cdef void resample(
    Py_ssize_t samples, Py_ssize_t channels, const Taps* tall, const Taps* wide,
    const floating* x,          # (samples, tall.inputs, wide.inputs, channels) IN
    bint add,
    floating* row,              # (wide.inputs, channels), destroyed
    floating* y,                # (samples, tall.outputs, wide.outputs, channels) OUT
) noexcept nogil:
    """Resize images, or add the result if `add`: each output row is a sum of rows, and then of pixels of this row.

    The height comes first, where the numbers of a whole row are contiguous. If the image becomes smaller, fewer rows
    are then left for the sums along the width. If it becomes larger, the order makes no difference.
    """
    cdef Py_ssize_t _, i
    for _ in range(samples):
        for i in range(tall.outputs):
            add_up_rows(tall, i, i + 1, wide.inputs * channels, x, False, row)
            add_up_rows(wide, 0, wide.outputs, channels, row, add, y)
            y += wide.outputs * channels
        x += tall.inputs * wide.inputs * channels
