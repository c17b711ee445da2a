from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.compiled.engine.context import Context
from cbackprop.compiled.engine.gradients import Gradients
from cbackprop.compiled.engine.head import Head
from cbackprop.compiled.engine.tables import Table
from cbackprop.compiled.optimizers.optimizer import Optimizer, SegmentList

Array = NDArray[Any]

class Engine:
    layers: list[Any]
    heads: list[Head]
    tile_capacity: int
    whole_capacity: int
    head_capacity: int
    busy: bool
    iteration: int
    loss_total: float
    loss_count: float
    def __init__(self, layers: list[Any], widths: list[int], is_double: bool) -> None: ...
    def connect(self, index: int, inputs: tuple[int, ...], output: int, training: int, node: int) -> None: ...
    def set_parameter(self, index: int, k: int, value: Array, trainable: bool) -> None: ...
    def set_backward(self, order: list[int], accumulate: list[list[bool]], linked: list[int]) -> None: ...
    def set_heads(self, heads: list[Head], outputs: list[int]) -> None: ...
    def set_optimizer(self, optimizer: Optimizer, segments: SegmentList) -> None: ...
    def set_tables(self, tables: list[Table]) -> None: ...
    def set_gradients(self, gradients: Gradients) -> None: ...
    def place_tiles(self, contexts: list[Context], capacity: int) -> None: ...
    def place_whole(self, contexts: list[Context], whole: Context, capacity: int) -> None: ...
    def allocate_heads(self, samples: int) -> None: ...
    def set_feeds(
        self,
        input_arrays: list[Any],
        inputs: list[int],
        values: list[Array | None],
        classes: list[Array | None],
        weights: list[Array | None],
    ) -> None: ...
    def stage(self, gathered: bool) -> None: ...
    def float_type(self) -> type: ...
    def check_complete(self) -> None: ...
    def train(
        self,
        order: NDArray[np.int64] | None,
        start: int,
        stop: int,
        batch_size: int,
        tiled: bool,
        update: bool = True,
        training: bool = True,
        threads: int = 1,
        tick: Callable[[int], None] | None = None,
    ) -> None: ...
    def test(
        self,
        start: int,
        stop: int,
        batch_size: int,
        tiled: bool,
        training: bool = False,
        threads: int = 1,
        tick: Callable[[int], None] | None = None,
    ) -> None: ...
    def predict(
        self,
        start: int,
        stop: int,
        outputs: list[int],
        results: list[Array],
        training: bool = False,
        threads: int = 1,
        tick: Callable[[int], None] | None = None,
        check: bool = False,
    ) -> bool: ...
    def unstored(self) -> list[int]: ...
    def keep_team(self, kept: bool) -> None: ...
    def forget_team(self) -> None: ...
    def predict_now(self, x: Array, result: Array, source: int, output: int) -> bool: ...
    def reset(self) -> None: ...
    def sums(self) -> tuple[float, float, list[float]]: ...
    def set_sums(self, loss_total: float, loss_count: float, head_losses: list[float]) -> None: ...
    def head_losses(self) -> list[float]: ...
