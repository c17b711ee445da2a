"""An engine for a model whose inputs leave sizes open, or may be left out: it has another one for each form of data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.engine.engine import Array, Data, Engine, Objective, Tick, Turn, known_engines
from cbackprop.optimizers.optimizer import Optimizer
from cbackprop.optimizers.state import OptimizerState
from cbackprop.plan.plan import Plan
from cbackprop.plan.sizes import Latest, Sizes
from cbackprop.variable import Variable

__all__ = ["EngineOfSizes"]


class EngineOfSizes(Engine):
    """Runs data in an engine that was made for its shape. They share weights, the optimizer's state, and all sums.

    Parameters
    ----------
    make : callable
        Makes an engine for sizes; all with the same objectives, optimizer, state and turn.
    plan : callable
        The plan for sizes.
    dtype, objectives, optimizer, trainable, state, turn
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
        turn: Turn | None = None,
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.objectives = list(objectives)
        self.optimizer = optimizer
        self.trainable = list(trainable)
        self.state = state or OptimizerState()
        self.log_names: Any = None
        self.names: list[str] | None = None
        self.metrics_of_layers: list[Any] | None = None
        self.told_of_losses = False
        self.needs: Any = None
        self.owner: Any = None
        self.put_aside: dict[Any, Any] = {}
        self.predictions_in_training = 0
        self.turn = turn or Turn()
        self.lock = self.turn.lock
        self.engines = Latest(make)
        self._plan_for = plan
        self.current: Engine | None = None
        self._keepers = 0  # runs that are to keep threads: a callback may begin another one, and so may another thread
        self._keeping = ExitStack()
        known_engines.add(self)

    def plan_of(self, inputs: list[Any]) -> Plan:
        """The plan for these inputs.

        No engine is made for it: that would wait for the batch that another thread is running, which may itself wait
        for the engines.
        """
        return self._plan_for(sizes_of(inputs))

    def is_up_to_date(self) -> bool:
        """The same of all engines that there are."""
        return all(engine.is_up_to_date() for engine in self.engines)

    def at(self, inputs: list[Any]) -> Engine:
        """The engine for these inputs, which goes on with the sums of the one before."""
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
        """While threads are to be kept, those of the engine whose turn it is are, and of no other."""
        if self._keepers:
            self._keeping.close()
            self._keeping.enter_context(engine.kept_threads())

    def check_differentiable(self) -> None:
        """Left to the engines, when they are there."""

    def losses_without_weights(self) -> list[str]:
        """What the engines say that there are; before any, nothing is known."""
        return list(dict.fromkeys(name for engine in self.engines for name in engine.losses_without_weights()))

    def bind(self) -> None:
        """Left to the engines."""

    def dense_weights(self) -> list[Array]:
        """The trainable weights without tables; all of them before there was any data."""
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
        """Change the weights as the optimizer does it."""
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

    def predict_now(self, x: Array) -> Array | None:
        """The output for a few samples without the cost of `predict`, where that is possible."""
        engine = self.engines.known((x.shape[1:],))
        return None if engine is None else engine.predict_now(x)

    @contextmanager
    def kept_threads(self) -> Iterator[None]:
        """Meanwhile, the threads of the engine whose turn it is wait for the next batch of the same shape."""
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
        """In a child process: the engines do so by themselves."""

    def reset(self) -> None:
        """Start new means of losses and metrics."""
        with self.lock:
            if self.current is not None:
                self.current.reset()

    def sums(self) -> Any:
        """What `restore` takes; ``None`` before there was any data."""
        return None if self.current is None else self.current.sums()

    def restore(self, sums: Any) -> None:
        """Go on adding to what `sums` returned."""
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
        """What `restore` of each metric of each output takes: everything added up since the last reset."""
        return [[] for _ in self.objectives] if self.current is None else self.current.metric_snapshots()


def sizes_of(inputs: list[Any]) -> Sizes:
    """The shape of a sample of each input; ``None`` for one that is left out."""
    return tuple(None if array is None else tuple(int(size) for size in array.shape[1:]) for array in inputs)
