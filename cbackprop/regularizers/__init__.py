"""Regularizers: penalties on the weights or the output of a layer that are added to the loss."""

from __future__ import annotations

from typing import Any

from cbackprop.absent import explain
from cbackprop.regularizers.orthogonal import OrthogonalRegularizer
from cbackprop.regularizers.penalties import L1, L1L2, L2, DividedL2
from cbackprop.regularizers.regularizer import Regularizer, registry

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "DividedL2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "registry",
    "serialize",
]

# As in Keras, every class also has these names.
l1 = L1
l1_l2 = L1L2
l2 = L2
orthogonal_regularizer = OrthogonalRegularizer


def get(identifier: Any) -> Any:
    """Return the regularizer that is given by a name, a config, a class or an object.

    Parameters
    ----------
    identifier : str, dict, type, object or None
        A name (``"l2"`` or ``"L2"``), the config that `serialize` wrote, a class, a regularizer, or any object that
        can be called with a weight and has a method ``gradient``. None gives None.

    Raises
    ------
    ValueError
        For an unknown name (the message lists similar known names).
    TypeError
        If the identifier is none of these, for example a function without ``gradient``.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.regularizers.get("l1_l2")
    L1L2()
    >>> cb.regularizers.get({"class_name": "L2", "config": {"l2": 0.5}})
    L2(l2=0.5)
    """
    if identifier is None:
        return None
    found = registry.get(identifier)
    if not callable(getattr(found, "gradient", None)):
        raise TypeError(
            f"A regularizer of your own needs a method gradient(x) that returns the derivative of the call, "
            f"but {found!r} has none. Derive from cbackprop.regularizers.Regularizer."
        )
    return found


def serialize(regularizer: Any) -> Any:
    """`regularizer` as plain values that can be written as JSON and read by `deserialize`.

    Raises
    ------
    ValueError
        If it is not a regularizer of this module.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.regularizers.serialize(cb.regularizers.L2(0.5))["config"]
    {'l2': 0.5}
    """
    return registry.serialize(regularizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make the regularizer that `serialize` described, here or in Keras.

    Raises
    ------
    ValueError
        For an unknown name, or for something that is not a config.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.regularizers.deserialize(cb.regularizers.serialize(cb.regularizers.L2(0.5)))
    L2(l2=0.5)
    """
    found = registry.deserialize(config, custom_objects)
    return found() if isinstance(found, type) else found


explain(__name__)
