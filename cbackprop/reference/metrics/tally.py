"""Accumulate batches for metrics, in NumPy: means of row values, other sums, and metrics written in Python."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from cbackprop.contract.kernel_check import check_kernel, check_sums
from cbackprop.reference.activations import sigmoid_forward
from cbackprop.reference.losses.row_function import Array

__all__ = ["Called", "Confusion", "Histogram", "Hits", "Moments", "RowMean", "Tally", "metric_twin"]


def metric_twin(metric: Any, width: int) -> Any:
    """The object that accumulates batches with rows of `width` elements for a metric."""
    if not metric.runs_in_c():
        return Called(metric)
    implementation: str | None = getattr(metric, "implementation", None)
    if implementation is None:
        raise TypeError(f"{type(metric).__name__} computes nothing: use one of its subclasses.")
    module, _, name = implementation.rpartition(".")
    twin = getattr(importlib.import_module(f"cbackprop.reference.{module}"), name)
    return twin(metric, width) if issubclass(twin, Tally) else RowMean(twin(metric, False))


class RowMean:
    """The weighted sum of the values of rows, and the sum of the weights."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.total = self.count = 0.0

    def snapshot(self) -> Any:
        """The two sums."""
        return self.total, self.count

    def restore(self, state: Any) -> None:
        """Continue from these sums."""
        self.total, self.count = state

    def update(self, y_true: Array, y_pred: Array, weights: Array | None, shape: tuple[int, ...]) -> None:
        """total += sum of w value, count += sum of w. Weights of elements count as shares of their row."""
        parts = 1 if weights is None or weights.shape != y_pred.shape or y_pred.ndim == 1 else y_pred.shape[1]
        if parts > 1:
            y_true, y_pred = y_true.reshape(-1, 1), y_pred.reshape(-1, 1)
        _, values, _ = self.function.evaluate(y_true, y_pred)
        counts = np.ones(len(values)) if weights is None else weights.reshape(-1)
        values = np.where(counts == 0, 0, values)
        self.total += float(values @ counts) / parts
        self.count += float(counts.sum()) / parts


class Called:
    """Calls `update_state` of a metric written in Python with the arrays of a batch."""

    def __init__(self, metric: Any) -> None:
        self.metric = metric
        self.reset = metric.reset_state
        self.snapshot = metric.snapshot
        self.restore = metric.restore

    def update(self, y_true: Array, y_pred: Array, weights: Array | None, shape: tuple[int, ...]) -> None:
        """Pass copies of all arrays, because the metric may keep them."""
        predictions = y_pred.reshape(-1, *shape).copy()
        rows = predictions.shape[:-1] if shape else predictions.shape
        if y_true.shape == y_pred.shape:
            y_true = y_true.reshape(predictions.shape)
        elif y_true.shape == y_pred.shape[:1] and y_true.dtype == np.int64:
            y_true = y_true.reshape(rows)
        if weights is None:
            self.metric.update_state(y_true.copy(), predictions)
        else:
            each = weights.ndim > 1
            self.metric.update_state(
                y_true.copy(), predictions, sample_weight=weights.reshape(predictions.shape if each else rows).copy()
            )


class Tally:
    """Sums to which batches are added.

    Parameters
    ----------
    spec : cbackprop.metrics.Metric
        The user's metric.
    width : int
        The number of elements in a row of the predictions.
    """

    # The forms of targets that `count` reads.
    reads: str | tuple[str, ...] = "values"

    def __init__(self, spec: Any, width: int) -> None:
        check_kernel(self, spec)
        self.spec = spec
        self.width = width
        check_sums(self, spec, width, self.size())
        self.reset()

    def size(self) -> int:
        """The number of sums."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget all batches."""
        self.sums = np.zeros(self.size())

    def snapshot(self) -> Any:
        """A copy of the sums."""
        return self.sums.copy()

    def restore(self, state: Any) -> None:
        """Continue from these sums."""
        if state.shape != self.sums.shape:
            raise ValueError(f"Expected {self.sums.size} sums, but got {state.size}.")
        self.sums = state.copy()

    def update(self, y_true: Array, y_pred: Array, weights: Array | None, shape: tuple[int, ...] = ()) -> None:
        """Add rows (rows, width), with weights (rows,) or (rows, width)."""
        rows = np.ones((len(y_pred), 1)) if weights is None else weights.reshape(len(y_pred), -1)
        each = np.broadcast_to(rows, y_pred.shape)
        if y_true.dtype.kind == "f" and (missing := np.isnan(y_true)).any():
            if self.reads == "values":
                y_true, each = np.where(missing, 0, y_true), np.where(missing, 0, each)
            else:
                y_true = np.where(missing.any(axis=1, keepdims=True), np.nan, y_true)
            self.sums += self.count(y_true, y_pred, each, ~missing).reshape(-1)
            return
        self.sums += self.count(y_true, y_pred, each, np.ones(y_true.shape, bool)).reshape(-1)

    def count(self, y_true: Array, y_pred: Array, weights: Array, present: Array) -> Array:
        """The numbers that a batch adds to the sums. Each element has a weight, which is 0 if its target is missing."""
        raise NotImplementedError


