"""Match formulas against a graph."""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from cbackprop.export.formulas import MASKS, TENSORS, TYPES, Formula, operator_of
from cbackprop.export.onnx_reader.graph import Node, ReadGraph

__all__ = ["match"]

COMMUTATIVE = ("Add", "Mul", "Max", "Min", "Equal")
# Tolerances for numbers, which files may have rounded to float32.
RELATIVE = {"single": 2e-7, "double": 1e-8}

Bound = dict[str, Any]


def match(formula: Formula, graph: ReadGraph, node: Node) -> Bound | None:
    """Match a formula whose last operator is `node`: return the values of its variables by name.

    ``None`` if it does not match.
    """
    return next(_Matching(formula, graph).of_node(formula.result, node, {}), None)


class _Matching:
    """A backtracking search: each method yields all bindings with which a part of the formula matches."""

    def __init__(self, formula: Formula, graph: ReadGraph) -> None:
        self.definitions, self.graph = formula.definitions, graph

    def of_value(self, tree: ast.expr, value: str, bound: Bound, rank: int) -> Iterator[Bound]:
        """Match a part of the formula with a value. It is combined with others of `rank` axes."""
        if isinstance(tree, ast.Call):
            node = self.graph.makers.get(value)
            if node is not None and node.outputs[0] == value and not self.graph.is_constant(value):
                yield from self.of_node(tree, node, bound)
        elif isinstance(tree, ast.Name) and tree.id in (*TENSORS, *MASKS):
            if not self.graph.is_constant(value) and bound.get(tree.id, value) == value:
                yield bound | {tree.id: value}
        elif isinstance(tree, ast.Name) and tree.id in self.definitions:
            key = f"{tree.id} ="
            if key not in bound:
                for found in self.of_value(self.definitions[tree.id], value, bound, rank):
                    yield found | {key: value}
            elif bound[key] == value:
                yield bound
        elif self.graph.is_constant(value):
            yield from self._constant(tree, value, bound, rank)

    def _constant(self, tree: ast.expr, value: str, bound: Bound, rank: int) -> Iterator[Bound]:
        number = self.graph.scalar(value)
        if number is not None and self.graph.constants[value].ndim > rank:
            number = None  # broadcasting would add axes
        if isinstance(tree, ast.Subscript):
            assert isinstance(tree.value, ast.Name)
            array = self.graph.constants[value]
            if np.array_equal(bound.get(tree.value.id, array), array):
                yield bound | {tree.value.id: array}
        elif isinstance(tree, ast.Name):
            if number is not None and bound.get(tree.id, number) == number:
                yield bound | {tree.id: number}
        elif number is not None:
            precision = "double" if self.graph.constants[value].dtype == np.float64 else "single"
            if _same(number, ast.literal_eval(tree), RELATIVE[precision]):
                yield bound

    def of_node(self, tree: ast.Call, node: Node, bound: Bound) -> Iterator[Bound]:
        """Match an operator of the formula with one of the graph."""
        names = node.inputs
        if node.problem or node.operator != operator_of(tree) or len(names) != len(tree.args):
            return
        with_attributes = self._attributes(tree, node, bound)
        if with_attributes is None:
            return
        swap = node.operator in COMMUTATIVE and len(names) == 2
        for order in (names, names[::-1]) if swap else (names,):
            yield from self._inputs(tree.args, order, with_attributes, self._rank(names))

    def _inputs(self, trees: list[ast.expr], names: list[str], bound: Bound, rank: int) -> Iterator[Bound]:
        if not trees:
            yield bound
            return
        for found in self.of_value(trees[0], names[0], bound, rank):
            yield from self._inputs(trees[1:], names[1:], found, rank)

    def _rank(self, names: list[str]) -> int:
        """The minimum number of axes of a node's values, including the batch axis."""
        ranks = [self.graph.rank(name) for name in names if name and not self.graph.is_constant(name)]
        return min((1 if rank is None else rank for rank in ranks), default=1)

    def _attributes(self, tree: ast.Call, node: Node, bound: Bound) -> Bound | None:
        """`bound` with attributes that are variables added, if all other attributes match; else ``None``."""
        expected = {str(keyword.arg): keyword.value for keyword in tree.keywords}
        for name in set(itertools.chain(node.attributes, node.defaults)) - set(expected):
            if not _same(node.attribute(name), node.defaults.get(name)):
                return None
        for name, value in expected.items():
            given = node.attribute(name)
            if not isinstance(value, ast.Name):
                if not _same(given, ast.literal_eval(value)):
                    return None
            elif value.id in TYPES:
                types = self.graph.package.TensorProto
                if given not in [getattr(types, kind) for kind in TYPES[value.id]]:
                    return None
            elif given is None or not _same(bound.get(value.id, given), given):
                return None
            else:
                bound = bound | {value.id: self._exact(node, given)}
        return bound

    def _exact(self, node: Node, value: Any) -> Any:
        """A float attribute. It is stored in float32: for float32 graphs, the shortest decimal that rounds to it."""
        double = self.graph.types.get(node.inputs[0]) == self.graph.package.TensorProto.DOUBLE
        return value if double or not isinstance(value, float) else float(str(np.float32(value)))


def _same(a: Any, b: Any, relative: float = RELATIVE["single"]) -> bool:
    """Whether attributes or numbers are equal, floats up to rounding."""
    if isinstance(a, bytes):
        a = a.decode(errors="replace")
    if isinstance(b, bytes):
        b = b.decode(errors="replace")
    numbers = isinstance(a, (int, float)) and isinstance(b, (int, float))
    return math.isclose(a, b, rel_tol=relative) if numbers else bool(a == b)
