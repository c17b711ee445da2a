"""Save weights with the state of training, and load them from files of this library, Keras and PyTorch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.plan.graph import unfolded_layers
from cbackprop.saving import container, training_state
from cbackprop.saving.contents import (
    FORMAT_VERSION,
    Path,
    check_built,
    check_version,
    is_own,
    path_to_write,
    read_json,
    read_weights,
)
from cbackprop.saving.kinds import FOR_KERAS, check_suffix, kind_of
from cbackprop.saving.own_variables import load_store, numbered_arrays, read_stores
from cbackprop.saving.torch_state import is_torch_weight, read_torch_state
from cbackprop.saving.training_state import restore_optimizer, restore_streams, resume
from cbackprop.validation import ArgumentTypeError, check_boolean, check_number, check_path

__all__ = ["contents_of", "load_weights", "restore_training", "save_training", "save_weights", "write_weights"]


def save_weights(
    model: Any,
    filepath: Path,
    overwrite: bool = True,
    max_shard_size: float | None = None,
    objects_to_skip: Iterable[Any] | None = None,
) -> None:
    """Save weights, the state of the optimizer and the state of training to a file.

    Parameters
    ----------
    model : Model
    filepath : str or path
        A name that ends in ``.weights.h5`` makes a file in Keras's format, which Keras 3 can load as well; this needs
        ``pip install "cbackprop[h5]"``. Any other name makes a safetensors file, except ``.keras``, the suffix of a
        whole model, which is refused.
    overwrite : bool, default True
        Whether an existing file may be replaced.
    max_shard_size : float, optional
        In units of 1024**3 bytes. As in Keras, weights are then divided among files of at most that size. `filepath`
        lists them, and its name must end in ``.weights.json``.
    objects_to_skip : list of Layer or Optimizer, optional
        Objects that are not saved. Pass them to `load_weights` too.

    Raises
    ------
    TypeError, ValueError, FileExistsError, ImportError, OSError
        See `save_model`.

    Examples
    --------
    See `load_weights`.
    """
    most = None if max_shard_size is None else check_number("max_shard_size", max_shard_size, 0, open_minimum=True)
    check_built(model)
    path, skipped = path_to_write(model, filepath, overwrite), _ids(objects_to_skip)
    if most is not None and not path.endswith(FOR_KERAS["shards"]):
        raise ValueError(f"The filename must end in '.weights.json' when max_shard_size is given, but got {path!r}.")
    check_suffix(path, "weights" if most is None else "shards")
    if path.endswith(FOR_KERAS["weights"]) or most is not None:
        from cbackprop.saving.keras import write_keras_weights  # slow to import, and rarely needed

        write_keras_weights(model, path, skipped, most)
    else:
        write_weights(model, path, {}, skipped)


def save_training(model: Any, filepath: Path) -> None:
    """Write a safetensors file for `restore_training`, whatever its name.

    Raises
    ------
    TypeError, ValueError, OSError
        See `save_weights`.
    """
    check_built(model)
    write_weights(model, path_to_write(model, filepath, overwrite=True), {})


def _ids(objects: Any) -> Set[int]:
    """The ids of objects, and of the layers within them."""
    if objects is not None and not isinstance(objects, (list, tuple, set, frozenset)):
        raise ArgumentTypeError(f"objects_to_skip must be a list of layers, but got {type(objects).__name__}.")
    found = set(map(id, objects or ()))
    for thing in objects or ():
        if getattr(thing, "is_model", False):
            found |= _ids(thing.layers)
    return found


def _kept(model: Any, skipped: Set[int]) -> Set[Any]:
    """The variables of layers with these ids."""
    return {variable for layer in unfolded_layers(model) if id(layer) in skipped for variable in layer.variables}


def load_weights(
    model: Any,
    filepath: Path | Mapping[str, Any],
    skip_mismatch: bool = False,
    objects_to_skip: Iterable[Any] | None = None,
    **kwargs: Any,
) -> None:
    """Load weights from a file of this library, Keras or PyTorch, or from a PyTorch ``state_dict``.

    Parameters
    ----------
    model : Model
    filepath : str or path, or dict of str to array
        Files are recognized by their content, whatever the suffix:

        - A file of `Model.save_weights` or `Model.save`. Weights are matched by order, not by name. The state of the
          optimizer is restored if the model has an optimizer of the same class.
        - A ``.weights.h5``, ``.weights.json`` or ``.keras`` file, or a folder, of Keras 3, of a model with the same
          layers. Layers are matched by class and order, not by name. This needs ``pip install "cbackprop[h5]"``. The
          state of the optimizer is restored if this library wrote the file.
        - The ``state_dict`` of a PyTorch module with the same layers in the same order, as tensors or arrays, or a
          safetensors file with that of an ``nn.Sequential``. Supported are Linear, convolutions, RNN, LSTM, GRU,
          MultiheadAttention, BatchNorm, LayerNorm, RMSNorm, GroupNorm, Embedding and PReLU. The optimizer is not
          changed.
    skip_mismatch : bool, default False
        Skip weights of another shape with a warning, instead of refusing the file. If the number of weights differs,
        they are matched by name.
    objects_to_skip : list of Layer, optional
        Layers whose weights are not changed, whether the file has them or not.
    **kwargs
        ``by_name``, which is for Keras's older files, is refused.

    Raises
    ------
    OSError
        If the file cannot be read. If there is none, the error is both a ``FileNotFoundError`` and a ``ValueError``.
    ImportError
        If the file is in Keras's format and h5py is not installed.
    TypeError
        If a ``state_dict`` holds anything but arrays of numbers.
    ValueError
        If the file is damaged or its weights do not match the model; then nothing is changed.

    Examples
    --------
    >>> import os, tempfile
    >>> import cbackprop as cb
    >>> a, b = (cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)]) for _ in range(2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     a.save_weights(os.path.join(folder, "a.safetensors"))
    ...     b.load_weights(os.path.join(folder, "a.safetensors"))
    >>> bool((a.get_weights()[0] == b.get_weights()[0]).all())
    True
    >>> b.load_weights({"0.weight": [[1.0, 2.0]], "0.bias": [3.0]})
    >>> b.predict([[10.0, 100.0]], verbose=0)
    array([[213.]], dtype=float32)
    """
    if kwargs.pop("by_name", None):
        raise ValueError("by_name is not supported: it is for Keras's older '.h5' files, which are not read here.")
    if kwargs:
        raise ArgumentTypeError(f"Invalid keyword arguments: load_weights has no argument {min(kwargs)!r}.")
    check_built(model)
    skip = check_boolean("skip_mismatch", skip_mismatch)
    if isinstance(filepath, Mapping):
        _assign(model, read_torch_state(model, filepath, "state_dict", skip_mismatch=skip))
        return
    if hasattr(filepath, "state_dict"):
        kind = type(filepath).__name__
        raise TypeError(
            f"filepath must be a path or a state_dict, but got the module {kind}: pass module.state_dict()."
        )
    path, skipped = check_path("filepath", filepath), _ids(objects_to_skip)
    kind = kind_of(path, "file of weights")
    if kind != "safetensors":
        _load_keras_weights(model, path, kind, skip, skipped)
        return
    with container.read(path) as file:
        if not is_own(file):
            arrays = {name: file.array(name) for name in sorted(file.names) if is_torch_weight(name)}
            _assign(model, read_torch_state(model, arrays, repr(path), ordered=False, skip_mismatch=skip))
            return
        check_version(file)
        _take(file, model, read_weights(file, model, skip, _kept(model, skipped)), read_json(file, "state"))
        for layer, store in read_stores(file, model, skipped):
            load_store(layer, store, path)


def _load_keras_weights(model: Any, path: str, kind: str, skip_mismatch: bool, skipped: Set[int]) -> None:
    from cbackprop.saving.keras import Noted, open_keras_file, read_keras_weights  # slow to import, and rarely needed

    with open_keras_file(path, kind) as file:
        weights = read_keras_weights(file, model, skip_mismatch, skipped)
        own = {variable for layer, _ in file.own_stores for variable in layer.variables}
        noted = Noted(file) if file.notes else None
        if noted is None:
            _assign(model, weights)
        else:
            _take(noted, model, weights, noted.state, own)
        for layer, store in file.own_stores:
            load_store(layer, store, path)


def _take(
    file: Any,
    model: Any,
    weights: Sequence[NDArray[Any] | None],
    state: dict[str, Any],
    elsewhere: Set[Any] = frozenset(),
) -> None:
    """Set weights, and the state of the optimizer if all weights are present. If one does not match, set none.

    Variables in `elsewhere` count as present: their layers load them.
    """
    for variable, value in zip(model.variables, weights, strict=True):
        if value is not None:
            variable.check(value)
    with model.at_rest():
        given = zip(model.variables, weights, strict=True)
        if all(value is not None or variable in elsewhere for variable, value in given):
            restore_optimizer(file, model, state)
        _assign(model, weights)


def write_weights(model: Any, path: str, texts: dict[str, str], skipped: Set[int] = frozenset()) -> None:
    """Write a model's weights, the state of training, and texts, without the weights of `skipped` layers.

    Raises
    ------
    OSError
        If that fails; an existing file is then unchanged.
    """
    container.write(path, *contents_of(model, texts, skipped))


def contents_of(
    model: Any, texts: dict[str, str], skipped: Set[int] = frozenset()
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The arrays and the texts that `write_weights` writes."""
    variables = model.variables
    kept = _kept(model, skipped)
    numbered = [(index, variable) for index, variable in enumerate(variables) if variable not in kept]
    with model.at_rest():
        arrays = {_weight_name(index, variable): variable.array.copy() for index, variable in numbered}
        state, beside = training_state.get_state(model)
        arrays |= numbered_arrays(model, skipped)
    arrays |= beside
    texts = {"format": f"cbackprop {FORMAT_VERSION}", "state": json.dumps(state)} | texts
    # ascontiguousarray would turn a single number into a vector
    return {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}, texts


def _weight_name(index: int, variable: Any) -> str:
    return f"weights/{index}/{variable.path}"


def _assign(model: Any, weights: Sequence[NDArray[Any] | None]) -> None:
    """Replace all weights except those given as ``None``. If one does not match, replace none."""
    model.set_weights([v.array if value is None else value for v, value in zip(model.variables, weights, strict=True)])


def restore_training(model: Any, filepath: Path) -> None:
    """Restore the state of training from a file of `save_training`; the next `fit` continues from there.

    Raises
    ------
    OSError, ValueError
        See `load_weights`; the weights are then unchanged.
    """
    check_built(model)
    path = check_path("filepath", filepath)
    kind_of(path, "backup")
    with container.read(path) as file:
        check_version(file)
        weights = read_weights(file, model)
        state = read_json(file, "state")
        for variable, value in zip(model.variables, weights, strict=True):
            variable.check(value)
        resume(file, model, state, always=True)
        with model.at_rest():
            restore_optimizer(file, model, state)
            restore_streams(file, model, state)
            model.set_weights(weights)
