"""What kind of file a file is, told by its first bytes and never by its name."""

from __future__ import annotations

import os
import warnings

__all__ = ["FOR_KERAS", "MissingFileError", "check_suffix", "kind_of", "refuse_other_kinds"]

# Files whose names end so are written in Keras's format, all others as safetensors.
FOR_KERAS = {"model": ".keras", "weights": ".weights.h5", "shards": ".weights.json"}
# Whoever sees such a name expects a file of another kind.
OTHERS = {
    *(".onnx", ".pt", ".pth", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".pb", ".tflite", ".zip", ".gz", ".tar"),
    *(".json", ".yaml", ".yml", ".toml", ".txt", ".md", ".csv", ".tsv", ".parquet", ".py", ".html", ".pdf"),
    *(".png", ".jpg", ".jpeg", ".gif", ".svg", ".bmp"),
}
# Older scripts write such names, of a format of Keras's that is not written here.
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
    """There is no file to read. Python's functions raise ``FileNotFoundError`` then, Keras's ``ValueError``."""


def refuse_other_kinds(path: str, what: str) -> None:
    """Refuse to write a model or weights (`what`) under a name that says that the file is something else.

    Raises
    ------
    ValueError
        If that is so.
    """
    if what != "model" and path.lower().endswith(FOR_KERAS["model"]):
        raise ValueError(
            f"The filename must end in '.weights.h5' for a file of Keras's, or in '.safetensors', but got {path!r}: "
            "'.keras' is a whole model, which Model.save writes, and ModelCheckpoint without save_weights_only."
        )
    if not path.endswith(FOR_KERAS[what]) and os.path.splitext(path)[1].lower() in OTHERS:
        raise ValueError(
            f"Invalid filepath extension for saving: {path!r} is the name of another kind of file. {_endings(what)}"
        )


def check_suffix(path: str, what: str) -> None:
    """As `refuse_other_kinds`, with a warning about names of older files.

    Raises
    ------
    ValueError
        If it is the name of another kind of file.

    Warns
    -----
    UserWarning
        If it is the name of one of Keras's older files, which are not written here.
    """
    refuse_other_kinds(path, what)
    if not path.endswith(FOR_KERAS[what]) and os.path.splitext(path)[1].lower() in OLDER:
        warnings.warn(
            f"{path!r} becomes a safetensors file, which this library reads under any name, but Keras does not: its "
            f"older HDF5 format is not written here. {_endings(what)}",
            stacklevel=4,
        )


def _endings(what: str) -> str:
    return f"A name that ends in {FOR_KERAS[what]!r} is a file of Keras's, '.safetensors' says what others are."


def kind_of(path: str, what: str = "model") -> str:
    """``"hdf5"``, ``"zip"``, ``"folder"``, ``"shards"``, or ``"safetensors"`` for everything else.

    `what` is expected there.

    Raises
    ------
    OSError
        If it cannot be read; `MissingFileError` if there is none.
    ValueError
        If it is a pickle: reading one can run anything.
    """
    if os.path.isfile(os.path.join(path, "config.json")):
        return "folder"
    if not os.path.exists(path) or os.path.isdir(path):
        found = "a folder, not a file," if os.path.isdir(path) else "no file"
        raise MissingFileError(
            f"File not found: there is {found} at {path!r}. A {what} is expected there that was saved by "
            f"{'Model.save' if what == 'model' else 'Model.save_weights or Model.save'}, here or in Keras."
        )
    with open(path, "rb") as file:
        start = file.read(9)
    if path.endswith(FOR_KERAS["shards"]) and start[:1] == b"{":
        return "shards"
    # The length of a safetensors header may begin with any bytes; the brace behind it is what tells.
    if start[8:] == b"{":
        return "safetensors"
    kind = next((kind for begin, kind in STARTS.items() if start.startswith(begin)), "safetensors")
    if kind == "pickle":
        raise ValueError(
            f"{path!r} is a pickle, which is never opened because it can run code. In PyTorch, read it by "
            "torch.load(path, weights_only=True), and give load_weights the state_dict."
        )
    return kind
