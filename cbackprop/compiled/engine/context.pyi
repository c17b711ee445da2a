from typing import Any

from numpy.typing import NDArray

class Context:
    capacity: int
    def __init__(
        self,
        capacity: int,
        arena: NDArray[Any],
        widths: list[int],
        value_offsets: list[int | None],
        delta_offsets: list[int | None],
        scratch_offsets: list[int | None],
        scratch_widths: list[int],
        n_heads: int,
    ) -> None: ...
    def set_staging(self, arrays: list[NDArray[Any] | None]) -> None: ...
