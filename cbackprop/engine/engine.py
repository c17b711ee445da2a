"""The base of both engines: where weights, gradients and slots are in memory, and what an engine can do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cbackprop.compiled.kernels.memory import aligned_zeros
from cbackprop.compiled.kernels.vectors import is_finite
from cbackprop.contract.segment import Segment
from cbackprop.distribution.data_parallel import DataParallel
from cbackprop.engine.data import Data
from cbackprop.engine.means import MeansOf, MeansOfRuns
from cbackprop.engine.model_lock import ModelLock, known_engines
from cbackprop.engine.objective import Objective
from cbackprop.engine.outputs import coupling_of, mask_of_output, step_of_loss
from cbackprop.engine.problem import EngineProblem
from cbackprop.engine.ranks import Ranks, sum_of_ranks
from cbackprop.engine.row_updates import variables_by_rows
from cbackprop.engine.segments import segments_of
from cbackprop.engine.set_arguments import SetArguments
from cbackprop.layers.python_call import AddedLoss, check_backward
from cbackprop.optimizers.full_batch import FullBatchOptimizer
from cbackprop.optimizers.optimizer import Optimizer
from cbackprop.optimizers.state import OptimizerState
from cbackprop.parameter_store import ParameterStore
from cbackprop.plan.backward import backward_steps, buffers_behind
from cbackprop.plan.plan import Plan
from cbackprop.variable import Variable

__all__ = ["Array", "Engine", "Tick"]

Array = NDArray[Any]
# Called now and then in a long run, with the number of samples done. An exception from it ends the run.
Tick = Callable[[int], None] | None
# A vector of this many numbers is checked in less time than the call of a function takes.
FEW_NUMBERS = 2**14


class Engine:
    """Executes a plan.

    A lock lets one thread at a time into the engines of a model. Other threads may use other models meanwhile.

    Parameters
    ----------
    plan : Plan
    dtype : {"float32", "float64"}
    objectives : sequence of Objective
        One for each output, or none at all for a network that only predicts.
    optimizer : Optimizer, optional
    trainable : collection of Variable
        The variables whose gradients are computed.
    state : OptimizerState, optional
        The optimizer's counts and slots for this model. All engines of the model share it.
    model_lock : ModelLock, optional
        All engines of the model share it.
    only_losses : bool, default False
        Compute losses alone, without regularizers, activity penalties and masks of outputs.
    distribution : DataParallel, optional
        The ranks that share each batch.
    keeps_buffers : bool, default False
        Whether all values and deltas of a batch can be read when its training step is over, by `buffers`.
    """

    def __init__(
        self,
        plan: Plan,
        dtype: str,
        objectives: Sequence[Objective] = (),
        optimizer: Optimizer | None = None,
        trainable: Collection[Variable] = (),
        state: OptimizerState | None = None,
        model_lock: ModelLock | None = None,
        only_losses: bool = False,
        distribution: DataParallel | None = None,
        keeps_buffers: bool = False,
    ) -> None:
        self.keeps_buffers = keeps_buffers
        chosen = set(trainable)
        in_order = [variable for variable in plan.variables if variable in chosen]
        self._take_settings(dtype, objectives, optimizer, in_order, state, model_lock, distribution)
        self.plan = plan
        # A copy, because a layer may be frozen later.
        self.couples_samples = [coupling_of(step.layer) for step in plan.steps]
        self.fixed_batch: int | None = next(
            (len(step.layer.lasting[0]) for step in plan.steps if step.layer.lasting), None
        )
        self._whole_batches = {
            mode: any(self.couples(i, mode) for i in range(len(plan.steps))) for mode in (False, True)
        }
        # Without objectives the network only predicts, and nothing is added to a loss.
        self.activities = plan.activities if self.objectives and not only_losses else []
        self.only_losses = only_losses
        self.masks = [
            None if only_losses else mask_of_output(plan, index, objective)
            for index, objective in enumerate(self.objectives)
        ]
        self.with_delta = buffers_behind(plan.steps, self.trainable)
        self.tables: set[Variable] = set()
        self.regularized: list[Variable] = []
        self._find_kinds()
        self.arguments = SetArguments(self)
        self._plan_backward()
        self.settings_version = 0 if optimizer is None else optimizer.settings_version
        self.store: ParameterStore | None = None
        self.problem: EngineProblem | None = None  # the problem of a full-batch optimizer's last step
        self.bound = False
        self.offsets: dict[Variable, int] = {}  # of the variables in the store
        self.generation = -1  # `ParameterStore.moves` when the offsets were last checked
        self.gradient_vector: Array = np.zeros(0, self.dtype)

    def _take_settings(
        self,
        dtype: DTypeLike,
        objectives: Sequence[Objective],
        optimizer: Optimizer | None,
        trainable: Sequence[Variable],
        state: OptimizerState | None,
        model_lock: ModelLock | None,
        distribution: DataParallel | None,
    ) -> None:
        """The part of the constructor that does not depend on a plan."""
        self.distribution = distribution
        self.ranks = None if distribution is None else Ranks(distribution)
        self.dtype = np.dtype(dtype)
        self.objectives = list(objectives)
        self.optimizer = optimizer
        self.trainable = list(trainable)
        self.state = state or OptimizerState()
        self.model_lock = model_lock or ModelLock()
        self.lock = self.model_lock.lock
        self.predictions_in_training = 0
        self._forget_derived()
        self.told_of_losses = False  # whether `fit` has warned about added losses that train nothing
        self.checked_once: Any = None  # data already checked for the last model: see `models.checked_once`
        self.pool: Any = None  # the pool that lends it to models, if it serves several: see `models.engine_pool`
        self.means = MeansOfRuns(self)
        known_engines.add(self)

    def _forget_derived(self) -> None:
        """Forget what models derive from the objectives, and keep here."""
        self.result_names: Any = None  # the entries of logs
        self.names: list[str] | None = None  # the names of what `evaluate` returns
        self.metrics_of_layers: list[Any] | None = None  # metrics that layers hold and update themselves
        self.needs: Any = None  # the forms of targets, and the plan they belong to

    def _plan_backward(self) -> None:
        """Decide what the backward pass consists of, for the losses as they are now."""
        plan = self.plan
        self.links = [step_of_loss(plan, index, objective.loss) for index, objective in enumerate(self.objectives)]
        with_loss = [b for b, objective in zip(plan.outputs, self.objectives, strict=False) if objective.loss]
        with_loss += [activity.buffer for activity in self.activities]
        linked = [link for link in self.links if link is not None]
        self.backward_steps = backward_steps(plan.steps, set(self.trainable), with_loss, linked)

    def plan_of(self, inputs: list[Any]) -> Plan:
        """The plan for these inputs."""
        return self.plan

    def is_up_to_date(self) -> bool:
        """Whether no layer was frozen or unfrozen so that the dependence between its samples has changed."""
        return self.couples_samples == [step.layer.couples_samples for step in self.plan.steps]

    def at(self, inputs: list[Any]) -> Engine:
        """The engine that runs these inputs."""
        return self

    def check_differentiable(self) -> None:
        """Raise a ``TypeError`` if gradients would have to pass a layer in Python that has no right `backward`."""
        for step in self.backward_steps:
            layer: Any = self.plan.steps[step.position].layer
            if layer.is_python:
                check_backward(layer)

    def losses_without_weights(self) -> list[str]:
        """Names of layers in Python that add a loss that depends on no trained weight."""
        found = []
        for activity in self.activities:
            if isinstance(activity.regularizer, AddedLoss):
                step = next(step for step in self.plan.steps if step.layer is activity.regularizer.step)
                if step.output not in self.with_delta:
                    found.append(activity.layer.name)
        return list(dict.fromkeys(found))

    def sees_whole(self, training: bool) -> bool:
        """Whether some layer needs all samples of a batch at once, so that batches must not be divided."""
        return self._whole_batches[bool(training)]

    def couples(self, index: int, training: bool) -> bool:
        """Whether a sample's output of a step depends on the other samples of the batch."""
        step = self.plan.steps[index]
        training = training if step.training is None else step.training
        return self.couples_samples[index] == "always" or (self.couples_samples[index] == "in_training" and training)

    def _find_kinds(self) -> None:
        """Find the variables that are updated by rows, and those with a regularizer. Both may change."""
        self.tables = variables_by_rows(self.plan, self.trainable, self.optimizer, self.ranks is not None)
        self.regularized = [v for v in self.trainable if v.regularizer is not None and not self.only_losses]

    def follow_settings(self) -> None:
        """Take over settings of the optimizer that were changed since the last run."""
        assert self.optimizer is not None
        self.settings_version = self.optimizer.settings_version
        self._make_rule()
        self.bound = False

    def _make_rule(self) -> None:
        raise NotImplementedError

    def renew(self) -> None:
        """Make everything again that depends on arguments of losses, metrics and penalties of outputs."""
        sums = self.sums()  # the means go on
        self.bound, self.generation, self.problem = False, -1, None
        self._forget_derived()
        self._plan_backward()
        self._build()
        self.go_on_from(sums)

    def _build(self) -> None:
        """Make what executes the plan; first what raises if an argument of a loss or a metric is wrong."""
        raise NotImplementedError

    def is_busy(self) -> bool:
        """Whether a batch is being run. Then only the model's own code, such as a layer in Python, can ask this."""
        raise NotImplementedError

    def go_on_from(self, sums: Any) -> None:
        """As `restore`. If a metric adds up other numbers now, all means start anew."""
        try:
            self.restore(sums)
        except ValueError:
            self.reset()

    # Parameters

    def bind(self) -> None:
        """Find the variables in memory, because sharing layers with another model may have moved them."""
        if self.bound and (self.generation == ParameterStore.moves.count or self._are_here()):
            return
        self.bound = False  # until the end, because an interrupt may come at any line
        with ParameterStore.moving:
            self.store = ParameterStore.unite(self.plan.variables)
            if self.store is None:
                return
            self.store.add_user(self)
            self._find_kinds()
            self.offsets = {variable: variable.offset for variable in self.plan.variables}
            if self.ranks is not None:  # other ranks may still be reading the last vector
                self.gradient_vector = self.ranks.vector(self.store.values.size, self.dtype)
            elif self.gradient_vector.size == self.store.values.size:
                self.gradient_vector[:] = 0
            else:
                self.gradient_vector = aligned_zeros(self.store.values.size, self.dtype)
            self.slots: list[Array] = []
            if self.optimizer is not None:
                self.slots = self.state.lay_out(self.optimizer, self.store, self.trainable)
            self.arguments.note_weights()
            self._bind_parameters()
            self.bound = self._are_here()

    def bring_along(self) -> None:
        """At the end of a run, copy the weights to their new place if another model has moved them meanwhile."""
        if self.store is None or self.generation == ParameterStore.moves.count:
            return
        with ParameterStore.moving:
            for variable, offset in self.offsets.items():
                self.store.bring_along(variable, offset)

    def _are_here(self) -> bool:
        """Whether all variables are in the store that this engine knows. If so, store the generation."""
        generation = ParameterStore.moves.count  # read first, because a move meanwhile raises it
        here = all(variable.store is self.store for variable in self.plan.variables)
        self.generation = generation if here else -1
        return here

    @contextmanager
    def fresh_means(self) -> Iterator[None]:
        """Start new means of losses and metrics. When the ``with`` block ends, continue with the earlier ones."""
        with self.lock:
            earlier = self.sums()
            self.reset()
            try:
                yield
            finally:
                self.restore(earlier)

    def means_of(self, owner: Any) -> MeansOf:
        """Lock the engine for a ``with`` block that adds to the means of one owner, such as a run of `fit`."""
        return MeansOf(self, owner)

    def forget(self, owner: Any) -> None:
        """Drop the means of an owner."""
        with self.lock:
            self.means.forget(owner)

    def view(self, vector: Array, variable: Variable) -> Array:
        """The part of a flat vector that belongs to a variable, by its offset when the run began."""
        offset = self.offsets[variable]
        return vector[offset : offset + variable.size].reshape(variable.shape)

    def segments(self) -> list[Segment]:
        """The segments that the optimizer updates: single variables if its rule needs them whole, else longer ones."""
        return segments_of(self)

    def has_finite_weights(self) -> bool:
        """Whether no number of `dense_weights` is NaN or infinite."""
        # The vectors of stores are few, but they also have weights of other models, and weights that stay as they are.
        # Variables without a place have values of their initializers, which are finite.
        stores = {variable.store for variable in self.trainable if variable.is_placed}
        if all(store.values.size <= FEW_NUMBERS and is_finite(store.values) for store in stores):
            return True
        return all(map(is_finite, self.dense_weights()))

    def dense_weights(self) -> list[Array]:
        """The trainable weights without tables, which may be too large to check in every run."""
        return [variable.array for variable in self.trainable if variable not in self.tables]

    def rows_of_last_batch(self) -> list[Array]:
        """The rows of tables that the last step has changed, or the whole tables."""
        return [variable.array for variable in self.tables]

    def gradients(self) -> list[Array]:
        """Copies of the gradients of all trainable variables."""
        return [self.view(self.gradient_vector, variable).copy() for variable in self.trainable]

    def buffers(self) -> tuple[dict[int, Array], dict[int, Array]]:
        """Values and deltas of the last batch, (batch, width), by buffer number, if the engine keeps them.

        They are views of memory that the next batch overwrites. The inputs of the network are not included.
        """
        raise NotImplementedError

    def draw_count(self, training: bool) -> int:
        """The number from which random layers draw in a prediction; each prediction with `training` gets a new one."""
        earlier = self.predictions_in_training
        self.predictions_in_training += training
        return earlier

    def draw_as_after(self, batches: int) -> None:
        """Let random layers of an engine without optimizer draw the numbers of the batch after `batches` others."""

    # What the engines define

    def _bind_parameters(self) -> None:
        raise NotImplementedError

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
        """Run the samples order[start:stop] forwards and backwards, a batch at a time.

        Without `update`, gradients are computed but no weight is changed.
        """
        raise NotImplementedError

    def check_batches(self, samples: int, batch_size: int) -> None:
        """Refuse batches whose size differs from the batch size of stateful layers.

        Raises
        ------
        ValueError
            If there are stateful layers, and a batch would have another size.
        """
        wanted = self.fixed_batch
        if wanted is not None and (min(batch_size, samples) != wanted or samples % wanted):
            raise ValueError(
                f"If an RNN is stateful, the batch size of the input sequences must be that of its states: all batches "
                f"must have {wanted} samples, but got {samples} samples with batch_size={batch_size}. Give "
                f"batch_size={wanted}, and a number of samples that this divides."
            )

    def solver(self) -> Any:
        """The compiled class or twin that computes the steps of a full-batch optimizer."""
        raise NotImplementedError

    def jacobian(self, data: Data, begin: int, end: int) -> tuple[Array, NDArray[np.float64]]:
        """Derivatives (numbers, weights) and errors (numbers,) of each number predicted for the samples begin:end.

        The weights are those of `trainable`, one after the other. Outputs without a loss are left out.
        """
        raise NotImplementedError

    def learn(
        self, data: Data, order: NDArray[np.int64] | None, start: int, stop: int, batch_size: int, tick: Tick = None
    ) -> None:
        """Train: a step for each batch, or one step of a full-batch optimizer."""
        if not isinstance(self.optimizer, FullBatchOptimizer):
            self.train(data, order, start, stop, batch_size, tick=tick)
            return
        with self.lock:
            self.arguments.follow()
            self.bind()
            if self.problem is None or self.problem.data is not data:
                self.problem = EngineProblem(self, data)
            try:
                self.optimizer.step(self.problem, self.state)
            finally:
                self.bring_along()
        if tick is not None:
            tick(stop - start)

    def epochs_at_once(self, samples: int, batch_size: int) -> int:
        """How many epochs of `samples` samples `train_epochs` may run; 1 if it cannot be called."""
        return 1

    def train_epochs(
        self,
        data: Data,
        keys: NDArray[np.uint64] | None,
        epochs: int,
        batch_size: int,
        sums: list[Any],
        tick: Tick = None,
    ) -> None:
        """Train for several epochs, each in an order of its own, which is drawn from its key; or in that of the data.

        The sums of each finished epoch are appended to `sums`, for the next three methods.
        """
        raise NotImplementedError

    def restore_epoch(self, sums: Any) -> None:
        """Continue from the sums of an epoch of `train_epochs`."""
        raise NotImplementedError

    def losses_in(self, sums: list[Any]) -> tuple[list[float], list[list[float]]]:
        """The `losses` of epochs of `train_epochs`, from their sums: a list with one for each epoch instead of each."""
        raise NotImplementedError

    def metrics_in(self, sums: list[Any]) -> list[list[list[Any]]]:
        """The `metric_snapshots` of each epoch of `train_epochs`, from their sums."""
        raise NotImplementedError

    def test(self, data: Data, batch_size: int, training: bool = False, tick: Tick = None) -> None:
        """Add the loss and the metrics of all samples to the means."""
        raise NotImplementedError

    def predict(
        self, inputs: list[Any], batch_size: int, training: bool = False, tick: Tick = None, check: bool = False
    ) -> list[Array] | None:
        """The outputs for all samples, each (samples, ...); ``None`` if `check` finds that an input is not finite.

        Layers that need whole batches get `batch_size` samples at a time, and in training mode all samples.
        """
        raise NotImplementedError

    def predict_now(self, x: Array, batch_size: int) -> Array | None:
        """The output for a few samples without the preparations of `predict`; ``None`` if that is not possible."""
        return None

    @contextmanager
    def kept_threads(self) -> Iterator[None]:
        """Keep the threads from run to run inside the ``with`` block."""
        yield

    def forget_threads(self) -> None:
        """In a child process, forget the threads, which only the parent has."""

    def reset(self) -> None:
        """Start new means of losses and metrics."""
        raise NotImplementedError

    def sums(self) -> Any:
        """All sums since the last reset, for `restore`."""
        raise NotImplementedError

    def restore(self, sums: Any) -> None:
        """Continue from the sums that `sums` returned."""
        raise NotImplementedError

    @contextmanager
    def sums_of_ranks(self) -> Iterator[None]:
        """Within the ``with`` block, means are over all ranks. All ranks must enter it."""
        own = self.sums()
        self.restore(self.over_ranks(own))
        try:
            yield
        finally:
            self.restore(own)

    def over_ranks(self, sums: Any) -> Any:
        """The sums of this rank, added up over all ranks. All ranks must call this."""
        return sum_of_ranks(self.ranks, sums)

    def losses(self) -> tuple[float, list[float]]:
        """Means since the last reset: the total loss, and the loss of each output."""
        raise NotImplementedError

    def metric_snapshots(self) -> list[list[Any]]:
        """The sums of each metric of each output since the last reset, as the metric's `restore` takes them."""
        raise NotImplementedError
