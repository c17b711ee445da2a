"""Layers written in Python: engines call them through here, and what they return is checked."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.call_arguments import CallArguments, is_array, is_shape, map_shapes, select
from cbackprop.layers.call_context import CallContext, calling
from cbackprop.layers.layer import Layer, check_shape, registry
from cbackprop.layers.masks import PythonMask, rule_in_python
from cbackprop.layers.tracking import layers_within
from cbackprop.layers.unknown_sizes import LARGE, SMALL, common, filled
from cbackprop.registry import to_config
from cbackprop.tensor import KerasTensor, Node, Shape, flatten, map_structure
from cbackprop.validation import check_items, check_memory, contiguous, type_name

__all__ = ["AddedLoss", "Lambda", "PythonCall", "differentiate", "evaluate", "forget_losses"]

Array = NDArray[Any]

# A layer is called on this many samples of zeros to find the shape of its output. With one sample, an output that has
# lost its batch axis could go unnoticed.
ROWS = 2


def _takes(function: Callable[..., Any], name: str, in_kwargs: bool = False) -> bool:
    """Whether a function has an argument of this name or, with `in_kwargs`, takes ``**kwargs``."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions written in C have no signature
        return False
    return any(p.name == name or (in_kwargs and p.kind is p.VAR_KEYWORD) for p in parameters)


def _checked(layer: Layer, what: str, value: Any, shape: tuple[int, ...]) -> Array:
    """`value` as an array of this shape in the layer's float type; errors name the layer."""
    if type(value).__module__.partition(".")[0] in ("torch", "tensorflow", "jax", "jaxlib", "keras"):
        raise TypeError(
            f"{what} of layer {layer.name!r} is a {type(value).__name__}, but must be a NumPy array: write the layer "
            "with NumPy, and its gradient in a method backward(inputs, outputs, delta)."
        )
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{what} of layer {layer.name!r} must be one array of shape {shape}: {error}.") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} of layer {layer.name!r} must hold real numbers, but has dtype {array.dtype}.")
    if array.shape != shape:
        raise ValueError(f"{what} of layer {layer.name!r} must have shape {shape}, but has {array.shape}.")
    return contiguous(array, layer.dtype)


