"""The engine of a model whose inputs have open sizes, or may be left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.compiled.kernels.vectors import is_finite
from cbackprop.distribution.data_parallel import DataParallel
from cbackprop.engine.data import Data
from cbackprop.engine.engine import Array, Engine, Tick
from cbackprop.engine.model_lock import ModelLock
from cbackprop.engine.objective import Objective
from cbackprop.optimizers.optimizer import Optimizer
from cbackprop.optimizers.state import OptimizerState
from cbackprop.plan.plan import Plan
from cbackprop.plan.sizes import Latest, Sizes
from cbackprop.variable import Variable

__all__ = ["EngineOfSizes"]


class EngineOfSizes(Engine):
    """Passes data on to engines, each made for data of one shape.

    They share weights, the state of the optimizer, and the means of losses and metrics.

    Parameters
    ----------
    make : callable
        Makes an engine for given sizes. All have the same objectives, optimizer, state and lock.
    plan : callable
        Makes the plan for given sizes.
    dtype, objectives, optimizer, trainable, state, model_lock, distribution
        As `Engine`.
    """

    def __init__(
        self,
        make: Callable[[Sizes], Engine],
        plan: Callable[[Sizes], Plan],
        dtype: str,
        objectives: Sequence[Objective] = (),
        optimizer: Optimizer | None = None,
        trainable: Collection[Variable] = (),
        state: OptimizerState | None = None,
        model_lock: ModelLock | None = None,
        distribution: DataParallel | None = None,
    ) -> None:
        self._take_settings(dtype, objectives, optimizer, list(trainable), state, model_lock, distribution)
        self.engines = Latest(make)
        self._plan_for = plan
        self.current: Engine | None = None
        self._keepers = 0  # runs that keep threads: callbacks and other threads may begin further runs
        self._keeping = ExitStack()

    def plan_of(self, inputs: list[Any]) -> Plan:
        """The plan for these inputs.

        This makes no engine, which would need the lock: the thread that holds it may be waiting for this one.
        """
        return self._plan_for(sizes_of(inputs))

    def is_up_to_date(self) -> bool:
        """Whether all engines are up to date."""
        return all(engine.is_up_to_date() for engine in self.engines)

    def at(self, inputs: list[Any]) -> Engine:
        """The engine for these inputs. It continues the sums of the previous engine."""
        with self.lock:
            engine, before = self.engines.get(sizes_of(inputs)), self.current
            if engine is not before:
                engine.reset()
                if before is not None:
                    engine.restore(before.sums())
                self.current = engine
                self._keep(engine)
            return engine

    def _keep(self, engine: Engine) -> None:
        """If threads are kept, keep only the threads of this engine."""
        if self._keepers:
            self._keeping.close()
            self._keeping.enter_context(engine.kept_threads())

    def check_differentiable(self) -> None:
        """Do nothing: each engine is checked before it trains."""

    def losses_without_weights(self) -> list[str]:
        """The names that the engines made so far report; empty before the first data."""
        return list(dict.fromkeys(name for engine in self.engines for name in engine.losses_without_weights()))

    def bind(self) -> None:
        """Do nothing: each engine binds itself."""

    def has_finite_weights(self) -> bool:
        """Whether no number of `dense_weights` is NaN or infinite."""
        return all(map(is_finite, self.dense_weights()))

    def dense_weights(self) -> list[Array]:
        """The trainable weights without tables; all trainable weights before the first data."""
        return [v.array for v in self.trainable] if self.current is None else self.current.dense_weights()

    def rows_of_last_batch(self) -> list[Array]:
        """The rows of tables that the last step has changed."""
        return [] if self.current is None else self.current.rows_of_last_batch()

    def gradients(self) -> list[Array]:
        """Copies of the gradients of all trainable variables."""
        assert self.current is not None
        found = dict(zip(self.current.trainable, self.current.gradients(), strict=True))
        self.trainable = [variable for variable in self.trainable if variable in found]
        return [found[variable] for variable in self.trainable]

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
        """Run the samples order[start:stop] forwards and backwards, a batch at a time."""
        with self.lock:
            engine = self.at(data.inputs)
            engine.check_differentiable()
            engine.train(data.present(), order, start, stop, batch_size, update, training, tick)

    def jacobian(self, data: Data, begin: int, end: int) -> tuple[Array, NDArray[np.float64]]:
        """Derivatives of each number predicted for the samples begin:end, and its error."""
        with self.lock:
            return self.at(data.inputs).jacobian(data.present(), begin, end)

    def learn(
        self, data: Data, order: NDArray[np.int64] | None, start: int, stop: int, batch_size: int, tick: Tick = None
    ) -> None:
        """Train: a step for each batch, or one step of a full-batch optimizer."""
        with self.lock:
            engine = self.at(data.inputs)
            engine.check_differentiable()
            engine.learn(data.present(), order, start, stop, batch_size, tick)

    def test(self, data: Data, batch_size: int, training: bool = False, tick: Tick = None) -> None:
        """Add the loss and metrics of all samples to the means."""
        with self.lock:
            self.at(data.inputs).test(data.present(), batch_size, training, tick)

    def predict(
        self, inputs: list[Any], batch_size: int, training: bool = False, tick: Tick = None, check: bool = False
    ) -> list[Array] | None:
        """The outputs for all samples; ``None`` if `check` finds that an input is not finite."""
        with self.lock:
            engine = self.engines.get(sizes_of(inputs))
            engine.predictions_in_training = self.draw_count(training)
            return engine.predict(Data(inputs).present().inputs, batch_size, training, tick, check)

    def predict_now(self, x: Array, batch_size: int) -> Array | None:
        """The output for a few samples without the preparations of `predict`; ``None`` if that is not possible."""
        engine = self.engines.known((x.shape[1:],))
        return None if engine is None else engine.predict_now(x, batch_size)

    @contextmanager
    def kept_threads(self) -> Iterator[None]:
        """Keep the threads of the current engine inside the ``with`` block."""
        with self.lock:
            self._keepers += 1
            if self._keepers == 1 and self.current is not None:
                self._keep(self.current)
        try:
            yield
        finally:
            with self.lock:
                self._keepers -= 1
                if not self._keepers:
                    self._keeping.close()

    def forget_threads(self) -> None:
        """Do nothing: each engine forgets its own."""

    def reset(self) -> None:
        """Start new means of losses and metrics."""
        with self.lock:
            if self.current is not None:
                self.current.reset()

    def sums(self) -> Any:
        """All sums since the last reset, for `restore`; ``None`` before the first data."""
        return None if self.current is None else self.current.sums()

    def restore(self, sums: Any) -> None:
        """Continue from the sums that `sums` returned."""
        with self.lock:
            if self.current is not None:
                if sums is None:
                    self.current.reset()
                else:
                    self.current.restore(sums)

    def losses(self) -> tuple[float, list[float]]:
        """Means since the last reset: the total loss, and the loss of each output."""
        return (0.0, [0.0] * len(self.objectives)) if self.current is None else self.current.losses()

    def metric_snapshots(self) -> list[list[Any]]:
        """The sums of each metric of each output since the last reset, as the metric's `restore` takes them."""
        return [[] for _ in self.objectives] if self.current is None else self.current.metric_snapshots()


def sizes_of(inputs: list[Any]) -> Sizes:
    """The shape of a sample of each input; ``None`` for one that is left out."""
    return tuple(None if array is None else tuple(int(size) for size in array.shape[1:]) for array in inputs)
