"""Attention scores: a row for each key, a column for each query.

With this layout, loops over keys find the maximum score and the sum of weights for 16 queries at once, and no loop has
to sum the numbers within a vector. Rows have `width` numbers, a multiple of QUERY_STEP. Columns behind the last query
are computed too, but never used.
"""

from cython cimport floating
from libc.float cimport DBL_MAX, FLT_MAX
from libc.stdint cimport uint8_t

from cbackprop.compiled.kernels.elementary cimport exp, tanh
from cbackprop.compiled.kernels.sums cimport sum_of


cdef inline floating hidden_score(floating like) noexcept nogil:
    """The score of a hidden key: so low that its weight is 0 compared with any visible key."""
    return <floating>(-0.7 * FLT_MAX) if floating is float else <floating>(-0.7 * DBL_MAX)


cdef void clear_padding(Py_ssize_t keys, Py_ssize_t queries, Py_ssize_t width, floating* x) noexcept nogil:
    """Write zeros behind the last query of each row."""
    cdef Py_ssize_t _, r
    if queries == width:
        return
    for _ in range(keys):
        for r in range(queries, width):
            x[r] = 0
        x += width


cdef void scale_scores(Py_ssize_t n, floating factor, floating* x) noexcept nogil:
    """x <- factor x."""
    cdef Py_ssize_t i
    for i in range(n):
        x[i] *= factor


cdef void drop(
    Py_ssize_t n, floating scale,
    const uint8_t* keep,        # (n,) IN: 0 or 1
    const floating* x,          # (n,) IN
    floating* y,                # (n,) OUT, may be x itself
) noexcept nogil:
    """y = scale x where it is kept, else 0."""
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = x[i] * (scale if keep[i] else 0)


cdef inline void scaled_scores(
    Py_ssize_t keys, Py_ssize_t width, floating factor, const uint8_t* seen, floating* scores
) noexcept nogil:
    """scores <- factor scores, and a very low number for hidden keys."""
    cdef Py_ssize_t i
    cdef floating low = hidden_score(factor)
    cdef floating value
    if seen == NULL:
        scale_scores(keys * width, factor, scores)
        return
    for i in range(keys * width):
        value = factor * scores[i]
        scores[i] = value if seen[i] else low


cdef void first_weights(
    Py_ssize_t keys, Py_ssize_t width, floating factor,
    const uint8_t* seen,        # (keys, width) IN: 1 where a query sees a key; or NULL: all keys are seen
    bint hidden_is_zero,        # whether the weights of a query that sees no key are 0, not all equal
    floating* scores,           # (keys, width) IN, OUT the weights: exp(factor score - top) inverse
    floating* top,              # (width,) OUT: the greatest score
    floating* inverse,          # (width,) OUT: 1 / sum over keys of exp(factor score - top)
) noexcept nogil:
    """The softmax of factor scores, over keys."""
    cdef Py_ssize_t _, r
    cdef floating value
    cdef floating* row = scores
    scaled_scores(keys, width, factor, seen, scores)
    for r in range(width):
        top[r] = scores[r]
        inverse[r] = 0
    for _ in range(1, keys):
        row += width
        for r in range(width):
            value = row[r]
            top[r] = value if value > top[r] else top[r]
    row = scores
    for _ in range(keys):
        for r in range(width):
            value = exp(row[r] - top[r])
            row[r] = value
            inverse[r] += value
        row += width
    for r in range(width):
        inverse[r] = 1 / inverse[r]
    finish_weights(keys, width, seen, hidden_is_zero, inverse, scores)


cdef inline void finish_weights(
    Py_ssize_t keys, Py_ssize_t width, const uint8_t* seen, bint hidden_is_zero, const floating* inverse,
    floating* weights,
) noexcept nogil:
    """weights <- weights inverse, and 0 where a key is not seen if `hidden_is_zero`."""
    cdef Py_ssize_t _, r
    cdef floating value
    for _ in range(keys):
        if hidden_is_zero and seen != NULL:
            for r in range(width):
                value = weights[r] * inverse[r]
                weights[r] = value if seen[r] else 0
            seen += width
        else:
            for r in range(width):
                weights[r] *= inverse[r]
        weights += width