class PythonCall(Layer):
    """One call of a layer written in Python, as a step of a network. Not for users.

    The step's inputs are the symbolic tensors of the call, followed by the masks that `call` takes. If `call` returns
    several outputs, they lie side by side in the step's only output.

    Parameters
    ----------
    owner : Layer
        The layer whose `call` and `backward` are run.
    node : Node
    masks : dict of str to list of (int or None)
        For each argument that takes masks, the indices among the step's inputs of the masks of its leaves.
    """

    implementation = "python_layer.PythonLayer"
    is_python = True
    couples_samples = "always"
    n_inputs = None

    def __init__(self, owner: Layer, node: Any, masks: dict[str, list[int | None]]) -> None:
        super().__init__(name=owner.name, dtype=owner.dtype)
        self.owner = owner
        # Kept here because a built layer gets no further layers or weights.
        self.layers = [owner, *layers_within(owner)]
        self._owners_variables = owner.variables
        self.key = node  # losses that the layer adds are recorded for each call, in whichever network it runs
        self.arguments = node.arguments
        self.structure = node.structure
        self.shapes = [sample_shape(tensor.shape) for tensor in node.outputs]
        self.masks = masks
        self.adds_losses = node.adds_losses

    @property
    def variables(self) -> list[Any]:
        """The weights of the layer."""
        return self._owners_variables

    @property
    def backward(self) -> Any:
        """The layer's `backward`; ``None`` if it has none."""
        return getattr(self.owner, "backward", None)

    @property
    def without_backward(self) -> str:
        """The message of the error that is raised if a gradient must pass and the layer has no `backward`."""
        if isinstance(self.owner, Lambda):
            return (
                f"Lambda {self.name!r} is written in Python, and gradients must pass through it: give it "
                "Lambda(function, backward=...), called as backward(inputs, outputs, delta), which returns the input "
                "delta. There is no automatic differentiation."
            )
        return (
            f"Layer {self.name!r} of class {type(self.owner).__name__} is written in Python, and gradients must pass "
            "through it: define backward(inputs, outputs, delta), which returns the input delta (and the gradients of "
            "weights); see cbackprop.layers.Layer. There is no automatic differentiation."
        )

    def values(self, arrays: list[Array]) -> dict[str, Any]:
        """The arguments of `call`, by name, with these arrays as its tensors and masks."""
        given = iter(arrays)
        values = self.arguments.mapped(lambda leaf: next(given) if isinstance(leaf, KerasTensor) else leaf)
        for name in values:
            if name == "mask" or name.endswith("_mask"):
                values[name] = map_structure(lambda m: m != 0 if isinstance(m, np.ndarray) else m, values[name])
        wanted = self.arguments.masks_wanted(lambda leaf: isinstance(leaf, KerasTensor))
        for taker, places in self.masks.items():
            remaining = iter(places)

            def mask_at(leaf: Any, remaining: Any = remaining) -> Any:
                place = next(remaining) if isinstance(leaf, KerasTensor) else None
                return None if place is None else arrays[place] != 0

            values[taker] = map_structure(mask_at, self.arguments.values[wanted[taker]])
        return values

    def added(self) -> float:
        """What the last run added to the loss."""
        return sum(value for layer in self.layers for value, _ in layer._added_losses.get(self.key, ()))

    def added_gradients(self) -> list[Any]:
        """The given gradients of the added losses with respect to the inputs.

        Raises
        ------
        TypeError
            If a layer within gave a gradient: it is with respect to that layer's inputs, not this one's.
        """
        for layer in self.layers[1:]:
            if any(gradient is not None for _, gradient in layer._added_losses.get(self.key, ())):
                raise TypeError(
                    f"Layer {layer.name!r}, within {self.owner.name!r}, gave add_loss a gradient by its own inputs, "
                    f"but training needs it by those of {self.owner.name!r}: leave gradient out there, and add it to "
                    f"what backward of {self.owner.name!r} returns."
                )
        given = self.owner._added_losses.get(self.key, ())
        return [gradient for _, gradient in given if gradient is not None]


class AddedLoss:
    """What `add_loss` added in the last run of a step, in the form of an activity regularizer of the step's output.

    The engine divides the value of an activity regularizer by the batch size. Added losses are not divided, so the
    value is multiplied by the batch size here.
    """

    def __init__(self, step: PythonCall) -> None:
        self.step = step

    def __call__(self, output: Array) -> float:
        return self.step.added() * len(output)

    def gradient(self, output: Array) -> Array:
        """Zeros: the gradients go to the layer's inputs."""
        return np.zeros_like(output)


def sample_shape(shape: Shape) -> tuple[int, ...]:
    """The shape of one sample."""
    return tuple(int(size) for size in shape[1:] if size is not None)


def evaluate(step: Any, inputs: list[Array], output_shape: tuple[int, ...], training: bool) -> Array:
    """Run the layer's `call` on a batch and check the result. Several outputs are put side by side.

    Raises
    ------
    TypeError, ValueError
        If the result is not an array of real numbers of shape (batch, *output_shape), or not as many outputs as before.
    """
    if not isinstance(step, PythonCall):  # an activation written in Python
        return _checked(step, "The output", step.call(inputs[0]), (len(inputs[0]), *output_shape))
    owner = step.owner
    for layer in step.layers:
        layer._added_losses.pop(step.key, None)
    with calling(owner, training, step.key) as context:
        returned = step.arguments.call(owner.call, step.values(inputs), training)
    if training and context.used:
        _check_used(owner, context)
    if len(step.shapes) == 1:
        given = flatten(returned)
        value = given[0] if len(given) == 1 else returned
        return _checked(owner, "The output", value, (len(inputs[0]), *output_shape))
    arrays = flatten(returned)
    if len(arrays) != len(step.shapes):
        raise ValueError(f"Layer {owner.name!r} returned {len(arrays)} outputs, but {len(step.shapes)} before.")
    rows = len(inputs[0])
    return np.concatenate(
        [
            _checked(owner, f"Output {i}", array, (rows, *shape)).reshape(rows, -1)
            for i, (array, shape) in enumerate(zip(arrays, step.shapes, strict=True))
        ],
        axis=1,
    )


