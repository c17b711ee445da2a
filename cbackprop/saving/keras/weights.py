"""Weights from files of Keras 3.

Keras writes the weights of a layer below a path that is made of the classes of the layers: ``layers/dense_1/vars/0`` is
the first weight of the second Dense of a model, ``layers/sequential/layers/dense/vars/0`` one of a nested model. A
layer that is used twice is where a walk through the layers meets it first.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from cbackprop.layers.layer import registry
from cbackprop.saving.keras.archive import KerasFile

__all__ = ["read_keras_weights"]

# Parts of paths below which there is something else than weights of layers.
OPTIMIZER, SEED = "optimizer", "seed_generator"


def read_keras_weights(file: KerasFile, model: Any, skip_mismatch: bool = False) -> list[NDArray[Any] | None]:
    """The arrays for the model's variables, in order; ``None`` where one is to be skipped.

    Raises
    ------
    ValueError
        If the file lacks a weight, has one too many, or one of another shape; the message names layer and shapes.
    """
    stored = _stored(file)
    found: dict[Any, NDArray[Any] | None] = {}
    left = dict(stored)
    for place, layer in _places(model, ""):
        names = [left.pop(f"{place}/vars/{i}", None) for i in range(len(layer.variables))]
        try:
            _check_layer(file, place, layer, names, left)
        except ValueError as error:
            if not skip_mismatch:
                raise
            warnings.warn(f"{error} Its weights stay as they are.", stacklevel=4)
            left = {path: name for path, name in left.items() if not path.startswith(f"{place}/")}
            names = [None] * len(names)
        for variable, name in zip(layer.variables, names, strict=True):
            found[variable] = None if name is None else file.array(name)
    if left:
        message = f"{file.path!r} holds weights at {min(left)!r}, but the model has no layer for them."
        if not skip_mismatch:
            raise ValueError(message)
        warnings.warn(f"{message} They stay unused.", stacklevel=4)
    return [found[variable] for variable in model.variables]


def _stored(file: KerasFile) -> dict[str, str]:
    """Names of the datasets with weights, by path; before Keras 3.0 the list of layers had another name."""
    paths = {name.replace("_layer_checkpoint_dependencies", "layers"): name for name in file.datasets}
    kept = {path: name for path, name in paths.items() if f"/{SEED}/" not in path}
    kept = {path: name for path, name in kept.items() if not path.startswith(f"{OPTIMIZER}/")}
    if paths and not any(path.startswith("layers/") for path in paths):
        raise ValueError(f"{file.path!r} is an HDF5 file, but not one with weights of Keras 3: it has no 'layers'.")
    return kept


def _places(model: Any, prefix: str, seen: set[Any] | None = None) -> Iterator[tuple[str, Any]]:
    """All layers, each once, with their paths in a file."""
    seen = set() if seen is None else seen
    counts: Counter[str] = Counter()
    for layer in model.layers:
        name = _file_name(layer)
        place = f"{prefix}layers/{name}_{counts[name]}" if counts[name] else f"{prefix}layers/{name}"
        counts[name] += 1
        if layer in seen:
            continue
        seen.add(layer)
        if layer.is_model:
            yield from _places(layer, f"{place}/", seen)
        else:
            yield place, layer


def _file_name(layer: Any) -> str:
    """The class's name as Keras writes it: ``RMSNormalization`` is ``rms_normalization``, ``PReLU`` ``p_re_lu``."""
    name = registry.name_of(type(layer)) or type(layer).__name__
    name = {"Model": "Functional"}.get(name, name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _check_layer(file: KerasFile, place: str, layer: Any, names: list[str | None], left: dict[str, str]) -> None:
    """Refuse weights that are not exactly those of the layer."""
    more = sorted(path for path in left if path.startswith(f"{place}/"))
    shapes = [None if name is None else file.shape(name) for name in names]
    expected = [variable.shape for variable in layer.variables]
    if shapes == expected and not more:
        return
    who = f"Layer {layer.name!r} ({type(layer).__name__}) needs {_listed(expected)}"
    came = [shape for shape in shapes if shape is not None] + [file.shape(left[path]) for path in more]
    raise ValueError(f"{who}, but {file.path!r} holds {_listed(came)} at {place!r}.")


def _listed(shapes: list[Any]) -> str:
    if not shapes:
        return "no weights"
    return f"{'a weight' if len(shapes) == 1 else 'weights'} of shape {' and '.join(map(str, shapes))}"
