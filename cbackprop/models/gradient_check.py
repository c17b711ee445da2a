"""Compare analytic gradients with central differences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cbackprop.engine import Data, Engine, engine_class
from cbackprop.engine.sparse import SparseRows
from cbackprop.models.clone import float64_copy
from cbackprop.models.data import make_inputs, make_samples
from cbackprop.models.engines import own_engine
from cbackprop.models.lasting_states import lasting_arrays, states_kept
from cbackprop.models.objectives import needs_of
from cbackprop.models.untouched import Remembered
from cbackprop.variable import Variable

__all__ = ["Differences", "GradientReport", "check_gradients"]

# Step sizes that are tried for each weight, relative to max(1, |w|). A central difference has an error of the order of
# step^2 from the loss's curvature, and of 1e-16 / step from rounding.
STEPS = (1e-5, 1e-4, 1e-6, 1e-7)
GOOD_ENOUGH = 1e-8


@dataclass(frozen=True)
class GradientReport:
    """The outcome of `Model.check_gradients`.

    The relative error of a weight is |analytic - numeric| / max(|analytic|, |numeric|, scale), where scale is
    1e-3 of the largest gradient of the model (and at least 1e-8): below that, differences are only rounding.

    Attributes
    ----------
    max_relative_error : float
    worst : tuple (path of the variable, index in it)
    analytic, numeric : float
        Both gradients there.
    errors : dict of str to float
        The largest relative error of each variable, by path.
    checked : int
        Number of single weights that were checked.
    """

    max_relative_error: float
    worst: tuple[str, tuple[int, ...]]
    analytic: float
    numeric: float
    errors: dict[str, float]
    checked: int

    def _repr_html_(self) -> str:
        """The errors as a table, for notebooks; the largest first."""
        from html import escape

        from cbackprop.html_tables import html_table  # imports `html`, which takes time

        order = sorted(self.errors.items(), key=lambda pair: -pair[1])
        path, index = self.worst
        below = f"{self.analytic:.10g} analytic and {self.numeric:.10g} numeric at {escape(path)}{list(index)}"
        return html_table(
            f"{self.checked:,} gradients checked; largest relative error <b>{self.max_relative_error:.2e}</b>",
            ["Variable", "Largest relative error"],
            [(name, f"{error:.2e}") for name, error in order],
            below,
            numbers=["Largest relative error"],
        )

    def __str__(self) -> str:
        width = max(map(len, self.errors), default=8)
        lines = [f"{path:<{width}}  {error:.2e}" for path, error in self.errors.items()]
        path, index = self.worst
        return "\n".join(
            [
                f"{self.checked} gradients checked; largest relative error {self.max_relative_error:.2e}",
                f"at {path}{list(index)}: analytic {self.analytic:.10g}, numeric {self.numeric:.10g}",
                *lines,
            ]
        )


class Probe:
    """The loss of a model's float64 copy as a function of its weights. The copy's states are not changed."""

    def __init__(self, engine: Engine, data: Data, training: bool) -> None:
        self.engine = engine
        self.data = data
        self.training = training

    def loss(self) -> float:
        """The loss with the current weights."""
        self.engine.reset()
        with states_kept(self.engine):
            self.engine.test(self.data, len(self.data), self.training)
        return self.engine.losses()[0]

    def gradients(self) -> dict[Variable, Any]:
        """The gradient of each weight, by backpropagation."""
        size = len(self.data)
        with states_kept(self.engine):
            self.engine.train(self.data, None, 0, size, size, update=False, training=self.training)
        return dict(zip(self.engine.trainable, self.engine.gradients(), strict=True))

    def difference(self, weights: Any, i: int, step: float) -> float:
        """The central difference of the loss for weight i."""
        start = weights[i]
        with np.errstate(all="ignore"):  # a model that has diverged may overflow
            try:
                weights[i] = start + step
                above, after = weights[i], self.loss()
                weights[i] = start - step
                below, before = weights[i], self.loss()
            finally:  # a layer in Python may raise
                weights[i] = start
            return float((after - before) / (above - below))


def check_gradients(
    model: Any, x: Any, y: Any, epsilon: float | None, sample_weight: Any, training: bool
) -> GradientReport:
    """Check every weight of a copy of the model in float64."""
    copy = float64_copy(model)
    plan = copy.plan_for(make_inputs(copy, x))
    engine = engine_of_copy(model, copy, plan, own_engine(model))
    samples = make_samples(copy, lambda _: needs_of(copy, engine.objectives, plan), x, y, sample_weight)
    probe = Probe(engine, samples.data.present(), training)
    return _compare(probe, probe.gradients(), epsilon)


class Differences:
    """Central differences of a model's loss for single weights, in float64, at a remembered state of the model.

    Parameters
    ----------
    model : Model
    main : Engine
        The engine that trains the model, on data like this.
    data : Data
    training : bool
        Whether dropout and the like are active. They draw as in the batch that followed the remembered state.
    then : Remembered
        The remembered state.
    """

    def __init__(self, model: Any, main: Engine, data: Data, training: bool, then: Remembered) -> None:
        copy = float64_copy(model)
        self.twins = dict(zip(model.variables, copy.variables, strict=True))
        engine = engine_of_copy(model, copy, copy.plan_for(data.inputs), main)
        for variable, value in then.weights:
            if variable in self.twins:
                self.twins[variable].array[...] = value
        for twin, (_, value) in zip(lasting_arrays(engine), then.lasting, strict=True):
            twin[...] = value
        engine.bind()
        engine.draw_as_after(then.batches)
        self.probe = Probe(engine, for_copy(data), training)

    def at(self, variable: Variable, index: tuple[int, ...]) -> float:
        """The central difference for the weight element with this index."""
        weights = self.twins[variable].array.reshape(-1)
        place = int(np.ravel_multi_index(index, variable.shape)) if variable.shape else 0
        return self.probe.difference(weights, place, STEPS[0] * max(1.0, abs(float(weights[place]))))


def for_copy(data: Data) -> Data:
    """A model's data for its float64 copy: values of sparse rows are converted, as engines do with arrays."""
    return replace(data, inputs=[x.copy(np.float64) if isinstance(x, SparseRows) else x for x in data.inputs])


