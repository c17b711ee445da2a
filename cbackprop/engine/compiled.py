"""The compiled engine: builds the C side of a plan, and hands it arrays."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.compiled.engine.engine import Engine as Runner
from cbackprop.compiled.engine.head import Head, MetricSum
from cbackprop.compiled.kernels.blas import MAX_DIMENSION
from cbackprop.compiled.optimizers.optimizer import SegmentList
from cbackprop.engine.engine import INFERENCE_ROWS, Array, Data, Engine, Objective, Tick
from cbackprop.plan.arena import Lifetime, place
from cbackprop.plan.plan import Step
from cbackprop.threads import limited
from cbackprop.variable import aligned_zeros

__all__ = ["CompiledEngine"]


def find(package: str, implementation: str) -> Any:
    """The class ``module.Class`` below ``cbackprop.compiled`` or ``cbackprop.reference``."""
    module, _, name = implementation.rpartition(".")
    return getattr(importlib.import_module(f"cbackprop.{package}.{module}"), name)


class CompiledEngine(Engine):
    """Executes a plan in C, without the GIL. Arguments are those of `Engine`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        is_double = self.dtype == np.float64
        layers = [self._layer(step) for step in self.plan.steps]
        self.runner = Runner(layers, self.plan.widths, is_double)
        for index, step in enumerate(self.plan.steps):
            training = -1 if step.training is None else int(step.training)
            self.runner.connect(index, step.inputs, step.output, training, index)
        outputs = self.plan.outputs[: len(self.objectives)]
        self.metric_means = [
            [MetricSum(metric.row_function(False, self.dtype.name), weighted) for metric, weighted in objective.metrics]
            for objective in self.objectives
        ]
        heads = [self._head(index, objective) for index, objective in enumerate(self.objectives)]
        self.runner.set_heads(heads, outputs)
        self._set_backward()
        self.runner_optimizer: Any = self.optimizer and self.optimizer.implementation_in("compiled")(
            self.optimizer, is_double
        )
        self.capacity = 0

    def _layer(self, step: Step) -> Any:
        return find("compiled.layers", step.implementation)(step.layer, list(step.input_shapes), step.output_shape)

    def _head(self, index: int, objective: Objective) -> Head:
        shape, loss = self.plan.output_shapes[index], objective.loss
        function = loss and loss.row_function(self.links[index] is not None, self.dtype.name)
        reduction = (loss and loss.reduction) or "sum"
        weight = objective.loss_weight
        return Head(math.prod(shape[:-1]), shape[-1], function, reduction, weight, self.metric_means[index])

    def _set_backward(self) -> None:
        accumulate = [[delta == "add" for delta in step.input_deltas] for step in self.backward_steps]
        linked = [link for link in self.links if link is not None]
        self.runner.set_backward([step.index for step in self.backward_steps], accumulate, linked)

    def _bind_parameters(self) -> None:
        wanted = {step.index: step.gradients for step in self.backward_steps}
        for index, step in enumerate(self.plan.steps):
            gradients = wanted.get(index, (None,) * len(step.layer.variables))
            for k, (variable, mode) in enumerate(zip(step.layer.variables, gradients, strict=True)):
                gradient = None if mode is None else self.view(self.gradient_vector, variable).reshape(-1)
                self.runner.set_parameter(index, k, variable.array.reshape(-1), gradient, mode == "add")
        if self.optimizer is not None:
            assert self.store is not None
            segments = SegmentList(
                self.runner_optimizer, self.store.values, self.gradient_vector, self.slots, self.segments()
            )
            self.runner.set_optimizer(self.runner_optimizer, segments)

    # Memory

    def reserve(self, rows: int) -> None:
        """Make room for batches of this many samples."""
        if rows <= self.capacity:
            return
        largest = rows * max(self.plan.widths)
        if largest > MAX_DIMENSION:
            raise ValueError(f"A batch of {rows} samples of this network is larger than BLAS can be told. Use fewer.")
        values, deltas, scratch = self._lifetimes()
        wanted = [*values, *deltas, *scratch]
        used = [index for index, lifetime in enumerate(wanted) if lifetime is not None]
        sizes = [Lifetime(rows * life.size, life.first, life.last) for life in wanted if life is not None]
        found, total = place(sizes)
        offsets: list[int | None] = [None] * len(wanted)
        for index, offset in zip(used, found, strict=True):
            offsets[index] = offset
        n = len(values)
        arena = aligned_zeros(max(total, 1), self.dtype)
        self.capacity = 0
        self.runner.place(rows, arena, offsets[:n], offsets[n : 2 * n], offsets[2 * n :])
        self.capacity = rows

    def _lifetimes(self) -> tuple[list[Lifetime | None], list[Lifetime | None], list[Lifetime | None]]:
        """When each value, delta and scratch space is in use; sizes are those of one sample.

        Moments: step i runs forwards at i, losses and metrics at n, step i runs backwards at 2 n - i.
        """
        n = len(self.plan.steps)
        widths = self.plan.widths
        values = _Spans(widths)
        deltas = _Spans(widths)
        scratch: list[Lifetime | None] = []
        backward = {step.index: step for step in self.backward_steps}
        for buffer in self.plan.inputs:
            values.touch(buffer, -1)
        for buffer in self.plan.outputs:
            values.touch(buffer, n)
        for buffer, objective in zip(self.plan.outputs, self.objectives, strict=False):
            if objective.loss:
                deltas.touch(buffer, n)
        for index, step in enumerate(self.plan.steps):
            moments = [index, 2 * n - index] if index in backward else [index]
            width = self.runner.layers[index].scratch_width
            scratch.append(Lifetime(width, moments[0], moments[-1]) if width else None)
            for moment in moments:
                for buffer in (*step.inputs, step.output):
                    values.touch(buffer, moment)
            if index in backward:
                deltas.touch(step.output, 2 * n - index)
                for buffer, mode in zip(step.inputs, backward[index].input_deltas, strict=True):
                    if mode is not None:
                        deltas.touch(buffer, 2 * n - index)
        return values.lifetimes(), deltas.lifetimes(), scratch

    # Running

    def _prepare(self, data: Data, rows: int) -> None:
        if self.runner.busy:
            raise RuntimeError("The model is in the middle of a batch: it cannot be used now.")
        self.bind()
        self.reserve(rows)
        if self.optimizer is not None:
            self.runner.iteration = self.optimizer.iterations
        self.runner.set_feeds(data.inputs, self.plan.inputs, data.values, data.classes, data.weights)

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
        with self.lock, limited():
            batch_size = min(batch_size, stop - start)
            self._prepare(data, batch_size)
            rate = self.optimizer.learning_rate if self.optimizer is not None else 0.0
            try:
                self.runner.train(order, start, stop, batch_size, rate, update, training, tick)
            finally:
                if self.optimizer is not None and update:
                    self.optimizer.iterations = self.runner.iteration

    def test(self, data: Data, batch_size: int, training: bool = False, tick: Tick = None) -> None:
        """Add the loss and metrics of all samples to the means."""
        with self.lock, limited():
            batch_size = min(batch_size, len(data))
            self._prepare(data, batch_size)
            self.runner.test(0, len(data), batch_size, training, tick)

    def predict(self, inputs: list[Array], batch_size: int, training: bool = False, tick: Tick = None) -> list[Array]:
        """The outputs for all samples."""
        with self.lock, limited():
            samples = len(inputs[0])
            rows = min(samples, max(self.capacity, INFERENCE_ROWS))
            self._prepare(Data(inputs), rows)
            self.runner.iteration = self.draw_count(training)
            results = [np.empty((samples, *shape), self.dtype) for shape in self.plan.output_shapes]
            self.runner.predict(0, samples, rows, self.plan.outputs, results, training, tick)
            return results

    def reset(self) -> None:
        """Start new means of losses and metrics, once no other thread is running."""
        with self.lock:
            self.runner.reset()

    def sums(self) -> Any:
        """What `restore` takes: everything added up since the last reset."""
        return self.runner.sums(), self.metric_sums()

    def restore(self, sums: Any) -> None:
        """Go on adding to what `sums` returned."""
        totals, metrics = sums
        self.runner.set_sums(*totals)
        for means, values in zip(self.metric_means, metrics, strict=True):
            for mean, (total, count) in zip(means, values, strict=True):
                mean.total, mean.count = total, count

    def losses(self) -> tuple[float, list[float]]:
        """Means since the last reset: the total loss, and the loss of each output."""
        count = self.runner.loss_count or 1.0
        return self.runner.loss_total / count, [total / count for total in self.runner.head_losses()]

    def metric_sums(self) -> list[list[tuple[float, float]]]:
        """(total, count) since the last reset, for each metric of each output."""
        return [[(mean.total, mean.count) for mean in means] for means in self.metric_means]


class _Spans:
    """First and last moments at which numbered buffers are touched."""

    def __init__(self, widths: list[int]) -> None:
        self.widths = widths
        self.spans: dict[int, tuple[int, int]] = {}

    def touch(self, buffer: int, moment: int) -> None:
        first, last = self.spans.get(buffer, (moment, moment))
        self.spans[buffer] = (min(first, moment), max(last, moment))

    def lifetimes(self) -> list[Lifetime | None]:
        return [
            Lifetime(width, *self.spans[buffer]) if buffer in self.spans else None
            for buffer, width in enumerate(self.widths)
        ]
