"""A run of a model by several ranks: whether they agree, what rank 0 gives the others, and what they average."""

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

__all__ = ["agree", "average_statistics", "check_shareable", "give_state", "shared_by"]

# The implementation of losses that users write.
PYTHON = "losses.python_loss.PythonLoss"


def shared_by(model: Any) -> DataParallel | None:
    """The ranks that train a model together; ``None`` if this process does so alone, with the usual sums.

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
            f"{type(model.optimizer).__name__} looks at all samples in each step, which ranks cannot divide: use "
            "another optimizer, or distribution.set_distribution(None)."
        )
    if model._settings.get("engine", "compiled") == "reference":
        raise ValueError("engine='reference' runs on one rank only: use the compiled engine.")
    return current


def check_shareable(engine: Engine) -> None:
    """Refuse a network that must see a batch as a whole, if dividing it among ranks would change its results."""
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
                "looks at all samples of a rank."
            )


def agree(model: Any, engine: Engine, **facts: Any) -> None:
    """Check with the other ranks that all are about to do the same.

    Raises
    ------
    ValueError
        On every rank, if the ranks have different models, settings or data.
    """
    if engine.distribution is None:
        return
    trained = [list(variable.shape) for variable in engine.trainable]
    told: dict[str, Any] = {"weights": [[list(v.shape), v.dtype] for v in model.variables], "what_is_trained": trained}
    told |= {"optimizer": _described(engine.optimizer), "losses": [_described(o.loss) for o in engine.objectives]}
    told |= {"metrics": [[type(metric).__name__ for metric, _ in o.metrics] for o in engine.objectives], **facts}
    everyone = _gathered(engine.distribution.communicator, told)
    for rank, other in enumerate(everyone):
        for name, value in other.items():
            if value != everyone[0][name]:
                raise ValueError(
                    f"All ranks must train the same model alike, but {name.replace('_', ' ')} of rank {rank} and rank "
                    f"0 differ: {_short(value)} and {_short(everyone[0][name])}."
                )


def _gathered(communicator: Communicator, value: Any) -> list[Any]:
    communicator.meet(Does.CHECK)
    return communicator.gathered(value)


def _described(thing: Any) -> str:
    if thing is None:
        return ""
    try:
        config: dict[str, Any] = thing.get_config()
    except (TypeError, ValueError):  # of a user's class, which need not be described
        config = {}
    return type(thing).__name__ + json.dumps(config, default=lambda value: type(value).__name__, sort_keys=True)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=repr)
    return text if len(text) < 200 else text[:200] + " ..."


def give_state(model: Any, engine: Engine) -> None:
    """Give all ranks the weights, the state of the optimizer and the random numbers of rank 0."""
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
    """Average over ranks what layers have learned of the samples of theirs without a gradient: moving averages.

    These are linear in the samples, so that the average at the end of an epoch is that of all steps.
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
    """The steps of the engine's plan; none where sizes come with the data."""
    plan = getattr(engine, "plan", None)
    return [] if plan is None else list(plan.steps)


def _statistics(engine: Engine) -> Iterable[Variable]:
    trained = set(engine.trainable)
    steps = [step for i, step in enumerate(_steps(engine)) if engine.couples(i, True)]
    found = {variable: None for step in steps for variable in step.layer.variables if variable not in trained}
    return [v for v in found if not v.trainable and v.array.dtype.kind == "f"]
