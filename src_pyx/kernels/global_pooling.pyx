"""Maxima and means of all positions of a sample (positions, channels), for each channel.

If there are few channels, several positions are treated as one position with more channels, so that vectors are full.
At the end, the results of these channels are combined.
"""

from cython cimport floating
from libc.math cimport INFINITY

from cbackprop.compiled.kernels.channels cimport add_rows


cdef enum:
    WIDE = 16       # the least channels of several positions together


cdef Py_ssize_t wide_channels(Py_ssize_t positions, Py_ssize_t channels) noexcept nogil:
    """The channels of all positions that are treated as one."""
    return channels * min(positions, max(1, WIDE // channels))


cdef void fold(Py_ssize_t wide, Py_ssize_t channels, double* total) noexcept nogil:
    """Add the other elements of total to the first `channels`."""
    cdef Py_ssize_t j
    for j in range(channels, wide):
        total[j % channels] += total[j]


cdef void global_mean(
    Py_ssize_t rows, Py_ssize_t positions, Py_ssize_t channels,
    const floating* x,          # (rows, positions, channels) IN
    double* total,              # (wide_channels,) destroyed
    floating* y,                # (rows, channels) OUT
) noexcept nogil:
    """y = the mean over positions."""
    cdef Py_ssize_t wide = wide_channels(positions, channels), size = positions * channels, groups = size // wide
    cdef Py_ssize_t _, c, j
    for _ in range(rows):
        for j in range(wide):
            total[j] = 0
        add_rows(groups, wide, wide, x, total)
        for j in range(size - groups * wide):
            total[j] += x[groups * wide + j]
        fold(wide, channels, total)
        for c in range(channels):
            y[c] = <floating>(total[c] / positions)
        x += size
        y += channels


cdef void masked_mean(
    Py_ssize_t rows, Py_ssize_t positions, Py_ssize_t channels,
    const floating* x,          # (rows, positions, channels) IN
    const floating* mask,       # (rows, positions) IN
    double* total,              # (channels,) destroyed
    floating* y,                # (rows, channels) OUT
) noexcept nogil:
    """y = the mean over positions whose mask is not 0; NaN if there are none."""
    cdef Py_ssize_t _, i, c, count
    for _ in range(rows):
        count = 0
        for c in range(channels):
            total[c] = 0
        for i in range(positions):
            if mask[i] != 0:
                count += 1
                for c in range(channels):
                    total[c] += x[i * channels + c]
        for c in range(channels):
            y[c] = <floating>(total[c] / <double>count)
        x += positions * channels
        mask += positions
        y += channels


cdef void put_row(Py_ssize_t width, const floating* delta, bint add, floating* dx) noexcept nogil:
    """dx = delta, or with `add` dx += delta."""
    cdef Py_ssize_t j
    if add:
        for j in range(width):
            dx[j] += delta[j]
    else:
        for j in range(width):
            dx[j] = delta[j]


cdef void global_mean_backward(
    Py_ssize_t rows, Py_ssize_t positions, Py_ssize_t channels,
    const floating* mask,       # (rows, positions) IN, or NULL
    const floating* dy,         # (rows, channels) IN
    floating* share,            # (wide_channels,) destroyed
    bint add,
    floating* dx,               # (rows, positions, channels) OUT, or with `add` IN and OUT
) noexcept nogil:
    """dx = dy / (number of positions that count) at these positions; 0 elsewhere."""
    cdef Py_ssize_t wide = wide_channels(positions, channels), size = positions * channels, groups = size // wide
    cdef Py_ssize_t _, i, c, count
    for _ in range(rows):
        count = positions
        if mask != NULL:
            count = 0
            for i in range(positions):
                count += mask[i] != 0
        for c in range(wide):
            share[c] = dy[c % channels] / <floating>count
        if mask == NULL:
            for i in range(groups):
                put_row(wide, share, add, dx + i * wide)
            put_row(size - groups * wide, share, add, dx + groups * wide)
        else:
            for i in range(positions):
                if mask[i] != 0:
                    put_row(channels, share, add, dx + i * channels)
                elif not add:
                    for c in range(channels):
                        dx[i * channels + c] = 0
            mask += positions
        dx += size
        dy += channels


cdef void raise_best(
    Py_ssize_t width,
    const floating* x,          # (width,) IN
    floating* best,             # (width,) IN and OUT
    floating* ties,             # (width,) IN and OUT
) noexcept nogil:
    """best = max(best, x), or NaN if one of them is NaN; ties: how many numbers were equal to it."""
    cdef Py_ssize_t j
    cdef bint more
    cdef floating now, before, again
    for j in range(width):
        now = x[j]
        before = best[j]
        more = (now > before) | (now != now)
        again = ties[j] + (1 if now == before else 0)   # outside of a condition, so that there is no branch
        best[j] = now if more else before
        ties[j] = 1 if more else again


cdef void raise_alone(Py_ssize_t width, const floating* x, floating* best) noexcept nogil:
    """Like `raise_best`, without ties."""
    cdef Py_ssize_t j
    cdef floating now, before
    for j in range(width):
        now = x[j]
        before = best[j]
        best[j] = now if (now > before) | (now != now) else before


cdef void global_max(
    Py_ssize_t rows, Py_ssize_t positions, Py_ssize_t channels,
    const floating* x,          # (rows, positions, channels) IN
    floating* spare,            # (2, wide_channels) destroyed
    floating* kept,             # (rows, 2, channels) OUT, or NULL: maxima, and how many numbers are equal to each
    floating* y,                # (rows, channels) OUT
) noexcept nogil:
    """y = the maximum over positions; NaN if there is any."""
    cdef Py_ssize_t wide = wide_channels(positions, channels), size = positions * channels, groups = size // wide
    cdef Py_ssize_t _, i, j, c, width
    cdef floating* best = spare
    cdef floating* ties = spare + wide
    for _ in range(rows):
        for j in range(wide):
            best[j], ties[j] = -INFINITY, 0
        for i in range(groups + 1):
            width = wide if i < groups else size - groups * wide
            if kept == NULL:
                raise_alone(width, x + i * wide, best)
            else:
                raise_best(width, x + i * wide, best, ties)
        for j in range(channels, wide):
            c = j % channels
            if best[j] > best[c] or best[j] != best[j]:
                best[c], ties[c] = best[j], ties[j]
            elif best[j] == best[c]:
                ties[c] += ties[j]
        for c in range(channels):
            y[c] = best[c]
        if kept != NULL:
            for c in range(channels):
                kept[c], kept[channels + c] = best[c], ties[c]
            kept += 2 * channels
        x += size
        y += channels


cdef void give_best(
    Py_ssize_t width,
    const floating* x,          # (width,) IN
    const floating* best,       # (width,) IN
    const floating* share,      # (width,) IN
    bint add,
    floating* dx,               # (width,) OUT, or with `add` IN and OUT
) noexcept nogil:
    """dx = share where x is the best."""
    cdef Py_ssize_t j
    if add:
        for j in range(width):
            dx[j] += share[j] if x[j] == best[j] else 0
    else:
        for j in range(width):
            dx[j] = share[j] if x[j] == best[j] else 0


cdef void global_max_backward(
    Py_ssize_t rows, Py_ssize_t positions, Py_ssize_t channels,
    const floating* x,          # (rows, positions, channels) IN
    const floating* kept,       # (rows, 2, channels) IN: what global_max kept
    const floating* dy,         # (rows, channels) IN
    floating* spare,            # (2, wide_channels) destroyed
    bint add,
    floating* dx,               # (rows, positions, channels) OUT, or with `add` IN and OUT
) noexcept nogil:
    """dx = dy / ties at all maxima, elsewhere 0."""
    cdef Py_ssize_t wide = wide_channels(positions, channels), size = positions * channels, groups = size // wide
    cdef Py_ssize_t _, i, j, c
    cdef floating* best = spare
    cdef floating* share = spare + wide
    for _ in range(rows):
        for j in range(wide):
            c = j % channels
            best[j] = kept[c]
            share[j] = dy[c] / kept[channels + c]
        for i in range(groups):
            give_best(wide, x + i * wide, best, share, add, dx + i * wide)
        give_best(size - groups * wide, x + groups * wide, best, share, add, dx + groups * wide)
        x += size
        dx += size
        dy += channels
        kept += 2 * channels
