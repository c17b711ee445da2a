"""What both engines share: where parameters, gradients and slots lie, and what is asked of the outputs."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.contract.segment import Segment
from cbackprop.engine.problem import EngineProblem
from cbackprop.held_memory import Held, is_whole
from cbackprop.layers.python_call import AddedLoss
from cbackprop.losses.loss import Loss
from cbackprop.metrics.metric import Metric
from cbackprop.optimizers.full_batch import FullBatchOptimizer
from cbackprop.optimizers.optimizer import Optimizer
from cbackprop.optimizers.state import OptimizerState
from cbackprop.plan.plan import Mask, Plan
from cbackprop.variable import ParameterStore, Variable, aligned_zeros

__all__ = ["STORED_AS", "Data", "Engine", "Objective", "Tick", "Turn", "known_engines"]

Array = NDArray[Any]
# Called now and then during a long run with the number of samples done; an exception stops the run.
Tick = Callable[[int], None] | None
# What data may be stored as.
STORED_AS = (
    *("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64"),
)


@dataclass
class Objective:
    """What is asked of one output: a loss, its weight, and metrics, each with whether samples are weighted."""

    loss: Loss | None = None
    loss_weight: float = 1.0
    metrics: list[tuple[Metric, bool]] = field(default_factory=list)

    def target_kind(self, metric: Metric) -> str:
        """In which form a metric is given targets: its own, else that of the loss, else like the predictions."""
        return metric.target_kind or (self.loss and self.loss.target_kind) or "values"

    def form(self, function: Loss | Metric) -> str:
        """In which form the loss or a metric is given targets."""
        return self.target_kind(function) if isinstance(function, Metric) else function.target_kind


@dataclass
class Data:
    """Checked arrays, one row a sample, in the forms that kernels read.

    `inputs` are arrays (samples, ...) of any type in `STORED_AS` and any strides, or `SparseRows`, or ``None`` for an
    input that is left out (`present`); the rows of a batch become the network's numbers, one after the other, when they
    are fetched. So do `values`, as large as the output, and `given`, targets of any shape (samples, ...) as users gave
    them; `classes` become int64 and `weights` float64, a number for each row of the output, of weights also one for
    each element. ``None`` where there is none.
    """

    inputs: list[Any]
    values: list[Array | None] = field(default_factory=list)
    classes: list[Array | None] = field(default_factory=list)
    weights: list[Array | None] = field(default_factory=list)
    given: list[Array | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.given:
            self.given = [None] * len(self.values)
        self._held: list[Held] = []

    def __len__(self) -> int:
        return next(len(array) for array in self.inputs if array is not None)

    def hold(self) -> None:
        """Note where the arrays are and what they are like, now that they have been checked."""
        lists = (self.inputs, self.values, self.classes, self.weights, self.given)
        self._held = [Held.of(array) for arrays in lists for array in arrays if isinstance(array, np.ndarray)]

    def check_held(self) -> None:
        """Refuse data that has been given another shape or type since `hold`, or whose memory is gone.

        Raises
        ------
        ValueError
            If it is such data.
        """
        for held in self._held:
            array, owner = held.array, held.owner
            if array.shape != held.shape or array.dtype != held.dtype:
                raise ValueError(
                    f"An array of shape {held.shape} and dtype {held.dtype} was changed to {array.shape} and "
                    f"{array.dtype} while the model was running on it."
                )
            moved = owner.nbytes != held.length or owner.__array_interface__["data"][0] != held.address
            if (moved and owner is not array) or (held.is_mapped and not is_whole(owner)):
                raise ValueError(
                    f"The memory of an array of shape {held.shape} is not there any more: while the model was running, "
                    "what it is a view of was resized, or the file that it is mapped from has become shorter."
                )

    def present(self) -> Data:
        """The same without inputs that are left out, as an engine reads it that was made for those that are there."""
        if all(array is not None for array in self.inputs):
            return self
        return replace(self, inputs=[array for array in self.inputs if array is not None])


# Larger tables, such as those of `Embedding`, are updated by rows with every optimizer.
LARGEST_DENSE_TABLE = 2**20

known_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


class Turn:
    """Lets one thread at a time into the engines of a model. A copy of the model has another one."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        known_turns.add(self)

    def __reduce__(self) -> Any:
        return Turn, ()


