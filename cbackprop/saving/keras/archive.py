"""Open files of Keras: an HDF5 file with weights, alone or in a zip archive with the model's config."""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from cbackprop.validation import check_regular

__all__ = ["CONFIG", "METADATA", "NOTES", "OWN", "WEIGHTS", "KerasFile", "h5py_module", "open_keras_file"]

WEIGHTS, CONFIG, METADATA = "model.weights.h5", "config.json", "metadata.json"
# The key under which this library stores what Keras has no place for. Keras ignores it.
OWN = "cbackprop"
NOTES = f"{OWN}/notes"
# Keras does not compress. A part that unpacks to far more than the file's size is an attack to exhaust memory.
LARGEST_RATIO, ALWAYS_ALLOWED = 20, 10_000_000
LARGEST_TEXT = 100_000_000
# The errors that h5py and zipfile raise for damaged files.
DAMAGE = (OSError, RuntimeError, ValueError, TypeError, KeyError, LookupError, EOFError, MemoryError, OverflowError)


class KerasFile:
    """An open file of Keras.

    Attributes
    ----------
    path : str
    config : dict or None
        The config of the model; ``None`` in a file with only weights.
    datasets : dict of str to h5py.Dataset
        The datasets of the HDF5 file, by path.
    own_stores : list of (Layer, dict of str to ndarray)
        Arrays of layers that load their own; filled when weights are read.
    notes : dict
        The state of training and `extras`, if this library wrote the file; empty in a file written by Keras.
    """

    def __init__(self, path: str, config: dict[str, Any] | None, metadata: dict[str, Any], files: list[Any]) -> None:
        self.path = path
        self.config = config
        self._files = files
        self.datasets = self._find()
        self.notes = self._read_notes() | metadata
        self.own_stores: list[tuple[Any, dict[str, Any]]] = []

    def _read_notes(self) -> dict[str, Any]:
        if NOTES not in self.datasets:
            return {}
        return _read_json(self.path, NOTES, np.asarray(self.array(NOTES), "uint8").tobytes())

    def _find(self) -> dict[str, Any]:
        """All datasets in this file itself. Links to other files are not followed."""
        h5py = h5py_module(self.path)
        found: dict[str, Any] = {}

        def visit(name: Any, thing: Any) -> None:
            if not isinstance(name, str):
                raise ValueError(f"{name!r} is not a text")
            if isinstance(thing, h5py.Dataset):
                found[name] = thing

        for file in self._files:
            file.visititems(visit)
        return found

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a dataset, without reading it."""
        with self._reading(name):
            return tuple(self.datasets[name].shape or ())

    def array(self, name: str) -> Any:
        """A dataset of numbers as an array.

        Raises
        ------
        ValueError
            If it does not hold numbers, is in another file, or cannot be read.
        """
        dataset = self.datasets[name]
        with self._reading(name):
            is_elsewhere, dtype = dataset.is_virtual or dataset.external, dataset.dtype
        if is_elsewhere:
            raise ValueError(f"{self.path!r} is refused: {name!r} refers to another file.")
        if dtype.kind not in "fiu":
            raise ValueError(f"{self.path!r} is damaged: {name!r} holds {dtype} instead of numbers.")
        with self._reading(name):
            return dataset[()]

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except DAMAGE as error:
            raise ValueError(f"{self.path!r} is damaged: {name!r} cannot be read: {error}.") from error


@contextmanager
def open_keras_file(path: str, kind: str) -> Iterator[KerasFile]:
    """Open a file of Keras 3. `kind` is "hdf5" (``.weights.h5``), "zip" (``.keras``), "folder" or "shards".

    Raises
    ------
    ImportError
        If h5py is not installed.
    ValueError
        If it is not such a file, or is damaged.
    """
    opened_files = ExitStack()
    try:
        config, metadata, contents = _parts_of(path, kind)
        files = []
        for content in contents:
            files.append(opened_files.enter_context(h5py_module(path).File(content, "r")))
    except (*DAMAGE, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, ValueError) and str(error).startswith(repr(path)):
            raise
        opened_files.close()
        raise ValueError(f"{path!r} is truncated or damaged: {error}.") from error
    with opened_files:
        try:
            old = any("model_weights" in file or "layer_names" in file.attrs for file in files)
            opened = None if old else KerasFile(path, config, metadata, files)
        except DAMAGE as error:
            raise ValueError(f"{path!r} is truncated or damaged: {error}.") from error
        if opened is None:
            raise ValueError(
                f"{path!r} is in Keras's older HDF5 format. Load it with Keras, and save it by model.save('x.keras') "
                "or model.save_weights('x.weights.h5')."
            )
        yield opened


def _parts_of(path: str, kind: str) -> tuple[dict[str, Any] | None, dict[str, Any], list[Any]]:
    """The config, this library's notes in the metadata, and the files with weights."""
    if kind == "hdf5":
        return None, {}, [path]
    if kind == "shards":
        return None, {}, _shards(path)
    if kind == "folder":
        return _unfold(path)
    config, metadata, weights = _unpack(path)
    return config, metadata, [weights]


