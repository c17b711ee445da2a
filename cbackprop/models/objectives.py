"""Turn the arguments of `compile` into an objective for each output: loss, weight and metrics, with names for logs."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from cbackprop import losses, metrics
from cbackprop.engine import Objective
from cbackprop.losses import Loss
from cbackprop.losses.loss_sum import LossSum
from cbackprop.losses.target import TargetRules
from cbackprop.metrics import Metric
from cbackprop.models.data import OutputNeeds
from cbackprop.models.losses_of_outputs import factor_of_each, losses_of_outputs, weights_of
from cbackprop.models.output_structure import path_names, spread
from cbackprop.plan.plan import Plan
from cbackprop.validation import check_number

__all__ = [
    "check_masks",
    "log_names",
    "more_is_better",
    "named_results",
    "needs_of",
    "resolve_objectives",
    "warn_of_certainty",
    "warn_of_double_links",
]

# Parts of the names of metrics for which higher is better.
RISING = (
    *("Accuracy", "AUC", "Precision", "Recall", "Specificity", "TruePositives", "TrueNegatives", "IoU"),
    *("Score", "Similarity", "Correlation"),
)
# Metrics that are not losses, and for which lower is better.
FALLING = ("FalsePositives", "FalseNegatives", "RootMeanSquaredError", "LogCoshError")


def resolve_objectives(model: Any, settings: dict[str, Any]) -> list[Objective]:
    """An objective for each output, from the arguments of `compile`.

    Raises
    ------
    TypeError, ValueError
        If a loss or metric is unknown or of the wrong kind, or a list or dict does not fit the outputs.
    """
    names, structure = model.output_names, model.output_structure
    shapes = [tensor.shape[1:] for tensor in model.outputs]
    chosen = _resolve_losses(settings["loss"], settings["loss_weights"], names, structure, shapes)
    plain = _spread_metrics("metrics", settings["metrics"], names, structure)
    weighted = _spread_metrics("weighted_metrics", settings["weighted_metrics"], names, structure)
    objectives = []
    for index, shape in enumerate(shapes):
        loss, weight = chosen[index]
        resolved = [(_resolve_metric(metric, loss, shape), False) for metric in plain[index]]
        resolved += [(_resolve_metric(metric, loss, shape), True) for metric in weighted[index]]
        if resolved and loss is not None and loss.target_kind == "half":
            raise ValueError(
                f"Metrics cannot be computed for output {names[index]!r}, because its loss {loss.name!r} takes means "
                "and variances. Make the means a second output, with metrics."
            )
        objectives.append(Objective(loss, weight, resolved))
    _check_own_objects(objectives, names)
    if not any(objective.loss for objective in objectives) and settings["loss"] is not None:
        raise ValueError("loss is None for every output: give at least one output a loss.")
    return objectives


def _check_own_objects(objectives: Sequence[Objective], names: Sequence[str]) -> None:
    """Refuse a metric object that is given twice: Keras silently mixes the two results.

    Metrics in Python are not refused: they behave as in Keras.
    """
    given: dict[int, str] = {}
    for name, objective in zip(names, objectives, strict=True):
        for metric, weighted in objective.metrics:
            where = f"{'weighted_metrics' if weighted else 'metrics'} of output {name!r}"
            if (before := given.setdefault(id(metric), where)) and metric.runs_in_c() and before is not where:
                raise ValueError(
                    f"The metric {metric.name!r} is one object, but given twice: in {before} and in {where}. Make "
                    f"another {type(metric).__name__}(...) for the second place: Keras would mix the results."
                )


def _resolve_losses(
    loss: Any, loss_weights: Any, names: Sequence[str], structure: Any, shapes: Sequence[Any]
) -> list[tuple[Loss | None, float]]:
    """The loss of each output and its weight. Several losses of one output become their sum."""
    given_losses = losses_of_outputs(loss, names, structure)
    given: list[list[tuple[Loss, float]]] = [[] for _ in names]
    for given_loss, weight in zip(
        given_losses, weights_of(given_losses, loss, loss_weights, names, structure), strict=True
    ):
        first = given_loss.outputs[0]
        one = _one_loss(given_loss.identifier, shapes[first])
        checked = check_number(f"loss_weights[{names[first]!r}]", weight, 0)
        factor = factor_of_each(one, given_loss, shapes, names)
        for output in given_loss.outputs:
            given[output].append((one, checked * factor))
    found: list[tuple[Loss | None, float]] = []
    for parts in given:
        if len(parts) > 1:
            found.append((LossSum(*zip(*parts, strict=True)), 1.0))
        else:
            found.append(parts[0] if parts else (None, 1.0))
    return found


def _spread_metrics(name: str, value: Any, names: Sequence[str], structure: Any) -> list[list[Any]]:
    """A list of metrics for each output."""
    if value is None:
        return [[] for _ in names]
    if not isinstance(value, (list, tuple, dict)):
        raise ValueError(f"{name} must be a list or a dict, but got {value!r}.")
    if len(names) == 1 and not isinstance(value, dict):
        flat = value[0] if len(value) == 1 and isinstance(value[0], (list, tuple)) else value
        return [list(flat)]
    entries = spread(name, value, names, structure)
    return [[] if e is None else list(e) if isinstance(e, (list, tuple)) else [e] for e in entries]


def _one_loss(identifier: Any, shape: tuple[int, ...]) -> Loss:
    if isinstance(identifier, str) and identifier.lower() in ("crossentropy", "ce"):
        if (shape or (1,))[-1] != 1:
            raise ValueError(
                f"loss={identifier!r} does not say how targets are written: give 'sparse_categorical_crossentropy' for "
                "class numbers, 'categorical_crossentropy' for one-hot rows."
            )
        identifier = "binary_crossentropy"
    loss = losses.as_loss(identifier)
    if loss.reduction in (None, "none"):
        raise ValueError(f"{type(loss).__name__} has no reduction, but training minimizes a single number.")
    owner = next(cls for cls in type(loss).__mro__ if "__call__" in cls.__dict__)
    if owner.__module__.partition(".")[0] != "cbackprop":
        raise TypeError(
            f"{owner.__name__} defines __call__, which training would never call: define call(y_true, y_pred), which "
            "returns a value and its gradient."
        )
    loss.check_output(shape or (1,))
    if loss.link == "softmax" and (shape or (1,))[-1] == 1:
        warnings.warn(
            f"{type(loss).__name__} of one unit is always 0, since the only class has probability 1: nothing is "
            "learned. Use 'binary_crossentropy' with activation='sigmoid' for two classes, or one unit for each class.",
            SyntaxWarning,
            stacklevel=6,
        )
    return loss


def _resolve_metric(identifier: Any, loss: Loss | None, shape: tuple[int, ...]) -> Metric:
    """The metric object. "accuracy" means the kind that fits the output and its loss."""
    if isinstance(identifier, str) and identifier.lower() in ("accuracy", "acc"):
        kind = "index" if loss is not None and "index" in {part.target_kind for part in loss.parts} else "values"
        if not shape or shape[-1] == 1:
            return metrics.BinaryAccuracy(name=identifier)
        return (metrics.SparseCategoricalAccuracy if kind == "index" else metrics.CategoricalAccuracy)(name=identifier)
    metric = metrics.as_metric(identifier)
    metric.check_output(shape or (1,))
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


def check_masks(plan: Plan, objectives: Sequence[Objective]) -> None:
    """Check that no output with a mask has several losses with different reductions.

    Raises
    ------
    ValueError
        If one has.
    """
    for objective, mask in zip(objectives, plan.output_masks, strict=False):
        loss = objective.loss
        if mask is not None and isinstance(loss, LossSum) and loss.needs_all_rows:
            raise ValueError(
                f"The losses {[part.name for part in loss.parts]} of one output have different reductions, "
                f"{[part.reduction for part in loss.parts]}, and the output has a mask: give them the same reduction."
            )


def warn_of_certainty(plan: Plan) -> None:
    """Warn of a softmax over a single unit, which is always 1."""
    for step in plan.steps:
        function, shape = step.layer.function, step.output_shape
        axis = getattr(function, "axis", None)
        size = shape[-1] if shape and axis in (None, -1, len(shape)) else 0
        if step.layer.is_activation and function and function.name == "softmax" and size == 1:
            warnings.warn(
                f"Layer {step.layer.name.removesuffix('/activation')!r} takes a softmax over an axis of size 1, which "
                "is always 1: nothing is learned. Use activation='sigmoid' with 'binary_crossentropy', or one unit for "
                "each class.",
                stacklevel=7,
            )


def warn_of_double_links(plan: Plan, objectives: Sequence[Objective], stacklevel: int) -> None:
    """Warn of a loss from logits that is given probabilities, so that softmax or sigmoid is applied twice."""
    for buffer, objective in zip(plan.outputs, objectives, strict=False):
        for loss in objective.loss.parts if objective.loss else ():
            index = plan.link(buffer)
            made_by = None if index is None else plan.steps[index].layer
            if loss.from_logits and made_by and made_by.function and made_by.function.name == loss.link:
                layer = made_by.name.removesuffix("/activation")
                warnings.warn(
                    f"{type(loss).__name__}(from_logits=True) applies {loss.link}, but layer {layer!r} has applied "
                    f"{loss.link} already. Remove from_logits=True or the activation.",
                    stacklevel=stacklevel,
                )


def needs_of(model: Any, objectives: Sequence[Objective], plan: Plan) -> list[OutputNeeds]:
    """The forms of targets that each output needs, and their limits."""
    needs = []
    for name, shape, objective in zip(model.output_names, plan.output_shapes, objectives, strict=True):
        kinds = {loss.target_kind for loss in (objective.loss, *objective.loss.parts)} if objective.loss else set()
        kinds |= {objective.target_kind(metric) for metric, _ in objective.metrics}
        elementwise = objective.loss is not None and objective.loss.elementwise
        rules, readers = _rules_of(objective), _readers_of(objective)
        needs.append(OutputNeeds(name, shape or (1,), frozenset(kinds), rules, elementwise, not shape, readers))
    return needs


def _readers_of(objective: Objective) -> tuple[tuple[str, str], ...]:
    """The form of targets that the loss and each metric of an output read, and their names for messages."""
    parts = objective.loss.parts if objective.loss else ()
    return (
        *((loss.target_kind, f"the loss {loss.name!r}") for loss in parts),
        *((objective.target_kind(metric), f"the metric {metric.name!r}") for metric, _ in objective.metrics),
    )


def _rules_of(objective: Objective) -> TargetRules:
    """The targets that the loss and all metrics of an output accept."""
    loss = objective.loss
    functions: list[Any] = [*loss.parts] if loss else []
    functions += [metric for metric, _ in objective.metrics]
    readers = [f for f in functions if objective.form(f) == "index" and not f.any_label]
    strict = [f for f in readers if not f.tolerates_labels and not in_python(f)]
    ignored = [frozenset({f.ignore_class} - {None}) if hasattr(f, "ignore_class") else frozenset() for f in strict]
    return TargetRules(
        _narrowest([f.target_limits for f in functions if f.beyond_limits == "refuse"]),
        _narrowest([f.target_limits for f in functions if f.beyond_limits == "warn"]),
        loss is not None and loss.missing == "ignore",
        loss is not None and loss.repeats_targets(),
        frozenset.intersection(*ignored) if ignored else frozenset(),
        not readers,
        any(isinstance(f, metrics.CategoricalAccuracy) and f.name in ("accuracy", "acc") for f in functions),
        any(getattr(f, "label_sequences", False) for f in functions),
    )


def in_python(function: Any) -> bool:
    """Whether a function is a metric in Python, which may use class numbers in any way."""
    return isinstance(function, Metric) and not function.runs_in_c()


def _narrowest(limits: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
    """The intersection of limits; ``None`` if there are none."""
    given = [pair for pair in limits if pair is not None]
    return (max(low for low, _ in given), min(high for _, high in given)) if given else None


def log_names(model: Any, objectives: Sequence[Objective]) -> tuple[list[str | None], list[list[str]]]:
    """The keys in logs for each output's loss (if several outputs have one), and for each output's metrics."""
    several = len(objectives) > 1
    add_up = sum(objective.loss is not None for objective in objectives) > 1  # else the total is enough
    used: Counter[str] = Counter()
    names = model.output_names
    paths = path_names(model.output_structure, names) if add_up else names
    pairs = zip(paths, objectives, strict=True)
    loss_names = [f"{path}_loss" if add_up and objective.loss is not None else None for path, objective in pairs]
    metric_names: list[list[str]] = []
    for output, objective in zip(names, objectives, strict=True):
        metric_names.append([])
        for metric, weighted in objective.metrics:
            name = f"{output}_{metric.name}" if several else metric.name
            if used[name] and weighted:
                name = f"{output}_weighted_{metric.name}" if several else f"weighted_{metric.name}"
            used[name] += 1
            metric_names[-1].append(name if used[name] == 1 else f"{name}_{used[name] - 1}")
    return loss_names, metric_names


def named_results(name: str, result: Any) -> dict[str, Any]:
    """A metric's result as entries of logs: one float, one array, or one entry for each key of a dict.

    Raises
    ------
    TypeError
        If a metric in Python has another result.
    """
    if isinstance(result, dict):
        return {key: value for inner, one in result.items() for key, value in named_results(inner, one).items()}
    array = np.asarray(result)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"The result of metric {name!r} must be numbers, but is {result!r}.")
    return {name: float(array.item()) if array.size == 1 else array.copy()}


def more_is_better(metric: Metric) -> bool | None:
    """Whether higher is better for a metric (as for accuracy) or lower (as for a loss); ``None`` if unknown."""
    name = type(metric).__name__
    if any(word in name for word in RISING):
        return True
    return False if name in FALLING or name in dict(losses.registry) else None
