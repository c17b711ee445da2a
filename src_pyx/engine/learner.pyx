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

from libc.stdint cimport int64_t, uint64_t

from cbackprop.compiled.engine.clock cimport now
from cbackprop.compiled.engine.contexts cimport Contexts
from cbackprop.compiled.engine.divisors cimport Divisors
from cbackprop.compiled.engine.failure cimport fail
from cbackprop.compiled.engine.feeds cimport Feeds
from cbackprop.compiled.engine.head cimport Head
from cbackprop.compiled.engine.network cimport Network
from cbackprop.compiled.engine.passes cimport Passes
from cbackprop.compiled.engine.pieces cimport Pieces, Place
from cbackprop.compiled.engine.run cimport Run
from cbackprop.compiled.engine.sums cimport Sums
from cbackprop.compiled.engine.update cimport add_penalties, merge, take_step
from cbackprop.compiled.kernels.random cimport draw_order
from cbackprop.compiled.layers.layer cimport Layer

# Steps between two looks at the clock. A step of the smallest networks takes little longer than such a look.
cdef int STEPS_BETWEEN_CLOCKS = 32

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
    cdef readonly Passes passes         # what threads do with their samples of a batch
    cdef readonly Sums sums
    cdef readonly double first_step     # seconds of the last run's first step, with the start of threads
    # The run that threads are in
    cdef Py_ssize_t start, stop
    cdef Py_ssize_t batch_size
    cdef bint update
    cdef bint any_python                # some metric is in Python
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
        self.passes = Passes(network, feeds, contexts, self.pieces, self.divisors)
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
        self.passes.prepare(in_blocks, backwards, training, most_rows if threads > 1 else 0)
        if in_blocks and (self.passes.meets or self.network.masked):
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
        self.passes.order = &order[0] if order is not None and order.shape[0] else NULL
        self.start, self.stop, self.batch_size = start, stop, batch_size
        self.any_python = self.has_python_metrics()
        self.divisors.reserve(threads)
        if backwards and in_blocks and self.network.gradients is not None:
            self.passes.reserve_vectors(batch_size, threads)
        self.first_step = now()
        self.run.work(train_thread, <void*>self, threads, tick)

    def most_rows(self, Py_ssize_t batch_size):
        """The largest number of rows of a batch that this process has."""
        return self.pieces.most_rows(batch_size)

    cdef bint has_parameters(self):
        """Whether a backward pass computes gradients of parameters. If not, it may still compute deltas of inputs."""
        cdef Py_ssize_t i
        for i in range(self.network.n_backward):
            if (<Layer>self.network.layer_pointers[self.network.backward_order[i]]).n_parameters:
                return True
        return False

    cdef bint has_python_metrics(self):
        """Whether some metric is in Python, and may fail."""
        cdef Head head
        for head in self.network.heads:
            if head.calls_python:
                return True
        return False

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
        self.divisors.set_batch(thread, self.passes.order, place.batch_start, place.batch_rows)
        if self.pieces.shared:
            if thread == 0:
                self.pieces.divide(&place)
            if not self.network.masked and self.pieces.own or self.network.masked and place.rows == 0:
                self.passes.add_counts(thread, &place)
        if self.passes.in_blocks:
            self.passes.run_blocks(thread, &place, iteration)
        elif place.rows:
            self.passes.run_rows(thread, &place, iteration)
        if self.network.penalties is not None:      # their divisor may depend on a mask
            self.network.penalties.evaluate(
                thread, self.run.team.size,
                (<Head>self.network.head_pointers[0]).row_divisor(self.divisors.of_thread[thread, 0]),
                self.passes.backwards, &self.run.failure,
            )
        if thread == 0 and self.update and self.network.optimizer is not None:
            self.network.optimizer.begin_batch(iteration, &self.run.failure)
        self.run.team.meet(thread)
        if thread == 0:
            self.run.team.restart()
        if self.any_python:     # a metric may fail, so it runs before the batch changes anything
            if thread == 0 and self.run.failure.error == NULL:
                self.add_up(&place)
            self.run.team.meet(thread)
        if self.run.failure.error != NULL:
            return False
        if thread == 0 and not self.any_python:
            self.add_up(&place)
        if self.passes.backwards and self.network.gradients is not None and not self.learn(thread, &place):
            return False
        if thread == 0 and self.update and self.passes.meets and place.rows:
            self.passes.finish()
        return True

    cdef bint learn(self, Py_ssize_t thread, const Place* place) noexcept nogil:
        """Compute this thread's parts of the gradients, and update its share of the weights.

        False, in all threads, if ranks or the exchange hook failed: then no weight has changed.
        """
        if place.rows == 0:
            if thread == 0:
                self.network.gradients.clear_all()
            self.run.team.meet(thread)
        else:
            if not self.passes.in_blocks:
                self.passes.collect(thread, place.start, self.network.n_points)
                self.run.team.meet(thread)
                merge(self.network, thread, self.run.team.size, place.rows)
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

    cdef void add_up(self, const Place* place) noexcept nogil:
        """Add the losses and metrics of a batch to the sums, in one thread."""
        cdef double batch_rows = place.batch_rows
        if place.rows:
            if self.pieces.own:
                batch_rows = self.divisors.count_of(self.network.n_heads)
            self.sums.add(place.rows, batch_rows, &self.divisors.of_thread[0, 0])
