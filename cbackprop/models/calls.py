"""Calls of a model: on symbolic tensors, as a layer of another model, and on arrays."""

from __future__ import annotations

from typing import Any

from cbackprop.engine import Data, Engine, engine_class
from cbackprop.layers import Identity, Input
from cbackprop.layers.call_context import current_call
from cbackprop.layers.connecting import forget_losses
from cbackprop.layers.layer import Layer
from cbackprop.layers.mask_array import mask_of, with_mask
from cbackprop.layers.python_call import AddedLoss
from cbackprop.layers.unknown_sizes import fits, has_unknown
from cbackprop.models.data import inputs_in_order
from cbackprop.models.inputs import checked_mask
from cbackprop.models.prediction import as_output
from cbackprop.number_types import FLOAT_TYPES
from cbackprop.plan.graph import Graph
from cbackprop.plan.plan import Plan
from cbackprop.plan.sizes import MOST_SIZES, called_again
from cbackprop.tensor import KerasTensor, Node, Shape, flatten, is_optional, map_structure
from cbackprop.validation import type_name

__all__ = ["call_on_arrays", "connect", "graph_for", "reports", "run_shown"]


def connect(model: Any, inputs: Any, training: bool | None, mask: Any) -> Any:
    """The symbolic outputs of a model that is called as a layer."""
    if not model.built:
        leaves = flatten(inputs)
        alone = len(leaves) == 1 and not model._takes_several()
        model.build(leaves[0].shape if alone else map_structure(lambda tensor: tensor.shape, inputs))
    tensors = model._in_order(inputs)
    if mask is not None:
        tensors = _masked(model, tensors, mask)
    for tensor, expected in zip(tensors, model.inputs, strict=True):
        if not isinstance(tensor, KerasTensor):
            hint = " An optional input can be left out of calls on arrays only." if tensor is None else ""
            raise TypeError(f"Model {model.name!r} was called on symbolic tensors and {type(tensor).__name__}.{hint}")
        same_type = tensor.dtype in (expected.dtype, model.dtype) or tensor.dtype not in FLOAT_TYPES
        if not fits(tensor.shape, expected.shape) or not same_type:
            raise ValueError(
                f"Model {model.name!r} expects input {expected.name!r} of shape {expected.shape} and dtype "
                f"{expected.dtype}, but got {tensor.shape} and {tensor.dtype}."
            )
    sizes = {tensor.shape[0] for tensor in tensors}
    batch = sizes.pop() if len(sizes) == 1 else None
    graph = graph_for(model, [tensor.shape for tensor in tensors])
    outputs = [KerasTensor((batch, *tensor.shape[1:]), tensor.dtype, model.name) for tensor in graph.outputs]
    model.nodes.append(Node(model, tensors, outputs, training, graph))
    remaining = iter(outputs)
    return map_structure(lambda _: next(remaining), model.output_structure)


def _masked(model: Any, tensors: list[Any], mask: Any) -> list[Any]:
    """Symbolic tensors with the given masks instead of their own."""
    masks = [mask] if len(tensors) == 1 and isinstance(mask, KerasTensor) else flatten(mask)
    if len(masks) != len(tensors):
        raise ValueError(f"mask of model {model.name!r} must have a part for each of {len(tensors)} inputs.")
    for given in masks:
        if given is not None and not isinstance(given, KerasTensor):
            raise TypeError(
                f"mask of model {model.name!r} must hold symbolic tensors, as its inputs are, but got "
                f"{type_name(given)}."
            )
    pairs = zip(tensors, masks, strict=True)
    return [tensor if given is None else Identity()(tensor, mask=given) for tensor, given in pairs]


def graph_for(model: Any, shapes: list[Shape]) -> Graph:
    """The model's graph. If inputs leave sizes open, a graph of the same layers for inputs of these shapes."""
    if not any(has_unknown(tensor.shape) for tensor in model.inputs):
        return model.graph
    tensors = [
        Input(batch_shape=shape, dtype=old.dtype, name=old.name, optional=is_optional(old))
        for shape, old in zip(shapes, model.inputs, strict=True)
    ]
    return Graph(tensors, called_again(model.graph, tensors))


def call_on_arrays(model: Any, inputs: Any, mask: Any, training: bool) -> Any:
    """The outputs for arrays, with their masks."""
    if current_call() is None:
        forget_losses(model)
    model._build_for(inputs)
    given = model._in_order(inputs)
    masks = [mask_of(array) for array in given] if mask is None else flatten(mask)
    if not any(each is not None for each in masks) and not reports(model, given):
        return model.run(inputs, training)
    return model.run_shown(model._in_order(inputs, warns=True), masks, training)


def run_shown(model: Any, given: list[Any], masks: list[Any], training: bool, layer: Any = None) -> Any:
    """The outputs for arrays, some of them with masks. Sets `losses` to what layers' outputs add to the loss.

    If the model was made only to run one `layer`, that layer decides which shape masks have.
    """
    masks = masks if len(masks) == len(model.inputs) else [None] * len(model.inputs)
    if not any(mask is not None for mask in masks) and not reports(model, given):
        return model.run(given[0] if len(given) == 1 else given, training)
    inputs = inputs_in_order(model, given)
    tensors = model.tensors_for(inputs)
    pairs = [(array, mask) for array, mask in zip(inputs, masks, strict=True) if array is not None]
    rows = [(model if layer is None else layer)._mask_shape(array.shape) for array, _ in pairs]
    checked = [
        None if mask is None else checked_mask(f"mask of input {index}", mask, rows[index], model.dtype)
        for index, (_, mask) in enumerate(pairs)
    ]
    inputs = [array for array, _ in pairs] + [mask for mask in checked if mask is not None]
    engine = _engine_that_shows(model, tuple(None if mask is None else mask.shape[1:] for mask in checked), tensors)
    results = engine.predict(inputs, len(Data(inputs)), training)
    assert results is not None
    shown = iter(results[len(model.outputs) :])
    outputs = [
        result if mask is None else with_mask(result, next(shown) != 0)
        for result, mask in zip(results, engine.plan.output_masks, strict=False)
    ]
    for activity, output in zip(engine.plan.activities, shown, strict=True):
        if not isinstance(activity.regularizer, AddedLoss):
            activity.layer.note_loss(float(activity.regularizer(output)) / len(output))
    return as_output(model, outputs)


def reports(model: Any, given: list[Any]) -> bool:
    """Whether a call on these arrays also returns masks, or adds to the loss."""
    plans = model.plans
    return plans.reports if isinstance(plans, Plan) else model.plan_for(inputs_in_order(model, given)).reports


def _engine_that_shows(
    model: Any, masked: tuple[tuple[int, ...] | None, ...], tensors: tuple[list[KerasTensor], list[KerasTensor]]
) -> Engine:
    """An engine that predicts for inputs, some with masks, and also returns masks and added losses."""
    key = masked, tuple(tensor.shape for tensor in tensors[0])
    with Layer._making:
        known = model._showing.get(key)
        if known is None or not known.is_up_to_date():
            plan = Plan(*tensors, masked=masked, shows_all=True)
            if known is None and len(model._showing) == MOST_SIZES:
                del model._showing[next(iter(model._showing))]
            kind = engine_class(model._settings.get("engine", "compiled"), plan)
            model._showing[key] = kind(plan, model.dtype, model_lock=model._model_lock)
        return model._showing[key]