def _shards(path: str) -> list[str]:
    """The files that a ``.weights.json`` file lists; they are in the same folder."""
    with open(path, "rb") as file:
        index = _read_json(path, os.path.basename(path), file.read(ALWAYS_ALLOWED))
    places = index.get("weight_map")
    if not isinstance(places, dict):
        raise ValueError(f"{path!r} is damaged: it has no 'weight_map'.")
    names = list(dict.fromkeys(name for value in places.values() for name in _listed(value)))
    wrong = next((n for n in names if not isinstance(n, str) or os.path.basename(n) != n or n in ("", ".", "..")), None)
    if wrong is not None:
        raise ValueError(f"{path!r} is refused: it refers to {wrong!r}, which is not a file in the same folder.")
    files = [os.path.join(os.path.dirname(path), name) for name in names]
    missing = next((file for file in files if not os.path.isfile(file)), None)
    if missing is not None:
        raise ValueError(f"{path!r} is incomplete: there is no {missing!r}, to which it refers.")
    return files


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _unfold(path: str) -> tuple[dict[str, Any], dict[str, Any], list[Any]]:
    """The parts of a folder."""
    for name in (CONFIG, METADATA, WEIGHTS):
        check_regular(os.path.join(path, name))
    contents: dict[str, dict[str, Any]] = {}
    for name in (CONFIG, METADATA):
        with open(os.path.join(path, name), "rb") as file:
            contents[name] = _read_json(path, name, file.read(LARGEST_TEXT))
    return contents[CONFIG], _own_notes(path, contents[METADATA]), [os.path.join(path, WEIGHTS)]


def _own_notes(path: str, metadata: dict[str, Any]) -> dict[str, Any]:
    found = metadata.get(OWN, {})
    if not isinstance(found, dict):
        raise ValueError(f"{path!r} is damaged: {METADATA!r} holds {found!r} for {OWN!r}.")
    return found


def h5py_module(path: str) -> Any:
    """Import h5py, which reads and writes the weights in files of Keras.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            f'{path!r} is in Keras\'s format, which needs h5py: pip install "cbackprop[h5]". With another suffix, such '
            "as '.safetensors', models are saved without it."
        ) from error
    return h5py


def _unpack(path: str) -> tuple[dict[str, Any], dict[str, Any], io.BytesIO]:
    """The parts of an archive: the config, this library's notes in the metadata, and the weights."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(name.endswith("data.pkl") for name in names):
            raise ValueError(
                f"{path!r} is a PyTorch file, a pickle, which is never opened because it can run code. In PyTorch, "
                "load it by torch.load(path, weights_only=True), and pass the state_dict to load_weights."
            )
        for name in (CONFIG, WEIGHTS):
            if name not in names:
                raise ValueError(f"{path!r} is an archive, but not a model saved by Keras 3: it has no {name!r}.")
            if archive.getinfo(name).file_size > ALWAYS_ALLOWED + LARGEST_RATIO * os.path.getsize(path):
                raise ValueError(f"{path!r} is refused: {name!r} would unpack to many times its size.")
        config = _read_json(path, CONFIG, archive.read(CONFIG))
        metadata: Any = {}
        if METADATA in names and archive.getinfo(METADATA).file_size <= ALWAYS_ALLOWED + os.path.getsize(path):
            metadata = _own_notes(path, _read_json(path, METADATA, archive.read(METADATA)))
        return config, metadata, io.BytesIO(archive.read(WEIGHTS))


def _read_json(path: str, name: str, content: bytes) -> dict[str, Any]:
    """A dict in JSON."""
    try:
        value = json.loads(content)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path!r} is damaged: {name!r} is not JSON.") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path!r} is damaged: {name!r} is not a dict.")
    return value
