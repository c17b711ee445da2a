"""Recognize the kind of a file by its first bytes, never by its name."""

from __future__ import annotations

import os
import warnings

from cbackprop.validation import check_regular

__all__ = ["FOR_KERAS", "MissingFileError", "check_suffix", "kind_of", "refuse_other_kinds"]

# Files with these suffixes are written in Keras's format, all others as safetensors.
FOR_KERAS = {"model": ".keras", "weights": ".weights.h5", "shards": ".weights.json"}
# Suffixes that promise another kind of file.
OTHERS = {
    *(".onnx", ".pt", ".pth", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".pb", ".tflite", ".zip", ".gz", ".tar"),
    *(".json", ".yaml", ".yml", ".toml", ".txt", ".md", ".csv", ".tsv", ".parquet", ".py", ".html", ".pdf"),
    *(".png", ".jpg", ".jpeg", ".gif", ".svg", ".bmp"),
}
# The suffixes of Keras's older format, which is not written here.
OLDER = {".h5", ".hdf5"}

STARTS = {
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"PK\x03\x04": "zip",
    b"\x80\x02": "pickle",
    b"\x80\x03": "pickle",
    b"\x80\x04": "pickle",
    b"\x80\x05": "pickle",
}


class MissingFileError(FileNotFoundError, ValueError):
    """There is no file to read. Python has ``FileNotFoundError`` for this and Keras ``ValueError``, so this is both."""


def refuse_other_kinds(path: str, what: str) -> None:
    """Refuse to write a model or weights (`what`) under a suffix of another kind of file.

    Raises
    ------
    ValueError
        If the suffix is one of these.
    """
    if what != "model" and path.lower().endswith(FOR_KERAS["model"]):
        raise ValueError(
            f"The filename must end in '.weights.h5' for Keras's format, or in '.safetensors', but got {path!r}: "
            "'.keras' is for whole models, by Model.save, or ModelCheckpoint without save_weights_only."
        )
    if not path.endswith(FOR_KERAS[what]) and os.path.splitext(path)[1].lower() in OTHERS:
        raise ValueError(
            f"Invalid filepath extension for saving: {path!r} is the name of another kind of file. {_endings(what)}"
        )


def check_suffix(path: str, what: str) -> None:
    """Like `refuse_other_kinds`, but also warn about suffixes of Keras's older formats.

    Raises
    ------
    ValueError
        If the suffix is that of another kind of file.

    Warns
    -----
    UserWarning
        If the suffix is that of an older format of Keras, which is not written here.
    """
    refuse_other_kinds(path, what)
    if not path.endswith(FOR_KERAS[what]) and os.path.splitext(path)[1].lower() in OLDER:
        warnings.warn(
            f"{path!r} will be a safetensors file. This library loads it under any name, but Keras does not; Keras's "
            f"older HDF5 format is not written here. {_endings(what)}",
            stacklevel=4,
        )


def _endings(what: str) -> str:
    return f"Use a name that ends in {FOR_KERAS[what]!r} for a file of Keras, or in '.safetensors' for all others."


def kind_of(path: str, what: str = "model") -> str:
    """The kind of a file: ``"hdf5"``, ``"zip"``, ``"folder"``, ``"shards"``, or ``"safetensors"`` for all others.

    `what`, a model or weights, is named in messages.

    Raises
    ------
    OSError
        If it cannot be read; `MissingFileError` if there is none.
    ValueError
        If it is a pickle, because reading one can run any code.
    """
    if os.path.isfile(os.path.join(path, "config.json")):
        return "folder"
    if not os.path.exists(path) or os.path.isdir(path):
        found = "a folder, not a file," if os.path.isdir(path) else "no file"
        raise MissingFileError(
            f"File not found: there is {found} at {path!r}. Expected a file saved by "
            f"{'Model.save' if what == 'model' else 'Model.save_weights or Model.save'}, here or in Keras."
        )
    check_regular(path)
    with open(path, "rb") as file:
        start = file.read(9)
    if path.endswith(FOR_KERAS["shards"]) and start[:1] == b"{":
        return "shards"
    # A safetensors file begins with the length of its header (any eight bytes); the brace after it is decisive.
    if start[8:] == b"{":
        return "safetensors"
    kind = next((kind for begin, kind in STARTS.items() if start.startswith(begin)), "safetensors")
    if kind == "pickle":
        raise ValueError(
            f"{path!r} is a pickle, which is never opened because it can run code. In PyTorch, load it by "
            "torch.load(path, weights_only=True), and pass the state_dict to load_weights."
        )
    return kind
