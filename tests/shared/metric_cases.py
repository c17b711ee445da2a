"""Ways to make every metric that sums over batches, and targets and predictions for each."""

import numpy as np

from cbackprop import metrics

CLASSES = 4


def labels(rows, rng):
    """Several labels a row, and predictions that often lie on a threshold, the outermost and beyond among them."""
    y_true, y_pred = rng.integers(2, size=(rows, CLASSES)), rng.random((rows, CLASSES)).round(2)
    y_pred[0] = [0, 1, -0.5, 1.5]
    return y_true.astype("f"), y_pred.astype("f")


def one_hot(rows, rng):
    return np.eye(CLASSES, dtype="f")[rng.integers(CLASSES, size=rows)], labels(rows, rng)[1]


def sparse(rows, rng):
    return rng.integers(CLASSES, size=rows), labels(rows, rng)[1]


def numbers(rows, rng):
    """Class numbers for class numbers, of which some are of no class."""
    return rng.integers(-1, CLASSES + 1, size=(rows, 2)), rng.integers(-1, CLASSES + 1, size=(rows, 2))


def values(rows, rng):
    return rng.normal(size=(rows, CLASSES)).astype("f"), rng.normal(size=(rows, CLASSES)).astype("f")


WEIGHTS = [1.0, 0.2, 0.5, 1.0]
CURVES = [
    ("AUC", {"curve": curve, "summation_method": method, **options}, labels)
    for curve in ("ROC", "PR", "PRGAIN")
    for method in ("interpolation", "minoring", "majoring")
    for options in (
        {},
        {"multi_label": True},
        {"multi_label": True, "num_labels": CLASSES, "label_weights": WEIGHTS},
        {"label_weights": WEIGHTS},
        {"thresholds": [0.5, 0.2, 0.9]},
        {"num_thresholds": 11},
        {"from_logits": True},
    )
]
TALLIES = [
    ("TruePositives", {}, labels),
    ("FalsePositives", {"thresholds": [0.7, 0.2, 0.7]}, labels),
    ("TrueNegatives", {"thresholds": [0, 0.5, 1]}, labels),
    ("FalseNegatives", {"thresholds": 0.3}, labels),
    ("Precision", {}, labels),
    ("Precision", {"top_k": 2}, labels),
    ("Precision", {"top_k": 2, "thresholds": 0.4, "class_id": 1}, labels),
    ("Recall", {"class_id": 0}, labels),
    ("Recall", {"thresholds": [0.1, 0.5, 0.9]}, labels),
    ("SensitivityAtSpecificity", {"specificity": 0.4}, labels),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6, "num_thresholds": 1}, labels),
    ("PrecisionAtRecall", {"recall": 0.5}, labels),
    ("RecallAtPrecision", {"precision": 0.45, "class_id": 1, "num_thresholds": 30}, labels),
    *CURVES,
    *(("FBetaScore", {"average": a, "beta": 2.0, "threshold": 0.5}, labels) for a in (None, "micro", "macro")),
    *(("F1Score", {"average": average}, one_hot) for average in (None, "micro", "macro", "weighted")),
    ("IoU", {"num_classes": CLASSES, "target_class_ids": [0, 2]}, numbers),
    ("MeanIoU", {"num_classes": CLASSES, "ignore_class": 1, "dtype": "float32"}, numbers),
    ("MeanIoU", {"num_classes": CLASSES, "sparse_y_pred": False}, sparse),
    ("OneHotIoU", {"num_classes": CLASSES, "target_class_ids": [1]}, one_hot),
    ("OneHotMeanIoU", {"num_classes": CLASSES, "ignore_class": 2}, one_hot),
    ("BinaryIoU", {}, labels),
    ("BinaryIoU", {"threshold": 0.3, "target_class_ids": [1]}, labels),
    ("R2Score", {}, values),
    ("R2Score", {"class_aggregation": None}, values),
    ("R2Score", {"class_aggregation": "variance_weighted_average", "num_regressors": 3}, values),
]
IDS = ["-".join([name, *(f"{key}={value}" for key, value in options.items())]) for name, options, _ in TALLIES]


def batches(make, rng, weighted, elementwise=False):
    """Three batches (y_true, y_pred, weights); whole weights, as some metrics cut fractions off."""
    for rows in (30, 1, 7):
        y_true, y_pred = make(rows, rng)
        shape = y_pred.shape if elementwise else rows
        yield y_true, y_pred, rng.integers(4, size=shape).astype("f") if weighted else None


def all_tallies():
    """Names of the metrics of the registry that sum over batches."""
    return {name for name, cls in metrics.registry if issubclass(cls, metrics.Tally)}
