"""ONNX files: models written to them, and models read from them."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any

from cbackprop.saving import container

__all__ = ["OLDEST_READ", "OPSET", "from_onnx", "onnx"]

# The operator set that files are written for: the first in which all operators are as they are used here, so that as
# many runtimes as possible can run them. None of these operators has changed up to the newest set.
OPSET = 21
# The first operator set that is read: before it, axes were attributes and Softmax worked on matrices.
OLDEST_READ = 13
# Protocol buffers, of which ONNX files are made, end here.
LARGEST_FILE = 2**31 - 1

Path = str | os.PathLike[str]


def onnx(model: Any, path: Path, opset: int = OPSET) -> None:
    """Write what a model predicts as an ONNX graph, which ONNX Runtime and many other programs run.

    Parameters
    ----------
    model : Model
        Any model of the library's own layers. Those that only act in training (dropout, noise, penalties of activities)
        leave nothing in the graph.
    path : str or path
        Usually ends in ``.onnx``. An existing file is replaced in one go, after the disk has the new one.
    opset : int, default 21
        The version of ONNX's operators, from 21 to the newest one of the installed package onnx.

    Raises
    ------
    ImportError
        If the package onnx is not installed: ``pip install "cbackprop[onnx]"``.
    TypeError
        If `model` is no model, or an argument is of the wrong type.
    ValueError
        If the model has no shape yet, a layer has its computation in Python or in another package, behaves as in
        training, or the weights exceed the 2 GB of an ONNX file; the message names the layer.
    OSError
        If the file cannot be written. An existing one is then untouched.

    Notes
    -----
    Inputs and outputs of the graph have the model's `input_names` and `output_names`, or the keys of the dicts that it
    was made with; an output that is called like an input gets a number behind its name. The batch axis is left open.
    Weights that layers share are stored once. Inputs of integer type are turned into floats by the graph, and outputs
    that `predict` returns as int64 are int64.

    Numbers agree with `predict` to the rounding of the model's float type; but the epsilon of batch and group
    normalization is an attribute, which ONNX rounds to float32 in float64, too.

    References
    ----------
    Open Neural Network Exchange, https://onnx.ai/onnx/operators.

    Examples
    --------
    >>> import os, tempfile
    >>> import cbackprop as cb
    >>> x = cb.Input((3,), name="x")
    >>> model = cb.Model(x, cb.layers.Dense(2, activation="softmax", name="y")(x))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cb.export.onnx(model, os.path.join(folder, "model.onnx"))
    ...     again = cb.export.from_onnx(os.path.join(folder, "model.onnx"))
    >>> again.input_names, again.output_names
    (['x'], ['y'])
    """
    from cbackprop.export.onnx_writer.model import graph_of

    package = _package()
    content = graph_of(package, model, opset)
    container.replace(_checked(path), content)


def from_onnx(path: Path, outputs: Sequence[str] | None = None) -> Any:
    """A trainable model of the graph in an ONNX file.

    Parameters
    ----------
    path : str or path
        Written by `onnx`, or by PyTorch, scikit-learn's converter and others, for operator set 13 or later. Large
        weights may be in a file of their own beside it.
    outputs : sequence of str, optional
        Names of values of the graph that the model is to predict: some of its outputs, for instance without those that
        hold no numbers, or values on the way there. All outputs by default.

    Returns
    -------
    Model
        Not compiled. Matrix products, tables, normalizations and PReLU are layers whose weights are those of the file,
        to be trained on; other constants are fixed.

    Raises
    ------
    ImportError
        If the package onnx is not installed: ``pip install "cbackprop[onnx]"``.
    TypeError
        If `path` is no path, or `outputs` no sequence of strings.
    OSError
        If there is no such file.
    ValueError
        If it is no ONNX file or damaged, holds operators that no layer computes (the message lists them all), or
        mixes the samples of a batch.

    Notes
    -----
    The first axis of inputs and outputs must be the batch's. Operators together that make a layer or an activation,
    such as those of a decomposed GELU or layer normalization, become that. Nothing in a file is executed.

    References
    ----------
    Open Neural Network Exchange, https://onnx.ai/onnx/operators.

    Examples
    --------
    See `onnx`.
    """
    from cbackprop.export.onnx_reader.model import model_of

    package = _package()
    path = _checked(path)
    if outputs is not None and (
        isinstance(outputs, str) or not outputs or not all(isinstance(name, str) for name in outputs)
    ):
        raise TypeError(f"outputs must be a list of names, but got {outputs!r}.")
    if os.path.getsize(path) > LARGEST_FILE:
        raise ValueError(f"{path!r} is no ONNX file: it is larger than 2 GB.")
    with open(path, "rb") as file:
        content = file.read()
    return model_of(package, path, content, outputs)


def _package() -> Any:
    """The package onnx."""
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise ImportError('ONNX files need the package onnx: pip install "cbackprop[onnx]".') from error


def _checked(path: Any) -> str:
    try:
        text = os.fspath(path)
    except TypeError:
        text = path
    if not isinstance(text, str):
        raise TypeError(f"path must be a string or a path, but got {path!r} of type {type(path).__name__}.")
    return text
