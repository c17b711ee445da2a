"""Read weights from files of Keras 3.

Keras stores the weights of a layer under a path made from the classes of the layers. ``layers/dense_1/vars/0`` is the
first weight of the second Dense of a model. ``layers/sequential/layers/dense/vars/0`` belongs to a nested model, and
``layers/block/inner/vars/0`` to the attribute ``inner`` of a user's layer. A layer that is used twice is stored where
it is found first.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Set
from typing import Any

from numpy.typing import NDArray

from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.names import snake_case
from cbackprop.layers.tracking import KEPT, holds, own_variables
from cbackprop.saving.keras.archive import OWN, KerasFile
from cbackprop.saving.own_variables import saves_its_own

__all__ = ["group_paths", "read_keras_weights", "variables_in_place"]

# Parts of paths under which there are no weights of layers.
OPTIMIZER, SEED = "optimizer", "seed_generator"


def read_keras_weights(
    file: KerasFile, model: Any, skip_mismatch: bool = False, skipped: Set[int] = frozenset()
) -> list[NDArray[Any] | None]:
    """The arrays for the model's variables, in order; ``None`` for a variable that is skipped.

    `skipped` are the ids of layers whose weights are not changed, whatever the file has for them. Arrays of layers that
    load their own are put into ``file.own_stores``.

    Raises
    ------
    ValueError
        If the file lacks a weight, has too many, or one of another shape; the message names the layer and shapes.
    """
    stored = _stored(file)
    found: dict[Any, NDArray[Any] | None] = {}
    left = dict(stored)
    file.own_stores = []
    for place, layer in group_paths(model, skipped):
        if layer.is_model:
            continue
        if saves_its_own(layer):
            names_of = {path: left.pop(path) for path in list(left) if path.startswith(f"{place}/vars/")}
            file.own_stores.append((layer, {p[len(place) + 6 :]: file.array(name) for p, name in names_of.items()}))
            continue
        variables = [variable for variable in _variables_at(layer, place, left) if variable not in found]
        names = [left.pop(f"{place}/vars/{i}", None) for i in range(len(variables))]
        try:
            _check_layer(file, place, layer, variables, names, left)
        except ValueError as error:
            if not skip_mismatch:
                raise
            warnings.warn(f"{error} Its weights are not changed.", stacklevel=4)
            left = {path: name for path, name in left.items() if not path.startswith(_below(place, layer))}
            names = [None] * len(names)
        for variable, name in zip(variables, names, strict=True):
            found[variable] = None if name is None else file.array(name)
    left = {path: name for path, name in left.items() if not skipped}
    if left:
        message = f"{file.path!r} holds weights at {min(left)!r}, but the model has no layer for them."
        if not skip_mismatch:
            raise ValueError(message)
        warnings.warn(f"{message} They are not used.", stacklevel=4)
    return [found.get(variable) for variable in model.variables]


def _stored(file: KerasFile) -> dict[str, str]:
    """Names of the datasets with weights, by path. Before Keras 3.0 the list of layers had another name."""
    paths = {name.replace("_layer_checkpoint_dependencies", "layers"): name for name in file.datasets}
    kept = {path: name for path, name in paths.items() if f"/{SEED}/" not in path}
    kept = {path: name for path, name in kept.items() if not path.startswith((f"{OPTIMIZER}/", f"{OWN}/"))}
    if kept and not any(path.startswith("layers/") for path in kept):
        raise ValueError(f"{file.path!r} is an HDF5 file, but not one with weights of Keras 3: it has no 'layers'.")
    return kept


def group_paths(model: Any, skipped: Set[int] = frozenset()) -> Iterator[tuple[str, Any]]:
    """The model and all layers within it, each once, with their paths in a file, except those with `skipped` ids."""
    yield from _paths(model, "", {}, skipped)


def _paths(model: Any, place: str, seen: dict[Any, None], skipped: Set[int]) -> Iterator[tuple[str, Any]]:
    seen[model] = None
    yield place, model
    if not model.is_model:
        yield from _paths_within(model, place, seen, skipped)
        return
    counts: Counter[str] = Counter()
    for layer in model.layers:
        name = _file_name(layer)
        inner = f"{place}/layers/{name}".lstrip("/") + (f"_{counts[name]}" if counts[name] else "")
        counts[name] += 1
        if layer not in seen and id(layer) not in skipped:
            yield from _paths(layer, inner, seen, skipped)


def _paths_within(layer: Any, place: str, seen: dict[Any, None], skipped: Set[int]) -> Iterator[tuple[str, Any]]:
    """The layers in the attributes of a user's layer, with their paths. Private attributes come last, as in Keras."""
    if not layer.holds_layers or layer.has_own_variables:
        return
    attributes = [(name, value) for name, value in layer.__dict__.items() if name not in KEPT]
    for name, value in sorted(attributes, key=lambda pair: f"~{pair[0]}" if pair[0].startswith("_") else pair[0]):
        if isinstance(value, Layer):
            if value not in seen and id(value) not in skipped:
                yield from _paths(value, f"{place}/{name}", seen, skipped)
        elif isinstance(value, (list, tuple, dict, set, frozenset)) and holds(value, Layer):
            yield from _paths_of_items(value, f"{place}/{name}", seen, skipped)


