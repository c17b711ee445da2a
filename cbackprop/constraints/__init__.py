"""Constraints: what weights are held to after each step."""

from __future__ import annotations

from typing import Any

from cbackprop.constraints.constraint import Constraint, registry
from cbackprop.constraints.projections import MaxNorm, MinMaxNorm, NonNeg, UnitNorm

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "registry",
    "serialize",
    "unit_norm",
]

# Keras exports every class under these names too.
max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm


def get(identifier: Any) -> Any:
    """The constraint that `identifier` stands for.

    Parameters
    ----------
    identifier : str, dict, type, callable or None
        A name (``"max_norm"`` or ``"MaxNorm"``), the config that `serialize` wrote, a class, a constraint, or any
        function of a weight that returns another of the same shape. None stays None.

    Raises
    ------
    ValueError
        For an unknown name (the message names the nearest known ones).
    TypeError
        For anything that cannot stand for a constraint.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.constraints.get("non_neg")
    NonNeg()
    >>> cb.constraints.get({"class_name": "MaxNorm", "config": {"max_value": 3, "axis": 0}})
    MaxNorm(max_value=3.0)
    """
    return registry.get(identifier)


def serialize(constraint: Any) -> Any:
    """`constraint` as plain values that survive JSON and that `deserialize` understands.

    Raises
    ------
    ValueError
        If it is not a constraint of this module.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.constraints.serialize(cb.constraints.UnitNorm(axis=1))["config"]
    {'axis': 1}
    """
    return registry.serialize(constraint)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The constraint that `serialize` described, here or in Keras.

    Raises
    ------
    ValueError
        For an unknown name, or for something that is not a config.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.constraints.deserialize(cb.constraints.serialize(cb.constraints.MaxNorm(3.0)))
    MaxNorm(max_value=3.0)
    """
    found = registry.deserialize(config, custom_objects)
    return found() if isinstance(found, type) else found
