"""Read pooling: ONNX's operators with the channels first, and this library's with Transposes around them."""

from __future__ import annotations

from typing import Any

from cbackprop import layers
from cbackprop.export.formulas import LAYERS
from cbackprop.export.onnx_reader.builder import Builder, UnreadableError, reads, recognizes, sample_shape
from cbackprop.export.onnx_reader.graph import Node
from cbackprop.tensor import KerasTensor

__all__ = ["global_pooling_of"]

# By the number of axes other than batch and channels.
WINDOWS: dict[str, tuple[Any, ...]] = {
    "MaxPool": (layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D),
    "AveragePool": (layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D),
}
MEANS = (layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D)
MAXIMA = (layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D)
GLOBAL: dict[str, tuple[Any, ...]] = {
    "GlobalMaxPool": MAXIMA,
    "GlobalAveragePool": MEANS,
    "ReduceMax": MAXIMA,
    "ReduceMean": MEANS,
}


def of_rank(choices: tuple[Any, ...], x: KerasTensor) -> Any:
    """The layer for values with this many axes."""
    if not 3 <= x.ndim <= 5:
        raise UnreadableError(f"it pools a value of shape {x.shape}, but only 1 to 3 axes and channels are supported")
    return choices[x.ndim - 3]


def padding_of(bound: dict[str, Any]) -> str | None:
    """The padding of a formula with the channels last; ``None`` if no padding argument of a layer fits."""
    rank, sample = len(bound["kernel"]), bound["sample"]
    last = rank + 1
    moved = bound["before"] == [0, last, *range(1, last)] and bound["after"] == [0, *range(2, last + 1), 1]
    if sample is None or len(sample) != last or not moved or len(bound["strides"]) != rank:
        return None
    if min(*bound["kernel"], *bound["strides"]) < 1:
        return None
    same = [same_padding(*numbers) for numbers in zip(sample, bound["kernel"], bound["strides"], strict=False)]
    if not any(bound["pads"]):
        return "valid"
    return "same" if bound["pads"] == [half[side] for side in (0, 1) for half in same] else None


@recognizes(*LAYERS["max_pooling"], *LAYERS["average_pooling"], accept=lambda bound: padding_of(bound) is not None)
def pooling_of_last(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Pooling with the channels last."""
    x, operator = builder.tensor(bound["x"]), builder.graph.makers[node.inputs[0]].operator
    arguments = tuple(bound["kernel"]), tuple(bound["strides"]), padding_of(bound), "channels_last"
    return builder.apply(node, of_rank(WINDOWS[operator], x), x, *arguments)


@reads("MaxPool", "AveragePool")
def pooling(builder: Builder, node: Node) -> KerasTensor:
    """Pooling with the channels first."""
    x = builder.tensor(node.inputs[0])
    layer, sizes = of_rank(WINDOWS[node.operator], x), sample_shape(x)[1:]
    kernel = tuple(node.attribute("kernel_shape"))
    strides = tuple(node.attribute("strides") or (1,) * len(sizes))
    if not len(kernel) == len(strides) == len(sizes) or min(*kernel, *strides) < 1:
        raise UnreadableError(f"windows of {kernel} with strides of {strides} do not fit axes of {sizes}")
    if any(rate != 1 for rate in node.attribute("dilations") or ()):
        raise UnreadableError("its windows are dilated")
    begin, end = paddings(node, sizes, kernel, strides)
    if node.attribute("count_include_pad") and any(begin + end):
        raise UnreadableError("it counts padding in its means (count_include_pad)")
    if not any(begin + end):
        return builder.apply(node, layer, x, kernel, strides, "valid", "channels_first")
    same = tuple(same_padding(*numbers) for numbers in zip(sizes, kernel, strides, strict=True))
    if (begin, end) == (tuple(half[0] for half in same), tuple(half[1] for half in same)):
        return builder.apply(node, layer, x, kernel, strides, "same", "channels_first")
    return shifted(builder, node, x, layer, (begin, end), kernel, strides)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """How many positions padding "same" adds at the front and at the end."""
    padding = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return padding // 2, padding - padding // 2


def paddings(node: Node, sizes: tuple[int, ...], kernel: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """How many positions are added at the front of each axis, and at the end."""
    auto = node.attribute("auto_pad") or b"NOTSET"
    auto = auto.decode(errors="replace") if isinstance(auto, bytes) else auto
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        same = [same_padding(*numbers) for numbers in zip(sizes, kernel, strides, strict=True)]
        front, behind = zip(*same, strict=True)
        return (front, behind) if auto == "SAME_UPPER" else (behind, front)
    given = list(node.attribute("pads") or [0] * 2 * len(sizes)) if auto == "NOTSET" else [0] * 2 * len(sizes)
    front, behind = tuple(given[: len(sizes)]), tuple(given[len(sizes) :])
    if len(given) != 2 * len(sizes) or min(given) < 0:
        raise UnreadableError(f"its padding {given} does not fit axes of {sizes}")
    if node.attribute("ceil_mode"):
        spans = zip(sizes, kernel, strides, front, behind, strict=True)
        if any((size + a + b - pool) % step for size, pool, step, a, b in spans):
            raise UnreadableError("with ceil_mode its last windows extend beyond the padding")
    return front, behind


def shifted(
    builder: Builder,
    node: Node,
    x: KerasTensor,
    layer: Any,
    padding: tuple[tuple[int, ...], tuple[int, ...]],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
) -> KerasTensor:
    """For padding that is not "valid" or "same": pool at all positions, and take those that are wanted.

    With a stride of 1 and padding "same", the window at position i begins at i - (kernel - 1) // 2.
    """
    parts = []
    spans = zip(sample_shape(x)[1:], kernel, strides, *padding, strict=True)
    for size, pool, step, front, behind in spans:
        start, count = (pool - 1) // 2 - front, (size + front + behind - pool) // step + 1
        if start < 0 or count < 1 or start + (count - 1) * step >= size:
            raise UnreadableError(f"its padding {padding} is more than half a window")
        parts.append(slice(start, start + (count - 1) * step + 1, step))
    pooled = builder.apply(node, layer, x, kernel, 1, "same", "channels_first")
    return builder.apply(node, layers.GetItem, pooled, (slice(None), slice(None), *parts))


@reads("GlobalMaxPool", "GlobalAveragePool")
def global_pooling(builder: Builder, node: Node) -> KerasTensor:
    """Global pooling with the channels first."""
    x = builder.tensor(node.inputs[0])
    return builder.apply(node, of_rank(GLOBAL[node.operator], x), x, "channels_first", True)


def global_pooling_of(builder: Builder, node: Node, x: KerasTensor, axes: list[int], keepdims: bool) -> Any:
    """The output of global pooling; ``None`` if the reduced axes are not all those other than batch and channels."""
    if node.operator not in GLOBAL or not 3 <= x.ndim <= 5:
        return None
    formats = {"channels_last": list(range(1, x.ndim - 1)), "channels_first": list(range(2, x.ndim))}
    for data_format, places in formats.items():
        if axes == places:
            layer = of_rank(GLOBAL[node.operator], x)
            return builder.apply(node, layer, builder.unmasked(node, x), data_format, keepdims)
    return None
