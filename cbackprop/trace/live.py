"""Functions by which a trace uses the model that it was made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Live"]


class Live:
    """A function that needs the model of a trace. Copies share it; a pickle holds ``None`` instead."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def __copy__(self) -> Live:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Live:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()
