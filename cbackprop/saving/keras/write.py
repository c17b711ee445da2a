"""Write models and weights in Keras's formats: ``.keras`` and ``.weights.h5``.

Data that Keras has no place for is stored where Keras ignores it: in ``metadata.json`` under the key `OWN`, and in a
group of this name in the HDF5 file.
"""

from __future__ import annotations

import datetime
import io
import json
import os
import warnings
import zipfile
from collections.abc import Set
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.layer import registry as layer_registry
from cbackprop.saving import container, training_state
from cbackprop.saving.contents import FORMAT_VERSION
from cbackprop.saving.keras.archive import CONFIG, METADATA, NOTES, OWN, WEIGHTS, h5py_module
from cbackprop.saving.keras.description import keras_compile_config, keras_model_config
from cbackprop.saving.keras.folder import write_folder
from cbackprop.saving.keras.optimizer import VARS, keras_optimizer_variables
from cbackprop.saving.keras.weights import group_paths, variables_in_place
from cbackprop.saving.own_variables import own_arrays, saves_its_own

__all__ = ["write_keras_model", "write_keras_weights"]

# The version of Keras whose format is written.
KERAS_VERSION = "3.15.0"


class Group(NamedTuple):
    """Arrays at a path in an HDF5 file, by name, and the name of their layer."""

    path: str
    name: str | None
    arrays: dict[str, NDArray[Any]]


def write_keras_model(model: Any, path: str, training: str | None, extras: dict[str, str], zipped: bool = True) -> None:
    """Write a ``.keras`` file, an archive of config, metadata and weights, or a folder with these three files.

    Raises
    ------
    ImportError
        If h5py is not installed.
    TypeError, ValueError
        If a part of the model cannot be written.
    OSError
        If the file cannot be written; an existing one is then unchanged.

    Warns
    -----
    UserWarning
        If the model has parts that Keras does not have. Only this library can then read the file.
    """
    h5py_module(path)
    config, lacks = keras_model_config(layer_registry.serialize(model))
    if lacks:
        warnings.warn(
            f"Keras cannot load {path!r}, because it lacks {', '.join(lacks)}. This library can. Files with another "
            "suffix, such as '.safetensors', are for this library only.",
            stacklevel=5,
        )
    if training is not None:
        config["compile_config"] = _compile_config(path, json.loads(training))
    groups, notes = _groups(model)
    saved = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    own = notes | {"training": training, "extras": extras}
    metadata = {"keras_version": KERAS_VERSION, "date_saved": saved, OWN: own}
    parts = {METADATA: json.dumps(metadata).encode(), CONFIG: json.dumps(config).encode(), WEIGHTS: _file_of(groups)}
    if not zipped:
        write_folder(path, parts)
        return
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    container.replace(path, content.getvalue())


def _compile_config(path: str, settings: dict[str, Any]) -> dict[str, Any] | None:
    config, lacks = keras_compile_config(settings)
    if not lacks:
        return config
    warnings.warn(
        f"Keras will load {path!r} uncompiled, because it lacks {', '.join(lacks)}. This library loads it with the "
        "arguments of compile.",
        stacklevel=6,
    )
    return None


def write_keras_weights(model: Any, path: str, skipped: Set[int], max_shard_size: float | None = None) -> None:
    """Write a ``.weights.h5`` file or, with `max_shard_size`, a ``.weights.json`` file and the files that it lists.

    `skipped` are the ids of objects whose variables are not written.

    Raises
    ------
    ValueError
        If a weight is larger than `max_shard_size`, in units of 1024**3 bytes.
    ImportError, OSError
        See `write_keras_model`.
    """
    h5py_module(path)
    groups, _ = _groups(model, skipped)
    if max_shard_size is None:
        container.replace(path, _file_of(groups))
        return
    shards = divided(groups, max_shard_size * 1024**3)
    base = os.path.basename(path).removesuffix(".weights.json")
    places: dict[str, list[str]] = {}
    for number, shard in enumerate(shards):
        name = f"{base}_{number:05}.weights.h5"
        container.replace(os.path.join(os.path.dirname(path), name), _file_of(shard))
        for group in shard:
            places.setdefault(f"/{group.path}", []).append(name)
    total = sum(array.nbytes for group in groups for array in group.arrays.values())
    named = {place: names[0] if len(names) == 1 else names for place, names in places.items()}
    index = {"metadata": {"total_size": total}, "weight_map": named}
    container.replace(path, json.dumps(index, indent=4).encode())


def divided(groups: list[Group], most: float) -> list[list[Group]]:
    """Divide the groups into parts of at most `most` bytes.

    Raises
    ------
    ValueError
        If a single array is larger.
    """
    shards: list[list[Group]] = [[]]
    size = 0.0
    for group in groups:
        if not group.arrays:
            continue
        shards[-1].append(group._replace(arrays={}))
        for key, array in group.arrays.items():
            if array.nbytes > most and group.path != OWN:
                raise ValueError(
                    f"max_shard_size is {most / 1024**3:g} GB, but {group.path}/{key} alone takes {array.nbytes} bytes."
                )
            if size + array.nbytes > most:
                shards.append([group._replace(arrays={})])
                size = 0.0
            size += array.nbytes
            shards[-1][-1].arrays[key] = array
    kept = [[group for group in shard if group.arrays] for shard in shards]
    return [shard for shard in kept if shard]


def _groups(model: Any, skipped: Set[int] = frozenset()) -> tuple[list[Group], dict[str, Any]]:
    """The arrays of an HDF5 file, including the state of training, and its notes, all from the same moment."""
    with model.at_rest():
        return _groups_at_rest(model, skipped)


def _groups_at_rest(model: Any, skipped: Set[int]) -> tuple[list[Group], dict[str, Any]]:
    state, arrays = training_state.get_state(model)
    groups = [
        Group(f"{place}/vars" if place else "vars", layer.name, _own_arrays(layer))
        for place, layer in group_paths(model, skipped)
    ]
    placed: dict[str, str] = {}
    if model.optimizer is not None and id(model.optimizer) not in skipped:
        variables = keras_optimizer_variables(model) or []
        placed = {f"optimizer/{name}": f"{VARS}/{i}" for i, (_, name) in enumerate(variables) if name is not None}
        if variables:
            numbered = {str(i): np.array(array) for i, (array, _) in enumerate(variables)}
            groups.append(Group(VARS, model.optimizer.name, numbered))
    more = {name: array for name, array in arrays.items() if name not in placed}
    placed |= {name: f"{OWN}/{number}" for number, name in enumerate(arrays) if name in more}
    notes = {"format": FORMAT_VERSION, "state": state, "arrays": placed}
    own = {placed[name].rpartition("/")[2]: array for name, array in more.items()}
    own[NOTES.rpartition("/")[2]] = np.frombuffer(json.dumps(notes).encode(), "uint8")
    return [*groups, Group(OWN, None, own)], notes


def _own_arrays(layer: Any) -> dict[str, NDArray[Any]]:
    if saves_its_own(layer) and not layer.is_model:
        return own_arrays(layer)
    return {str(number): variable.numpy() for number, variable in enumerate(variables_in_place(layer))}


def _file_of(groups: list[Group]) -> bytes:
    """The content of an HDF5 file with these groups."""
    content = io.BytesIO()
    with h5py_module("").File(content, "w") as file:
        for path, name, arrays in groups:
            group = file.create_group(path)
            if name is not None:
                group.attrs["name"] = name
            for key, array in arrays.items():
                group[key] = np.ascontiguousarray(array).reshape(array.shape)
    return content.getvalue()
