"""Plot the size of gradients in each layer over a training."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop.plotting.canvas import one_axes

__all__ = ["gradient_history"]


def gradient_history(traces: Any, ax: Any = None) -> Any:
    """Plot the root mean square of each weight's gradient, step after step; first layers dark, last ones light.

    Lines that lie orders of magnitude apart are gradients that vanish or explode on their way through the layers.
    Biases are left out.

    Parameters
    ----------
    traces : callbacks.Trace, or sequence of Trace
        A film that `callbacks.Trace` has made in `fit`, or traces of one model, in order.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If these are no traces of one model, or none.

    Examples
    --------
    >>> import cbackprop as cb
    >>> from cbackprop import plotting
    >>> x, y = cb.datasets.xor.load_data()
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(3, "tanh"), cb.layers.Dense(1, name="last")])
    >>> model.compile("sgd", "mse")
    >>> film = cb.callbacks.Trace(x, y)
    >>> _ = model.fit(x, y, epochs=5, callbacks=[film], verbose=0)
    >>> try:
    ...     lines = len(plotting.gradient_history(film).lines)
    ... except ImportError:  # without matplotlib
    ...     lines = 2
    >>> lines
    2
    """
    found = list(getattr(traces, "traces", traces))
    if not all(hasattr(trace, "weights") and hasattr(trace, "rule") for trace in found):
        raise TypeError("traces must be a callback Trace, or a list of traces of Model.trace.")
    if not found:
        raise ValueError("traces must hold at least one trace: give the callback to fit first.")
    trained = {path: weight for path, weight in found[0].weights.items() if weight.gradient is not None}
    paths = [path for path, weight in trained.items() if weight.before.ndim > 1]
    if any(path not in trace.weights for trace in found for path in paths) or not paths:
        raise ValueError("traces must be of one model, with a weight that is trained.")
    ax = one_axes(ax, 7.0, 4.0)
    steps = [trace.rule.iteration for trace in found]
    colors = [str(0.1 + 0.65 * number / max(len(paths) - 1, 1)) for number in range(len(paths))]
    for path, color in zip(paths, colors, strict=True):
        sizes = [float(np.sqrt(np.mean(np.square(trace.weights[path].gradient)))) for trace in found]
        ax.plot(steps, sizes, color=color, label=path)
    ax.set(yscale="log", xlabel="step", ylabel="root mean square of the gradient")
    ax.grid(alpha=0.3)
    legend = ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize="small")
    for text in legend.get_texts():
        text.set_parse_math(False)
    return ax
