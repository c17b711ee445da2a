"""The context of a layer's running `call` or `build`: whether it trains, and which layers are around it.

Layers that are called or built within it read this context. It passes `training` on, gives weights a path that shows
where they are, and detects a layer whose weights would not be trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["CallContext", "calling", "current_call", "naming", "path_of", "works"]


class CallContext:
    """One run of a `call` written in Python.

    Attributes
    ----------
    training : bool or None
        The default of `training` for layers that are called within.
    used : dict
        The layers that were called within, in order, as keys.
    key : object
        Identifies the step of a network that runs; see `Layer.add_loss`.
    """

    def __init__(self, training: bool | None, key: Any) -> None:
        self.training = training
        self.used: dict[Any, None] = {}
        self.key = key


_call: ContextVar[CallContext | None] = ContextVar("the call that runs", default=None)
_names: ContextVar[tuple[Any, ...]] = ContextVar("the layers whose names begin a path", default=())


def current_call() -> CallContext | None:
    """The innermost `call` that runs in this thread; ``None`` outside of any."""
    return _call.get()


@contextmanager
def calling(layer: Any, training: bool | None, key: Any = None) -> Iterator[CallContext]:
    """Mark the layer's `call` as running inside the ``with`` block."""
    outer = _call.get()
    context = CallContext(training, outer.key if key is None and outer is not None else key)
    token = _call.set(context)
    try:
        with naming(layer):
            yield context
    finally:
        _call.reset(token)


@contextmanager
def naming(layer: Any) -> Iterator[None]:
    """Put weights that are made inside the ``with`` block under the layer's name."""
    token = _names.set(_with(layer))
    try:
        yield
    finally:
        _names.reset(token)


def _with(layer: Any) -> tuple[Any, ...]:
    """The layers whose names begin the path of what this layer makes now."""
    layers = _names.get()
    return layers if layers and layers[-1] is layer else (*layers, layer)


def works(layer: Any) -> bool:
    """Whether the layer's `build` or `call` runs in this thread."""
    return any(each is layer for each in _names.get())


def path_of(layer: Any, name: str) -> str:
    """The path of a weight that a layer is making, such as ``"block/dense/kernel"``."""
    return "/".join([each.name for each in _with(layer)] + [name])
