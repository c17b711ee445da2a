"""Takes the samples of a batch forwards through layers and losses, and back.

A batch that is held in memory as a whole is divided among threads, and each takes its rows through all layers. If a
batch passes in blocks, each thread takes some of the blocks.
"""

from cpython.ref cimport PyObject
from libc.stdint cimport uint64_t

from cbackprop.compiled.engine.context cimport Context, describe
from cbackprop.compiled.engine.contexts cimport Contexts
from cbackprop.compiled.engine.division cimport block_begin, block_count, larger_first, part_rows, row_step, share
from cbackprop.compiled.engine.divisors cimport Divisors
from cbackprop.compiled.engine.failure cimport fail
from cbackprop.compiled.engine.feeds cimport Feeds
from cbackprop.compiled.engine.gradients cimport Samples
from cbackprop.compiled.engine.head cimport Head
from cbackprop.compiled.engine.network cimport Network
from cbackprop.compiled.engine.pieces cimport Pieces, Place
from cbackprop.compiled.engine.schedule cimport Schedule
from cbackprop.compiled.engine.tables cimport Table
from cbackprop.compiled.layers.layer cimport Batch, couples, ITEMS, Layer

cdef enum:
    MOST_GROUPS = 16        # groups of blocks whose gradients are summed apart
    MOST_SCHEDULES = 16     # that are kept, for batches of different sizes


