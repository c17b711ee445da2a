from typing import Any

REDUCTIONS: dict[str, int]

class MetricSum:
    total: float
    count: float
    def __init__(self, function: Any, weighted: bool) -> None: ...
    def reset(self) -> None: ...

class Head:
    positions: int
    width: int
    alone: bool
    def __init__(
        self, positions: int, width: int, loss: Any, reduction: str, loss_weight: float, metrics: list[MetricSum]
    ) -> None: ...
    def allocate(self, samples: int) -> None: ...
