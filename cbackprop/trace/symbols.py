"""The symbols of arrays in the formulas of a trace: X, Z1, A1, δ1, W1, b1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cbackprop.trace.layer_trace import LayerTrace

if TYPE_CHECKING:
    from cbackprop.trace.trace import Trace

__all__ = ["Symbols", "slope_formula"]

LETTERS = {"kernel": "W", "recurrent_kernel": "U", "bias": "b"}
# f'(z) in terms of a or z, by the activation's name.
SLOPES = {
    "linear": "1",
    "tanh": "1 − a²",
    "sigmoid": "a·(1 − a)",
    "relu": "1 if z > 0 else 0",
    "exponential": "a",
    "softplus": "1/(1 + e⁻ᶻ)",
    "softsign": "1/(1 + |z|)²",
}


def slope_formula(function: str) -> str:
    """f'(z) of an activation in symbols."""
    return SLOPES.get(function, f"{function}'(z)")


class Symbols:
    """Symbols from the number of a layer in the trace, from 1, and from the names of its weights.

    Parameters
    ----------
    trace : Trace
    """

    def __init__(self, trace: Trace) -> None:
        self.numbers = {layer.title: number for number, layer in enumerate(trace.layers, 1)}
        names = list(trace.inputs)
        self.inputs = {name: "X" if len(names) == 1 else f"X{number}" for number, name in enumerate(names, 1)}
        self.titles = {(layer.name, layer.call): layer.title for layer in trace.layers}
        self.by_source = {layer.name: layer.title for layer in trace.layers}

    def number(self, layer: LayerTrace) -> int:
        """The number of a layer."""
        return self.numbers[layer.title]

    def source(self, name: str) -> str:
        """The symbol of a value that a layer reads: an input of the model, or the output of a layer."""
        if name in self.inputs:
            return self.inputs[name]
        title = self.by_source.get(name, name)
        return f"A{self.numbers[title]}" if title in self.numbers else name or "?"

    def weight(self, layer: LayerTrace, name: str) -> str:
        """The symbol of a weight: W, U and b for kernel, recurrent kernel and bias, otherwise its name; and its
        owner."""
        owner, _, own = name.rpartition("/")
        return f"{LETTERS.get(own, own + '_')}{self.number(layer)}" + (f" of {owner}" if owner else "")
