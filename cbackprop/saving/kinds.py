"""What kind of file a file is, told by its first bytes and never by its name."""

from __future__ import annotations

import os

__all__ = ["FOR_KERAS", "MissingFileError", "kind_of"]

# Files whose names end so are written in Keras's format, all others as safetensors.
FOR_KERAS = {"model": ".keras", "weights": ".weights.h5"}

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


def kind_of(path: str, what: str = "model") -> str:
    """``"hdf5"``, ``"zip"``, or ``"safetensors"`` for everything else; `what` is expected there.

    Raises
    ------
    OSError
        If it cannot be read; `MissingFileError` if there is none.
    ValueError
        If it is a pickle: reading one can run anything.
    """
    if not os.path.exists(path) or os.path.isdir(path):
        found = "a folder, not a file," if os.path.isdir(path) else "no file"
        raise MissingFileError(
            f"File not found: there is {found} at {path!r}. A {what} is expected there that was saved by "
            f"{'Model.save' if what == 'model' else 'Model.save_weights or Model.save'}, here or in Keras."
        )
    with open(path, "rb") as file:
        start = file.read(9)
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
