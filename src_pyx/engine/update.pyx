"""What a step does to weights, once the gradients of a batch are there."""

from cbackprop.compiled.engine.division cimport PARAMETER_STEP, share
from cbackprop.compiled.engine.network cimport Network
from cbackprop.compiled.engine.tables cimport Table
from cbackprop.compiled.optimizers.optimizer cimport Segment


cdef void complete_gradients(Network network, Py_ssize_t groups) noexcept nogil:
    """Where there is no optimizer: what `step` does to the gradients."""
    cdef Segment everything = network.gradients.everything()
    network.gradients.merge(&everything, groups)
    if network.penalties is not None:
        network.penalties.add_gradients(&everything)


cdef void step(
    Network network, Py_ssize_t thread, Py_ssize_t threads, Py_ssize_t groups, bint update
) noexcept nogil:
    """Add up the groups' gradients and take the optimizer's step, over this thread's share of each segment.

    Without `update` or an optimizer no weight changes. Where one works on whole variables, some segments are one
    thread's share.
    """
    cdef bint changes = update and network.optimizer is not None
    cdef bint alone = changes and network.optimizer.limits_norms()
    cdef bint whole = changes and network.optimizer.whole
    cdef Py_ssize_t i, begin, end
    cdef Segment part
    if alone and thread > 0:
        return
    threads = 1 if alone else threads
    for i in range(network.segments.size):
        begin = share(network.segments.items[i].size, PARAMETER_STEP, thread, threads)
        end = share(network.segments.items[i].size, PARAMETER_STEP, thread + 1, threads)
        if whole:
            begin = 0
            end = network.segments.items[i].size if network.segments.owner(i, threads) == thread else 0
        if begin == end:
            continue
        part = network.segments.part(i, begin, end)
        network.gradients.merge(&part, groups)
        if network.penalties is not None:
            network.penalties.add_gradients(&part)
        if changes and not alone:
            network.optimizer.step_part(&part)
    if alone:
        step_alone(network)
    elif changes:
        for i in range(network.n_tables):
            step_table(network, thread, threads, <Table>network.table_pointers[i])


cdef void step_table(Network network, Py_ssize_t thread, Py_ssize_t threads, Table table) noexcept nogil:
    """The optimizer's step over this thread's share of the rows that the batch has reached."""
    cdef Py_ssize_t begin = share(table.sums.count, PARAMETER_STEP, thread, threads)
    cdef Py_ssize_t end = share(table.sums.count, PARAMETER_STEP, thread + 1, threads)
    cdef Segment part
    if begin == end:
        return
    part = table.part(begin, end)
    table.copy(begin, end, False)
    network.optimizer.step_part(&part)
    table.copy(begin, end, True)


cdef void step_alone(Network network) noexcept nogil:
    """The optimizer's step over everything, by one thread, because norms of whole gradients are needed."""
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
