"""The compiled engine: runs batches through layers, losses and optimizer without the GIL.

A batch that is small enough is held in memory as a whole, and each thread takes some of its rows through all layers,
forwards and backwards; a larger one passes in tiles, so that what a layer writes is still in the cache when the next
one reads it. Threads meet two or three times a step, when gradients and then parameters can be computed. How rows,
tiles and parameters are divided changes no number: the same seed gives the same bits on any number of threads.

Everything here was checked by the plan and by `cbackprop.engine.compiled`, which builds it; what this
file checks again is only what would be a read or write outside of an array.
"""

import numpy as np

from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from cbackprop.compiled.engine.clock cimport now
from cbackprop.compiled.engine.context cimport Context, Feed, WEIGHTS
from cbackprop.compiled.engine.division cimport PARAMETER_STEP, ROW_STEP, TILE_STEP, share
from cbackprop.compiled.engine.failure cimport take_failure
from cbackprop.compiled.engine.gradients cimport Gradients
from cbackprop.compiled.engine.head cimport Head
from cbackprop.compiled.engine.network cimport Network
from cbackprop.compiled.engine.tables cimport Table
from cbackprop.compiled.engine.team cimport Team, Work
from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.kernels.vectors cimport all_finite
from cbackprop.compiled.layers.layer cimport Batch, Buffer, Layer, is_alone
from cbackprop.compiled.optimizers.optimizer cimport Segment

# Seconds between two looks at pending signals (and at the progress display), and how often the clock is read: a step
# of the smallest networks takes little longer than that.
cdef double TICK = 0.05
cdef int STEPS_BETWEEN_CLOCKS = 32


cdef void train_thread(void* engine, Py_ssize_t thread) noexcept nogil:
    (<Engine>engine).run_batches(thread)


cdef void predict_thread(void* engine, Py_ssize_t thread) noexcept nogil:
    (<Engine>engine).run_predictions(thread)


