"""Read layers behind masks, which count only the rows that a mask shows."""

from __future__ import annotations

from typing import Any

from cbackprop import layers
from cbackprop.export.formulas import LAYERS
from cbackprop.export.onnx_reader.builder import Builder, UnreadableError, recognizes
from cbackprop.export.onnx_reader.graph import Node
from cbackprop.export.onnx_reader.visibility import one_mask
from cbackprop.tensor import KerasTensor


def is_one_axis(bound: dict[str, Any]) -> bool:
    """Whether the mean is along one axis of a sequence."""
    return bound["rank"] == 3 and bound["axes"].ravel().tolist() in ([1], [2])


@recognizes(*LAYERS["masked_mean"], accept=is_one_axis)
def masked_mean(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """The mean of the steps that a mask shows."""
    x, (axis,) = builder.tensor(bound["x"]), bound["axes"].ravel().tolist()
    mask = one_mask(builder, node, bound["w"], "steps")
    if mask.ndim != 3 or mask.shape[3 - axis] != 1 or mask.shape[axis] != x.shape[axis]:
        raise UnreadableError(f"its mask of shape {mask.shape} is not one of the steps of {x.shape}")
    steps = builder.reshaped(node, mask, (mask.shape[axis],))
    data_format, keepdims = "channels_last" if axis == 1 else "channels_first", bool(bound["keepdims"])
    layer = layers.GlobalAveragePooling1D
    return builder.apply(node, layer, x, data_format, keepdims, settings={"mask": steps})  # type: ignore[no-any-return]


@recognizes(*LAYERS["chosen"], accept=lambda bound: bound["mask_is_known"])
def chosen(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """The rows that a mask shows; elsewhere a number, or the rows of another value."""
    shown = one_mask(builder, node, bound["w"], "rows", is_unit=True)
    values = [builder.unmasked(node, builder.tensor(bound[name])) for name in ("x", "y") if name in bound]
    if {value.ndim for value in values} != {shown.ndim}:
        shapes = [value.shape for value in values]
        raise UnreadableError(f"its mask of shape {shown.shape} has other axes than its values, {shapes}")
    found = builder.apply(node, layers.Multiply, [values[0], shown])
    number = bound.get("number", 1.0)
    if number == 0:
        return found  # type: ignore[no-any-return]
    rest = builder.apply(node, layers.Rescaling, shown, -number, number)
    if len(values) == 2:
        rest = builder.apply(node, layers.Multiply, [values[1], rest])
    return builder.apply(node, layers.Add, [found, rest])  # type: ignore[no-any-return]
