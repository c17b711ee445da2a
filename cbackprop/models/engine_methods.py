"""The part of a model that keeps engines, and what they have reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cbackprop import optimizers
from cbackprop.callbacks import History
from cbackprop.callbacks.run_state import check_states
from cbackprop.engine import Engine, ModelLock, Objective
from cbackprop.layers.layer import Layer
from cbackprop.models.engines import own_engine
from cbackprop.models.inputs import sample_shape
from cbackprop.models.position import Position, Resumption, check_position
from cbackprop.models.sources import Source
from cbackprop.models.training_run import TrainingRun
from cbackprop.parameter_store import AtRest
from cbackprop.part_of import part_of
from cbackprop.tensor import flatten, is_dict, map_structure
from cbackprop.variable import Variable

if TYPE_CHECKING:
    from cbackprop.plan.plan import Plan
    from cbackprop.plan.sizes import PlansOfSizes

__all__ = ["EngineMethods"]

# What each run sets. These are neither arguments nor weights, so `Layer.__setattr__` need not check them.
SET_BY_RUNS = frozenset(
    {"_engine", "_losses_shown", "_plan", "_pool", "_position", "_predictor", "_rests_at", "_resumption"}
)


@part_of("Model")
class EngineMethods:
    """The part of `Model` that keeps engines, drops them when the model changes, and knows the position in training."""

    built: bool

    # These are the same in all new models. As attributes of the class they need not be set in each.
    _optimizer: optimizers.Optimizer | None = None
    history: History | None = None
    stop_training: bool = False
    stop_evaluating: bool = False
    stop_predicting: bool = False
    compiled: bool = False
    run_eagerly: Any = False
    jit_compile: Any = "auto"
    _at_once: int = 1
    _loss_tracker: Any = None
    _compile_metrics: Any = None
    _trainable_when_compiled: list[Variable] | None = None
    _objectives: list[Objective] | None = None
    _plan: Plan | PlansOfSizes | None = None
    _engine: Engine | None = None
    _predictor: Engine | None = None
    _pool: Any = None  # while `fit_many` trains the model: see `engine_pool`
    _position: Position | None = None  # of the last call of `fit`
    _rests_at: Any = None  # see `lay_down_engine`
    _resumption: Resumption | None = None  # where the next call may resume

    _losses_shown: dict[str, float]
    _output_losses: dict[str, Any]
    _runs: set[TrainingRun]
    _settings: dict[str, Any]
    _gradient_engines: dict[Any, Engine]
    _showing: dict[Any, Engine]
    _model_lock: ModelLock

    def __init__(self) -> None:
        self.__dict__.update(
            _losses_shown={},
            _output_losses={},
            _runs=set(),  # current calls of `fit`; callbacks and other threads may add more
            _settings={},
            _gradient_engines={},  # see `gradients.kept`
            _showing={},  # see `calls.run_shown`
            _model_lock=ModelLock(),  # shared by all engines
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if name in SET_BY_RUNS:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def _forget_engine(self) -> None:
        """Drop everything that was prepared, because the graph or the settings have changed."""
        with Layer._making:  # another thread may be making an engine
            self._forget_plans()
            self.__dict__.update(_objectives=None, _trainable_when_compiled=None)

    def _forget_plans(self) -> None:
        """Drop plans and engines, because a layer has changed. They are made again when needed."""
        self.__dict__.update(_plan=None, _engine=None, _predictor=None, _gradient_engines={}, _showing={})

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: everything except the engines, which are made again when needed."""
        made_anew: dict[str, Any] = dict.fromkeys(("_engine", "_predictor", "_pool", "_plan", "_position", "_rests_at"))
        made_anew |= {"_runs": set(), "_gradient_engines": {}, "_showing": {}}
        made_anew["_optimizer_state"] = self._optimizer and self._optimizer.state_for(self)
        graph = self.__dict__.get("_graph")
        # Pickle the calls of layers first, in order: reaching the first from the last one would recurse too deeply.
        return {"calls in order": graph and graph.nodes} | self.__dict__ | made_anew

    def __setstate__(self, state: dict[str, Any]) -> None:
        left_out = ("calls in order", "_optimizer_state")
        self.__dict__.update({name: value for name, value in state.items() if name not in left_out})
        if state["_optimizer_state"] is not None:
            self._optimizer.give_state(self, state["_optimizer_state"])  # type: ignore[union-attr]

    def restart_engine(self) -> None:
        """Drop the engines, because layers have changed in more than their weights."""
        self._engine = self._predictor = None
        self._gradient_engines = {}

    def lay_down_engine(self) -> None:
        """Give up the engine, which another model will use. The state of the training is kept."""
        self._engine = None
        self._rests_at = self._position, self._objectives

    def at_rest(self) -> AtRest:
        """For a ``with`` block in which no other thread may run this model, or one that shares its variables."""
        return AtRest(self.variables, (self._model_lock,))  # type: ignore[attr-defined]

    def training_position(self) -> dict[str, Any] | None:
        """The training position as plain values for a file; ``None`` before the first `fit`."""
        if self._position is None:
            return None
        engine = own_engine(self)
        if engine is None:
            rests = self._rests_at == (self._position, self._objectives) and self._position.step == 0
            return self._position.state(None, list) if rests else None
        return self._position.state(engine.sums(), engine.over_ranks)

    def settle_position(self, history: Any) -> None:
        """Note the random state at the end of the run with this `History`, which had its own generator.

        If another thread has trained the model since, or trains it now, the position is of that run, which needs it.
        """
        position = self._position
        if position is not None and any(callback is history for callback in position.callbacks.callbacks):
            position.settle()

    def callback_states(self) -> dict[str, Any] | None:
        """The states of the callbacks of the last `fit`; ``None`` before the first."""
        return None if self._position is None else self._position.callbacks.states()

    def resume_at(self, position: dict[str, Any], always: bool, callbacks: dict[str, Any] | None = None) -> None:
        """Let the next `fit` resume at a position: `always`, or only if it begins with the same epoch."""
        states = None if callbacks is None else check_states(callbacks)
        self._resumption = Resumption(check_position(position), always, states)

    def _build_for(self, x: Any) -> None:
        """Build a model without an input shape for the shape of this data."""
        if self.built:
            return
        if isinstance(x, Source):
            x = x.example
        if self._takes_several() and _holds_several(x):
            self.build(map_structure(lambda leaf: (None, *sample_shape(leaf)), x))  # type: ignore[attr-defined]
            return
        if is_dict(x) and len(x) == 1:
            (x,) = x.values()
        shape = sample_shape(x[0] if isinstance(x, (list, tuple)) and len(x) == 1 else x)
        self.build((None, *shape))  # type: ignore[attr-defined]

    def _takes_several(self) -> bool:
        """Whether a model without an input shape may have several inputs."""
        return False


def _holds_several(x: Any) -> bool:
    """Whether `x` is a dict or list of several arrays of samples, not a list of rows."""
    if not isinstance(x, (dict, list, tuple)):
        return False
    leaves = flatten(x)
    return len(leaves) > 1 and (isinstance(x, dict) or all(np.ndim(leaf) > 1 for leaf in leaves))
