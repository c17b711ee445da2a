from typing import Any

from numpy.typing import NDArray

from cbackprop.compiled.engine.network import Network

_Array = NDArray[Any]

class Feeds:
    def __init__(self, network: Network) -> None: ...
    def set(
        self,
        input_arrays: list[Any],
        inputs: list[int],
        values: list[_Array | None],
        classes: list[_Array | None],
        weights: list[_Array | None],
        given: list[_Array | None],
    ) -> None: ...
