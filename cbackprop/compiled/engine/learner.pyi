from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.compiled.engine.contexts import Contexts
from cbackprop.compiled.engine.feeds import Feeds
from cbackprop.compiled.engine.network import Network
from cbackprop.compiled.engine.sums import Sums

class Learner:
    sums: Sums
    first_step: float
    def __init__(self, network: Network, feeds: Feeds, contexts: Contexts) -> None: ...
    def set_exchange(self, exchange: Callable[[], object] | None) -> None: ...
    piece_begins: NDArray[np.intp]
    def set_ranks(self, ranks: Any, first: int, n: int, total: int, own: bool, in_order: bool) -> None: ...
    def most_rows(self, batch_size: int) -> int: ...
    def train(
        self,
        order: NDArray[np.int64] | None,
        start: int,
        stop: int,
        batch_size: int,
        in_blocks: bool,
        update: bool = True,
        training: bool = True,
        threads: int = 1,
        tick: Callable[[int], None] | None = None,
    ) -> None: ...
    def train_epochs(
        self,
        samples: int,
        keys: NDArray[np.uint64] | None,
        batch_size: int,
        in_blocks: bool,
        sums: NDArray[np.float64],
        tick: Callable[[int], None] | None = None,
    ) -> None: ...
    def test(
        self,
        start: int,
        stop: int,
        batch_size: int,
        in_blocks: bool,
        training: bool = False,
        threads: int = 1,
        tick: Callable[[int], None] | None = None,
    ) -> None: ...
