"""Evaluate a model, and make logs: losses and metrics by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cbackprop.callbacks import CallbackList
from cbackprop.engine import Engine, Objective
from cbackprop.models.executions import Executions
from cbackprop.models.inputs import check_repetitions
from cbackprop.models.objectives import log_names, named_results
from cbackprop.models.result_names import ResultNames
from cbackprop.models.sources import Source

__all__ = ["listed", "logs_of", "logs_of_epochs", "metrics_of_layers", "names_of", "reset_metrics_of_layers", "test"]


def logs_of(model: Any, engine: Engine, of_all_ranks: bool = True) -> dict[str, float]:
    """The losses and metrics since the engine's last reset, in Keras's order: of this rank's samples, or of all.

    `model.metrics` then shows them too.
    """
    if of_all_ranks and engine.ranks is not None:
        with engine.sums_of_ranks(), _summed(engine, metrics_of_layers(model, engine)):
            return logs_of(model, engine, of_all_ranks=False)
    names = _names_for(model, engine)
    logs = names.losses(*engine.losses())
    model._show_losses(dict(logs))
    logs |= names.metrics(engine.metric_snapshots())
    for metric in metrics_of_layers(model, engine):
        logs |= named_results(metric.name, metric.result())
    return dict(sorted(logs.items()))


def logs_of_epochs(model: Any, engine: Engine, sums: list[Any]) -> dict[str, list[Any]]:
    """The losses and metrics of the epochs of `Engine.train_epochs`, from their sums: by name, one for each epoch.

    `model.metrics` then shows those of the last epoch.
    """
    names = _names_for(model, engine)
    losses = names.losses(*engine.losses_in(sums))
    model._show_losses({name: values[-1] for name, values in losses.items()})
    return dict(sorted((losses | names.metrics_of_epochs(engine, sums)).items()))


def _names_for(model: Any, engine: Engine) -> ResultNames:
    if engine.result_names is None:
        engine.result_names = ResultNames(model, engine)
    names: ResultNames = engine.result_names
    return names


@contextmanager
def _summed(engine: Engine, metrics: list[Any]) -> Iterator[None]:
    """Inside the ``with`` block, metrics that layers update contain the sums of all ranks."""
    own = [metric.snapshot() for metric in metrics]
    for metric, state in zip(metrics, own, strict=True):
        metric.restore(engine.over_ranks(state))
    try:
        yield
    finally:
        for metric, state in zip(metrics, own, strict=True):
            metric.restore(state)


def metrics_of_layers(model: Any, engine: Engine) -> list[Any]:
    """The metrics of layers. They are searched for once."""
    if engine.metrics_of_layers is None:
        compiled = {metric for objective in engine.objectives for metric, _ in objective.metrics}
        engine.metrics_of_layers = [metric for metric in model.metrics_of_layers() if metric not in compiled]
    return engine.metrics_of_layers


def reset_metrics_of_layers(model: Any, engine: Engine) -> None:
    """Reset the metrics of layers, at the beginning of an epoch and of an evaluation, as in Keras."""
    for metric in metrics_of_layers(model, engine):
        metric.reset_state()


def test(model: Any, engine: Engine, source: Source, run: CallbackList) -> dict[str, float]:
    """Evaluate a model. The engine is not locked between batches, because a dataset may use the model too."""
    model.stop_evaluating = False
    run.on_test_begin()
    reset_metrics_of_layers(model, engine)
    owner = object()
    try:
        logs = _logs_of_owner(model, engine, owner) if _sweep(model, engine, source, run, owner) else {}
    finally:
        engine.forget(owner)
    run.on_test_end(logs)
    return logs


def _logs_of_owner(model: Any, engine: Engine, owner: object) -> dict[str, float]:
    with engine.means_of(owner):
        return logs_of(model, engine)


def _sweep(model: Any, engine: Engine, source: Source, run: CallbackList, owner: object) -> int:
    """Test all samples; in executions if a callback watches batches. Returns the number of batches."""

    def end(number: int) -> None:
        run.on_test_batch_end(number, _logs_of_owner(model, engine, owner))

    watched = run.watches_batches("test")
    executions = Executions(source.at_once if watched else None, run.on_test_batch_begin, end)
    seen = 0
    for piece in source.sweep():
        for part in executions.parts(piece):
            part.data.check_held()
            samples = part.samples()
            check_repetitions(samples.inputs)
            with engine.means_of(owner):
                engine.test(samples, part.batch_size)
            seen += part.size
            if executions.done(part) and model.stop_evaluating:
                return executions.step
    executions.finish()
    if engine.ranks is not None:
        engine.ranks.check_samples(seen)
    return executions.step


def listed(model: Any, engine: Engine, logs: dict[str, float]) -> Any:
    """The result of `evaluate` without `return_dict`: a list of the numbers in logs, or the only number."""
    if engine.names is None:
        engine.names = names_of(model, engine.objectives)
    names = engine.names
    names = [name for name in names if name in logs] + [name for name in logs if name not in names]
    results = [logs[name] for name in names]
    return results[0] if len(results) == 1 else results


def names_of(model: Any, objectives: Sequence[Objective]) -> list[str]:
    """See `Model.metrics_names`."""
    loss_names, metric_names = log_names(model, objectives)
    names = ["loss"] if any(objective.loss for objective in objectives) else []
    by_output = dict(zip(model.output_names, loss_names, strict=True))
    flat_dict = isinstance(model.output_structure, dict) and set(model.output_structure) == set(by_output)
    as_given = model.output_structure if flat_dict else by_output
    names += [name for output in as_given if (name := by_output[output]) is not None]
    flat = [name for group in metric_names for name in group]
    names += sorted(flat) if len(objectives) > 1 else flat
    return names + [metric.name for metric in model.metrics_of_layers() if metric.name not in names]
