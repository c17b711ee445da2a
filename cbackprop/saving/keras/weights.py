"""Weights from files of Keras 3.

Keras writes the weights of a layer below a path that is made of the classes of the layers: ``layers/dense_1/vars/0`` is
the first weight of the second Dense of a model, ``layers/sequential/layers/dense/vars/0`` one of a nested model. A
layer that is used twice is where a walk through the layers meets it first.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Set
from typing import Any

from numpy.typing import NDArray

from cbackprop.layers.layer import registry
from cbackprop.saving.keras.archive import OWN, KerasFile

__all__ = ["group_paths", "read_keras_weights"]

# Parts of paths below which there is something else than weights of layers.
OPTIMIZER, SEED = "optimizer", "seed_generator"


def read_keras_weights(
    file: KerasFile, model: Any, skip_mismatch: bool = False, skipped: Set[int] = frozenset()
) -> list[NDArray[Any] | None]:
    """The arrays for the model's variables, in order; ``None`` where one is to be skipped.

    `skipped` are ids of layers whose weights stay as they are, whatever the file holds for them.

    Raises
    ------
    ValueError
        If the file lacks a weight, has one too many, or one of another shape; the message names layer and shapes.
    """
    stored = _stored(file)
    found: dict[Any, NDArray[Any] | None] = {}
    left = dict(stored)
    for place, layer in group_paths(model, skipped):
        if layer.is_model:
            continue
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
    left = {path: name for path, name in left.items() if not skipped}
    if left:
        message = f"{file.path!r} holds weights at {min(left)!r}, but the model has no layer for them."
        if not skip_mismatch:
            raise ValueError(message)
        warnings.warn(f"{message} They stay unused.", stacklevel=4)
    return [found.get(variable) for variable in model.variables]


def _stored(file: KerasFile) -> dict[str, str]:
    """Names of the datasets with weights, by path; before Keras 3.0 the list of layers had another name."""
    paths = {name.replace("_layer_checkpoint_dependencies", "layers"): name for name in file.datasets}
    kept = {path: name for path, name in paths.items() if f"/{SEED}/" not in path}
    kept = {path: name for path, name in kept.items() if not path.startswith((f"{OPTIMIZER}/", f"{OWN}/"))}
    if kept and not any(path.startswith("layers/") for path in kept):
        raise ValueError(f"{file.path!r} is an HDF5 file, but not one with weights of Keras 3: it has no 'layers'.")
    return kept


def group_paths(model: Any, skipped: Set[int] = frozenset()) -> Iterator[tuple[str, Any]]:
    """The model and all layers within it, each once, with their paths in a file; `skipped` are ids to pass over."""
    yield from _paths(model, "", {}, skipped)


def _paths(model: Any, place: str, seen: dict[Any, None], skipped: Set[int]) -> Iterator[tuple[str, Any]]:
    seen[model] = None
    yield place, model
    counts: Counter[str] = Counter()
    for layer in model.layers:
        name = _file_name(layer)
        inner = f"{place}/layers/{name}".lstrip("/") + (f"_{counts[name]}" if counts[name] else "")
        counts[name] += 1
        if layer in seen or id(layer) in skipped:
            continue
        if layer.is_model:
            yield from _paths(layer, inner, seen, skipped)
        else:
            seen[layer] = None
            yield inner, layer


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
