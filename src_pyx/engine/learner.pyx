"""Trains a network, and tests it: runs batches through layers, losses and optimizer without the GIL.

A batch is held in memory as a whole if it is small enough or if its samples depend on each other. Then each thread
takes some of its rows through all layers, forwards and backwards. A larger batch passes in blocks, so that the output
of a layer is still in the cache when the next one reads it. Threads meet two or three times in a step: before gradients
and before parameters are computed. If layers need more than their own rows, the schedule adds meetings. The way in
which rows, blocks and parameters are divided changes no number: the same seed gives the same bits on any number of
threads.

The plan and `cbackprop.engine.compiled`, which builds these objects, have checked everything. This file checks again
only what could cause a read or write outside of an array.
"""

import numpy as np

from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from cbackprop.compiled.engine.clock cimport now
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
from cbackprop.compiled.engine.run cimport Run
from cbackprop.compiled.engine.schedule cimport Schedule
from cbackprop.compiled.engine.sums cimport Sums
from cbackprop.compiled.engine.tables cimport Table
from cbackprop.compiled.engine.update cimport add_penalties, merge, take_step
from cbackprop.compiled.kernels.random cimport draw_order
from cbackprop.compiled.layers.layer cimport Batch, couples, ITEMS, Layer

# Steps between two looks at the clock. A step of the smallest networks takes little longer than such a look.
cdef int STEPS_BETWEEN_CLOCKS = 32

cdef enum:
    MOST_GROUPS = 16        # groups of blocks with gradient vectors of their own


cdef void train_thread(void* learner, Py_ssize_t thread) noexcept nogil:
    (<Learner>learner).run_batches(thread)


