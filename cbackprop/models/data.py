"""From what users pass to `fit` to the arrays that engines read: every check of data is made here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbackprop.config import FLOAT_TYPES
from cbackprop.engine import Data
from cbackprop.losses.target import as_array, check_target, check_weights
from cbackprop.models.input_structure import assign_inputs
from cbackprop.models.inputs import check_whole, is_sparse, make_input
from cbackprop.models.large_targets import keep_target, keep_weights
from cbackprop.validation import check_number

__all__ = ["OutputNeeds", "Samples", "make_inputs", "make_samples"]

Array = NDArray[Any]


class OutputNeeds(NamedTuple):
    """What an output's losses and metrics want to be given: which forms of targets, and within which limits."""

    name: str
    shape: tuple[int, ...]
    kinds: frozenset[str]
    limits: tuple[float, float] | None = None


@dataclass
class Samples:
    """Checked data, and the share of it that trains."""

    data: Data
    size: int

    def part(self, begin: int, end: int) -> Samples:
        """The samples begin:end, without copying them."""

        def cut(arrays: Sequence[Array | None]) -> list[Array | None]:
            return [None if array is None else array[begin:end] for array in arrays]

        data = self.data
        inputs = [array[begin:end] for array in data.inputs]
        return Samples(Data(inputs, cut(data.values), cut(data.classes), cut(data.weights)), end - begin)


def make_inputs(model: Any, x: Any, check: bool = True) -> list[Any]:
    """What engines read for each input: see `make_input`.

    Raises
    ------
    TypeError
        If something is no array of numbers.
    ValueError
        If number, shapes or lengths of the arrays are wrong, there are no samples, or a value is not finite.
    """
    tensors = model.inputs
    given = assign_inputs(x, model.input_names, model.input_structure)
    names = [f"x[{tensor.name!r}]" if len(tensors) > 1 else "x" for tensor in tensors]
    arrays = [
        make_input(name, value, tensor, model.dtype, check)
        for name, value, tensor in zip(names, given, tensors, strict=True)
    ]
    for name, array, tensor, limit in zip(names, arrays, tensors, model.plan.id_ranges, strict=True):
        if limit is not None or tensor.dtype not in FLOAT_TYPES:
            check_whole(name, array, limit)
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1:
        raise ValueError(f"All inputs must have as many samples, but got {[len(array) for array in arrays]}.")
    return arrays


def assign(
    name: str, value: Any, names: list[str], structure: Any = None, wanted: Sequence[bool] | None = None
) -> list[Any]:
    """What was given for each input or output, whether as one array, a list, or a dict by name.

    A dict may leave out what is not `wanted`.

    Raises
    ------
    ValueError
        If the number or the names do not fit.
    """
    if isinstance(value, dict):
        known = sorted(structure) if isinstance(structure, dict) else names
        needed = [key for key, want in zip(known, wanted or [True] * len(known), strict=True) if want]
        if not set(needed) <= set(value) <= set(known):
            rest = [key for key in known if key not in needed]
            also = f", and may have {rest}" if rest else ""
            raise ValueError(f"{name} must have the keys {needed}{also}, but got {list(value)}.")
        return [value.get(key) for key in known]
    if len(names) == 1 and not (isinstance(value, (list, tuple)) and len(value) == 1 and _is_array(value[0])):
        return [value]
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{name} must be a list or dict of {len(names)} arrays ({names}), but got one.")
    if len(value) != len(names):
        raise ValueError(f"{name} must hold {len(names)} arrays ({names}), but got {len(value)}.")
    return list(value)


def _is_array(value: Any) -> bool:
    return is_sparse(value) or (hasattr(value, "__array__") and np.ndim(value) > 0)


def make_samples(
    model: Any,
    needs: Sequence[OutputNeeds],
    x: Any,
    y: Any,
    sample_weight: Any = None,
    class_weight: dict[int, float] | None = None,
) -> Samples:
    """Inputs, targets and weights, checked against the model and against each other.

    Raises
    ------
    TypeError, ValueError
        As `make_inputs`; also if targets are missing, do not fit the outputs, are outside of the classes or are
        not finite, or weights do not fit.
    """
    inputs = make_inputs(model, x)
    size = len(inputs[0])
    names = [need.name for need in needs]
    if y is None and any(need.kinds for need in needs):
        raise ValueError("y is missing: the model was compiled with a loss or metrics, which need targets.")
    wanted = [bool(need.kinds) for need in needs]
    targets = [None] * len(needs) if y is None else assign("y", y, names, model.output_structure, wanted)
    weights = _assign_weights(sample_weight, names, model.output_structure)
    data = Data(inputs)
    for need, target, weight in zip(needs, targets, weights, strict=True):
        label = "y" if len(needs) == 1 else f"y[{need.name!r}]"
        shape = (size, *need.shape)
        target = _check_length(label, target, size, need)
        rows = math.prod(need.shape[:-1])
        keep = class_weight is None  # class weights are looked up with targets as they are read
        forms = {kind: _form(label, target, shape, kind, model.dtype, need.limits, keep) for kind in need.kinds}
        values, classes = forms.get("values", forms.get("half")), forms.get("index")
        data.values.append(_in_rows(values, size, rows * need.shape[-1]))
        data.classes.append(_in_rows(classes, size, rows))
        checked = keep_weights(weight, shape[:-1], model.dtype) if keep else None
        if checked is None:
            checked = check_weights("sample_weight", weight, shape[:-1])
        if class_weight is not None:
            if "half" in need.kinds:
                raise ValueError("class_weight needs targets that are classes.")
            checked = _combine(checked, _class_weights(class_weight, values, classes, need, size), len(needs))
        _check_fits("sample_weight" if class_weight is None else "class_weight", checked, model.dtype)
        data.weights.append(_in_rows(checked, size, rows))
    return Samples(data, size)