cdef class Passes:
    """What each thread does with its samples of a batch.

    Parameters
    ----------
    network : Network
    feeds : Feeds
    contexts : Contexts
    pieces : Pieces
    divisors : Divisors
    """

    def __cinit__(
        self, Network network not None, Feeds feeds not None, Contexts contexts not None, Pieces pieces not None,
        Divisors divisors not None,
    ):
        self.network, self.run = network, network.run
        self.feeds, self.contexts, self.pieces, self.divisors = feeds, contexts, pieces, divisors

    cdef prepare(self, bint in_blocks, bint backwards, bint training, Py_ssize_t shared_rows):
        """Take over how the batches of a run pass, and find out in which order, and where threads meet.

        shared_rows : the rows of a batch if it is shared by several threads, else 0.
        """
        cdef Head head
        self.in_blocks, self.backwards, self.training = in_blocks, backwards, training
        if in_blocks or self.network.blas:      # the bits of BLAS may depend on the number of columns
            shared_rows = 0
        kind = training, in_blocks, shared_rows
        if kind not in self.network.schedules:
            if len(self.network.schedules) >= MOST_SCHEDULES:
                self.network.schedules = {}
            forwards = [layer for i, layer in enumerate(self.network.layers) if not self.network.linked[i]]
            back = [self.network.layers[self.network.backward_order[i]] for i in range(self.network.n_backward)]
            # Gradients of a block are computed after its backward pass.
            points = [] if in_blocks else self.network.points
            self.network.schedules[kind] = (
                Schedule(forwards, training, False, [], shared_rows),
                Schedule(back, training, True, points, shared_rows),
            )
        self.forward_schedule, self.backward_schedule = self.network.schedules[kind]
        self.meets = self.forward_schedule.meets or (backwards and self.backward_schedule.meets)
        for head in self.network.heads:
            self.meets = self.meets or head.couples_samples()

    def groups_of_blocks(self, Py_ssize_t rows):
        """The numbers of rows of the blocks in each group, for a batch of `rows` rows."""
        if rows < 1 or self.contexts.n_blocks == 0:
            raise ValueError("There are no blocks without rows, or before a run has reserved memory for them.")
        cdef Py_ssize_t count = block_count(rows, self.contexts.block_capacity), groups = self.group_count(rows), i
        begins = [block_begin(rows, self.contexts.block_step, i, count) for i in range(count + 1)]
        sizes = [end - begin for begin, end in zip(begins, begins[1:])]
        return [
            sizes[larger_first(count, groups, i):larger_first(count, groups, i + 1)] for i in range(groups)
        ]

    cdef Py_ssize_t group_count(self, Py_ssize_t rows) noexcept nogil:
        """The number of groups of blocks of a batch."""
        return min(block_count(rows, self.contexts.block_capacity), <Py_ssize_t>MOST_GROUPS)

    cdef reserve_vectors(self, Py_ssize_t rows, Py_ssize_t threads):
        """Reserve memory for the gradients of batches of up to `rows` rows, and decide how groups are added up.

        Beside the gradient vector, each thread needs one for its group. If groups are single blocks, a thread whose
        turn it is can do without. So a large network has one vector less, and a thread seldom has to wait for one.
        """
        cdef Py_ssize_t groups = self.group_count(rows), vectors = threads + 1
        self.adds_blocks = groups == block_count(rows, self.contexts.block_capacity)
        if self.adds_blocks:
            self.network.gradients.reserve_scratch()
            vectors -= self.network.gradients.is_large()
        self.network.gradients.set_vectors(min(groups, vectors))

    cdef void run_rows(self, Py_ssize_t thread, const Place* place, uint64_t iteration) noexcept nogil:
        """Run this thread's rows of a batch that is held as a whole."""
        cdef Py_ssize_t start = place.start, rows = place.rows
        cdef bint whole_parts = self.meets or self.network.blas
        cdef Py_ssize_t grain = part_rows(rows) if whole_parts else row_step(rows, self.run.team.size)
        cdef Py_ssize_t begin = share(rows, grain, thread, self.run.team.size)
        cdef Py_ssize_t end = share(rows, grain, thread + 1, self.run.team.size)
        if thread == 0 and self.run.team.size > 1:
            describe(
                self.contexts.whole, rows, self.training, iteration, place.first if self.backwards else start, 0,
                place.total, self.network.blas,
            )
            self.contexts.whole.refer(self.feeds.items, self.order, start)
        if begin < end or self.meets or self.network.masked:
            self.run_samples(thread, <Context>self.contexts.shares[thread], begin, place, begin, end - begin, iteration)

    cdef void run_blocks(self, Py_ssize_t thread, const Place* place, uint64_t iteration) noexcept nogil:
        """Run groups of blocks until none is left. A thread that is disturbed by other programs has fewer of them.

        The gradients of a group are added to the gradient vector when those of all groups before it have been. So the
        order of additions is the same with any number of threads.
        """
        cdef Py_ssize_t groups = self.group_count(place.rows), group = self.run.team.take()
        while group < groups:
            self.run_group(thread, place, iteration, group, groups)
            group = self.run.team.take()

    cdef void run_group(
        self, Py_ssize_t thread, const Place* place, uint64_t iteration, Py_ssize_t group, Py_ssize_t groups
    ) noexcept nogil:
        """Run one group of blocks and, in training, add up its gradients."""
        cdef bint learns = self.backwards and self.network.gradients is not None
        cdef Py_ssize_t rows = place.rows, count = block_count(rows, self.contexts.block_capacity), i, begin, end
        cdef Py_ssize_t first = larger_first(count, groups, group), last = larger_first(count, groups, group + 1)
        cdef Py_ssize_t vector = 0
        cdef const Batch* batch = &(<Context>self.contexts.blocks[thread]).batch
        for i in range(first, last):
            begin = block_begin(rows, self.contexts.block_step, i, count)
            end = block_begin(rows, self.contexts.block_step, i + 1, count)
            self.run_samples(thread, <Context>self.contexts.blocks[thread], 0, place, begin, end - begin, iteration)
            if not learns:
                continue
            if i == first and group:
                vector = self.take_vector(group)
            if group and vector == 0:
                self.network.gradients.add_block(batch)
            else:
                self.network.gradients.collect_block(batch, vector, i > first)
        if learns:
            self.run.team.await_turn(group)
            if vector:
                self.network.gradients.add_and_free(vector)
            self.run.team.pass_turn()

    cdef Py_ssize_t take_vector(self, Py_ssize_t group) noexcept nogil:
        """Take a vector for the gradients of a group. Return 0 if they can be added to the gradient vector at once."""
        cdef Py_ssize_t turn = self.run.team.turn(), vector
        while turn < group or not self.adds_blocks:
            vector = self.network.gradients.take_vector()
            if vector:
                return vector
            turn = self.run.team.await_turn(turn + 1)       # a vector becomes free before the turn passes on
        return 0

    cdef void run_samples(
        self, Py_ssize_t thread, Context context, Py_ssize_t shown, const Place* place, Py_ssize_t begin,
        Py_ssize_t rows, uint64_t iteration,
    ) noexcept nogil:
        """Run some of this process's rows of a batch, from `begin` on, through all layers and back."""
        cdef Py_ssize_t i, start = place.start
        context.show(shown, rows)
        describe(
            context, rows, self.training, iteration, (place.first if self.backwards else start) + begin,
            begin, place.total, self.network.blas,
        )
        if rows:
            context.fetch(self.feeds.items, self.order, start + begin)
        self.run_stages(thread, self.forward_schedule, context, start)
        if self.network.masked:
            self.weigh(thread, context, place, begin)
        for i in range(self.network.n_heads):
            self.run_head(thread, <Head>self.network.head_pointers[i], i, context, begin)
        if self.backwards:
            self.run_stages(thread, self.backward_schedule, context, start)

    cdef void run_stages(
        self, Py_ssize_t thread, Schedule schedule, Context context, Py_ssize_t start
    ) noexcept nogil:
        """Run one pass on the samples in a context, of the batch that begins at `start`."""
        cdef Py_ssize_t i
        for i in range(schedule.n_stages):
            if schedule.stages[i].kind == ITEMS:
                self.run_items(thread, schedule, i, start)
            elif context.batch.rows:
                schedule.run_rows(i, &context.batch)

    cdef void run_items(
        self, Py_ssize_t thread, Schedule schedule, Py_ssize_t stage, Py_ssize_t start
    ) noexcept nogil:
        """Run this thread's share of a stage of ITEMS, and of the gradients that are ready at its point."""
        cdef Batch batch        # all threads read it, so each changes a copy of its own
        self.run.team.meet(thread)
        if self.run.failure.error == NULL:
            batch = (<Context>self.whole_batch()).batch
            batch.workspace = (<Context>self.contexts.shares[thread]).batch.workspace
            schedule.run_items(stage, &batch, thread, self.run.team.size)
            if schedule.stages[stage].point >= 0 and self.network.gradients is not None:
                self.collect(thread, start, schedule.stages[stage].point)
        self.run.team.meet(thread)

    cdef void weigh(
        self, Py_ssize_t thread, Context context, const Place* place, Py_ssize_t begin
    ) noexcept nogil:
        """Set the weights of this thread's rows for heads with a mask and, when all threads are done, the divisors."""
        cdef Py_ssize_t i
        for i in range(self.network.n_heads):
            if (<Head>self.network.head_pointers[i]).sifts() and context.batch.rows:
                (<Head>self.network.head_pointers[i]).weigh(&context.batch, &context.targets[i], begin)
        self.run.team.meet(thread)
        if self.pieces.shared:
            self.add_counts(thread, place)
        else:
            self.divisors.set_masked(thread, place.rows)

    cdef void add_counts(self, Py_ssize_t thread, const Place* place) noexcept nogil:
        """Let ranks add up the counts of which divisors are made, if no rank can compute a divisor alone."""
        if thread == 0 and self.run.failure.error == NULL:
            self.divisors.count_pieces(self.order, place)
            self.add_counts_of_ranks()
        self.run.team.meet(thread)
        self.divisors.take_counts(thread)

    cdef void add_counts_of_ranks(self) noexcept with gil:
        try:
            self.pieces.ranks.add_counts(self.divisors.counts)
        except BaseException as error:
            fail(&self.run.failure, error)

    cdef void run_head(
        self, Py_ssize_t thread, Head head, Py_ssize_t i, Context context, Py_ssize_t begin
    ) noexcept nogil:
        """Compute losses and metrics of this thread's samples; a loss of the whole batch is run by the first thread."""
        cdef double divisor = self.divisors.of_thread[thread, i]
        cdef PyObject* whole
        if not head.couples_samples():
            if context.batch.rows:
                head.run(&context.batch, &context.targets[i], begin, divisor, self.backwards)
            return
        self.run.team.meet(thread)
        if thread == 0 and self.run.failure.error == NULL:
            whole = self.whole_batch()
            head.run(&(<Context>whole).batch, &(<Context>whole).targets[i], 0, divisor, self.backwards)
        self.run.team.meet(thread)

    cdef PyObject* whole_batch(self) noexcept nogil:
        """The context that sees all samples of a batch held as a whole."""
        return <PyObject*>self.contexts.whole if self.run.team.size > 1 else self.contexts.shares[0]

    cdef void collect(self, Py_ssize_t thread, Py_ssize_t start, Py_ssize_t point) noexcept nogil:
        """Compute this thread's parts of the gradients of a point, for a batch that is held as a whole."""
        cdef Batch batch = (<Context>self.whole_batch()).batch      # a copy, because all threads read the original
        cdef Samples samples = Samples(self.feeds.items, self.order, start, thread, self.run.team.size)
        cdef Py_ssize_t i
        batch.workspace = (<Context>self.contexts.shares[thread]).batch.workspace
        if point < self.network.gradients.n_points:
            self.network.gradients.collect_share(&batch, <Context>self.contexts.shares[thread], &samples, point)
        for i in range(self.network.n_tables if point == self.network.n_points else 0):
            if i % self.run.team.size == thread:
                (<Table>self.network.table_pointers[i]).collect(&batch)

    cdef void finish(self) noexcept nogil:
        """Let layers whose samples depend on each other update weights without a gradient, such as moving averages."""
        cdef Py_ssize_t i
        for i in range(self.network.n_layers):
            if not self.network.linked[i] and couples(<Layer>self.network.layer_pointers[i], self.training):
                (<Layer>self.network.layer_pointers[i]).finish(&(<Context>self.whole_batch()).batch)
