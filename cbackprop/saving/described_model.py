"""Make the model that a file describes, before its weights are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cbackprop.layers.layer import registry
from cbackprop.validation import ArgumentTypeError, a_type
from cbackprop.variable import blank_variables

__all__ = ["described_model"]


def described_model(config: Callable[[], Any], elements: int, refusal: str) -> Any:
    """The model with a config.

    Parameters
    ----------
    config : callable
        Returns the config, or raises if the file has none.
    elements : int
        How many numbers the file has for weights. A model that needs more is not made.
    refusal : str
        The beginning of messages.

    Raises
    ------
    TypeError, ValueError
        If the model cannot be made.
    """
    try:
        with blank_variables(elements):
            model = registry.deserialize(config())
    except Exception as error:  # constructors may raise anything for the arguments in a file
        kind = ArgumentTypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{refusal}: {error}") from error
    if not getattr(model, "is_model", False) or not (model.built or hasattr(model, "add")):
        raise ValueError(f"{refusal}: it describes {a_type(model)}, which is not a model, or has no shape.")
    return model