def _form(
    label: str,
    target: Any,
    shape: tuple[int, ...],
    kind: str,
    dtype: str,
    limits: tuple[float, float] | None,
    keep: bool,
) -> Array:
    """Targets in the form that a loss or a metric reads, or as they are if the engine can make it of every batch."""
    kept = keep_target(target, shape, kind, dtype, limits) if keep else None
    return check_target(label, target, shape, kind, dtype, limits) if kept is None else kept


def _in_rows(array: Array | None, size: int, width: int) -> Array | None:
    """One row a sample, unless that would take a copy, which the engine can do without."""
    return array if array is None or not array.flags.c_contiguous else array.reshape(size, width)


def _check_length(label: str, target: Any, size: int, need: OutputNeeds) -> Any:
    """The targets of an output as an array, a row a sample; as they are if nobody wants them."""
    if not need.kinds:
        return target
    if target is None:
        raise ValueError(f"{label} is missing: output {need.name!r} has a loss or metrics.")
    array = as_array(label, target)
    if array.ndim == 0 or len(array) != size:
        raise ValueError(f"{label} must have {size} samples, as many as x, but got shape {array.shape}.")
    return array


def _assign_weights(sample_weight: Any, names: list[str], structure: Any) -> list[Any]:
    """A weight array, or None, for each output; one array serves them all."""
    if isinstance(sample_weight, dict):
        known = sorted(structure) if isinstance(structure, dict) else names
        unknown = [key for key in sample_weight if key not in known]
        if unknown:
            raise ValueError(f"sample_weight must have keys among {known}, but got {list(sample_weight)}.")
        return [sample_weight.get(key) for key in known]
    if isinstance(sample_weight, (list, tuple)) and len(names) > 1:
        return assign("sample_weight", sample_weight, names)
    return [sample_weight] * len(names)


def _class_weights(
    class_weight: dict[int, float], values: Array | None, classes: Array | None, need: OutputNeeds, size: int
) -> Array:
    """The weight of each row's class; classes that are not listed weigh 1."""
    if not isinstance(class_weight, dict):
        raise TypeError(f"class_weight must be a dict of weights by class, but got {type(class_weight).__name__}.")
    if classes is None:
        if values is None:
            raise ValueError("class_weight needs targets.")
        rows = values.reshape(-1, need.shape[-1])
        classes = rows.argmax(axis=1) if need.shape[-1] > 1 else np.rint(rows[:, 0]).astype(np.int64)
    count = max(need.shape[-1], 2)
    table = np.ones(count)
    for key, weight in class_weight.items():
        if not isinstance(key, (int, float, np.number)) or key not in range(count):
            raise ValueError(f"class_weight has class {key!r}, but classes are in [0, {count}).")
        table[int(key)] = check_number(f"class_weight[{key}]", weight, 0)
    flat = classes.reshape(-1)
    if flat.size and not (flat.min() >= 0 and flat.max() < count):
        raise ValueError(f"class_weight needs targets that are classes in [0, {count}).")
    return table[flat].reshape(size, *need.shape[:-1])


def _check_fits(name: str, weights: Array | None, dtype: str) -> None:
    """Refuse weights that are infinite in the model's type: they would make all of its weights NaN."""
    most = np.finfo(dtype).max
    if weights is not None and weights.size and weights.max() > most:
        raise ValueError(f"{name} must be at most {most:.3g}, the largest {dtype}, but got {weights.max():.3g}.")


def _combine(sample_weights: Array | None, class_weights: Array, outputs: int) -> Array:
    if outputs > 1:
        raise ValueError("class_weight can only be used with a model of one output.")
    if sample_weights is not None:
        raise ValueError("sample_weight and class_weight cannot be given at the same time.")
    return class_weights
