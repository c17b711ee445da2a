from typing import Any

from numpy.typing import NDArray

_Part = tuple[int, int, int, int, int, bool]

class Gradients:
    n_groups: int
    def __init__(
        self, layers: list[Any], vector: NDArray[Any], parameters: list[_Part], parts: list[_Part]
    ) -> None: ...
    def set_groups(self, n: int) -> None: ...
