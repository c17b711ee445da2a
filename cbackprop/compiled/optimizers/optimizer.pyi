from typing import Any

from cbackprop.contract.segment import Segment

class Optimizer:
    n_slots: int
    n_memories: int
    whole: bool
    blas: bool
    dtype: str | None
    def __init__(self, spec: Any) -> None: ...
    def read_rate(self) -> None: ...
    def apply(self, batches: int, segments: SegmentList) -> None: ...

class Optimizer32(Optimizer): ...
class Optimizer64(Optimizer): ...

class SegmentList:
    size: int
    elements: int
    def __init__(self, optimizer: Optimizer, segments: list[Segment]) -> None: ...
