"""How the call of a layer becomes steps of a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from cbackprop.contract.expansion import Mask, Value
from cbackprop.layers.layer import Layer
from cbackprop.layers.masks import Differs, rule_of
from cbackprop.layers.operation import Operation
from cbackprop.layers.python_expansion import expand_python
from cbackprop.plan.step import SampleShape
from cbackprop.tensor import KerasTensor

if TYPE_CHECKING:
    from cbackprop.plan.plan import Plan

__all__ = ["CallSteps"]


class CallSteps:
    """The object to which `Layer.expand` adds the steps of one call: see `contract.expansion.Steps`."""

    def __init__(
        self,
        plan: Plan,
        training: bool | None,
        within: tuple[Layer, ...] = (),
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.plan = plan
        self.training = training
        self.within = within  # the layers that are being expanded, from the outermost on
        self.settings = settings or {}  # settings of the call

    def add(self, operation: Operation, inputs: Sequence[Value | Mask], shape: SampleShape) -> Value:
        """Add a step, and return its output.

        Raises
        ------
        TypeError
            If it is not an operation, the inputs are not a list of values, or the shape is not a tuple of integers.
        """
        self._check_step(operation, inputs, shape)
        return self.plan.add_step(operation, inputs, shape, self.training)

    def _check_step(self, operation: Any, inputs: Any, shape: Any) -> None:
        """Refuse wrong arguments, because `expand` may be written by a user."""
        owner = f"expand of layer {self.within[-1].name!r}" if self.within else "A plan"
        if not isinstance(operation, Operation):
            raise TypeError(f"{owner} can only add operations, such as layers, but got {operation!r}.")
        if type(inputs) not in (list, tuple) or not all(isinstance(value, (Value, Mask)) for value in inputs):
            raise TypeError(f"{owner} must give {operation.name!r} a list of values, but got {inputs!r}.")
        if not isinstance(shape, tuple) or not all(isinstance(size, (int, np.integer)) and size >= 0 for size in shape):
            raise TypeError(f"{owner} must give {operation.name!r} a shape, a tuple of integers, but got {shape!r}.")

    def _of(self, layer: Layer) -> CallSteps:
        """The object to which this call of a layer adds its steps."""
        return CallSteps(self.plan, self.training, (*self.within, layer), self.settings)

    def call(self, layer: Layer, inputs: Sequence[Value], penalized: bool = True, **settings: Any) -> Value:
        """Add the steps of a call of a built layer, and return its output with its mask.

        If the call is `penalized`, the layer's activity regularizer adds to the loss.

        Raises
        ------
        TypeError
            If it is not a layer, or the inputs are not a list of values.
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
        """Add the steps of a call of a model or a layer in Python, and return its output."""
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
        """Add the steps of a call of a layer whose output has this shape, and return the output with its mask."""
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
            # A view is its input's buffer, which other steps may also read.
            value = self.plan.copy(value) if layer.is_view else value
            value = self.plan.add_activity(layer.activity_regularizer, value, layer)
        return value._replace(mask=mask)

    def call_all(self, layer: Layer, inputs: list[Value], shapes: list[SampleShape], reads_masks: bool) -> list[Value]:
        """Add the steps of a call with several outputs, and return these. An output gets the mask if its rows fit."""
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
        """Refuse a call that a layer's `expand` cannot make."""
        owner = f"expand of layer {self.within[-1].name!r}"
        if not isinstance(layer, Layer):
            raise TypeError(f"{owner} can only call layers, but got {layer!r}.")
        if any(layer is each for each in self.within):
            raise ValueError(f"{owner} calls layer {layer.name!r}, which it is a part of: these calls would never end.")
        if not isinstance(inputs, list) or not all(isinstance(value, Value) for value in inputs):
            raise TypeError(f"{owner} must give layer {layer.name!r} a list of values, but got {inputs!r}.")
        fits = len(inputs) > 1 if layer.n_inputs is None else len(inputs) == layer.n_inputs
        if not fits and not layer.is_model and not layer.is_python:  # these check their own calls
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
        """The mask of a call's output: an input's mask, one made by a step, or none."""
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
        """A mask from the numbers of a value: 1 where they are not 0."""
        return Mask(self.plan.add_step(Differs(layer, 0, 1), [value], value.shape).buffer, value.shape)

    def add_activity(self, regularizer: Any, value: Value, layer: Layer) -> Value:
        """Add a penalty on a value to the loss, and return the value that later steps read."""
        return self.plan.add_activity(regularizer, value, layer)

    def _view(self, layer: Layer, source: Value, shape: SampleShape) -> Value:
        """The output of a layer that only changes the shape of its input."""
        if math.prod(shape) != self.plan.widths[source.buffer]:
            width = self.plan.widths[source.buffer]
            raise ValueError(
                f"{type(layer).__name__} {layer.name!r} only gives its input another shape, but its "
                f"compute_output_shape says {shape} for a sample of {width} numbers. Return a shape of as many, or "
                "define call."
            )
        return Value(source.buffer, shape)