def _parts(step: PythonCall, array: Array) -> Any:
    """Split an array into the outputs of a call, or their deltas, in the structure that the call returned."""
    if len(step.shapes) == 1:
        return map_structure(lambda _: array, step.structure)
    ends = np.cumsum([math.prod(shape) for shape in step.shapes])
    parts = iter(
        part.reshape(len(array), *shape)
        for part, shape in zip(np.split(array, ends[:-1], axis=1), step.shapes, strict=True)
    )
    return map_structure(lambda _: next(parts), step.structure)


def differentiate(step: Any, inputs: list[Array], outputs: Array, delta: Array) -> tuple[list[Array], list[Array]]:
    """Run the layer's `backward` on a batch: a checked delta for each input and gradient for each weight.

    Raises
    ------
    TypeError, ValueError
        If `backward` returns anything else.
    """
    if not isinstance(step, PythonCall):
        return [_checked(step, "Input delta 0", step.backward(inputs[0], outputs, delta), inputs[0].shape)], []
    owner = step.owner
    values = step.values(inputs)
    names = step.arguments.names_with_tensors()
    given = values[names[0]] if len(names) == 1 else {name: values[name] for name in names}
    further = {name: value for name, value in values.items() if name not in names and _takes(step.backward, name)}
    result = step.backward(given, _parts(step, outputs), _parts(step, delta), **further)
    result, gradients = _split(step, result)
    if result is None and not gradients:
        raise TypeError(f"backward of layer {owner.name!r} must return the input delta, but returned None.")
    found = _input_deltas(step, inputs, {} if result is None and len(names) > 1 else result, names)
    for added in step.added_gradients():
        found = [a + b for a, b in zip(found, _input_deltas(step, inputs, added, names), strict=True)]
    return found, [
        np.zeros(variable.shape, owner.dtype)
        if gradients.get(variable) is None
        else _checked(owner, f"The gradient of {variable.name!r}", gradients[variable], variable.shape)
        for variable in step.variables
    ]


def _split(step: PythonCall, result: Any) -> tuple[Any, dict[Any, Any]]:
    """Split the result of `backward` into the input deltas and the gradients by weight."""
    owner = step.owner
    everything = [variable for variable in step.variables if variable.trainable]
    if not everything:
        return result, {}
    pair = isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], (list, tuple))
    if pair and len(result[1]) == len(everything):
        return result[0], dict(zip(everything, result[1], strict=True))
    wanted = owner.trainable_variables
    if not pair:
        if not wanted:  # frozen
            return result, {}
        raise TypeError(
            f"backward of layer {owner.name!r} must return a tuple: the input delta, and a list of the gradients "
            f"of {[variable.name for variable in wanted]}."
        )
    deltas, gradients = result
    if len(gradients) != len(wanted):
        raise ValueError(
            f"backward of layer {owner.name!r} must return {len(wanted)} gradients, those of "
            f"{[variable.path for variable in wanted]}, but returned {len(gradients)}."
        )
    return deltas, dict(zip(wanted, gradients, strict=True))


def _input_deltas(step: PythonCall, inputs: list[Array], result: Any, names: list[str]) -> list[Array]:
    """A delta for each input of a step: those in `result`, which are for the arguments `names`, and zeros."""
    owner = step.owner
    by_name = result if len(names) != 1 else {names[0]: result}
    if not isinstance(by_name, dict) or not by_name.keys() <= set(names):
        raise ValueError(
            f"backward of layer {owner.name!r} must return a dict of input deltas with keys of {names}, but returned "
            f"{sorted(by_name) if isinstance(by_name, dict) else type(by_name).__name__}."
        )
    count = len(step.arguments.tensors())
    leaves: list[Any] = []
    for name, value in step.arguments.values.items():
        deltas = _aligned(owner, by_name.get(name), value, count)
        leaves += [delta for delta, leaf in zip(deltas, flatten(value), strict=True) if isinstance(leaf, KerasTensor)]
    leaves += [None] * (len(inputs) - len(leaves))  # of masks
    return [
        np.zeros_like(x) if value is None else _checked(owner, f"Input delta {i}", value, x.shape)
        for i, (value, x) in enumerate(zip(leaves, inputs, strict=True))
    ]


