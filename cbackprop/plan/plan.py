"""The plan of a network: steps over numbered buffers, which either engine executes."""

from __future__ import annotations

import copy
import itertools
import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, cast

from cbackprop import activations, config
from cbackprop.contract.expansion import Mask, Value
from cbackprop.layers.applied_activation import applied
from cbackprop.layers.layer import Layer, NothingComputedError, registry
from cbackprop.layers.masks import Differs, rule_of
from cbackprop.layers.operation import Operation
from cbackprop.layers.python_expansion import expand_python
from cbackprop.plan.graph import Graph
from cbackprop.plan.probe import Probe
from cbackprop.tensor import KerasTensor, Node, flatten
from cbackprop.variable import Variable

__all__ = ["Activity", "BackwardStep", "Call", "Mask", "Plan", "Step", "Value", "implementation_of"]

SampleShape = tuple[int, ...]

# A few models nested into each other twice each unfold into millions, which would take all memory.
MOST_STEPS = 100_000


class Call(NamedTuple):
    """One use of a layer or of a nested model: the layer, and how many uses of it came before."""

    layer: Layer
    number: int


class Step(NamedTuple):
    """One computation: a layer reads buffers and writes one.

    `output` may be the same buffer as the only input: the step then works in place.
    Shapes are those of one sample. `within` has the calls that the step is a part of, from the outermost on.
    """

    layer: Operation
    inputs: tuple[int, ...]
    output: int
    input_shapes: tuple[SampleShape, ...]
    output_shape: SampleShape
    training: bool | None
    within: tuple[Call, ...] = ()

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
    masked : sequence of (tuple of int or None), optional
        For each input the shape of its mask for a sample, or None; these masks are further inputs, after the others.
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
    layers : list of Layer
        What the steps were made of. Nested models count as one.
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
        self._within: tuple[Call, ...] = ()  # the calls whose steps are being added
        self._calls: Counter[Layer] = Counter()
        self.input_shapes = [sample_shape(tensor) for tensor in inputs]
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
        # Whether a call has more to tell than the outputs: masks, and what is added to the loss.
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
        self.variables = list(dict.fromkeys(v for step in self.steps for v in step.layer.variables))

    # Building

    def _new_buffer(self, shape: SampleShape) -> int:
        self.widths.append(math.prod(shape))
        return len(self.widths) - 1

    def _with_masks(self, given: list[Value], masked: Sequence[SampleShape | None]) -> list[Value]:
        """The values of inputs of which some have masks, for which there are further inputs."""
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
        """Add the steps of a graph whose inputs have these values; those of its outputs."""
        at = {id(tensor): value for tensor, value in zip(graph.inputs, inputs, strict=True)}
        for node in graph.nodes:
            if all(id(tensor) in at for tensor in node.outputs):
                continue
            sources = [at[id(tensor)]._replace(shape=sample_shape(tensor)) for tensor in node.inputs]
            mode = training if node.training is None else node.training
            outside = self._enter(node.layer)
            results = self.unfold_node(CallSteps(self, mode), node, sources)
            self._within = outside
            if node.layer is self.watched:
                results = self._watch(node.outputs, results)
            for tensor, result in zip(node.outputs, results, strict=True):
                at.setdefault(id(tensor), result)
        return [at[id(tensor)] for tensor in graph.outputs]

    def unfold_node(self, steps: CallSteps, node: Node, sources: list[Value]) -> list[Value]:
        """Add the steps of a call whose inputs have these values; those of its outputs."""
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
        """Note that a call of a layer begins; the calls that it is in."""
        outside = self._within
        self._within = (*outside, Call(layer, self._calls[layer]))
        self._calls[layer] += 1
        return outside

    def _watch(self, tensors: Sequence[KerasTensor], values: list[Value]) -> list[Value]:
        """Put probes behind the values of a call's outputs; none where values are whole numbers."""
        probes: list[Probe | None] = []
        found = []
        for number, (tensor, value) in enumerate(zip(tensors, values, strict=True)):
            probe = None
            if tensor.dtype in config.FLOAT_TYPES:
                probe = Probe(f"probe_{len(self.probes)}_{number}", tensor.dtype)
                value = self.add_step(probe, [value], value.shape)._replace(mask=value.mask)
            probes.append(probe)
            found.append(value)
        self.probes.append(probes)
        return found

    def _given_masks(self, node: Node, sources: list[Value]) -> list[Value]:
        """The values of a call's inputs, with the masks that the call was given in place of their own."""
        if len(node.data) == len(node.inputs):
            return sources
        given = iter(sources[len(node.data) :])
        steps = CallSteps(self, None)
        values = []
        for value, mask in zip(sources, flatten(node.arguments.mask), strict=False):
            values.append(value if mask is None else value._replace(mask=steps.as_mask(node.layer, next(given))))
        return [*values, *sources[len(values) : len(node.data)]]

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
            if not step.layer.makes_mask or step.output in read:
                first.append(step)
                read.update(step.inputs)
            elif step.output in wanted:
                last.append(step)
                wanted.update(step.inputs)
        self.steps = first[::-1] + last[::-1]
        return len(first)

    def add_activity(self, regularizer: Any, value: Value, layer: Layer) -> Value:
        """Have the value of a layer's output add to the loss; others then read a copy of it.

        So its delta is first written by the penalty, and added to by one step only.
        """
        self.activities.append(Activity(regularizer, value.buffer, value.shape, layer))
        return self.copy(value)

    def copy(self, value: Value) -> Value:
        """Another buffer with the same numbers."""
        copy = applied(f"copy_{len(self.steps)}", config.floatx(), activations.linear.kernel())
        return self.add_step(copy, [value], value.shape)._replace(mask=value.mask)

    def add_step(
        self, layer: Operation, inputs: Sequence[Value | Mask], shape: SampleShape, training: bool | None = None
    ) -> Value:
        """One more step; its output."""
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
        """A buffer for each output that is no input's and no other output's, by copying where needed."""
        separate: list[int] = []
        for buffer, shape in zip(outputs, self.output_shapes, strict=True):
            if buffer in self.inputs or buffer in separate:
                buffer = self.copy(Value(buffer, shape)).buffer
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
            if step.layer.rearranges:
                origins[step.output] = behind
            limit = step.layer.id_range
            if limit is not None:
                for index in origins.get(step.inputs[0], set()):
                    ranges[index] = min(limit, ranges[index] or limit)
        return ranges

    def like(self, layers: Sequence[Layer]) -> Plan | None:
        """The plan of another model, which is connected as this one is: with its layers, in the order of its calls.

        ``None`` if weights are not those of a layer itself, but of steps that it unfolds into.
        """
        known = [layer for layer in self.layers if layer.n_inputs != 0]
        others = [layer for layer in layers if layer.n_inputs != 0]
        instead = dict(zip(known, others, strict=True))
        if any(step.layer not in instead and step.layer.variables for step in self.steps):
            return None
        plan = copy.copy(self)
        plan.layers = list(layers)
        plan.steps = [
            Step(instead.get(step.layer, step.layer), *step[1:])  # type: ignore[call-overload]
            for step in self.steps
        ]
        plan.variables = list(dict.fromkeys(v for step in plan.steps for v in step.layer.variables))
        return plan

    # What engines ask

    @property
    def uses(self) -> list[int]:
        """A number for each step, by which random layers tell their uses apart: that of the step without probes."""
        counted = [not step.layer.only_looks for step in self.steps]
        return [before - counts for before, counts in zip(itertools.accumulate(counted), counted, strict=True)]

    def link(self, output: int) -> int | None:
        """The activation that ends in an output buffer in place, which a loss may take over; its step.

        ``None`` if there is none, or another step reads what it writes.
        """
        last = [index for index, step in enumerate(self.steps) if output in (step.output, *step.inputs)][-1:]
        for index in last:
            step = self.steps[index]
            if step.inputs == (step.output,) and step.layer.is_activation:
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
            if step.layer.makes_mask:
                continue
            wanted = step.layer.keeps_delta or any(v in trainable for v in step.layer.variables)
            if wanted or any(b in behind for b in step.inputs):
                behind.add(step.output)
        return behind


