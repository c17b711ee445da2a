"""Models and their weights in files.

A file is in the safetensors format, whatever its suffix: arrays ``weights/INDEX/PATH`` and
``optimizer/INDEX/SLOT``, and as metadata JSON texts: the ``model``, what it was compiled with (``training``), and the
``state`` of its training; ``extra/NAME`` is whatever else belongs to it. Nothing in a file is ever run. Files of others
are read by `saving.keras` and `saving.torch_state`.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.layer import registry as layer_registry
from cbackprop.plan.graph import unfolded_layers
from cbackprop.registry import from_config, to_config
from cbackprop.saving import container, optimizer_state
from cbackprop.saving.container import Container
from cbackprop.saving.custom_objects import CustomObjectScope
from cbackprop.saving.kinds import kind_of
from cbackprop.saving.torch_state import is_torch_weight, read_torch_state
from cbackprop.validation import check_boolean, check_path
from cbackprop.variable import blank_variables

__all__ = ["load_extras", "load_model", "load_weights", "restore_training", "save_model", "save_weights"]

# Raised when an older version of this library cannot understand new files.
FORMAT_VERSION = 1

# As JSON, six bytes a character at worst, more than this would not fit into a header.
MAX_EXTRA_BYTES = 16_000_000

EXTRA = "extra/"

Path = str | os.PathLike[str]


def save_model(
    model: Any,
    filepath: Path,
    overwrite: bool = True,
    zipped: bool | None = None,
    extras: Mapping[str, str] | None = None,
) -> None:
    """Write a whole model to a file: architecture, weights, what it was compiled with, and how far training is.

    Parameters
    ----------
    model : Model
    filepath : str or path
        Any suffix will do (``.keras``, ``.h5``, ``.safetensors``): the content is always the same.
    overwrite : bool, default True
        Whether an existing file may be replaced.
    zipped : optional
        Taken for the sake of scripts written for Keras; it has no effect.
    extras : dict of str to str, optional
        Texts that belong to the model, by name, such as the config of its preprocessing. `load_extras` reads them.

    Raises
    ------
    TypeError, ValueError
        If `model` has no shape yet, a part of it cannot be written, or `extras` is no dict of texts of at most
        16 MB altogether.
    FileExistsError
        If there is such a file and `overwrite` is False.
    OSError
        If the file cannot be written. An existing one is then untouched.

    Notes
    -----
    The new file takes the place of an old one in one go, after the disk has it all.

    Examples
    --------
    >>> import os, tempfile
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cb.saving.save_model(model, os.path.join(folder, "model.keras"))
    ...     same = cb.saving.load_model(os.path.join(folder, "model.keras"))
    >>> bool((same.predict([[1.0, 2.0]]) == model.predict([[1.0, 2.0]])).all())
    True
    """
    path = _path_to_write(model, filepath, overwrite)
    texts = _check_extras(extras) | {"model": json.dumps(layer_registry.serialize(model))}
    training = _training_config(model)
    if training is not None:
        texts["training"] = training
    _write(model, path, texts)


def load_extras(filepath: Path) -> dict[str, str]:
    """The texts that `save_model` was given as `extras`.

    They are texts from a file that nobody vouches for: whoever asked for them to be written checks what they say.

    Parameters
    ----------
    filepath : str or path

    Returns
    -------
    dict of str to str
        Empty if there were none.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is no model, damaged, or made by a newer version.

    Examples
    --------
    >>> import os, tempfile
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.keras")
    ...     cb.saving.save_model(model, path, extras={"note": "of Tuesday"})
    ...     cb.saving.load_extras(path)
    {'note': 'of Tuesday'}
    """
    with container.read(os.fspath(filepath)) as file:
        _check_version(file)
        return {name[len(EXTRA) :]: text for name, text in file.texts.items() if name.startswith(EXTRA)}


def save_weights(model: Any, filepath: Path, overwrite: bool = True, max_shard_size: float | None = None) -> None:
    """Write weights, the state of the optimizer, and how far training is, to a file.

    Parameters
    ----------
    model : Model
    filepath : str or path
        Any suffix will do.
    overwrite : bool, default True
        Whether an existing file may be replaced.
    max_shard_size : optional
        Not supported: there is always one file.

    Raises
    ------
    TypeError, ValueError, FileExistsError, OSError
        As `save_model`.

    Examples
    --------
    See `load_weights`.
    """
    if max_shard_size is not None:
        raise ValueError(f"max_shard_size is not supported: weights are in one file. Got {max_shard_size!r}.")
    _write(model, _path_to_write(model, filepath, overwrite), {})


def load_model(
    filepath: Path, custom_objects: dict[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """The model in a file that `Model.save` wrote, here or in Keras.

    Parameters
    ----------
    filepath : str or path
        Told apart by content, whatever the suffix. A file of Keras's needs the extra: ``pip install "cbackprop[h5]"``.
    custom_objects : dict of str to class or function, optional
        Classes and functions of one's own that the file mentions; registered ones need not be given.
    compile : bool, default True
        Whether to compile the model as it was, the state of the optimizer included (but not that of Keras's).
    safe_mode : bool, default True
        Taken for the sake of scripts written for Keras; no code in a file is ever run.

    Returns
    -------
    Model
        If it was saved while it was trained, ``fit(..., initial_epoch=n)`` with the number of finished epochs goes on
        as if training had never stopped: with the same data to the same bits.

    Raises
    ------
    OSError
        If there is no such file.
    ImportError
        If it is a file of Keras's, and h5py is not installed.
    ValueError
        If it is no model, damaged, or made by a newer version, or mentions something unknown.

    Examples
    --------
    See `save_model`.
    """
    path, compiled = check_path("filepath", filepath), check_boolean("compile", compile)
    check_boolean("safe_mode", safe_mode)
    kind = kind_of(path)
    with CustomObjectScope(custom_objects):
        if kind == "safetensors":
            return _load_own(path, compiled)
        from cbackprop.saving.keras import load_keras_model  # costs time, and few need it

        return load_keras_model(path, kind, compiled)


def _load_own(path: str, compiled: bool) -> Any:
    """The model in a file that `save_model` wrote."""
    with container.read(path) as file:
        _check_version(file)
        if "model" not in file.texts:
            raise ValueError(f"{path!r} holds weights without a model. Make the model, and use its load_weights.")
        model = _make_model(file)
        model.set_weights(_weights(file, model))
        state = _json(file, "state")
        if compiled and "training" in file.texts:
            _compile(file, model)
            _restore_optimizer(file, model, state)
        _restore_streams(file, model, state)
        _resume(file, model, state, always=False)
    return model


def load_weights(model: Any, filepath: Path | Mapping[str, Any], skip_mismatch: bool = False, **kwargs: Any) -> None:
    """Take weights from a file, written here, by Keras or from PyTorch, or from a PyTorch ``state_dict``.

    Parameters
    ----------
    model : Model
    filepath : str or path, or dict of str to array
        What it is is told by its content, whatever the suffix:

        - A file of `Model.save_weights` or `Model.save`. Weights are told apart by their order, not by names. The
          state of the optimizer comes along if the model has one of the same class.
        - A ``.weights.h5`` or ``.keras`` file that Keras 3 wrote, of a model with the same layers: their classes and
          order tell them apart, not their names. It needs ``pip install "cbackprop[h5]"``. The optimizer is left alone.
        - The ``state_dict`` of a PyTorch module with the same layers in the same order, as tensors or arrays, or a
          safetensors file of that of an ``nn.Sequential``: Linear, BatchNorm1d, LayerNorm, RMSNorm, GroupNorm,
          Embedding, PReLU. The optimizer is left alone.
    skip_mismatch : bool, default False
        Leave weights of another shape as they are, with a warning, instead of refusing the file.

    Raises
    ------
    OSError
        If there is no such file.
    ImportError
        If it is a file of Keras's, and h5py is not installed.
    TypeError
        If a ``state_dict`` holds anything but arrays of numbers.
    ValueError
        If it is damaged or its weights do not fit; nothing is changed then.

    Examples
    --------
    >>> import os, tempfile
    >>> import cbackprop as cb
    >>> a, b = (cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)]) for _ in range(2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     a.save_weights(os.path.join(folder, "a.weights.h5"))
    ...     b.load_weights(os.path.join(folder, "a.weights.h5"))
    >>> bool((a.get_weights()[0] == b.get_weights()[0]).all())
    True
    >>> b.load_weights({"0.weight": [[1.0, 2.0]], "0.bias": [3.0]})
    >>> b.predict([[10.0, 100.0]], verbose=0)
    array([[213.]], dtype=float32)
    """
    if kwargs:
        raise TypeError(f"load_weights has no argument {min(kwargs)!r}.")
    _check_built(model)
    skip = check_boolean("skip_mismatch", skip_mismatch)
    if isinstance(filepath, Mapping):
        _assign(model, read_torch_state(model, filepath, "state_dict", skip_mismatch=skip))
        return
    path = check_path("filepath", filepath)
    kind = kind_of(path)
    if kind != "safetensors":
        from cbackprop.saving.keras import open_keras_file, read_keras_weights  # as above

        with open_keras_file(path, kind) as keras_file:
            _assign(model, read_keras_weights(keras_file, model, skip))
        return
    with container.read(path) as file:
        if "format" not in file.texts or not file.texts["format"].startswith("cbackprop "):
            arrays = {name: file.array(name) for name in sorted(file.names) if is_torch_weight(name)}
            _assign(model, read_torch_state(model, arrays, repr(path), ordered=False, skip_mismatch=skip))
            return
        _check_version(file)
        weights = _weights(file, model, skip)
        state = _json(file, "state")
        for variable, value in zip(model.variables, weights, strict=True):
            if value is not None:
                variable.check(value)
        if all(value is not None for value in weights):
            _restore_optimizer(file, model, state)
        _assign(model, weights)


def _assign(model: Any, weights: Sequence[NDArray[Any] | None]) -> None:
    """Replace all weights but those that stay (``None``); none if one does not fit."""
    model.set_weights([v.array if value is None else value for v, value in zip(model.variables, weights, strict=True)])


def restore_training(model: Any, filepath: Path) -> None:
    """Go back to where training was when `save_weights` wrote a file; the next `fit` goes on from there.

    Raises
    ------
    OSError, ValueError
        As `load_weights`; the weights are unchanged then.
    """
    _check_built(model)
    with container.read(check_path("filepath", filepath)) as file:
        _check_version(file)
        weights = _weights(file, model)
        state = _json(file, "state")
        for variable, value in zip(model.variables, weights, strict=True):
            variable.check(value)
        _resume(file, model, state, always=True)
        _restore_optimizer(file, model, state)
        _restore_streams(file, model, state)
        model.set_weights(weights)


# Writing


def _check_built(model: Any) -> None:
    if not getattr(model, "is_model", False):
        raise TypeError(f"Expected a model, but got {type(model).__name__}.")
    if not model.built:
        raise ValueError(f"Model {model.name!r} has no weights yet: start it with an Input, build it, or fit it.")


def _path_to_write(model: Any, filepath: Path, overwrite: bool) -> str:
    _check_built(model)
    path = check_path("filepath", filepath)
    if not isinstance(path, str):
        raise TypeError(f"filepath must be a string or a path, but got {filepath!r}.")
    if not check_boolean("overwrite", overwrite) and os.path.exists(path):
        raise FileExistsError(f"{path!r} exists, and overwrite is False.")
    return path


def _check_extras(extras: Any) -> dict[str, str]:
    """Texts under the names that they have in a file."""
    if not isinstance(extras, (Mapping, type(None))):
        raise TypeError(f"extras must be a dict of texts by name, but got {type(extras).__name__}.")
    texts: dict[str, str] = {}
    for name, text in (extras or {}).items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise TypeError(f"extras must hold texts by name, but got {name!r}: {type(text).__name__}.")
        texts[EXTRA + name] = text
    size = sum(len(part.encode()) for pair in texts.items() for part in pair)
    if size > MAX_EXTRA_BYTES:
        raise ValueError(f"extras must be texts of at most {MAX_EXTRA_BYTES:,} bytes altogether, but got {size:,}.")
    return texts


def _write(model: Any, path: str, texts: dict[str, str]) -> None:
    variables = model.variables
    arrays = {_weight_name(index, variable): variable.array for index, variable in enumerate(variables)}
    state: dict[str, Any] = {
        "streams": [layer.stream for layer in _random_layers(model)],
        "place": model.training_place(),
    }
    if model.optimizer is not None:
        state["optimizer"], slots = optimizer_state.get_state(model.optimizer, variables)
        arrays |= {f"optimizer/{name}": array for name, array in slots.items()}
    texts = {"format": f"cbackprop {FORMAT_VERSION}", "state": json.dumps(state)} | texts
    container.write(path, {name: np.ascontiguousarray(array) for name, array in arrays.items()}, texts)


def _weight_name(index: int, variable: Any) -> str:
    return f"weights/{index}/{variable.path}"


def _training_config(model: Any) -> str | None:
    if not model.compiled:
        return None
    try:
        return json.dumps(to_config({"optimizer": model.optimizer} | model.compile_settings()))
    except (TypeError, ValueError) as error:
        warnings.warn(f"What the model was compiled with is not saved: {error}", stacklevel=4)
        return None


def _random_layers(model: Any) -> list[Any]:
    """Layers that draw random numbers, those of nested models in their place."""
    return [layer for layer in unfolded_layers(model) if hasattr(layer, "stream")]


# Reading


def _check_version(file: Container) -> None:
    name, _, number = file.texts.get("format", "").partition(" ")
    if name != "cbackprop" or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise ValueError(f"{file.path!r} is not a model saved by cbackprop.")
    if int(number) > FORMAT_VERSION:
        raise ValueError(f"{file.path!r} was made by a newer version of cbackprop: its format is {number}.")


def _json(file: Container, name: str) -> Any:
    try:
        value = json.loads(file.texts.get(name, ""))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file.path!r} is damaged: its {name} is no JSON.") from error
    if not isinstance(value, dict):
        raise ValueError(f"{file.path!r} is damaged: its {name} is no dict.")
    return value


def _make_model(file: Container) -> Any:
    elements = sum(int(np.prod(file.shape(name), dtype=object)) for name in _names(file, "weights"))
    config = _json(file, "model")
    try:
        with blank_variables(elements):
            model = layer_registry.deserialize(config)
    except Exception as error:  # whatever a constructor may say to arguments from anywhere
        raise ValueError(f"{file.path!r} describes no model that can be made: {error}") from error
    if not getattr(model, "is_model", False) or not model.built:
        raise ValueError(f"{file.path!r} describes no model that can be made: {type(model).__name__} is none.")
    return model


def _names(file: Container, part: str) -> dict[str, str]:
    """Names of arrays of one part of the file, and what follows the part's name."""
    return {name: name[len(part) + 1 :] for name in file.names if name.startswith(f"{part}/")}


def _weights(file: Container, model: Any, skip_mismatch: bool = False) -> list[NDArray[Any] | None]:
    """The arrays for the model's variables, in order; ``None`` where one is to be skipped."""
    by_index: dict[str, str] = {}
    for name, rest in _names(file, "weights").items():
        number = rest.partition("/")[0]
        if number in by_index:
            raise ValueError(f"{file.path!r} is damaged: it holds weight {number} twice.")
        by_index[number] = name
    variables = model.variables
    if set(by_index) != set(map(str, range(len(variables)))):
        raise ValueError(f"{file.path!r} holds {len(by_index)} weights, but the model has {len(variables)}.")
    found: list[NDArray[Any] | None] = []
    for index, variable in enumerate(variables):
        name = by_index[str(index)]
        shape = file.shape(name)
        if shape != variable.shape:
            message = f"{file.path!r} holds {name!r} of shape {shape}, but {variable.path!r} has {variable.shape}."
            if not skip_mismatch:
                raise ValueError(message)
            warnings.warn(f"{message} It stays as it is.", stacklevel=4)
            found.append(None)
        else:
            found.append(file.array(name))
    return found


def _compile(file: Container, model: Any) -> None:
    settings = _json(file, "training")
    try:
        model.compile(**from_config(settings))
    except Exception as error:  # as in _make_model
        raise ValueError(f"{file.path!r} says nothing that the model can be compiled with: {error}") from error


def _restore_optimizer(file: Container, model: Any, state: dict[str, Any]) -> None:
    numbers = state.get("optimizer")
    optimizer = model.optimizer
    if numbers is None or optimizer is None:
        return
    arrays = {rest: file.array(name) for name, rest in _names(file, "optimizer").items()}
    try:
        if numbers["class_name"] != type(optimizer).__name__:
            warnings.warn(
                f"The state of {numbers['class_name']} in {file.path!r} is of no use to {type(optimizer).__name__}.",
                stacklevel=4,
            )
            return
        optimizer_state.set_state(optimizer, model.variables, numbers, arrays)
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{file.path!r} does not fit the optimizer: {error}.") from error


def _restore_streams(file: Container, model: Any, state: dict[str, Any]) -> None:
    layers, streams = _random_layers(model), state.get("streams")
    if (
        not isinstance(streams, list)
        or len(streams) != len(layers)
        or not all(type(stream) is int and 0 <= stream < 2**32 for stream in streams)
    ):
        raise ValueError(f"{file.path!r} does not fit: the model has {len(layers)} layers with random numbers.")
    if [layer.stream for layer in layers] != streams:
        for layer, stream in zip(layers, streams, strict=True):
            layer.stream = stream
        model.restart_engine()


def _resume(file: Container, model: Any, state: dict[str, Any], always: bool) -> None:
    if state.get("place") is None:
        return
    try:
        model.resume_at(state["place"], always)
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{file.path!r} does not say where training was: {error}.") from error
