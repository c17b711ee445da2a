"""Products of second derivatives of the loss with a vector, as differences of gradients in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.engine import Engine
from cbackprop.families import families
from cbackprop.layers import ActivationLayer, Identity, Input, Layer
from cbackprop.losses import Loss
from cbackprop.models.clone import float64_copy
from cbackprop.models.data import make_inputs
from cbackprop.models.engines import prepare, samples_for
from cbackprop.models.gradient_check import engine_of_copy, for_copy
from cbackprop.models.lasting_states import copy_states, states_kept
from cbackprop.part_of import part_of
from cbackprop.validation import ArgumentTypeError, check_boolean

__all__ = ["SecondOrderMethods"]

Array = NDArray[Any]

# Relative to the size of the weights. The error of a central difference has two parts: one grows with the square of the
# step, the other, rounding, is inversely proportional to it. The cube root of the precision balances them.
STEP = float(np.finfo(np.float64).eps) ** (1 / 3)


@part_of("Model")
class SecondOrderMethods:
    """The part of `Model` that multiplies second derivatives with vectors."""

    def hvp(self, x: Any, y: Any, v: Sequence[Any], sample_weight: Any = None, training: bool = False) -> list[Array]:
        """The product of the loss's Hessian (with respect to the trainable weights) and a vector. Nothing is changed.

        ``H v = d/de gradient(w + e v)`` at e = 0, as the central difference of two gradients.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`; all samples make one batch.
        v : sequence of array_like
            An array for each of `trainable_weights`, shaped like it.
        training : bool, default False
            Whether dropout and the like are active; both gradients draw the same numbers.

        Returns
        -------
        list of ndarray
            An array for each of `trainable_weights`.

        Raises
        ------
        RuntimeError
            Before `compile`.
        TypeError, ValueError
            If the data or an argument is wrong, or the model was compiled without a loss.

        Notes
        -----
        The cost is two gradients, in float64 whatever the model's type. The first call makes a copy of the model, which
        is kept. The relative error is about 1e-9 if the third derivative is of the size of the second. At kinks of the
        loss, as with ReLU, the result is the second derivative of the smooth pieces between them.

        References
        ----------
        Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6, 1994, whose introduction
        discusses such differences.

        Examples
        --------
        The loss of a linear model, (3 w - 1)^2, has the second derivative 18:

        >>> import cbackprop as cb
        >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1, use_bias=False)])
        >>> model.compile(loss="mse")
        >>> model.hvp([[3.0]], [[1.0]], [[[1.0]]])[0].round(4).tolist()
        [[18.0]]
        """
        check_boolean("training", training)
        twin, vector = self._twin_for(x, y, v, sample_weight, "hvp")
        found = difference(twin.variables, vector, lambda: twin.gradient(training))
        return [array.astype(twin.model.dtype) for array in found]

    def ggnvp(self, x: Any, y: Any, v: Sequence[Any], sample_weight: Any = None) -> list[Array]:
        """The product of the generalized Gauss-Newton matrix with a vector. Nothing is changed.

        ``G v = J^T H J v``, where J is the Jacobian of the outputs z with respect to the trainable weights, and H the
        Hessian of the loss with respect to z. G is the Hessian of the loss if the outputs are linear in the weights. If
        the loss is convex, it has no negative eigenvalues.

        Parameters
        ----------
        x, y, v, sample_weight
            As in `hvp`. Layers behave as in predictions.

        Returns
        -------
        list of ndarray
            An array for each of `trainable_weights`.

        Raises
        ------
        RuntimeError
            Before `compile`.
        TypeError, ValueError
            If the data or an argument is wrong, or the model was compiled without a loss.

        Notes
        -----
        If a model ends in a softmax or sigmoid and the loss is a cross-entropy of probabilities, z are the logits, as
        usual: the loss is convex in the logits, not in the probabilities. Regularizers are not included.

        The cost is two predictions, two gradients of the loss with respect to the outputs, and a backward pass, in
        float64. The relative error is about 1e-9.

        References
        ----------
        Schraudolph, "Fast curvature matrix-vector products for second-order gradient descent", Neural Computation 14,
        2002.

        Examples
        --------
        >>> import cbackprop as cb
        >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1, use_bias=False)])
        >>> model.compile(loss="mse")
        >>> model.ggnvp([[3.0]], [[1.0]], [[[1.0]]])[0].round(4).tolist()
        [[18.0]]
        """
        twin, vector = self._twin_for(x, y, v, sample_weight, "ggnvp")
        found = twin.outputs.product(vector, x, y, sample_weight)
        return [array.astype(twin.model.dtype) for array in found]

    def _twin_for(self, x: Any, y: Any, v: Any, sample_weight: Any, method: str) -> tuple[Twin, list[Array]]:
        """The model's float64 copy, with these samples, and the checked vector."""
        model: Any = self
        main = prepare(model, x, method)
        if model.has_open_inputs:
            main = main.at(make_inputs(model, x))
        if not any(objective.loss for objective in main.objectives):
            raise ValueError(f"{method} needs a loss, but the model was compiled without one.")
        vector = checked_vector(v, model.trainable_variables)
        samples = samples_for(model, main, x, y, sample_weight)
        key = "float64", tuple(main.trainable), tuple(main.plan.input_shapes)
        with Layer._making:
            known = model._gradient_engines.get(key)
            if known is None or not known.is_up_to_date():
                known = model._gradient_engines[key] = Twin(model, main)
        known.load(samples, main.state.batches)
        return known, vector


def checked_vector(v: Any, variables: Sequence[Any]) -> list[Array]:
    """The arrays of a vector in float64.

    Raises
    ------
    TypeError
        If it is not a list of arrays.
    ValueError
        If their number or a shape is wrong, or a number is not finite.
    """
    if not isinstance(v, (list, tuple)):
        raise ArgumentTypeError(f"v must be a list of arrays, one for each of trainable_weights, but got {v!r}.")
    if len(v) != len(variables):
        raise ValueError(f"v must have {len(variables)} arrays, one for each of trainable_weights, but has {len(v)}.")
    found = []
    for given, variable in zip(v, variables, strict=True):
        array = np.asarray(given, np.float64)
        if array.shape != tuple(variable.shape):
            raise ValueError(f"v must have the shape {tuple(variable.shape)} for {variable.path!r}, not {array.shape}.")
        if not np.isfinite(array).all():
            raise ValueError(f"v must be finite, but is not for {variable.path!r}.")
        found.append(array)
    return found


class Twin:
    """A float64 copy of a model, whose weights are moved along vectors.

    Parameters
    ----------
    model : Model
    main : Engine
        The engine that trains the model, on data of these shapes.
    """

    def __init__(self, model: Any, main: Engine) -> None:
        self.model = model
        self.copy = float64_copy(model)
        plan = self.copy.plan_for([np.empty((1, *shape)) for shape in main.plan.input_shapes])
        self.engine = engine_of_copy(model, self.copy, plan, main)
        self.variables = twins_of(model, self.copy)
        self._outputs: Outputs | None = None

    def is_up_to_date(self) -> bool:
        """Whether the copy still fits the model. It is dropped together with the model's plans."""
        return True

    @property
    def outputs(self) -> Outputs:
        """The copy's outputs, and the losses as functions of them. Made when first needed."""
        if any(mask is not None for mask in self.engine.plan.output_masks):
            raise ValueError("ggnvp does not support losses that depend on masks: use sample_weight instead.")
        if self._outputs is None:
            self._outputs = Outputs(self.model)
        return self._outputs

    def load(self, samples: Any, batches: int) -> None:
        """Take over the model's weights, and these samples. Random layers draw as after this many batches."""
        self.copy.set_weights(self.model.get_weights())
        copy_states(self.model, self.copy)
        self.engine.bind()
        self.data, self.size, self.batches = for_copy(samples.data.present()), samples.size, batches

    def gradient(self, training: bool) -> list[Array]:
        """The gradient with respect to the trainable weights, at their current values."""
        self.engine.draw_as_after(self.batches)
        with states_kept(self.engine):
            self.engine.train(self.data, None, 0, self.size, self.size, update=False, training=training)
        found = dict(zip(self.engine.trainable, self.engine.gradients(), strict=True))
        return [np.array(found[variable]) for variable in self.variables]


class Outputs:
    """A model's outputs in float64, and its losses as functions of them.

    If an output is a softmax or sigmoid, and its loss can work from logits, the logits are used instead.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        copy = float64_copy(model)
        ends, losses = [], []
        for tensor, objective in zip(copy.outputs, model._objectives, strict=True):
            loss = objective.loss
            before = None if loss is None else argument_of(tensor, loss)
            if before is not None:
                loss = type(loss).from_config(loss.get_config() | {"from_logits": True})
            ends.append(tensor if before is None else before)
            losses.append(loss)
        functional = families["layers"].find("Model")  # which is made of this module, too
        self.predictor = functional(copy.inputs, ends if len(ends) > 1 else ends[0])
        self.variables = twins_of(model, copy)
        self.copy = copy
        inputs = [Input(tensor.shape[1:], dtype="float64") for tensor in ends]
        ends_of = zip(model.output_names, inputs, strict=True)
        named = [Identity(name=name, dtype="float64")(tensor) for name, tensor in ends_of]
        self.losses = functional(inputs, named if len(named) > 1 else named[0])
        weights = [objective.loss_weight for objective in model._objectives]
        self.losses.compile(loss=losses, loss_weights=weights, engine=model.compile_settings()["engine"])

    def predict(self, x: Any) -> list[Array]:
        """The outputs for the current weights."""
        copy_states(self.model, self.copy)
        found = self.predictor(x, training=False)
        return [np.array(array) for array in (found if isinstance(found, (list, tuple)) else [found])]

    def product(self, vector: list[Array], x: Any, y: Any, sample_weight: Any) -> list[Array]:
        """J^T H J v."""
        self.copy.set_weights(self.model.get_weights())
        outputs = self.predict(x)
        moved = difference(self.variables, vector, lambda: self.predict(x))
        step = step_along(outputs, moved)
        if step is None:
            return [np.zeros_like(array) for array in vector]

        def slopes(sign: int) -> list[Array]:
            at = [array + sign * step * along for array, along in zip(outputs, moved, strict=True)]
            found = self.losses.gradients(at if len(at) > 1 else at[0], y, sample_weight, wrt="inputs")
            return found if isinstance(found, list) else [found]

        curved = [(a - b) / (2 * step) for a, b in zip(slopes(1), slopes(-1), strict=True)]
        copy_states(self.model, self.copy)
        found = self.predictor.backward(x, curved if len(curved) > 1 else curved[0])
        by_variable = dict(zip(self.predictor.trainable_variables, found, strict=True))
        return [by_variable.get(variable, np.zeros(variable.shape)) for variable in self.variables]


def twins_of(model: Any, copy: Any) -> list[Any]:
    """The trainable weights of a model's copy, in the order of the model's."""
    twins = dict(zip(model.variables, copy.variables, strict=True))
    return [twins[variable] for variable in model.trainable_variables]


def argument_of(tensor: Any, loss: Loss) -> Any:
    """The logits of an output, if it is a softmax or sigmoid and the loss can work from logits; else ``None``.

    If the layer has the function as its activation, the activation is removed.
    """
    layer = tensor.node.layer
    wanted = {"BinaryCrossentropy": "sigmoid"}.get(type(loss).__name__, "softmax")
    takes = "Crossentropy" in type(loss).__name__ and getattr(loss, "from_logits", True) is False
    if not takes or layer.function is None or layer.function.name != wanted or len(layer.nodes) > 1:
        return None
    if isinstance(layer, ActivationLayer):
        return tensor.node.inputs[0]
    if "activation" not in layer.adjustable:
        return None
    layer.activation = "linear"
    return tensor


def difference(variables: Sequence[Any], vector: list[Array], function: Callable[[], list[Array]]) -> list[Array]:
    """The derivative of a function of the weights along a vector."""
    start = [np.array(variable.array) for variable in variables]
    step = step_along(start, vector)
    if step is None:
        return [np.zeros_like(array) for array in function()]

    def at(length: float) -> list[Array]:
        for variable, array, along in zip(variables, start, vector, strict=True):
            variable.array[...] = array + length * along
        return function()

    try:
        after, before = at(step), at(-step)
    finally:
        for variable, array in zip(variables, start, strict=True):
            variable.array[...] = array
    return [(a - b) / (2 * step) for a, b in zip(after, before, strict=True)]


def step_along(start: list[Array], vector: list[Array]) -> float | None:
    """How far to step along a vector; ``None`` if the vector is 0."""
    length = np.sqrt(sum(float((array**2).sum()) for array in vector))
    if length == 0:
        return None
    size = np.sqrt(sum(float((array**2).sum()) for array in start))
    return float(STEP * max(1.0, size) / length)
