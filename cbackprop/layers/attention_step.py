"""The core of attention layers, as a step of a network: from queries, keys and values to means of the values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbackprop.contract.expansion import Mask, Value
from cbackprop.layers.operation import Operation
from cbackprop.variable import Variable

__all__ = ["AttentionPast", "AttentionSizes", "AttentionStep", "Sight"]

SampleShape = tuple[int, ...]


class AttentionSizes(NamedTuple):
    """The sizes of a sample of queries, keys and values.

    Queries are (groups, queries, heads, features), keys (groups, keys, key_heads, features), values (groups, keys,
    key_heads, values). The positions of a group see each other. Each head of keys is for the same number of heads of
    queries, which follow each other.
    """

    groups: tuple[int, ...]
    queries: tuple[int, ...]
    keys: tuple[int, ...]
    heads: int
    key_heads: int
    features: int
    values: int

    @property
    def input_shapes(self) -> tuple[SampleShape, SampleShape, SampleShape]:
        """As the step reads queries, keys and values."""
        outer, keys = math.prod(self.groups), math.prod(self.keys)
        return (
            (outer, math.prod(self.queries), self.heads, self.features),
            (outer, keys, self.key_heads, self.features),
            (outer, keys, self.key_heads, self.values),
        )

    def read(self, query: Value, key: Value, value: Value) -> list[Value | Mask]:
        """The inputs in the shapes that the step reads."""
        pairs = zip((query, key, value), self.input_shapes, strict=True)
        return [one._replace(shape=shape) for one, shape in pairs]

    @property
    def score_shape(self) -> SampleShape:
        """The shape of a sample's weights."""
        return (*self.groups, self.heads, *self.queries, *self.keys)


class Sight:
    """A mask: which query sees which key.

    Parameters
    ----------
    shape : tuple of int
        The shape of the mask, for a sample.
    places : ndarray of int
        Numbers of its elements, with an axis for each axis of `AttentionSizes.score_shape`, each of that size or 1.
    sizes : AttentionSizes
    fixed : ndarray, optional
        The mask itself, if it is the same for all samples; else it is an input of the step.

    Attributes
    ----------
    groups, rows, columns : ndarray of int
        Query q of head h of group g sees key k if element ``groups[g h] + rows[q] + columns[k]`` of the mask is not 0.
    """

    def __init__(
        self, shape: SampleShape, places: NDArray[np.intp], sizes: AttentionSizes, fixed: NDArray[Any] | None = None
    ) -> None:
        self.shape = shape
        self.fixed = None if fixed is None else (fixed != 0).astype(np.uint8).flatten()
        before, heads = len(sizes.groups) + 1, (*sizes.groups, sizes.heads)
        self.groups = self._along(places, range(before), heads)
        self.rows = self._along(places, range(before, before + len(sizes.queries)), sizes.queries)
        self.columns = self._along(places, range(before + len(sizes.queries), places.ndim), sizes.keys)

    def _along(self, places: NDArray[np.intp], axes: Sequence[int], sizes: SampleShape) -> NDArray[np.intp]:
        """The places of elements along these axes. Axes of size 1 are repeated."""
        at = tuple(slice(None) if axis in axes else 0 for axis in range(places.ndim))
        return np.broadcast_to(places[at], sizes).flatten()


class AttentionPast:
    """Keys and values of the time steps so far.

    Parameters
    ----------
    rows, length : int
        Samples, and time steps that there is room for.
    layer : HeadAttention

    Attributes
    ----------
    keys, values : ndarray (rows, length, key_heads, ...)
    time : ndarray of int (1,)
        How many time steps there were.
    shown : ndarray of uint8 (rows, length), or None
        Which time steps a mask has not hidden, if there is a mask.
    """

    def __init__(self, rows: int, length: int, layer: Any) -> None:
        self.length = length
        self.keys = np.zeros((rows, length, layer.key_heads, layer.features), layer.dtype)
        self.values = np.zeros((rows, length, layer.key_heads, layer.values), layer.dtype)
        self.time = np.zeros(1, np.intp)
        self.shown: NDArray[np.uint8] | None = None

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """All that is remembered."""
        return [self.keys, self.values, *([] if self.shown is None else [self.shown]), self.time]

    def expect_mask(self) -> None:
        """Remember a mask, too."""
        if self.shown is None:
            self.shown = np.zeros(self.keys.shape[:2], np.uint8)


