"""Checked arrays of the user, which engines read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.held_memory import Held, is_whole

__all__ = ["STORED_AS", "Data"]

Array = NDArray[Any]
# The dtypes of data that engines read.
STORED_AS = (
    *("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64"),
)


@dataclass
class Data:
    """Checked arrays, in the forms that kernels read. The first axis of each counts samples.

    Arrays have any dtype in `STORED_AS` and any strides. They are converted when the samples of a batch are fetched.
    Each list has an entry for each input, or for each output; ``None`` where there is no array.

    Attributes
    ----------
    inputs : list
        Arrays (samples, ...) or `SparseRows`; ``None`` for an input that is left out. They become the float type of
        the network.
    values : list
        Targets as large as the output. They become the float type of the network.
    given : list
        Targets of any shape, as users gave them. They become the float type of the network.
    classes : list
        A class for each row of the output. They become int64.
    weights : list
        A weight for each row of the output, or for each element. They become float64.
    """

    inputs: list[Any]
    values: list[Array | None] = field(default_factory=list)
    classes: list[Array | None] = field(default_factory=list)
    weights: list[Array | None] = field(default_factory=list)
    given: list[Array | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.given:
            self.given = [None] * len(self.values)
        self._held: list[Held] = []

    def __len__(self) -> int:
        return next(len(array) for array in self.inputs if array is not None)

    def hold(self) -> None:
        """Store address, shape and dtype of the arrays, which have just been checked, if they are not stored yet."""
        if self._held:
            return
        lists = (self.inputs, self.values, self.classes, self.weights, self.given)
        self._held = [Held.of(array) for arrays in lists for array in arrays if isinstance(array, np.ndarray)]

    def check_held(self) -> None:
        """Check that the arrays are still what they were at `hold`, and that their memory is still there.

        Raises
        ------
        ValueError
            If an array has another shape or dtype, or its memory is gone.
        """
        for held in self._held:
            array, owner = held.array, held.owner
            if array.shape != held.shape or array.dtype != held.dtype:
                raise ValueError(
                    f"An array of shape {held.shape} and dtype {held.dtype} was changed to {array.shape} and "
                    f"{array.dtype} while the model was running on it."
                )
            moved = owner.nbytes != held.length or owner.__array_interface__["data"][0] != held.address
            if (moved and owner is not array) or (held.is_mapped and not is_whole(owner)):
                raise ValueError(
                    f"The memory of an array of shape {held.shape} is not there any more: while the model was running, "
                    "the array that it is a view of was resized, or the file that it is mapped from has become shorter."
                )

    def present(self) -> Data:
        """The data without the inputs that are left out, for an engine that was made for the other inputs."""
        if all(array is not None for array in self.inputs):
            return self
        return replace(self, inputs=[array for array in self.inputs if array is not None])
