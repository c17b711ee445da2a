"""What is said of a file whose model cannot be compiled as it was."""

from __future__ import annotations

import warnings

__all__ = ["warn_not_compiled"]


def warn_not_compiled(path: str, error: Exception, stacklevel: int) -> None:
    """Warn, at the line so many frames up: without what is missing the model still predicts."""
    warnings.warn(
        f"The model in {path!r} is not compiled, because the arguments in the file cannot be used: {error} Give "
        "classes and functions of your own as custom_objects, or compile the model yourself.",
        stacklevel=stacklevel + 1,
    )
