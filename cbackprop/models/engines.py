"""The engines of a model. They are made when first needed, and kept until the model or its settings change.

The model keeps them as attributes: `_engine` trains, `_predictor` only predicts.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from threading import get_ident
from typing import Any

from cbackprop import optimizers
from cbackprop.distribution.data_parallel import DataParallel
from cbackprop.engine import Engine, Objective, engine_class
from cbackprop.engine.sizes import EngineOfSizes
from cbackprop.layers.layer import Layer
from cbackprop.models.data import OutputNeeds, Samples, make_samples
from cbackprop.models.objectives import (
    check_masks,
    needs_of,
    resolve_objectives,
    warn_of_certainty,
    warn_of_double_links,
)
from cbackprop.models.together import check_shareable, shared_by
from cbackprop.plan.plan import Plan
from cbackprop.variable import Variable

__all__ = [
    "inference_engine",
    "make_engine",
    "new_engine",
    "own_engine",
    "prepare",
    "samples_for",
    "warn_of_idle_losses",
]


def prepare(model: Any, x: Any, what: str) -> Engine:
    """The engine for the current settings. It is made if there is none."""
    if not model.compiled:
        raise RuntimeError(f"Call compile before {what}: the model does not know its loss and optimizer yet.")
    if model.optimizer is None and what in ("fit", "train_on_batch"):
        raise ValueError(f"{what} needs an optimizer, but the model was compiled with optimizer=None.")
    model._build_for(x)
    shared = shared_by(model)
    with Layer._making:
        if model._engine is not None and model._engine.distribution is not shared:
            model._engine = None
        engine = own_engine(model) or make_engine(model, shared)
    if isinstance(model.plans, Plan) and engine.arguments.objectives_differ():
        warn_of_double_links(model.plans, engine.objectives, 4)
    check_shareable(engine)
    if what not in ("evaluate", "test_on_batch"):
        engine.check_differentiable()
    if what in ("fit", "train_on_batch"):
        warn_of_idle_losses(engine, 4)
    return engine


def make_engine(model: Any, shared: DataParallel | None = None) -> Engine:
    """Make the engine that trains, from the arguments of `compile`. `shared`: ranks divide each batch."""
    if model._objectives is None:
        model._objectives = resolve_objectives(model, model._settings)
    trainable = model._trainable_when_compiled
    if trainable is None:
        trainable = model.trainable_variables
    engine = new_engine(
        model,
        model._objectives,
        model.optimizer,
        trainable,
        None if model.optimizer is None else model.optimizer.state_for(model),
        shared,
    )
    pool = model._pool
    if pool is not None and pool.thread == get_ident():
        engine.pool = pool
    model._engine = engine  # only now, because other threads may look for it
    return engine


def own_engine(model: Any) -> Engine | None:
    """The engine that trains, if there is one. No pool gives it to another model while the caller uses it."""
    engine: Engine | None = model._engine
    if engine is None or engine.pool is None:
        return engine
    with Layer._making:  # which the pool holds while it takes the engine back
        engine = model._engine
        if engine is not None and engine.pool is not None and engine.pool.thread != get_ident():
            engine.pool = engine.checked_once = None  # it stays with the model
        return engine


def new_engine(
    model: Any,
    objectives: Sequence[Objective] = (),
    optimizer: optimizers.Optimizer | None = None,
    trainable: Sequence[Variable] = (),
    state: Any = None,
    shared: DataParallel | None = None,
) -> Engine:
    """An engine for the layers as they are now. If sizes are open, it makes an inner engine for each shape."""
    kind, plans, dtype = model._settings.get("engine", "compiled"), model.plans, model.dtype
    warned: list[Plan] = []

    def make(plan: Plan) -> Engine:
        check_masks(plan, objectives)
        engine = engine_class(kind, plan)(
            plan, dtype, objectives, optimizer, trainable, state, model._model_lock, distribution=shared
        )
        if objectives and not warned:
            warned.append(plan)
            _warn_of_lost_masks(plan)
            warn_of_certainty(plan)
            warn_of_double_links(plan, objectives, 7)
        return engine

    if isinstance(plans, Plan):
        return make(plans)
    return EngineOfSizes(
        lambda sizes: make(plans.of(sizes)),
        plans.of,
        dtype,
        objectives,
        optimizer,
        trainable,
        state,
        model._model_lock,
        shared,
    )


def inference_engine(model: Any, training: bool = False) -> Engine:
    """An engine that predicts: the one that trains, or else `_predictor`.

    With `training`, it must have been made while the same layers were frozen as now.
    """
    ready = _lone_engine(model) or model._predictor
    if ready is not None and not (training and not ready.is_up_to_date()):
        return ready
    with Layer._making:
        ready = _lone_engine(model) or model._predictor
        if ready is None or (training and not ready.is_up_to_date()):
            if model._predictor is None or not model._predictor.is_up_to_date():
                model._predictor = new_engine(model)
            ready = model._predictor
    return ready


def _lone_engine(model: Any) -> Engine | None:
    """The engine that trains, unless several ranks share it: a rank may predict alone, without the others."""
    engine = own_engine(model)
    return engine if engine is None or engine.distribution is None else None


def samples_for(
    model: Any, engine: Engine, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None
) -> Samples:
    """Data in the forms that an engine's losses and metrics read."""

    def needs(inputs: list[Any]) -> list[OutputNeeds]:
        plan = engine.plan_of(inputs)
        known = engine.needs
        if known is None or known[0] is not plan:
            known = engine.needs = plan, needs_of(model, engine.objectives, plan)
        return known[1]

    # `fit_many` gives all models the same data, but only the first data of a run; later data may be a callback's.
    once, engine.checked_once = engine.checked_once, None
    given = x, y, sample_weight, class_weight
    if once is not None:
        return once.samples(given, lambda: make_samples(model, needs, *given))
    return make_samples(model, needs, *given)


def _warn_of_lost_masks(plan: Plan) -> None:
    """Warn of layers that drop a mask: losses and metrics then count rows that it hid."""
    for name in plan.unmasked_by:
        warnings.warn(
            f"Layer {name!r} does not support masking: the mask of its input ends there, and losses and metrics count "
            "all rows.",
            stacklevel=7,
        )


def warn_of_idle_losses(engine: Engine, stacklevel: int) -> None:
    """Warn once of layers whose additions to the loss train no weight."""
    names = [] if engine.told_of_losses else engine.losses_without_weights()
    if names:
        engine.told_of_losses = True
        warnings.warn(
            f"What {', '.join(map(repr, names))} adds to the loss trains nothing: it does not depend on any trainable "
            "weight, neither of the layer nor of a layer before it. It only appears in the loss that is shown.",
            stacklevel=stacklevel,
        )
