"""What kind of file a file is, told by its first bytes and never by its name."""

from __future__ import annotations

__all__ = ["kind_of"]

STARTS = {
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"PK\x03\x04": "zip",
    b"\x80\x02": "pickle",
    b"\x80\x03": "pickle",
    b"\x80\x04": "pickle",
    b"\x80\x05": "pickle",
}


def kind_of(path: str) -> str:
    """``"hdf5"``, ``"zip"``, or ``"safetensors"`` for everything else.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is a pickle: reading one can run anything.
    """
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
