from typing import Any

from numpy.typing import NDArray

_Part = tuple[int, int, int, int, int, bool, float, int, int]
_Sum = tuple[int, int, float, int]

class Gradients:
    n_vectors: int
    n_points: int
    def __init__(
        self,
        layers: list[Any],
        vector: NDArray[Any],
        parameters: list[_Part],
        parts: list[_Part],
        portions: list[_Part],
        sums: list[_Sum],
    ) -> None: ...
    def cut(self, begins: NDArray[Any]) -> None: ...
    def reserve(self, rows: int) -> None: ...
    def chunk_counts(self, rows: int) -> list[int]: ...
    def set_vectors(self, n: int) -> None: ...
