from typing import Any

from numpy.typing import NDArray

class Context:
    capacity: int
    def __init__(
        self,
        capacity: int,
        arena: NDArray[Any],
        itemsize: int,
        layout: Any,
        n_heads: int,
    ) -> None: ...
    def set_staging(self, arrays: list[NDArray[Any] | None]) -> None: ...