class CallSteps:
    """What `Layer.expand` adds steps to, for one call of a layer: see `contract.expansion.Steps`."""

    def __init__(
        self,
        plan: Plan,
        training: bool | None,
        within: tuple[Layer, ...] = (),
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.plan = plan
        self.training = training
        self.within = within  # the layers that are unfolding, from the outermost on
        self.settings = settings or {}  # of the call

    def add(self, operation: Operation, inputs: Sequence[Value | Mask], shape: SampleShape) -> Value:
        """One more step, and its output."""
        return self.plan.add_step(operation, inputs, shape, self.training)

    def _of(self, layer: Layer) -> CallSteps:
        """What this call of a layer adds its steps to."""
        return CallSteps(self.plan, self.training, (*self.within, layer), self.settings)

    def call(self, layer: Layer, inputs: Sequence[Value], penalized: bool = True, **settings: Any) -> Value:
        """The steps of a call of a layer that is built, and its output with its mask.

        Its activity regularizer adds to the loss if the call is `penalized`.

        Raises
        ------
        TypeError
            If it is no layer, or the inputs are no list of values.
        ValueError
            If the layer has no weights yet, cannot take such inputs, or has several outputs.
        """
        self._check_call(layer, inputs, settings)
        if layer.is_model or layer.is_python:
            return self._call_on_symbols(layer, list(inputs), penalized)
        shapes: list[Any] = [(None, *value.shape) for value in inputs]
        shape = layer.compute_output_shape(shapes[0] if layer.n_inputs == 1 else shapes)
        steps = CallSteps(self.plan, self.training, self.within, settings)
        return steps.call_as(layer, list(inputs), tuple(shape[1:]), penalized)

    def _call_on_symbols(self, layer: Layer, inputs: list[Value], penalized: bool) -> Value:
        """The steps of a call of a model, or of a layer in Python, and the output."""
        given = [KerasTensor((None, *value.shape), layer.dtype, layer.name) for value in inputs]
        layer(given[0] if len(given) == 1 else given)
        node = layer.nodes.pop()
        if len(node.outputs) > 1:
            raise ValueError(
                f"expand of layer {self.within[-1].name!r} can only call layers of one output, but layer "
                f"{layer.name!r} has {len(node.outputs)}."
            )
        steps = CallSteps(self.plan, self.training, (*self.within, layer))
        if layer.is_python:
            return expand_python(steps, node, inputs, penalized)[0]
        return self.plan.unfold_node(steps, node, inputs)[0]

    def call_as(
        self, layer: Layer, inputs: list[Value], shape: SampleShape, penalized: bool = True, reads_masks: bool = True
    ) -> Value:
        """The steps of a call of a layer whose output has this shape, and the output with its mask."""
        mask = self.mask_of(layer, inputs, shape)
        if not reads_masks:
            inputs = [value._replace(mask=None) for value in inputs]
        if layer.is_view:
            value = self._view(layer, inputs[0], shape)
        else:
            value = layer.expand(self._of(layer), inputs, shape, mask)
        if not isinstance(value, Value) or value.shape != shape:
            found = f"one of shape {value.shape}" if isinstance(value, Value) else repr(value)
            raise ValueError(
                f"expand of {type(layer).__name__} {layer.name!r} must return the output, whose samples have the shape "
                f"{shape} by compute_output_shape, but returned {found}."
            )
        if layer.activity_regularizer is not None and penalized:
            # What a view passes on may belong to others.
            value = self.plan.copy(value) if layer.is_view else value
            value = self.plan.add_activity(layer.activity_regularizer, value, layer)
        return value._replace(mask=mask)

    def call_all(self, layer: Layer, inputs: list[Value], shapes: list[SampleShape], reads_masks: bool) -> list[Value]:
        """The steps of a call of a layer whose outputs have these shapes. Those have the mask whose rows it fits."""
        if len(shapes) == 1:
            return [self.call_as(layer, inputs, shapes[0], reads_masks=reads_masks)]
        mask = self.mask_of(layer, inputs, shapes[0])
        if not reads_masks:
            inputs = [value._replace(mask=None) for value in inputs]
        values: list[Value] = list(cast(Any, layer).expand(self._of(layer), inputs, shapes, mask))
        if [value.shape for value in values] != shapes:
            raise ValueError(
                f"expand of {type(layer).__name__} {layer.name!r} must return outputs whose samples have the shapes "
                f"{shapes} by compute_output_shape, but returned {[value.shape for value in values]}."
            )
        if layer.activity_regularizer is not None:
            values = [self.plan.add_activity(layer.activity_regularizer, value, layer) for value in values]
        fits = [
            mask is not None and value.shape[:-1] == mask.shape and layer.output_has_mask(number)
            for number, value in enumerate(values)
        ]
        return [value._replace(mask=mask if has_mask else None) for value, has_mask in zip(values, fits, strict=True)]

    def _check_call(self, layer: Any, inputs: Any, settings: dict[str, Any]) -> None:
        """Refuse what a layer's `expand` cannot call."""
        owner = f"expand of layer {self.within[-1].name!r}"
        if not isinstance(layer, Layer):
            raise TypeError(f"{owner} can only call layers, but got {layer!r}.")
        if any(layer is each for each in self.within):
            raise ValueError(f"{owner} calls layer {layer.name!r}, which it is a part of: that would never end.")
        if not isinstance(inputs, list) or not all(isinstance(value, Value) for value in inputs):
            raise TypeError(f"{owner} must give layer {layer.name!r} a list of values, but got {inputs!r}.")
        fits = len(inputs) > 1 if layer.n_inputs is None else len(inputs) == layer.n_inputs
        if not fits and not layer.is_model and not layer.is_python:  # these check their calls themselves
            wanted = "two or more inputs" if layer.n_inputs is None else f"{layer.n_inputs} input(s)"
            raise ValueError(f"{owner} must give layer {layer.name!r} {wanted}, but got {len(inputs)}.")
        unknown = settings.keys() - set(layer.call_settings)
        if unknown:
            raise TypeError(f"{owner} calls layer {layer.name!r}, whose call has no setting {min(unknown)!r}.")
        if not layer.built and type(layer).build is not Layer.build:
            raise ValueError(
                f"{owner} calls layer {layer.name!r}, which is not built: call its build in the build of that layer."
            )
        if any(variable.dtype != self.within[-1].dtype for variable in layer.variables):
            raise ValueError(
                f"{owner} computes in {self.within[-1].dtype}, but the weights of layer {layer.name!r} are "
                f"{layer.dtype}. Give both the same dtype."
            )

    def mask_of(self, layer: Layer, inputs: Sequence[Value], shape: SampleShape) -> Mask | None:
        """The mask of a call's output: that of an input, or one that a step makes, or none."""
        masks = [value.mask for value in inputs]
        rule = rule_of(
            layer, [value.shape for value in inputs], [None if mask is None else mask.shape for mask in masks], shape
        )
        if isinstance(rule, int):
            return masks[rule]
        known = [mask for mask in masks if mask is not None]
        if rule is None:
            if known and not layer.supports_masking and layer.name not in self.plan.unmasked_by:
                self.plan.unmasked_by.append(layer.name)
            return None
        read: list[Value | Mask] = [] if rule.reads == "masks" else list(inputs)
        read += [] if rule.reads == "inputs" else known
        return Mask(self.plan.add_step(rule, read, shape[:-1]).buffer, shape[:-1])

    def as_mask(self, layer: Layer, value: Value) -> Mask:
        """The numbers of a value as a mask: 1 where they are not 0."""
        return Mask(self.plan.add_step(Differs(layer, 0, 1), [value], value.shape).buffer, value.shape)

    def add_activity(self, regularizer: Any, value: Value, layer: Layer) -> Value:
        """Have a value add to the loss; what others then read."""
        return self.plan.add_activity(regularizer, value, layer)

    def _view(self, layer: Layer, source: Value, shape: SampleShape) -> Value:
        """The value of a layer that only gives its input another shape."""
        if math.prod(shape) != self.plan.widths[source.buffer]:
            width = self.plan.widths[source.buffer]
            raise ValueError(
                f"{type(layer).__name__} {layer.name!r} only gives its input another shape, but its "
                f"compute_output_shape says {shape} for a sample of {width} numbers. Return a shape of as many, or "
                "define call."
            )
        return Value(source.buffer, shape)


def implementation_of(cls: type[Operation]) -> str:
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
