"""A point of a network where what comes back in the backward pass is looked at."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from cbackprop.layers.python_step import PythonStep

__all__ = ["Probe"]


class Probe(PythonStep):
    """Passes its input on, and keeps the derivative of the loss by it.

    Parameters
    ----------
    name : str
    dtype : {"float32", "float64"}

    Attributes
    ----------
    delta : ndarray or None
        That of the last backward pass, (batch, ...); ``None`` if no loss depends on what is here.
    """

    keeps_delta = True
    only_looks = True
    rearranges = True

    def __init__(self, name: str, dtype: str) -> None:
        super().__init__(name, dtype)
        self.delta: NDArray[Any] | None = None

    def call(self, inputs: Any) -> Any:
        """The input."""
        return inputs

    def backward(self, inputs: Any, outputs: Any, delta: NDArray[Any]) -> NDArray[Any]:
        """Keep the delta, and pass it on."""
        self.delta = delta
        return delta
