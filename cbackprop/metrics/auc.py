"""AUC: the area under the ROC curve or the precision-recall curve."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cbackprop.config import epsilon
from cbackprop.metrics.metric import registry
from cbackprop.metrics.thresholds import MOST_THRESHOLDS, Array, ThresholdMetric, check_thresholds, ratio
from cbackprop.validation import check_boolean, check_integer, check_number

__all__ = ["AUC"]

CURVES = {"ROC": "ROC", "roc": "ROC", "PR": "PR", "pr": "PR", "PRGAIN": "PRGAIN", "prgain": "PRGAIN"}
METHODS = ("interpolation", "minoring", "majoring")


@registry.register()
class AUC(ThresholdMetric):
    """Area under the ROC curve or the precision-recall curve, by Riemann sums over thresholds.

    ROC: the true positive rate TP / (TP + FN) over the false positive rate FP / (FP + TN). PR: the precision
    TP / (TP + FP) over the recall. PRGAIN: the precision gain 1 - r FP / TP over the recall gain 1 - r FN / TP, with
    r the number of positives divided by that of negatives.

    Parameters
    ----------
    num_thresholds : int, default 200
        The number of thresholds. They are evenly spaced, except that the first is below 0 and the last above 1.
    curve : {"ROC", "PR", "PRGAIN"}, default "ROC"
    summation_method : {"interpolation", "minoring", "majoring"}, default "interpolation"
        Whether the height of a step is the mean, the smaller or the larger of the heights at its ends. For PR,
        "interpolation" interpolates true and false positives rather than precisions.
    name : str, optional
    dtype : {"float32", "float64"}, optional
    thresholds : list of float, optional
        Thresholds in [0, 1] to use instead of `num_thresholds` evenly spaced ones. One below 0 and one above 1 are
        added.
    multi_label : bool, default False
        Whether each element of a row is a label with its own curve. The result is then the mean of their areas.
    num_labels : int, optional
        The number of labels; only with `multi_label`.
    label_weights : list of float, optional
        The weight of each element of a row.
    from_logits : bool, default False
        Whether `y_pred` holds logits; their sigmoid is taken.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if rows do not have an element for each label.

    Notes
    -----
    If all labels are of one class there is no curve: the area is NaN, with a warning. (Keras returns 0.) Before the
    first batch it is 0.

    References
    ----------
    Arguments and defaults are those of Keras 3. Davis, Goadrich (2006), "The relationship between precision-recall
    and ROC curves", ICML. Flach, Kull (2015), "Precision-recall-gain curves: PR analysis done right", NeurIPS.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.AUC(num_thresholds=3)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])), 4)
    0.75
    """

    fixed_arguments = ("num_thresholds", "thresholds", "multi_label", "num_labels", "label_weights")
    open_ends = True

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: ArrayLike | None = None,
        from_logits: bool = False,
    ) -> None:
        self.init_thresholds = None if thresholds is None else sorted(check_thresholds(thresholds))
        if self.init_thresholds is None:
            n = check_integer("num_thresholds", num_thresholds, 2, MOST_THRESHOLDS)
            inner = [(i + 1) / (n - 1) for i in range(n - 2)]
        else:
            inner = self.init_thresholds
        self.num_thresholds = len(inner) + 2
        super().__init__([-epsilon(), *inner, 1 + epsilon()], dtype, name)
        self.is_even = self.is_even or self.init_thresholds is None
        self.curve = _choose("curve", curve, CURVES)
        self.summation_method = _choose("summation_method", summation_method, {m: m for m in METHODS})
        self.multi_label = check_boolean("multi_label", multi_label)
        self.num_labels = None if num_labels is None else check_integer("num_labels", num_labels, 1)
        if self.num_labels is not None and not self.multi_label:
            raise ValueError("num_labels is used only with multi_label=True. Leave it out, or set multi_label=True.")
        given = None if label_weights is None else np.asarray(label_weights, object).reshape(-1)
        self.label_weights = None if given is None else [check_number("label_weights", weight, 0) for weight in given]
        self.from_logits = check_boolean("from_logits", from_logits)
        self.column_weights = None if self.multi_label else self.label_weights
        self.rank = 2 if self.multi_label else None
        if not self.multi_label or self.num_labels is not None:
            labels = (self.num_labels,) if self.num_labels is not None else ()
            self.make_state([(self.num_thresholds, *labels)] * len(self.state_names))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments as plain values."""
        return super().get_config() | {"thresholds": self.init_thresholds}

    def check_width(self, width: int) -> None:
        """Raise ``ValueError`` if rows of `width` elements do not match the number of labels or weights."""
        if self.num_labels not in (None, width):
            raise ValueError(f"num_labels is {self.num_labels}, but there are {width} predictions in a row.")
        if self.label_weights is not None and len(self.label_weights) != width:
            raise ValueError(f"label_weights has {len(self.label_weights)} entries, but rows have {width} elements.")

    def counts(self) -> tuple[Array, ...]:
        """True positives, false positives, true negatives and false negatives, with a row for each threshold."""
        return tuple(getattr(self, name).value for name in self.state_names)

    def undefined(self) -> Array:
        """Which labels have no curve because only positives or only negatives have been seen.

        A label without any samples yet is not among them. Precision-recall curves need only positives.
        """
        tp, fp, tn, fn = (count[0] for count in self.counts())
        positives, negatives = tp + fn, fp + tn
        one_class = (positives == 0) if self.curve == "PR" else (positives == 0) | (negatives == 0)
        return np.asarray(one_class & (positives + negatives != 0))

    def only_class(self, undefined: Array) -> str:
        """The end of a message: which labels have been seen where the first curve is undefined."""
        tp, _, _, fn = (count[0] for count in self.counts())
        positives = np.atleast_1d(tp + fn)[np.atleast_1d(undefined).argmax()]
        return "none is 0 (every other number counts as positive)" if positives else "all are 0"

    def score(self) -> Any:
        """The area, or the mean of the areas of the labels."""
        undefined = self.undefined()
        if undefined.any():
            warnings.warn(
                f"Metric {self.name!r} is NaN: the area under a curve needs labels of both classes, but so far "
                f"{self.only_class(undefined)}.",
                stacklevel=4,
            )
        if self.curve == "PR" and self.summation_method == "interpolation":
            terms = self.interpolated_terms()
        else:
            x, y = self.points()
            terms = (x[:-1] - x[1:]) * self.heights(y[:-1], y[1:])
        areas = np.where(undefined, np.nan, terms.sum(axis=0))
        if not self.multi_label:
            return areas
        if self.label_weights is None:
            return areas.mean()
        weights = np.asarray(self.label_weights)
        return ratio((areas * weights).sum(), weights.sum())

    def points(self) -> tuple[Array, Array]:
        """The points of the curve, (x, y). x decreases with rising thresholds."""
        tp, fp, tn, fn = self.counts()
        recall = ratio(tp, tp + fn)
        if self.curve == "ROC":
            return ratio(fp, fp + tn), recall
        if self.curve == "PR":
            return recall, ratio(tp, tp + fp)
        odds = ratio(tp + fn, tn + fp)
        recall_gain = np.where(tp == 0, 0.0, 1 - odds * ratio(fn, tp))
        precision_gain = np.where(tp == 0, 1.0, 1 - odds * ratio(fp, tp))
        return np.maximum(recall_gain, 0), precision_gain

    def heights(self, left: Array, right: Array) -> Array:
        """The height of each step, from the heights at its ends."""
        if self.summation_method == "interpolation":
            return (left + right) / 2
        return np.minimum(left, right) if self.summation_method == "minoring" else np.maximum(left, right)

    def interpolated_terms(self) -> Array:
        """Areas between neighbouring points of the PR curve.

        Between two points, TP is interpolated linearly in P = TP + FP: TP = slope P + intercept. The area is the
        integral of the precision TP / P over TP, slope (dTP + intercept log(P / P')), divided by the number of
        positives.
        """
        tp, fp, _, fn = self.counts()
        p = tp + fp
        dtp, dp = tp[:-1] - tp[1:], p[:-1] - p[1:]
        slope = ratio(dtp, np.maximum(dp, 0))
        intercept = tp[1:] - slope * p[1:]
        inside = (p[:-1] > 0) & (p[1:] > 0)
        growth = np.where(inside, ratio(p[:-1], p[1:]), 1.0)
        return ratio(slope * (dtp + intercept * np.log(growth)), np.maximum(tp[1:] + fn[1:], 0))


def _choose(name: str, value: Any, known: dict[str, str]) -> str:
    """Return the canonical spelling of an option."""
    plain = getattr(value, "value", value)
    found = known.get(plain, known.get(plain.lower())) if isinstance(plain, str) else None
    if found is None:
        raise ValueError(f"{name} must be one of {sorted(set(known.values()))}, but got {value!r}.")
    return found
