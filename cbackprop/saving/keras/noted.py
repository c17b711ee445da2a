"""Restore the state of training that this library stored in a file for Keras."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from cbackprop.saving.container import Container
from cbackprop.saving.contents import FORMAT_VERSION
from cbackprop.saving.keras.archive import KerasFile
from cbackprop.saving.training_state import restore_optimizer, restore_streams, resume

__all__ = ["Noted", "restore_noted"]


class Noted(Container):
    """A `Container` for `training_state`: finds arrays in the file by this library's names for them.

    Raises
    ------
    ValueError
        If the notes are damaged, or made by a newer version.
    """

    def __init__(self, file: KerasFile) -> None:
        self.path = file.path
        self._file = file
        arrays, state, version = (file.notes.get(name) for name in ("arrays", "state", "format"))
        if not isinstance(version, int) or not isinstance(arrays, dict) or not isinstance(state, dict):
            raise ValueError(f"{self.path!r} is damaged: the state of training in it is {str(file.notes)[:80]!r}.")
        if version > FORMAT_VERSION:
            raise ValueError(f"{self.path!r} was made by a newer version of cbackprop: its format is {version}.")
        self._arrays: dict[str, Any] = arrays
        self.state: dict[str, Any] = state
        self.names = set(arrays)

    def array(self, name: str) -> NDArray[Any]:
        """An array of float32 or float64 numbers. Raises ``ValueError`` if it holds anything else."""
        try:
            found = self.any_array(name)
        except KeyError as error:
            raise ValueError(f"{self.path!r} does not fit the optimizer: {error.args[0]}.") from error
        if found.dtype.name not in ("float32", "float64"):
            raise ValueError(f"{self.path!r} is damaged: {name!r} holds {found.dtype} instead of float32 or float64.")
        return found

    def any_array(self, name: str) -> NDArray[Any]:
        """An array of numbers of any type. Raises ``KeyError`` if there is none of this name."""
        place = self._arrays.get(name)
        if not isinstance(place, str) or place not in self._file.datasets:
            raise KeyError(f"there is no array {name!r}")
        found: NDArray[Any] = self._file.array(place)
        return found


def restore_noted(file: KerasFile, model: Any, with_optimizer: bool) -> None:
    """Restore the state of training, so that the next `fit` continues where the saved model was.

    Raises
    ------
    ValueError
        If the notes are damaged or do not match the model.
    """
    noted = Noted(file)
    if with_optimizer:
        restore_optimizer(noted, model, noted.state)
    restore_streams(noted, model, noted.state)
    resume(noted, model, noted.state, always=False)
