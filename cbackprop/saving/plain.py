"""Convert objects to plain values and back."""

from __future__ import annotations

from typing import Any

from cbackprop import shared_objects
from cbackprop.config_reading import from_config
from cbackprop.config_writing import to_config
from cbackprop.own_objects import own_objects
from cbackprop.saving.custom_objects import CustomObjectScope
from cbackprop.validation import check_boolean

__all__ = ["deserialize_keras_object", "serialize_keras_object"]


def serialize_keras_object(obj: Any) -> Any:
    """Convert a layer, loss, optimizer and so on, or nested lists and dicts of them, to plain values.

    Raises
    ------
    TypeError
        If a value is neither plain nor an object of a registered class.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.saving.serialize_keras_object(cb.activations.relu)
    'relu'
    """
    with shared_objects.writing():
        return to_config(obj)


def deserialize_keras_object(
    config: Any,
    custom_objects: dict[str, Any] | None = None,
    safe_mode: bool = True,
    *,
    module_objects: dict[str, Any] | None = None,
) -> Any:
    """Restore the objects that `serialize_keras_object` converted, here or in Keras.

    Parameters
    ----------
    config : plain values
    custom_objects : dict of str to class or function, optional
        Your own classes and functions that the config refers to.
    safe_mode : bool, default True
        Has no effect, because no code in a config is ever run; accepted because Keras has it.
    module_objects : dict of str to class or function, optional
        Where names are looked up last.

    Raises
    ------
    TypeError, ValueError
        For an unknown class or function, for code, and for a config that is damaged or nested too deep.

    Examples
    --------
    >>> import cbackprop as cb
    >>> config = cb.saving.serialize_keras_object(cb.optimizers.SGD(0.1))
    >>> cb.saving.deserialize_keras_object(config)
    SGD(learning_rate=0.1)
    """
    check_boolean("safe_mode", safe_mode)
    if isinstance(config, str):
        known = (module_objects or {}) | own_objects.all() | (custom_objects or {})
        return known.get(config, config)
    with CustomObjectScope((module_objects or {}) | (custom_objects or {})):
        try:
            with shared_objects.reading():
                return from_config(config)
        except RecursionError as error:
            raise ValueError("The config is nested too deep.") from error
