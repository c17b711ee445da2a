"""Read activations, as single operators or formulas of several."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cbackprop import activations, layers
from cbackprop.export.formulas import ACTIVATIONS, DOUBLES, LAYERS, OTHER_SPELLINGS, SEVERAL_AXES, mean_rule
from cbackprop.export.onnx_reader.builder import Builder, UnreadableError, positive, recognizes
from cbackprop.export.onnx_reader.graph import Node
from cbackprop.tensor import KerasTensor

# Activations whose kernel has another name.
OF_KERNEL: dict[str, Callable[..., Any]] = {
    "general_relu": lambda slope, threshold: activations.relu.bind(slope, None, threshold),
    "bounded_relu": activations.relu.bind,
    "general_elu": activations.elu.bind,
    "approximate_gelu": lambda: activations.gelu.bind(approximate=True),
}

SHRINKS = ("soft_shrink", "hard_shrink")


def _reader(kernel: str) -> Callable[[Builder, Node, dict[str, Any]], KerasTensor]:
    names, _ = ACTIVATIONS[kernel]

    def read(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
        x = builder.tensor(bound["x"])
        numbers = [bound.get(name, 0.0) for name in names]  # 0 if this formula has no such number
        if names == ("axis",):
            numbers = [positive(int(bound["axes"][0]) if kernel == "glu" else bound["axis"], x.ndim)]
        make = OF_KERNEL.get(kernel) or getattr(activations, kernel).bind
        return builder.apply(node, layers.Activation, x, make(*numbers) if numbers else make())

    return read


def _fits(bound: dict[str, Any]) -> bool:
    """Whether the constants are related as in the activation."""
    if "filling" in bound:
        return not any(bound["filling"].float_data) and not any(bound["filling"].raw_data)
    if "low" in bound:
        return bool(bound["low"] == -bound["threshold"])
    if "points" in bound:
        rule = zip(("points", "weights"), mean_rule(), strict=True)
        same = (bound[name].shape == values.shape and np.allclose(bound[name], values) for name, values in rule)
        return bound["last"].tolist() == [-1] and all(same)
    if "middle" in bound:
        return _halves(bound)
    return "count" not in bound or _counts_along_axis(bound)


def _halves(bound: dict[str, Any]) -> bool:
    """Whether the two slices are the halves of an axis."""
    sample = bound["sample"]
    if sample is None or [bound[name].size for name in ("axes", "start", "middle", "end")] != [1] * 4:
        return False
    axis, start, middle, end = (int(bound[name].item()) for name in ("axes", "start", "middle", "end"))
    position = axis - 1 if axis > 0 else axis + len(sample)
    length = sample[position] if axis and 0 <= position < len(sample) else -1
    return start == 0 and length == 2 * middle and (end == length or end >= 2**31 - 1)


def _counts_along_axis(bound: dict[str, Any]) -> bool:
    """Whether the counts of a sorted row are 1, 2, ... along the whole axis."""
    axis, count, sample = bound["axis"], bound["count"], bound["sample"]
    position = axis - 1 if axis > 0 else axis + len(sample or ())
    if sample is None or not axis or not 0 <= position < len(sample) or count.ndim > len(sample) + 1:
        return False
    length = sample[position]
    behind = (1,) * (len(sample) - position - 1)
    return bool(
        bound["axes"].tolist() == [axis]
        and bound["along"] == axis
        and bound["length"].tolist() == [length]
        and count.shape[max(count.ndim - 1 - len(behind), 0) :] == (length, *behind)
        and np.array_equal(count.ravel(), np.arange(1, length + 1))
    )


def _fits_shrink(bound: dict[str, Any]) -> bool:
    """Whether the threshold is not negative: for negative ones the activations differ from these formulas."""
    return bool(bound["threshold"] >= 0) and _fits(bound)


for _kernel, _text in [
    *((name, text) for name, (_, text) in ACTIVATIONS.items()),
    *DOUBLES.items(),
    *OTHER_SPELLINGS,
]:
    recognizes(_text, accept=_fits_shrink if _kernel in SHRINKS else _fits)(_reader(_kernel))


def _merged_axes(bound: dict[str, Any]) -> tuple[int, ...]:
    """The axes of samples that are merged for the activation; empty if others are, or they are not restored."""
    sample, merged, shape = bound["sample"], bound["merged"].ravel().tolist(), bound["shape"].ravel().tolist()
    rank = len(merged)
    axis = int(bound["axis"]) + (rank if bound["axis"] < 0 else 0)
    if sample is None or not 1 <= axis < rank or rank > len(sample):
        return ()
    last = axis + len(sample) + 1 - rank
    expected = [*sample[: axis - 1], math.prod(sample[axis - 1 : last]), *sample[last:]]
    same = merged[1:] == expected and shape[1:] == list(sample)
    return tuple(range(axis, last + 1)) if same and {merged[0], shape[0]} <= {0, -1} else ()


def _reader_of_several(kernel: str) -> Callable[[Builder, Node, dict[str, Any]], KerasTensor]:
    def read(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
        made = getattr(activations, kernel).bind(_merged_axes(bound))
        return builder.apply(node, layers.Activation, builder.tensor(bound["x"]), made)

    return read


for _kernel, _text in SEVERAL_AXES.items():
    recognizes(_text, accept=lambda bound: bool(_merged_axes(bound)))(_reader_of_several(_kernel))


@recognizes(*LAYERS["sums_of_sums"])
def sums_of_sums(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """Refuse Keras's formula for sparsemax."""
    raise UnreadableError(
        "it is the last operator of Keras's sparsemax. Its rows do not add up to 1 unless only one number of a row is "
        "positive, and no layer computes that"
    )


@recognizes(*LAYERS["steeper_softplus"], accept=lambda bound: bound["beta"] > 0)
def steeper_softplus(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """PyTorch's softplus with `beta`: ``softplus(beta x) / beta``."""
    x = builder.apply(node, layers.Rescaling, builder.tensor(bound["x"]), bound["beta"])
    x = builder.apply(node, layers.Activation, x, activations.softplus)
    return builder.apply(node, layers.Rescaling, x, 1 / bound["beta"])
