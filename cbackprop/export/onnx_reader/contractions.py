"""Rewrite an Einsum of two values as Transpose and MatMul, so that the formulas of attention recognize it."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

__all__ = ["with_products"]


class Parts(NamedTuple):
    """The letters of an equation: those in both inputs and the output, in one input and the output, in both inputs."""

    shared: str
    left: str
    right: str
    summed: str


def with_products(graph: Any) -> None:
    """Replace each Einsum of two values that is a batch of matrix products."""
    nodes = []
    for node in graph.nodes:
        made = _product(graph, node) if node.operator == "Einsum" and len(node.inputs) == 2 else None
        nodes += made or [node]
        for one in made or []:
            graph.makers[one.outputs[0]] = one
    graph.nodes = nodes


def _product(graph: Any, node: Any) -> list[Any] | None:
    """Two Transposes, a MatMul and a Transpose; `None` if these cannot compute the node."""
    equation = node.attribute("equation").decode(errors="replace").replace(" ", "")
    inputs, arrow, output = equation.partition("->")
    letters = inputs.split(",")
    if not arrow or any(graph.is_constant(name) or graph.is_computed(name) for name in node.inputs):
        return None
    order = node.inputs
    found = parts_of(letters[0], letters[1], output)
    if found is not None and output.find(found.right) < output.find(found.left):
        order, letters = order[::-1], letters[::-1]
        found = found._replace(left=found.right, right=found.left)
    if found is None or any(
        len(graph.shapes.get(name, ())) != len(own) for name, own in zip(order, letters, strict=True)
    ):
        return None
    sizes = {
        letter: size
        for name, own in zip(order, letters, strict=True)
        for letter, size in zip(own, graph.shapes[name], strict=True)
    }
    made: list[Any] = []
    first = _transposed(graph, node, made, order[0], letters[0], found.shared + found.left + found.summed, sizes)
    second = _transposed(graph, node, made, order[1], letters[1], found.shared + found.summed + found.right, sizes)
    result = found.shared + found.left + found.right
    product = node.outputs[0] if result == output else f"{node.outputs[0]}/product"
    made.append(dataclasses.replace(node, operator="MatMul", inputs=[first, second], outputs=[product], attributes={}))
    graph.shapes[product] = tuple(sizes[letter] for letter in result)
    if result != output:
        graph.types[product] = graph.types.get(node.outputs[0], 0)
        made.append(_transpose(node, product, node.outputs[0], result, output))
    return made


def parts_of(first: str, second: str, output: str) -> Parts | None:
    """The letters of an equation; `None` if it is not a batch of matrix products."""
    shared = "".join(letter for letter in output if letter in first and letter in second)
    left = "".join(letter for letter in output if letter in first and letter not in second)
    right = "".join(letter for letter in output if letter in second and letter not in first)
    summed = "".join(letter for letter in first if letter in second and letter not in output)
    whole = sorted(shared + left + summed) == sorted(first) and sorted(shared + right + summed) == sorted(second)
    fits = whole and sorted(shared + left + right) == sorted(output) and len(left) == len(right) == len(summed) == 1
    return Parts(shared, left, right, summed) if fits and "." not in first + second else None


def _transposed(graph: Any, node: Any, made: list[Any], name: str, own: str, wanted: str, sizes: dict[str, Any]) -> str:
    """The name of a value with its axes in the wanted order."""
    if own == wanted:
        return name
    output = f"{node.outputs[0]}/{name}/{wanted}"
    made.append(_transpose(node, name, output, own, wanted))
    graph.shapes[output] = tuple(sizes[letter] for letter in wanted)
    graph.types[output] = graph.types.get(name, 0)
    return output


def _transpose(node: Any, name: str, output: str, own: str, wanted: str) -> Any:
    perm = [own.index(letter) for letter in wanted]
    return dataclasses.replace(
        node, operator="Transpose", inputs=[name], outputs=[output], attributes={"perm": perm}, defaults={}
    )