class Histogram(Tally):
    """Weights of negatives and positives by the number of thresholds below their predictions."""

    def size(self) -> int:
        """For each label, two sums for each threshold, and two for predictions below all thresholds."""
        return 2 * (len(self.spec.thresholds) + 1) * (self.width if self.spec.multi_label else 1)

    def count(self, y_true: Array, y_pred: Array, weights: Array, present: Array) -> Array:
        """(labels, 2, thresholds + 1)."""
        spec = self.spec
        if spec.column_weights is not None:
            weights = weights * np.asarray(spec.column_weights)
        above = self.above(sigmoid_forward(y_pred) if spec.from_logits else y_pred)
        if spec.top_k is not None:
            order = np.argsort(-y_pred, axis=1, kind="stable")
            np.put_along_axis(above, order[:, spec.top_k :], 0, axis=1)
        labels = np.broadcast_to(np.arange(self.width) if spec.multi_label else 0, y_pred.shape)
        columns = slice(None) if spec.class_id is None else [spec.class_id]
        found = np.zeros((self.width if spec.multi_label else 1, 2, len(spec.thresholds) + 1))
        places = labels[:, columns], (y_true != 0)[:, columns].astype(int), above[:, columns]
        np.add.at(found, places, weights[:, columns])
        return found

    def above(self, y_pred: Array) -> Array:
        """How many thresholds are below each prediction."""
        thresholds = np.sort(np.asarray(self.spec.thresholds, y_pred.dtype))
        if not self.spec.is_even:
            return np.where(np.isnan(y_pred), 0, np.searchsorted(thresholds, y_pred, side="left"))
        numbers = np.clip(np.nan_to_num(y_pred), 0, 1)
        found = np.ceil(numbers * y_pred.dtype.type(len(thresholds) - 1)).astype(int)
        return np.where(np.isnan(y_pred), 0, np.maximum(found, 1) if self.spec.open_ends else found)


class Hits(Tally):
    """Weights of true positives, false positives, false negatives and positives of each class."""

    def size(self) -> int:
        """Four for each class."""
        return 4 * self.width

    def count(self, y_true: Array, y_pred: Array, weights: Array, present: Array) -> Array:
        """(4, width)."""
        if self.spec.threshold is None:
            hits = (y_pred >= y_pred.max(axis=1, keepdims=True)) & (abs(y_pred) > 1e-9)
        else:
            hits = y_pred > y_pred.dtype.type(self.spec.threshold)
        truth = y_true.astype(float)
        parts = [hits * truth, hits * (1 - truth), ~hits * truth, truth]
        return np.array([(part * weights).sum(axis=0) for part in parts])


class Confusion(Tally):
    """Weights of elements by their class and their predicted class."""

    reads = ("values", "index")

    def size(self) -> int:
        """One for each pair of classes."""
        return int(self.spec.num_classes) ** 2

    def count(self, y_true: Array, y_pred: Array, weights: Array, present: Array) -> Array:
        """(classes, classes)."""
        spec = self.spec
        if spec.sparse_y_pred:
            guess = y_pred >= y_pred.dtype.type(spec.cut) if spec.cut is not None else np.trunc(y_pred)
            truth = np.trunc(y_true)
        else:
            guess, weights = y_pred.argmax(axis=1), weights[:, 0]
            truth = y_true if y_true.ndim == 1 else np.where(np.isnan(y_true[:, 0]), -1, y_true.argmax(axis=1))
        n = spec.num_classes
        counts = (truth >= 0) & (truth < n) & (guess >= 0) & (guess < n)
        if spec.ignore_class is not None:
            counts &= truth != spec.ignore_class
        matrix = np.zeros((n, n))
        places = truth[counts].astype(int), guess[counts].astype(int)
        np.add.at(matrix, places, np.trunc(weights[counts]) if spec.whole_weights else weights[counts])
        return matrix


class Moments(Tally):
    """Weighted sums of y, y^2 and (y - prediction)^2, the sum of the weights, and the number of elements."""

    def size(self) -> int:
        """Four for each column, and one."""
        return 4 * self.width + 1

    def count(self, y_true: Array, y_pred: Array, weights: Array, present: Array) -> Array:
        """(4 width + 1,)."""
        y, error = y_true.astype(float), y_true.astype(float) - y_pred
        parts = [(weights * part).sum(axis=0) for part in (y, y * y, error * error, np.ones_like(y))]
        return np.concatenate([*parts, [present.sum()]])
