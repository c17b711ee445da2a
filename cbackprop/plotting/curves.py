"""Plot learning curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from cbackprop.plotting.canvas import several_axes, without_broken_math
from cbackprop.suggestions import nearest

__all__ = ["curves"]

Run = tuple[list[int], dict[str, list[float]]]


def curves(history: Any, metrics: str | Sequence[str] | None = None, ax: Any = None, yscale: str = "linear") -> Any:
    """Plot losses and metrics over the epochs, with solid lines for training and dashed lines for validation.

    Parameters
    ----------
    history : History or dict, or a list or dict of them
        The result of `fit`, or its ``history``. Several runs have different colors; the keys of a dict are their names.
    metrics : str or list of str, optional
        The metrics to plot, without ``val_``, each in its own panel. All by default.
    ax : Axes or list of Axes, optional
        Where to draw; a new figure by default.
    yscale : {"linear", "log"}, default "linear"

    Returns
    -------
    Axes, or list of Axes
        One for each metric; a single one if `metrics` is a string.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `history` is not a history.
    ValueError
        If a metric does not exist, or there is nothing to draw.

    Examples
    --------
    >>> import cbackprop as cb
    >>> from cbackprop import plotting
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> history = model.fit([[0.0], [1.0]], [[1.0], [3.0]], epochs=3, verbose=0)
    >>> try:
    ...     label = plotting.curves(history, "loss").get_ylabel()
    ... except ImportError:  # without matplotlib
    ...     label = "loss"
    >>> label
    'loss'
    """
    if yscale not in ("linear", "log"):
        raise ValueError(f"yscale must be 'linear' or 'log', but got {yscale!r}.")
    runs = _runs(history)
    names = _names(runs, metrics)
    panels = several_axes(ax, len(names), 4.5, 3.2, columns=3)
    for name, panel in zip(names, panels, strict=True):
        _draw(panel, name, runs, yscale)
    return panels[0] if isinstance(metrics, str) else panels


def _runs(history: Any) -> dict[str, Run]:
    """The runs by name. The name of a single run is empty."""
    if _is_history(history):
        return {"": _run(history)}
    if isinstance(history, Mapping):
        named = {str(name): run for name, run in history.items()}
    elif isinstance(history, (list, tuple)):
        named = {f"run {number}": run for number, run in enumerate(history, 1)}
    else:
        named = {}
    if not named or not all(map(_is_history, named.values())):
        raise TypeError(
            f"history must be the result of fit, or a list or dict of such results, but got {type(history).__name__}."
        )
    return {name: _run(run) for name, run in named.items()}


def _is_history(value: Any) -> bool:
    history = getattr(value, "history", value)
    return isinstance(history, Mapping) and all(_is_curve(values) for values in history.values())


def _is_curve(values: Any) -> bool:
    try:
        return np.ndim(values) == 1 and np.asarray(values).dtype.kind in "fiub"
    except ValueError:
        return False


def _run(value: Any) -> Run:
    history = {str(name): list(values) for name, values in getattr(value, "history", value).items()}
    longest = max(map(len, history.values()), default=0)
    epochs = list(getattr(value, "epoch", ()))
    return (epochs if len(epochs) == longest else list(range(longest))), history


def _names(runs: dict[str, Run], metrics: str | Iterable[str] | None) -> list[str]:
    found = [name.removeprefix("val_") for _, history in runs.values() for name in history]
    known = dict.fromkeys(sorted(found, key=lambda name: name != "loss"))
    names = list(known) if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
    for name in names:
        if name not in known:
            raise ValueError(f"history has no metric {name!r}. {nearest(name, known)}")
    if not names:
        raise ValueError("history has no epochs, so there is nothing to draw.")
    return names


def _draw(ax: Any, name: str, runs: dict[str, Run], yscale: str) -> None:
    several = len(runs) > 1
    for number, (run, (epochs, history)) in enumerate(runs.items()):
        for place, (prefix, style, what) in enumerate((("", "-", "training"), ("val_", "--", "validation"))):
            values = history.get(prefix + name)
            if not values:
                continue
            # With validation_freq = n there are fewer validations than epochs: one after every n-th epoch.
            step = max(1, len(epochs) // len(values))
            at = [epoch + 1 for epoch in epochs[step - 1 :: step][: len(values)]]
            color = f"C{number if several else place}"
            label = f"{run}, {what}" if several else what
            ax.plot(at, values[: len(at)], style, color=color, label=label, marker="o" if len(at) == 1 else None)
    ax.set(xlabel="epoch", yscale=yscale)
    ax.set_ylabel(name, parse_math=False)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.3)
    without_broken_math(ax.legend().get_texts())
