"""Settings that apply while a command runs, and outputs that several commands have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cbackprop as cb
from cbackprop.cli.files import check_folder

__all__ = ["check_outputs", "plot_history", "settings"]

PICTURES = (".png", ".svg", ".pdf")


@contextmanager
def settings(threads: int | None, floatx: str = "float32") -> Iterator[None]:
    """Set the number of threads (``None``: as many as pay) and the float type inside the ``with`` block."""
    before = cb.config.get_num_threads(), cb.config.floatx()
    cb.config.set_num_threads("auto" if threads is None else threads)
    cb.config.set_floatx(floatx)
    try:
        yield
    finally:
        cb.config.set_num_threads(before[0])
        cb.config.set_floatx(before[1])


def check_outputs(options: Any) -> None:
    """Check output options before training, so that errors do not appear only after it."""
    check_folder("--save", options.save)
    check_folder("--plot", options.plot)
    if options.plot:
        if not options.plot.lower().endswith(PICTURES):
            raise ValueError(f"--plot must end in {', '.join(PICTURES)}, but got {options.plot!r}.")
        try:
            import matplotlib  # noqa: F401
        except ImportError as error:
            raise ImportError("--plot needs matplotlib: pip install matplotlib.") from error


def plot_history(history: Any, path: str) -> None:
    """Draw the curves of a training into a file."""
    axes = cb.plotting.curves(history)
    figure = getattr(axes, "figure", None) or next(iter(getattr(axes, "flat", axes))).figure
    figure.savefig(path)
