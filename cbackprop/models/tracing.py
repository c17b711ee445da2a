"""Make traces of training steps."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cbackprop.engine import Data, Engine, engine_class
from cbackprop.engine.sparse import SparseRows
from cbackprop.layers.layer import Layer
from cbackprop.models.data import make_inputs
from cbackprop.models.engines import own_engine, prepare, samples_for
from cbackprop.models.gradient_check import Differences
from cbackprop.models.gradients import MOST_KEPT
from cbackprop.models.untouched import Remembered, untouched
from cbackprop.optimizers.full_batch import FullBatchOptimizer
from cbackprop.part_of import part_of
from cbackprop.plan.traced_plan import TracedPlan
from cbackprop.trace import Trace, WeightTrace
from cbackprop.trace.layer_trace import paths_apart, told_apart
from cbackprop.trace.live import Live
from cbackprop.trace.recorder import Recorder
from cbackprop.trace.rule import Rule
from cbackprop.validation import check_boolean
from cbackprop.variable import Variable

__all__ = ["TraceMethods"]


@part_of("Model")
class TraceMethods:
    """The part of `Model` that traces a training step."""

    def trace(self, x: Any, y: Any, sample_weight: Any = None, training: bool = False) -> Trace:
        """Every number of one training step: z, a, delta, gradients and the update. Nothing is changed.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`; all samples make one batch.
        training : bool, default False
            Whether dropout and the like are active, as in `fit`. A network without such layers computes the same either
            way. Optimizers that need all samples, such as `LBFGS`, make their step as in training.

        Returns
        -------
        Trace
            It can be printed, shown in a notebook, explained in numbers, and written to a web page. Its `apply` makes
            the step.

        Raises
        ------
        RuntimeError
            Before `compile`.
        TypeError, ValueError
            If the data is wrong, or the model was compiled without a loss or an optimizer.

        Notes
        -----
        The model's engine computes the step with the model's weights. It uses memory in which no layer overwrites the
        numbers of another one. With training layers inactive, the numbers are those of `gradients`. Layers in Python
        are called a few more times than in a step. What they change in themselves, other than weights and metrics, is
        not restored.

        Examples
        --------
        >>> import cbackprop as cb
        >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1, kernel_initializer="ones", name="unit")])
        >>> model.compile(cb.optimizers.SGD(0.1), "mse")
        >>> trace = model.trace([[2.0]], [[1.0]])
        >>> trace["unit"].z.tolist(), trace["unit"].delta.tolist()
        ([[2.0]], [[2.0]])
        >>> print(trace.explain(weight="unit/kernel[0,0]"))  # doctest: +ELLIPSIS
        dL/dw = sum over 1 sample of x·δ = 2·2 = 4
        ...
        """
        check_boolean("training", training)
        model: Any = self
        main = prepare(model, x, "trace")
        inputs = make_inputs(model, x)
        if model.has_open_inputs:
            main = main.at(inputs)
        check_traceable(main)
        main.check_differentiable()
        data = own_copy(samples_for(model, main, x, y, sample_weight).data.present())
        there = [name for name, array in zip(model.input_names, inputs, strict=True) if array is not None]
        return TraceMaker(model, main, data, training).make(there)


def check_traceable(engine: Engine) -> None:
    """Refuse to trace a model that makes no training step, or makes it together with other ranks."""
    if engine.optimizer is None:
        raise ValueError("trace needs an optimizer, but the model was compiled with optimizer=None.")
    if not any(objective.loss for objective in engine.objectives):
        raise ValueError("trace needs a loss, but the model was compiled without one.")
    if engine.distribution is not None:
        raise ValueError("trace shows a step of one process: do not set a distribution, or trace a copy of the model.")


def own_copy(data: Data) -> Data:
    """A copy of the data, so that it cannot change before `Trace.apply`."""

    def copies(arrays: Sequence[Any]) -> list[Any]:
        return [array.copy() if isinstance(array, (np.ndarray, SparseRows)) else array for array in arrays]

    return Data(*map(copies, (data.inputs, data.values, data.classes, data.weights, data.given)))


class TraceMaker:
    """Makes one training step of a model, reads all its numbers, and undoes it.

    Parameters
    ----------
    model : Model
    main : Engine
        The engine that trains the model.
    data : Data
    training : bool
    """

    def __init__(self, model: Any, main: Engine, data: Data, training: bool) -> None:
        self.model, self.main, self.data, self.training = model, main, data, training
        self.samples = len(data)
        self.plans = model.plans
        self._differences: Differences | None = None  # made when first needed
        self._differing = threading.RLock()  # several threads may use one trace

    def make(self, input_names: list[str]) -> Trace:
        """The trace of a step."""
        main, model = self.main, self.model
        assert main.optimizer is not None
        with np.errstate(all="ignore"), untouched(model, main) as remembered:  # data and weights may overflow
            engine = self._observer()
            iteration = main.state.batches
            rate = float(main.optimizer.rate_at(iteration))
            with engine.fresh_means():
                engine.draw_as_after(iteration)
                engine.train(self.data, None, 0, self.samples, self.samples, update=False, training=self.training)
                gradients = dict(zip(engine.trainable, engine.gradients(), strict=True))
                loss = engine.losses()[0]
                remembered.restore_states()
                recorder = Recorder(engine, input_names, self.data, self.training, iteration)
                layers = recorder.layers()
                self.paths = paths_apart(layers, [variable for variable, _ in remembered.weights])
                remembered.restore_states()
                self._step()
                weights = self._weights(remembered, gradients)
                remembered.restore_states()
                loss_after = self._loss(iteration)
                return Trace(
                    model=model.name,
                    engine=model.compile_settings()["engine"],
                    dtype=main.dtype.name,
                    training=self.training,
                    inputs=dict(
                        zip(input_names, map(recorder.value, main.plan.inputs, main.plan.input_shapes), strict=False)
                    ),
                    outputs=recorder.judged(model.output_names),
                    layers=[replace(layer, weights=told_apart(weights[v] for v in used)) for layer, used in layers],
                    weights={weight.path: weight for weight in weights.values()},
                    loss=loss,
                    loss_after=loss_after,
                    rule=Rule.of(main.optimizer, rate, iteration),
                    make_step=Live(lambda: self._apply(remembered)),
                    difference=Live(lambda weight, index: self._difference(remembered, weight, index)),
                )

    def _observer(self) -> Engine:
        """The engine that keeps its buffers, made when first needed."""
        model, main = self.model, self.main
        key = ("trace", main)
        with Layer._making:
            known = model._gradient_engines.get(key)
            if known is None or not known.is_up_to_date():
                links = [link for link in main.links if link is not None]
                plan = TracedPlan(main.plan, model.dtype, links)
                objectives = [replace(objective, metrics=[]) for objective in main.objectives]
                kind = engine_class(model.compile_settings()["engine"], plan)
                trained = main.trainable
                known = kind(
                    plan, model.dtype, objectives, None, trained, model_lock=model._model_lock, keeps_buffers=True
                )
                if len(model._gradient_engines) >= MOST_KEPT:
                    del model._gradient_engines[next(iter(model._gradient_engines))]
                model._gradient_engines[key] = known
        found: Engine = known
        return found

    def _weights(self, before: Remembered, gradients: dict[Variable, Any]) -> dict[Variable, WeightTrace]:
        """Each weight before and after the step, which has just been made."""
        main = self.main
        assert main.optimizer is not None
        names, slots = main.optimizer.memory_names, dict(before.slots)
        found = {}
        for variable, value in before.weights:
            old, new = slots.get(variable, []), main.state.slots.get(variable, [])
            after = {name: slot.copy() for name, slot in zip(names, new, strict=False) if slot is not None}
            found[variable] = WeightTrace(
                variable.name,
                value.copy(),  # so that writing into the trace changes nothing else
                variable.numpy(),
                gradients.get(variable),
                {name: slot.copy() for name, slot in zip(names, old, strict=False) if slot is not None},
                after,
                self.paths[variable],
            )
        return found

    def _step(self) -> None:
        """The step itself, by the engine that trains the model."""
        if isinstance(self.main.optimizer, FullBatchOptimizer) or self.training:
            self.main.learn(self.data, None, 0, self.samples, self.samples)
        else:
            self.main.train(self.data, None, 0, self.samples, self.samples, training=False)

    def _loss(self, iteration: int) -> float:
        """The loss of the same samples with the current weights. Random layers draw as before the step."""
        self.main.state.batches = iteration
        self.main.reset()
        self.main.test(self.data, self.samples, self.training)
        return self.main.losses()[0]

    def _apply(self, remembered: Remembered) -> None:
        main, model = self.main, self.model
        engine = own_engine(model)
        current = None if engine is None else engine.at(self.data.inputs)
        with main.lock:
            if current is not main or not remembered.is_current():
                raise RuntimeError(
                    "The model has changed since the trace was made, so its step no longer fits. Trace again."
                )
            model._position = None
            with main.fresh_means():
                self._step()

    def _difference(self, remembered: Remembered, weight: WeightTrace, index: tuple[int, ...]) -> float:
        """The central difference of the loss for one element of a weight, in float64, before the step."""
        with self._differing:
            if self._differences is None:
                if self.model.plans is not self.plans:
                    raise RuntimeError("Layers of the model have changed since the trace was made. Trace again.")
                self._differences = Differences(self.model, self.main, self.data, self.training, remembered)
            variable = next(v for v in self.main.plan.variables if self.paths[v] == weight.path)
            return self._differences.at(variable, index)
