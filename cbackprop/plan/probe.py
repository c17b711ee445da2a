"""A point of a network at which the delta of the backward pass is kept."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from cbackprop.layers.python_step import PythonStep

__all__ = ["Probe"]


class Probe(PythonStep):
    """Passes its input on unchanged, and keeps the derivative of the loss by it.

    Parameters
    ----------
    name : str
    dtype : {"float32", "float64"}

    Attributes
    ----------
    delta : ndarray or None
        The delta of the last backward pass, (batch, ...); ``None`` if no loss depends on this point.
    """

    keeps_delta = True
    only_looks = True
    rearranges = True

    def __init__(self, name: str, dtype: str) -> None:
        super().__init__(name, dtype)
        self.delta: NDArray[Any] | None = None

    def call(self, inputs: Any) -> Any:
        """Return the input."""
        return inputs

    def backward(self, inputs: Any, outputs: Any, delta: NDArray[Any]) -> NDArray[Any]:
        """Keep the delta, and pass it on."""
        self.delta = delta
        return delta
