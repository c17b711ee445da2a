"""What both engines share: where parameters, gradients and slots lie, and what is asked of the outputs."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.engine.problem import EngineProblem
from cbackprop.losses.loss import Loss
from cbackprop.metrics.metric import RowMean
from cbackprop.optimizers.full_batch import FullBatchOptimizer
from cbackprop.optimizers.optimizer import Optimizer
from cbackprop.plan.plan import Plan, Step
from cbackprop.threads import limited
from cbackprop.variable import ParameterStore, Variable, aligned_zeros

__all__ = ["Data", "Engine", "Objective", "Tick"]

Array = NDArray[Any]
# Called now and then during a long run with the number of samples done; an exception stops the run.
Tick = Callable[[int], None] | None


@dataclass
class Objective:
    """What is asked of one output: a loss, its weight, and metrics, each with whether samples are weighted."""

    loss: Loss | None = None
    loss_weight: float = 1.0
    metrics: list[tuple[RowMean, bool]] = field(default_factory=list)


@dataclass
class Data:
    """Checked arrays, one row a sample, in the forms that kernels read.

    `inputs` and `values` are of the network's float type, `values` (samples, elements of the output);
    `classes` int64 and `weights` float64, both (samples, rows of the output); ``None`` where there is none.
    """

    inputs: list[Array]
    values: list[Array | None] = field(default_factory=list)
    classes: list[Array | None] = field(default_factory=list)
    weights: list[Array | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.inputs[0])


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def _renew_locks() -> None:
    """In a child process: whoever held a lock stayed behind in the parent."""
    for engine in list(_engines):
        engine.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


class Engine:
    """Executes a plan. A lock lets one thread in at a time; other threads may use other models meanwhile.

    Parameters
    ----------
    plan : Plan
    dtype : {"float32", "float64"}
    objectives : sequence of Objective
        One for each output, or none at all for a network that only predicts.
    optimizer : Optimizer, optional
    trainable : collection of Variable
        Whose gradients are taken.
    """

    def __init__(
        self,
        plan: Plan,
        dtype: str,
        objectives: Sequence[Objective] = (),
        optimizer: Optimizer | None = None,
        trainable: Collection[Variable] = (),
    ) -> None:
        self.plan = plan
        self.dtype = np.dtype(dtype)
        self.objectives = list(objectives)
        self.optimizer = optimizer
        chosen = set(trainable)
        self.trainable = [variable for variable in plan.variables if variable in chosen]
        self.lock = threading.RLock()
        _engines.add(self)
        self.predictions_in_training = 0
        self.links = [self._link(index) for index in range(len(self.objectives))]
        with_loss = [b for b, objective in zip(plan.outputs, self.objectives, strict=False) if objective.loss]
        linked = [link for link in self.links if link is not None]
        self.backward_steps = plan.backward_steps(set(self.trainable), with_loss, linked)
        self.store: ParameterStore | None = None
        self.last_problem: Any = None  # what a full-batch optimizer looked at last
        self.bound = False
        self.generation = -1  # of `ParameterStore`, when the variables were seen to be where they were
        self.gradient_vector: Array = np.zeros(0, self.dtype)

    def sees_whole(self, training: bool) -> bool:
        """Whether a layer must see every batch of such a run as a whole, so that none can be divided."""
        return any(self.is_alone(step, training) for step in self.plan.steps)

    def is_alone(self, step: Step, training: bool) -> bool:
        """Whether a step must see every batch of such a run as a whole."""
        training = training if step.training is None else step.training
        return step.layer.alone == "always" or (step.layer.alone == "in_training" and training)

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
        if self.bound and self._are_here():
            return
        self.bound = False  # until all is in place: an interrupt may come at any line
        self.store = ParameterStore.unite(self.plan.variables)
        if self.store is None:
            return
        self.gradient_vector = aligned_zeros(self.store.values.size, self.dtype)
        self.slots = self._bind_slots()
        self._bind_parameters()
        self.bound = self._are_here()

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

    def _bind_slots(self) -> list[Array]:
        """Slot vectors laid out like the parameters, with what the optimizer already remembers."""
        assert self.store is not None
        if self.optimizer is None:
            return []
        slots = [aligned_zeros(self.store.values.size, self.dtype) for _ in self.optimizer.slot_names]
        for variable in self.trainable:
            views = [self.view(slot, variable) for slot in slots]
            for view, old in zip(views, self.optimizer.slots.get(variable, ()), strict=False):
                view[...] = old
            self.optimizer.slots[variable] = views
        return slots

    def view(self, vector: Array, variable: Variable) -> Array:
        """The part of a flat vector that belongs to a variable."""
        return vector[variable.offset : variable.offset + variable.size].reshape(variable.shape)

    def segments(self) -> list[tuple[int, int, bool]]:
        """Runs (begin, end, decay) of the flat vectors that the optimizer works on.

        Neighbours with nothing but padding between them make one run, unless each variable's norm counts.
        """
        optimizer = self.optimizer
        merge = optimizer is not None and optimizer.clipnorm is None
        runs: list[tuple[int, int, bool]] = []
        assert self.store is not None
        trainable = set(self.trainable)
        mergeable = False
        for variable in self.store.variables:
            if variable not in trainable:
                mergeable = False
                continue
            decay = optimizer is None or optimizer.decays(variable)
            end = variable.offset + variable.size
            if merge and mergeable and runs[-1][2] == decay:
                runs[-1] = (runs[-1][0], end, decay)
            else:
                runs.append((variable.offset, end, decay))
            mergeable = True
        return runs

    def gradients(self) -> list[Array]:
        """Copies of the gradients of all trainable variables."""
        return [self.view(self.gradient_vector, variable).copy() for variable in self.trainable]

    def draw_count(self, training: bool) -> int:
        """What random layers count by in a prediction: each one made as in training draws anew."""
        earlier = self.predictions_in_training
        self.predictions_in_training += training
        return earlier

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
        with self.lock, limited(1):
            self.bind()
            self.optimizer.step(EngineProblem(self, data))
            self.optimizer.iterations += 1
        if tick is not None:
            tick(stop - start)

    def test(self, data: Data, batch_size: int, training: bool = False, tick: Tick = None) -> None:
        """Add the loss and metrics of all samples to the means."""
        raise NotImplementedError

    def predict(self, inputs: list[Array], batch_size: int, training: bool = False, tick: Tick = None) -> list[Array]:
        """The outputs for all samples, each (samples, ...)."""
        raise NotImplementedError

    def predict_now(self, x: Array) -> Array | None:
        """The output for a few samples without the cost of `predict`, where that is possible; ``None`` elsewhere."""
        return None

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

    def metric_sums(self) -> list[list[tuple[float, float]]]:
        """(total, count) since the last reset, for each metric of each output."""
        raise NotImplementedError
