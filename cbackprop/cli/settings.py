"""What options set for as long as a command runs, and what several commands do in the end."""

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
    """This many threads, or as many as pay, and this float type; those from before afterwards."""
    before = cb.config.get_num_threads(), cb.config.floatx()
    cb.config.set_num_threads("auto" if threads is None else threads)
    cb.config.set_floatx(floatx)
    try:
        yield
    finally:
        cb.config.set_num_threads(before[0])
        cb.config.set_floatx(before[1])


def check_outputs(options: Any) -> None:
    """Refuse what would only fail after training."""
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
    """Curves of a training, in a file."""
    axes = cb.plotting.curves(history)
    figure = getattr(axes, "figure", None) or next(iter(getattr(axes, "flat", axes))).figure
    figure.savefig(path)