def engine_of_copy(model: Any, copy: Any, plan: Any, main: Any) -> Engine:
    """The engine of a model's float64 copy. It only computes losses and gradients, as the `main` engine would."""
    wanted = set(main.trainable)
    objectives = [replace(objective, metrics=[]) for objective in main.objectives]
    trainable = [new for old, new in zip(model.variables, copy.variables, strict=True) if old in wanted]
    return engine_class(model.compile_settings()["engine"], plan)(plan, "float64", objectives, None, trainable)


def _compare(probe: Probe, analytic: dict[Variable, Any], epsilon: float | None) -> GradientReport:
    largest = max((float(np.abs(gradient).max()) for gradient in analytic.values()), default=0.0)
    scale = max(1e-3 * largest, 1e-8)
    worst: tuple[float, tuple[str, tuple[int, ...]], float, float] = (0.0, ("", ()), 0.0, 0.0)
    errors: dict[str, float] = {}
    for variable, gradient in analytic.items():
        weights, gradients = variable.array.reshape(-1), gradient.reshape(-1)
        errors[variable.path] = 0.0
        for i in range(variable.size):
            error, numeric = _error(probe, weights, i, float(gradients[i]), scale, epsilon)
            errors[variable.path] = max(errors[variable.path], error)
            if error >= worst[0]:
                index = tuple(int(k) for k in np.unravel_index(i, variable.shape))
                worst = (error, (variable.path, index), float(gradients[i]), numeric)
    checked = sum(variable.size for variable in analytic)
    return GradientReport(worst[0], worst[1], worst[2], worst[3], errors, checked)


def _error(
    probe: Probe, weights: Any, i: int, analytic: float, scale: float, epsilon: float | None
) -> tuple[float, float]:
    """The smallest relative error over the steps that are tried, and its difference."""
    best = (np.inf, np.nan)
    for step in STEPS if epsilon is None else (epsilon,):
        numeric = probe.difference(weights, i, step * max(1.0, abs(float(weights[i]))))
        error = abs(analytic - numeric) / max(abs(analytic), abs(numeric), scale)
        best = min(best, (error, numeric))
        if error < GOOD_ENOUGH:
            break
    return best
