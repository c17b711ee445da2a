"""The warning for a file whose model cannot be compiled as it was."""

from __future__ import annotations

import warnings

__all__ = ["warn_not_compiled"]


def warn_not_compiled(path: str, error: Exception, stacklevel: int) -> None:
    """Warn at the line this many frames up. It is not an error, because the model can still predict."""
    warnings.warn(
        f"The model in {path!r} is not compiled, because the arguments in the file cannot be used: {error} Pass your "
        "own classes and functions as custom_objects, or compile the model yourself.",
        stacklevel=stacklevel + 1,
    )
