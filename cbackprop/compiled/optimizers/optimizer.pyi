from typing import Any

from numpy.typing import NDArray

class Optimizer:
    n_slots: int
    def __init__(self, spec: Any, is_double: bool) -> None: ...
    def apply(self, learning_rate: float, iteration: int, segments: SegmentList) -> None: ...

class SegmentList:
    size: int
    def __init__(
        self,
        optimizer: Optimizer,
        values: NDArray[Any],
        gradients: NDArray[Any],
        slots: list[NDArray[Any]],
        segments: list[tuple[int, int, bool]],
    ) -> None: ...
