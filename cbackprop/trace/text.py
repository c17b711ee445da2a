"""A trace as text of at most 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cbackprop.trace.layer_trace import LayerTrace, WeightTrace
from cbackprop.trace.numbers import COLUMNS, fitted, matrix_lines, number, shape_of
from cbackprop.trace.symbols import Symbols, slope_formula

if TYPE_CHECKING:
    from cbackprop.trace.trace import Trace

__all__ = ["STAGES", "TITLES", "forward_lines", "stage_lines", "to_text"]

STAGES = ("forward", "loss", "backward", "update")
TITLES = ("1. Forward pass", "2. Loss", "3. Backward pass", "4. Update")


def to_text(trace: Trace) -> str:
    """The four parts of a step in order."""
    head = f"One step of {trace.model!r}: {trace.samples} samples, {trace.dtype}, engine {trace.engine!r}"
    lines = [fitted(head)]
    for stage, title in zip(STAGES, TITLES, strict=True):
        lines += ["", title, "-" * len(title), *stage_lines(trace, stage)]
    return "\n".join(lines)


def stage_lines(trace: Trace, stage: str) -> list[str]:
    """The lines of one part of a step: "forward", "loss", "backward" or "update"."""
    symbols = Symbols(trace)
    if stage == "forward":
        inputs = [line for name, x in trace.inputs.items() for line in named(f"{symbols.inputs[name]}  {name}", x)]
        return inputs + [line for layer in trace.layers for line in forward_lines(layer, symbols)]
    if stage == "loss":
        return list(loss_lines(trace))
    if stage == "backward":
        return [line for layer in reversed(trace.layers) for line in backward_lines(layer, symbols)]
    return list(update_lines(trace))


def named(name: str, array: object) -> list[str]:
    """An array below its name and shape."""
    return [fitted(f"{name} {shape_of(array)}"), *matrix_lines(array)]  # type: ignore[arg-type]


def forward_lines(layer: LayerTrace, symbols: Symbols) -> Iterator[str]:
    """z and a of a layer."""
    k = symbols.number(layer)
    yield ""
    yield fitted(f"{layer.title}: {layer.what}")
    read = [f"{symbols.source(s)} {shape_of(x)}" for s, x in zip(layer.sources, layer.inputs, strict=True)]
    held = [f"{symbols.weight(layer, weight.name)} {shape_of(weight.before)}" for weight in layer.weights]
    plain = layer.function == "linear"
    result = f"{'A' if plain else 'Z'}{k} {shape_of(layer.z)}"
    if layer.is_dense:
        made = f"{read[0]} @ {' + '.join(held)} = {result}"
    else:
        made = f"{layer.kind}({', '.join([*read, *held])}) = {result}"
    yield from wrapped(made)
    for weight in layer.weights:
        yield from named(f"  {symbols.weight(layer, weight.name)}  {weight.name}", weight.before)
    yield from named(f"  {'A' if plain else 'Z'}{k}", layer.z)
    if not plain:
        yield from named(f"  {layer.function}(Z{k}) = A{k}", layer.a)
    for name, array in layer.times.items():
        if name != "delta":
            yield from named(f"  each time step: {name}", array)
    yield from head_lines(layer, "forward")


def head_lines(layer: LayerTrace, stage: str) -> Iterator[str]:
    """The results of the heads of attention; in the backward pass, the derivatives of the loss with respect to them."""
    for name, array in layer.heads.items():
        if name.startswith("dL/d") == (stage == "backward"):
            yield from named(f"  each head: {name}", array)


def loss_lines(trace: Trace) -> Iterator[str]:
    """The loss of each sample and of the batch."""
    for output in trace.outputs:
        yield fitted(f"{output.name}: {output.loss}")
        yield from named("  prediction", output.prediction)
        if output.target is not None:
            yield from named("  target", output.target)
        yield from named("  loss of each sample", output.samples)
        yield f"  loss {number(output.mean, 6)}"
    yield f"loss of the batch {number(trace.loss, 6)}"


def backward_lines(layer: LayerTrace, symbols: Symbols) -> Iterator[str]:
    """delta and the gradients of a layer."""
    if layer.above is None and layer.delta is None:
        return
    k = symbols.number(layer)
    yield ""
    yield fitted(layer.title)
    if layer.above is not None and layer.function != "linear":
        mark = "  (derived)" if "above" in layer.derived else ""
        yield from named(f"  dL/dA{k}{mark}", layer.above)
        if layer.slope is not None:
            mark = "  (derived)" if layer.linked else ""
            yield from named(f"  f'(Z{k}) = {slope_formula(layer.function)}{mark}", layer.slope)
    if layer.delta is not None:
        if layer.linked:
            made = f"δ{k} from loss and {layer.function} together"
        elif layer.function == "linear":
            made = f"δ{k} = dL/dA{k}"
        else:
            made = f"δ{k} = dL/dA{k} ∘ f'(Z{k})" if layer.slope is not None else f"δ{k} through {layer.function}"
        yield from named("  " + made, layer.delta)
    if "delta" in layer.times:
        yield from named("  each time step: delta", layer.times["delta"])
    yield from head_lines(layer, "backward")
    for weight in layer.weights:
        if weight.gradient is not None:
            yield from wrapped("  " + gradient_line(layer, weight, symbols))
            yield from matrix_lines(weight.gradient)


def gradient_line(layer: LayerTrace, weight: WeightTrace, symbols: Symbols) -> str:
    """The factors of a gradient, with shapes: ``A1ᵀ (3,4) @ δ2 (4,1) = dW2 (3,1)``."""
    k, name = symbols.number(layer), f"d{symbols.weight(layer, weight.name)}"
    assert weight.gradient is not None
    result = f"{name} {shape_of(weight.gradient)}"
    if layer.delta is not None and layer.is_dense and layer.calls == 1:
        if weight.name == "kernel":
            x, delta = layer.inputs[0].reshape(-1, layer.inputs[0].shape[-1]), layer.delta
            delta = delta.reshape(-1, delta.shape[-1])
            return f"{symbols.source(layer.sources[0])}ᵀ {shape_of(x.T)} @ δ{k} {shape_of(delta)} = {result}"
        if weight.name == "bias":
            return f"sum of the rows of δ{k} {shape_of(layer.delta)} = {result}"
    calls = "" if layer.calls == 1 else f", summed over {layer.calls} calls"
    return f"{result}  {weight.name} of {layer.kind}{calls}"


def update_lines(trace: Trace) -> Iterator[str]:
    """The optimizer's rule, and each weight before and after."""
    yield fitted(f"{trace.rule.name}, η = {number(trace.rule.rate)}, step {trace.rule.iteration + 1}")
    yield from wrapped(f"  {trace.rule.formula()}")
    for path, weight in trace.weights.items():
        if weight.gradient is None and not weight.step.any():
            continue
        yield ""
        yield fitted(f"{path} {shape_of(weight.before)}")
        for name, slot in weight.memory_after.items():
            yield f"  {name}, before and after"
            yield from matrix_lines(weight.memory_before.get(name, np.zeros_like(slot)))
            yield from matrix_lines(slot)
        yield "  step"
        yield from matrix_lines(weight.step)
        yield "  after"
        yield from matrix_lines(weight.after)
    yield ""
    yield f"loss of the batch {number(trace.loss, 6)} → {number(trace.loss_after, 6)}"


def wrapped(line: str) -> list[str]:
    """A line, wrapped at the last column."""
    return textwrap.wrap(line, COLUMNS, subsequent_indent="    ", break_long_words=True) or [""]
