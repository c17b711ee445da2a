"""The axes to draw into: given ones, or those of a new figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cbackprop.models.lasting_states import states_of_model_kept

__all__ = [
    "bare_figure",
    "check_model",
    "one_axes",
    "predicted",
    "pyplot",
    "several_axes",
    "without_broken_math",
]


def pyplot() -> Any:
    """Import `matplotlib.pyplot`; the error says what to install."""
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError('Pictures are drawn by matplotlib: pip install "cbackprop[plot]"') from error
    return plt


def bare_figure(width: float, height: float) -> Any:
    """The axes of a new figure of this size in inches. They fill the figure and have no frame."""
    figure = pyplot().figure(figsize=(width, height))
    return figure.add_axes((0, 0, 1, 1))


def one_axes(ax: Any, width: float, height: float) -> Any:
    """`ax`, or the axes of a new figure of this size in inches.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `ax` is not axes.
    """
    plt = pyplot()
    if ax is None:
        return plt.subplots(figsize=(width, height), layout="constrained")[1]
    if not hasattr(ax, "set_xlabel") or not hasattr(ax, "figure"):
        raise TypeError(f"ax must be axes of matplotlib, but got {type(ax).__name__}.")
    return ax


def several_axes(ax: Any, count: int, width: float, height: float, columns: int) -> list[Any]:
    """`count` axes: given ones, or panels of a new figure, each of this size in inches.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If `ax` is not axes, or not `count` of them.
    """
    if ax is not None:
        given = list(ax.flat) if hasattr(ax, "flat") else list(ax) if isinstance(ax, Sequence) else [ax]
        if len(given) != count:
            raise ValueError(f"ax must be {count} axes, one for each panel, but got {len(given)}.")
        return [one_axes(one, width, height) for one in given]
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = pyplot().figure(figsize=(width * columns, height * rows), layout="constrained")
    return [figure.add_subplot(rows, columns, number + 1) for number in range(count)]


def without_broken_math(texts: Iterable[Any]) -> None:
    """Show texts with dollar signs as they are, unless they are formulas, such as ``"$x^2$"``.

    Names of layers are always shown as they are (``parse_math=False``).
    """
    from matplotlib.mathtext import MathTextParser

    for text in texts:
        try:
            MathTextParser("path").parse(text.get_text())
        except ValueError:
            text.set_parse_math(False)


def predicted(model: Any, x: Any) -> Any:
    """A model's predictions. States that last from batch to batch are not changed."""
    with states_of_model_kept(model):
        return model.predict(x, verbose=0)


def check_model(model: Any) -> Any:
    """Check that `model` is a built model, and return it.

    Raises
    ------
    TypeError
        If it is not a model.
    ValueError
        If it is not built.
    """
    if not getattr(model, "is_model", False):
        raise TypeError(f"model must be a model, but got {type(model).__name__}.")
    if not model.built:
        raise ValueError(f"Model {model.name!r} has no shape yet: start it with an Input, build it, or fit it.")
    return model
