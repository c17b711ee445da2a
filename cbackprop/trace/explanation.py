"""The arithmetic of one unit or of one weight, in figures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.suggestions import nearest
from cbackprop.trace.layer_trace import LayerTrace, WeightTrace
from cbackprop.trace.linear_terms import gradient_terms, unit_terms
from cbackprop.trace.loss_slope import loss_slope_in_figures
from cbackprop.trace.numbers import number, signed, sum_in_figures
from cbackprop.trace.symbols import slope_formula
from cbackprop.trace.time_step import has_time_steps, output_of, time_of, time_step_lines
from cbackprop.validation import check_integer

if TYPE_CHECKING:
    from cbackprop.trace.trace import Trace

__all__ = ["explain_unit", "explain_weight", "split_index"]

Array = NDArray[Any]


def check_unit(layer: LayerTrace, unit: Any) -> tuple[int, ...]:
    """The index of a unit in a sample of the layer's output."""
    shape = layer.a.shape[1:]
    given = unit if isinstance(unit, tuple) else (*(0,) * (len(shape) - 1), unit)
    if len(given) != len(shape):
        raise ValueError(f"unit must have an entry for each axis of {shape}, the output of {layer.title!r}: {unit!r}.")
    for axis, (value, size) in enumerate(zip(given, shape, strict=True)):
        name = "unit" if not isinstance(unit, tuple) else f"unit[{axis}]"
        check_integer(name, value, 0)
        if value >= size:
            raise ValueError(f"{name} must be less than {size}, as layer {layer.title!r} has {shape}, but is {value}.")
    return tuple(int(value) for value in given)


def explain_unit(trace: Trace, layer: LayerTrace, unit: Any, sample: Any, time: Any) -> str:
    """z, a, dL/da and delta of a unit for one sample."""
    place = check_unit(layer, unit)
    sample = check_index("sample", sample, trace.samples, "the number of samples")
    at = (sample, *place)
    lines, is_output = [], True
    if has_time_steps(layer):
        shown_time = own_time = time_of(layer, at)
        if time is not None:
            shown_time = check_index("time", time, layer.times["h"].shape[1], "the number of time steps")
        if shown_time != own_time and len(place) == 2 and not isinstance(unit, tuple):
            place = (output_of(layer, sample, shown_time), place[-1])
            at, own_time = (sample, *place), shown_time
        lines = time_step_lines(layer, at, shown_time)
        is_output = shown_time == own_time  # other steps only pass on their state
    elif time is not None:
        raise ValueError(f"time can only be used for LSTM, GRU and SimpleRNN, but {layer.title!r} is a {layer.kind}.")
    else:
        lines = output_lines(layer, at)
    lines.insert(0, f"sample {sample}, unit {place[0] if len(place) == 1 else place} of {layer.title!r}")
    if layer.above is not None and is_output:
        lines.append(f"dL/da = {above_in_figures(trace, layer, at)}")
    has_slope = any(line.startswith("a = ") for line in lines)
    if layer.delta is not None and has_slope:
        lines.append(f"δ = {delta_in_figures(trace, layer, at)}")
    if layer.delta is None and layer.above is None:
        lines.append("There is no trained weight before it, so dL/da is not computed.")
    return "\n".join(lines)


def check_index(name: str, given: Any, count: int, what: str) -> int:
    """A number from 0 on, less than a count."""
    value: int = check_integer(name, given, 0)
    if value >= count:
        raise ValueError(f"{name} must be less than {count}, {what}, but is {value}.")
    return value


def output_lines(layer: LayerTrace, at: tuple[int, ...]) -> list[str]:
    """z and a of a unit. For a layer without weights and activation: its output."""
    a, z = number(layer.a[at]), z_in_figures(layer, at)
    if layer.function != "linear":
        return [f"z = {z}", f"a = {layer.function}(z) = {a}"]
    if layer.is_dense or (layer.weights and "·" in z):
        return [f"z = {z}", f"a = z = {a}"]
    return [f"output = {z}"]


