"""Save and load whole models: architecture, weights, arguments of `compile`, and the state of training.

Files are in the safetensors format; `saving.contents` describes their content. Files whose names end in ``.keras`` are
in Keras's format, which `saving.keras` reads and writes. No code in a file is ever run.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from cbackprop.config_reading import UnknownObjectError, from_config
from cbackprop.config_writing import to_config
from cbackprop.layers.layer import registry as layer_registry
from cbackprop.saving import container
from cbackprop.saving.container import Container
from cbackprop.saving.contents import (
    ENSEMBLE,
    EXTRA,
    Path,
    check_version,
    names_in,
    path_to_write,
    read_json,
    read_weights,
)
from cbackprop.saving.custom_objects import CustomObjectScope
from cbackprop.saving.described_model import described_model
from cbackprop.saving.kinds import FOR_KERAS, check_suffix, kind_of
from cbackprop.saving.made_again import not_made_again
from cbackprop.saving.not_compiled import warn_not_compiled
from cbackprop.saving.own_variables import load_store, read_stores
from cbackprop.saving.training_state import restore_optimizer, restore_streams, resume
from cbackprop.saving.weights_file import write_weights
from cbackprop.validation import ArgumentTypeError, check_boolean, check_path

__all__ = [
    "compile_config",
    "load_extras",
    "load_model",
    "read_model",
    "save_model",
    "texts_of",
    "training_config",
    "warn_of_losses",
]

# JSON needs up to six bytes for a character; more than this might not fit into a header.
MAX_EXTRA_BYTES = 16_000_000


def save_model(
    model: Any,
    filepath: Path,
    overwrite: bool = True,
    zipped: bool | None = None,
    *,
    extras: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> None:
    """Save a whole model to a file: architecture, weights, arguments of `compile`, and the state of training.

    Parameters
    ----------
    model : Model
    filepath : str or path
        A name that ends in ``.keras`` makes a file in Keras's format, which Keras 3 can load as well; this needs
        ``pip install "cbackprop[h5]"``. Any other name makes a safetensors file. `load_model` reads both.
    overwrite : bool, default True
        Whether an existing file may be replaced.
    zipped : bool, optional
        ``False`` writes a folder instead of a file, also in Keras's format. The name must not end in ``.keras``.
    extras : dict of str to str, optional
        Texts to store with the model, by name, such as the config of its preprocessing. `load_extras` reads them.
    **kwargs
        ``include_optimizer`` and ``save_format`` of older scripts. They have no effect.

    Raises
    ------
    ImportError
        If the file is in Keras's format and h5py is not installed.
    TypeError, ValueError
        If a part of `model` cannot be written, an argument is unknown, `filepath` has the suffix of another kind of
        file, such as ``.png``, or `extras` is not a dict of texts of at most 16 MB in total.
    FileExistsError
        If the file exists and `overwrite` is False.
    OSError
        If the file cannot be written. An existing file is then unchanged.

    Warns
    -----
    UserWarning
        If the model has no weights yet; if `load_model` could not rebuild one of your own classes from its config; if
        the arguments of `compile` cannot be saved; if a ``.keras`` file contains losses, optimizers or arguments that
        Keras does not have, so that only this library can load it.

    Notes
    -----
    Functions are saved by name: register them with `register_keras_serializable`, or pass them to `load_model` as
    ``custom_objects``. If a layer was given another layer of the model in its constructor, the loaded layers share it
    as well. A layer that refers to another one in any other way is refused.

    An existing file is replaced atomically, after the new one is completely on disk. If the process is killed before
    that, the old file is unchanged, and a temporary file remains beside it. Its name is a dot followed by that of the
    model; it can be deleted.

    Examples
    --------
    >>> import os, tempfile
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cb.saving.save_model(model, os.path.join(folder, "model.safetensors"))
    ...     same = cb.saving.load_model(os.path.join(folder, "model.safetensors"))
    >>> bool((same.predict([[1.0, 2.0]]) == model.predict([[1.0, 2.0]])).all())
    True
    """
    _check_arguments(filepath, zipped, kwargs)
    path = path_to_write(model, filepath, overwrite)
    check_suffix(path, "model")
    warn_of_losses(model, 4)
    texts, training = _check_extras(extras), training_config(model)
    if path.endswith(FOR_KERAS["model"]) or zipped is False:
        from cbackprop.saving.keras import write_keras_model  # slow to import, and rarely needed

        named = {name[len(EXTRA) :]: text for name, text in texts.items()}
        write_keras_model(model, path, training, named, zipped is not False)
        return
    write_weights(model, path, texts | texts_of(model, training))


def texts_of(model: Any, training: str | None) -> dict[str, str]:
    """The texts from which a model is rebuilt. One of them contains the arguments of `compile`."""
    texts = {"model": json.dumps(layer_registry.serialize(model))}
    return texts if training is None else texts | {"training": training}


def warn_of_losses(model: Any, stacklevel: int) -> None:
    """Warn of parts that `load_model` could not rebuild."""
    if not model.built:
        warnings.warn(
            f"Model {model.name!r} is saved without weights: it has none yet. Build it first, or fit it.",
            stacklevel=stacklevel,
        )
    if lost := not_made_again(model):
        warnings.warn(
            f"load_model cannot rebuild this model because of {', '.join(lost)}. Let get_config of the class return "
            "the arguments of its constructor, or rebuild the model by your own code and use load_weights.",
            stacklevel=stacklevel,
        )


def _check_arguments(filepath: Path, zipped: bool | None, kwargs: dict[str, Any]) -> None:
    if kwargs.pop("save_format", None) and not str(filepath).endswith((".keras", ".h5", ".hdf5")):
        raise ValueError(
            "The `save_format` argument is deprecated in Keras 3, and not supported here: the suffix of the name "
            "decides. '.keras' is Keras's format, any other suffix safetensors."
        )
    kwargs.pop("include_optimizer", None)
    if kwargs:
        raise ArgumentTypeError(f"The following argument(s) are not supported: {sorted(kwargs)}.")
    if zipped is not None and not check_boolean("zipped", zipped) and str(filepath).endswith((".keras", ".h5")):
        raise ValueError(
            f"With zipped=False, filepath is the name of a folder and must not end in '.keras', but got {filepath}."
        )


def _check_extras(extras: Any) -> dict[str, str]:
    """Check `extras`, and return the texts under their names in a file."""
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


def compile_config(model: Any) -> dict[str, Any]:
    """The arguments of `compile` as plain values.

    Raises
    ------
    TypeError, ValueError
        If one of them cannot be described.
    """
    config: dict[str, Any] = to_config({"optimizer": model.optimizer} | model.compile_settings())
    return config


def training_config(model: Any) -> str | None:
    """The arguments of `compile` in JSON; ``None`` if there are none, or, with a warning, if they cannot be saved."""
    if not model.compiled:
        return None
    try:
        return json.dumps(compile_config(model))
    except (TypeError, ValueError) as error:
        warnings.warn(f"The arguments of compile are not saved: {error}", stacklevel=4)
        return None


def load_extras(filepath: Path) -> dict[str, str]:
    """Load the texts that `save_model` was given as `extras`.

    The file may be damaged or forged, so check the texts before you use them.

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
        If it is not a model, is damaged, or was written by a newer version.

    Examples
    --------
    >>> import os, tempfile
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     cb.saving.save_model(model, path, extras={"note": "of Tuesday"})
    ...     cb.saving.load_extras(path)
    {'note': 'of Tuesday'}
    """
    path = check_path("filepath", filepath)
    if (kind := kind_of(path)) != "safetensors":
        from cbackprop.saving.keras import read_keras_extras

        return read_keras_extras(path, kind)
    with container.read(path) as file:
        check_version(file)
        return {name[len(EXTRA) :]: text for name, text in file.texts.items() if name.startswith(EXTRA)}


def load_model(
    filepath: Path, custom_objects: dict[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """Load a model from a file that `Model.save` wrote, here or in Keras.

    Parameters
    ----------
    filepath : str or path
        A file, whose format is recognized by its content, or a folder in Keras's format. Keras's formats need
        ``pip install "cbackprop[h5]"``.
    custom_objects : dict of str to class or function, optional
        Your own classes and functions that the file refers to, unless they are registered.
    compile : bool, default True
        Whether to compile the model as it was, including the state of the optimizer.
    safe_mode : bool, default True
        Has no effect, because no code in a file is ever run; accepted because Keras has it.

    Returns
    -------
    Model
        If it was saved during training, ``fit(..., initial_epoch=n)``, where n is the number of finished epochs,
        continues as if training had not stopped. With the same data it gives the same bits.

    Raises
    ------
    OSError
        If the file cannot be read. If there is none, the error is both a ``FileNotFoundError`` and, as in Keras, a
        ``ValueError``.
    ImportError
        If the file is in Keras's format and h5py is not installed.
    ValueError
        If the file is not a model, is damaged, was written by a newer version, or refers to an unknown class or
        function.

    Warns
    -----
    UserWarning
        If the model was compiled with something unknown. It is then not compiled.

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
        from cbackprop.saving.keras import load_keras_model  # slow to import, and rarely needed

        return load_keras_model(path, kind, compiled)


