"""A trace as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.trace.layer_trace import LayerTrace
from cbackprop.trace.symbols import Symbols

if TYPE_CHECKING:
    from cbackprop.trace.trace import Trace

__all__ = ["to_latex"]

MOST_ROWS, MOST_COLUMNS = 8, 8
SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
FUNCTIONS = {
    "tanh": r"\tanh",
    "sigmoid": r"\sigma",
    "relu": r"\operatorname{ReLU}",
    "softmax": r"\operatorname{softmax}",
}


def plain(text: str) -> str:
    """Escape the special characters of LaTeX."""
    return re.sub(r"[\\~^#$%&_{}]", lambda match: SPECIAL.get(match[0], "\\" + match[0]), text)


def number(value: Any) -> str:
    """A number with four significant digits."""
    value = float(value)
    if not np.isfinite(value):
        return r"\text{NaN}" if np.isnan(value) else ("-" if value < 0 else "") + r"\infty"
    mantissa, _, exponent = f"{value:.4g}".partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa


def matrix(array: NDArray[Any]) -> str:
    """A small array with its numbers; a large one as its shape."""
    rows = array.reshape(1, -1) if array.ndim < 2 else array
    if rows.ndim > 2 or rows.shape[0] > MOST_ROWS or rows.shape[1] > MOST_COLUMNS or array.size == 0:
        return r"\mathbb{R}^{" + r" \times ".join(map(str, array.shape)) + "}"
    body = r" \\ ".join(" & ".join(number(value) for value in row) for row in rows)
    return rf"\begin{{pmatrix}} {body} \end{{pmatrix}}"


def equation(left: str, array: NDArray[Any]) -> str:
    """An array with its name. For a large one, only the space that it is an element of."""
    right = matrix(array)
    relation = r"\in" if right.startswith(r"\mathbb") else "="
    return rf"{left} &{relation} {right} \\"


def to_latex(trace: Trace) -> str:
    """All four parts of the step."""
    symbols = Symbols(trace)
    lines = [rf"\paragraph{{Forward pass}} of \texttt{{{plain(trace.model)}}}.", r"\begin{align*}"]
    lines += [equation(sub(symbols.inputs[name]), x) for name, x in trace.inputs.items()]
    lines += [line for layer in trace.layers for line in forward(layer, symbols)]
    lines += [r"\end{align*}", r"\paragraph{Loss.}", r"\begin{align*}"]
    for output in trace.outputs:
        lines.append(equation(rf"L_{{\text{{{plain(output.name)}}}}}", output.samples))
    lines += [rf"L &= {number(trace.loss)} \\", r"\end{align*}", r"\paragraph{Backward pass.}", r"\begin{align*}"]
    lines += [line for layer in reversed(trace.layers) for line in backward(layer, symbols)]
    lines += [
        r"\end{align*}",
        rf"\paragraph{{Update}} by {plain(trace.rule.name)}, $\eta = {number(trace.rule.rate)}$.",
    ]
    lines.append(r"\begin{align*}")
    for layer in trace.layers:
        for weight in layer.weights:
            if weight.gradient is not None:
                name = sub(symbols.weight(layer, weight.name))
                lines.append(equation(rf"{name} \leftarrow {name} + \Delta {name}", weight.after))
    lines += [rf"L_{{\text{{after}}}} &= {number(trace.loss_after)} \\", r"\end{align*}"]
    return "\n".join(lines)


def sub(symbol: str) -> str:
    """``W1`` with its number as a subscript: ``W_{1}``. ``W1 of query`` has both as subscripts."""
    match = re.fullmatch(r"(\D*?)_?(\d+)(?: of (.*))?", symbol)
    if match is None:
        return symbol
    owner = "" if match[3] is None else rf",\text{{{plain(match[3])}}}"
    name = match[1] if len(match[1]) == 1 else rf"\mathrm{{{plain(match[1])}}}"
    return f"{name}_{{{match[2]}{owner}}}"


def forward(layer: LayerTrace, symbols: Symbols) -> Iterator[str]:
    """z and a of a layer."""
    k = symbols.number(layer)
    sources = [sub(symbols.source(source)) for source in layer.sources]
    weights = [sub(symbols.weight(layer, weight.name)) for weight in layer.weights]
    yield from (equation(name, weight.before) for name, weight in zip(weights, layer.weights, strict=True))
    z = f"Z_{{{k}}}" if layer.function != "linear" else f"A_{{{k}}}"
    if layer.is_dense:
        made = f"{sources[0]} {' + '.join(weights)}"
    else:
        made = rf"\mathrm{{{plain(layer.kind)}}}({', '.join([*sources, *weights])})"
    yield equation(f"{z} = {made}", layer.z)
    if layer.function != "linear":
        function = FUNCTIONS.get(layer.function, rf"\mathrm{{{plain(layer.function)}}}")
        yield equation(rf"A_{{{k}}} = {function}({z})", layer.a)


def backward(layer: LayerTrace, symbols: Symbols) -> Iterator[str]:
    """delta and the gradients of a layer."""
    k = symbols.number(layer)
    if layer.above is not None:
        yield equation(rf"\frac{{\partial L}}{{\partial A_{{{k}}}}}", layer.above)
    if layer.delta is not None:
        made = "" if layer.slope is None else rf" = \frac{{\partial L}}{{\partial A_{{{k}}}}} \odot f'(Z_{{{k}}})"
        yield equation(rf"\delta_{{{k}}}{made}", layer.delta)
    for weight in layer.weights:
        if weight.gradient is None:
            continue
        name = sub(symbols.weight(layer, weight.name))
        made = ""
        if layer.is_dense and layer.calls == 1:
            made = rf" = {sub(symbols.source(layer.sources[0]))}^T \delta_{{{k}}}" if weight.name == "kernel" else ""
        yield equation(rf"\frac{{\partial L}}{{\partial {name}}}{made}", weight.gradient)
