"""Check data that users pass to `fit` and the like, and make the arrays that engines read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbackprop.engine import Data
from cbackprop.losses.target import (
    MISSING,
    TargetRules,
    as_array,
    as_given,
    check_alignable,
    check_label_sequences,
    check_target,
    check_weights,
)
from cbackprop.models.class_weights import check_fits, class_weights_of, product, weights_by_class
from cbackprop.models.input_structure import assign_inputs
from cbackprop.models.inputs import check_whole, is_sparse, make_input
from cbackprop.models.large_targets import is_kept, keep_target, keep_weights
from cbackprop.models.output_structure import is_deep, spread
from cbackprop.number_types import FLOAT_TYPES
from cbackprop.tensor import is_dict, is_optional
from cbackprop.validation import contiguous, in_place_of_several

__all__ = ["OutputNeeds", "Samples", "inputs_in_order", "make_inputs", "make_samples"]

Array = NDArray[Any]
# The forms of targets in messages.
FORMS = {"index": "class numbers", "values": "targets like the predictions", "half": "targets half as wide"}


class OutputNeeds(NamedTuple):
    """The forms of targets that an output's losses and metrics need, and the values that these may have.

    Attributes
    ----------
    elementwise : bool
        Whether each element of a row may have a weight of its own.
    scalar : bool
        Whether the output is one number for each sample, without an axis for it.
    readers : tuple of (str, str)
        The form of targets that the loss and each metric read, and their names for messages.
    """

    name: str
    shape: tuple[int, ...]
    kinds: frozenset[str]
    rules: TargetRules = TargetRules()
    elementwise: bool = False
    scalar: bool = False
    readers: tuple[tuple[str, str], ...] = ()

    def others(self, kind: str) -> str:
        """A sentence about which loss or metric reads which form of targets; empty if all read the form `kind`."""
        told = [(form, who) for form, who in self.readers if form != "given"]
        if all(form == kind for form, _ in told):
            return ""
        names = {form: ", ".join(w for f, w in told if f == form) for form, _ in told}
        return " " + "; ".join(f"{FORMS[form]} are needed by {who}" for form, who in names.items()).capitalize() + "."


@dataclass
class Samples:
    """Checked data.

    Attributes
    ----------
    size : int
        Number of samples.
    may_miss : tuple of (int, str)
        Number and name of each output whose targets may be missing.
    """

    data: Data
    size: int
    may_miss: tuple[tuple[int, str], ...] = ()

    def without_targets(self) -> frozenset[str]:
        """Names of the outputs whose targets are all missing."""
        return frozenset(name for index, name in self.may_miss if not _has_targets(self.data, index))

    def copied(self) -> Samples:
        """The samples in memory of their own, except sparse rows, and arrays that repeat a row and may be huge."""

        def copies(arrays: Sequence[Any]) -> list[Any]:
            return [np.array(a) if isinstance(a, np.ndarray) and 0 not in a.strides else a for a in arrays]

        data = self.data
        lists = (data.inputs, data.values, data.classes, data.weights, data.given)
        return Samples(Data(*map(copies, lists)), self.size, self.may_miss)

    def part(self, begin: int, end: int) -> Samples:
        """The samples begin:end, without copying them."""

        def cut(arrays: Sequence[Array | None]) -> list[Array | None]:
            return [None if array is None else array[begin:end] for array in arrays]

        data = self.data
        inputs = [None if array is None else array[begin:end] for array in data.inputs]
        parts = cut(data.values), cut(data.classes), cut(data.weights), cut(data.given)
        return Samples(Data(inputs, *parts), end - begin, self.may_miss)


def _has_targets(data: Data, index: int) -> bool:
    """Whether an output has any target that is not missing: NaN, or `MISSING` for classes."""
    values, classes = data.values[index], data.classes[index]
    if values is not None:
        return not (np.isnan(values.flat[0]) and np.isnan(values).all())
    return classes is None or bool((classes != MISSING).any())


def make_inputs(model: Any, x: Any, check: bool = True) -> list[Any]:
    """An array for each input, see `make_input`; ``None`` for inputs that are left out.

    Raises
    ------
    TypeError
        If something is not an array of numbers.
    ValueError
        If the number, shapes or lengths of the arrays are wrong, there are no samples, or a value is not finite.
    """
    return inputs_in_order(model, assign_inputs(x, model.input_names, model.input_structure), check)


def inputs_in_order(model: Any, given: Sequence[Any], check: bool = True) -> list[Any]:
    """Check inputs that are already assigned and in order, as `make_inputs` does."""
    tensors = model.taken
    names = [f"x[{tensor.name!r}]" if len(tensors) > 1 else "x" for tensor in tensors]
    arrays = [
        None if value is None and is_optional(tensor) else make_input(name, value, tensor, model.dtype, check)
        for name, value, tensor in zip(names, given, tensors, strict=True)
    ]
    everything: Any = zip(names, arrays, tensors, strict=True)
    present = [each for each in everything if each[1] is not None]
    if not present:
        raise ValueError(f"x must hold an array for one input at least, but all of {names} are None.")
    for (name, array, tensor), limit in zip(present, model.plan_for(arrays).id_ranges, strict=True):
        if limit is not None or tensor.dtype not in FLOAT_TYPES:
            check_whole(name, array, limit)
    lengths = [len(array) for _, array, _ in present]
    if len(set(lengths)) > 1:
        raise ValueError(f"All inputs must have as many samples, but got {lengths}.")
    return arrays


def assign(
    name: str, value: Any, names: list[str], structure: Any = None, wanted: Sequence[bool] | None = None
) -> list[Any]:
    """The entry of `value` for each input or output. `value` is one array, a list, or a dict by name.

    Entries that are not `wanted` may be left out. If only one is wanted, it may be given as one array.

    Raises
    ------
    ValueError
        If the number or the names do not fit.
    """
    if is_deep(structure):
        return spread(name, value, names, structure)
    count = sum(wanted or ())
    if wanted is not None and 0 < count < len(names) and not is_dict(value):
        given = value if isinstance(value, (list, tuple)) else [value]
        if len(given) == count and all(map(_is_array, given)):  # only the wanted ones are given
            remaining = iter(given)
            return [next(remaining) if want else None for want in wanted]
    if is_dict(value):
        known = sorted(structure) if isinstance(structure, dict) else names
        needed = [key for key, want in zip(known, wanted or [True] * len(known), strict=True) if want]
        if not set(needed) <= set(value) <= set(known):
            rest = [key for key in known if key not in needed]
            also = f", and may have {rest}" if rest else ""
            raise ValueError(f"{name} must have the keys {needed}{also}, but got {list(value)}.")
        return [value.get(key) for key in known]
    if not isinstance(value, (list, tuple)) and sum(wanted or ()) == 1:  # one array must be for the wanted entry
        return [value if want else None for want in wanted or ()]
    if len(names) == 1 and not (isinstance(value, (list, tuple)) and len(value) == 1 and _is_array(value[0])):
        return [value]
    if not isinstance(value, (list, tuple)):
        raise ValueError(
            f"{name} must be a list or dict of {len(names)} arrays ({names}), but got {in_place_of_several(value)}."
        )
    if len(value) != len(names):
        raise ValueError(f"{name} must hold {len(names)} arrays ({names}), but got {len(value)}.")
    return list(value)


def _is_array(value: Any) -> bool:
    return is_sparse(value) or (hasattr(value, "__array__") and np.ndim(value) > 0)


def make_samples(
    model: Any,
    needs_for: Callable[[list[Any]], Sequence[OutputNeeds]],
    x: Any,
    y: Any,
    sample_weight: Any = None,
    class_weight: Any = None,
) -> Samples:
    """Inputs, targets and weights, checked against the model and against each other.

    Raises
    ------
    TypeError, ValueError
        As `make_inputs`. Also if targets are missing, not finite or not valid classes, or if targets or weights do not
        fit the outputs.
    """
    inputs = make_inputs(model, x)
    needs = needs_for(inputs)
    size = len(Data(inputs))
    names = [need.name for need in needs]
    if y is None and any(need.kinds for need in needs):
        raise ValueError("y is missing: the model was compiled with a loss or metrics, which need targets.")
    wanted = [bool(need.kinds) for need in needs]
    targets = [None] * len(needs) if y is None else assign("y", y, names, model.output_structure, wanted)
    weights = _assign_weights(sample_weight, names, model.output_structure)
    classes = class_weights_of(class_weight, names, model.output_structure)
    data = Data(inputs, given=[])
    for need, target, weight, by_class in zip(needs, targets, weights, classes, strict=True):
        label = "y" if len(needs) == 1 else f"y[{need.name!r}]"
        target = _check_length(label, target, size, need)
        keep = by_class is None  # class weights are looked up by converted targets
        forms = {kind: _form(label, target, size, need, kind, model.dtype, keep) for kind in need.kinds}
        data.values.append(forms.get("values", forms.get("half")))
        data.classes.append(forms.get("index"))
        data.given.append(forms.get("given"))
        data.weights.append(_weights_of(weight, by_class, target, need, size, model.dtype))
    may_miss = tuple((index, need.name) for index, need in enumerate(needs) if need.rules.missing)
    return Samples(data, size, may_miss)


def _form(label: str, target: Any, size: int, need: OutputNeeds, kind: str, dtype: str, keep: bool) -> Array:
    """Targets in the form that a loss or metric reads; unchanged if the engine can convert each batch."""
    shape = (size, *need.shape)
    if kind == "given":
        given = as_given(label, target, (size,) if need.scalar else shape, None if is_kept(target, dtype) else dtype)
        if need.rules.label_sequences:
            check_label_sequences(label, given, shape)
            check_alignable(label, given, shape[1])
        return given
    kept = keep_target(target, shape, kind, dtype, need.rules) if keep else None
    try:
        found = check_target(label, target, shape, kind, dtype, need.rules) if kept is None else kept
    except ValueError as error:
        others = need.others(kind)
        if type(error) is not ValueError or not others:
            raise
        raise ValueError(f"{error}{others}") from None
    rows = math.prod(need.shape[:-1])
    return _in_rows(found, size, rows if kind == "index" else rows * need.shape[-1])


def _in_rows(array: Array, size: int, width: int) -> Array:
    """An array with a row for each sample. If that needs a copy, the array itself, which engines can read too."""
    return array.reshape(size, width) if array.flags.c_contiguous else array


def _weights_of(
    sample_weight: Any, class_weight: Any, target: Any, need: OutputNeeds, size: int, dtype: str
) -> Array | None:
    """The weight of each row or element of an output: sample weights times class weights."""
    rows = (size, *need.shape[:-1])
    width = need.shape[-1] if need.elementwise else None
    weights = None
    if sample_weight is not None:
        given = as_array("sample_weight", sample_weight)
        if given.ndim and len(given) != size:
            raise ValueError(
                f"sample_weight must have one weight for each sample, shape {rows}, but got {given.shape}."
            )
        kept = keep_weights(given, rows, dtype) if class_weight is None else None
        if kept is not None:
            return _in_rows(kept, size, math.prod(need.shape[:-1]))
        weights = check_weights("sample_weight", given, rows, width)
    if class_weight is not None:
        if "half" in need.kinds:
            raise ValueError("class_weight needs targets that are classes.")
        if target is None:
            raise ValueError("class_weight needs targets.")
        weights = product(weights, weights_by_class(class_weight, target, need, size))
    if weights is None:
        return None
    check_fits("class_weight" if class_weight is not None else "sample_weight", weights, dtype)
    return contiguous(weights.reshape(size, -1))


def _check_length(label: str, target: Any, size: int, need: OutputNeeds) -> Any:
    """The targets of an output as an array, checked for the number of samples; unchanged if the output needs none."""
    if not need.kinds:
        return target
    if target is None:
        raise ValueError(f"{label} is missing: output {need.name!r} has a loss or metrics.")
    array = as_array(label, target, need.rules.missing)
    if array.ndim == 0 or len(array) != size:
        raise ValueError(f"{label} must have {size} samples, as many as x, but got shape {array.shape}.")
    return array


def _assign_weights(sample_weight: Any, names: list[str], structure: Any) -> list[Any]:
    """A weight array, or ``None``, for each output. One array is used for all outputs."""
    if is_deep(structure) and isinstance(sample_weight, (dict, list, tuple)):
        return spread("sample_weight", sample_weight, names, structure)
    if is_dict(sample_weight):
        known = sorted(structure) if isinstance(structure, dict) else names
        unknown = [key for key in sample_weight if key not in known]
        if unknown:
            raise ValueError(f"sample_weight must have keys among {known}, but got {list(sample_weight)}.")
        return [sample_weight.get(key) for key in known]
    if isinstance(sample_weight, (list, tuple)) and len(names) > 1:
        return assign("sample_weight", sample_weight, names)
    return [sample_weight] * len(names)
