"""Models and weights in files of Keras's: ``.keras`` and ``.weights.h5``.

What Keras has no place for stands where it does not look: in ``metadata.json`` beside its version, under `OWN`, and in
a group of the HDF5 file of this name.
"""

from __future__ import annotations

import datetime
import io
import json
import warnings
import zipfile
from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.layer import registry as layer_registry
from cbackprop.saving import container, training_state
from cbackprop.saving.contents import FORMAT_VERSION
from cbackprop.saving.keras.archive import CONFIG, METADATA, NOTES, OWN, WEIGHTS, h5py_module
from cbackprop.saving.keras.description import keras_compile_config, keras_model_config
from cbackprop.saving.keras.optimizer import VARS, keras_optimizer_variables
from cbackprop.saving.keras.weights import group_paths, variables_in_place
from cbackprop.saving.own_variables import own_arrays, saves_its_own
from cbackprop.variable import AtRest

__all__ = ["write_keras_model", "write_keras_weights"]

# The version whose format it is.
KERAS_VERSION = "3.15.0"


def write_keras_model(model: Any, path: str, training: str | None, extras: dict[str, str]) -> None:
    """Write a ``.keras`` file: config, metadata and weights in an archive.

    Raises
    ------
    ImportError
        If h5py is not installed.
    TypeError, ValueError
        If a part of the model cannot be written.
    OSError
        If the file cannot be written; an existing one is then untouched.

    Warns
    -----
    UserWarning
        If the model has parts that Keras has no name for. This library reads the file all the same.
    """
    h5py_module(path)
    config, lacks = keras_model_config(layer_registry.serialize(model))
    if lacks:
        warnings.warn(
            f"Keras cannot open {path!r}, as it has no {', '.join(lacks)}. This library can; another suffix, such as "
            "'.safetensors', says so.",
            stacklevel=5,
        )
    if training is not None:
        config["compile_config"] = _compile_config(path, json.loads(training))
    weights, notes = _weights(model)
    saved = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    own = notes | {"training": training, "extras": extras}
    metadata = {"keras_version": KERAS_VERSION, "date_saved": saved, OWN: own}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(METADATA, json.dumps(metadata))
        archive.writestr(CONFIG, json.dumps(config))
        archive.writestr(WEIGHTS, weights)
    container.replace(path, content.getvalue())


def _compile_config(path: str, settings: dict[str, Any]) -> dict[str, Any] | None:
    config, lacks = keras_compile_config(settings)
    if not lacks:
        return config
    warnings.warn(
        f"Keras opens {path!r} without what the model was compiled with, as it has no {', '.join(lacks)}. This library "
        "reads that, too.",
        stacklevel=6,
    )
    return None


def write_keras_weights(model: Any, path: str, skipped: Set[int]) -> None:
    """Write a ``.weights.h5`` file; `skipped` are ids of objects whose variables stay out.

    Raises
    ------
    ImportError, OSError
        As `write_keras_model`.
    """
    h5py_module(path)
    container.replace(path, _weights(model, skipped)[0])


def _weights(model: Any, skipped: Set[int] = frozenset()) -> tuple[bytes, dict[str, Any]]:
    """The HDF5 file, and what is noted of the state of training, which stands in it, too; all of one moment."""
    with AtRest(model.variables):
        return _weights_at_rest(model, skipped)


def _weights_at_rest(model: Any, skipped: Set[int]) -> tuple[bytes, dict[str, Any]]:
    content = io.BytesIO()
    state, arrays = training_state.get_state(model)
    with h5py_module("").File(content, "w") as file:
        for place, layer in group_paths(model, skipped):
            _write_group(file, f"{place}/vars" if place else "vars", layer.name, _own_arrays(layer))
        placed = {} if model.optimizer is None or id(model.optimizer) in skipped else _write_optimizer(file, model)
        for number, (name, array) in enumerate(arrays.items()):
            if name not in placed:
                placed[name] = f"{OWN}/{number}"
                file[placed[name]] = array
        notes = {"format": FORMAT_VERSION, "state": state, "arrays": placed}
        file[NOTES] = np.frombuffer(json.dumps(notes).encode(), "uint8")
    return content.getvalue(), notes


def _own_arrays(layer: Any) -> dict[str, NDArray[Any]]:
    if saves_its_own(layer) and not layer.is_model:
        return own_arrays(layer)
    return {str(number): variable.array for number, variable in enumerate(variables_in_place(layer))}


def _write_optimizer(file: Any, model: Any) -> dict[str, str]:
    """Where each slot that Keras knows has gone."""
    variables = keras_optimizer_variables(model)
    if variables is None:
        return {}
    _write_group(file, VARS, model.optimizer.name, {str(i): array for i, (array, _) in enumerate(variables)})
    return {f"optimizer/{name}": f"{VARS}/{i}" for i, (_, name) in enumerate(variables) if name is not None}


def _write_group(file: Any, path: str, name: str, arrays: dict[str, NDArray[Any]]) -> None:
    group = file.create_group(path)
    group.attrs["name"] = name
    for key, array in arrays.items():
        group[key] = np.ascontiguousarray(array).reshape(array.shape)
