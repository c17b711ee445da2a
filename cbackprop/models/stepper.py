"""Predict one time step after the other. The states of recurrent layers are kept between calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop import layers
from cbackprop.layers import Layer
from cbackprop.layers.attention_step import AttentionPast
from cbackprop.layers.head_attention import HeadAttention
from cbackprop.layers.merging import Merge
from cbackprop.layers.normalization import AxesNormalization, normalized_axes
from cbackprop.layers.rnn import RNN, LastingStates
from cbackprop.plan.graph import Graph
from cbackprop.plan.sizes import replayed
from cbackprop.tensor import KerasTensor, Node, is_dict, map_structure, output_dtype
from cbackprop.validation import ArgumentTypeError, check_integer, type_name

__all__ = ["Stepper"]

# Layers whose output at a time step depends only on the same time step, unless they work along the time axis.
BY_STEPS = (
    *(layers.Activation, layers.Dense, layers.ELU, layers.Identity, layers.LeakyReLU, layers.Masking, layers.ReLU),
    *(layers.Dropout, layers.GaussianDropout, layers.GaussianNoise, layers.SpatialDropout1D, layers.AlphaDropout),
    *(layers.Rescaling, layers.Softmax, layers.TimeDistributed, layers.ActivityRegularization, Merge),
)


class Stepper:
    """A model that takes one time step after the other; made by `Model.stepper`.

    Parameters
    ----------
    model : Model
    batch_size, length : int
    make : callable
        `Model`, to make a model from inputs and outputs.

    Attributes
    ----------
    batch_size : int
        The number of sequences that are processed in parallel.
    states : list of ndarray
        The states of all recurrent layers, and what attention remembers. They can be read and written:
        ``stepper.states[0][:] = ...``.
    """

    def __init__(self, model: Any, batch_size: int, length: int, make: Callable[[Any, Any], Any]) -> None:
        self.batch_size = check_integer("batch_size", batch_size, minimum=1)
        self.length = check_integer("length", length, minimum=1)
        if not model.built:
            raise ValueError(f"Model {model.name!r} has no shape yet: start it with an Input, build it, or fit it.")
        _check(model)
        self._copies: dict[RNN, RNN] = {}
        self._pasts: dict[HeadAttention, AttentionPast] = {}
        shapes = [(self.batch_size, 1, *tensor.shape[2:]) for tensor in model.inputs]
        inputs, outputs = replayed(model.graph, shapes, False, self._instead)
        timed = _timed(model.graph, [True] * len(model.inputs))
        self._timed = [timed[id(tensor)] for tensor in model.graph.outputs]
        self._takes_one, self._structure = len(shapes) == 1, model.output_structure
        remaining = iter(inputs)
        structure = map_structure(lambda _: next(remaining), model.input)
        self._shape = shapes[0][:1] + shapes[0][2:]
        self._inner_shape = shapes[0]
        self._model = make(structure, outputs[0] if len(outputs) == 1 else outputs)
        self._model.plan  # noqa: B018  raises errors of unrolled layers now, not at the first step
        # Whether the engine can be called directly. Otherwise preparations would take most of the time of a small step.
        self._plain = self._takes_one and len(self._timed) == 1 and output_dtype(model.outputs[0]) is None

    def _instead(self, layer: Layer) -> Layer:
        """The layer itself; for a recurrent layer, a stateful one with the same weights."""
        if not isinstance(layer, (RNN, HeadAttention)):
            return layer
        if layer in self._copies or layer in self._pasts:
            raise _refusal(layer, "is called several times, each of which would need states of its own")
        if isinstance(layer, HeadAttention):
            return self._with_past(layer)
        shapes = layer.lasting_shapes((self.batch_size, 1, *layer.nodes[0].inputs[0].shape[2:]))
        lasting = LastingStates([(self.batch_size, *shape) for shape in shapes], layer.dtype)
        copy = object.__new__(type(layer))
        copy.__dict__.update(layer.__dict__)
        copy.__dict__.update(nodes=[], stateful=True, _lasting=lasting, _models={})
        self._copies[layer] = copy
        return copy

    def _with_past(self, layer: HeadAttention) -> HeadAttention:
        """An attention layer with the same weights, which remembers keys and values."""
        past = AttentionPast(self.batch_size, self.length, layer)
        copy = object.__new__(type(layer))
        copy.__dict__.update(layer.__dict__)
        copy.__dict__.update(nodes=[], _past=past, _models={})
        self._pasts[layer] = past
        return copy

    @property
    def states(self) -> list[NDArray[Any]]:
        """The states of all recurrent layers, layer by layer; then what attention remembers."""
        found = [state.array for copy in self._copies.values() for state in copy.states or []]
        return found + [array for past in self._pasts.values() for array in past.arrays]

    def reset(self) -> None:
        """Start again: set all states to 0."""
        for state in self.states:
            state[...] = 0

    def __call__(self, x: Any) -> Any:
        """The outputs for the next time step of each sequence.

        Parameters
        ----------
        x : array_like, or list or dict of array_like
            As for `predict`, of shape (batch_size, ...), without the time axis.

        Returns
        -------
        ndarray, or structure of ndarray
            As `predict` returns them; outputs that are sequences have no time axis.

        Raises
        ------
        TypeError, ValueError
            If the input is of another type or shape, or is not finite, or attention has no room for another time step.
            The states are then unchanged.
        """
        if any(past.time[0] >= self.length for past in self._pasts.values()):
            raise ValueError(
                f"Attention remembers {self.length} time steps, and all are used: call reset(), or make a stepper with "
                "a larger length."
            )
        if self._plain and type(x) is np.ndarray and x.shape == self._shape and (engine := self._model._predictor):
            quick: Any = engine.predict_now(x.reshape(self._inner_shape), self.batch_size)
            if quick is not None:
                return quick[:, 0] if self._timed[0] else quick
        if self._takes_one and not is_dict(x):
            given: Any = self._with_time(x, self._shape)
        else:
            shapes = iter([tensor.shape[:1] + tensor.shape[2:] for tensor in self._model.inputs])
            given = map_structure(lambda part: self._with_time(part, next(shapes)), x)
        found = self._model.predict_on_batch(given)
        flags = iter(self._timed)
        arrays = iter(found if isinstance(found, list) else [found])
        without = [array[:, 0] if next(flags) else array for array in arrays]
        remaining = iter(without)
        return without[0] if len(without) == 1 else map_structure(lambda _: next(remaining), self._structure)

    def _with_time(self, x: Any, shape: Any) -> NDArray[Any]:
        """An input with a time axis added."""
        array = x if type(x) is np.ndarray else np.asarray(x)
        if array.shape != shape:
            if array.dtype.kind not in "fiub":
                raise ArgumentTypeError(f"x must hold numbers, but got {type_name(x)}.")
            raise ValueError(
                f"x must have shape {tuple(shape)}, one time step for each of {self.batch_size} sequence(s), but got "
                f"{array.shape}."
            )
        return array.reshape(shape[0], 1, *shape[1:])


def _check(model: Any) -> None:
    """Refuse inputs that are not sequences, and layers that need several time steps at once."""
    for tensor in model.inputs:
        if tensor.ndim < 2:
            raise ValueError(f"Input {tensor.name!r} of shape {tensor.shape} is not a sequence: it has no time axis.")
    _timed(model.graph, [True] * len(model.inputs))


def _timed(graph: Graph, given: list[bool]) -> dict[int, bool]:
    """For each tensor, by its id, whether its first axis after the batch is time."""
    timed = {id(tensor): flag for tensor, flag in zip(graph.inputs, given, strict=True)}
    for node in graph.nodes:
        if all(id(tensor) in timed for tensor in node.outputs):
            continue
        flags = [timed[id(tensor)] for tensor in node.inputs]
        if node.graph is not None:
            inner = _timed(node.graph, flags)
            found = [inner[id(tensor)] for tensor in node.graph.outputs]
        elif any(flags):
            found = _outputs_of(node, flags)
        else:
            found = [False] * len(node.outputs)
        timed.update({id(tensor): flag for tensor, flag in zip(node.outputs, found, strict=True)})
    return timed


def _outputs_of(node: Node, flags: list[bool]) -> list[bool]:
    """Which outputs of a call have a time axis.

    Raises
    ------
    ValueError
        If an output at one time step depends on other time steps, other than by states.
    """
    layer: Any = node.layer
    if isinstance(layer, RNN):
        if layer.go_backwards:
            raise _refusal(layer, "goes through time steps backwards")
        if len(node.inputs) > 1:
            raise _refusal(layer, "is called with states or a mask")
        return [layer.return_sequences, *[False] * (len(node.outputs) - 1)]
    if isinstance(layer, HeadAttention):
        return _attends(layer, node)
    if not all(flags):
        raise _refusal(layer, "combines sequences with values that are not sequences")
    if not _works_by_steps(layer, node.inputs):
        raise _refusal(layer, "may look at several time steps at once")
    return [True] * len(node.outputs)


def _attends(layer: HeadAttention, node: Node) -> list[bool]:
    """Which outputs of an attention call have a time axis. It must attend to earlier positions only."""
    settings = node.arguments.settings
    if len(set(map(id, node.inputs))) > 1 or not settings.get("use_causal_mask") or "attention_mask" in settings:
        raise _refusal(layer, "attends to later time steps or to another sequence, or has a mask")
    if settings.get("return_attention_scores") or node.inputs[0].ndim != 3:
        raise _refusal(layer, "returns its weights, or attends along several axes")
    return [True]


def _works_by_steps(layer: Any, inputs: tuple[KerasTensor, ...]) -> bool:
    """Whether a layer's output at a time step depends only on the same time step of its inputs."""
    if isinstance(layer, layers.Embedding):
        return True
    if any(tensor.ndim < 3 for tensor in inputs) or layer.is_python:
        return False
    if isinstance(layer, AxesNormalization):
        return 1 not in normalized_axes(layer, layer.axis, inputs[0].shape)
    if isinstance(layer, layers.BatchNormalization):
        return layer.axis % inputs[0].ndim != 1
    if isinstance(layer, layers.Concatenate):
        return layer.positive_axis(inputs[0].ndim) != 1
    if isinstance(layer, layers.Conv1D):
        return layer.kernel_size == layer.strides == (1,) and layer.data_format == "channels_last"
    if isinstance(layer, layers.TimeDistributed):
        return not layer.fixes_batch_size
    if isinstance(layer, layers.Softmax):
        axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
        return all(axis % inputs[0].ndim != 1 for axis in axes)
    return isinstance(layer, BY_STEPS)


def _refusal(layer: Layer, why: str) -> ValueError:
    return ValueError(
        f"The model cannot be given one time step after the other: {type(layer).__name__} {layer.name!r} {why}. "
        "Possible are recurrent layers that go forwards, self-attention with a causal mask, and layers that treat each "
        "time step alike."
    )