def _aligned(owner: Layer, deltas: Any, structure: Any, count: int) -> list[Any]:
    """For each leaf of a structure the matching leaf of `deltas`; ``None`` where there is none."""
    if deltas is None:
        return [None] * len(flatten(structure))
    if isinstance(structure, dict):
        if not isinstance(deltas, dict):
            raise ValueError(f"backward of layer {owner.name!r} must return a dict of input deltas, as its inputs are.")
        return [leaf for key in sorted(structure) for leaf in _aligned(owner, deltas.get(key), structure[key], count)]
    if flatten(structure) == [structure]:
        return [deltas]
    if not isinstance(deltas, (list, tuple)) or len(deltas) != len(structure):
        raise ValueError(f"backward of layer {owner.name!r} must return a list of {count} input deltas.")
    return [leaf for d, s in zip(deltas, structure, strict=True) for leaf in _aligned(owner, d, s, count)]


def connect(layer: Layer, call: CallArguments) -> Any:
    """The outputs of a layer written in Python for symbolic tensors, in the structure that its `call` returns.

    Raises
    ------
    TypeError
        If the layer uses weights that would not be trained.
    ValueError
        If the output does not have a row for each sample.
    """
    layer.check_float_types(call.tensors())
    shapes = {name: map_structure(_shape_of, value) for name, value in call.values.items()}
    if not layer.built:
        layer.build(**select(layer, layer.build, shapes))
    unknown = [size for tensor in call.tensors() for size in tensor.shape[1:]].count(None)
    if unknown:
        found, context = _found_for_examples(layer, call, LARGE if unknown == 1 else SMALL)
    else:
        found, context = _found(layer, call)
    _check_types(layer)
    _check_trainable(layer, context)
    outputs: list[KerasTensor] = []

    def tensor(shape: Any) -> KerasTensor:
        check_memory(f"the output of layer {layer.name!r}", shape)
        outputs.append(KerasTensor(shape, layer.dtype, layer.name))
        return outputs[-1]

    structure = map_shapes(tensor, found)
    node = Node(layer, call.tensors(), outputs, call.training, arguments=call, structure=structure)
    node.adds_losses = context is not None and any(each._added_losses for each in (layer, *layers_within(layer)))
    code = getattr(type(layer).call, "__code__", None)
    node.adds_losses = node.adds_losses or (code is not None and "add_loss" in code.co_names)
    forget_losses(layer)
    layer.nodes.append(node)
    layer._locked = True
    return structure


def observed_shape(layer: Layer, input_shape: Any) -> Any:
    """The output shapes for an input shape, or a structure of them, found by a call with zeros."""
    tensors = map_shapes(lambda shape: KerasTensor(shape, layer.dtype, "input"), input_shape)
    call = CallArguments(layer, [tensors], {})
    if not layer.built:
        layer.build(input_shape)
    found, _ = _observed(layer, call)
    forget_losses(layer)
    return found


def _found(layer: Layer, call: CallArguments) -> tuple[Any, CallContext | None]:
    """The output shapes, as the layer states them or found by a call with zeros, and the context of that call."""
    shapes = {name: map_structure(_shape_of, value) for name, value in call.values.items()}
    found, context = None, None
    if not all(inner.built for inner in layers_within(layer)):
        found, context = _observed(layer, call)  # builds them
    stated = _specified(layer, call)
    states = type(layer).compute_output_shape is not Layer.compute_output_shape
    if isinstance(layer, Lambda):
        states = layer.sample_shape is not None
    if stated is None and states:
        stated = layer.compute_output_shape(**select(layer, layer.compute_output_shape, shapes))
        if not _is_shape_or_several(stated):
            raise TypeError(
                f"compute_output_shape of {type(layer).__name__} {layer.name!r} must return a tuple of whole numbers "
                f"and None, or a structure of such tuples, but returned {stated!r}."
            )
    if stated is None and context is None:
        found, context = _observed(layer, call)
    return (found if stated is None else stated), context