cdef void weights_again(
    Py_ssize_t keys, Py_ssize_t width, floating factor, const uint8_t* seen, bint hidden_is_zero,
    const floating* top,        # (width,) IN: of `first_weights`
    const floating* inverse,    # (width,) IN
    floating* scores,           # (keys, width) IN, OUT the weights
) noexcept nogil:
    """Compute the weights of `first_weights` again, to the last bit."""
    cdef Py_ssize_t _, r
    cdef floating* row = scores
    scaled_scores(keys, width, factor, seen, scores)
    for _ in range(keys):
        for r in range(width):
            row[r] = exp(row[r] - top[r])
        row += width
    finish_weights(keys, width, seen, hidden_is_zero, inverse, scores)


cdef void score_deltas(
    Py_ssize_t keys, Py_ssize_t width,
    const uint8_t* seen,        # (keys, width) IN, or NULL
    const floating* weights,    # (keys, width) IN
    floating* deltas,           # (keys, width) IN: of the weights, OUT: of the scores
    floating* totals,           # (width,), destroyed
) noexcept nogil:
    """deltas <- weights (deltas - sum over keys of weights deltas), and 0 for hidden keys."""
    cdef Py_ssize_t _, r
    cdef floating value
    cdef const floating* p = weights
    cdef floating* d = deltas
    for r in range(width):
        totals[r] = 0
    for _ in range(keys):
        for r in range(width):
            totals[r] += p[r] * d[r]
        p += width
        d += width
    for _ in range(keys):
        if seen == NULL:
            for r in range(width):
                deltas[r] = weights[r] * (deltas[r] - totals[r])
        else:
            for r in range(width):
                value = weights[r] * (deltas[r] - totals[r])
                deltas[r] = value if seen[r] else 0
            seen += width
        weights += width
        deltas += width


cdef void additive_scores(
    Py_ssize_t keys, Py_ssize_t width, Py_ssize_t features,
    const floating* k,          # (keys, features) IN, rows `k_row` apart
    Py_ssize_t k_row,
    const floating* queries,    # (features, width) IN
    const floating* weights,    # (features,) IN, `weight_step` apart
    Py_ssize_t weight_step,
    floating inner,
    floating* scores,           # (keys, width) OUT
) noexcept nogil:
    """scores[j, r] = sum over h of weights[h] tanh(inner (queries[h, r] + k[j, h]))."""
    cdef Py_ssize_t _, h, r
    cdef floating key, weight
    cdef const floating* query
    for _ in range(keys):
        for r in range(width):
            scores[r] = 0
        query = queries
        for h in range(features):
            key, weight = k[h], weights[h * weight_step]
            for r in range(width):
                scores[r] += weight * tanh(inner * (query[r] + key))
            query += width
        k += k_row
        scores += width


cdef void additive_deltas(
    Py_ssize_t keys, Py_ssize_t count, Py_ssize_t width, Py_ssize_t features, const floating* k, Py_ssize_t k_row,
    const floating* queries, const floating* weights, Py_ssize_t weight_step, floating inner,
    const floating* deltas,     # (keys, width) IN: of the scores of `count` queries
    floating* dk,               # (keys, features), rows `k_row` apart: added to; or NULL
    floating* dqueries,         # (features, width): added to
    floating* dweights,         # (features,), `weight_step` apart: added to; or NULL
    floating* dinner,           # (1,): added to; or NULL
    floating* spare,            # (3, width), destroyed
) noexcept nogil:
    """The derivatives of everything that `additive_scores` reads, from the deltas of scores."""
    cdef Py_ssize_t _, h, r
    cdef floating key, weight, t
    cdef floating* of_sum = spare
    cdef floating* of_weight = spare + width
    cdef floating* of_inner = spare + 2 * width
    for _ in range(keys):
        for h in range(features):
            key, weight = k[h], weights[h * weight_step]
            for r in range(width):
                t = tanh(inner * (queries[h * width + r] + key))
                of_weight[r] = deltas[r] * t
                of_sum[r] = deltas[r] * weight * (1 - t * t)
                of_inner[r] = of_sum[r] * (queries[h * width + r] + key)
                of_sum[r] *= inner
                dqueries[h * width + r] += of_sum[r]
            if dk != NULL:
                dk[h] += <floating>sum_of(count, <const floating*>of_sum, 1)
            if dweights != NULL:
                dweights[h * weight_step] += <floating>sum_of(count, <const floating*>of_weight, 1)
            if dinner != NULL:
                dinner[0] += <floating>sum_of(count, <const floating*>of_inner, 1)
        k += k_row
        if dk != NULL:
            dk += k_row
        deltas += width
