"""The plan of a network: steps over numbered buffers, which either engine executes."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cbackprop import activations, config
from cbackprop.contract.expansion import Mask, Value
from cbackprop.layers.applied_activation import applied
from cbackprop.layers.layer import Layer
from cbackprop.layers.operation import Operation
from cbackprop.layers.python_expansion import expand_python
from cbackprop.number_types import FLOAT_TYPES
from cbackprop.plan.call_steps import CallSteps
from cbackprop.plan.graph import Graph
from cbackprop.plan.probe import Probe
from cbackprop.plan.step import Activity, Call, SampleShape, Step, sample_shape
from cbackprop.tensor import KerasTensor, Node, flatten

__all__ = ["Plan"]

# If each of some nested models uses the next one twice, they unfold into millions of calls, which would take all
# memory.
MOST_STEPS = 100_000


class Plan:
    """A network as a list of steps.

    Nested models are unfolded. Layers that only change a shape have no step. The activation of a layer is a step of its
    own, which works in place if nothing else needs its input. Masks are ordinary buffers, made by steps of their own.

    Parameters
    ----------
    inputs, outputs : sequence of KerasTensor
    watched : "inputs" or Layer, optional
        Where to insert `probes`, which keep the gradients.
    masked : sequence of (tuple of int or None), optional
        For each input, the shape of its mask for a sample, or None. The masks are further inputs, after the others.
    shows_all : bool, default False
        Whether there are further outputs, after the others: the masks of outputs, and the layers' outputs that add to
        the loss.

    Attributes
    ----------
    probes : list of list of (Probe or None)
        For each watched call, a probe for each output; ``None`` for an output of whole numbers.
    steps : list of Step
        In the order in which they run.
    widths : list of int
        Elements per sample of each buffer.
    inputs, outputs : list of int
        The buffers of inputs and of predictions. All are different.
    input_shapes, output_shapes : list of tuple of int
    id_ranges : list of (int or None)
        For each input that a layer uses to look up rows, unchanged or combined with others: its values must be whole
        numbers from 0 to this, excluded. Otherwise ``None``.
    whole_inputs : list of bool
        Whether each input has a dtype of whole numbers.
    output_masks : list of (Mask or None)
        The mask of each output. It says which rows count in losses and metrics.
    predicting : int
        How many of the first steps predictions need. The other steps make masks that only losses and metrics read.
    unmasked_by : list of str
        Layers at which a mask ends, because they do not support masks.
    activities : list of Activity
        Outputs of layers that add to the loss.
    variables_of_steps : list of list of Variable
        The variables of each step.
    variables : list of Variable
        All of them, each once.
    layers : list of Layer
        The layers from which the steps were made. A nested model is one layer.
    """

    def __init__(
        self,
        inputs: Sequence[KerasTensor],
        outputs: Sequence[KerasTensor],
        watched: Layer | str | None = None,
        masked: Sequence[SampleShape | None] = (),
        shows_all: bool = False,
    ) -> None:
        self.watched = watched
        self.probes: list[list[Probe | None]] = []
        self.steps: list[Step] = []
        self.activities: list[Activity] = []
        self.unmasked_by: list[str] = []
        self.widths: list[int] = []
        self._within: tuple[Call, ...] = ()  # the nested calls whose steps are being added
        self._calls: Counter[Layer] = Counter()
        # The shapes of a call's inputs and outputs. Its steps may use the same numbers in other shapes.
        self.call_shapes: dict[tuple[Call, ...], tuple[list[SampleShape], list[SampleShape]]] = {}
        self.input_shapes = [sample_shape(tensor) for tensor in inputs]
        self.whole_inputs = [tensor.dtype not in FLOAT_TYPES for tensor in inputs]
        self.inputs = [self._new_buffer(shape) for shape in self.input_shapes]
        sources = [Value(buffer, shape) for buffer, shape in zip(self.inputs, self.input_shapes, strict=True)]
        values = self._with_masks(sources, masked)
        if watched == "inputs":
            values = self._watch(inputs, values)
        graph = Graph(inputs, outputs)
        self.layers = graph.layers
        found = self._unfold(graph, values, None)
        self.output_shapes = [sample_shape(tensor) for tensor in outputs]
        shown = [value.buffer for value in found]
        self.output_masks = [value.mask for value in found]
        # Whether calls return more than outputs: masks, and additions to the loss.
        self.reports = bool(self.activities) or any(self.output_masks)
        self.reports = self.reports or any(step.layer.is_python for step in self.steps)
        self.shows_all = shows_all
        if shows_all:
            more: list[Mask | Activity] = [mask for mask in self.output_masks if mask is not None]
            more += self.activities
            shown += [each.buffer for each in more]
            self.output_shapes += [each.shape for each in more]
        self.outputs = self._separate(shown)
        self.predicting = self._sort_masks()
        self.id_ranges = self._find_id_ranges()
        self._work_in_place()
        self._list_variables()

    # Building

    def _new_buffer(self, shape: SampleShape) -> int:
        self.widths.append(math.prod(shape))
        return len(self.widths) - 1

    def _with_masks(self, given: list[Value], masked: Sequence[SampleShape | None]) -> list[Value]:
        """The values of inputs with their masks, for which further inputs are added."""
        if all(shape is None for shape in masked):
            return given
        values = []
        for value, shape in zip(given, masked, strict=True):
            mask = None
            if shape is not None:
                mask = Mask(self._new_buffer(shape), shape)
                self.inputs.append(mask.buffer)
                self.input_shapes.append(mask.shape)
            values.append(value._replace(mask=mask))
        return values

    def _unfold(self, graph: Graph, inputs: Sequence[Value], training: bool | None) -> list[Value]:
        """Add the steps of a graph, given the values of its inputs; return the values of its outputs."""
        at = {id(tensor): value for tensor, value in zip(graph.inputs, inputs, strict=True)}
        for node in graph.nodes:
            if all(id(tensor) in at for tensor in node.outputs):
                continue
            sources = [at[id(tensor)]._replace(shape=sample_shape(tensor)) for tensor in node.inputs]
            mode = training if node.training is None else node.training
            outside = self._enter(node.layer)
            shapes = [value.shape for value in sources], [sample_shape(tensor) for tensor in node.outputs]
            self.call_shapes[self._within] = shapes
            results = self.unfold_node(CallSteps(self, mode), node, sources)
            self._within = outside
            if node.layer is self.watched:
                results = self._watch(node.outputs, results)
            for tensor, result in zip(node.outputs, results, strict=True):
                at.setdefault(id(tensor), result)
        return [at[id(tensor)] for tensor in graph.outputs]

    def unfold_node(self, steps: CallSteps, node: Node, sources: list[Value]) -> list[Value]:
        """Add the steps of a call, given the values of its inputs; return the values of its outputs."""
        if node.graph is not None:
            return self._unfold(node.graph, sources, steps.training)
        if node.layer.is_python:
            return expand_python(steps, node, sources)
        given = self._given_masks(node, sources)
        reads_masks = node.arguments is None or node.arguments.reads_masks
        settings = None if node.arguments is None else node.arguments.settings
        steps = CallSteps(self, steps.training, steps.within, settings)
        return steps.call_all(node.layer, given, [sample_shape(tensor) for tensor in node.outputs], reads_masks)

    def _enter(self, layer: Layer) -> tuple[Call, ...]:
        """Count a call of a layer, and return the nested calls up to it."""
        outside = self._within
        self._within = (*outside, Call(layer, self._calls[layer]))
        self._calls[layer] += 1
        return outside

    def _watch(self, tensors: Sequence[KerasTensor], values: list[Value]) -> list[Value]:
        """Add a probe after each output of a call, except for whole numbers."""
        probes: list[Probe | None] = []
        found = []
        for number, (tensor, value) in enumerate(zip(tensors, values, strict=True)):
            probe = None
            if tensor.dtype in FLOAT_TYPES:
                probe = Probe(f"probe_{len(self.probes)}_{number}", tensor.dtype)
                value = self.add_step(probe, [value], value.shape)._replace(mask=value.mask)
            probes.append(probe)
            found.append(value)
        self.probes.append(probes)
        return found

    def _given_masks(self, node: Node, sources: list[Value]) -> list[Value]:
        """The values of a call's inputs. Masks that were given to the call replace their own."""
        if len(node.data) == len(node.inputs):
            return sources
        given = iter(sources[len(node.data) :])
        steps = CallSteps(self, None)
        values = []
        for value, mask in zip(sources, flatten(node.arguments.mask), strict=False):
            values.append(value if mask is None else value._replace(mask=steps.as_mask(node.layer, next(given))))
        return [*values, *sources[len(values) : len(node.data)]]

    def _sort_masks(self) -> int:
        """Drop steps for masks that no step reads, and move steps that predictions do not need to the end.

        Return how many steps predictions need.
        """
        wanted = {mask.buffer for mask in self.output_masks if mask is not None}
        shown = wanted if self.shows_all else set()
        first: list[Step] = []
        last: list[Step] = []
        read: set[int] = set(shown)
        for step in reversed(self.steps):
            if not step.layer.makes_mask or step.output in read:
                first.append(step)
                read.update(step.inputs)
            elif step.output in wanted:
                last.append(step)
                wanted.update(step.inputs)
        self.steps = first[::-1] + last[::-1]
        return len(first)

    def add_activity(self, regularizer: Any, value: Value, layer: Layer) -> Value:
        """Let the value of a layer's output add to the loss; return a copy of it for later steps to read.

        So the penalty writes the value's delta first, and only the copy step adds to it.
        """
        self.activities.append(Activity(regularizer, value.buffer, value.shape, layer))
        return self.copy(value)

    def copy(self, value: Value) -> Value:
        """Copy a value to a buffer of its own."""
        copy = applied(f"copy_{len(self.steps)}", config.floatx(), activations.linear.kernel())
        return self.add_step(copy, [value], value.shape)._replace(mask=value.mask)

    def add_step(
        self, layer: Operation, inputs: Sequence[Value | Mask], shape: SampleShape, training: bool | None = None
    ) -> Value:
        """Add a step, and return its output."""
        for value in inputs:
            if self.widths[value.buffer] != math.prod(value.shape):
                width = self.widths[value.buffer]
                raise ValueError(f"Layer {layer.name!r} expects {value.shape}, but gets {width} numbers a sample.")
        if len(self.steps) == MOST_STEPS:
            raise ValueError(f"The model unfolds into more than {MOST_STEPS} calls of layers, each of nested models'.")
        output = self._new_buffer(shape)
        buffers, shapes = tuple(value.buffer for value in inputs), tuple(value.shape for value in inputs)
        self.steps.append(Step(layer, buffers, output, shapes, shape, training, self._within))
        return Value(output, shape)

    def _separate(self, outputs: Sequence[int]) -> list[int]:
        """Give each output a buffer that is not an input's or another output's, by adding copy steps."""
        separate: list[int] = []
        for buffer, shape in zip(outputs, self.output_shapes, strict=True):
            if buffer in self.inputs or buffer in separate:
                buffer = self.copy(Value(buffer, shape)).buffer
            separate.append(buffer)
        return separate

    def _work_in_place(self) -> None:
        """Let a step write over its input if no other step reads it and it is not needed later."""
        readers = Counter(buffer for step in self.steps for buffer in step.inputs)
        kept = {step.output for step in self.steps if step.layer.reads_output}
        kept.update(self.inputs, self.outputs, (activity.buffer for activity in self.activities))
        moved: dict[int, int] = {}
        for index, step in enumerate(self.steps):
            sources = tuple(moved.get(buffer, buffer) for buffer in step.inputs)
            output = step.output
            if step.layer.overwrites_input and readers[step.inputs[0]] == 1 and step.inputs[0] not in kept:
                moved[step.output] = output = sources[0]
            self.steps[index] = step._replace(inputs=sources, output=output)
        self.outputs = [moved.get(buffer, buffer) for buffer in self.outputs]
        self.activities = [
            activity._replace(buffer=moved.get(activity.buffer, activity.buffer)) for activity in self.activities
        ]

    def _find_id_ranges(self) -> list[int | None]:
        """Call this before steps work in place, while each buffer still has only one value."""
        origins = {buffer: {index} for index, buffer in enumerate(self.inputs)}
        ranges: list[int | None] = [None] * len(self.inputs)
        for step in self.steps:
            behind = set().union(*(origins.get(buffer, set()) for buffer in step.inputs))
            if step.layer.rearranges:
                origins[step.output] = behind
            limit = step.layer.id_range
            if limit is not None:
                for index in origins.get(step.inputs[0], set()):
                    ranges[index] = min(limit, ranges[index] or limit)
        return ranges

    def like(self, layers: Sequence[Layer]) -> Plan | None:
        """The plan of another model with the same structure: this plan with that model's layers, in the order of calls.

        ``None`` if some layer expands into steps that own weights.
        """
        known = [layer for layer in self.layers if layer.n_inputs != 0]
        others = [layer for layer in layers if layer.n_inputs != 0]
        instead: dict[Any, Layer] = dict(zip(known, others, strict=True))
        if any(step.layer not in instead and step.layer.variables for step in self.steps):
            return None
        plan = Plan.__new__(Plan)
        plan.__dict__.update(self.__dict__)  # in a sixth of the time of copy.copy
        plan.layers = list(layers)
        plan.steps = [Step._make((instead.get(step.layer, step.layer), *step[1:])) for step in self.steps]
        plan._list_variables()
        return plan

    def _list_variables(self) -> None:
        self.variables_of_steps = [step.layer.variables for step in self.steps]
        self.variables = list(dict.fromkeys(itertools.chain.from_iterable(self.variables_of_steps)))

    # What engines ask

    @property
    def uses(self) -> list[int]:
        """A number for each step, by which random layers distinguish their uses. Probes are not counted."""
        counted = [not step.layer.only_looks for step in self.steps]
        return [before - counts for before, counts in zip(itertools.accumulate(counted), counted, strict=True)]

    def link(self, output: int) -> int | None:
        """The step of an activation that works in place in an output buffer, so that a loss may take it over.

        ``None`` if there is no such step, or if another step reads its output.
        """
        last = [index for index, step in enumerate(self.steps) if output in (step.output, *step.inputs)][-1:]
        for index in last:
            step = self.steps[index]
            if step.inputs == (step.output,) and step.layer.is_activation:
                return index
        return None
