"""Gradients with respect to a model's weights, its inputs, or the output of a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.engine import Data, Engine, Objective, engine_class
from cbackprop.layers.layer import Layer
from cbackprop.losses import Loss
from cbackprop.losses.target import as_array, check_finite
from cbackprop.models.data import assign, make_inputs
from cbackprop.models.engines import own_engine, prepare, samples_for
from cbackprop.models.gradient_check import GradientReport, check_gradients
from cbackprop.models.lasting_states import states_kept
from cbackprop.part_of import part_of
from cbackprop.plan.graph import unfolded_layers
from cbackprop.plan.plan import Plan
from cbackprop.plan.probe import Probe
from cbackprop.suggestions import nearest
from cbackprop.tensor import map_structure
from cbackprop.validation import check_boolean, check_number, contiguous

__all__ = ["GradientMethods"]

Array = NDArray[Any]

# The most engines that a model keeps for gradients with respect to anything but its weights.
MOST_KEPT = 8


@part_of("Model")
class GradientMethods:
    """The part of `Model` that computes gradients for users."""

    def gradients(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        training: bool = False,
        wrt: Any = "weights",
        per_sample: bool = False,
    ) -> Any:
        """The gradient of the loss with respect to weights, inputs, or the output of a layer. Nothing is changed.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`; all samples make one batch.
        training : bool, default False
            Whether dropout and the like are active.
        wrt : {"weights", "inputs"}, Layer, str, or tuple (layer, int), default "weights"
            With respect to what: the trainable weights, the inputs, or the output of a layer (after its activation).
            The layer, or its name, may be one of a nested model. If a layer is shared and so called several times, give
            the call as well, counted from 0 in the order of the graph: ``("encoder", 1)``.
        per_sample : bool, default False
            Whether to compute the gradient of each sample's own loss, as if the sample were a batch.

        Returns
        -------
        list of ndarray, ndarray, or list or dict of ndarray
            For weights, one for each of `trainable_weights`, shaped like it. For inputs, arrays (samples, ...) in the
            structure of the inputs, and ``None`` for inputs of whole numbers, which have no derivative. For a layer,
            an array (samples, ...), or a list of them if it has several outputs. With `per_sample` the first axis
            counts the samples for weights, too.

        Raises
        ------
        RuntimeError
            Before `compile`.
        TypeError, ValueError
            If the data or an argument is wrong, or the model was compiled without a loss.

        Notes
        -----
        The loss is that of `evaluate`: the weighted sum of the outputs' losses, with regularizers. It is divided by the
        batch size, and so are gradients with respect to inputs, except with `per_sample`. If you know the gradient with
        respect to the predictions already, use `backward`.

        Examples
        --------
        >>> import cbackprop as cb
        >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile(loss="mse")
        >>> [g.tolist() for g in model.gradients([[2.0]], [[1.0]])]
        [[[4.0]], [2.0]]
        >>> model.gradients([[2.0], [3.0]], [[1.0], [1.0]], wrt="inputs").tolist()
        [[1.0], [2.0]]
        """
        check_boolean("training", training)
        check_boolean("per_sample", per_sample)
        model: Any = self
        main = prepare(model, x, "gradients")
        if model.has_open_inputs:
            main = main.at(make_inputs(model, x))
        if not any(objective.loss for objective in main.objectives):
            raise ValueError("gradients needs a loss, but the model was compiled without one: see backward.")
        target = find_target(model, wrt)
        if target == "weights":
            differentiator = Differentiator(model, main, [])
        else:
            objectives = [replace(objective, metrics=[]) for objective in main.objectives]
            differentiator = kept(model, x, "loss", target, lambda plan: objectives, ())
        samples = samples_for(model, main, x, y, sample_weight)
        return differentiator.run(samples.data, samples.size, training, per_sample, main.state.batches)

    def backward(
        self, x: Any, output_gradient: Any, wrt: Any = "weights", training: bool = False, per_sample: bool = False
    ) -> Any:
        """The gradients of weights or inputs for a given gradient of the outputs (a vector-Jacobian product).

        If L depends on the outputs, and ``dL/doutput`` is given, then ``dL/dw = sum of dL/doutput doutput/dw``. This is
        the backward pass alone. Use it for your own losses in your own training loop, and to pass gradients from one
        model to another. Nothing is changed.

        Parameters
        ----------
        x : array_like, or list or dict of them
            As in `predict`; all samples make one batch.
        output_gradient : array_like, or list or dict of them
            Shaped like the outputs, samples along the first axis. ``None`` stands for zeros.
        wrt, training, per_sample
            As in `gradients`. With `per_sample`, the gradients of the samples add up to that of the batch.

        Returns
        -------
        list of ndarray, ndarray, or list or dict of ndarray
            As `gradients`. Losses, regularizers and masks of the model have no effect.

        Raises
        ------
        TypeError, ValueError
            If the data or an argument is wrong.

        Notes
        -----
        The model need not be compiled. If it is, the engine and the trainable weights are those of `compile`.

        Examples
        --------
        >>> import cbackprop as cb
        >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1, kernel_initializer="ones")])
        >>> [g.tolist() for g in model.backward([[2.0, 3.0]], [[10.0]])]
        [[[20.0], [30.0]], [10.0]]
        >>> model.backward([[2.0, 3.0]], [[10.0]], wrt="inputs").tolist()
        [[10.0, 10.0]]
        """
        check_boolean("training", training)
        check_boolean("per_sample", per_sample)
        model: Any = self
        model._build_for(x)
        target = find_target(model, wrt)
        chosen = model.trainable_variables
        if model.compiled and model._trainable_when_compiled is not None:
            chosen = model._trainable_when_compiled
        differentiator = kept(model, x, "outputs", target, given_objectives, chosen if target == "weights" else ())
        inputs = make_inputs(model, x)
        given = given_gradients(model, differentiator.engine.plan, output_gradient, len(Data(inputs)))
        nothing: list[Array | None] = [None] * len(given)
        data = Data(inputs, nothing, nothing, nothing, [*given])
        engine = own_engine(model)
        batches = 0 if engine is None else engine.state.batches
        return differentiator.run(data, len(Data(inputs)), training, per_sample, batches)

    def check_gradients(
        self, x: Any, y: Any, epsilon: float | None = None, sample_weight: Any = None, training: bool = False
    ) -> GradientReport:
        """Compare the gradient of every single weight with central differences, in float64; nothing is changed.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`; a few samples are enough.
        epsilon : float, optional
            The step of the differences. By default several steps are tried for each weight and the best one counts, so
            that the corner of a ReLU within one step is not taken for an error.
        training : bool, default False
            Whether dropout and the like are active; the same units are dropped in every evaluation.

        Returns
        -------
        GradientReport
            ``max_relative_error``, where it is (``worst``), and a table when printed.

        Raises
        ------
        RuntimeError
            Before `compile`.
        TypeError, ValueError
            If the data or `epsilon` is wrong.

        Examples
        --------
        >>> import cbackprop as cb
        >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(3, activation="tanh"), cb.layers.Dense(1)])
        >>> model.compile(loss="mse")
        >>> report = model.check_gradients([[0.5, -1.0]], [[0.3]])
        >>> report.max_relative_error < 1e-6
        True
        """
        if epsilon is not None:
            epsilon = check_number("epsilon", epsilon, 0, open_minimum=True)
        check_boolean("training", training)
        prepare(self, x, "check_gradients")
        return check_gradients(self, x, y, epsilon, sample_weight, training)


class GivenGradient(Loss):
    """The loss ``sum of g y`` for a given g. Its derivative is g, so the backward pass starts from g."""

    def call(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """Zeros, because the value is not used, and the given gradient."""
        return np.zeros(len(y_pred)), y_true


def given_objectives(plan: Plan) -> list[Objective]:
    """For each output, an objective whose loss has a given gradient."""
    return [Objective(GivenGradient("given", "sum")) for _ in plan.outputs]


def given_gradients(model: Any, plan: Plan, value: Any, samples: int) -> list[Array]:
    """The given gradients, checked: an array for each output, shaped like it.

    Raises
    ------
    TypeError, ValueError
        If none is given, or one does not fit.
    """
    names, shapes = model.output_names, plan.output_shapes
    parts = assign("output_gradient", value, names, model.output_structure, [False] * len(names))
    if all(part is None for part in parts):
        raise ValueError("output_gradient is missing: expected an array shaped like the output, or one for each.")
    found = []
    for output, shape, part in zip(names, shapes, parts, strict=True):
        wanted = (samples, *shape)
        name = "output_gradient" if len(names) == 1 else f"output_gradient[{output!r}]"
        array = np.zeros(wanted) if part is None else as_array(name, part)
        if array.shape == (samples,) and wanted == (samples, 1):
            array = array.reshape(wanted)
        if array.shape != wanted:
            raise ValueError(f"{name} must have shape {wanted}, as the output, but got {array.shape}.")
        check_finite(name, array)
        found.append(contiguous(array, model.dtype))
    return found


# What to differentiate by: "weights", "inputs", or a layer with the number of its call (if given).
Target = str | tuple[Layer, int | None]


def find_target(model: Any, wrt: Any) -> Target:
    """The weights, inputs or layer that `wrt` means.

    Raises
    ------
    TypeError, ValueError
        If the model has no such thing.
    """
    if isinstance(wrt, str) and wrt in ("weights", "inputs"):
        return wrt
    call = None
    if isinstance(wrt, tuple) and len(wrt) == 2:
        wrt, call = wrt
        if isinstance(call, bool) or not isinstance(call, (int, np.integer)) or call < 0:
            raise ValueError(f"The call in wrt=(layer, call) must be a number from 0 on, but got {call!r}.")
    layers = list(dict.fromkeys([*model.layers, *unfolded_layers(model)]))
    if isinstance(wrt, str):
        named = [layer for layer in model.layers if layer.name == wrt] or [la for la in layers if la.name == wrt]
        if len(named) > 1:
            raise ValueError(f"Several layers of nested models are called {wrt!r}: give wrt the layer itself.")
        if named:
            wrt = named[0]
    if not isinstance(wrt, (str, Layer)):
        raise TypeError(f"wrt must be 'weights', 'inputs', a layer or its name, but got {type(wrt).__name__}.")
    if wrt not in layers:
        what = repr(wrt) if isinstance(wrt, str) else f"layer {wrt.name!r}"
        known = ["weights", "inputs", *(layer.name for layer in layers)]
        raise ValueError(
            f"wrt must be 'weights', 'inputs', or a layer of this model or its name, but got {what}. "
            f"{nearest(what.strip(chr(39)), known)}"
        )
    assert isinstance(wrt, Layer)
    if wrt.n_inputs == 0:
        raise ValueError(f"wrt is {wrt.name!r}, an input: use wrt='inputs'.")
    return wrt, None if call is None else int(call)


def kept(
    model: Any, x: Any, purpose: str, target: Target, make: Callable[[Plan], list[Objective]], trainable: Sequence[Any]
) -> Differentiator:
    """The engine for one kind of gradients, made when first needed."""
    watched = target if isinstance(target, str) else target[0]
    tensors = model.tensors_for(make_inputs(model, x) if model.has_open_inputs else [])
    key = purpose, watched, tuple(trainable), tuple(tensor.shape for tensor in tensors[0])
    with Layer._making:
        known = model._gradient_engines.get(key)
        if known is None or not known.is_up_to_date():
            plan = Plan(tensors[0], tensors[1], watched)
            for probe in (probe for call in plan.probes for probe in call if probe is not None):
                probe.dtype = model.dtype
            kind = engine_class(model._settings.get("engine", "compiled"), plan)
            only_losses = purpose == "outputs"
            engine = kind(
                plan, model.dtype, make(plan), None, trainable, model_lock=model._model_lock, only_losses=only_losses
            )
            engine.check_differentiable()
            if known is None and len(model._gradient_engines) == MOST_KEPT:
                del model._gradient_engines[next(iter(model._gradient_engines))]
            model._gradient_engines[key] = engine
        engine = model._gradient_engines[key]
    return Differentiator(model, engine, chosen_probes(engine.plan, target))


def chosen_probes(plan: Plan, target: Target) -> list[Probe | None]:
    """The probes of a plan that keep the wanted gradients; an empty list for weights.

    Raises
    ------
    ValueError
        If the call of a layer is missing or does not exist, or the values are integers, which have no derivative.
    """
    if target == "weights":
        return []
    if isinstance(target, str):
        pairs = zip(plan.probes[0], plan.id_ranges, strict=True)
        found = [probe if limit is None else None for probe, limit in pairs]
        if not any(found):
            raise ValueError(
                "The inputs are integers, so the loss has no derivative by them: set wrt to the layer that reads them."
            )
        return found
    layer, call = target
    name, calls = layer.name, len(plan.probes)
    if call is None and calls > 1:
        raise ValueError(f"Layer {name!r} is called {calls} times: name the call, such as wrt=({name!r}, 0).")
    if (call or 0) >= calls:
        raise ValueError(f"Layer {name!r} is called {calls} times in this model: there is no call {call} (from 0 on).")
    found = plan.probes[call or 0]
    if not any(found):
        raise ValueError(f"The output of layer {name!r} is integers, so the loss has no derivative by them.")
    return found


class Differentiator:
    """Runs an engine forwards and backwards, and collects gradients.

    Parameters
    ----------
    model : Model
    engine : Engine
    probes : list of Probe
        The probes that keep the wanted gradients. Without any, gradients of the weights are wanted.
    """

    def __init__(self, model: Any, engine: Engine, probes: list[Probe | None]) -> None:
        self.model, self.engine, self.probes = model, engine, probes
        self._there: list[bool] = []  # whether each input is given

    def run(self, data: Data, samples: int, training: bool, per_sample: bool, batches: int) -> Any:
        """The gradients of a batch, or of each sample. Random layers draw as if `batches` batches had come before."""
        self._there = [array is not None for array in data.inputs]
        data = data.present()
        if per_sample and self.engine.fixed_batch not in (None, 1):
            raise ValueError(
                f"per_sample=True runs one sample after the other, but a stateful layer of the model takes "
                f"{self.engine.fixed_batch} samples at a time."
            )
        with self.engine.fresh_means(), states_kept(self.engine):
            if not per_sample:
                return self._in_form(self._pass(data, 0, samples, training, batches))
            parts = [self._pass(data, i, i + 1, training, batches) for i in range(samples)]
        join = np.concatenate if self.probes else np.stack
        joined = [None if group[0] is None else join(group) for group in zip(*parts, strict=True)]
        return self._in_form(joined)

    def _pass(self, data: Data, begin: int, end: int, training: bool, batches: int) -> list[Any]:
        engine = self.engine
        for probe in filter(None, self.probes):
            probe.delta = None
        engine.draw_as_after(batches)
        engine.train(data, None, begin, end, end - begin, update=False, training=training)
        if not self.probes:
            found = dict(zip(engine.trainable, engine.gradients(), strict=True))
            return [found[variable] for variable in self.model.trainable_variables if variable in found]
        return [self._seen(probe, end - begin) for probe in self.probes]

    def _seen(self, probe: Probe | None, rows: int) -> Array | None:
        """The delta that a probe kept in the last pass; zeros if no loss depends on its output."""
        if probe is None or probe.delta is not None:
            return None if probe is None else probe.delta
        step = next(step for step in self.engine.plan.steps if step.layer is probe)
        return np.zeros((rows, *step.output_shape), self.engine.dtype)

    def _in_form(self, found: list[Any]) -> Any:
        """The gradients in the structure that users expect."""
        if self.engine.plan.watched == "inputs":
            there, remaining = iter(self._there), iter(found)
            return map_structure(lambda _: next(remaining) if next(there) else None, self.model.input_structure)
        return found[0] if self.probes and len(found) == 1 else found