def _paths_of_items(items: Any, place: str, seen: dict[Any, None], skipped: Set[int]) -> Iterator[tuple[str, Any]]:
    """The layers in a list or dict, numbered by class."""
    counts: Counter[str] = Counter()
    for item in list(items.values()) if isinstance(items, dict) else items:
        is_layer = isinstance(item, Layer)
        if not is_layer and not isinstance(item, (list, tuple, dict, set, frozenset)):
            continue
        name = _file_name(item) if is_layer else "container"
        inner = f"{place}/{name}" + (f"_{counts[name]}" if counts[name] else "")
        counts[name] += 1
        if not is_layer:
            yield from _paths_of_items(item, inner, seen, skipped)
        elif item not in seen and id(item) not in skipped:
            yield from _paths(item, inner, seen, skipped)


def variables_in_place(layer: Any) -> list[Any]:
    """The weights stored at a layer's own path. Layers within it have paths of their own."""
    if layer.is_model:
        return []
    return list(layer.variables) if layer.has_own_variables else own_variables(layer)


def _variables_at(layer: Any, place: str, left: dict[str, str]) -> list[Any]:
    """`variables_in_place` for a file. Earlier versions of this library stored weights of inner layers there too."""
    own = variables_in_place(layer)
    there = sum(path.startswith(f"{place}/vars/") for path in left)
    elsewhere = any(path.startswith(f"{place}/") and not path.startswith(f"{place}/vars/") for path in left)
    return list(layer.variables) if len(own) < there == len(layer.variables) and not elsewhere else own


def _below(place: str, layer: Any) -> str:
    """The path under which only the layer's weights are stored."""
    return f"{place}/vars/" if layer.holds_layers and not layer.is_model else f"{place}/"


def _file_name(layer: Any) -> str:
    """The class name in Keras's paths."""
    name = registry.name_of(type(layer)) or type(layer).__name__
    return snake_case({"Model": "Functional"}.get(name, name))


def _check_layer(
    file: KerasFile, place: str, layer: Any, variables: list[Any], names: list[str | None], left: dict[str, str]
) -> None:
    """Refuse stored weights that do not exactly match those of the layer."""
    more = sorted(path for path in left if path.startswith(_below(place, layer)))
    shapes = [None if name is None else file.shape(name) for name in names]
    expected = [variable.shape for variable in variables]
    if shapes == expected and not more:
        return
    who = f"Layer {layer.name!r} ({type(layer).__name__}) needs {_listed(expected)}"
    came = [shape for shape in shapes if shape is not None] + [file.shape(left[path]) for path in more]
    raise ValueError(f"{who}, but {file.path!r} holds {_listed(came)} at {place!r}.")


def _listed(shapes: list[Any]) -> str:
    if not shapes:
        return "no weights"
    return f"{'a weight' if len(shapes) == 1 else 'weights'} of shape {' and '.join(map(str, shapes))}"
