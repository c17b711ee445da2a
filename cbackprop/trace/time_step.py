"""The arithmetic of one unit of a recurrent layer at one time step, with its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.trace.layer_trace import LayerTrace
from cbackprop.trace.numbers import factor, number, signed, sum_in_figures

__all__ = ["has_time_steps", "output_of", "time_of", "time_step_lines"]

Array = NDArray[Any]
CELLS = ("SimpleRNN", "LSTM", "GRU")
# The usual functions of gates. For other functions only the value is shown.
FUNCTIONS: dict[str, Callable[[float], float]] = {"sigmoid": lambda z: (1 + math.tanh(z / 2)) / 2, "tanh": math.tanh}


def has_time_steps(layer: LayerTrace) -> bool:
    """Whether a layer is one cell that runs over time steps."""
    return layer.kind in CELLS and "h" in layer.times and len(layer.weights) >= 2


def time_step_lines(layer: LayerTrace, at: tuple[int, ...], time: int) -> list[str]:
    """z and the value of each gate, the new states, and the deltas of the gates."""
    sample, unit = at[0], at[-1]
    shown = {name: float(array[sample, time, unit]) for name, array in layer.times.items() if name != "delta"}
    return [
        f"time step {time} (0 to {layer.times['h'].shape[1] - 1})",
        *gate_lines(layer, sample, time, unit, shown),
        *state_lines(layer.kind, shown),
        *delta_lines(layer, sample, time, unit),
    ]


def time_of(layer: LayerTrace, at: tuple[int, ...]) -> int:
    """The time step whose h is the output. Engine and twin may round differently, so the nearest h is taken."""
    return nearest(layer.times["h"][at[0]], layer.a[at[:-1]], at[1] if len(at) == 3 else -1)


def output_of(layer: LayerTrace, sample: int, time: int) -> int:
    """The index of a time step's output in the sequence of outputs."""
    return nearest(layer.a[sample], layer.times["h"][sample, time], time)


def nearest(rows: Array, row: Array, preferred: int) -> int:
    """The row nearest to `row`. Masked steps repeat a state: among equal rows, the preferred one or the last."""
    far = np.abs(rows - row).max(axis=-1)
    far[np.isnan(far)] = np.inf  # in a network that has diverged
    (equal,) = np.nonzero(far == far.min())
    return preferred if preferred in equal else int(equal[-1])


def gates_of(layer: LayerTrace) -> list[str]:
    """The letters of the gates, in the order of the kernel's columns; none for a cell without gates."""
    return [name.removeprefix("z of ") for name in layer.times if name.startswith("z of ")]


def gate_lines(layer: LayerTrace, sample: int, time: int, unit: int, shown: dict[str, float]) -> list[str]:
    """z of each gate as a sum, and its value."""
    gates, lines = gates_of(layer), []
    for position, gate in enumerate(gates or [""]):
        z = shown[f"z of {gate}"] if gate else shown["z"]
        name = f"z of {gate}" if gate else "z"
        lines.append(f"{name} = {z_in_figures(layer, sample, time, (position, unit), z, shown)}")
        if gate:
            lines.append(f"{gate} = {applied(name, z, shown[gate])}")
    return lines


def z_in_figures(
    layer: LayerTrace, sample: int, time: int, column: tuple[int, int], z: float, shown: dict[str, float]
) -> str:
    """z as a sum over the inputs and over the previous states, if it agrees with the cell's result."""
    units = layer.times["h"].shape[-1]
    j = column[0] * units + column[1]
    kernel, recurrent = (layer.weight(name).before for name in ("kernel", "recurrent_kernel"))
    outer, inner = biases_of(layer, j)
    x, h = layer.inputs[0][sample, time], layer.times["h before"][sample, time]
    if x.shape[0] != kernel.shape[0]:
        return number(z)
    of_x, of_h = float(x @ kernel[:, j]), float(h @ recurrent[:, j])
    pairs = list(zip(kernel[:, j], x, strict=True))
    states = list(zip(recurrent[:, j], h, strict=True))
    if is_near(of_x + of_h + outer + inner, z):
        return f"{sum_in_figures(pairs)} {then(states)} {signed(outer + inner)} = {number(z)}"
    reset = shown.get("r", 1.0)
    if is_near(of_x + outer + reset * (of_h + inner), z):
        own = f"{sum_in_figures(states)} {signed(inner)}"
        return f"{sum_in_figures(pairs)} {signed(outer)} + {number(reset)}·({own}) = {number(z)}"
    if "r" in layer.times:
        kept = h * layer.times["r"][sample, time]
        if is_near(of_x + float(kept @ recurrent[:, j]) + outer + inner, z):
            states = list(zip(recurrent[:, j], kept, strict=True))
            return f"{sum_in_figures(pairs)} {then(states)} {signed(outer + inner)} = {number(z)}   (with r·h)"
    return number(z)


def biases_of(layer: LayerTrace, column: int) -> tuple[float, float]:
    """The biases of the product with the inputs, and of the product with the states."""
    bias = next((weight.before for weight in layer.weights if weight.name == "bias"), None)
    if bias is None:
        return 0.0, 0.0
    return (float(bias[0, column]), float(bias[1, column])) if bias.ndim == 2 else (float(bias[column]), 0.0)


def then(pairs: list[tuple[Any, Any]]) -> str:
    """A sum as the continuation of another one."""
    text = sum_in_figures(pairs)
    return f"− {text[1:]}" if text.startswith("−") else f"+ {text}"


def applied(name: str, z: float, value: float) -> str:
    """A gate as a function of its z: the function whose result agrees with the cell's."""
    for function, of in FUNCTIONS.items():
        if is_near(of(z), value):
            return f"{function}({name}) = {number(value)}"
    return f"f({name}) = {number(value)}"


def state_lines(kind: str, shown: dict[str, float]) -> list[str]:
    """The new states from the gates and the previous states."""
    h = shown["h"]
    if kind == "LSTM":
        f, i, g, o, c = (shown[name] for name in ("f", "i", "g", "o", "c"))
        before = shown["c before"]
        found = f"f·c + i·g = {number(f)}·{factor(before)} + {number(i)}·{factor(g)}"
        bent = "tanh(c)" if is_near(o * math.tanh(c), h) else "f(c)"
        made = f"o·{bent} = {number(o)}·{factor(h / o)}" if o else f"o·{bent}"
        return [f"c ← {found} = {number(c)}", f"h ← {made} = {number(h)}"]
    if kind == "GRU":
        z, g, before = shown["z"], shown["g"], shown["h before"]
        return [f"h ← z·h + (1 − z)·g = {number(z)}·{factor(before)} + {number(1 - z)}·{factor(g)} = {number(h)}"]
    return [f"h ← {applied('z', shown['z'], h)}"]


def delta_lines(layer: LayerTrace, sample: int, time: int, unit: int) -> list[str]:
    """dL/dz of each gate at this time step, including the contributions of later steps."""
    delta = layer.times.get("delta")
    if delta is None:
        return []
    gates, units = gates_of(layer) or [""], layer.times["h"].shape[-1]
    values = [float(delta[sample, time, position * units + unit]) for position in range(len(gates))]
    named = [f"{gate}: {number(value)}" if gate else number(value) for gate, value in zip(gates, values, strict=True)]
    return [f"δ = dL/dz, including later time steps: {', '.join(named)}"]


def is_near(found: float, right: float) -> bool:
    """Whether two numbers are equal up to rounding in float32."""
    return abs(found - right) <= 1e-4 * max(abs(found), abs(right)) + 1e-6
