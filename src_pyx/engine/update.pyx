"""The end of a training step, once all threads have computed their parts of the gradients: merge, and update.

Between the two is a hook, `Learner.agree`. There all gradients of the batch are complete, and no weight has changed.
Ranks add up their gradients there. The gradients of penalties are added after that, once for all ranks.
"""

from cbackprop.compiled.engine.division cimport PARAMETER_STEP, share
from cbackprop.compiled.engine.network cimport Network
from cbackprop.compiled.engine.tables cimport Table
from cbackprop.compiled.optimizers.optimizer cimport Segment


cdef struct Division:
    # How the segments are divided among threads.
    bint undivided      # one thread has all of them, because the optimizer needs norms of whole gradients
    bint whole          # each segment is one thread's, because the optimizer works on whole variables


cdef Division division_of(Network network) noexcept nogil:
    cdef Division division = Division(False, False)
    if network.optimizer is not None:
        division.undivided = network.optimizer.limits_norms()
        division.whole = network.optimizer.whole
    return division


cdef Segment share_of(
    Network network, Py_ssize_t i, Division division, Py_ssize_t thread, Py_ssize_t threads
) noexcept nogil:
    """A thread's share of segment i; its size may be 0."""
    cdef Py_ssize_t size = network.segments.items[i].size, begin, end
    if division.undivided:
        begin, end = 0, size if thread == 0 else 0
    elif division.whole:
        begin, end = 0, size if network.segments.owner(i, threads) == thread else 0
    else:
        begin = share(size, PARAMETER_STEP, thread, threads)
        end = share(size, PARAMETER_STEP, thread + 1, threads)
    return network.segments.part(i, begin, end)


cdef void merge(Network network, Py_ssize_t thread, Py_ssize_t threads, Py_ssize_t rows) noexcept nogil:
    """Add up chunks in this thread's share of the gradients, for a batch of `rows` rows that is held as a whole."""
    cdef Segment part
    cdef Py_ssize_t i
    if not network.gradients.cuts:
        return
    for i in range(share_count(network, thread)):
        part = merged_share(network, i, thread, threads)
        if part.size:
            network.gradients.merge_chunks(&part, rows)


cdef void add_penalties(Network network, Py_ssize_t thread, Py_ssize_t threads) noexcept nogil:
    """Add the gradients of penalties to this thread's share of the gradients."""
    cdef Segment part
    cdef Py_ssize_t i
    if network.penalties is None:
        return
    for i in range(share_count(network, thread)):
        part = merged_share(network, i, thread, threads)
        if part.size:
            network.penalties.add_gradients(&part)


cdef Py_ssize_t share_count(Network network, Py_ssize_t thread) noexcept nogil:
    """The number of segments for `merged_share`: the optimizer's or, without an optimizer, one for the whole vector."""
    return network.segments.size if network.segments is not None else thread == 0


cdef Segment merged_share(Network network, Py_ssize_t i, Py_ssize_t thread, Py_ssize_t threads) noexcept nogil:
    if network.segments is None:
        return network.gradients.everything()
    return share_of(network, i, division_of(network), thread, threads)


cdef void take_step(Network network, Py_ssize_t thread, Py_ssize_t threads) noexcept nogil:
    """The optimizer's step over this thread's share of each segment and each table."""
    cdef Division division = division_of(network)
    cdef Segment part
    cdef Py_ssize_t i
    if division.undivided:
        if thread == 0:
            step_undivided(network)
        return
    for i in range(network.segments.size):
        part = share_of(network, i, division, thread, threads)
        if part.size:
            network.optimizer.step_part(&part)
    for i in range(network.n_tables):
        step_table(network, thread, threads, <Table>network.table_pointers[i])


cdef void step_table(Network network, Py_ssize_t thread, Py_ssize_t threads, Table table) noexcept nogil:
    """The optimizer's step over this thread's share of the rows that the batch has read."""
    cdef Py_ssize_t begin = share(table.sums.count, PARAMETER_STEP, thread, threads)
    cdef Py_ssize_t end = share(table.sums.count, PARAMETER_STEP, thread + 1, threads)
    cdef Segment part
    if begin == end:
        return
    part = table.part(begin, end)
    table.copy(begin, end, False)
    network.optimizer.step_part(&part)
    table.copy(begin, end, True)


cdef void step_undivided(Network network) noexcept nogil:
    """The optimizer's step over all segments in one thread, because it needs norms of whole gradients."""
    cdef Py_ssize_t n = network.segments.size, i
    if network.n_tables == 0:
        network.optimizer.step(network.segments.items, n)
        return
    for i in range(n):
        network.all_segments[i] = network.segments.items[i]
    for i in range(network.n_tables):
        copy_table(<Table>network.table_pointers[i], False)
        network.all_segments[n + i] = (<Table>network.table_pointers[i]).part(
            0, (<Table>network.table_pointers[i]).sums.count
        )
    network.optimizer.step(network.all_segments, n + network.n_tables)
    for i in range(network.n_tables):
        copy_table(<Table>network.table_pointers[i], True)


cdef void copy_table(Table table, bint back) noexcept nogil:
    table.copy(0, table.sums.count, back)