def _is_shape_or_several(stated: Any) -> bool:
    """Whether this is a shape, a structure of shapes, or ``None`` (then a call with zeros finds the shape)."""
    if isinstance(stated, dict):
        return all(_is_shape_or_several(shape) and shape is not None for shape in stated.values())
    if not isinstance(stated, (list, tuple)):
        return stated is None
    if is_shape(stated):
        return all(size is None or size >= 0 for size in stated)
    return all(isinstance(shape, (list, tuple, dict)) and _is_shape_or_several(shape) for shape in stated)


def _specified(layer: Layer, call: CallArguments) -> Any:
    """The output shapes from the layer's own `compute_output_spec`, which returns symbolic tensors as in Keras.

    ``None`` if the layer does not define it, or it raises ``NotImplementedError``.
    """
    if not hasattr(layer, "compute_output_spec"):
        return None
    try:
        returned = call.call(layer.compute_output_spec, call.values)
    except NotImplementedError:
        return None

    def shape_of(leaf: Any) -> Shape:
        if not isinstance(leaf, KerasTensor):
            raise TypeError(
                f"compute_output_spec of {type(layer).__name__} {layer.name!r} must return symbolic tensors, "
                f"KerasTensor(shape, dtype), but returned {type_name(leaf)}."
            )
        return tuple(leaf.shape)

    return map_structure(shape_of, returned)


def _found_for_examples(layer: Layer, call: CallArguments, sizes: tuple[int, int]) -> tuple[Any, CallContext | None]:
    """`_found` for inputs with unknown sizes: output sizes that differ between two examples are unknown."""

    def example(size: int) -> CallArguments:
        return call.replaced(lambda leaf: KerasTensor(filled(leaf.shape, size), leaf.dtype, leaf.name))

    (first, context), (second, _) = (_found(layer, example(size)) for size in sizes)
    others: list[Any] = []
    map_shapes(others.append, second)
    remaining = iter(others)
    return map_shapes(lambda shape: common(shape, next(remaining)), first), context


def forget_losses(layer: Layer) -> None:
    """Forget what the layer and the layers within it have added to the loss."""
    for each in (layer, *layers_within(layer)):
        each._added_losses.clear()


def _shape_of(leaf: Any) -> Any:
    return tuple(leaf.shape) if hasattr(leaf, "shape") else np.shape(leaf) if is_array(leaf) else None


def _observed(layer: Layer, call: CallArguments) -> tuple[Any, CallContext]:
    """The output shapes, found by a call with zeros, and the context of that call.

    Raises
    ------
    ValueError
        If an output does not have a row for each sample. Errors of `call` are passed on with a note.
    """
    rows = next((tensor.shape[0] for tensor in call.tensors() if tensor.shape[0]), None)
    count = rows or ROWS
    values = call.filled(np.zeros((count, *sample_shape(tensor.shape)), layer.dtype) for tensor in call.tensors())
    try:
        with np.errstate(all="ignore"), _unchanged(layer), calling(layer, False) as context:
            returned = call.call(layer.call, values, False)
    except Exception as error:
        if isinstance(layer, Lambda):
            raise layer.unknown_shape(error) from error
        error.add_note(
            f"This happened when {type(layer).__name__} {layer.name!r} was called on zeros of {count} samples, to find "
            "the shape of its output. A method compute_output_shape(input_shape) makes that call unnecessary."
        )
        raise
    return map_structure(lambda leaf: _sample_shape(layer, np.shape(leaf), count, rows), returned), context


@contextmanager
def _unchanged(layer: Layer) -> Iterator[None]:
    """Undo changes that the layer's call makes to its weights and metrics, such as counting."""
    kept = [(variable, np.array(variable)) for variable in (*layer.variables, *layer.metrics_variables)]
    try:
        yield
    finally:
        for variable, value in kept:
            if not np.array_equal(np.asarray(variable), value, equal_nan=True):
                variable.assign(value)