def _load_own(path: str, compiled: bool) -> Any:
    """Load the model in a safetensors file that `save_model` wrote."""
    with container.read(path) as file:
        check_version(file)
        if "model" not in file.texts:
            raise ValueError(f"{path!r} {_instead_of_a_model(file)}")
        return read_model(file, compiled)


def _instead_of_a_model(file: Container) -> str:
    if ENSEMBLE in file.texts:
        return "holds an ensemble, which Ensemble.load reads."
    return "holds weights without a model. Make the model, and use its load_weights."


def read_model(file: Container, compiled: bool) -> Any:
    """The model in an open file, or in a part of one."""
    model = _make_model(file)
    model.set_weights(read_weights(file, model))
    for layer, store in read_stores(file, model):
        load_store(layer, store, file.path)
    state = read_json(file, "state")
    if compiled and "training" in file.texts:
        _compile(file, model)
        if model.compiled:
            restore_optimizer(file, model, state)
    restore_streams(file, model, state)
    resume(file, model, state, always=False)
    return model


def _make_model(file: Container) -> Any:
    elements = sum(int(np.prod(file.shape(name), dtype=object)) for name in names_in(file, "weights"))
    config = read_json(file, "model")
    return described_model(lambda: config, elements, f"{file.path!r} describes a model that cannot be made")


def _compile(file: Container, model: Any) -> None:
    settings = read_json(file, "training")
    try:
        model.compile(**from_config(settings))
    except Exception as error:  # as in _make_model
        if not isinstance(error, UnknownObjectError):
            raise ValueError(
                f"The model in {file.path!r} cannot be compiled with the arguments in the file: {error} Set "
                "compile=False, and compile the model yourself."
            ) from error
        warn_not_compiled(file.path, error, 5)