class AttentionStep(Operation):
    """Means of the values, weighted by softmax of the scores of queries and keys.

    The step's inputs are queries, keys, values and those masks that are not fixed. Its output is (groups, queries,
    heads, values), and behind it in the same row, which then has one axis, the weights, if it `returns_scores`.

    Parameters
    ----------
    name : str
    dtype : {"float32", "float64"}
    sizes : AttentionSizes
    factor : float, default 1
        Of products of queries and keys.
    weights : dict of str to (Variable or None), default {}
        ``"outer_weight"``: the scores are multiplied by it; where they are sums over features, a weight for each is
        possible. ``"inner_weight"``: what is in tanh is multiplied by it.
    additive : bool, default False
        Whether scores are sums over features of tanh(query + key), not products.
    causal : bool, default False
        Whether a query sees only keys up to its own position.
    window : int, optional
        Whether a query sees only keys that are fewer positions away.
    masks : sequence of Sight, default ()
    hides : bool, default False
        Whether some of them are masks of the inputs, not of the call.
    dropout : float, default 0
        The fraction of weights that is dropped in training.
    stream : int, default 0
        Of random numbers.
    hidden_is_zero : bool, default False
        Whether a query that sees no key gets 0, not the mean of all values.
    past : AttentionPast, optional
        What was before: the step then gets one position of each sample, and its queries see those before, too. It sees
        a batch as a whole, and only predicts.
    returns_scores, scores_are_dropped : bool, default False
        Whether the weights are a second output, and as dropout leaves them.
    """

    implementation = "attention.Attention"
    reads_output = False

    def __init__(
        self,
        name: str,
        dtype: str,
        sizes: AttentionSizes,
        *,
        factor: float = 1.0,
        weights: dict[str, Variable | None] | None = None,
        additive: bool = False,
        causal: bool = False,
        window: int | None = None,
        masks: Sequence[Sight] = (),
        hides: bool = False,
        dropout: float = 0.0,
        stream: int = 0,
        hidden_is_zero: bool = False,
        past: AttentionPast | None = None,
        returns_scores: bool = False,
        scores_are_dropped: bool = False,
    ) -> None:
        super().__init__(name, dtype)
        self.outer = math.prod(sizes.groups)
        self.queries, self.keys = math.prod(sizes.queries), math.prod(sizes.keys)
        self.heads, self.key_heads = sizes.heads, sizes.key_heads
        self.features, self.values = sizes.features, sizes.values
        self.factor, self.additive = float(factor), additive
        self.causal, self.window, self.masks, self.hides = causal, window, list(masks), hides
        self.dropout, self.stream = dropout, stream
        self.hidden_is_zero = hidden_is_zero
        self.returns_scores, self.scores_are_dropped = returns_scores, scores_are_dropped
        if past is not None:
            self.keys, self.causal = past.length, False
            self.lasting, self.time, self.couples_samples = [past.keys, past.values], past.time, "always"
            self.shown = past.shown
        self._weights = {name: weight for name, weight in (weights or {}).items() if weight is not None}

    @property
    def weight_names(self) -> list[str]:
        """The names of the weights that the layer has."""
        return list(self._weights)

    @property
    def outer_weight(self) -> Variable | None:
        """The factor of the scores, or of the terms of their sums."""
        return self._weights.get("outer_weight")

    @property
    def inner_weight(self) -> Variable | None:
        """The factor of the sums of queries and keys."""
        return self._weights.get("inner_weight")

    @property
    def outer_shape(self) -> SampleShape:
        """The shape of `outer_weight`."""
        return () if self.outer_weight is None else tuple(self.outer_weight.shape)

    @property
    def variables(self) -> list[Variable]:
        """The weights."""
        return list(self._weights.values())

    @property
    def value_shape(self) -> SampleShape:
        """The shape of the first output."""
        return self.outer, self.queries, self.heads, self.values

    @property
    def score_count(self) -> int:
        """Numbers of the second output."""
        return self.outer * self.heads * self.queries * self.keys

    @property
    def seen(self) -> int:
        """Pairs of a query and a key that are computed with."""
        return self.score_count // 2 if self.causal else self.score_count

    def flops(self, input_shapes: list[SampleShape], output_shape: SampleShape) -> int:
        """Two products, and about 20 operations for the weight of each pair; more for tanh."""
        return self.seen * (2 * (self.features * (10 if self.additive else 1) + self.values) + 20)

    def multiply_adds(self, input_shapes: list[SampleShape], output_shape: SampleShape) -> int:
        """The multiply-adds of both products."""
        return self.seen * (self.features + self.values)
