"""Load models from files of Keras 3, written by Keras or by this library."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from cbackprop.config_reading import from_config
from cbackprop.saving.described_model import described_model
from cbackprop.saving.keras.architecture import model_config
from cbackprop.saving.keras.archive import KerasFile, open_keras_file
from cbackprop.saving.keras.noted import restore_noted
from cbackprop.saving.keras.optimizer import read_keras_optimizer
from cbackprop.saving.keras.plain import plain_object, plain_value
from cbackprop.saving.keras.weights import read_keras_weights
from cbackprop.saving.not_compiled import warn_not_compiled
from cbackprop.saving.own_variables import load_store

__all__ = ["load_keras_model", "read_keras_extras"]

# A model may need this many more numbers than the file has. So few are harmless, and then the error can say which
# are missing.
SLACK = 1_000_000


def load_keras_model(path: str, kind: str, compile: bool) -> Any:
    """Load the model in a ``.keras`` file.

    Raises
    ------
    ImportError
        If h5py is not installed.
    ValueError
        If it is damaged, holds only weights, or a model that this library cannot make.

    Warns
    -----
    UserWarning
        If it cannot be compiled as the file says; the model is then not compiled.
    """
    with open_keras_file(path, kind) as file:
        if file.config is None:
            raise ValueError(f"{path!r} holds weights without a model. Make the model, and use its load_weights.")
        model = _make(file)
        weights = read_keras_weights(file, model)
        model.set_weights([v.array if w is None else w for v, w in zip(model.variables, weights, strict=True)])
        for layer, store in file.own_stores:
            load_store(layer, store, path)
        if compile and file.notes.get("training"):
            _compile_as_noted(file, model)
        elif compile and file.config.get("compile_config"):
            _compile(file, model)
        if file.notes:
            restore_noted(file, model, compile)
        elif model.compiled:
            read_keras_optimizer(file, model)
    return model


def read_keras_extras(path: str, kind: str) -> dict[str, str]:
    """The texts that `save_model` was given as `extras`.

    Raises
    ------
    ImportError, ValueError
        See `load_keras_model`.
    """
    with open_keras_file(path, kind) as file:
        extras = file.notes.get("extras", {})
        if not isinstance(extras, dict) or not all(isinstance(text, str) for text in extras.values()):
            raise ValueError(f"{path!r} is damaged: its extras are not texts.")
        return extras


def _make(file: KerasFile) -> Any:
    elements = SLACK + sum(int(np.prod(file.shape(name), dtype=object)) for name in file.datasets)
    refusal = f"{file.path!r} holds a model that cannot be made here"
    return described_model(lambda: model_config(file.config or {}), elements, refusal)


def _compile_as_noted(file: KerasFile, model: Any) -> None:
    """Compile the model with the arguments that this library wrote into the file."""
    try:
        settings = json.loads(file.notes["training"])
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{file.path!r} is damaged: the model cannot be compiled with the arguments in it: {error}"
        ) from error
    try:
        model.compile(**from_config(settings))
    except Exception as error:  # as in _make
        warn_not_compiled(file.path, error, 4)


def _compile(file: KerasFile, model: Any) -> None:
    """Compile the model with the arguments that Keras wrote, without those that only Keras uses."""
    said = (file.config or {})["compile_config"]
    try:
        settings: dict[str, Any] = {}
        for name, family in (("loss", "losses"), ("metrics", "metrics"), ("weighted_metrics", "metrics")):
            settings[name] = plain_value(said.get(name), family)
        optimizer = said["optimizer"]
        settings["optimizer"] = optimizer if isinstance(optimizer, str) else plain_object(optimizer, "optimizers")
        settings["loss_weights"] = said.get("loss_weights")
        settings["steps_per_execution"] = said.get("steps_per_execution", 1)
        model.compile(**from_config(settings))
    except Exception as error:  # as in _make
        warn_not_compiled(file.path, error, 4)