cdef class Engine(Network):
    """Runs a network: trains, tests and predicts.

    Arguments are those of `Network`.
    """

    cdef Team team
    cdef readonly double loss_total     # sum over samples since the last reset
    cdef readonly double loss_count
    # The run that threads are in
    cdef const int64_t* order
    cdef Py_ssize_t start, stop, batch_size
    cdef bint tiled, backwards, update, training
    cdef object tick, error
    cdef bint check, found_infinite     # whether inputs are to be checked as they are fetched; what came of it
    cdef bint halt                      # thread 0 to all: stop after this batch
    cdef bint any_alone
    cdef bint any_python                # some metric is in Python
    cdef double last_tick
    cdef double[:, ::1] divisors        # (threads, heads): of the current batch
    cdef size_t[::1] results            # addresses of predictions
    cdef Py_ssize_t[::1] result_buffers, result_bytes

    def __cinit__(self, list layers, list widths, bint is_double):
        self.team = Team()

    # Running

    def train(
        self, const int64_t[::1] order, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size,
        bint tiled, bint update=True, bint training=True, Py_ssize_t threads=1, tick=None,
    ):
        """Train on the samples order[start:stop], a batch at a time, all without the GIL.

        With `tiled`, batches pass in tiles. With `update` False the gradients are left in the gradient vector and
        nothing is changed.
        `tick`, if given, is called about 20 times a second with the number of samples seen.
        """
        self.update = update
        self.run(order, start, stop, batch_size, tiled, True, training, threads, tick)

    def test(
        self, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size, bint tiled, bint training=False,
        Py_ssize_t threads=1, tick=None,
    ):
        """Loss and metrics of the samples start:stop."""
        self.update = False
        self.run(None, start, stop, batch_size, tiled, False, training, threads, tick)

    cdef run(
        self, const int64_t[::1] order, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size,
        bint tiled, bint backwards, bint training, Py_ssize_t threads, tick,
    ):
        self.check_run(order, start, stop, batch_size)
        if batch_size > self.head_capacity or threads > (self.n_tiles if tiled else self.n_shares) or (
            not tiled and batch_size > self.whole_capacity
        ):
            raise ValueError("The engine has no memory for such a batch or so many threads.")
        self.tiled = tiled
        self.set_alone(training)
        if tiled and self.any_alone:
            raise ValueError("A layer or a loss must see batches as a whole: they cannot pass in tiles.")
        for table in self.tables or [] if backwards else []:
            if tiled or table.capacity < min(table.rows, batch_size * table.reads):
                raise ValueError("A table has no room for the rows of such a batch.")
        if self.gradients is None and backwards and self.n_backward:
            raise RuntimeError("The engine has no gradients.")
        self.order = &order[0] if order is not None and order.shape[0] else NULL
        self.start, self.stop, self.batch_size = start, stop, batch_size
        self.backwards, self.training = backwards, training
        if self.divisors is None or self.divisors.shape[0] < threads or self.divisors.shape[1] <= self.n_heads:
            self.divisors = np.empty((threads, self.n_heads + 1))
        self.divisors[:, :] = 1
        if backwards and tiled and self.gradients is not None:
            self.gradients.set_groups(self.group_count(batch_size))
        self.tick = tick
        self.run_team(train_thread, threads)

    cdef set_alone(self, bint training):
        """Find out which layers and losses see a batch of this run as a whole, and whether metrics may fail."""
        cdef Py_ssize_t i
        cdef Head head
        self.any_alone = self.any_python = False
        for i in range(self.n_layers):
            self.alone[i] = not self.linked[i] and is_alone(<Layer>self.layer_pointers[i], training)
            self.any_alone = self.any_alone or self.alone[i]
        for head in self.heads:
            self.any_alone = self.any_alone or head.is_alone()
            self.any_python = self.any_python or head.calls_python

    cdef run_team(self, Work work, Py_ssize_t threads):
        """Run `work` in threads, this one among them, and raise what went wrong meanwhile."""
        self.halt = False
        self.error = None
        self.last_tick = now()
        self.begin_run()
        try:
            self.team.start(threads, work, <void*>self)
            with nogil:
                work(<void*>self, 0)
                self.team.finish()
        finally:
            self.busy = False
            self.tick = None
        failure = take_failure(&self.failure)
        error, self.error = self.error, None
        if failure is not None:
            raise failure
        if error is not None:
            raise error

    def keep_team(self, bint kept):
        """Have threads wait for the next run when one ends, until told otherwise."""
        self.check_idle()
        self.team.kept = kept
        if not kept:
            with nogil:
                self.team.dismiss()

    def forget_team(self):
        """In a child process: threads stayed behind in the parent, and so did a run unless it is this thread's."""
        self.team.forget()
        if self.runner != PyThread_get_thread_ident():
            self.busy = False

    cdef void look_up(self, Py_ssize_t done) noexcept nogil:
        """Now and then, with the GIL: signals and the display. What they raise ends the run."""
        cdef double time = now()
        if time - self.last_tick < TICK:
            return
        with gil:
            try:
                PyErr_CheckSignals()
                if self.tick is not None:
                    self.tick(done)
            except BaseException as error:
                self.error = error
                self.halt = True
        self.last_tick = now()

    cdef Py_ssize_t group_count(self, Py_ssize_t rows) noexcept nogil:
        """How many groups of tiles have gradient vectors of their own."""
        return min((rows + self.tile_capacity - 1) // self.tile_capacity, <Py_ssize_t>16)

    cdef void run_batches(self, Py_ssize_t thread) noexcept nogil:
        """What each thread does: its share of every batch."""
        cdef Py_ssize_t position = self.start, rows, steps = 0
        cdef uint64_t iteration = self.iteration
        cdef bint clock_each_step = self.work_of(self.batch_size) > 100_000
        while position < self.stop and not self.halt:
            rows = min(self.batch_size, self.stop - position)
            if not self.run_batch(thread, position, rows, iteration):
                return
            iteration += self.update
            position += rows
            steps += 1
            if thread == 0:
                self.iteration = iteration
                if clock_each_step or steps % STEPS_BETWEEN_CLOCKS == 0:
                    self.look_up(position - self.start)
            self.team.meet(thread)

    cdef Py_ssize_t work_of(self, Py_ssize_t rows) noexcept nogil:
        """Roughly the floating point operations of a step."""
        return rows * (6 * self.segments.elements if self.segments is not None else 100_000)

    cdef bint run_batch(self, Py_ssize_t thread, Py_ssize_t start, Py_ssize_t rows, uint64_t iteration) noexcept nogil:
        """This thread's share of a batch; False, the same in all threads, if it has failed and changed nothing."""
        cdef Py_ssize_t groups = self.group_count(rows) if self.tiled else 1
        self.set_divisors(thread, start, rows)
        if self.penalties is not None:
            self.penalties.evaluate(
                thread, self.team.size, self.divisors[thread, 0], self.backwards, &self.failure
            )
        if self.tiled:
            self.run_tiles(thread, start, rows, iteration, groups)
        else:
            self.run_rows(thread, start, rows, iteration)
        if thread == 0 and self.update and self.optimizer is not None:
            self.optimizer.begin_batch(iteration, &self.failure)
        self.team.meet(thread)
        if self.any_python:     # a metric that may fail: before the batch changes anything
            if thread == 0 and self.failure.error == NULL:
                self.add_up(rows)
            self.team.meet(thread)
        if self.failure.error != NULL:
            return False
        if thread == 0 and not self.any_python:
            self.add_up(rows)
        if self.backwards and self.gradients is not None:
            if not self.tiled:
                self.collect(thread)
                self.team.meet(thread)
            if self.segments is not None:
                self.step(thread, groups)
            elif thread == 0:
                self.complete_gradients(groups)
            if self.update and self.projections is not None:
                self.team.meet(thread)
                self.projections.apply(thread, self.team.size, &self.failure)
        if thread == 0 and self.update and self.any_alone:
            self.finish()
        return True

    cdef void complete_gradients(self, Py_ssize_t groups) noexcept nogil:
        """Where there is no optimizer: what `step` does to the gradients."""
        cdef Segment everything = self.gradients.everything()
        self.gradients.merge(&everything, groups)
        if self.penalties is not None:
            self.penalties.add_gradients(&everything)

    cdef void finish(self) noexcept nogil:
        """Let layers that were alone with a batch change what no gradient reaches."""
        cdef Py_ssize_t i
        for i in range(self.n_layers):
            if self.alone[i]:
                (<Layer>self.layer_pointers[i]).finish(&(<Context>self.whole_batch()).batch)

    cdef void set_divisors(self, Py_ssize_t thread, Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
        """What each head's sum is divided by, for which all its weights in the batch may be needed."""
        cdef Py_ssize_t i, h
        for h in range(self.n_heads):
            self.divisors[thread, h] = (<Head>self.head_pointers[h]).divisor(rows, rows)
        for i in range(self.n_feeds):
            if self.feeds[i].role == WEIGHTS and self.feeds[i].buffer < 0:
                h = self.feeds[i].head
                self.divisors[thread, h] = (<Head>self.head_pointers[h]).divisor(
                    rows, self.total_weight(&self.feeds[i], start, rows)
                )

    cdef double total_weight(self, const Feed* feed, Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
        cdef Py_ssize_t r, j, positions = feed.row_bytes // <Py_ssize_t>sizeof(double)
        cdef const double* weights
        cdef double total = 0
        for r in range(start, start + rows):
            weights = <const double*>feed.data + (r if self.order == NULL else self.order[r]) * positions
            for j in range(positions):
                total += weights[j]
        return total

    cdef void run_rows(self, Py_ssize_t thread, Py_ssize_t start, Py_ssize_t rows, uint64_t iteration) noexcept nogil:
        """This thread's rows of a batch that is held as a whole."""
        cdef Py_ssize_t begin = share(rows, ROW_STEP, thread, self.team.size)
        cdef Py_ssize_t end = share(rows, ROW_STEP, thread + 1, self.team.size)
        if thread == 0 and self.team.size > 1:
            self.prepare(self.whole, rows, iteration, 0 if self.backwards else start - self.start)
            self.whole.refer(self.feeds, self.order, start)
        if begin < end or self.any_alone:
            self.run_samples(thread, <Context>self.shares[thread], begin, start, begin, end - begin, iteration)

    cdef void run_tiles(
        self, Py_ssize_t thread, Py_ssize_t start, Py_ssize_t rows, uint64_t iteration, Py_ssize_t groups
    ) noexcept nogil:
        """This thread's groups of tiles, and their gradients."""
        cdef Py_ssize_t count = (rows + self.tile_capacity - 1) // self.tile_capacity, group, first, i, begin, end
        for group in range(groups * thread // self.team.size, groups * (thread + 1) // self.team.size):
            first = count * group // groups
            for i in range(first, count * (group + 1) // groups):
                begin, end = share(rows, TILE_STEP, i, count), share(rows, TILE_STEP, i + 1, count)
                self.run_samples(thread, <Context>self.tiles[thread], 0, start, begin, end - begin, iteration)
                if self.backwards and self.gradients is not None:
                    self.gradients.collect_tile(&(<Context>self.tiles[thread]).batch, group, i > first)

    cdef void run_samples(
        self, Py_ssize_t thread, Context context, Py_ssize_t place, Py_ssize_t start, Py_ssize_t begin,
        Py_ssize_t rows, uint64_t iteration,
    ) noexcept nogil:
        """Rows from `begin` on of the batch that begins at `start`, through all layers and back."""
        cdef Py_ssize_t i, layer
        context.show(place, rows)
        self.prepare(context, rows, iteration, begin if self.backwards else start - self.start + begin)
        if rows:
            context.fetch(self.feeds, self.order, start + begin)
        for i in range(self.n_layers):
            if self.alone[i]:
                self.run_alone(thread, i, False)
            elif rows and not self.linked[i]:
                (<Layer>self.layer_pointers[i]).forward(&context.batch)
        for i in range(self.n_heads):
            self.run_head(thread, <Head>self.head_pointers[i], i, context, begin)
        if not self.backwards:
            return
        for i in range(self.n_backward):
            layer = self.backward_order[i]
            if self.alone[layer]:
                self.run_alone(thread, layer, True)
            elif rows:
                (<Layer>self.layer_pointers[layer]).backward(&context.batch)

    cdef void prepare(self, Context context, Py_ssize_t rows, uint64_t iteration, Py_ssize_t first) noexcept nogil:
        context.batch.rows = rows
        context.batch.training = self.training
        context.batch.iteration = iteration
        context.batch.first = first

    cdef PyObject* whole_batch(self) noexcept nogil:
        """The context that sees all samples of a batch held as a whole."""
        return <PyObject*>self.whole if self.team.size > 1 else self.shares[0]

    cdef void run_alone(self, Py_ssize_t thread, Py_ssize_t layer, bint back) noexcept nogil:
        """Have the first thread run a layer on the whole batch, while the others wait."""
        cdef const Batch* batch = &(<Context>self.whole_batch()).batch
        self.team.meet(thread)
        if thread == 0 and self.failure.error == NULL:
            if back:
                (<Layer>self.layer_pointers[layer]).backward(batch)
            else:
                (<Layer>self.layer_pointers[layer]).forward(batch)
        self.team.meet(thread)

    cdef void run_head(
        self, Py_ssize_t thread, Head head, Py_ssize_t i, Context context, Py_ssize_t begin
    ) noexcept nogil:
        """Losses and metrics of this thread's samples; or of all, by the first thread, if the loss must see all."""
        cdef double divisor = self.divisors[thread, i]
        cdef PyObject* whole
        if not head.is_alone():
            if context.batch.rows:
                head.run(&context.batch, &context.targets[i], begin, divisor, self.backwards)
            return
        self.team.meet(thread)
        if thread == 0 and self.failure.error == NULL:
            whole = self.whole_batch()
            head.run(&(<Context>whole).batch, &(<Context>whole).targets[i], 0, divisor, self.backwards)
        self.team.meet(thread)

    cdef void add_up(self, Py_ssize_t rows) noexcept nogil:
        """Losses and metrics of a batch, by one thread."""
        cdef Py_ssize_t i
        cdef double loss
        cdef bint weighted
        for i in range(self.n_heads):
            weighted = (<Context>(self.tiles[0] if self.tiled else self.shares[0])).targets[i].weights != NULL
            loss = (<Head>self.head_pointers[i]).add_up(rows, weighted, self.divisors[0, i])
            self.head_loss_totals[i] += loss * rows
            self.loss_total += (<Head>self.head_pointers[i]).loss_weight * loss * rows
        if self.penalties is not None:
            self.loss_total += self.penalties.total() * rows
        self.loss_count += rows

    cdef void collect(self, Py_ssize_t thread) noexcept nogil:
        """This thread's parts of the gradient of a batch that is held as a whole."""
        cdef Batch batch = (<Context>self.whole_batch()).batch      # seen by all threads, so each works with a copy
        cdef Py_ssize_t i
        batch.workspace = (<Context>self.shares[thread]).batch.workspace
        self.gradients.collect_share(&batch, thread, self.team.size)
        for i in range(self.n_tables):
            if i % self.team.size == thread:
                (<Table>self.table_pointers[i]).collect(&batch)

    cdef void step(self, Py_ssize_t thread, Py_ssize_t groups) noexcept nogil:
        """Add up the groups' gradients and take the optimizer's step, over this thread's share of each segment.

        Where an optimizer works on whole variables, some of the segments are this thread's share.
        """
        cdef bint update = self.update and self.optimizer is not None
        cdef bint alone = update and self.optimizer.limits_norms()
        cdef bint whole = update and self.optimizer.whole
        cdef Py_ssize_t threads = 1 if alone else self.team.size, i, begin, end
        cdef Segment part
        if alone and thread > 0:
            return
        for i in range(self.segments.size):
            begin = share(self.segments.items[i].size, PARAMETER_STEP, thread, threads)
            end = share(self.segments.items[i].size, PARAMETER_STEP, thread + 1, threads)
            if whole:
                begin = 0
                end = self.segments.items[i].size if self.segments.owner(i, threads) == thread else 0
            if begin == end:
                continue
            part = self.segments.part(i, begin, end)
            self.gradients.merge(&part, groups)
            if self.penalties is not None:
                self.penalties.add_gradients(&part)
            if update and not alone:
                self.optimizer.step_part(&part)
        if alone:
            self.step_alone()
        elif update:
            for i in range(self.n_tables):
                self.step_table(thread, <Table>self.table_pointers[i])

    cdef void step_table(self, Py_ssize_t thread, Table table) noexcept nogil:
        """The optimizer's step over this thread's share of the rows that the batch has reached."""
        cdef Py_ssize_t begin = share(table.sums.count, PARAMETER_STEP, thread, self.team.size)
        cdef Py_ssize_t end = share(table.sums.count, PARAMETER_STEP, thread + 1, self.team.size)
        cdef Segment part
        if begin == end:
            return
        part = table.part(begin, end)
        table.copy(begin, end, False)
        self.optimizer.step_part(&part)
        table.copy(begin, end, True)

    cdef void step_alone(self) noexcept nogil:
        """The optimizer's step over everything, by one thread, because norms of whole gradients are needed."""
        cdef Py_ssize_t n = self.segments.size, i
        if self.n_tables == 0:
            self.optimizer.step(self.segments.items, n)
            return
        for i in range(n):
            self.all_segments[i] = self.segments.items[i]
        for i in range(self.n_tables):
            self.copy_table(<Table>self.table_pointers[i], False)
            self.all_segments[n + i] = (<Table>self.table_pointers[i]).part(
                0, (<Table>self.table_pointers[i]).sums.count
            )
        self.optimizer.step(self.all_segments, n + self.n_tables)
        for i in range(self.n_tables):
            self.copy_table(<Table>self.table_pointers[i], True)

    cdef void copy_table(self, Table table, bint back) noexcept nogil:
        table.copy(0, table.sums.count, back)

    # Derivatives of single samples

    def jacobian(
        self, Py_ssize_t start, Py_ssize_t stop, Gradients gradients, derivatives, double[::1] errors,
        bint training=True,
    ):
        """Errors of the numbers predicted for the samples start:stop, and the derivatives of each.

        derivatives (numbers, parameters) of the engine's float type, of which `gradients` describes a row, and errors
        (numbers,): prediction - target, sample by sample, in a sample head by head, of those heads that have a loss.
        """
        cdef Py_ssize_t numbers = 0, begin
        cdef Head head
        self.check_run(None, start, stop, 1)
        for head in self.heads:
            numbers += head.positions * head.width if head.loss is not None else 0
        if not self.n_tiles or any(self.linked[i] for i in range(self.n_layers)):
            raise RuntimeError("The engine has no memory, or a loss has taken over a layer.")
        if derivatives.ndim != 2 or gradients.size > derivatives.shape[1] or (
            not derivatives.shape[0] == errors.shape[0] == (stop - start) * numbers
        ):
            raise ValueError("The arrays do not fit the network.")
        self.order, self.training = NULL, training
        cdef char* rows = <char*>address(derivatives, self.float_type(), derivatives.size)
        cdef Py_ssize_t row_bytes = derivatives.shape[1] * derivatives.itemsize
        self.begin_run()
        try:
            with nogil:
                begin = start
                while begin < stop and self.failure.error == NULL:
                    self.differentiate(
                        <Context>self.tiles[0], begin, min(self.tile_capacity, stop - begin), numbers, gradients,
                        rows + (begin - start) * numbers * row_bytes, row_bytes, &errors[(begin - start) * numbers],
                    )
                    begin += self.tile_capacity
        finally:
            self.busy = False
        failure = take_failure(&self.failure)
        if failure is not None:
            raise failure

    cdef void differentiate(
        self, Context context, Py_ssize_t begin, Py_ssize_t rows, Py_ssize_t numbers, Gradients gradients,
        char* derivatives, Py_ssize_t row_bytes, double* errors,
    ) noexcept nogil:
        """A tile: a pass forwards and back for each predicted number. Layers may destroy what they have read."""
        cdef Py_ssize_t h, k, i, r, number = 0
        for h in range(self.n_heads):
            if (<Head>self.head_pointers[h]).loss is None:
                continue
            for k in range((<Head>self.head_pointers[h]).positions * (<Head>self.head_pointers[h]).width):
                context.show(0, rows)
                self.prepare(context, rows, self.iteration, begin)
                context.fetch(self.feeds, NULL, begin)
                for i in range(self.n_layers):
                    (<Layer>self.layer_pointers[i]).forward(&context.batch)
                for i in range(self.n_heads):
                    self.seed(context, i, k if i == h else -1, numbers, errors + number)
                for i in range(self.n_backward):
                    (<Layer>self.layer_pointers[self.backward_order[i]]).backward(&context.batch)
                for r in range(rows):
                    context.show(r, 1)
                    self.prepare(context, 1, self.iteration, begin + r)
                    context.refer(self.feeds, NULL, begin + r)
                    gradients.collect_all(&context.batch, derivatives + (r * numbers + number) * row_bytes, False)
                number += 1

    cdef void seed(
        self, Context context, Py_ssize_t h, Py_ssize_t k, Py_ssize_t numbers, double* errors
    ) noexcept nogil:
        """The deltas of a head: 1 for number k of each sample, whose errors are noted, else 0 (k = -1: all 0)."""
        cdef Py_ssize_t width = (<Head>self.head_pointers[h]).positions * (<Head>self.head_pointers[h]).width, r
        cdef Buffer* buffer = &context.batch.buffers[(<Head>self.head_pointers[h]).output]
        cdef const void* targets = context.targets[h].values
        if (<Head>self.head_pointers[h]).loss is None or buffer.delta == NULL:
            return
        memset(buffer.delta, 0, context.batch.rows * width * (8 if self.is_double else 4))
        if k < 0:
            return
        for r in range(context.batch.rows):
            if self.is_double:
                (<double*>buffer.delta)[r * width + k] = 1
                errors[r * numbers] = (<double*>buffer.value)[r * width + k] - (<double*>targets)[r * width + k]
            else:
                (<float*>buffer.delta)[r * width + k] = 1
                errors[r * numbers] = (
                    <double>(<float*>buffer.value)[r * width + k] - (<float*>targets)[r * width + k]
                )

    # Predicting

    def predict(
        self, Py_ssize_t start, Py_ssize_t stop, list outputs, list results, bint training=False,
        Py_ssize_t threads=1, tick=None, bint check=False,
    ):
        """Write the buffers `outputs` of the samples start:stop into the arrays `results`.

        False if `check` and a number of the inputs is NaN or infinite: then the results are of no use.
        """
        cdef Py_ssize_t n_outputs = len(outputs), i
        cdef Py_ssize_t itemsize = 8 if self.is_double else 4
        self.check_run(None, start, stop, 1)
        if threads > self.n_tiles:
            raise ValueError("The engine has no memory for so many threads.")
        self.results = np.zeros(n_outputs + 1, np.uintp)
        self.result_buffers = np.zeros(n_outputs + 1, np.intp)
        self.result_bytes = np.zeros(n_outputs + 1, np.intp)
        for i in range(n_outputs):
            self.result_buffers[i] = self.buffer(outputs[i])
            self.result_bytes[i] = self.widths[outputs[i]] * itemsize
            if results[i].size != (stop - start) * self.widths[outputs[i]]:
                raise ValueError("A result does not fit its output.")
            self.results[i] = <size_t>address(results[i], self.float_type(), results[i].size)
        self.order = NULL
        self.start, self.stop, self.training, self.tick = start, stop, training, tick
        self.check, self.found_infinite = check, False
        self.run_team(predict_thread, threads)
        return not self.found_infinite

    cdef void run_predictions(self, Py_ssize_t thread) noexcept nogil:
        """What each thread does: some of the tiles."""
        cdef Py_ssize_t rows = self.stop - self.start, i, begin, end
        cdef Py_ssize_t count = (rows + self.tile_capacity - 1) // self.tile_capacity
        for i in range(count * thread // self.team.size, count * (thread + 1) // self.team.size):
            if self.halt:
                return
            begin, end = share(rows, TILE_STEP, i, count), share(rows, TILE_STEP, i + 1, count)
            self.predict_samples(<Context>self.tiles[thread], begin, end - begin)
            if self.failure.error != NULL or self.found_infinite:
                return
            if thread == 0:
                self.look_up(end)

    cdef void predict_samples(self, Context context, Py_ssize_t begin, Py_ssize_t rows) noexcept nogil:
        """The last layers write where the results are wanted."""
        cdef Py_ssize_t outputs = self.results.shape[0] - 1, k
        context.show(0, rows)
        context.fetch(self.feeds, NULL, self.start + begin)
        if self.check and not self.inputs_finite(context):
            self.found_infinite = True
            return
        for k in range(outputs):
            context.batch.buffers[self.result_buffers[k]].value = (
                <char*>self.results[k] + begin * self.result_bytes[k]
            )
        self.run_layers(context, begin)
        for k in range(outputs):
            context.batch.buffers[self.result_buffers[k]].value = context.base[self.result_buffers[k]].value

    cdef bint inputs_finite(self, Context context) noexcept nogil:
        """Whether the inputs of these samples hold neither NaN nor infinity. That brings them into the cache, too."""
        cdef Py_ssize_t i, n
        cdef const void* value
        for i in range(self.n_feeds):
            n = context.batch.rows * self.feeds[i].width
            value = context.batch.buffers[self.feeds[i].buffer].value
            if self.feeds[i].sparse != NULL:
                continue
            if not (all_finite(n, <const double*>value) if self.is_double else all_finite(n, <const float*>value)):
                return False
        return True

    cdef void run_layers(self, Context context, Py_ssize_t begin) noexcept nogil:
        """All layers forwards, for a prediction."""
        cdef Py_ssize_t i
        context.batch.training = self.training
        context.batch.iteration = self.iteration
        context.batch.first = begin
        for i in range(self.n_layers):
            (<Layer>self.layer_pointers[i]).forward(&context.batch)

    def predict_now(self, x, result, Py_ssize_t source, Py_ssize_t output):
        """Write the buffer `output` of a few samples into `result`, given that of the buffer `source`.

        What `predict` does, for contiguous arrays of one input and one output, without what that costs in Python:
        a network of 8-64-64-4 takes half a microsecond. False, and nothing is done, if a value is not finite.
        """
        cdef Context context
        cdef Py_ssize_t itemsize = 8 if self.is_double else 4, rows
        cdef Py_buffer given, wanted
        cdef bint finite
        self.check_idle()
        if not self.n_tiles or not self.checked:
            raise RuntimeError("The engine has no memory.")
        context = self.tile_list[0]
        PyObject_GetBuffer(x, &given, PyBUF_C_CONTIGUOUS)
        try:
            PyObject_GetBuffer(result, &wanted, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
            try:
                rows = given.len // (context.base[self.buffer(source)].width * itemsize)
                if (
                    rows > context.capacity or given.itemsize != itemsize or wanted.itemsize != itemsize
                    or given.len != rows * context.base[source].width * itemsize
                    or wanted.len != rows * context.base[self.buffer(output)].width * itemsize
                ):
                    raise ValueError("An array does not fit the network.")
                self.training = False
                self.begin_run()
                with nogil:
                    if self.is_double:
                        finite = all_finite(given.len // itemsize, <const double*>given.buf)
                    else:
                        finite = all_finite(given.len // itemsize, <const float*>given.buf)
                    if finite:
                        context.show(0, rows)
                        context.batch.buffers[source].value = given.buf
                        context.batch.buffers[source].sparse = NULL
                        context.batch.buffers[output].value = wanted.buf
                        self.run_layers(context, 0)
                        context.batch.buffers[output].value = context.base[output].value
                self.busy = False
                error = take_failure(&self.failure)
                if error is not None:
                    raise error
                return finite
            finally:
                PyBuffer_Release(&wanted)
        finally:
            PyBuffer_Release(&given)

    # Results

    def reset(self):
        """Start new means of losses and metrics."""
        cdef Head head
        self.check_idle()
        self.loss_total = self.loss_count = 0
        self.head_loss_totals[:] = 0
        for head in self.heads:
            head.reset()

    def sums(self):
        """Everything added up since the last reset, but the metrics."""
        return self.loss_total, self.loss_count, self.head_losses()

    def set_sums(self, double loss_total, double loss_count, list head_losses):
        """Go on adding to what `sums` returned."""
        cdef Py_ssize_t i
        self.check_idle()
        self.loss_total = loss_total
        self.loss_count = loss_count
        for i in range(len(head_losses)):
            self.head_loss_totals[i] = head_losses[i]

    def head_losses(self):
        """Sum over samples of each head's loss since the last reset."""
        return list(self.head_loss_totals)
