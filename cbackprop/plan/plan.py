"""The plan of a network: steps over numbered buffers, which either engine executes."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from cbackprop import layers
from cbackprop.config import FLOAT_TYPES
from cbackprop.layers.activation_call import ActivationCall
from cbackprop.layers.glu import GLU
from cbackprop.layers.layer import Layer, NothingComputedError, registry
from cbackprop.layers.masks import Chosen, Differs, MaskStep, rule_of
from cbackprop.layers.parts import Part
from cbackprop.layers.python_call import AddedLoss, PythonCall
from cbackprop.plan.graph import Graph
from cbackprop.plan.probe import Probe
from cbackprop.tensor import KerasTensor, Node, flatten
from cbackprop.variable import Variable

__all__ = ["Activity", "BackwardStep", "Mask", "Plan", "Step", "Value", "implementation_of"]

SampleShape = tuple[int, ...]

# A few models nested into each other twice each unfold into millions, which would take all memory.
MOST_STEPS = 100_000


class Step(NamedTuple):
    """One computation: a layer reads buffers and writes one.

    `output` may be the same buffer as the only input: the step then works in place.
    Shapes are those of one sample.
    """

    layer: Layer
    inputs: tuple[int, ...]
    output: int
    input_shapes: tuple[SampleShape, ...]
    output_shape: SampleShape
    training: bool | None

    @property
    def implementation(self) -> str:
        """``"module.Class"`` of the compiled layer and of its twin."""
        return implementation_of(type(self.layer))


class BackwardStep(NamedTuple):
    """What the backward pass of the step at a position in the plan has to produce.

    `input_deltas` says for each input ``None`` (nobody needs it), ``"write"`` or ``"add"`` (a later
    step has written that delta already); `gradients` says the same for each of the layer's variables.
    """

    position: int
    input_deltas: tuple[str | None, ...]
    gradients: tuple[str | None, ...]


class Activity(NamedTuple):
    """A layer's output whose size adds to the loss: its buffer, which no step writes over, and its shape."""

    regularizer: Any
    buffer: int
    shape: SampleShape
    layer: Any = None  # whose output it is


class Mask(NamedTuple):
    """The buffer that holds a mask, 1 for each row that counts and else 0, and its shape for a sample."""

    buffer: int
    shape: SampleShape


class Value(NamedTuple):
    """What a symbolic tensor is in the plan: a buffer, and the mask that goes with it."""

    buffer: int
    mask: Mask | None = None


