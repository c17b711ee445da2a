"""Sequences of different lengths, given as a list in place of an array. Each batch is padded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbackprop import layers
from cbackprop.models.prediction import without_list
from cbackprop.padded_sequences import PaddedSequences
from cbackprop.tensor import KerasTensor, flatten, is_dict, map_structure

__all__ = ["Given", "by_length", "by_length_in_one", "is_ragged", "predict_ragged", "split_ragged"]


class Given(NamedTuple):
    """The user's data: samples, their targets and weights."""

    x: Any
    y: Any = None
    sample_weight: Any = None


def is_ragged(model: Any, x: Any) -> bool:
    """Whether `x` is a list of sequences of different lengths, for a model that takes one array of any length.

    The list may be the only item of a dict or a list.
    """
    if type(x) is np.ndarray and x.dtype.kind != "O":
        return False
    x = _alone(x)
    if not isinstance(x, (list, tuple)) and not (isinstance(x, np.ndarray) and x.dtype.kind == "O" and x.ndim == 1):
        return False
    lengths = {_length(part) for part in x}
    return len(lengths) > 1 and None not in lengths and _takes_any_length(model)


def _takes_any_length(model: Any) -> bool:
    if not model.built:
        return bool(getattr(model, "layers", None)) and _hidden_by(model.layers[0]) is not None
    if len(model.inputs) > 1 or len(model.inputs[0].shape) < 2:
        return False
    return model.inputs[0].shape[1] is None or getattr(model, "_shaped_by_data", False)


def _alone(x: Any) -> Any:
    """The only item of a dict or a list."""
    if is_dict(x) and len(x) == 1:
        return next(iter(x.values()))
    return x[0] if isinstance(x, (list, tuple)) and len(x) == 1 and isinstance(x[0], (list, tuple)) else x


def _length(part: Any) -> int | None:
    """The number of steps of a sequence; ``None`` for a number, a string and the like."""
    if isinstance(part, np.ndarray):
        return len(part) if part.ndim else None
    return len(part) if isinstance(part, (list, tuple)) else None


def by_length(model: Any, given: Given, batch_size: int | None = None, shuffle: bool = False) -> Given:
    """The data of `fit` or `evaluate`. If sequences differ in length, it becomes a dataset that pads each batch.

    Raises
    ------
    ValueError
        If sequences differ in length, and the model has several outputs, or nothing that hides padding.
    """
    if not is_ragged(model, given.x):
        return given
    value = _padding_value(model)
    x, y, sample_weight = given
    if y is not None and model.built and len(model.outputs) > 1:
        raise ValueError(
            f"x is a list of sequences of different lengths, but the model has {len(model.outputs)} outputs, and their "
            "targets cannot be padded together: give a utils.PyDataset that yields batches."
        )
    data = PaddedSequences(_alone(x), _alone_targets(y), sample_weight, batch_size or 32, value=value, shuffle=shuffle)
    return Given(data)


def by_length_in_one(model: Any, given: Given) -> Given:
    """The same for a single batch, as arrays."""
    if not is_ragged(model, given.x):
        return given
    batch = by_length(model, given, len(_alone(given.x))).x[0]
    return Given(*batch) if isinstance(batch, tuple) else Given(batch)


def _alone_targets(y: Any) -> Any:
    return next(iter(y.values())) if is_dict(y) and len(y) == 1 else y


def split_ragged(given: Given, split: float) -> tuple[Given, Given]:
    """Split the data into the first samples, and the last ones, of which `split` is the fraction."""
    x, y, sample_weight = _alone(given.x), _alone_targets(given.y), given.sample_weight
    count = int(len(x) * (1 - split))
    if not 0 < count < len(x):
        raise ValueError(f"validation_split={split} of {len(x)} samples leaves one part empty.")
    parts = (x, y, sample_weight)
    return (
        Given(*(None if part is None else part[:count] for part in parts)),
        Given(*(None if part is None else part[count:] for part in parts)),
    )


def predict_ragged(model: Any, x: Any, batch_size: int | None) -> Any:
    """The outputs for sequences of different lengths: arrays, or lists of arrays for outputs with time steps."""
    data = by_length(model, Given(x), batch_size).x
    outputs, steps = [], []
    for number in range(len(data)):
        batch = data[number]
        outputs.append(flatten(model.predict_on_batch(batch)))
        steps += [batch.shape[1]] * len(batch)
    found = iter([_joined(batches, steps, data.lengths) for batches in zip(*outputs, strict=True)])
    return map_structure(lambda _: next(found), without_list(model.output_structure))


def _joined(batches: Sequence[NDArray[Any]], steps: list[int], lengths: NDArray[Any]) -> Any:
    """One array. If outputs have the steps of the inputs: an array for each sequence, without padding."""
    samples = [sample for batch in batches for sample in batch]
    if all(sample.ndim and len(sample) == count for sample, count in zip(samples, steps, strict=True)):
        return [sample[:length] for sample, length in zip(samples, lengths, strict=True)]
    if len({batch.shape[1:] for batch in batches}) > 1:
        raise ValueError(
            "x is a list of sequences of different lengths, and outputs have other numbers of steps than their inputs, "
            "so it is unknown which steps are padding. Predict each batch by itself, with predict_on_batch."
        )
    return np.concatenate(batches)


def _padding_value(model: Any) -> float:
    """The value that the layers which read the model's only input hide."""
    found = _hidden(model.graph, model.inputs[0]) if model.built else {_hidden_by(model.layers[0])}
    if len(found) != 1 or None in found:
        raise ValueError(
            "x is a list of sequences of different lengths, but not all layers that read it hide padding. Put "
            "layers.Masking or layers.Embedding(..., mask_zero=True) first, or pad x with utils.pad_sequences or "
            "utils.PaddedSequences."
        )
    return float(found.pop())  # type: ignore[arg-type]


def _hidden(graph: Any, tensor: KerasTensor) -> set[float | None]:
    """For each layer that reads a tensor, the value that it hides; ``None`` for a layer that hides nothing."""
    found: set[float | None] = set()
    for node in graph.nodes:
        if any(each is tensor for each in node.inputs):
            if node.graph is not None:
                places = [own for each, own in zip(node.inputs, node.graph.inputs, strict=True) if each is tensor]
                found.update(value for own in places for value in _hidden(node.graph, own))
            else:
                found.add(_hidden_by(node.layer))
    return found


def _hidden_by(layer: Any) -> float | None:
    """The value that a layer hides by a mask; ``None`` if it makes no mask."""
    if isinstance(layer, layers.Masking):
        return layer.mask_value
    return 0.0 if getattr(layer, "mask_zero", False) else None
