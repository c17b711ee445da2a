"""Read and write named arrays and texts in a safetensors file. A crash while writing never damages an existing file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from cbackprop.distribution.setting import writes_files
from cbackprop.validation import check_regular

__all__ = ["Container", "Part", "read", "replace", "write"]

# No model has a header larger than this; safetensors itself has the same limit.
MAX_HEADER_BYTES = 100_000_000
# Without O_BINARY, Windows would change line ends.
BINARY = getattr(os, "O_BINARY", 0)


def write(path: str, arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> None:
    """Write a file of arrays and texts; see `replace`.

    Raises
    ------
    OSError, MemoryError
        If that fails; `path` is then unchanged.
    """
    _check_memory(arrays, texts)
    replace(path, save(dict(arrays), metadata=dict(texts)))


def _check_memory(arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> None:
    """Raise ``MemoryError`` if there is no room for the content of a file and a copy of it.

    The package safetensors makes both, and ends the process if it gets no memory.
    """
    for_header = 2**16 + 512 * len(arrays) + 2 * sum(map(len, texts.values()))
    np.empty(2 * (sum(array.nbytes for array in arrays.values()) + for_header), np.uint8)


def replace(path: str, content: bytes) -> None:
    """Replace `path` atomically: write a temporary file beside it, wait until it is on disk, and rename it.

    A process that is killed meanwhile leaves the temporary file behind. Its name is a dot, that of `path`, a dot and
    some letters. It is not deleted automatically, because another process may still be writing it.
    Where ranks train together, rank 0 alone writes.

    Raises
    ------
    OSError
        If that fails; `path` is then unchanged.
    """
    if not writes_files():
        return
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path!r} is a folder, but the name of a file is needed.")
    if os.path.exists(path):
        check_regular(path)  # other programs may need a pipe or a device of this name
    if not os.path.basename(path):
        raise FileNotFoundError(f"The name of a file is needed, but got {path!r}.")
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"There is no folder {folder!r} to write {os.path.basename(path)!r} into.")
    temporary, handle = _open_beside(path, folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):  # it may have been renamed already; raise the first error
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _open_beside(path: str, folder: str) -> tuple[str, int]:
    """A new file with the permissions of the file that it will replace, or else of any new file."""
    mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else None
    while True:
        temporary = os.path.join(folder, f".{os.path.basename(path)[:100]}.{secrets.token_hex(4)}")
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o666 if mode is None else mode)
        except FileExistsError:
            continue
        if mode is not None:
            os.chmod(temporary, mode)
        return temporary, handle


def _sync_folder(folder: str) -> None:
    """Make sure that the renaming is on disk, on systems where folders can be opened."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Container:
    """An open file: `texts`, and arrays that are read on request."""

    def __init__(self, path: str, file: Any) -> None:
        self.path = path
        self._file = file
        self.texts: dict[str, str] = file.metadata() or {}
        self.names = set(file.keys())

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of an array, without reading it."""
        return tuple(self._file.get_slice(name).get_shape())

    def array(self, name: str) -> NDArray[Any]:
        """An array of float32 or float64 numbers.

        Raises
        ------
        ValueError
            If it holds anything else.
        """
        kind = self._file.get_slice(name).get_dtype()
        if kind not in ("F32", "F64"):
            raise ValueError(f"{self.path!r} cannot be used: {name!r} holds {kind} instead of float32 or float64.")
        return self.any_array(name)

    def any_array(self, name: str) -> NDArray[Any]:
        """An array of numbers of any type.

        Raises
        ------
        KeyError
            If there is no array of this name.
        """
        if name not in self.names:
            raise KeyError(f"there is no array {name!r}")
        return np.asarray(self._file.get_tensor(name))


class Part(Container):
    """The part of an open file whose names begin with a prefix, seen as a file of its own."""

    def __init__(self, whole: Container, prefix: str, names: Iterable[str], texts: Mapping[str, str]) -> None:
        self.path, self._whole, self._prefix = whole.path, whole, prefix
        self.names, self.texts = set(names), dict(texts)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of an array, without reading it."""
        return self._whole.shape(self._prefix + name)

    def array(self, name: str) -> NDArray[Any]:
        """An array of float32 or float64 numbers; see `Container.array`."""
        return self._whole.array(self._prefix + name)

    def any_array(self, name: str) -> NDArray[Any]:
        """An array of numbers of any type; see `Container.any_array`."""
        return self._whole.any_array(self._prefix + name)


@contextmanager
def read(path: str) -> Iterator[Container]:
    """Open a file that `write` made.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not such a file, or is damaged.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    if len(start) < 9 or start[8:] != b"{" or length > MAX_HEADER_BYTES:
        raise ValueError(f"{path!r} is not a model saved by cbackprop.")
    if 8 + length > size:
        raise ValueError(f"{path!r} is truncated: it ends within its header.")
    try:
        with safe_open(path, "np") as opened:
            yield Container(path, opened)
    except SafetensorError as error:
        raise ValueError(f"{path!r} is truncated or damaged: {error}.") from error