cdef class Learner:
    """Runs a network forwards and back: trains and tests it.

    Parameters
    ----------
    network : Network
    feeds : Feeds
    contexts : Contexts
    """

    cdef Network network
    cdef Run run
    cdef Feeds feeds
    cdef Contexts contexts
    cdef Pieces pieces                  # which samples of a batch this process has
    cdef Divisors divisors
    cdef readonly Sums sums
    cdef readonly double first_step     # seconds of the last run's first step, with the start of threads
    # The run that threads are in
    cdef Py_ssize_t start, stop
    cdef bint training
    cdef const int64_t* order
    cdef Py_ssize_t batch_size
    cdef bint in_blocks, backwards, update
    cdef bint meets                     # some layer or loss needs more than the rows of one thread
    cdef bint any_python                # some metric is in Python
    cdef Schedule forward_schedule, backward_schedule
    cdef object exchange                # called when the gradients of a batch are complete, or None
    cdef bint exchanges
    cdef Py_ssize_t epoch_size          # samples of an epoch if the run has several epochs; else 0
    cdef int64_t* drawn                 # the orders of these epochs, which are drawn one by one
    cdef const uint64_t* keys           # from which each is drawn; NULL for the order of the data

    def __cinit__(self, Network network not None, Feeds feeds not None, Contexts contexts not None):
        self.network, self.feeds, self.contexts = network, feeds, contexts
        self.run = network.run
        self.pieces = Pieces()
        self.divisors = Divisors(network, feeds, self.pieces)
        self.sums = Sums(network, feeds)

    def set_exchange(self, exchange):
        """Set a function (or None) that every training step calls between the gradients and the update.

        It gets no arguments. It may read or change the gradient vector, which the optimizer uses afterwards. If it
        raises, the run ends before the step has changed a weight. Gradients of tables are not in the vector.
        """
        self.run.check_idle()
        if exchange is not None and self.network.n_tables:
            raise ValueError("Gradients of tables are not in the gradient vector.")
        self.exchange, self.exchanges = exchange, exchange is not None

    def set_ranks(self, ranks, Py_ssize_t first, Py_ssize_t n, Py_ssize_t total, bint own, bint in_order):
        """Share each batch with other processes; with `ranks` None, do not. See `Pieces.share`.

        Every step calls `ranks.add_gradients(samples)` between the gradients and the update. It calls
        `ranks.add_counts(counts)` if the divisors are not known before. Both add up numbers of all processes, in place.
        """
        self.run.check_idle()
        if ranks is not None and self.network.n_tables:
            raise ValueError("Gradients of tables are not in the gradient vector.")
        self.pieces.share(ranks, first, n, total, own, in_order)

    @property
    def piece_begins(self):
        """Where the pieces of the current batch begin, among the rows of this process."""
        return np.asarray(self.pieces.begins)

    # Running

    def train(
        self, const int64_t[::1] order, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size,
        bint in_blocks, bint update=True, bint training=True, Py_ssize_t threads=1, tick=None,
    ):
        """Train on the samples order[start:stop], a batch at a time, without the GIL.

        With `in_blocks`, batches pass in blocks. With `update` False, the gradients stay in the gradient vector, and no
        weight changes.
        `tick`, if given, is called about 20 times a second with the number of samples seen.
        """
        self.update = update
        self.run_range(order, start, stop, batch_size, in_blocks, True, training, threads, tick)

    def train_epochs(
        self, Py_ssize_t samples, const uint64_t[::1] keys, Py_ssize_t batch_size, bint in_blocks,
        double[:, ::1] sums not None, tick=None,
    ):
        """Train for as many epochs as `sums` has rows, in this thread alone, without the GIL.

        keys (epochs,) : of the order of each epoch, which is drawn when it begins; None for the order of the data.
        sums (epochs, `Sums.size_of_epoch`) : OUT, the sums of each epoch: its loss, the divisor of the loss, the loss
            of each head, and two sums of each metric. Only the first `Sums.epochs_done` rows are valid.
        """
        cdef Py_ssize_t epochs = sums.shape[0]
        if not 0 < samples < 2**32 or not epochs or sums.shape[1] != self.sums.size_of_epoch():
            raise ValueError("The samples or the sums do not fit.")
        if keys is not None and keys.shape[0] != epochs:
            raise ValueError("Each epoch needs a key.")
        cdef int64_t[::1] orders = np.empty(epochs * samples, np.int64)
        self.update = True
        self.epoch_size, self.drawn, self.keys = samples, &orders[0], NULL if keys is None else &keys[0]
        try:
            self.sums.begin_epochs(sums)
            self.run_range(orders, 0, epochs * samples, batch_size, in_blocks, True, True, 1, tick)
        finally:
            self.epoch_size = 0

    def test(
        self, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size, bint in_blocks, bint training=False,
        Py_ssize_t threads=1, tick=None,
    ):
        """Loss and metrics of the samples start:stop."""
        self.update = False
        self.run_range(None, start, stop, batch_size, in_blocks, False, training, threads, tick)

    cdef run_range(
        self, const int64_t[::1] order, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size,
        bint in_blocks, bint backwards, bint training, Py_ssize_t threads, tick,
    ):
        if self.epoch_size:     # the order is not drawn yet
            self.feeds.check(None, 0, self.epoch_size, batch_size)
        else:
            self.feeds.check(order, start, stop, batch_size)
        self.feeds.check_targets()
        self.contexts.check_staged(order is not None)
        self.sums.follow_heads()
        most = self.contexts.n_blocks if in_blocks else self.contexts.n_shares
        most_rows = self.most_rows(batch_size)
        if most_rows > self.network.head_capacity or threads > most or (
            not in_blocks and most_rows > self.contexts.whole_capacity
        ):
            raise ValueError("The engine has no memory for such a batch or so many threads.")
        self.in_blocks, self.backwards = in_blocks, backwards
        self.set_schedules(training)
        if in_blocks and (self.meets or self.network.masked):
            raise ValueError("A layer, a loss or a mask must see batches as a whole: they cannot pass in blocks.")
        for table in self.network.tables or [] if backwards else []:
            if in_blocks or table.capacity < min(table.rows, batch_size * table.reads):
                raise ValueError("A table has no room for the rows of such a batch.")
        if self.network.gradients is None and backwards and self.has_parameters():
            raise RuntimeError("The engine has no gradients.")
        gradients = self.network.gradients
        if gradients is not None and backwards and not in_blocks and not gradients.has_room(most_rows):
            raise ValueError("The engine has no memory for the gradients of such a batch.")
        if gradients is not None and gradients.n_points > len(self.network.points) + 1:
            raise ValueError("The gradients are to be computed at other points than the backward pass has.")
        self.order = &order[0] if order is not None and order.shape[0] else NULL
        self.start, self.stop, self.batch_size = start, stop, batch_size
        self.training = training
        self.divisors.reserve(threads)
        if backwards and in_blocks and self.network.gradients is not None:
            self.network.gradients.set_groups(min(self.group_count(batch_size), threads + 1))
        self.first_step = now()
        self.run.work(train_thread, <void*>self, threads, tick)

    def most_rows(self, Py_ssize_t batch_size):
        """The largest number of rows of a batch that this process has."""
        return self.pieces.most_rows(batch_size)

    def groups_of_blocks(self, Py_ssize_t rows):
        """The numbers of rows of the blocks in each group, for a batch of `rows` rows."""
        cdef Py_ssize_t count = block_count(rows, self.contexts.block_capacity), groups = self.group_count(rows), i
        begins = [block_begin(rows, self.contexts.block_step, i, count) for i in range(count + 1)]
        sizes = [end - begin for begin, end in zip(begins, begins[1:])]
        return [
            sizes[larger_first(count, groups, i):larger_first(count, groups, i + 1)] for i in range(groups)
        ]

    cdef bint has_parameters(self):
        """Whether a backward pass computes gradients of parameters. If not, it may still compute deltas of inputs."""
        cdef Py_ssize_t i
        for i in range(self.network.n_backward):
            if (<Layer>self.network.layer_pointers[self.network.backward_order[i]]).n_parameters:
                return True
        return False

    cdef set_schedules(self, bint training):
        """In which order this run goes through the layers, where threads meet, and whether metrics may fail."""
        cdef Head head
        if (training, self.in_blocks) not in self.network.schedules:
            forwards = [layer for i, layer in enumerate(self.network.layers) if not self.network.linked[i]]
            backwards = [self.network.layers[self.network.backward_order[i]] for i in range(self.network.n_backward)]
            # Gradients of a block are computed after its backward pass.
            points = [] if self.in_blocks else self.network.points
            self.network.schedules[training, self.in_blocks] = (
                Schedule(forwards, training, False, []), Schedule(backwards, training, True, points)
            )
        self.forward_schedule, self.backward_schedule = self.network.schedules[training, self.in_blocks]
        self.meets = self.forward_schedule.meets or (self.backwards and self.backward_schedule.meets)
        self.any_python = False
        for head in self.network.heads:
            self.meets = self.meets or head.couples_samples()
            self.any_python = self.any_python or head.calls_python

    cdef Py_ssize_t group_count(self, Py_ssize_t rows) noexcept nogil:
        """The number of groups of blocks of a batch."""
        return min(block_count(rows, self.contexts.block_capacity), <Py_ssize_t>MOST_GROUPS)

    cdef void run_batches(self, Py_ssize_t thread) noexcept nogil:
        """The work of each thread: its share of every batch."""
        cdef Py_ssize_t position = self.start, rows, steps = 0
        cdef uint64_t iteration = self.network.iteration
        cdef bint clock_each_step = self.work_of(self.batch_size) > 100_000
        while position < self.stop and not self.run.halt:
            if self.epoch_size and position % self.epoch_size == 0:
                self.draw_epoch(position)
            rows = self.rows_at(position)
            if not self.run_batch(thread, position, rows, iteration):
                return
            iteration += self.update
            position += rows
            steps += 1
            if thread == 0:
                if steps == 1:
                    self.first_step = now() - self.first_step
                self.network.iteration = iteration
                if self.epoch_size and position % self.epoch_size == 0:
                    self.sums.end_epoch()
                if clock_each_step or steps % STEPS_BETWEEN_CLOCKS == 0:
                    self.run.look_up(position - self.start)
            self.run.team.meet(thread)

    cdef void draw_epoch(self, Py_ssize_t begin) noexcept nogil:
        """Draw the order of the epoch that begins here."""
        cdef int64_t* order = self.drawn + begin
        cdef Py_ssize_t k
        if self.keys != NULL:
            draw_order(self.epoch_size, self.keys[begin // self.epoch_size], order)
            return
        for k in range(self.epoch_size):
            order[k] = k

    cdef Py_ssize_t rows_at(self, Py_ssize_t position) noexcept nogil:
        """Samples of the batch that begins at a position. The last one of an epoch may have fewer."""
        cdef Py_ssize_t left = self.stop - position
        if self.epoch_size:
            left = self.epoch_size - position % self.epoch_size
        return min(self.batch_size, left)

    cdef Py_ssize_t work_of(self, Py_ssize_t rows) noexcept nogil:
        """Roughly the floating point operations of a step."""
        return rows * (6 * self.network.segments.elements if self.network.segments is not None else 100_000)

    cdef bint run_batch(self, Py_ssize_t thread, Py_ssize_t start, Py_ssize_t rows, uint64_t iteration) noexcept nogil:
        """Run this thread's share of a batch. False, in all threads, if the step failed and has changed nothing."""
        cdef Place place = self.pieces.place_of(start, rows, self.batch_size)
        cdef Py_ssize_t groups = self.group_count(place.rows) if self.in_blocks else 1
        self.divisors.set_batch(thread, self.order, place.batch_start, place.batch_rows)
        if self.pieces.shared:
            if thread == 0:
                self.pieces.divide(&place)
            if not self.network.masked and self.pieces.own or self.network.masked and place.rows == 0:
                self.add_counts(thread, &place)
        if self.in_blocks:
            self.run_blocks(thread, &place, iteration, groups)
        elif place.rows:
            self.run_rows(thread, &place, iteration)
        if self.network.penalties is not None:      # their divisor may depend on a mask
            self.network.penalties.evaluate(
                thread, self.run.team.size,
                (<Head>self.network.head_pointers[0]).row_divisor(self.divisors.of_thread[thread, 0]), self.backwards,
                &self.run.failure,
            )
        if thread == 0 and self.update and self.network.optimizer is not None:
            self.network.optimizer.begin_batch(iteration, &self.run.failure)
        self.run.team.meet(thread)
        if self.any_python:     # a metric may fail, so it runs before the batch changes anything
            if thread == 0 and self.run.failure.error == NULL:
                self.add_up(&place)
            self.run.team.meet(thread)
        if self.run.failure.error != NULL:
            return False
        if thread == 0 and not self.any_python:
            self.add_up(&place)
        if self.backwards and self.network.gradients is not None:
            if place.rows == 0:
                if thread == 0:
                    self.network.gradients.clear_all()
                self.run.team.meet(thread)
            else:
                if not self.in_blocks:
                    self.collect(thread, place.start, self.network.n_points)
                    self.run.team.meet(thread)
                merge(
                    self.network, thread, self.run.team.size, self.vectors_left(groups),
                    0 if self.in_blocks else place.rows,
                )
            if self.pieces.shared and not self.agree(thread, place.batch_rows):
                return False
            add_penalties(self.network, thread, self.run.team.size)
            if self.exchanges and not self.agree(thread, 0):
                return False
            if self.update and self.network.optimizer is not None:
                take_step(self.network, thread, self.run.team.size)
            if self.update and self.network.projections is not None:
                self.run.team.meet(thread)
                self.network.projections.apply(thread, self.run.team.size, &self.run.failure)
        if thread == 0 and self.update and self.meets and place.rows:
            self.finish()
        return True

    cdef bint agree(self, Py_ssize_t thread, Py_ssize_t of_ranks) noexcept nogil:
        """When all threads have arrived, let ranks add up their gradients, or (`of_ranks` 0) call the exchange hook.

        of_ranks : the samples of the gradients. False, in all threads, if the call failed.
        """
        self.run.team.meet(thread)
        if thread == 0:
            self.exchange_gradients(of_ranks)
        self.run.team.meet(thread)
        return self.run.failure.error == NULL

    cdef void exchange_gradients(self, Py_ssize_t of_ranks) noexcept with gil:
        try:
            if of_ranks:
                self.pieces.ranks.add_gradients(of_ranks)
            else:
                self.exchange()
        except BaseException as error:
            fail(&self.run.failure, error)

    cdef void finish(self) noexcept nogil:
        """Let layers whose samples depend on each other update weights without a gradient, such as moving averages."""
        cdef Py_ssize_t i
        for i in range(self.network.n_layers):
            if not self.network.linked[i] and couples(<Layer>self.network.layer_pointers[i], self.training):
                (<Layer>self.network.layer_pointers[i]).finish(&(<Context>self.whole_batch()).batch)

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

    cdef void run_blocks(
        self, Py_ssize_t thread, const Place* place, uint64_t iteration, Py_ssize_t groups
    ) noexcept nogil:
        """Run this thread's groups of blocks, and sum their gradients.

        In each round every thread has one group. Before the next round, the vectors of these groups are added to the
        first vector, in order. So one vector more than there are threads is enough. `merge` adds those of the last
        round.
        """
        cdef Py_ssize_t threads = self.run.team.size, begin = 0
        cdef bint learns = self.backwards and self.network.gradients is not None
        while begin < groups:
            if begin and learns:
                self.run.team.meet(thread)
                self.network.gradients.merge_share(thread, threads, self.vectors_left(begin))
                self.run.team.meet(thread)
            if begin + thread < groups:
                # The first vector has become the sum.
                self.run_group(thread, place, iteration, begin + thread, groups, thread + (begin > 0), learns)
            begin += threads

    cdef Py_ssize_t vectors_left(self, Py_ssize_t groups) noexcept nogil:
        """How many gradient vectors `merge` adds up: the first, and those of the last round."""
        cdef Py_ssize_t rest = (groups - 1) % self.run.team.size + 1
        return rest + (groups > rest)

    cdef void run_group(
        self, Py_ssize_t thread, const Place* place, uint64_t iteration, Py_ssize_t group, Py_ssize_t groups,
        Py_ssize_t vector, bint learns,
    ) noexcept nogil:
        """Run one group of blocks, and sum its gradients in a vector."""
        cdef Py_ssize_t rows = place.rows, count = block_count(rows, self.contexts.block_capacity), i, begin, end
        cdef Py_ssize_t first = larger_first(count, groups, group)
        for i in range(first, larger_first(count, groups, group + 1)):
            begin = block_begin(rows, self.contexts.block_step, i, count)
            end = block_begin(rows, self.contexts.block_step, i + 1, count)
            self.run_samples(thread, <Context>self.contexts.blocks[thread], 0, place, begin, end - begin, iteration)
            if learns:
                self.network.gradients.collect_block(
                    &(<Context>self.contexts.blocks[thread]).batch, vector, i > first
                )

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

    cdef PyObject* whole_batch(self) noexcept nogil:
        """The context that sees all samples of a batch held as a whole."""
        return <PyObject*>self.contexts.whole if self.run.team.size > 1 else self.contexts.shares[0]

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

    cdef void add_up(self, const Place* place) noexcept nogil:
        """Add the losses and metrics of a batch to the sums, in one thread."""
        cdef double batch_rows = place.batch_rows
        if place.rows:
            if self.pieces.own:
                batch_rows = self.divisors.count_of(self.network.n_heads)
            self.sums.add(place.rows, batch_rows, &self.divisors.of_thread[0, 0])

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
