"""Attention in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop.reference import random
from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Attention"]


class Attention(Layer):
    """y = D(P) V with P = softmax(S), where the scores S are f Q K^T, or w tanh(a (Q + K)) summed over features.

    With the dropout D: dV = D(P)^T dy, dP = D(dy V^T), dS = P (dP - sum_k P dP). Axes in the products: b sample, g
    group, t query, s key, n head of keys, m query head that shares this head of keys, h feature.
    """

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        spec = self.spec
        q = (spec.outer, spec.queries, spec.heads, spec.features)
        given = 1 if spec.lasting else spec.keys
        k = (spec.outer, given, spec.key_heads, spec.features)
        v = (spec.outer, given, spec.key_heads, spec.values)
        output: tuple[int, ...] = spec.value_shape
        if spec.returns_scores:
            output = (int(np.prod(output, dtype=object)) + spec.score_count,)
        shapes = {"outer_weight": spec.outer_shape, "inner_weight": ()}
        masks = [mask.shape for mask in spec.masks if mask.fixed is None]
        return Fit((q, k, v, *masks), output, {name: shapes[name] for name in spec.weight_names})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The means of the values, and the weights if they are returned."""
        spec, rows = self.spec, len(inputs[0])
        self.q = inputs[0].reshape(rows, spec.outer, spec.queries, spec.key_heads, -1, spec.features)
        self.k, self.v = self._with_past(inputs[1], inputs[2]) if spec.lasting else inputs[1:3]
        self.seen = self._seen(inputs)
        any_seen = self.seen.any(axis=-1, keepdims=True)
        s = self.s = np.where(self.seen, self._scores(parameters), -np.inf)
        if not spec.hidden_is_zero:  # a query that sees no key gets the mean of all
            s = np.where(any_seen, s, np.where(self.reached, 0, -np.inf))
        top = np.where(np.isfinite(s), s, np.finfo(s.dtype).min).max(axis=-1, keepdims=True)
        e = np.exp(s - top)
        total = e.sum(axis=-1, keepdims=True)
        self.p = e / np.where(total == 0, 1, total)
        self.factors = self._factors(batch, rows)
        self.dropped = self.p * self.factors
        y = np.einsum("bgnmts,bgsnv->bgtnmv", self.dropped, self.v)
        if not spec.returns_scores:
            return y.reshape(rows, *self.output_shape)
        shown = self.dropped if spec.scores_are_dropped else self.p
        return np.concatenate([y.reshape(rows, -1), shown.reshape(rows, -1)], axis=1)

    def _with_past(self, k: Array, v: Array) -> tuple[Array, Array]:
        """Keys and values of all time steps so far; the given ones are the last."""
        keys, values = self.spec.lasting
        now = int(self.spec.time[0])
        keys[:, now], values[:, now] = k[:, 0, 0], v[:, 0, 0]
        return keys[:, None], values[:, None]

    def _seen(self, inputs: list[Array]) -> Array:
        """Which keys each query sees: (b, g, n, m, t, s)."""
        spec, rows = self.spec, len(inputs[0])
        t, s = np.arange(spec.queries)[:, None], np.arange(spec.keys)
        positions = np.ones((spec.queries, spec.keys), bool)
        self.reached = np.ones(spec.keys, bool)  # the keys of the time steps so far
        if spec.lasting:
            t = t + spec.time[0]
            self.reached = s <= t
            spec.time[0] += 1
        if spec.causal or spec.lasting:
            positions &= s <= t
        if spec.window:
            positions &= abs(s - t) < spec.window
        seen = np.broadcast_to(positions, (rows, spec.outer * spec.heads, spec.queries, spec.keys))
        if spec.lasting and spec.masks:
            now = spec.time[0] - 1
            spec.shown[:, now] = inputs[3].reshape(rows) != 0
            both = spec.shown[:, now, None] & spec.shown
            return (seen & (both[:, None, None] != 0)).reshape(rows, 1, spec.key_heads, -1, 1, spec.keys)
        given = iter(inputs[3:])
        for mask in spec.masks:
            places = mask.groups[:, None, None] + mask.rows[:, None] + mask.columns
            values = next(given).reshape(rows, -1) if mask.fixed is None else mask.fixed[None]
            seen = seen & (values[:, places] != 0)
        return seen.reshape(rows, spec.outer, spec.key_heads, -1, spec.queries, spec.keys)

    def _weights(self, parameters: list[Array]) -> tuple[Any, Any]:
        """The outer and the inner weight; 1 in place of one that is missing."""
        found = dict(zip(self.spec.weight_names, parameters, strict=True))
        return found.get("outer_weight", 1), found.get("inner_weight", 1)

    def _scores(self, parameters: list[Array]) -> Array:
        """The scores of all queries with all keys: (b, g, n, m, t, s)."""
        outer, inner = self._weights(parameters)
        scores: Array
        if self.spec.additive:
            self.sums = (
                np.einsum("bgtnmh->bgnmth", self.q)[..., None, :]
                + np.einsum("bgsnh->bgnsh", self.k)[:, :, :, None, None]
            )
            self.bent = np.tanh(inner * self.sums)
            scores = (outer * self.bent).sum(axis=-1)
            return scores
        self.products = np.einsum("bgtnmh,bgsnh->bgnmts", self.q, self.k)
        factor = self.products.dtype.type(self.spec.factor) * outer
        scores = factor * self.products
        return scores

    def _factors(self, batch: Batch, rows: int) -> Any:
        """The dropout factors of the weights in training."""
        spec, dtype = self.spec, self.q.dtype.type
        keep = 1 - spec.dropout
        if keep == 1 or not batch.training:
            return 1
        count = rows * spec.score_count
        stays = random.mask(count, keep, batch.iteration, spec.stream, self.node, batch.first * spec.score_count)
        return np.where(stays, dtype(1 / keep if keep > 0 else 0), dtype(0)).reshape(self.p.shape)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The deltas of queries, keys and values, and the gradients of the weights."""
        spec, rows = self.spec, len(delta)
        size = int(np.prod(spec.value_shape))
        flat = delta.reshape(rows, -1)
        dy = flat[:, :size].reshape(rows, spec.outer, spec.queries, spec.key_heads, -1, spec.values)
        reached = flat[:, size:].reshape(self.p.shape) if spec.returns_scores else 0
        dv = np.einsum("bgnmts,bgtnmv->bgsnv", self.dropped, dy)
        dp = np.einsum("bgtnmv,bgsnv->bgnmts", dy, self.v)
        dp = (dp + reached) * self.factors if spec.scores_are_dropped else dp * self.factors + reached
        ds = np.where(self.seen, self.p * (dp - (self.p * dp).sum(axis=-1, keepdims=True)), 0)
        self.deltas = dp, ds
        dq, dk, gradients = (self._back_sums if spec.additive else self._back_products)(ds, parameters)
        masks = [np.zeros((rows, *mask.shape), dy.dtype) for mask in spec.masks if mask.fixed is None]
        return [dq.reshape(rows, *self.input_shapes[0]), dk, dv, *masks], gradients

    def heads(self, with_deltas: bool) -> dict[str, Array]:
        """What each head computed, after both passes: (batch, groups, ...), or (batch, ...) if there is one group."""
        spec, rows = self.spec, len(self.q)
        named = {
            "queries": self.q.reshape(rows, spec.outer, spec.queries, spec.heads, -1),
            "keys": self.k.reshape(rows, spec.outer, spec.keys, spec.key_heads, -1),
            "values": self.v.reshape(rows, spec.outer, spec.keys, spec.key_heads, -1),
        }
        scores = {"scores": self.s, "weights": self.dropped}
        if with_deltas:
            scores |= dict(zip(("dL/dweights", "dL/dscores"), self.deltas, strict=True))
        shape = (rows, spec.outer, spec.heads, spec.queries, spec.keys)
        named |= {name: array.reshape(shape) for name, array in scores.items()}
        return {name: array[:, 0] if spec.outer == 1 else array for name, array in named.items()}

    def _back_products(self, ds: Array, parameters: list[Array]) -> tuple[Array, Array, list[Array]]:
        """The deltas of queries and keys, and the gradients, from the deltas of scores that are products."""
        outer, _ = self._weights(parameters)
        factor = ds.dtype.type(self.spec.factor)
        dq = np.einsum("bgnmts,bgsnh->bgtnmh", factor * outer * ds, self.k)
        dk = np.einsum("bgnmts,bgtnmh->bgsnh", factor * outer * ds, self.q)
        return dq, dk, [np.asarray((ds * factor * self.products).sum())] * len(parameters)

    def _back_sums(self, ds: Array, parameters: list[Array]) -> tuple[Array, Array, list[Array]]:
        """The deltas of queries and keys, and the gradients, from the deltas of scores that are sums."""
        outer, inner = self._weights(parameters)
        slope = ds[..., None] * outer * (1 - self.bent**2)
        dsum = slope * inner
        gradients = []
        for name in self.spec.weight_names:
            if name == "inner_weight":
                gradients.append(np.asarray((slope * self.sums).sum()))
            else:
                terms = (ds[..., None] * self.bent).sum(axis=(0, 1, 2, 3, 4, 5))
                gradients.append(terms if self.spec.outer_shape else np.asarray(terms.sum()))
        return np.einsum("bgnmtsh->bgtnmh", dsum), np.einsum("bgnmtsh->bgsnh", dsum), gradients
