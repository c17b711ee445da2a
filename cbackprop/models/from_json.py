"""Make models from JSON."""

from __future__ import annotations

import json
from typing import Any

from cbackprop.saving import deserialize_keras_object
from cbackprop.validation import ArgumentTypeError, a_type

__all__ = ["model_from_json"]


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """A new model with new weights from the JSON of `Model.to_json`, of this library or of Keras.

    Parameters
    ----------
    json_string : str
    custom_objects : dict of str to class or function, optional
        Your own classes and functions that the JSON mentions, unless they are registered.

    Returns
    -------
    Model

    Raises
    ------
    TypeError
        If `json_string` is not a string, or mentions an unknown class or function.
    ValueError
        If it is not JSON, or does not describe a model.

    References
    ----------
    As Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
    >>> cb.models.model_from_json(model.to_json()).output_shape
    (None, 1)
    """
    if not isinstance(json_string, (str, bytes)):
        raise ArgumentTypeError(f"json_string must be a string, but got {type(json_string).__name__}.")
    try:
        config = json.loads(json_string)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"json_string is not JSON: {error}.") from error
    if not isinstance(config, dict):
        raise ArgumentTypeError(f"json_string must describe a model, but is {config!r}.")
    model = deserialize_keras_object(config, custom_objects)
    if not getattr(model, "is_model", False):
        raise ValueError(f"json_string must describe a model, but describes {a_type(model)}.")
    return model
