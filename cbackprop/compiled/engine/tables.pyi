from typing import Any

from numpy.typing import NDArray

class Table:
    rows: int
    width: int
    capacity: int
    reads: int

    def __init__(
        self, users: list[tuple[Any, int]], values: NDArray[Any], slots: list[NDArray[Any]], decay: float, reads: int
    ) -> None: ...
    def reserve(self, samples: int) -> None: ...
    def rows_reached(self) -> NDArray[Any]: ...
    def gradient(self) -> NDArray[Any]: ...