class TurnOf:
    """What `Engine.turn_of` returns: entered several times an epoch, it makes fewer calls than a generator would."""

    def __init__(self, engine: Engine, owner: Any) -> None:
        self.engine, self.owner, self.lock = engine, owner, engine.lock

    def __enter__(self) -> None:
        """Wait for the engine."""
        self.lock.acquire()
        try:
            if self.engine.owner is not self.owner:
                self.engine.take_turn(self.owner)
        except BaseException:
            self.lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self.lock.release()


known_turns: weakref.WeakSet[Turn] = weakref.WeakSet()


def _after_fork() -> None:
    """In a child process: other threads, and whoever held a lock, stayed behind in the parent."""
    for turn in list(known_turns):
        turn.lock = threading.RLock()
    for engine in list(known_engines):
        engine.lock = engine.turn.lock
    for engine in list(known_engines):
        engine.forget_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Engine:
    """Executes a plan. A lock lets one thread into a model at a time; others may use other models meanwhile.

    Parameters
    ----------
    plan : Plan
    dtype : {"float32", "float64"}
    objectives : sequence of Objective
        One for each output, or none at all for a network that only predicts.
    optimizer : Optimizer, optional
    trainable : collection of Variable
        Whose gradients are taken.
    state : OptimizerState, optional
        What the optimizer remembers of this model's training; other engines may share it.
    turn : Turn, optional
        That of the model, which all its engines share.
    only_losses : bool, default False
        Whether losses count alone, without regularizers, activity penalties and masks of outputs.
    """

    def __init__(
        self,
        plan: Plan,
        dtype: str,
        objectives: Sequence[Objective] = (),
        optimizer: Optimizer | None = None,
        trainable: Collection[Variable] = (),
        state: OptimizerState | None = None,
        turn: Turn | None = None,
        only_losses: bool = False,
    ) -> None:
        self.plan = plan
        self.dtype = np.dtype(dtype)
        self.objectives = list(objectives)
        self.optimizer = optimizer
        self.state = state or OptimizerState()
        chosen = set(trainable)
        self.trainable = [variable for variable in plan.variables if variable in chosen]
        # As it is now: a layer may be frozen later.
        self.couples_samples = [step.layer.couples_samples for step in plan.steps]
        self._whole_batches = {
            mode: any(self.couples(i, mode) for i in range(len(plan.steps))) for mode in (False, True)
        }
        self.turn = turn or Turn()
        self.lock = self.turn.lock
        known_engines.add(self)
        self.predictions_in_training = 0
        self.links = [self._link(index) for index in range(len(self.objectives))]
        # Without objectives the network only predicts, and what its layers' outputs would add to a loss does not count.
        self.activities = plan.activities if self.objectives and not only_losses else []
        self.regularized = [v for v in self.trainable if v.regularizer is not None and not only_losses]
        self.only_losses = only_losses
        self.masks = [self._mask(index) for index in range(len(self.objectives))]
        with_loss = [b for b, objective in zip(plan.outputs, self.objectives, strict=False) if objective.loss]
        with_loss += [activity.buffer for activity in self.activities]
        self.with_delta = plan.buffers_behind(self.trainable)
        linked = [link for link in self.links if link is not None]
        self.backward_steps = plan.backward_steps(set(self.trainable), with_loss, linked)
        self.tables = self._find_tables()
        self.settings_version = 0 if optimizer is None else optimizer.settings_version
        self.store: ParameterStore | None = None
        # What others have made of the objectives, once they were asked for it.
        self.log_names: Any = None  # the keys of logs
        self.names: list[str] | None = None  # of what `evaluate` returns
        self.metrics_of_layers: list[Any] | None = None  # which layers update themselves
        self.told_of_losses = False  # that some train nothing
        self.needs: Any = None  # the forms of targets, and the plan that they are for
        self.owner: Any = None  # whose means of losses and metrics are being added up
        self.put_aside: dict[Any, Any] = {}  # those of others, by owner
        self.problem: EngineProblem | None = None  # what a full-batch optimizer looked at last
        self.bound = False
        self.offsets: dict[Variable, int] = {}  # of the variables in the store
        self.generation = -1  # of `ParameterStore`, when the variables were seen to be where they were
        self.gradient_vector: Array = np.zeros(0, self.dtype)

    def plan_of(self, inputs: list[Any]) -> Plan:
        """The plan for these inputs."""
        return self.plan

    def is_up_to_date(self) -> bool:
        """Whether the layers for which that matters are frozen as they were when the engine was made."""
        return self.couples_samples == [step.layer.couples_samples for step in self.plan.steps]

    def at(self, inputs: list[Any]) -> Engine:
        """The engine that runs these inputs."""
        return self

    def check_differentiable(self) -> None:
        """Refuse to train through a layer in Python that does not say how."""
        for step in self.backward_steps:
            layer: Any = self.plan.steps[step.position].layer
            if layer.is_python and getattr(layer, "backward", None) is None:
                raise TypeError(layer.without_backward)

    def losses_without_weights(self) -> list[str]:
        """Names of layers in Python that add to the loss where no weight that is trained is behind what they add."""
        found = []
        for activity in self.activities:
            if isinstance(activity.regularizer, AddedLoss):
                step = next(step for step in self.plan.steps if step.layer is activity.regularizer.step)
                if step.output not in self.with_delta:
                    found.append(activity.layer.name)
        return list(dict.fromkeys(found))

    def sees_whole(self, training: bool) -> bool:
        """Whether a layer must see every batch of such a run as a whole, so that none can be divided."""
        return self._whole_batches[bool(training)]

    def couples(self, index: int, training: bool) -> bool:
        """Whether in such a run a sample's output of a step depends on the other samples of its batch."""
        step = self.plan.steps[index]
        training = training if step.training is None else step.training
        return self.couples_samples[index] == "always" or (self.couples_samples[index] == "in_training" and training)

    def _find_tables(self) -> set[Variable]:
        """The variables of which only those rows are updated that a batch reads."""
        read: dict[bool, set[Variable]] = {True: set(), False: set()}
        for step in self.plan.steps:
            read[step.layer.reads_rows].update(step.layer.variables)
        by_rows = read[True] - read[False]
        return {variable for variable in self.trainable if variable in by_rows and self._is_table(variable)}

    def follow_settings(self) -> None:
        """Take over settings of the optimizer that have been changed since the last run."""
        assert self.optimizer is not None
        self.settings_version = self.optimizer.settings_version
        self.tables = self._find_tables()
        self._make_rule()
        self.bound = False

    def _make_rule(self) -> None:
        raise NotImplementedError

    def _is_table(self, variable: Variable) -> bool:
        """Whether only those rows of a table are updated that a batch reads.

        So it is where that makes no difference, and where tables are so large that all else would be too slow; never
        where something is made of all rows, or of those of several batches.
        """
        rule = self.optimizer
        if rule is None or rule.whole_variables or rule.use_ema or rule.gradient_accumulation_steps:
            return False
        if variable.regularizer is not None or variable.constraint is not None:
            return False
        return rule.rests_without_gradient or variable.size > LARGEST_DENSE_TABLE

    def _mask(self, index: int) -> Mask | None:
        """The mask of an output, if something is asked of it."""
        objective = self.objectives[index]
        counts = (objective.loss or objective.metrics) and not self.only_losses
        return self.plan.output_masks[index] if counts else None

    def _link(self, index: int) -> int | None:
        """The step that the loss of an output takes over, where link and loss cancel."""
        loss = self.objectives[index].loss
        step_index = self.plan.link(self.plan.outputs[index])
        if loss is None or step_index is None or loss.from_logits:
            return None
        step = self.plan.steps[step_index]
        function = step.layer.function
        last = len(step.output_shape)
        matches = function is not None and function.name == loss.link and function.axis in (None, -1, last)
        return step_index if matches else None

    # Parameters

    def bind(self) -> None:
        """Follow the variables to where they live now: another model may have united them with its own."""
        if self.bound and (self.generation == ParameterStore.generation or self._are_here()):
            return
        self.bound = False  # until all is in place: an interrupt may come at any line
        with ParameterStore.moving:
            self.store = ParameterStore.unite(self.plan.variables)
            if self.store is None:
                return
            self.store.add_user(self)
            self.offsets = {variable: variable.offset for variable in self.plan.variables}
            self.gradient_vector = aligned_zeros(self.store.values.size, self.dtype)
            self.slots: list[Array] = []
            if self.optimizer is not None:
                self.slots = self.state.place(self.optimizer, self.store, self.trainable)
            self._bind_parameters()
            self.bound = self._are_here()

    def bring_along(self) -> None:
        """At the end of a run: another model may have moved weights meanwhile, but this one went on where they were."""
        if self.store is None or self.generation == ParameterStore.generation:
            return
        with ParameterStore.moving:
            for variable, offset in self.offsets.items():
                self.store.bring_along(variable, offset)

    def _are_here(self) -> bool:
        """Whether all variables live in the store that this engine knows; if so, since which generation."""
        generation = ParameterStore.generation  # read first: whoever moves them meanwhile raises it
        here = all(variable.store is self.store for variable in self.plan.variables)
        self.generation = generation if here else -1
        return here

    @contextmanager
    def fresh_means(self) -> Iterator[None]:
        """Start new means of losses and metrics, and afterwards go on with the ones that were there before."""
        with self.lock:
            earlier = self.sums()
            self.reset()
            try:
                yield
            finally:
                self.restore(earlier)

    def turn_of(self, owner: Any) -> TurnOf:
        """Meanwhile means are those of this owner, such as a run of `fit`; another's are put aside until its turn."""
        return TurnOf(self, owner)

    def take_turn(self, owner: Any) -> None:
        """Put aside the means that were being added up, and go on with those of this owner."""
        if self.owner is not None:
            self.put_aside[self.owner] = self.sums()
        self.owner = owner
        if owner in self.put_aside:
            self.restore(self.put_aside.pop(owner))
        else:
            self.reset()

    def forget(self, owner: Any) -> None:
        """Keep nothing of an owner of means any more."""
        with self.lock:
            self.put_aside.pop(owner, None)
            self.owner = None if self.owner is owner else self.owner

    def view(self, vector: Array, variable: Variable) -> Array:
        """The part of a flat vector that belongs to a variable, where it was when the run began."""
        offset = self.offsets[variable]
        return vector[offset : offset + variable.size].reshape(variable.shape)

    def segments(self) -> list[Segment]:
        """What the optimizer works on: whole variables if its rule says so, else runs of the flat vectors."""
        assert self.optimizer is not None
        assert self.store is not None
        if self.optimizer.whole_variables:
            return [self._whole(self.optimizer, v) for v in self.store.variables if v in set(self.trainable)]
        values, gradients, slots = self.store.values, self.gradient_vector, self.slots
        return [
            Segment(values[begin:end], gradients[begin:end], [slot[begin:end] for slot in slots], decay)
            for begin, end, decay in self._runs(self.optimizer)
        ]

    def _whole(self, optimizer: Optimizer, variable: Variable) -> Segment:
        gradient = self.view(self.gradient_vector, variable)
        return Segment(variable.array, gradient, self.state.slots[variable], optimizer.decay_of(variable))

    def _runs(self, optimizer: Optimizer) -> list[tuple[int, int, float]]:
        """Runs (begin, end, decay) of the flat vectors.

        Neighbours with nothing but padding between them make one run, unless each variable's norm counts. Between
        others there is a variable that is frozen, or one that is left of a model that is gone.
        """
        merge = optimizer.clipnorm is None
        runs: list[tuple[int, int, float]] = []
        assert self.store is not None
        trainable = set(self.trainable)
        for variable in self.store.variables:
            if variable not in trainable or variable in self.tables:
                continue
            decay = optimizer.decay_of(variable)
            end = variable.offset + variable.size
            follows = bool(runs) and self.store.next_offset(runs[-1][1]) == variable.offset
            if merge and follows and runs[-1][2] == decay:
                runs[-1] = (runs[-1][0], end, decay)
            else:
                runs.append((variable.offset, end, decay))
        return runs

    def dense_weights(self) -> list[Array]:
        """The trainable weights without tables, which may be too large to be looked through in every run."""
        return [variable.array for variable in self.trainable if variable not in self.tables]

    def rows_of_last_batch(self) -> list[Array]:
        """The rows of tables that the last step has changed, or whole tables."""
        return [variable.array for variable in self.tables]

    def gradients(self) -> list[Array]:
        """Copies of the gradients of all trainable variables."""
        return [self.view(self.gradient_vector, variable).copy() for variable in self.trainable]

    def draw_count(self, training: bool) -> int:
        """What random layers count by in a prediction: each one made as in training draws anew."""
        earlier = self.predictions_in_training
        self.predictions_in_training += training
        return earlier

    def draw_as_after(self, batches: int) -> None:
        """Let random layers of an engine without optimizer draw as in a batch after so many others."""

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

        With `update` False, gradients are computed and nothing is changed.
        """
        raise NotImplementedError

    def solver(self) -> Any:
        """What carries out the optimizer's arithmetic."""
        raise NotImplementedError

    def jacobian(self, data: Data, begin: int, end: int) -> tuple[Array, NDArray[np.float64]]:
        """Derivatives of each number predicted for the samples begin:end, (numbers, weights), and its error (numbers,).

        Weights are those of `trainable`, one after the other; outputs without a loss are left out.
        """
        raise NotImplementedError

    def learn(
        self, data: Data, order: NDArray[np.int64] | None, start: int, stop: int, batch_size: int, tick: Tick = None
    ) -> None:
        """Change the weights as the optimizer does it: batch by batch, or by looking at all samples several times."""
        if not isinstance(self.optimizer, FullBatchOptimizer):
            self.train(data, order, start, stop, batch_size, tick=tick)
            return
        with self.lock:
            self.bind()
            if self.problem is None or self.problem.data is not data:
                self.problem = EngineProblem(self, data)
            try:
                self.optimizer.step(self.problem, self.state)
            finally:
                self.bring_along()
        if tick is not None:
            tick(stop - start)

    def test(self, data: Data, batch_size: int, training: bool = False, tick: Tick = None) -> None:
        """Add the loss and metrics of all samples to the means."""
        raise NotImplementedError

    def predict(
        self, inputs: list[Any], batch_size: int, training: bool = False, tick: Tick = None, check: bool = False
    ) -> list[Array] | None:
        """The outputs for all samples, each (samples, ...); ``None`` if `check` finds that an input is not finite."""
        raise NotImplementedError

    def predict_now(self, x: Array) -> Array | None:
        """The output for a few samples without the cost of `predict`, where that is possible; ``None`` elsewhere."""
        return None

    @contextmanager
    def kept_threads(self) -> Iterator[None]:
        """Meanwhile, threads wait for the next run when one ends."""
        yield

    def forget_threads(self) -> None:
        """In a child process: threads stayed behind in the parent."""

    def reset(self) -> None:
        """Start new means of losses and metrics."""
        raise NotImplementedError

    def sums(self) -> Any:
        """What `restore` takes: everything added up since the last reset."""
        raise NotImplementedError

    def restore(self, sums: Any) -> None:
        """Go on adding to what `sums` returned."""
        raise NotImplementedError

    def losses(self) -> tuple[float, list[float]]:
        """Means since the last reset: the total loss, and the loss of each output."""
        raise NotImplementedError

    def metric_snapshots(self) -> list[list[Any]]:
        """What `restore` of each metric of each output takes: everything added up since the last reset."""
        raise NotImplementedError
