"""The loss of all samples as a function of one vector of weights, for full-batch optimizers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.losses.regression import MeanSquaredError

if TYPE_CHECKING:
    from cbackprop.engine.data import Data
    from cbackprop.engine.engine import Engine

__all__ = ["EngineProblem"]

Array = NDArray[Any]


class EngineProblem:
    """Implements `cbackprop.optimizers.full_batch.Problem`: the loss of some data in a network.

    Parameters
    ----------
    engine : Engine
        It must be bound, and locked by this thread.
    data : Data
    """

    def __init__(self, engine: Engine, data: Data) -> None:
        refusal = _refusal(engine)
        if refusal is not None:
            raise ValueError(refusal)
        self.engine, self.data = engine, data
        self.key = tuple(engine.trainable)
        self.solver = engine.solver()
        self.samples = len(data)
        pairs = zip(engine.plan.output_shapes, engine.objectives, strict=True)
        self.values = sum(math.prod(shape) for shape, objective in pairs if objective.loss)
        self._seen = False
        self._random = any(hasattr(step.layer, "seed") for step in engine.plan.steps)

    @property
    def only_squares(self) -> str | None:
        """Why the loss is not a weighted sum of squared errors; ``None`` if it is."""
        for objective, shape, weights in zip(
            self.engine.objectives, self.engine.plan.output_shapes, self.data.weights, strict=True
        ):
            if objective.loss is not None and type(objective.loss) is not MeanSquaredError:
                return f"the loss must be MeanSquaredError, but got {type(objective.loss).__name__}."
            if objective.loss is not None and objective.loss.missing:
                return "the loss must not leave out missing targets."
            if weights is not None and (weights.size != len(weights) * math.prod(shape[:-1]) or weights.min() < 0):
                return "weights must be sample weights, and not negative."
        return None

    def weights(self) -> Array:
        """A copy of the trainable weights, one after the other."""
        found = [variable.array.ravel() for variable in self.key]
        return np.concatenate([np.zeros(0, self.engine.dtype), *found])

    def set_weights(self, weights: Array) -> None:
        """Set the weights of the model."""
        begin = 0
        for variable in self.key:
            variable.array[...] = weights[begin : begin + variable.size].reshape(variable.shape)
            begin += variable.size

    def gradient(self) -> tuple[float, Array]:
        """Loss and gradient at the current weights."""
        self.engine.reset()
        self.engine.train(self.data, None, 0, self.samples, self.samples, update=False)
        self._seen = True
        gradients = [gradient.ravel() for gradient in self.engine.gradients()]
        return self.engine.losses()[0], np.concatenate([np.zeros(0, self.engine.dtype), *gradients])

    def loss(self) -> float:
        """The loss at the current weights."""
        self.engine.reset()
        self.engine.test(self.data, self.samples, training=True)
        return self.engine.losses()[0]

    def repeats(self) -> bool:
        """Whether the gradient has been computed before, and nothing in the function is random."""
        return self._seen and not self._random

    def jacobian(self, begin: int, end: int) -> tuple[Array, Array]:
        """Derivatives and values of the errors of some samples, scaled such that the sum of squares is the loss."""
        derivatives, errors = self.engine.jacobian(self.data, begin, end)
        scales = np.concatenate([self._scales(index, begin, end) for index in range(len(self.engine.objectives))], 1)
        scale = scales.ravel()
        return np.multiply(derivatives, scale[:, None], dtype=np.float64), errors * scale

    def _scales(self, index: int, begin: int, end: int) -> Array:
        """The factors of the errors of an output, (samples, numbers)."""
        objective, shape = self.engine.objectives[index], self.engine.plan.output_shapes[index]
        if objective.loss is None:
            return np.zeros((end - begin, 0))
        weights = self.data.weights[index]
        divisor = objective.loss.divisor(self.samples * math.prod(shape[:-1]), weights)
        scales = np.full(
            (end - begin, math.prod(shape[:-1]), shape[-1]), objective.loss_weight / (divisor or math.inf) / shape[-1]
        )
        if weights is not None:
            scales *= weights[begin:end].reshape(end - begin, -1, 1)
        return np.sqrt(scales).reshape(end - begin, -1)

    def keep(self) -> Any:
        """Save losses and metrics of the last evaluation, for `show`."""
        return self.engine.sums()

    def finish(self) -> None:
        """Count a step, and update variables without a gradient, such as moving averages."""
        if self.engine.sees_whole(True):
            self.engine.reset()
            self.engine.train(self.data, None, 0, self.samples, self.samples)  # whose update changes no weight
        else:
            self.engine.state.batches += 1

    def show(self, kept: Any) -> None:
        """Report these as the losses and metrics of the step."""
        self.engine.restore(kept)


def _refusal(engine: Engine) -> str | None:
    """Why a full-batch optimizer cannot train a network; ``None`` if it can."""
    name = type(engine.optimizer).__name__
    squares = name == "LevenbergMarquardt"
    if squares and any(engine.masks):
        return f"{name} cannot train an output that has a mask: weigh its rows by sample_weight."
    for index, step in enumerate(engine.plan.steps):
        if step.layer.lasting:
            return (
                f"{name} compares losses of the same batch, but layer {step.layer.name!r} is stateful: it goes on from "
                "its last states each time."
            )
        if squares and engine.couples(index, True):
            return f"{name} cannot train layer {step.layer.name!r}: it must see a batch as a whole in training."
    for variable in engine.trainable:
        if variable.constraint is not None:
            return f"{name} cannot keep to the constraint of weight {variable.path!r}."
        if squares and variable.regularizer is not None:
            return f"{name} needs a sum of squares, but weight {variable.path!r} has a regularizer."
    for activity in engine.activities if squares else ():
        return f"{name} needs a sum of squares, but layer {activity.layer.name!r} adds to the loss."
    return None
