"""Models and their weights in files.

A file is in the safetensors format, whatever its suffix: arrays ``weights/INDEX/PATH`` and
``optimizer/INDEX/SLOT``, and as metadata JSON texts: the ``model``, what it was compiled with (``training``), and the
``state`` of its training. Nothing in a file is ever run.
"""

from __future__ import annotations

import json
import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.layer import Layer
from cbackprop.layers.layer import registry as layer_registry
from cbackprop.registry import from_config, to_config
from cbackprop.saving import container, optimizer_state
from cbackprop.saving.container import Container
from cbackprop.saving.custom_objects import CustomObjectScope
from cbackprop.validation import check_boolean, check_path
from cbackprop.variable import blank_variables

__all__ = ["load_model", "load_weights", "restore_training", "save_model", "save_weights"]

# Raised when an older version of this library cannot understand new files.
FORMAT_VERSION = 1

Path = str | os.PathLike[str]


def save_model(model: Any, filepath: Path, overwrite: bool = True, zipped: bool | None = None) -> None:
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

    Raises
    ------
    TypeError, ValueError
        If `model` has no shape yet, or a part of it cannot be written.
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
    texts = {"model": json.dumps(layer_registry.serialize(model))}
    training = _training_config(model)
    if training is not None:
        texts["training"] = training
    _write(model, path, texts)


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
    """The model in a file that `Model.save` wrote.

    Parameters
    ----------
    filepath : str or path
    custom_objects : dict of str to class or function, optional
        Classes and functions of one's own that the file mentions; registered ones need not be given.
    compile : bool, default True
        Whether to compile the model as it was, the state of the optimizer included.
    safe_mode : bool, default True
        Taken for the sake of scripts written for Keras; no file can bring code with it.

    Returns
    -------
    Model
        If it was saved while it was trained, ``fit(..., initial_epoch=n)`` with the number of finished epochs goes on
        as if training had never stopped: with the same data to the same bits.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is no model, damaged, or made by a newer version, or mentions something unknown.

    Examples
    --------
    See `save_model`.
    """
    path, compiled = check_path("filepath", filepath), check_boolean("compile", compile)
    check_boolean("safe_mode", safe_mode)
    with CustomObjectScope(custom_objects), container.read(path) as file:
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


def load_weights(model: Any, filepath: Path, skip_mismatch: bool = False, **kwargs: Any) -> None:
    """Take weights, and the state of the optimizer if there is one of the same class, from a file.

    Parameters
    ----------
    model : Model
    filepath : str or path
        Written by `Model.save_weights` or `Model.save`. Weights are told apart by their order, not by names.
    skip_mismatch : bool, default False
        Leave weights of another shape as they are, with a warning, instead of refusing the file.

    Raises
    ------
    OSError
        If there is no such file.
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
    """
    if kwargs:
        raise TypeError(f"load_weights has no argument {min(kwargs)!r}.")
    _check_built(model)
    skip = check_boolean("skip_mismatch", skip_mismatch)
    with container.read(check_path("filepath", filepath)) as file:
        _check_version(file)
        weights = _weights(file, model, skip)
        state = _json(file, "state")
        kept = [variable for variable, value in zip(model.variables, weights, strict=True) if value is None]
        for variable, value in zip(model.variables, weights, strict=True):
            if value is not None:
                variable.check(value)
        if not kept:
            _restore_optimizer(file, model, state)
        model.set_weights(
            [v.array if value is None else value for v, value in zip(model.variables, weights, strict=True)]
        )


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
    found: list[Layer] = []
    for layer in model.layers:
        if layer.is_model:
            found.extend(_random_layers(layer))
        elif hasattr(layer, "stream"):
            found.append(layer)
    return found


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
