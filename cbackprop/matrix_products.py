"""Which code multiplies matrices: the library's own tiles, or SciPy's BLAS."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

from cbackprop import threads
from cbackprop.compiled.kernels.matrix import HAS_VECTORS

__all__ = ["description", "held", "prepare", "set_setting", "setting", "uses_blas"]

SETTINGS = ("tiles", "blas", "auto")
VARIABLE = "CBACKPROP_PRODUCTS"


def _checked(name: str, value: object) -> str:
    if value not in SETTINGS:
        raise ValueError(f"{name} must be 'tiles', 'blas' or 'auto', but got {value!r}.")
    return str(value)


def _means_blas(setting: str) -> bool:
    """Whether BLAS is what a setting comes to.

    With vectors, tiles are ahead of BLAS or level with it in nearly every shape (docs/design.md has the figures).
    So ``"auto"`` takes BLAS only where the compiler gave the tiles no vectors.
    """
    return setting == "blas" or (setting == "auto" and not HAS_VECTORS)


_setting = _checked(VARIABLE, os.environ.get(VARIABLE, "auto"))
_blas = _means_blas(_setting)


def setting() -> str:
    """``"tiles"``, ``"blas"`` or ``"auto"``."""
    return _setting


def set_setting(value: str) -> None:
    """Take another one from the next run on."""
    global _setting, _blas
    _setting = _checked("value", value)
    _blas = _means_blas(_setting)


def uses_blas() -> bool:
    """Whether the next run is to use BLAS."""
    return _blas


def prepare() -> bool:
    """Return `uses_blas`. If BLAS is used, load it for the kernels; nothing else loads it."""
    blas = uses_blas()
    if blas:
        from cbackprop.compiled.kernels import blas as loaded  # noqa: F401
    return blas


def held(blas: bool) -> AbstractContextManager[None]:
    """Hold BLAS to one thread if it is used. When it is let loose again, its idle threads take processors."""
    return threads.limited(1) if blas else nullcontext()


def description() -> str:
    """The library that multiplies matrices, and the setting that chose it."""
    return f"{'BLAS' if uses_blas() else 'tiles'} ({_setting})"
