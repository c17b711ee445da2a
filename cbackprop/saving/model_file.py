"""Whole models in files: architecture, weights, what they were compiled with, and how far training is.

A file is in the safetensors format, whatever its suffix; `saving.contents` says what stands in it. Nothing in a file is
ever run. Files of others are read by `saving.keras` and `saving.torch_state`.
"""

from __future__ import annotations

import inspect
import json
import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from cbackprop.layers.layer import registry as layer_registry
from cbackprop.registry import Registry, from_config, to_config
from cbackprop.saving import container
from cbackprop.saving.container import Container
from cbackprop.saving.contents import (
    EXTRA,
    Path,
    check_version,
    names_in,
    path_to_write,
    read_json,
    read_weights,
)
from cbackprop.saving.custom_objects import CustomObjectScope
from cbackprop.saving.kinds import kind_of
from cbackprop.saving.training_state import restore_optimizer, restore_streams, resume
from cbackprop.saving.weights_file import write_weights
from cbackprop.validation import check_boolean, check_path
from cbackprop.variable import blank_variables

__all__ = ["load_extras", "load_model", "save_model"]

# As JSON, six bytes a character at worst, more than this would not fit into a header.
MAX_EXTRA_BYTES = 16_000_000


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
    The new file takes the place of an old one in one go, after the disk has it all. A process that is killed before
    that leaves the old one as it is, and beside it what it has written: a file whose name begins with a dot and goes on
    with that of the model. It can be deleted.

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
    path = path_to_write(model, filepath, overwrite)
    texts = _check_extras(extras) | {"model": json.dumps(layer_registry.serialize(model))}
    training = _training_config(model)
    if training is not None:
        texts["training"] = training
    write_weights(model, path, texts)


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


def _training_config(model: Any) -> str | None:
    if not model.compiled:
        return None
    try:
        return json.dumps(to_config({"optimizer": model.optimizer} | _by_name(model.compile_settings())))
    except (TypeError, ValueError) as error:
        warnings.warn(f"What the model was compiled with is not saved: {error}", stacklevel=4)
        return None


def _by_name(settings: Any) -> Any:
    """Settings with a user's own functions replaced by their names, by which `load_model` is told them again.

    Not those that are called like something else, which would be taken for it.
    """
    if isinstance(settings, dict):
        return {key: _by_name(value) for key, value in settings.items()}
    if isinstance(settings, (list, tuple)):
        return [_by_name(value) for value in settings]
    if not inspect.isfunction(settings) or not settings.__name__.isidentifier():
        return settings
    known = any(family.knows(settings.__name__) for family in Registry.families.values())
    return settings if known else settings.__name__


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
        check_version(file)
        return {name[len(EXTRA) :]: text for name, text in file.texts.items() if name.startswith(EXTRA)}


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
        check_version(file)
        if "model" not in file.texts:
            raise ValueError(f"{path!r} holds weights without a model. Make the model, and use its load_weights.")
        model = _make_model(file)
        model.set_weights(read_weights(file, model))
        state = read_json(file, "state")
        if compiled and "training" in file.texts:
            _compile(file, model)
            restore_optimizer(file, model, state)
        restore_streams(file, model, state)
        resume(file, model, state, always=False)
    return model


def _make_model(file: Container) -> Any:
    elements = sum(int(np.prod(file.shape(name), dtype=object)) for name in names_in(file, "weights"))
    config = read_json(file, "model")
    try:
        with blank_variables(elements):
            model = layer_registry.deserialize(config)
    except Exception as error:  # whatever a constructor may say to arguments from anywhere
        raise ValueError(f"{file.path!r} describes no model that can be made: {error}") from error
    if not getattr(model, "is_model", False) or not model.built:
        raise ValueError(f"{file.path!r} describes no model that can be made: {type(model).__name__} is none.")
    return model


def _compile(file: Container, model: Any) -> None:
    settings = read_json(file, "training")
    try:
        model.compile(**from_config(settings))
    except Exception as error:  # as in _make_model
        raise ValueError(
            f"{file.path!r} says nothing that the model can be compiled with: {error} What is your own is made known "
            "by custom_objects; or give compile=False, and compile the model yourself."
        ) from error