def z_in_figures(layer: LayerTrace, at: tuple[int, ...]) -> str:
    """z of a unit, written as a weighted sum if it is one."""
    found = number(layer.z[at]) if layer.z.shape == layer.a.shape else "see trace.z"
    if layer.is_dense:
        kernel = layer.weight("kernel").before[:, at[-1]]
        bias = next((weight.before[at[-1]] for weight in layer.weights if weight.name == "bias"), None)
        return f"{sum_in_figures(list(zip(kernel, layer.inputs[0][at[:-1]], strict=True)), bias)} = {found}"
    known = unit_terms(layer, at)
    if known is None or not known[0]:
        return f"{found}  ({layer.kind})"
    terms, rest = known
    return f"{sum_in_figures(terms, rest if rest or layer.weights else None)} = {found}  ({layer.kind})"


def readers_of(trace: Trace, layer: LayerTrace) -> list[LayerTrace]:
    """The layers that read the output of a layer."""
    return [other for other in trace.layers if layer.name in other.sources]


def above_in_figures(trace: Trace, layer: LayerTrace, at: tuple[int, ...]) -> str:
    """dL/da: the sum over the layers that read the output, or the slope of the loss."""
    assert layer.above is not None
    found, readers = number(layer.above[at]), readers_of(trace, layer)
    if not readers:
        figures = loss_slope_in_figures(trace, layer, at)
        made = f"{figures} = {found}" if figures else found
        return f"{made}   from the loss" + ("  (derived)" if layer.linked else "")
    (reader, *others) = readers
    if others or layer.calls > 1 or not reader.is_dense or reader.calls > 1 or reader.delta is None:
        return f"{found}   from {', '.join(repr(other.title) for other in readers)}"
    if reader.inputs[0].shape != layer.a.shape:
        return f"{found}   from {reader.title!r}"
    kernel = reader.weight("kernel").before[at[-1]]
    return f"{sum_in_figures(list(zip(kernel, reader.delta[at[:-1]], strict=True)))} = {found}"


def delta_in_figures(trace: Trace, layer: LayerTrace, at: tuple[int, ...]) -> str:
    """dL/da times the slope."""
    assert layer.delta is not None
    if layer.delta.shape != layer.a.shape:
        return f"see trace[{layer.name!r}].delta  ({layer.function})"
    found = number(layer.delta[at])
    if layer.slope is None or layer.above is None:
        return f"{found}   from dL/da of all units, through {layer.function}"
    above, a = number(layer.above[at]), number(layer.a[at])
    slopes = {
        "tanh": f"(1 − {a.lstrip('−')}²)",
        "sigmoid": f"{a}·(1 − {a})",
        "linear": "1",
    }
    slope = slopes.get(layer.function, number(layer.slope[at]))
    left = "dL/da·f'(z)" if layer.function == "linear" else f"dL/da·({slope_formula(layer.function)})"
    known = f"{left} = {above}·{slope} = {found}"
    return known + ("   (the engine computes δ directly from z)" if layer.linked else "")


def parse_weight(trace: Trace, text: Any) -> tuple[WeightTrace, tuple[int, ...]]:
    """Return the weight and the index of a text such as ``"hidden/kernel[1,0]"``."""
    if not isinstance(text, str):
        raise TypeError(f"weight must be a string such as 'hidden/kernel[1,0]', but got {type(text).__name__}.")
    path, index = (text, ()) if text in trace.weights else split_index(text)
    if index is None or not path.strip():
        raise ValueError(f"weight must be a path and an index, such as 'hidden/kernel[1,0]', but got {text!r}.")
    found = weight_of(trace, path)
    shape = found.before.shape
    if not index and shape and not text.rstrip().endswith("[]"):
        first = ",".join("0" * len(shape))
        raise ValueError(f"weight must have an index into the shape {shape}, as '{path}[{first}]', but got {text!r}.")
    if len(index) != len(shape) or any(i >= size for i, size in zip(index, shape, strict=True)):
        raise ValueError(f"The index of {path!r} does not fit the shape {shape}: got {text!r}.")
    return found, index


