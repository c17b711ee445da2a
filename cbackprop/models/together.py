"""Train a model on several ranks: check that they agree, distribute the state of rank 0, average statistics."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from cbackprop import random
from cbackprop.distribution.communicator import Communicator, Does
from cbackprop.distribution.data_parallel import DataParallel
from cbackprop.distribution.setting import distribution
from cbackprop.engine import Engine
from cbackprop.optimizers import FullBatchOptimizer
from cbackprop.variable import Variable

__all__ = [
    "agree",
    "agree_after_epoch",
    "agree_on_fit",
    "average_statistics",
    "check_shareable",
    "give_state",
    "shared_by",
]

# The implementation of losses in Python.
PYTHON = "losses.python_loss.PythonLoss"
# Sums of the same weights differ by less, also on machines with other instruction sets, which round otherwise.
ROUNDED = 1e-3
# Letters of a setting that a message shows.
SHOWN = 200


def shared_by(model: Any) -> DataParallel | None:
    """The ranks that train a model together; ``None`` if this process trains alone.

    Raises
    ------
    ValueError
        If the model cannot be trained by several ranks.
    """
    current = distribution()
    if current is None or (current.num_processes == 1 and not current.deterministic):
        return None
    if isinstance(model.optimizer, FullBatchOptimizer):
        raise ValueError(
            f"{type(model.optimizer).__name__} needs all samples in each step, so ranks cannot divide them: use "
            "another optimizer, or distribution.set_distribution(None)."
        )
    if model._settings.get("engine", "compiled") == "reference":
        raise ValueError("engine='reference' runs on one rank only: use the compiled engine.")
    return current


def check_shareable(engine: Engine) -> None:
    """Refuse a network that needs whole batches, if dividing them among ranks would change its results."""
    found = engine.distribution
    if found is None:
        return
    for objective in engine.objectives:
        loss = objective.loss
        in_python = loss is not None and loss.implementation == PYTHON
        if loss is not None and loss.couples_samples and (found.deterministic or not in_python):
            raise ValueError(
                f"Ranks cannot divide the batches of the loss {loss.name!r}: it must see a batch as a whole."
            )
    for index, step in enumerate(_steps(engine)):
        if found.deterministic and engine.couples(index, True):
            raise ValueError(
                f"deterministic=True needs samples that do not depend on each other, but layer {step.layer.name!r} "
                "uses all samples of a rank."
            )


def agree(model: Any, engine: Engine, **facts: Any) -> None:
    """Check that all ranks are about to do the same.

    Raises
    ------
    ValueError
        On every rank, if the ranks have different models, settings or data.
    """
    if engine.distribution is None:
        return
    trained = [list(variable.shape) for variable in engine.trainable]
    told: dict[str, Any] = {"weights": [[list(v.shape), v.dtype] for v in model.variables], "what_is_trained": trained}
    told["layers"] = [type(layer).__name__ + _told_of(layer) for layer in model.layers]
    told |= {"optimizer": _described(engine.optimizer), "losses": [_described(o.loss) for o in engine.objectives]}
    told |= {"metrics": [[type(metric).__name__ for metric, _ in o.metrics] for o in engine.objectives], **facts}
    _compare(_gathered(engine.distribution.communicator, Does.CHECK, told))


def if_shared(engine: Engine, fact: Any) -> Any:
    """A fact about the samples, if all ranks have the same ones; else ``None``."""
    return fact if engine.distribution is None or engine.distribution.auto_shard_dataset else None


def agree_on_fit(
    model: Any,
    engine: Engine,
    source: Any,
    validation: Any,
    callbacks: Any,
    epochs: int,
    initial_epoch: int,
    **data: Any,
) -> None:
    """Refuse a call of `fit` whose arguments differ between ranks.

    Parameters
    ----------
    source, validation : Source
        The samples, and those of the validation; ``None`` if there is none.
    callbacks : CallbackList
    **data
        Arguments about the samples, in which ranks with samples of their own may differ.
    """
    facts = {"batches_in_an_epoch": source.steps, "batch_size": source.batch_size, "epochs": epochs}
    facts |= {"initial_epoch": initial_epoch, **{name: if_shared(engine, fact) for name, fact in data.items()}}
    facts["callbacks"] = [type(callback).__name__ for callback in callbacks.callbacks]
    facts["validation"] = validation and ["samples", if_shared(engine, validation.samples)]
    agree(model, engine, **facts, samples=if_shared(engine, source.samples))


def agree_after_epoch(model: Any, engine: Engine) -> None:
    """Stop on all ranks if callbacks stop on one, and check that callbacks have left the settings the same on all.

    Raises
    ------
    ValueError
        On every rank, if the optimizers, the losses or the weights differ.
    """
    if engine.distribution is None or engine.distribution.num_processes == 1:
        return
    told = {"optimizer": _described(engine.optimizer), "losses": [_described(o.loss) for o in engine.objectives]}
    sums = [float(np.abs(variable.array).sum(dtype=np.float64)) for variable in engine.trainable]
    everyone = _gathered(engine.distribution.communicator, Does.EPOCH, (bool(model.stop_training), told, sums))
    _compare([facts for _, facts, _ in everyone])
    for rank, (_, _, others) in enumerate(everyone):
        for variable, own, other in zip(engine.trainable, everyone[0][2], others, strict=True):
            if not np.isclose(own, other, rtol=ROUNDED, equal_nan=True):
                raise ValueError(
                    f"All ranks must have the same weights, but those of {variable.path} of rank {rank} and rank 0 "
                    "differ: what one rank sets, all must set."
                )
    model.stop_training = any(stops for stops, _, _ in everyone)


def _compare(everyone: list[dict[str, Any]]) -> None:
    """Raise unless all ranks have told the same."""
    for rank, other in enumerate(everyone):
        for name, value in other.items():
            if value != everyone[0][name]:
                told = " and ".join(_around_difference(_text(value), _text(everyone[0][name])))
                raise ValueError(
                    f"All ranks must train the same model alike, but {name.replace('_', ' ')} of rank {rank} and rank "
                    f"0 differ: {told}."
                )


def _gathered(communicator: Communicator, what: Does, value: Any) -> list[Any]:
    communicator.meet(what)
    return communicator.gathered(value)


def _described(thing: Any) -> str:
    if thing is None:
        return ""
    try:
        config: dict[str, Any] = thing.get_config()
    except (TypeError, ValueError):  # a user's class need not have a config
        config = {}
    return type(thing).__name__ + json.dumps(config, default=lambda value: type(value).__name__, sort_keys=True)


def _told_of(layer: Any) -> str:
    """The settings of a layer. Names may differ: a rank that has made another model has used some up."""
    try:
        config: dict[str, Any] = layer.get_config()
    except (TypeError, ValueError, NotImplementedError):  # of a user's class, which need not be described
        config = {}
    return json.dumps(_nameless(config), default=lambda value: type(value).__name__, sort_keys=True)


def _nameless(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _nameless(item) for key, item in value.items() if key != "name"}
    return [_nameless(item) for item in value] if isinstance(value, (list, tuple)) else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=repr)


def _around_difference(*texts: str) -> list[str]:
    """The part of each text where they begin to differ, if they are long."""
    same = next((i for i, letters in enumerate(zip(*texts, strict=False)) if len(set(letters)) > 1), 0)
    begin = max(same - SHOWN // 2, 0) if max(map(len, texts)) > SHOWN else 0
    parts = [text[begin : begin + SHOWN] for text in texts]
    after = [" ..." if len(text) > begin + SHOWN else "" for text in texts]
    return [f"{'... ' if begin else ''}{part}{more}" for part, more in zip(parts, after, strict=True)]


def give_state(model: Any, engine: Engine) -> None:
    """Copy the weights, the state of the optimizer and the random state of rank 0 to all ranks."""
    if engine.distribution is None:
        return
    communicator = engine.distribution.communicator
    communicator.meet(Does.BEGIN)
    with engine.lock:
        engine.bind()
        for variable in model.variables:
            communicator.give(variable.array)
        if engine.optimizer is not None:
            for variable in engine.trainable:
                for slot in engine.state.slots.get(variable, []):
                    if slot is not None:
                        communicator.give(slot)
            engine.state.batches = communicator.given(engine.state.batches)
    random.set_state(communicator.given(random.state()))


def average_statistics(engine: Engine) -> None:
    """Average over ranks the statistics that layers learn from their samples without gradients: moving averages.

    They are linear in the samples, so averaging once at the end of an epoch gives the same as averaging in each step.
    """
    if engine.distribution is None or engine.distribution.num_processes == 1:
        return
    communicator = engine.distribution.communicator
    for variable in _statistics(engine):
        mean = variable.array.astype(np.float64)
        communicator.meet(Does.SUM)
        communicator.add(mean.reshape(-1))
        variable.array[...] = mean / communicator.size


def _steps(engine: Engine) -> list[Any]:
    """The steps of the engine's plan; none if sizes depend on the data."""
    plan = getattr(engine, "plan", None)
    return [] if plan is None else list(plan.steps)


def _statistics(engine: Engine) -> Iterable[Variable]:
    trained = set(engine.trainable)
    steps = [step for i, step in enumerate(_steps(engine)) if engine.couples(i, True)]
    found = {variable: None for step in steps for variable in step.layer.variables if variable not in trained}
    return [v for v in found if not v.trainable and v.array.dtype.kind == "f"]
