"""Write models to ONNX files and read them."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any

from cbackprop.export.onnx_limits import LARGEST_FILE, OPSET
from cbackprop.saving import container
from cbackprop.validation import check_regular

__all__ = ["from_onnx", "onnx"]


Path = str | os.PathLike[str]


def onnx(model: Any, path: Path, opset: int = OPSET) -> None:
    """Export a model as an ONNX graph that computes its predictions; ONNX Runtime and many other programs run it.

    Parameters
    ----------
    model : Model
        Any model of layers of this library. Layers that act only in training (dropout, noise, activity penalties) are
        left out of the graph.
    path : str or path
        Usually ends in ``.onnx``. An existing file is replaced atomically, after the new one is completely on disk.
    opset : int, default 21
        The version of ONNX's operators, from 21 to the newest one of the installed package onnx.

    Raises
    ------
    ImportError
        If the package onnx is not installed: ``pip install "cbackprop[onnx]"``.
    TypeError
        If `model` is not a model, or an argument is of the wrong type.
    ValueError
        If the model is not built, a layer is written in Python, is from another package, is called with
        ``training=True``, needs a size that the model leaves open, or merges, pools or attends to what a mask hides, or
        the weights exceed the 2 GB of an ONNX file. The message names the layer.
    OSError
        If the file cannot be written. An existing one is then unchanged.

    Notes
    -----
    Inputs and outputs of the graph have the model's `input_names` and `output_names`, or the keys of the dicts that it
    was made with. If an output has the name of an input, a number is appended. The size of the batch is not fixed,
    nor are sizes that the model leaves open. Shared weights are stored once. The graph converts integer inputs to
    floats; outputs that `predict` returns as int64 are int64.

    The states of a layer with `stateful` are further inputs and outputs, behind those of the model: of a layer called
    ``"memory"`` ``"memory_h"`` and ``"memory_next_h"``, for an LSTM also ``"memory_c"`` and ``"memory_next_c"``, with
    several cells ``"memory_0_h"`` and so on. They are (batch, units). Begin with zeros, and give the next call what the
    last one has returned.

    Results agree with `predict` up to the rounding of the model's float type. One exception: the epsilon of batch and
    group normalization is an attribute, which ONNX rounds to float32 even in float64.

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
    """Make a trainable model from the graph in an ONNX file.

    Parameters
    ----------
    path : str or path
        A file written by `onnx`, PyTorch, scikit-learn's converter and others, for operator set 13 or later. Large
        weights may be in a separate file beside it.
    outputs : sequence of str, optional
        Names of the values that the model should predict: some of the graph's outputs (for example, only those that
        are numbers), or intermediate values. All outputs by default.

    Returns
    -------
    Model
        It is not compiled. Matrix products, embeddings, normalizations and PReLU become layers with the weights of the
        file, which can be trained further. Other constants are fixed.

    Raises
    ------
    ImportError
        If the package onnx is not installed: ``pip install "cbackprop[onnx]"``.
    TypeError
        If `path` is not a path, or `outputs` not a sequence of strings.
    OSError
        If there is no such file.
    ValueError
        If the file is not an ONNX file or is damaged, contains operators that no layer computes (the message lists
        all), or combines different samples of a batch.

    Notes
    -----
    The first axis of inputs and outputs must be the batch. Several operators that together form a layer or an
    activation, such as a decomposed GELU or layer normalization, become one layer. No code in a file is executed.

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
    check_regular(path)
    if os.path.getsize(path) > LARGEST_FILE:
        raise ValueError(f"{path!r} is not an ONNX file: it is larger than 2 GB.")
    with open(path, "rb") as file:
        content = file.read()
    return model_of(package, path, content, outputs)


def _package() -> Any:
    """Import the package onnx."""
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
