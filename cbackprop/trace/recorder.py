"""Reads the buffers of an engine after a training step, and assigns them to layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.contract.implementation import find
from cbackprop.engine.reference_head import ReferenceHead, targets_of
from cbackprop.engine.sparse import dense_rows
from cbackprop.layers.applied_activation import AppliedActivation
from cbackprop.plan.step import Call, Step
from cbackprop.plan.traced_plan import TracedPlan
from cbackprop.reference.layers.layer import Batch
from cbackprop.trace.layer_trace import LayerTrace, Part
from cbackprop.trace.live import Live
from cbackprop.trace.numbers import number, shape_of

if TYPE_CHECKING:
    from cbackprop.engine import Data, Engine
    from cbackprop.variable import Variable

__all__ = ["Judged", "Recorder"]

Array = NDArray[Any]


@dataclass(frozen=True, repr=False)
class Judged:
    """The loss of one output: the target, the mean loss, and the loss of each sample."""

    name: str
    loss: str
    prediction: Array
    target: Array | None
    mean: float
    samples: Array

    def __repr__(self) -> str:
        return f"<Judged {self.name!r}: {self.loss} {number(self.mean)}, prediction {shape_of(self.prediction)}>"


class Recorder:
    """Reads the buffers of an engine with a `TracedPlan`.

    Parameters
    ----------
    engine : Engine
        After a training step without an update.
    names : list of str
        The names of the model's inputs.
    data : Data
        The samples of the step.
    training : bool
    iteration : int
        The number of batches before the step.
    """

    def __init__(self, engine: Engine, names: list[str], data: Data, training: bool, iteration: int) -> None:
        assert isinstance(engine.plan, TracedPlan)
        self.engine, self.plan, self.data = engine, engine.plan, data
        self.names = names
        self.training, self.iteration = training, iteration
        values, self.deltas = engine.buffers()
        fetched = [dense_rows(x, slice(None), engine.dtype) for x in data.inputs]
        self.values = values | dict(zip(self.plan.inputs, fetched, strict=True))
        self.samples = len(data)
        self.linked = {link for link in engine.links if link is not None}
        self.wanted = {step.position for step in engine.backward_steps} | self.linked
        self.makers = self._makers()

    # Buffers

    def value(self, buffer: int, shape: tuple[int, ...]) -> Array:
        """A copy of the value that a step read from a buffer, even if the buffer was overwritten later."""
        return self._copy(self.values[self.plan.origins.get(buffer, buffer)], shape)

    def delta(self, buffer: int, shape: tuple[int, ...]) -> Array | None:
        """A copy of the delta of a buffer; ``None`` if no step wrote one."""
        written = buffer in self.deltas and buffer in self.engine.with_delta
        return self._copy(self.deltas[buffer], shape) if written else None

    def _copy(self, array: Array, shape: tuple[int, ...]) -> Array:
        copied: Array = np.array(array[: self.samples]).reshape(self.samples, *shape)
        return copied

    def _makers(self) -> dict[int, str]:
        """The writer of each buffer: a layer, or an input of the model."""
        names = dict(zip(self.plan.inputs, self.names, strict=False))
        for index, output, _ in self.plan.places:
            step = self.plan.steps[index]
            if step.layer.makes_mask:
                names[output] = "mask"
            elif step.within:
                names[output] = title_of(step.within)
            else:
                names[output] = self._source(step.inputs[0], names)
        return names

    def _source(self, buffer: int, names: dict[int, str]) -> str:
        """The writer of the value that a step reads from a buffer."""
        return names.get(self.plan.origins.get(buffer, buffer), "")

    # Layers

    def layers(self) -> list[tuple[LayerTrace, list[Variable]]]:
        """All calls of layers in the order of the forward pass, still without weights, and the variables of each."""
        groups = groupby(self._steps(), key=lambda item: item[0].within)
        found = [(within, list(steps)) for within, steps in groups if within]
        merged: dict[tuple[Call, ...], list[tuple[Step, int, int, int]]] = {}
        for within, steps in found:
            merged.setdefault(within, []).extend(steps)
        calls = Counter(within[-1].layer for within in merged)
        return [(self._layer(within, steps, calls), variables_of(steps)) for within, steps in merged.items()]

    def _steps(self) -> Iterator[tuple[Step, int, int, int]]:
        """The steps that compute something: (step, index, buffer of the value, buffer of the delta)."""
        for index, output, delta in self.plan.places:
            step = self.plan.steps[index]
            function = step.layer.function if isinstance(step.layer, AppliedActivation) else None
            copies = function is not None and function.name == "linear"
            if not step.layer.makes_mask and not copies:
                yield step, index, output, delta

    def _layer(
        self,
        within: tuple[Call, ...],
        steps: list[tuple[Step, int, int, int]],
        calls: Counter[Any],
    ) -> LayerTrace:
        layer, last = within[-1].layer, steps[-1][0]
        given, results = self.plan.call_shapes.get(within, ([], []))
        inputs = in_shapes(self._outer_inputs(steps), given)
        shape = in_shapes([(last.output, last.output_shape)], results[:1])[0][1]
        a = self._copy(self.values[steps[-1][2]], shape)
        above = delta = self.delta(steps[-1][3], shape)
        slope: Array | None
        z, function, slope, derived, linked = a, "linear", np.ones_like(a), ["slope"], steps[-1][1] in self.linked
        if last.layer.is_activation:
            assert last.layer.function is not None
            function = last.layer.function.name
            z = self.value(last.inputs[0], last.input_shapes[0])
            if linked:
                delta = self._copy(self.deltas[last.output], last.output_shape)
                above = self._from_loss(last, z, a)
                derived.append("above")
            elif len(steps) > 1:
                delta = self._delta_of(steps[-2])
            elif above is not None:
                delta = self._through(last, z, above)
                derived.append("delta")
            slope = slope_of(last.layer.function, z, a)
        return LayerTrace(
            name=title_of(within),
            call=within[-1].number,
            calls=calls[layer],
            kind=type(layer).__name__,
            function=function,
            sources=[self._source(buffer, self.makers) for buffer, _ in inputs],
            inputs=[self.value(buffer, shape) for buffer, shape in inputs],
            z=z,
            a=a,
            slope=slope,
            above=above,
            delta=delta,
            below=[self.delta(buffer, shape) for buffer, shape in inputs],
            weights=[],
            parts=[self._part(each) for each in steps],
            times=self._repeated(steps, "time_steps"),
            heads=self._repeated(steps, "heads"),
            derived=tuple(derived),
            linked=linked,
            make_twin=self._twin_maker(steps, [buffer for buffer, _ in inputs]),
        )

    def _outer_inputs(self, steps: list[tuple[Step, int, int, int]]) -> list[tuple[int, tuple[int, ...]]]:
        """The buffers that the steps read from other layers, with the shape of a sample."""
        own = {buffer for _, _, output, delta in steps for buffer in (output, delta)}
        found: dict[int, tuple[int, ...]] = {}
        for step, index, _, _ in steps:
            for buffer, shape in zip(self.plan.steps[index].inputs, step.input_shapes, strict=True):
                if buffer not in own or (buffer == step.output and step is steps[0][0]):
                    found.setdefault(buffer, shape)
        return list(found.items())

    def _delta_of(self, place: tuple[Step, int, int, int]) -> Array | None:
        step, _, _, buffer = place
        return self.delta(buffer, step.output_shape)

    def _through(self, step: Step, z: Array, above: Array) -> Array:
        """dL/dz of an activation that is a separate layer, from dL/da."""
        twin = find("reference.layers", step.implementation)(step.layer, step.input_shapes, step.output_shape, 0)
        twin.forward([z], [], Batch(self.training, self.iteration))
        found: Array = twin.backward(above, [], [True])[0][0]
        return found

    def _part(self, place: tuple[Step, int, int, int]) -> Part:
        step, _, output, _ = place
        pairs = zip(step.inputs, step.input_shapes, strict=True)
        name = step.implementation.rpartition(".")[2]
        value = self._copy(self.values[output], step.output_shape)
        return Part(step.layer.name, name, [self.value(*pair) for pair in pairs], value, self._delta_of(place))

    def _repeated(self, steps: list[tuple[Step, int, int, int]], wanted: str) -> dict[str, Array]:
        """The inside of recurrent steps or attention. The engine keeps only parts, so the twin computes it again.

        `wanted` is the method of the twins that returns it: ``"time_steps"`` or ``"heads"``.
        """
        compiled = [place for place in steps if not place[0].layer.is_python]
        kinds = [(place, find("reference.layers", place[0].implementation)) for place in compiled]
        told = [(place, kind) for place, kind in kinds if hasattr(kind, wanted)]
        found: dict[str, Array] = {}
        for (step, index, _, buffer), kind in told:
            delta = self.delta(buffer, step.output_shape)
            prefix = "" if len(told) == 1 else f"{step.layer.name} "
            twin = self._repeat(kind, step, index, delta)
            found |= {prefix + name: array for name, array in getattr(twin, wanted)(delta is not None).items()}
        return found

    def _repeat(self, kind: Any, step: Step, index: int, delta: Array | None) -> Any:
        """A twin after its forward and backward pass."""
        twin = kind(step.layer, step.input_shapes, step.output_shape, self.plan.uses[index])
        parameters = [variable.array for variable in step.layer.variables[: twin.n_weights]]
        inputs = [self.value(*pair) for pair in zip(step.inputs, step.input_shapes, strict=True)]
        shown = twin.forward(inputs, parameters, Batch(self._mode(step), self.iteration, 0))
        twin.backward(np.zeros_like(shown) if delta is None else delta, parameters, [True] * len(inputs))
        return twin

    def _mode(self, step: Step) -> bool:
        """Whether a step ran in training mode."""
        return self.training if step.training is None else step.training

    def _twin_maker(
        self, steps: list[tuple[Step, int, int, int]], inputs: list[int]
    ) -> Callable[[int], tuple[Any, Any]] | None:
        """The twin of the step that computes z from the layer's inputs. ``None`` if there is no such single step.

        It is also ``None`` if the step changes weights or states.
        """
        computing = [place for place in steps if not place[0].layer.is_activation]
        if len(computing) != 1 or computing[0] is not steps[0]:
            return None
        ((step, index, _, _),) = computing
        layer = step.layer
        moves = getattr(layer, "lasting", ()) or not all(variable.trainable for variable in layer.variables)
        if layer.is_python or moves or list(self.plan.steps[index].inputs) != inputs:
            return None
        kind, node = find("reference.layers", step.implementation), self.plan.uses[index]
        mode, iteration = self._mode(step), self.iteration
        read = zip(inputs, step.input_shapes, strict=True)
        masks = {k: self.value(*pair) for k, pair in enumerate(read) if self._is_mask(pair[0])}

        def make(first: int) -> tuple[Any, Any]:
            twin, batch = kind(layer, step.input_shapes, step.output_shape, node), Batch(mode, iteration, first)

            def forward(given: list[Array], parameters: list[Array]) -> Array:
                shaped = [x.reshape(-1, *shape) for x, shape in zip(given, step.input_shapes, strict=True)]
                for k, mask in masks.items():  # masks are no factors of products
                    shaped[k] = mask[first : first + len(shaped[k])]
                shown: Array = twin.forward(shaped, parameters, batch)
                return shown

            def backward(delta: Array, parameters: list[Array]) -> list[Array]:
                rows: list[Array] = twin.backward(
                    delta.reshape(-1, *step.output_shape), parameters, [True] * len(step.inputs)
                )[0]
                return [np.zeros((len(delta), *masks[k].shape[1:])) if k in masks else r for k, r in enumerate(rows)]

            return forward, backward

        return Live(make)

    def _is_mask(self, buffer: int) -> bool:
        wrote = self.plan.origins.get(buffer, buffer)
        return any(output == wrote and self.plan.steps[k].layer.makes_mask for k, output, _ in self.plan.places)

    # Losses

    def judged(self, output_names: list[str]) -> list[Judged]:
        """The loss of each output that has one."""
        return [
            self._judged(index, name)
            for index, (name, objective) in enumerate(zip(output_names, self.engine.objectives, strict=True))
            if objective.loss is not None
        ]

    def _judged(self, index: int, name: str) -> Judged:
        engine, shape = self.engine, self.plan.output_shapes[index]
        objective = engine.objectives[index]
        head = self._head(index, engine.links[index] is not None)
        buffer = self.plan.outputs[index]
        logits = self.value(buffer, shape)
        targets = targets_of(self.data, index, slice(None), self.samples, shape, engine.dtype)
        samples = head.sample_losses(logits, targets, self._mask(index))
        prediction = self._copy(self.values[buffer], shape)
        found = next(
            (form for form in (self.data.given[index], targets.values, targets.classes) if form is not None), None
        )
        if found is not None and found.size % self.samples == 0:
            found = np.array(found).reshape(self.samples, -1)
        mean = engine.losses()[1][index]
        assert objective.loss is not None
        return Judged(name, type(objective.loss).__name__, prediction, found, mean, samples)

    def _head(self, index: int, linked: bool) -> ReferenceHead:
        objective, shape = self.engine.objectives[index], self.plan.output_shapes[index]
        assert objective.loss is not None
        function: Any = find("reference", objective.loss.implementation)(objective.loss, linked)
        function.set_shape(shape)
        return ReferenceHead(objective, function, [], shape)

    def _mask(self, index: int) -> Array | None:
        mask = self.engine.masks[index]
        return None if mask is None else self.values[mask.buffer][: self.samples].reshape(-1).astype(np.float64)

    def _from_loss(self, step: Step, z: Array, a: Array) -> Array:
        """dL/da of an activation that is computed together with the loss: the engine does not compute it."""
        index = self.plan.outputs.index(step.output)
        targets = targets_of(self.data, index, slice(None), self.samples, step.output_shape, self.engine.dtype)
        _, delta, _ = self._head(index, False).judge(a, targets, self._mask(index))
        assert delta is not None
        return delta.reshape(a.shape)


def in_shapes(
    buffers: list[tuple[int, tuple[int, ...]]], shapes: list[tuple[int, ...]]
) -> list[tuple[int, tuple[int, ...]]]:
    """Buffers in the shapes of the call, not of its steps."""
    if len(buffers) == len(shapes):
        pairs = zip(buffers, shapes, strict=True)
    else:
        pairs = zip(
            buffers, [next((s for s in shapes if prod(s) == prod(own)), own) for _, own in buffers], strict=True
        )
    return [(buffer, shape if prod(shape) == prod(own) else own) for (buffer, own), shape in pairs]


def variables_of(steps: list[tuple[Step, int, int, int]]) -> list[Variable]:
    """The variables that some steps use, each once."""
    return list(dict.fromkeys(variable for step, *_ in steps for variable in step.layer.variables))


def title_of(within: tuple[Call, ...]) -> str:
    """The names of the nested models around a call, and the name of the layer."""
    return "/".join(call.layer.name for call in within)


def slope_of(function: Any, z: Array, a: Array) -> Array | None:
    """f'(z) of an elementwise activation; ``None`` for others."""
    # Imported here, because SciPy's special functions take as long to import as all of this package.
    from cbackprop.reference import activations

    if function.axis is not None or function.halves:
        return None
    found: Array = activations.pair(function.name)[1](np.ones_like(a), z, a, *function.numbers)
    return found