class Plan:
    """A network as a list of steps.

    Nested models are unfolded, layers that only change a shape vanish, an activation that follows
    a layer becomes a step of its own, in place where nothing needs its input any more. Masks are buffers like others,
    made by steps of their own.

    Parameters
    ----------
    inputs, outputs : sequence of KerasTensor
    watched : "inputs" or Layer, optional
        Where gradients are to be looked at: there, `probes` are put in.
    masked : sequence of bool, optional
        Which inputs have a mask; these masks are further inputs, after the others.
    shows_all : bool, default False
        Whether there are further outputs, after the others: masks of the outputs that have one, and whatever layers'
        outputs add to the loss.

    Attributes
    ----------
    probes : list of list of (Probe or None)
        For each call of what is `watched`, one for each output; ``None`` for whole numbers.
    steps : list of Step
        In an order in which they can run.
    widths : list of int
        Elements per sample of each buffer.
    inputs, outputs : list of int
        Buffers that data goes into, and that predictions come out of. All different.
    input_shapes, output_shapes : list of tuple of int
    id_ranges : list of (int or None)
        For each input: it must hold whole numbers from 0 on and below this, because a layer that looks something up
        reads it, as it is or put together with others.
    output_masks : list of (Mask or None)
        What of each output counts in losses and metrics.
    predicting : int
        Predictions need so many of the steps, the first ones. The others make masks that only losses and metrics read.
    unmasked_by : list of str
        Layers at which a mask ends, because they do not support masks.
    activities : list of Activity
        Outputs of layers that add to the loss.
    variables : list of Variable
        All variables that steps use, each once.
    """

    def __init__(
        self,
        inputs: Sequence[KerasTensor],
        outputs: Sequence[KerasTensor],
        watched: Layer | str | None = None,
        masked: Sequence[bool] = (),
        shows_all: bool = False,
    ) -> None:
        self.watched = watched
        self.probes: list[list[Probe | None]] = []
        self.steps: list[Step] = []
        self.activities: list[Activity] = []
        self.unmasked_by: list[str] = []
        self.widths: list[int] = []
        self.input_shapes = [sample_shape(tensor) for tensor in inputs]
        self.inputs = [self._new_buffer(shape) for shape in self.input_shapes]
        values = self._with_masks([Value(buffer) for buffer in self.inputs], masked)
        if watched == "inputs":
            values = self._watch(inputs, values)
        found = self._unfold(Graph(inputs, outputs), values, None)
        self.output_shapes = [sample_shape(tensor) for tensor in outputs]
        shown = [value.buffer for value in found]
        self.output_masks = [value.mask for value in found]
        # Whether a call has more to tell than the outputs: masks, and what is added to the loss.
        self.reports = bool(self.activities) or any(self.output_masks)
        self.reports = self.reports or any(isinstance(step.layer, PythonCall) for step in self.steps)
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
        self.variables = list(dict.fromkeys(v for step in self.steps for v in step.layer.variables))

    # Building

    def _new_buffer(self, shape: SampleShape) -> int:
        self.widths.append(math.prod(shape))
        return len(self.widths) - 1

    def _with_masks(self, given: list[Value], masked: Sequence[bool]) -> list[Value]:
        """The values of inputs of which some have masks, for which there are further inputs."""
        if not any(masked):
            return given
        values = []
        for value, shape, has_mask in zip(given, list(self.input_shapes), masked, strict=True):
            mask = None
            if has_mask:
                mask = Mask(self._new_buffer(shape[:-1]), shape[:-1])
                self.inputs.append(mask.buffer)
                self.input_shapes.append(mask.shape)
            values.append(Value(value.buffer, mask))
        return values

    def _unfold(self, graph: Graph, inputs: Sequence[Value], training: bool | None) -> list[Value]:
        """Add the steps of a graph whose inputs have these values; those of its outputs."""
        at = {id(tensor): value for tensor, value in zip(graph.inputs, inputs, strict=True)}
        for node in graph.nodes:
            if all(id(tensor) in at for tensor in node.outputs):
                continue
            sources = [at[id(tensor)] for tensor in node.inputs]
            mode = training if node.training is None else node.training
            if node.graph is not None:
                results = self._unfold(node.graph, sources, mode)
            elif node.layer.is_python:
                results = self._call_python(node, sources, mode)
            else:
                results = [self._call(node, self._given_masks(node, sources), mode)]
            if node.layer is self.watched:
                results = self._watch(node.outputs, results)
            for tensor, result in zip(node.outputs, results, strict=True):
                at.setdefault(id(tensor), result)
        return [at[id(tensor)] for tensor in graph.outputs]

    def _watch(self, tensors: Sequence[KerasTensor], values: list[Value]) -> list[Value]:
        """Put probes behind the values of a call's outputs; none where values are whole numbers."""
        probes: list[Probe | None] = []
        found = []
        for number, (tensor, value) in enumerate(zip(tensors, values, strict=True)):
            probe, shape = None, sample_shape(tensor)
            if tensor.dtype in FLOAT_TYPES:
                probe = Probe(f"probe_{len(self.probes)}_{number}", tensor.dtype)
                value = Value(self._add_step(probe, [value.buffer], (shape,), shape), value.mask)
            probes.append(probe)
            found.append(value)
        self.probes.append(probes)
        return found

    def _given_masks(self, node: Node, sources: list[Value]) -> list[Value]:
        """The values of a call's inputs, with the masks that the call was given in place of their own."""
        if len(node.data) == len(node.inputs):
            return sources
        given = iter(zip(sources[len(node.data) :], node.inputs[len(node.data) :], strict=True))
        values = []
        for value, mask in zip(sources, flatten(node.arguments.mask), strict=False):
            if mask is not None:
                source, tensor = next(given)
                value = Value(value.buffer, self._mask_of(node.layer, source, tensor))
            values.append(value)
        return values

    def _mask_of(self, layer: Layer, value: Value, tensor: KerasTensor) -> Mask:
        """The numbers of a tensor as a mask: 1 where they are not 0."""
        shape = sample_shape(tensor)
        return Mask(self._add_step(Differs(layer, 0, 1), [value.buffer], (shape,), shape), shape)

    def _call_python(self, node: Node, sources: list[Value], training: bool | None) -> list[Value]:
        """Add the step of a layer in Python, and one more for each of its outputs where there are several."""
        layer, arguments = node.layer, node.arguments
        value_of = {id(tensor): value for tensor, value in zip(node.inputs, sources, strict=True)}
        buffers, shapes = [value.buffer for value in sources], [sample_shape(tensor) for tensor in node.inputs]
        masks: dict[str, list[int | None]] = {}
        for taker, name in arguments.masks_wanted(lambda leaf: isinstance(leaf, KerasTensor)).items():
            places: list[int | None] = []
            for tensor in arguments.tensors(name):
                mask = value_of[id(tensor)].mask
                places.append(None if mask is None else len(buffers))
                if mask is not None:
                    buffers.append(mask.buffer)
                    shapes.append(mask.shape)
            if any(place is not None for place in places):
                masks[taker] = places
        step = PythonCall(layer, node, masks)
        parts = [sample_shape(tensor) for tensor in node.outputs]
        whole = parts[0] if len(parts) == 1 else (sum(map(math.prod, parts)),)
        buffer = self._add_step(step, buffers, tuple(shapes), whole, training)
        if step.adds_losses:
            buffer = self._add_activity(AddedLoss(step), buffer, whole, layer)
        found = [buffer] if len(parts) == 1 else self._split(step, buffer, parts)
        if layer.activity_regularizer is not None:
            found = [
                self._add_activity(layer.activity_regularizer, part, shape, layer)
                for part, shape in zip(found, parts, strict=True)
            ]
        return [
            Value(part, mask) for part, mask in zip(found, self._masks_of_python(node, value_of, parts), strict=True)
        ]

    def _split(self, step: PythonCall, buffer: int, parts: list[SampleShape]) -> list[int]:
        """The buffers of the outputs that lie side by side in one."""
        found, begin, width = [], 0, self.widths[buffer]
        for number, shape in enumerate(parts):
            part = Part(step, number, begin, begin + math.prod(shape))
            found.append(self._add_step(part, [buffer], ((width,),), shape))
            begin = part.end
        return found

    def _masks_of_python(self, node: Node, value_of: dict[int, Value], parts: list[SampleShape]) -> list[Mask | None]:
        """The masks of the outputs of a layer in Python: made from those of its first argument, or a given one."""
        layer, arguments = node.layer, node.arguments
        names = arguments.names_with(lambda leaf: isinstance(leaf, KerasTensor))
        tensors = arguments.tensors(names[0]) if names else []
        sources = [value_of[id(tensor)] for tensor in tensors]
        given = [leaf for leaf in flatten(arguments.mask) if isinstance(leaf, KerasTensor)]
        if len(given) == len(tensors):
            sources = [
                Value(value.buffer, self._mask_of(layer, value_of[id(mask)], mask))
                for value, mask in zip(sources, given, strict=True)
            ]
        shapes = [sample_shape(tensor) for tensor in tensors]
        first = self._mask_by_rule(layer, shapes, sources, parts[0]) if tensors else None
        return [first if first is not None and shape[:-1] == first.shape else None for shape in parts]

    def _call(self, node: Node, sources: list[Value], training: bool | None) -> Value:
        """Add the steps of a call of a layer; its output's value."""
        mask = self._add_mask(node, sources)
        output = self._view(node, sources[0]) if node.layer.is_view else self._add_steps(node, sources, training)
        if mask is not None and node.layer.hidden_as is not None:
            output = self._add_hidden(node, Value(output, mask), sources[0])
        if node.layer.activity_regularizer is not None:
            shape = sample_shape(node.outputs[0])
            if node.layer.is_view:  # what it passes on may belong to others
                output = self._copy(output, shape)
            output = self._add_activity(node.layer.activity_regularizer, output, shape, node.layer)
        return Value(output, mask)

    def _add_mask(self, node: Node, sources: list[Value]) -> Mask | None:
        """The mask of a call's output, and the step that makes it, if it is not that of an input."""
        return self._mask_by_rule(
            node.layer, list(map(sample_shape, node.data)), sources, sample_shape(node.outputs[0])
        )

    def _mask_by_rule(
        self, layer: Layer, shapes: list[SampleShape], sources: list[Value], output: SampleShape
    ) -> Mask | None:
        masks = [value.mask for value in sources]
        rule = rule_of(layer, shapes, [None if mask is None else mask.shape for mask in masks], output)
        if isinstance(rule, int):
            return masks[rule]
        known = [mask for mask in masks if mask is not None]
        if rule is None:
            if known and not layer.supports_masking and layer.name not in self.unmasked_by:
                self.unmasked_by.append(layer.name)
            return None
        read = [] if rule.reads == "masks" else list(zip([value.buffer for value in sources], shapes, strict=True))
        if rule.reads != "inputs":
            read += [(mask.buffer, mask.shape) for mask in known]
        buffers, read_shapes = zip(*read, strict=True)
        return Mask(self._add_step(rule, buffers, read_shapes, output[:-1]), output[:-1])

    def _view(self, node: Node, source: Value) -> int:
        """The buffer of a layer that only gives its input another shape."""
        shape = sample_shape(node.outputs[0])
        if math.prod(shape) != self.widths[source.buffer]:
            raise ValueError(
                f"{type(node.layer).__name__} {node.layer.name!r} only gives its input another shape, but its "
                f"compute_output_shape says {shape} for a sample of {self.widths[source.buffer]} numbers. Return a "
                "shape of as many, or define call."
            )
        return source.buffer

    def _sort_masks(self) -> int:
        """Drop steps that make masks which nobody reads, and put those last that predictions do not need.

        How many steps come before these.
        """
        wanted = {mask.buffer for mask in self.output_masks if mask is not None}
        shown = wanted if self.shows_all else set()
        first: list[Step] = []
        last: list[Step] = []
        read: set[int] = set(shown)
        for step in reversed(self.steps):
            if not isinstance(step.layer, MaskStep) or step.output in read:
                first.append(step)
                read.update(step.inputs)
            elif step.output in wanted:
                last.append(step)
                wanted.update(step.inputs)
        self.steps = first[::-1] + last[::-1]
        return len(first)

    def _add_steps(self, node: Node, sources: list[Value], training: bool | None) -> int:
        """The step of a layer, and one more for the activation that follows it."""
        layer, shape, function = node.layer, sample_shape(node.outputs[0]), node.layer.function
        buffers, shapes = [value.buffer for value in sources], tuple(map(sample_shape, node.data))
        if isinstance(layer, layers.ActivationLayer) and layer.activates_in_python:
            return self._add_step(ActivationCall(layer), buffers, shapes, shape, training)
        if isinstance(layer, layers.ActivationLayer):
            return self._add_step(_as_step(layer, layer.name), buffers, shapes, shape, training)
        mask = sources[0].mask if layer.reads_mask else None
        if mask is not None:
            buffers, shapes = [*buffers, mask.buffer], (*shapes, mask.shape)
        if layer.hidden_as is not None:
            buffers = [
                self._choose(layer, value, size, layer.hidden_as) for value, size in zip(sources, shapes, strict=True)
            ]
        between = shape if function is None else function.input_shape(shape)
        output = self._add_step(layer, buffers, shapes, between, training)
        if layer.activates_in_python:
            return self._add_step(ActivationCall(layer), [output], (between,), shape, training)
        if function is None or function.name == "linear":
            return output
        return self._add_step(_as_step(layer, f"{layer.name}/activation"), [output], (between,), shape, training)

    def _choose(self, layer: Layer, value: Value, shape: SampleShape, number: float) -> int:
        """A value with this number where its mask hides it."""
        if value.mask is None:
            return value.buffer
        read = [value.buffer, value.mask.buffer]
        return self._add_step(Chosen(layer, number), read, (shape, value.mask.shape), shape)

    def _add_hidden(self, node: Node, value: Value, first: Value) -> int:
        """What a merge gives where all of its inputs are hidden: a product 0, a largest number the first of them."""
        layer, shape = node.layer, sample_shape(node.outputs[0])
        if layer.hidden_as == 1:
            return self._choose(layer, value, shape, 0.0)
        if sample_shape(node.inputs[0]) != shape:
            raise ValueError(
                f"{type(layer).__name__} {layer.name!r} has inputs with masks: then the first must have the shape of "
                f"the output, {shape}, but has {sample_shape(node.inputs[0])}."
            )
        assert value.mask is not None
        read = [value.buffer, value.mask.buffer, first.buffer]
        return self._add_step(Chosen(layer), read, (shape, value.mask.shape, shape), shape)

    def _add_activity(self, regularizer: Any, buffer: int, shape: SampleShape, layer: Layer) -> int:
        """Have the buffer of a layer's output add to the loss; others then read a copy of it.

        So its delta is first written by the penalty, and added to by one step only.
        """
        self.activities.append(Activity(regularizer, buffer, shape, layer))
        return self._copy(buffer, shape)

    def _copy(self, buffer: int, shape: SampleShape) -> int:
        copy = layers.Activation("linear", name=f"copy_{len(self.steps)}")
        return self._add_step(copy, [buffer], (shape,), shape)

    def _add_step(
        self,
        layer: Layer,
        sources: Sequence[int],
        input_shapes: tuple[SampleShape, ...],
        output_shape: SampleShape,
        training: bool | None = None,
    ) -> int:
        for source, shape in zip(sources, input_shapes, strict=True):
            if self.widths[source] != math.prod(shape):
                raise ValueError(
                    f"Layer {layer.name!r} expects {shape}, but gets {self.widths[source]} numbers a sample."
                )
        if len(self.steps) == MOST_STEPS:
            raise ValueError(f"The model unfolds into more than {MOST_STEPS} calls of layers, each of nested models'.")
        output = self._new_buffer(output_shape)
        self.steps.append(Step(layer, tuple(sources), output, input_shapes, output_shape, training))
        return output

    def _separate(self, outputs: Sequence[int]) -> list[int]:
        """A buffer for each output that is no input's and no other output's, by copying where needed."""
        separate: list[int] = []
        for buffer, shape in zip(outputs, self.output_shapes, strict=True):
            if buffer in self.inputs or buffer in separate:
                buffer = self._copy(buffer, shape)
            separate.append(buffer)
        return separate

    def _work_in_place(self) -> None:
        """Let a step write over its input where nobody else reads that, and nobody needs it later."""
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
        """Called before steps work in place: a buffer still has one value."""
        origins = {buffer: {index} for index, buffer in enumerate(self.inputs)}
        ranges: list[int | None] = [None] * len(self.inputs)
        for step in self.steps:
            behind = set().union(*(origins.get(buffer, set()) for buffer in step.inputs))
            if isinstance(step.layer, (layers.Concatenate, layers.Permute, layers.RepeatVector, Probe)):
                origins[step.output] = behind
            limit = step.layer.id_range
            if limit is not None:
                for index in origins.get(step.inputs[0], set()):
                    ranges[index] = min(limit, ranges[index] or limit)
        return ranges

    # What engines ask

    @property
    def uses(self) -> list[int]:
        """A number for each step, by which random layers tell their uses apart: that of the step without probes."""
        counted = [not isinstance(step.layer, Probe) for step in self.steps]
        return [before - counts for before, counts in zip(itertools.accumulate(counted), counted, strict=True)]

    def link(self, output: int) -> int | None:
        """The activation that ends in an output buffer in place, which a loss may take over; its step.

        ``None`` if there is none, or another step reads what it writes.
        """
        last = [index for index, step in enumerate(self.steps) if output in (step.output, *step.inputs)][-1:]
        for index in last:
            step = self.steps[index]
            if step.inputs == (step.output,) and step.layer.function is not None:
                return index
        return None

    def backward_steps(
        self, trainable: Collection[Variable], with_loss: Collection[int], skipped: Collection[int] = ()
    ) -> list[BackwardStep]:
        """The steps of the backward pass, in the order in which they run.

        Parameters
        ----------
        trainable : collection of Variable
            Whose gradients are wanted.
        with_loss : collection of int
            The output buffers whose deltas a loss has written.
        skipped : collection of int
            Steps that a loss has taken over.
        """
        trainable = set(trainable)
        needed = self.buffers_behind(trainable)
        written = set(with_loss)
        touched: set[Variable] = set()
        backward: list[BackwardStep] = []
        for index in reversed(range(len(self.steps))):
            step = self.steps[index]
            if index in skipped or step.output not in needed or step.output not in written:
                continue
            deltas: list[str | None] = []
            for buffer in step.inputs:
                in_place = buffer == step.output
                deltas.append(
                    None if buffer not in needed else "add" if buffer in written and not in_place else "write"
                )
                written.add(buffer)
            gradients: list[str | None] = []
            for variable in step.layer.variables:
                gradients.append(None if variable not in trainable else "add" if variable in touched else "write")
                touched.add(variable)
            backward.append(BackwardStep(index, tuple(deltas), tuple(gradients)))
        return backward

    def buffers_behind(self, trainable: Collection[Variable]) -> set[int]:
        """Buffers whose value depends on a trainable variable, so that their delta is of use."""
        behind: set[int] = set()
        trainable = set(trainable)
        for step in self.steps:
            if isinstance(step.layer, MaskStep):
                continue
            wanted = step.layer.keeps_delta or any(v in trainable for v in step.layer.variables)
            if wanted or any(b in behind for b in step.inputs):
                behind.add(step.output)
        return behind