def _sample_shape(layer: Layer, found: tuple[int, ...], count: int, rows: int | None = None) -> Any:
    if found[:1] != (count,):
        kind = type(layer).__name__
        raise ValueError(
            f"{kind} {layer.name!r} must return a row for each sample, but returned shape {found} for {count} samples."
        )
    return (rows, *found[1:])


def _check_types(layer: Layer) -> None:
    """Refuse weights of another float type: all weights of a model are in one vector."""
    for variable in layer.variables:
        if variable.dtype != layer.dtype:
            raise ValueError(
                f"{type(layer).__name__} {layer.name!r} computes in {layer.dtype}, but holds weight {variable.path!r} "
                f"in {variable.dtype}. Give the layers within the same dtype, or set config.set_floatx before making "
                "them."
            )


def _check_used(layer: Layer, context: CallContext) -> None:
    """Refuse a layer whose call uses trainable weights of layers that are not its attributes."""
    own = set(layer.variables)
    strangers = [used for used in context.used if not own.issuperset(used.trainable_variables)]
    if strangers:
        names = ", ".join(f"{type(used).__name__} {used.name!r}" for used in strangers)
        raise TypeError(
            f"{type(layer).__name__} {layer.name!r} calls {names}, which it does not hold: nobody would train or save "
            "these weights. Make layers in __init__ or build, and keep them as attributes; or set their trainable to "
            "False, if they are not to be trained."
        )


def _check_trainable(layer: Layer, context: CallContext | None) -> None:
    """Refuse a layer whose call uses trainable weights of other layers but which has no `backward`."""
    kind = f"{type(layer).__name__} {layer.name!r}"
    if context is not None:
        _check_used(layer, context)
    inner = [each for each in layers_within(layer) if each.trainable_variables]
    if inner and layer.trainable and getattr(layer, "backward", None) is None:
        names = ", ".join(f"{type(each).__name__} {each.name!r}" for each in inner)
        raise TypeError(
            f"{kind} computes in Python with {names}: their weights would not be trained, because there is no "
            "automatic differentiation. Use a model of these layers instead, which can be called like a layer "
            "(cbackprop.Sequential([...]) or cbackprop.Model(inputs, outputs)); or define a method backward(inputs, "
            "outputs, delta) that returns the input delta and the gradients of all trainable_weights; or set "
            f"{layer.name}.trainable = False, if they are not to be trained."
        )


def _check_mask(mask: Any) -> Array:
    """A mask as booleans, (samples, ...).

    Raises
    ------
    TypeError
        If it is not an array of numbers with a batch axis.
    """
    try:
        array = np.asarray(mask) if is_array(mask) else np.asarray(None)
    except ValueError:  # rows of several lengths
        array = np.asarray(None)
    if array.dtype.kind not in "fiub" or array.ndim == 0 or len(array) == 0:
        raise TypeError(
            f"mask of Lambda must be callable, or an array with a value for each row, but got {type(mask).__name__}."
        )
    return array != 0


Layer.connect_python = staticmethod(connect)
Layer.observed_shape = staticmethod(observed_shape)


