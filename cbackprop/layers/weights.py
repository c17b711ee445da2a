"""The weights of a layer: making one, and giving all of them other numbers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from cbackprop import initializers
from cbackprop.layers.call_context import path_of
from cbackprop.layers.shapes import check_shape
from cbackprop.layers.tracking import own_variables
from cbackprop.number_types import FLOAT_TYPES, check_float_type
from cbackprop.parameter_store import AtRest
from cbackprop.validation import check_name, named
from cbackprop.variable import Variable

__all__ = ["load_values", "named_weight_arguments", "new_weight", "set_values"]


def named_weight_arguments(args: tuple[Any, ...], by_name: dict[str, Any]) -> dict[str, Any]:
    """The first arguments of `add_weight`, which may be given by position or by name.

    Raises
    ------
    TypeError
        If there are more by position.
    ValueError
        If one is given in both ways, or the first is a name, as it was in older scripts.
    """
    if len(args) > len(by_name):
        raise TypeError(f"add_weight takes at most 3 arguments by position, {list(by_name)}, but got {len(args)}.")
    first = args[0] if args else by_name["shape"]
    if isinstance(first, str):
        raise ValueError(
            f"shape must be a tuple of integers, but got {first!r}. A name is given as a keyword argument, "
            f"name={first!r}."
        )
    for name, value in zip(by_name, args, strict=False):
        if value is not None:
            if by_name[name] is not None:
                raise ValueError(f"add_weight was given {name} both by position and by name.")
            by_name[name] = value
    return by_name


def new_weight(
    layer: Any, given: dict[str, Any], trainable: bool, regularizer: Any, constraint: Any, name: str | None
) -> Variable:
    """The weight that `Layer.add_weight` makes, with the first three arguments in `given`."""
    shape, initializer, dtype = given["shape"], given["initializer"], given["dtype"]
    if dtype is not None:
        _check_dtype(layer, dtype)
    _check_unlocked(layer, name)
    name = check_name(name) or _free_name(layer)
    shape = check_shape(f"the shape of weight {name!r}", () if shape is None else shape)
    first = named("initializer", initializers.get, "glorot_uniform" if initializer is None else initializer)
    variable = Variable._of_checked(first, shape, layer.dtype, trainable, name, regularizer, constraint)
    variable.path = path_of(layer, name)
    layer._variables.append(variable)
    return variable


def _check_dtype(layer: Any, dtype: Any) -> None:
    if isinstance(dtype, (bool, np.bool_)) or (isinstance(dtype, str) and dtype not in FLOAT_TYPES):
        raise ValueError(
            f"dtype of a weight must be {layer.dtype!r}, the layer's own, but got {dtype!r}. The arguments that "
            "follow dtype (trainable, name and others) are given by name."
        )
    if check_float_type(dtype) != layer.dtype:
        raise ValueError(f"dtype of a weight must be {layer.dtype!r}, the layer's own, but got {dtype!r}.")


def _free_name(layer: Any) -> str:
    names = {variable.name for variable in layer._variables}
    numbered = ("variable" if i == 0 else f"variable_{i}" for i in itertools.count())
    return next(free for free in numbered if free not in names)


def _check_unlocked(layer: Any, name: str | None) -> None:
    if layer._locked:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} is built: it can take no other weights, but add_weight was "
            f"called with name={name!r}. Make weights in __init__ or build."
        )


def set_values(layer: Any, weights: Any) -> None:
    """Set the weights of a layer, see `Layer.set_weights`."""
    if not isinstance(weights, (list, tuple)):
        raise TypeError(f"weights must be a list of arrays, but got {type(weights).__name__}.")
    variables = layer.variables
    if len(weights) != len(variables):
        raise ValueError(f"{layer.name!r} has {len(variables)} weights, but got {len(weights)}.")
    checked = [variable.check(value).copy() for variable, value in zip(variables, weights, strict=True)]
    with AtRest(variables):
        for variable, value in zip(variables, checked, strict=True):
            variable.array[...] = value


def load_values(layer: Any, store: Any) -> None:
    """Load the weights of a layer, see `Layer.load_own_variables`."""
    variables = own_variables(layer)
    if len(store) != len(variables):
        raise ValueError(
            f"{layer._title()} has {len(variables)} weights of its own, but the file holds {len(store)} for it: "
            f"{sorted(store)}."
        )
    checked = [variable.check(store[str(number)]).copy() for number, variable in enumerate(variables)]
    for variable, value in zip(variables, checked, strict=True):
        variable.array[...] = value