def _as_step(layer: Layer, name: str) -> Layer:
    """What computes a layer's activation: itself, if it does nothing else, and the output is as wide as the input."""
    function = layer.function
    if function is not None and function.halves:
        return GLU(layer.compiled_activation, name=name, dtype=layer.dtype)
    if isinstance(layer, layers.ActivationLayer):
        return layer
    return layers.Activation(layer.compiled_activation, name=name, dtype=layer.dtype)


def implementation_of(cls: type[Layer]) -> str:
    """Where a layer's compiled class and its twin are: as it says, or under its own module's and class's names.

    Raises
    ------
    NothingComputedError
        For a class that has none: `Layer` itself, or one that is not registered and has a computation of its own.
    """
    if cls.implementation:
        return cls.implementation
    for base in cls.__mro__:
        if registry.name_of(base) is not None:
            return f"{base.__module__.rpartition('.')[2]}.{base.__name__}"
    raise NothingComputedError(
        f"{cls.__name__} computes nothing: define call(self, inputs, training=False), on NumPy arrays, and "
        "backward(self, inputs, outputs, delta) where gradients must pass; see cbackprop.layers.Layer."
    )


def sample_shape(tensor: KerasTensor) -> SampleShape:
    """The shape of one sample of a symbolic tensor."""
    return tuple(int(size) for size in tensor.shape[1:] if size is not None)
