"""Read convolutions. ONNX has the channels first: the layers have them last, between Permutes."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.export.onnx_reader.builder import Builder, UnreadableError, reads, sample_shape
from cbackprop.export.onnx_reader.graph import Array, Node
from cbackprop.export.onnx_reader.parts import part_of
from cbackprop.layers.convolution import positions_along
from cbackprop.layers.transposed_convolution import size_along
from cbackprop.tensor import KerasTensor

# By the number of axes other than batch and channels.
CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
PADDING = (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
CROPPING = (layers.Cropping1D, layers.Cropping2D, layers.Cropping3D)


class Window:
    """The attributes of an operator's kernel, for each axis except batch and channels."""

    def __init__(self, node: Node, x: KerasTensor, kernel: Array) -> None:
        rank = x.ndim - 2
        if not 1 <= rank <= 3 or kernel.ndim != rank + 2 or kernel.size == 0:
            raise UnreadableError(f"a kernel of shape {kernel.shape} does not fit values of shape {x.shape}")
        self.rank, self.sizes = rank, sample_shape(x)[1:]
        self.kernel = tuple(kernel.shape[2:])
        self.strides, self.dilations = (numbers(node, name, rank, 1, 1) for name in ("strides", "dilations"))
        if tuple(node.attribute("kernel_shape") or self.kernel) != self.kernel:
            raise UnreadableError(f"its kernel has shape {kernel.shape}, but kernel_shape says otherwise")
        self.group = int(node.attribute("group"))
        self.auto = (node.attribute("auto_pad") or b"NOTSET").decode(errors="replace")
        pads = numbers(node, "pads", 2 * rank, 0, 0)
        self.before, self.after = pads[:rank], pads[rank:]

    @property
    def reach(self) -> tuple[int, ...]:
        """Elements from the first tap to the last one, along each axis."""
        return tuple((size - 1) * rate + 1 for size, rate in zip(self.kernel, self.dilations, strict=True))

    def halves(self, totals: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Divide these totals between the front and the end of each axis, as `auto_pad` says."""
        small, large = tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)
        return (small, large) if self.auto == "SAME_UPPER" else (large, small)


def numbers(node: Node, name: str, count: int, default: int, minimum: int) -> tuple[int, ...]:
    """An attribute with a number for each axis."""
    found = tuple(int(number) for number in node.attribute(name) or (default,) * count)
    if len(found) != count or min(found) < minimum:
        raise UnreadableError(f"its {name} are {list(found)}")
    return found


def dims(rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The orders of the Permutes that put the channels last, and first again."""
    return (*range(2, rank + 2), 1), (rank + 1, *range(1, rank + 1))


def bias_of(builder: Builder, node: Node, filters: int) -> list[Array]:
    """The bias in a list; an empty list if there is none."""
    bias = builder.optional(node, 2)
    if bias is not None and bias.shape != (filters,):
        raise UnreadableError(f"a bias of shape {bias.shape} does not fit {filters} filters")
    return [] if bias is None else [bias]


@reads("Conv")
def convolution(builder: Builder, node: Node) -> KerasTensor:
    """A convolution. Padding that is neither "valid" nor "same" becomes a layer of its own."""
    x, kernel = builder.tensor(node.inputs[0]), builder.constant(node, 1)
    window = Window(node, x, kernel)
    filters, per_group = kernel.shape[:2]
    if window.group < 1 or per_group * window.group != sample_shape(x)[0] or filters % window.group:
        raise UnreadableError(f"a kernel of shape {kernel.shape} does not fit values of shape {x.shape}")
    to_last, to_first = dims(window.rank)
    x = builder.permuted(node, x, to_last)
    sides = sides_of(window)
    padding = padding_of(window, sides)
    if padding is None:
        x = builder.apply(node, PADDING[window.rank - 1], x, sides[0] if window.rank == 1 else sides, "channels_last")
    bias = bias_of(builder, node, filters)
    if 1 < window.group == sample_shape(x)[-1] and window.rank < 3 and padding != "causal":
        y = depthwise(builder, node, x, window, padding or "valid", kernel, bias)
        return builder.permuted(node, y, to_first)
    arguments = filters, window.kernel, window.strides, padding or "valid", "channels_last", window.dilations
    weights = [kernel.transpose(*range(2, kernel.ndim), 1, 0), *bias]
    options = {"groups": window.group, "use_bias": bool(bias), "weights": weights}
    y = builder.apply(node, CONVOLUTIONS[window.rank - 1], x, *arguments, **options)
    return builder.permuted(node, y, to_first)


def depthwise(
    builder: Builder, node: Node, x: KerasTensor, window: Window, padding: str, kernel: Array, bias: list[Array]
) -> KerasTensor:
    """A depthwise convolution: each channel is a group."""
    multiplier = len(kernel) // window.group
    by_channel = kernel.reshape(window.group, multiplier, *window.kernel).transpose(*range(2, window.rank + 2), 0, 1)
    arguments = window.kernel, window.strides, padding, multiplier, "channels_last", window.dilations
    options = {"use_bias": bool(bias), "weights": [by_channel, *bias]}
    return builder.apply(node, DEPTHWISE[window.rank - 1], x, *arguments, **options)


def sides_of(window: Window) -> tuple[tuple[int, int], ...]:
    """The number of zeros before and after each axis."""
    before, after = window.before, window.after
    if window.auto == "VALID":
        before = after = (0,) * window.rank
    elif window.auto != "NOTSET":
        spans = zip(window.sizes, window.strides, window.reach, strict=True)
        before, after = window.halves([max((-(-size // s) - 1) * s + reach - size, 0) for size, s, reach in spans])
    return tuple(zip(before, after, strict=True))


def padding_of(window: Window, sides: tuple[tuple[int, int], ...]) -> str | None:
    """The padding argument that adds these zeros; ``None`` if a layer of its own must add them."""
    if not any(map(any, sides)):
        return "valid"
    for padding in ("same", "causal") if window.rank == 1 else ("same",):
        axes = zip(window.sizes, window.kernel, window.strides, window.dilations, strict=True)
        found = [positions_along(*axis, padding) for axis in axes]
        if all(
            # Zeros at the end do not matter if no position reads them.
            before == max(own, 0) and (size + before + after - reach) // stride + 1 == count
            for (before, after), (count, own), size, stride, reach in zip(
                sides, found, window.sizes, window.strides, window.reach, strict=True
            )
        ):
            return padding
    return None


@reads("ConvTranspose")
def transposed_convolution(builder: Builder, node: Node) -> KerasTensor:
    """A transposed convolution. If no padding argument cuts off the same elements, a layer behind it does.

    Each group is a layer, between a GetItem and a Concatenate.
    """
    x, kernel = builder.tensor(node.inputs[0]), builder.constant(node, 1)
    window = Window(node, x, kernel)
    channels, filters = kernel.shape[:2]
    if channels != sample_shape(x)[0] or window.group < 1 or channels % window.group:
        raise UnreadableError(f"a kernel of shape {kernel.shape} does not fit values of shape {x.shape}")
    more = numbers(node, "output_padding", window.rank, 0, 0)
    before, sizes = output_of(node, window, more)
    to_last, to_first = dims(window.rank)
    padding, output_padding = transposed_padding(window, before, sizes, more)
    bias = bias_of(builder, node, filters * window.group)
    arguments = filters, window.kernel, window.strides, padding
    options: dict[str, Any] = {
        "output_padding": output_padding,
        "data_format": "channels_last",
        "dilation_rate": window.dilations,
        "use_bias": bool(bias),
    }
    x = builder.permuted(node, x, to_last)
    parts = []
    for group, own in enumerate(np.split(kernel, window.group)):
        part = part_of(builder, node, x, x.ndim - 1, slice(group * len(own), (group + 1) * len(own)))
        weights = [own.transpose(*range(2, own.ndim), 1, 0), *[np.split(b, window.group)[group] for b in bias]]
        parts.append(builder.apply(node, TRANSPOSED[window.rank - 1], part, *arguments, weights=weights, **options))
    y = parts[0] if len(parts) == 1 else builder.apply(node, layers.Concatenate, parts)
    sides = tuple(
        (front, whole - front - size) for front, whole, size in zip(before, sample_shape(y)[:-1], sizes, strict=True)
    )
    if padding == "valid" and any(map(any, sides)):
        if min(map(min, sides)) < 0:
            raise UnreadableError(f"its output_shape {sizes} is larger than what it computes")
        y = builder.apply(node, CROPPING[window.rank - 1], y, sides[0] if window.rank == 1 else sides)
    return builder.permuted(node, y, to_first)


def output_of(node: Node, window: Window, more: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How many elements are cut off at the front of each axis, and the size of the output."""
    axes = list(zip(window.sizes, window.strides, window.reach, more, strict=True))
    whole = [(size - 1) * stride + reach + extra for size, stride, reach, extra in axes]
    given = node.attribute("output_shape")
    if given:
        sizes = tuple(int(size) for size in given)[-window.rank :]
    elif window.auto in ("SAME_UPPER", "SAME_LOWER"):
        sizes = tuple(size * stride for size, stride, _, _ in axes)
    elif window.auto == "VALID":
        return (0,) * window.rank, tuple(whole)
    else:
        cut = zip(whole, window.before, window.after, strict=True)
        return window.before, tuple(size - front - behind for size, front, behind in cut)
    if len(sizes) != window.rank:
        raise UnreadableError(f"its output_shape {list(given)} does not fit values of {window.rank} axes")
    totals = [max(size - wanted, 0) for size, wanted in zip(whole, sizes, strict=True)]
    # If the number is odd, the extra one is cut off at the front, unless auto_pad is SAME_UPPER.
    return window.halves(totals)[0], sizes


def transposed_padding(
    window: Window, before: tuple[int, ...], sizes: tuple[int, ...], more: tuple[int, ...]
) -> tuple[str, Any]:
    """The padding and output_padding that give these numbers; if there are none, those that cut off nothing."""
    axes = list(zip(window.sizes, window.kernel, window.strides, window.dilations, strict=True))
    wanted = list(zip(sizes, before, strict=True))
    reaches = zip(sizes, window.sizes, window.strides, window.reach, strict=True)
    odd = tuple(size - (old - 1) * stride - reach % 2 for size, old, stride, reach in reaches)
    fits = all(0 <= extra < stride for extra, stride in zip(odd, window.strides, strict=True))
    for padding, output_padding in (("valid", None), ("same", None), ("same", odd if fits else None)):
        extras = output_padding or (None,) * window.rank
        found = [size_along(*axis, padding, extra) for axis, extra in zip(axes, extras, strict=True)]
        if found == wanted:
            return padding, output_padding
    needed = tuple(
        max(extra, size + front - (old - 1) * stride - reach)
        for extra, size, front, old, stride, reach in zip(
            more, sizes, before, window.sizes, window.strides, window.reach, strict=True
        )
    )
    return "valid", needed
