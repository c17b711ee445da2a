"""The reference engine: the four steps of backpropagation in plain NumPy.

To see how a network learns, read `ReferenceEngine.train` first: forward pass, loss, backward pass,
update. The arithmetic of each layer, loss and optimizer is in `cbackprop.reference`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.contract.implementation import find
from cbackprop.contract.segment import Segment
from cbackprop.engine.data import Data
from cbackprop.engine.engine import Array, Engine, Tick
from cbackprop.engine.reference_head import ReferenceHead, targets_of
from cbackprop.engine.sparse import dense_rows
from cbackprop.plan.step import Step
from cbackprop.reference.layers.empty import Empty
from cbackprop.reference.layers.layer import Batch
from cbackprop.threads import limited
from cbackprop.variable import Variable

__all__ = ["ReferenceEngine"]


class ReferenceEngine(Engine):
    """Executes a plan in NumPy. Arguments are those of `Engine`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._build()
        self.update_segments: list[Segment] = []
        self.iteration = 0
        self.busy = False
        self.kept: tuple[dict[int, Array], dict[int, Array]] = {}, {}
        self.reset()

    # The four steps

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
        self.check_batches(stop - start, batch_size)
        with self.lock, limited(), self._running():
            self._begin()
            try:
                for first in range(start, stop, batch_size):
                    last = min(first + batch_size, stop)
                    self._train_batch(
                        data, slice(first, last) if order is None else order[first:last], update, training
                    )
                    if tick is not None:
                        tick(last - start)
            finally:
                self.bring_along()

    def _train_batch(self, data: Data, rows: Any, update: bool, training: bool) -> None:
        values = self.forward(self._inputs(data.inputs, rows), training, with_losses=True)
        deltas = self.judge(values, data, rows)
        self.backward(deltas)
        if self.keeps_buffers:
            self.kept = values, deltas
        if update:
            self.update()
            self.finish(training)
            self.iteration += 1

    def forward(self, inputs: list[Array], training: bool, with_losses: bool, first: int = 0) -> dict[int, Array]:
        """Step 1: each layer turns its input buffers into its output buffer."""
        values = dict(zip(self.plan.inputs, inputs, strict=True))
        linked = [link for link in self.links if link is not None] if with_losses else []
        count = len(self.plan.steps) if with_losses else self.plan.predicting
        for index, (step, layer) in enumerate(zip(self.plan.steps[:count], self.layers, strict=False)):
            if index in linked:
                continue
            batch = Batch(training if step.training is None else step.training, self.iteration, first)
            sources = [
                _samples(values[buffer], shape) for buffer, shape in zip(step.inputs, step.input_shapes, strict=True)
            ]
            values[step.output] = layer.forward(sources, self.parameters[index], batch)
        return values

    def judge(self, values: dict[int, Array], data: Data, rows: Any) -> dict[int, Array]:
        """Step 2: the loss of each output, and its derivative, with which the backward pass begins."""
        deltas: dict[int, Array] = {}
        total = 0.0
        samples = 0
        self.divisor = 1.0
        for index, objective in enumerate(self.objectives):
            buffer, shape = self.plan.outputs[index], self.plan.output_shapes[index]
            samples = len(values[buffer])
            targets = targets_of(data, index, rows, samples, shape, self.dtype)
            loss, delta, divisor = self.heads[index].judge(values[buffer], targets, self._mask_values(index, values))
            self.divisor = divisor if index == 0 else self.divisor
            if delta is not None:
                deltas[buffer] = delta
            self.head_totals[index] += loss * samples
            total += objective.loss_weight * loss
        for activity in self.activities:
            output = _samples(values[activity.buffer], activity.shape)
            total += float(activity.regularizer(output)) / samples
            deltas[activity.buffer] = np.asarray(activity.regularizer.gradient(output) / samples, self.dtype)
        total += sum(float(v.regularizer(v.array)) / self._divisor_of(v.regularizer) for v in self.regularized)
        self.loss_total += total * samples
        self.loss_count += samples
        return deltas

    def _mask_values(self, index: int, values: dict[int, Array]) -> Array | None:
        """The mask of an output: 1 for each row that counts, else 0; ``None`` if there is no mask."""
        mask = self.masks[index]
        return None if mask is None else values[mask.buffer].reshape(-1).astype(np.float64)

    def backward(self, deltas: dict[int, Array]) -> None:
        """Step 3: in reverse order, each layer computes gradients and input deltas from its output's delta."""
        for backward_step in self.backward_steps:
            step, layer = self.plan.steps[backward_step.position], self.layers[backward_step.position]
            delta = _samples(deltas[step.output], step.output_shape)
            wanted = [mode is not None for mode in backward_step.input_deltas]
            input_deltas, gradients = layer.backward(delta, self.parameters[backward_step.position], wanted)
            for buffer, mode, value in zip(step.inputs, backward_step.input_deltas, input_deltas, strict=True):
                if mode == "add":
                    deltas[buffer] = deltas[buffer].reshape(value.shape) + value
                elif mode == "write":
                    deltas[buffer] = value
            own = slice(layer.n_weights)
            for variable, mode, value in zip(
                step.layer.variables[own], backward_step.gradients[own], gradients, strict=True
            ):
                if mode == "add":
                    self.view(self.gradient_vector, variable)[...] += value
                elif mode == "write":
                    self.view(self.gradient_vector, variable)[...] = value
        for variable in self.regularized:
            divisor = self._divisor_of(variable.regularizer)
            self.view(self.gradient_vector, variable)[...] += variable.regularizer.gradient(variable.array) / divisor

    def _divisor_of(self, regularizer: Any) -> float:
        """The divisor of a regularizer for the current batch."""
        return self.divisor if getattr(regularizer, "divided", False) else 1.0

    def solver(self) -> Any:
        """The twin that computes the steps of a full-batch optimizer."""
        return self.update_rule

    def buffers(self) -> tuple[dict[int, Array], dict[int, Array]]:
        """Values and deltas of the last batch."""
        values, deltas = (
            {buffer: np.asarray(array).reshape(len(array), -1) for buffer, array in arrays.items()}
            for arrays in self.kept
        )
        for buffer, link, head in zip(self.plan.outputs, self.links, self.heads, strict=False):
            if link is not None and head.predictions is not None:  # else the logits
                values[buffer] = head.predictions.reshape(len(values[buffer]), -1)
        return values, deltas

    def jacobian(self, data: Data, begin: int, end: int) -> tuple[Array, NDArray[np.float64]]:
        """Derivatives and errors of each number predicted for the samples begin:end, by a backward pass for each."""
        derivatives, errors = [], []
        heads = [index for index, objective in enumerate(self.objectives) if objective.loss]
        with self.lock, limited(), self._running():
            self._begin()
            for sample in range(begin, end):
                rows = slice(sample, sample + 1)
                values = self.forward([x[rows] for x in data.inputs], True, with_losses=True, first=sample)
                for head in heads:
                    prediction = values[self.plan.outputs[head]].ravel()
                    targets = data.values[head]
                    assert targets is not None
                    errors.extend(prediction.astype(np.float64) - targets[sample].ravel())
                    for k in range(prediction.size):
                        derivatives.append(self._derivatives(heads, head, k))
        return np.array(derivatives), np.array(errors)

    def _derivatives(self, heads: list[int], head: int, k: int) -> Array:
        """The derivatives of number k of an output, for the sample of the last forward pass."""
        deltas: dict[int, Array] = {}
        for other in heads:
            deltas[self.plan.outputs[other]] = np.zeros((1, *self.plan.output_shapes[other]), self.dtype)
        deltas[self.plan.outputs[head]].flat[k] = 1
        self.gradient_vector[...] = 0
        self.backward(deltas)
        return np.concatenate([gradient.ravel() for gradient in self.gradients()])

    def update(self) -> None:
        """Step 4: the optimizer changes the parameters against their gradients."""
        if self.optimizer is not None:
            tables = {variable: self.reached_rows(variable) for variable in self.tables}
            copies = [self.copy_rows(variable, rows) for variable, rows in tables.items()]
            rate = self.optimizer.rate_at(self.iteration)
            self.update_rule.step(rate, self.iteration, [*self.update_segments, *copies])
            self.state.batches = self.iteration + 1
            for (variable, rows), segment in zip(tables.items(), copies, strict=True):
                for vector, copy in zip(self.vectors_of(variable), [segment.values, *segment.slots], strict=True):
                    vector[rows] = copy
            for variable in self.trainable:
                if variable.constraint is not None:
                    variable.assign(variable.constraint(variable.numpy()))

    def reached_rows(self, variable: Variable) -> Array:
        """The rows of a table that the batch has read."""
        positions = [step.position for step in self.backward_steps]
        uses = [self.layers[p] for p in positions if variable in set(self.plan.steps[p].layer.variables)]
        return np.unique(np.concatenate([use.rows for use in uses]))

    def vectors_of(self, variable: Variable) -> list[Array]:
        """A variable's weights and slots."""
        assert self.store is not None
        return [self.view(vector, variable) for vector in [self.store.values, *self.slots]]

    def copy_rows(self, variable: Variable, rows: Array) -> Segment:
        """Some rows of a table as a segment."""
        assert self.optimizer is not None
        values, *copies = [vector[rows] for vector in self.vectors_of(variable)]
        slots: list[Array | None] = [*copies]
        gradients = self.view(self.gradient_vector, variable)[rows]
        return Segment(values, gradients, slots, self.optimizer.decay_of(variable))

    def finish(self, training: bool, count: int | None = None) -> None:
        """Update variables without a gradient, such as moving averages, in the first `count` layers."""
        for index, (layer, parameters) in enumerate(zip(self.layers[:count], self.parameters, strict=False)):
            if self.couples(index, training):
                layer.finish(parameters)

    # Without training

    def test(self, data: Data, batch_size: int, training: bool = False, tick: Tick = None) -> None:
        """Add the loss and metrics of all samples to the means."""
        self.check_batches(len(data), batch_size)
        with self.lock, limited(), self._running():
            self._begin()
            for first in range(0, len(data), batch_size):
                rows = slice(first, first + batch_size)
                values = self.forward(self._inputs(data.inputs, rows), training, with_losses=True, first=first)
                self.judge(values, data, rows)
                if tick is not None:
                    tick(min(first + batch_size, len(data)))

    def predict(
        self, inputs: list[Any], batch_size: int, training: bool = False, tick: Tick = None, check: bool = False
    ) -> list[Array] | None:
        """The outputs for all samples; ``None`` if `check` finds that an input is not finite."""
        with self.lock, limited(), self._running(with_losses=False):
            self._begin()
            self.iteration = self.draw_count(training)
            samples = len(inputs[0])
            batch_size = samples if training and self.sees_whole(training) else batch_size
            self.check_batches(samples, batch_size)
            results = [np.empty((samples, *shape), self.dtype) for shape in self.plan.output_shapes]
            for first in range(0, samples, batch_size):
                rows = slice(first, first + batch_size)
                batch = self._inputs(inputs, rows)
                if check and not all(np.isfinite(x).all() for x in batch):
                    return None
                values = self.forward(batch, training, with_losses=False, first=first)
                for result, buffer in zip(results, self.plan.outputs, strict=True):
                    result[rows] = _samples(values[buffer], result.shape[1:])
                if tick is not None:
                    tick(min(first + batch_size, samples))
            if training:
                self.finish(training, self.plan.predicting)
                self.bring_along()
            return results

    def draw_as_after(self, batches: int) -> None:
        """Let random layers of an engine without optimizer draw the numbers of the batch after `batches` others."""
        self.iteration = batches

    def _inputs(self, inputs: list[Any], rows: Any) -> list[Array]:
        """The inputs of a batch, converted to the network's type."""
        return [dense_rows(x, rows, self.dtype) for x in inputs]

    @contextmanager
    def _running(self, with_losses: bool = True) -> Iterator[None]:
        """For a ``with`` block in which the model's own code, such as that of a layer in Python, cannot run the model.

        NumPy's warnings are off: `fit` warns once if training diverges. `with_losses`: losses and metrics are computed.
        """
        self.arguments.follow(with_losses)
        if self.busy:
            raise RuntimeError("The model is in the middle of a batch: its own code cannot use it now.")
        self.busy = True
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                yield
        finally:
            self.busy = False

    def is_busy(self) -> bool:
        """Whether a batch is being run."""
        return self.busy

    def _begin(self) -> None:
        if self.optimizer is not None and self.settings_version != self.optimizer.settings_version:
            self.follow_settings()
        self.bind()
        if self.store is None:
            self.parameters: list[list[Array]] = [[] for _ in self.plan.steps]
        if self.optimizer is not None:
            self.iteration = self.state.batches

    def reset(self) -> None:
        """Start new means of losses and metrics, once no other thread is running."""
        with self.lock:
            self.loss_total = self.loss_count = 0.0
            self.head_totals = np.zeros(len(self.objectives))
            for twins in self.metric_twins:
                for twin in twins:
                    twin.reset()

    def sums(self) -> Any:
        """All sums since the last reset, for `restore`."""
        with self.lock:
            totals = self.loss_total, self.loss_count, self.head_totals.copy()
            return *totals, self.metric_snapshots()

    def restore(self, sums: Any) -> None:
        """Continue from the sums that `sums` returned, once no other thread is running."""
        with self.lock:
            self.loss_total, self.loss_count, self.head_totals, metrics = sums
            for twins, states in zip(self.metric_twins, metrics, strict=True):
                for twin, state in zip(twins, states, strict=True):
                    twin.restore(state)

    def losses(self) -> tuple[float, list[float]]:
        """Means since the last reset: the total loss, and the loss of each output."""
        count = self.loss_count or 1.0
        return self.loss_total / count, (self.head_totals / count).tolist()

    def metric_snapshots(self) -> list[list[Any]]:
        """The sums of each metric of each output since the last reset, as the metric's `restore` takes them."""
        return [[twin.snapshot() for twin in twins] for twins in self.metric_twins]

    # Parts of the engine

    def _build(self) -> None:
        """Make the twins of layers, losses and metrics."""
        # Imported here, because importing SciPy's special functions takes as long as importing this whole package.
        from cbackprop.reference.metrics.tally import metric_twin

        self.layers = [
            _twin_of(step)(step.layer, step.input_shapes, step.output_shape, use)
            for use, step in zip(self.plan.uses, self.plan.steps, strict=True)
        ]
        self.loss_functions: list[Any] = [
            objective.loss and find("reference", objective.loss.implementation)(objective.loss, link is not None)
            for objective, link in zip(self.objectives, self.links, strict=True)
        ]
        for function, shape in zip(self.loss_functions, self.plan.output_shapes, strict=False):
            if function is not None:
                function.set_shape(shape)
        self.metric_twins = [
            [metric_twin(metric, shape[-1] if shape else 1) for metric, _ in objective.metrics]
            for objective, shape in zip(self.objectives, self.plan.output_shapes, strict=False)
        ]
        self.heads = [
            ReferenceHead(objective, function, twins, shape)
            for objective, function, twins, shape in zip(
                self.objectives, self.loss_functions, self.metric_twins, self.plan.output_shapes, strict=False
            )
        ]
        self._make_rule()

    def _make_rule(self) -> None:
        if self.optimizer is not None:
            self.update_rule = self.optimizer.implementation_in("reference")(self.optimizer)

    def _bind_parameters(self) -> None:
        self.parameters = [
            [variable.array for variable in step.layer.variables[: layer.n_weights]]
            for step, layer in zip(self.plan.steps, self.layers, strict=True)
        ]
        self.update_segments = self.segments() if self.optimizer is not None else []


def _twin_of(step: Step) -> Any:
    """The class that computes a step. If arrays are empty, only users' code is run."""
    empty = 0 in step.output_shape or all(0 in shape for shape in step.input_shapes)
    return Empty if empty and not step.layer.is_python else find("reference.layers", step.implementation)


def _samples(array: Array, shape: tuple[int, ...]) -> Array:
    """The samples of a buffer in this shape."""
    return array.reshape(len(array), *shape)
