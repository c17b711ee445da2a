from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from cbackprop.compiled.engine.contexts import Contexts
from cbackprop.compiled.engine.feeds import Feeds
from cbackprop.compiled.engine.network import Network

_Array = NDArray[Any]

class Predictor:
    def __init__(self, network: Network, feeds: Feeds, contexts: Contexts) -> None: ...
    def predict(
        self,
        start: int,
        stop: int,
        outputs: list[int],
        results: list[_Array],
        training: bool = False,
        threads: int = 1,
        tick: Callable[[int], None] | None = None,
        check: bool = False,
        check_first: bool = False,
    ) -> bool: ...
    def predict_now(
        self, x: _Array, result: _Array, shape: tuple[int, ...], source: int, output: int, limit: int = -1
    ) -> bool: ...