def split_index(text: str) -> tuple[str, tuple[int, ...] | None]:
    """Split ``"hidden[1,0]"`` into name and index. Without brackets the index is ``()``; if they hold no index,
    ``None``.

    Names of layers may contain brackets, too, so the last ones are used.
    """
    match = re.fullmatch(r"(.*)\[([^\[\]]*)\]\s*", text, re.DOTALL)
    if match is None:
        return text, ()
    parts = [part.strip() for part in match[2].split(",")]
    if parts[-1] == "":
        del parts[-1]
    if not all(re.fullmatch(r"[0-9]{1,18}", part) for part in parts):
        return match[1], None
    return match[1], tuple(map(int, parts))


def weight_of(trace: Trace, path: str) -> WeightTrace:
    """The weight with this path, or the only one whose path ends with it."""
    for name in (path, path.rstrip(), path.strip()):  # spaces may be part of a layer's name
        if name in trace.weights:
            return trace.weights[name]
    ends = [weight for name, weight in trace.weights.items() if name.endswith("/" + path.strip())]
    if len(ends) != 1:
        raise ValueError(f"There is no weight {path.strip()!r} in this trace. {nearest(path, list(trace.weights))}")
    return ends[0]


def explain_weight(trace: Trace, text: str) -> str:
    """The gradient as a sum over samples, the optimizer's update, and the central difference."""
    weight, index = parse_weight(trace, text)
    lines = gradient_lines(trace, weight, index)
    lines += [f"{trace.rule.name}: {trace.rule.formula()}", *trace.rule.figures(weight, index)]
    if weight.gradient is not None and trace.difference is not None:
        difference = trace.difference(weight, index)
        lines.append(f"central difference of the loss, in float64: {number(difference, 6)}")
    return "\n".join(lines)


def gradient_lines(trace: Trace, weight: WeightTrace, index: tuple[int, ...]) -> list[str]:
    """The terms of a gradient."""
    if weight.gradient is None:
        return [f"dL/dw is not computed: {weight.path!r} is not trained."]
    total = float(weight.gradient[index])
    users = [layer for layer in trace.layers if any(each.path == weight.path for each in layer.weights)]
    if not all(layer.is_dense and layer.delta is not None for layer in users):
        return [linear_gradient_line(users, weight, index)]
    factors: list[tuple[Any, Any]] = []
    for layer in users:
        assert layer.delta is not None
        deltas = layer.delta.reshape(-1, layer.delta.shape[-1])[:, index[-1]]
        x: Array = np.ones_like(deltas)
        if weight.name == "kernel":
            x = layer.inputs[0].reshape(-1, layer.inputs[0].shape[-1])[:, index[0]]
        factors += list(zip(x, deltas, strict=True))
    what = "sample" if len(factors) == trace.samples else "row"
    what += "s" if len(factors) != 1 else ""
    product = "x·δ" if weight.name == "kernel" else "δ"
    found = float(sum(float(a) * float(b) for a, b in factors))
    if weight.name == "bias":
        figures = sum_in_figures([(delta, 1) for _, delta in factors]).replace("·1", "")
    else:
        figures = sum_in_figures(factors)
    more = total - found
    if abs(more) > 1e-5 * max(abs(total), abs(found)) + 1e-12:
        return [
            f"sum over {len(factors)} {what} of {product} = {figures} = {number(found)}",
            f"dL/dw = {number(found)} {signed(more)} (from the regularizer) = {number(total)}",
        ]
    return [f"dL/dw = sum over {len(factors)} {what} of {product} = {figures} = {number(total)}"]


def linear_gradient_line(users: list[LayerTrace], weight: WeightTrace, index: tuple[int, ...]) -> str:
    """Like `gradient_lines` for layers other than Dense: a sum, if the only layer is linear in the weight."""
    assert weight.gradient is not None
    total, kinds = number(weight.gradient[index]), ", ".join(dict.fromkeys(layer.kind for layer in users))
    terms = gradient_terms(users[0], weight, index) if len(users) == 1 else None
    if not terms:
        return f"dL/dw = {total}, summed over samples and positions ({kinds})"
    places = f"{len(terms)} position" + ("s" if len(terms) > 1 else "")
    return f"dL/dw = sum over {places} of x·δ = {sum_in_figures(terms)} = {total}  ({kinds})"
