from typing import Any

REDUCTIONS: dict[str, int]

class MetricSum:
    total: float
    count: float
    def __init__(self, function: Any, weighted: bool) -> None: ...
    def reset(self) -> None: ...

class Head:
    batch_loss: float
    def __init__(
        self, positions: int, width: int, loss: Any, reduction: str, loss_weight: float, metrics: list[MetricSum]
    ) -> None: ...
    def allocate(self, rows: int) -> None: ...
