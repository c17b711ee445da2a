"""Where the channels of a model's images are."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.tracking import layers_within

__all__ = ["formats_of"]


def formats_of(model: Any) -> dict[int, str]:
    """The data format of each symbolic tensor of a model, by its `id`.

    It is what the layer says, or a layer within it. Layers that take any format, such as activations, leave it as it
    is. Inputs have that of the first layer that says one.
    """
    calls = [(node, _format_of(node.layer)) for node in model.graph.nodes]
    first = next((said for _, said in calls if said is not None), "channels_last")
    found: dict[int, str] = {}
    for node, said in calls:
        taken = said or next((found[id(tensor)] for tensor in node.inputs if id(tensor) in found), first)
        found |= {id(tensor): taken for tensor in node.outputs}
    return found


def _format_of(layer: Any) -> str | None:
    said = (getattr(each, "data_format", None) for each in (layer, *layers_within(layer)))
    return next((each for each in said if each is not None), None)
