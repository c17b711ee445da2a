"""The compiled engine: builds the C side of a plan, and hands it arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop import matrix_products
from cbackprop.compiled.engine.contexts import Contexts
from cbackprop.compiled.engine.feeds import Feeds
from cbackprop.compiled.engine.head import MetricSum
from cbackprop.compiled.engine.learner import Learner
from cbackprop.compiled.engine.network import Network
from cbackprop.compiled.engine.predictor import Predictor
from cbackprop.contract.implementation import find
from cbackprop.engine.chains import find_chains
from cbackprop.engine.compiled_heads import heads_of
from cbackprop.engine.compiled_jacobian import compiled_jacobian
from cbackprop.engine.compiled_sums import CompiledSums
from cbackprop.engine.compiled_weights import CompiledWeights
from cbackprop.engine.data import Data
from cbackprop.engine.engine import Array, Engine, Tick
from cbackprop.engine.gradient_work import GradientWork
from cbackprop.engine.memory import Memory
from cbackprop.engine.model_lock import ModelLock
from cbackprop.engine.objective import Objective
from cbackprop.engine.room import Room
from cbackprop.engine.thread_trials import ThreadTrials, most_threads
from cbackprop.optimizers.full_batch import FullBatchOptimizer
from cbackprop.optimizers.optimizer import Optimizer
from cbackprop.optimizers.state import OptimizerState
from cbackprop.parameter_store import ParameterStore
from cbackprop.plan.plan import Plan
from cbackprop.plan.step import Step
from cbackprop.variable import Variable

__all__ = ["CompiledEngine"]

# Limits of a run of several epochs: samples, whose order is held in memory, and floating point operations (some
# milliseconds).
MOST_AT_ONCE, MOST_WORK_AT_ONCE = 1 << 17, 200_000_000


class CompiledEngine(Engine):
    """Executes a plan in C, without the GIL. Arguments are those of `Engine`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.thread_trials = ThreadTrials()
        self.keepers = 0  # runs that keep threads: callbacks and other threads may begin further runs
        self._build()

    def _build(self) -> None:
        heads, self.metric_states = heads_of(self)  # first, because it raises if an argument is wrong
        is_double = self.dtype == np.float64
        layers = [self._layer(step) for step in self.plan.steps]
        self.network = Network(layers, self.plan.widths, is_double)
        self.run = self.network.run
        self.feeds = Feeds(self.network)
        self.contexts = Contexts(self.network, self.feeds)
        self.predictor = Predictor(self.network, self.feeds, self.contexts)
        self.learner = Learner(self.network, self.feeds, self.contexts)
        self.in_order = self.distribution is not None and self.distribution.deterministic
        if self.distribution is not None:
            own = not self.distribution.auto_shard_dataset
            self.learner.set_ranks(self.ranks, *self.distribution.pieces(), own, self.in_order)
        for index, (step, use) in enumerate(zip(self.plan.steps, self.plan.uses, strict=True)):
            training = -1 if step.training is None else int(step.training)
            self.network.connect(index, step.inputs, step.output, training, use)
        buffers = self.plan.outputs[: len(self.objectives)] + [activity.buffer for activity in self.activities]
        masks = [-1 if mask is None else mask.buffer for mask in self.masks] + [-1] * len(self.activities)
        self.network.set_heads(heads, buffers, masks)
        self.compiled_sums = CompiledSums(self.learner.sums, self.metric_states, len(heads))
        self.network.set_predicting(self.plan.predicting)
        self.gradient_work = GradientWork(self.plan, self.backward_steps, layers, self.couples_samples)
        linked = [link for link in self.links if link is not None]
        self._set_backward(linked)
        chains = find_chains(self.plan, layers, linked)
        self.network.set_followers(chains)
        self._make_rule()
        self.weights = CompiledWeights(self)
        work = self.gradient_work
        self.memory = Memory(self, layers, chains, len(heads), work)
        self.flops = self._flops()
        read = {v for step in self.plan.steps if not step.layer.reads_rows for v in step.layer.variables}
        weights = sum(variable.size for variable in read)
        uses = max(self.flops / max(2 * weights, 1), 1.0)
        self.room = Room(self.memory, self.contexts, weights * self.dtype.itemsize, uses)
        # The divisor of a masked loss is known only when the last row has been through the layers.
        self.loss_sees_whole = any(head.sees_whole or head.selects for head in heads) or any(self.masks)
        self.calls_blas = any(layer.calls_blas for layer in self.network.layers)
        self.at_once = self._at_once()

    def _at_once(self) -> tuple[tuple[int, ...], tuple[int, ...], int, int, int] | None:
        """The shapes of a sample and of its output, and their buffers; ``None`` if `predict_now` cannot be used.

        The last number is the limit that whole numbers must have: see `Predictor.predict_now`.
        """
        plan = self.plan
        if len(plan.inputs) > 1 or len(plan.outputs) > 1:
            return None
        limit = plan.id_ranges[0] or (0 if plan.whole_inputs[0] else -1)
        return plan.input_shapes[0], plan.output_shapes[0], plan.inputs[0], plan.outputs[0], limit

    def serve(
        self,
        plan: Plan,
        objectives: Sequence[Objective],
        optimizer: Optimizer,
        trainable: Collection[Variable],
        state: OptimizerState,
        model_lock: ModelLock,
    ) -> None:
        """Become the engine of another model of the same kind. The arguments are those of the constructor.

        Compiled layers, heads and memory stay. The plan is that of the last model, with the new model's layers.
        """
        chosen = set(trainable)
        in_order = [variable for variable in plan.variables if variable in chosen]
        names = self.result_names
        self._take_settings(self.dtype, objectives, optimizer, in_order, state, model_lock, None)
        if names is not None and names.fit_all_of_kind:  # to find them takes a sixtieth of a small model's fit
            self.result_names = names
        self.gradient_work.follow(plan)
        self.plan = plan
        self.settings_version = optimizer.settings_version
        self.arguments.look_again()
        self._make_rule()
        self.bound, self.store = False, None

    def renew(self) -> None:
        """Make everything again that depends on arguments of losses, metrics and penalties of outputs."""
        self.run.keep_team(False)
        super().renew()
        self.run.keep_team(self.keepers > 0)

    def is_busy(self) -> bool:
        """Whether a batch is being run."""
        busy: bool = self.run.busy
        return busy

    def leave(self) -> None:
        """Let go of the last model and its weights."""
        if self.store is not None:
            self.store.remove_user(self)
        self.bound, self.store = False, None

    def _make_rule(self) -> None:
        self.compiled_rule: Any = self.optimizer and self.optimizer.compiled_rule(self.dtype)

    def _layer(self, step: Step) -> Any:
        kind = find("compiled.layers", step.implementation, self.dtype)
        return kind(step.layer, list(step.input_shapes), step.output_shape)

    def _set_backward(self, linked: list[int]) -> None:
        accumulate = [[delta == "add" for delta in step.input_deltas] for step in self.backward_steps]
        order = [step.position for step in self.backward_steps]
        self.network.set_backward(order, accumulate, linked, self.gradient_work.points)

    def _bind_parameters(self) -> None:
        self.weights.bind()

    def rows_of_last_batch(self) -> list[Array]:
        """The rows of tables that the last step has changed."""
        return [variable.array[table.rows_reached()] for variable, table in self.weights.tables.items()]

    def gradients(self) -> list[Array]:
        """Copies of the gradients of all trainable variables."""
        return [
            self.weights.tables[variable].gradient() if variable in self.weights.tables else dense
            for variable, dense in zip(self.trainable, super().gradients(), strict=True)
        ]

    # Memory

    def _flops(self) -> int:
        """Roughly the floating point operations of a sample, forwards."""
        layers = sum(step.layer.flops(list(step.input_shapes), step.output_shape) for step in self.plan.steps)
        return 10 * sum(self.plan.widths) + layers

    def _reserve(self, rows: int, count: int, training: bool, backwards: bool = False) -> bool:
        """Reserve memory for training or testing on batches of `rows` samples. Return whether they pass in blocks."""
        whole = self.sees_whole(training) or self.loss_sees_whole or self.keeps_buffers
        in_blocks = self.room.suits_blocks(rows) and not whole and not (backwards and self.tables) and not self.in_order
        if in_blocks:
            self.room.reserve_blocks(rows, count)
        else:
            self.room.reserve_whole(rows, count)
        if rows > self.network.head_capacity:  # it is 0 if new data needs other memory
            self.network.allocate_heads(rows)
        return in_blocks

    # Running

    def _products(self, with_losses: bool = True) -> AbstractContextManager[None]:
        """For a ``with`` block that runs the network: apply the setting of matrix products; BLAS gets one thread.

        `with_losses`: losses and metrics are computed.
        """
        self.arguments.follow(with_losses)
        if not self.run.busy:  # if it is busy, the run will be refused
            self.network.use_blas(matrix_products.prepare())
        return matrix_products.held(self.network.blas or self.calls_blas)

    def _begin(self, data: Data) -> None:
        if self.run.busy:
            raise RuntimeError("The model is in the middle of a batch: its own code cannot use it now.")
        if self.optimizer is not None and self.settings_version != self.optimizer.settings_version:
            self.follow_settings()
        self.bind()
        if self.optimizer is not None:
            self.network.iteration = self.state.batches
        self.feeds.set(data.inputs, self.plan.inputs, data.values, data.classes, data.weights, data.given)

    def train(
        self,
        data: Data,
        order: NDArray[np.int64] | None,
        start: int,
        stop: int,
        batch_size: int,
        update: bool = True,
        training: bool = True,
        tick: Tick = None,
    ) -> None:
        """Run the samples order[start:stop] forwards and backwards, a batch at a time, without the GIL."""
        self.check_batches(stop - start, batch_size)
        with self.lock, self._products():
            self.rows_kept = batch_size = min(batch_size, stop - start)
            rows = self.learner.most_rows(batch_size)
            most = most_threads(3 * self.flops * rows)
            in_blocks = self._prepare_training(data, rows, most, training, order is not None)
            try:
                for count, begin, end in self.thread_trials.divide(
                    "train", most, start, stop, batch_size, self._first_step
                ):
                    ticks = _counted_from(begin - start, tick)
                    self.learner.train(order, begin, end, batch_size, in_blocks, update, training, count, ticks)
            finally:
                self.bring_along()
                if self.optimizer is not None and update:
                    self.state.batches = self.network.iteration

    def _first_step(self) -> float:
        """The seconds of the first step of the last run of training or testing."""
        return self.learner.first_step

    def _prepare_training(self, data: Data, batch_size: int, most: int, training: bool, gathered: bool) -> bool:
        """Prepare a run in up to `most` threads. Return whether batches pass in blocks."""
        self._begin(data)
        in_blocks = self._reserve(batch_size, most, training, backwards=True)
        self.weights.reserve(batch_size, in_blocks)
        self.contexts.stage(gathered)
        if self.optimizer is not None:
            self.compiled_rule.read_rate()
        return in_blocks

    def epochs_at_once(self, samples: int, batch_size: int) -> int:
        """How many epochs a run should have, so that the Python code between runs takes negligible time."""
        if self.ranks is not None:
            return 1
        means = all(isinstance(state, MetricSum) for states in self.metric_states for state in states)
        full = isinstance(self.optimizer, FullBatchOptimizer)
        work = 3 * self.flops * samples
        if not means or full or most_threads(3 * self.flops * min(batch_size, samples)) > 1:
            return 1
        return max(min(MOST_AT_ONCE // samples, MOST_WORK_AT_ONCE // work), 1)

    def train_epochs(
        self,
        data: Data,
        keys: NDArray[np.uint64] | None,
        epochs: int,
        batch_size: int,
        sums: list[Any],
        tick: Tick = None,
    ) -> None:
        """Train for several epochs in this thread, without the GIL from the first to the last."""
        samples = len(data)
        self.check_batches(samples, batch_size)
        with self.lock, self._products():
            batch_size = min(batch_size, samples)
            in_blocks = self._prepare_training(data, batch_size, 1, True, True)
            found = np.empty((epochs, self.learner.sums.size_of_epoch()))
            try:
                self.learner.train_epochs(samples, keys, batch_size, in_blocks, found, tick)
            finally:
                self.bring_along()
                self.state.batches = self.network.iteration
                sums += found[: self.learner.sums.epochs_done].tolist()

    def buffers(self) -> tuple[dict[int, Array], dict[int, Array]]:
        """Values and deltas of the last batch, as views of the arena."""
        assert self.room.arena is not None  # because the engine `keeps_buffers`
        arena, layout = self.room.arena
        found: list[dict[int, Array]] = []
        for offsets in (layout.values, layout.deltas):
            arrays = {}
            for buffer, (offset, width) in enumerate(zip(offsets, layout.widths, strict=True)):
                if offset is not None:
                    size = self.rows_kept * width * self.dtype.itemsize
                    arrays[buffer] = arena[offset : offset + size].view(self.dtype).reshape(self.rows_kept, width)
            found.append(arrays)
        return found[0], found[1]

    def solver(self) -> Any:
        """The object that computes the optimizer's steps."""
        return self.compiled_rule

    def jacobian(self, data: Data, begin: int, end: int) -> tuple[Array, NDArray[np.float64]]:
        """Derivatives of each number predicted for the samples begin:end, and its error."""
        with self.lock, self._products():
            self._begin(data)
            self.room.reserve_blocks(end - begin, 1)
            self.contexts.stage(False)
            return compiled_jacobian(self, begin, end)

    def test(self, data: Data, batch_size: int, training: bool = False, tick: Tick = None) -> None:
        """Add the loss and metrics of all samples to the means."""
        with self.lock, self._products():
            self.check_batches(len(data), batch_size)
            batch_size = min(batch_size, len(data))
            rows = self.learner.most_rows(batch_size)
            most = most_threads(self.flops * rows)
            self._begin(data)
            in_blocks = self._reserve(rows, most, training)
            self.contexts.stage(False)
            for count, begin, end in self.thread_trials.divide(
                "test", most, 0, len(data), batch_size, self._first_step
            ):
                self.learner.test(begin, end, batch_size, in_blocks, training, count, _counted_from(begin, tick))

    def predict(
        self, inputs: list[Any], batch_size: int, training: bool = False, tick: Tick = None, check: bool = False
    ) -> list[Array] | None:
        """The outputs for all samples; ``None`` if `check` finds that an input is not finite.

        If layers need whole batches, all layers get `batch_size` samples at a time, and in training mode all samples.
        Otherwise results do not depend on `batch_size`.
        """
        with self.lock, self._products(with_losses=False):
            samples = len(inputs[0])
            whole = self.sees_whole(training)
            most = 1 if whole else most_threads(self.flops * samples, starts=True)
            batch_size = max(samples if training else min(batch_size, samples), 1)
            self.check_batches(samples, batch_size)
            self._begin(Data(inputs))
            self.room.reserve_blocks(batch_size if whole else samples, most, whole)
            self.contexts.stage(False)
            self.network.iteration = self.draw_count(training)
            results = [np.empty((samples, *shape), self.dtype) for shape in self.plan.output_shapes]
            finite = True
            trials: Iterable[tuple[int, int, int]]
            if whole:
                trials = ((1, begin, min(begin + batch_size, samples)) for begin in range(0, samples, batch_size))
            else:
                trials = self.thread_trials.divide("predict", most, 0, samples, most * self.room.blocks[0], lambda: 0.0)
            for count, begin, end in trials:
                parts = [result[begin:end] for result in results]
                ticks = _counted_from(begin, tick)
                finite = finite and self.predictor.predict(
                    begin, end, self.plan.outputs, parts, training, count, ticks, check, whole
                )
            if whole and training:
                self.bring_along()  # the weights that layers have changed
                self.room.forget_blocks()  # such a block does not fit the caches, so the next run reserves new ones
            return results if finite else None

    def predict_now(self, x: Array, batch_size: int) -> Array | None:
        """The output for a few samples, if this network has one input and one output.

        If anything but the type of `x` is to be prepared, or anything refused, return ``None``; then call `predict`.
        """
        rows = len(x) if x.ndim else 0
        if (
            not 0 < rows <= self.room.blocks[0]
            or self.fixed_batch not in (None, rows)
            or (rows > batch_size and self.sees_whole(False))
            or self.generation != ParameterStore.moves.count
            or self.at_once is None
            or (x.dtype is not self.dtype and x.dtype.kind not in "fiub")
            or (rows > 1 and most_threads(self.flops * rows, starts=True) > 1)
            or self.network.blas
            or matrix_products.uses_blas()
        ):
            return None
        if x.dtype is not self.dtype and x.dtype != self.dtype:
            with np.errstate(over="ignore"):  # infinity is refused
                x = x.astype(self.dtype, "C")
        given, made, source, output, limit = self.at_once
        with self.lock:
            if self.generation != ParameterStore.moves.count:
                return None
            result: Array = np.empty((rows, *made), self.dtype)
            return result if self.predictor.predict_now(x, result, given, source, output, limit) else None

    @contextmanager
    def kept_threads(self) -> Iterator[None]:
        """Within the ``with`` block, threads wait for the next run: starting them takes as long as a small epoch."""
        with self.lock:
            self.keepers += 1
            self.run.keep_team(True)
        try:
            yield
        finally:
            with self.lock:
                self.keepers -= 1
                self.run.keep_team(self.keepers > 0)

    def forget_threads(self) -> None:
        """In a child process, forget the threads, which only the parent has."""
        if hasattr(self, "run"):  # an engine that another thread was building may not have it yet
            self.run.forget_team()

    def draw_as_after(self, batches: int) -> None:
        """Let random layers of an engine without optimizer draw the numbers of the batch after `batches` others."""
        self.network.iteration = batches

    def reset(self) -> None:
        """Start new means of losses and metrics, once no other thread is running."""
        with self.lock:
            self.learner.sums.reset()

    def sums(self) -> Any:
        """All sums since the last reset, as `restore` takes them."""
        with self.lock:
            return self.compiled_sums.get()

    def restore(self, sums: Any) -> None:
        """Continue from the sums that `sums` returned, once no other thread is running."""
        with self.lock:
            self.compiled_sums.set(sums)

    def losses(self) -> tuple[float, list[float]]:
        """Means since the last reset: the total loss, and the loss of each output."""
        return self.compiled_sums.means(*self.learner.sums.get())

    def restore_epoch(self, sums: Any) -> None:
        """Continue from the sums of an epoch of `train_epochs`."""
        with self.lock:
            self.compiled_sums.set_epoch(sums)

    def losses_in(self, sums: list[Any]) -> tuple[list[float], list[list[float]]]:
        """The `losses` of epochs of `train_epochs`, from their sums."""
        return self.compiled_sums.losses_of_epochs(sums)

    def metrics_in(self, sums: list[Any]) -> list[list[list[Any]]]:
        """The `metric_snapshots` of epochs of `train_epochs`, from their sums."""
        return self.compiled_sums.metrics_of_epochs(sums)

    def metric_snapshots(self) -> list[list[Any]]:
        """The sums of each metric of each output since the last reset, as the metric's `restore` takes them."""
        return self.compiled_sums.metric_snapshots()


def _counted_from(done: int, tick: Tick) -> Tick:
    """A `tick` for a part of a run, which adds the number of samples `done` before."""
    return tick if tick is None or done == 0 else lambda more: tick(done + more)