@registry.allow
class Lambda(Layer):
    """Wrap a function of NumPy arrays as a layer: ``output = function(input)``.

    Parameters
    ----------
    function : callable
        Called as ``function(inputs)`` with an array (batch, ...) or a list of arrays, and with ``training`` and
        ``mask`` if it has such arguments.
    output_shape : tuple of int, or callable, optional
        Shape of one sample of the output, or a function of the input's shape (including the batch axis). By default it
        is found by calling `function` on zeros.
    mask : callable or array_like, optional
        A function, called as ``mask(inputs, previous_mask)``, that returns the output's mask; see
        `Layer.compute_mask`. Or the mask itself, for one sample (used for all) or for each sample of a batch. By
        default the output has no mask.
    backward : callable, optional
        Called as ``backward(inputs, outputs, delta)`` with ``delta = dL/doutput``. Returns dL/dinput, or a list of
        them for several inputs. Required if there are trainable weights before the layer.
    arguments : dict, optional
        Further keyword arguments of `function`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Calling Python costs some microseconds for each batch, and one thread runs it while the others wait. Files contain
    the names of functions, not their code: register them with `saving.register_keras_serializable`, or pass them to
    `load_model` as ``custom_objects``. A ``lambda`` has no name, so a model with one cannot be saved; its weights can.

    Raises
    ------
    TypeError
        If `function`, `mask` or `backward` cannot be called.
    ValueError
        If the shape of the output cannot be found.

    References
    ----------
    Arguments and defaults are those of Keras 3; `backward` takes the place of automatic differentiation.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.Lambda(np.square, backward=lambda x, y, delta: 2 * x * delta)
    >>> layer([[1.0, 2.0, 3.0]])
    array([[1., 4., 9.]], dtype=float32)
    """

    backward: Any

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        backward: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (("function", function), ("backward", backward)):
            if not callable(value) and not (name == "backward" and value is None):
                raise TypeError(f"{name} of Lambda must be callable, but got {value!r}.")
        if mask is not None and not callable(mask):
            mask = _check_mask(mask)
        self.supports_masking = mask is not None
        self.wrapped = function
        if arguments is not None and not isinstance(arguments, dict):
            raise TypeError(f"arguments of Lambda must be a dict, but got {arguments!r}.")
        self.arguments = dict(arguments or {})
        self.mask = mask
        self.backward = backward
        self.sample_shape = (
            output_shape
            if output_shape is None or callable(output_shape)
            else check_shape("output_shape", output_shape)
        )

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, with functions by name.

        Raises
        ------
        TypeError
            If a function has no name, such as a lambda.
        """
        own = {"function": self.wrapped} | {name: getattr(self, name) for name in ("mask", "arguments", "backward")}
        base = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        return base | {name: to_config(value) for name, value in (own | {"output_shape": self.sample_shape}).items()}

    def __repr__(self) -> str:
        return f"Lambda({getattr(self.wrapped, '__name__', self.wrapped)})"

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
        """The function's value."""
        more = {"training": training} if _takes(self.wrapped, "training", True) else {}
        if _takes(self.wrapped, "mask"):
            more["mask"] = mask
        return self.wrapped(inputs, **more, **self.arguments)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """What `mask` returns, or `mask` itself."""
        if not isinstance(self.mask, np.ndarray):
            return None if self.mask is None else self.mask(inputs, previous_mask)
        rows = len(inputs[0] if isinstance(inputs, (list, tuple)) else inputs)
        if len(self.mask) not in (1, rows):
            raise ValueError(
                f"mask of Lambda {self.name!r} is for {len(self.mask)} samples, but was called on {rows}. Give a "
                "function, which can make masks for any number of samples."
            )
        return np.broadcast_to(self.mask, (rows, *self.mask.shape[1:]))

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """Call `compute_mask`, if there is a mask."""
        if not isinstance(self.mask, np.ndarray):
            return rule_in_python(self, shapes, masks, output)
        if self.mask.shape[1:] != output[:-1]:
            raise ValueError(
                f"mask of Lambda {self.name!r} must have a value for each row of the output, of shape {output[:-1]} "
                f"for a sample, but has {self.mask.shape[1:]}."
            )
        return PythonMask(self, [shape is not None for shape in masks])

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The output's shape, as given or found by a call of the function."""
        if callable(self.sample_shape):
            shape = check_items("what output_shape returns", self.sample_shape(input_shape), "a tuple of integers")
            return (None, *check_shape("output_shape", shape[1:]))
        if self.sample_shape is not None:
            return (None, *self.sample_shape)
        shapes = input_shape if isinstance(input_shape, list) else [input_shape]
        arrays = [np.zeros((ROWS, *(size or 1 for size in shape[1:])), self.dtype) for shape in shapes]
        try:
            with np.errstate(all="ignore"):
                found = np.shape(self.call(arrays if isinstance(input_shape, list) else arrays[0]))
        except Exception as error:
            raise self.unknown_shape(error) from error
        return _sample_shape(self, found, ROWS)

    def unknown_shape(self, error: Exception) -> ValueError:
        """The error to raise if the function fails on zeros."""
        return ValueError(
            f"The output shape of Lambda {self.name!r} cannot be found, because its function raises {error!r} for "
            "zeros. Give output_shape."
        )
