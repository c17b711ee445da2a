"""Engines that models of one kind use in turn, so that not every model needs its own."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from cbackprop.engine.compiled import CompiledEngine
from cbackprop.layers.adjusting import note_plan
from cbackprop.layers.layer import Layer
from cbackprop.models.checked_once import CheckedOnce
from cbackprop.models.kind import kind_of

__all__ = ["EnginePool"]


class EnginePool:
    """The engines of one thread, one for each kind of model.

    If another thread uses a model meanwhile, the model keeps its engine: see `engines.own_engine`.
    """

    def __init__(self) -> None:
        self.thread = get_ident()
        self._idle: dict[Hashable, CompiledEngine] = {}
        self._checked: tuple[Hashable, CheckedOnce] = None, CheckedOnce()  # for the last kind

    @contextmanager
    def serve(self, model: Any, data_stays: bool) -> Iterator[None]:
        """Lend the model an engine of the pool inside the ``with`` block, if it has none and one fits it.

        `data_stays` says that the data does not change meanwhile. Then models share the checks of equal arrays.
        """
        kind = kind_of(model) if model._engine is None else None
        if kind is None:
            yield
            return
        settings = model._objectives, model.optimizer
        model._pool = self
        engine = self._idle.pop(kind, None)
        if engine is not None:
            if self._checked[0] != kind:
                self._checked = kind, CheckedOnce()
            self._give(engine, model, self._checked[1] if data_stays else None)
        try:
            yield
        finally:
            model._pool = None
            # If not the same, a callback has recompiled the model.
            same = all(a is b for a, b in zip(settings, (model._objectives, model.optimizer), strict=True))
            engine = self._take_back(model, same)
            if engine is not None:
                engine.leave()
                self._idle[kind] = engine

    def _take_back(self, model: Any, is_same_kind: bool) -> CompiledEngine | None:
        """The engine that the model has used, if it can serve another one. If not, the model keeps it."""
        with Layer._making:
            engine = model._engine
            if engine is None or engine.pool is not self:
                return None
            engine.checked_once = None
            # If fixed_batch, layers keep states between batches.
            if is_same_kind and isinstance(engine, CompiledEngine) and engine.fixed_batch is None:
                model.lay_down_engine()
                return engine
            engine.pool = None
            return None

    def _give(self, engine: CompiledEngine, model: Any, checked: CheckedOnce | None) -> None:
        """Lend a model an engine that has served another model of its kind."""
        optimizer, trainable = model.optimizer, model._trainable_when_compiled
        with Layer._making:
            if model._plan is None:
                plan = engine.plan.like(model.layers)
                if plan is None:
                    return
                model._plan = plan
                note_plan(model, model.graph)
            engine.serve(
                model._plan,
                model._objectives,
                optimizer,
                model.trainable_variables if trainable is None else trainable,
                optimizer.state_for(model),
                model._model_lock,
            )
            engine.checked_once, engine.pool = checked, self
            model._engine = engine  # only now, because other threads may look for it
