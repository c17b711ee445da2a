"""Read preprocessing layers from the formulas in which they are written."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.export.formulas import LAYERS
from cbackprop.export.onnx_reader.builder import Builder, UnreadableError, is_data, recognizes, sample_shape
from cbackprop.export.onnx_reader.graph import Node
from cbackprop.tensor import KerasTensor


@recognizes(*LAYERS["masking"], accept=lambda bound: bound["last"].tolist() == [-1])
def masking(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """A Masking layer: sets time steps to zero."""
    return builder.apply(node, layers.Masking, builder.tensor(bound["x"]), bound["mask_value"])


def _are_limits(bound: dict[str, Any]) -> bool:
    limits = bound["limits"]
    return bound["last"].tolist() == [-1] and limits.ndim == 1 and bool((limits > -np.inf).all())


@recognizes(*LAYERS["discretization"], accept=_are_limits)
def discretization(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """A Discretization layer: counts the boundaries that are not above a value."""
    limits = np.sort(bound["limits"])
    return builder.apply(node, layers.Discretization, builder.tensor(bound["x"]), limits[limits < np.inf].tolist())


def _counts_classes(bound: dict[str, Any]) -> bool:
    classes = bound["classes"]
    return (
        classes.ndim == 1
        and np.array_equal(classes, np.arange(len(classes)))
        and bound["last"].tolist() == [-1]
        and ("axes" not in bound or bound["axes"].tolist() == [-2])
    )


def _classes(builder: Builder, bound: dict[str, Any]) -> KerasTensor:
    """The class numbers. They must be unchanged input data, or be known to be in range."""
    x = builder.tensor(bound["x"])
    layer: Any = None if x.node is None else x.node.layer
    counted = isinstance(layer, layers.Discretization) and layer.output_mode == "int"
    if not is_data(x) and not (counted and len(layer.bin_boundaries) < len(bound["classes"])):
        raise UnreadableError("it encodes computed numbers, which may not be valid class numbers")
    return x


@recognizes(*LAYERS["multi_hot"], accept=_counts_classes)
def multi_hot(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """A CategoryEncoding layer with multi-hot output."""
    return builder.apply(node, layers.CategoryEncoding, _classes(builder, bound), len(bound["classes"]))


@recognizes(*LAYERS["count"], accept=_counts_classes)
def count(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """A CategoryEncoding layer that counts classes."""
    return builder.apply(node, layers.CategoryEncoding, _classes(builder, bound), len(bound["classes"]), "count")


@recognizes(*LAYERS["one_hot"], accept=_counts_classes)
def one_hot(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """A CategoryEncoding layer with one-hot output."""
    x, n = _classes(builder, bound), len(bound["classes"])
    made = builder.apply(node, layers.CategoryEncoding, x, n, "one_hot")
    shape = *sample_shape(x), n
    return made if sample_shape(made) == shape else builder.apply(node, layers.Reshape, made, shape)


def _is_crop(bound: dict[str, Any]) -> bool:
    if bound["rows"].ndim != 2 or bound["columns"].ndim != 2 or len(bound["sample"]) != 3:
        return False
    (height, rows), (columns, width) = bound["rows"].shape, bound["columns"].shape
    first = "to_first" not in bound
    if not first and (list(bound["to_first"]), list(bound["to_last"])) != ([0, 3, 1, 2], [0, 2, 3, 1]):
        return False
    if tuple(bound["sample"][1:] if first else bound["sample"][:2]) != (rows, columns):
        return False
    expected = layers.RandomCrop(height, width).weights_in((rows, columns))
    found = bound["rows"], bound["columns"].T
    return all(np.allclose(a, b, rtol=0, atol=1e-5) for a, b in zip(found, expected, strict=True))


@recognizes(*LAYERS["resized"], accept=_is_crop)
def random_crop(builder: Builder, node: Node, bound: dict[str, Any]) -> KerasTensor:
    """A RandomCrop layer. In a prediction it takes the middle of images, and resizes it."""
    data_format = "channels_last" if "to_first" in bound else "channels_first"
    sizes = bound["rows"].shape[0], bound["columns"].shape[1]
    return builder.apply(node, layers.RandomCrop, builder.tensor(bound["x"]), *sizes, data_format=data_format)
