from typing import Any

from numpy.typing import NDArray

Part = tuple[int, int, int, int, int, bool]

class Gradients:
    n_groups: int
    def __init__(self, layers: list[Any], vector: NDArray[Any], parameters: list[Part], parts: list[Part]) -> None: ...
    def set_groups(self, n: int) -> None: ...
