"""Constraints: conditions that weights must meet after each training step."""

from __future__ import annotations

from typing import Any

from cbackprop.absent import explain
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

# As in Keras, every class also has these names.
max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm


def get(identifier: Any) -> Any:
    """Return the constraint that is given by a name, a config, a class or an object.

    Parameters
    ----------
    identifier : str, dict, type, callable or None
        A name (``"max_norm"`` or ``"MaxNorm"``), the config that `serialize` wrote, a class, a constraint, or any
        function of a weight that returns an array of the same shape. None gives None.

    Raises
    ------
    ValueError
        For an unknown name (the message lists similar known names).
    TypeError
        If the identifier is none of these.

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
    """`constraint` as plain values that can be written as JSON and read by `deserialize`.

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
    """Make the constraint that `serialize` described, here or in Keras.

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


explain(__name__)
