"""The loss, the delta and the metrics of one output of a network, in NumPy."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbackprop.engine.data import Data
from cbackprop.engine.objective import Objective
from cbackprop.losses.loss import quotient
from cbackprop.losses.target import MISSING

__all__ = ["ReferenceHead", "Targets", "targets_of"]

Array = NDArray[Any]


class Targets(NamedTuple):
    """The targets of a batch in all forms; ``None`` for a form that is not needed."""

    values: Array | None  # (rows, width)
    classes: Array | None  # (rows,)
    given: Array | None  # (samples, ...)
    weights: Array | None  # (rows,) or (rows, width)


def targets_of(data: Data, index: int, rows: Any, samples: int, shape: tuple[int, ...], dtype: Any) -> Targets:
    """The targets of an output for some samples, in the types and shapes that twins read."""
    count, width = samples * math.prod(shape[:-1]), shape[-1] if shape else 1
    given, weights = data.given[index], data.weights[index]
    each = weights is not None and width > 1 and weights.size == len(weights) * math.prod(shape)
    return Targets(
        _rows(data.values[index], rows, (count, width), dtype),
        _rows(data.classes[index], rows, (count,), np.int64),
        None if given is None else np.asarray(given[rows], dtype),
        _rows(weights, rows, (count, width) if each else (count,), np.float64),
    )


def _rows(array: Array | None, rows: Any, shape: tuple[int, ...], dtype: Any) -> Array | None:
    """A batch of an array of data, in the type and shape that row functions read."""
    return None if array is None else np.asarray(array[rows], dtype).reshape(shape)


class Measured(NamedTuple):
    """The loss of each unit of a batch, before it is reduced to one number."""

    values: Array  # (units,)
    counted: Array  # (units,): the factor of each value
    shown: Array  # (units,): 1 for units that count, else 0
    divisor: float  # divides the sum of values * counted
    linked: Array  # the predictions, computed from logits if the loss takes over a link
    gradient: Array  # from which the loss computes the delta
    per_row: int  # units in a row


class ReferenceHead:
    """The loss and the metrics of one output.

    A unit has one value and one weight. It is a row of the prediction, or an element of a row if weights belong to
    elements or if elements without a target are left out.

    Parameters
    ----------
    objective : Objective
    function, twins
        The NumPy twins of the loss and of the metrics.
    shape : tuple of int
        The shape of a sample of the prediction.
    """

    def __init__(self, objective: Objective, function: Any, twins: list[Any], shape: tuple[int, ...]) -> None:
        self.objective, self.function, self.twins, self.shape = objective, function, twins, shape
        self.width = shape[-1] if shape else 1
        loss = objective.loss
        self.missing = loss is not None and loss.missing == "ignore"
        self.ignored = getattr(loss, "ignore_class", None)
        self.predictions: Array | None = None  # those of the last batch

    def judge(self, output: Array, targets: Targets, mask: Array | None) -> tuple[float, Array | None, float]:
        """The loss of a batch, the prediction's delta, and the divisor of the sum over rows.

        If the loss takes over a link, `output` holds logits, and the metrics get predictions that the loss computes.
        """
        if output.size == 0:  # an empty array has no loss
            return 0.0, None if self.objective.loss is None else np.zeros_like(output), 1.0
        prediction = output.reshape(-1, self.width)
        present, by_element = self._units(prediction, targets)
        total, delta, divisor = 0.0, None, 1.0
        if self.objective.loss is not None:
            total, delta, divisor, prediction = self._loss(prediction, targets, mask, present, by_element)
        self.predictions = prediction
        for (metric, weighted), twin in zip(self.objective.metrics, self.twins, strict=True):
            self._update(metric, twin, prediction, targets, mask, present, weighted, by_element)
        return total, delta, divisor

    def sample_losses(self, output: Array, targets: Targets, mask: Array | None) -> Array:
        """The loss of each sample, (samples,). The batch's loss is their mean or, if the loss is a sum, their sum."""
        prediction, samples = output.reshape(-1, self.width), len(output)
        present, by_element = self._units(prediction, targets)
        found = self._measure(prediction, targets, mask, present, by_element)
        sums: Array = (found.values * found.counted).reshape(samples, -1).sum(axis=1, dtype=np.float64)
        assert self.objective.loss is not None
        if self.objective.loss.reduction == "sum":
            return sums / found.per_row
        return sums * quotient(float(samples), found.divisor)

    def _units(self, prediction: Array, targets: Targets) -> tuple[Array, bool]:
        """Which elements have a target, and whether units are elements."""
        each = targets.weights is not None and targets.weights.ndim > 1
        by_element = each or (self.missing and self.width > 1 and self.function.each_element)
        return self._present(targets, prediction.shape), by_element

    def _present(self, targets: Targets, shape: tuple[int, ...]) -> Array:
        """Which elements have a target, (rows, width)."""
        present: Array = np.ones(shape, bool)
        if self.missing and targets.classes is not None:
            present &= (targets.classes != MISSING)[:, np.newaxis]
        if self.missing and targets.values is not None:
            present &= ~np.isnan(targets.values)
        return present

    def _measure(
        self, prediction: Array, targets: Targets, mask: Array | None, present: Array, by_element: bool
    ) -> Measured:
        loss = self.objective.loss
        assert loss is not None
        per_row = self.width if by_element else 1
        units = prediction.reshape(-1, self.width // per_row)
        shown = self._of_units(present, by_element, np.min)
        if self.ignored is not None and targets.classes is not None:
            shown = shown * (targets.classes != self.ignored)
        if mask is not None:
            shown = shown * np.repeat(mask, per_row)
        sifted = mask is not None or self.missing or self.ignored is not None
        weights = None if targets.weights is None else self._of_units(targets.weights, by_element, np.mean)
        counted = shown if weights is None else shown * weights
        y = self._read(self.function, loss.target_kind, targets, units.shape[1])
        linked, values, gradient = self.function.evaluate(y, units)
        values = np.where(shown == 0, 0, values)
        if loss.reduction == "sum":
            divisor = float(per_row)
        elif loss.reduction == "mean_with_sample_weight" and (weights is not None or sifted):
            divisor = float(counted.sum())
        else:
            divisor = float(shown.sum())
        return Measured(values, counted, shown, divisor, linked, gradient, per_row)

    def _loss(
        self, prediction: Array, targets: Targets, mask: Array | None, present: Array, by_element: bool
    ) -> tuple[float, Array, float, Array]:
        loss = self.objective.loss
        assert loss is not None
        found = self._measure(prediction, targets, mask, present, by_element)
        divisor, counted = found.divisor, found.counted
        total = quotient(float((found.values * counted).sum(dtype=np.float64)), divisor)
        delta = self.function.delta(found.gradient, quotient(self.objective.loss_weight, divisor) * counted)
        # A row that a mask hides may still be part of a sample whose value counts, as in Dice: its delta stays.
        if (self.missing or self.ignored is not None) and not loss.couples_samples:
            delta[found.shown == 0] = 0
        row_divisor = divisor / found.per_row if divisor else 1.0
        return total, delta.reshape(-1, *self.shape), row_divisor, found.linked.reshape(prediction.shape)

    def _of_units(self, array: Array, by_element: bool, reduce: Any) -> Array:
        """Numbers for elements or rows, as numbers for units."""
        if by_element:
            full = array if array.ndim > 1 else array[:, np.newaxis]
            return np.broadcast_to(full, (len(array), self.width)).reshape(-1).astype(np.float64)
        rows: Array = reduce(array, axis=1) if array.ndim > 1 else array
        return rows.astype(np.float64)

    def _read(self, function: Any, kind: str, targets: Targets, width: int) -> Array:
        """Targets in a form that a twin can read."""
        if kind == "given":
            assert targets.given is not None
            return targets.given
        if kind == "index":
            classes = targets.classes
            assert classes is not None
            return (
                classes if function.takes_any_label else np.where((classes >= 0) & (classes < self.width), classes, 0)
            )
        assert targets.values is not None
        values = np.nan_to_num(targets.values, nan=0.0) if self.missing else targets.values
        return values.reshape(-1, width)

    def _update(
        self,
        metric: Any,
        twin: Any,
        prediction: Array,
        targets: Targets,
        mask: Array | None,
        present: Array,
        weighted: bool,
        by_element: bool,
    ) -> None:
        """Add a batch to a metric."""
        kind = self.objective.target_kind(metric)
        function = getattr(twin, "function", None)
        each = by_element and (function is None or function.each_element)
        counts = None
        if weighted and targets.weights is not None:
            counts = targets.weights
            counts = counts.mean(axis=1) if counts.ndim > 1 and not each else counts
        if mask is not None and metric.takes_mask:
            counts = np.ones(len(prediction)) if counts is None else counts
            counts = counts * (mask[:, np.newaxis] if counts.ndim > 1 else mask)
        if function is None:
            form = {"given": targets.given, "index": targets.classes}.get(kind, targets.values)
            if each and counts is not None and not getattr(metric, "elementwise", True) and hasattr(metric, "size"):
                counts = counts.mean(axis=1) if counts.ndim > 1 else counts
            twin.update(form, prediction, counts, self.shape)
            return
        ignored = getattr(metric, "ignore_class", None)
        if self.missing or each or ignored is not None:
            known = present if each else present.all(axis=1)
            counts = np.ones(known.shape) if counts is None else counts
            counts = counts[:, np.newaxis] * known if counts.ndim < known.ndim else counts * known
            if ignored is not None and targets.classes is not None:
                inside = targets.classes != ignored
                if weighted and targets.weights is not None:
                    counts = counts * inside
                else:  # they count as 0
                    twin.count += float((counts * ~inside).sum())
                    counts = counts * inside
        twin.update(self._read(function, kind, targets, self.width), prediction, counts, self.shape)
