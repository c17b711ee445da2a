"""The arguments of a layer's call, by name, and which of their leaves are tensors or arrays."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from cbackprop.layers.mask_array import mask_of
from cbackprop.tensor import KerasTensor, flatten, map_structure
from cbackprop.validation import ArgumentTypeError, check_boolean, type_name

__all__ = [
    "BUILT_IN",
    "CallArguments",
    "check_training",
    "is_array",
    "is_samples",
    "is_shape",
    "map_shapes",
    "select",
    "signature_of",
    "takes",
    "takes_positions",
]


def _bind_built_in(inputs: Any, training: Any = None, mask: Any = None) -> dict[str, Any]:
    """The given arguments of a call of a compiled layer, by name.

    A plain Python call binds them in 0.4 µs; `inspect.Signature.bind` takes 3.3 µs.
    """
    given = {"inputs": inputs, "training": training, "mask": mask}
    return {name: value for name, value in given.items() if value is not None or name == "inputs"}


BUILT_IN = inspect.signature(_bind_built_in)
NOTHING: frozenset[str] = frozenset()
# The types of nearly all sizes, recognised quickly.
PLAIN_SIZES = frozenset({int, type(None)})


def _bound(signature: inspect.Signature, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by parameter name. Raises ``TypeError`` if they do not match the signature."""
    if signature is BUILT_IN:
        with contextlib.suppress(TypeError):  # the signature raises a clearer error below
            return _bind_built_in(*args, **kwargs)
    return dict(signature.bind(*args, **kwargs).arguments)


def check_training(training: Any) -> bool | None:
    """`training` as a bool or ``None``; ``TypeError`` for anything else."""
    return None if training is None else _check_flag("training", training)


def _check_flag(name: str, value: Any) -> bool:
    """An argument of a call as a bool. Calls of Keras's layers also take 0 and 1."""
    return bool(value) if type(value) is int and value in (0, 1) else check_boolean(name, value)


@functools.lru_cache(maxsize=1024)
def _signature(function: Any) -> inspect.Signature:
    signature = inspect.signature(function)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def signature_of(layer: Any) -> inspect.Signature:
    """The signature of a layer's `call`, without ``self``."""
    return _signature(type(layer).call) if layer.is_python else layer.call_signature


def is_array(value: Any) -> bool:
    """Whether a leaf holds numbers of samples: an array, or lists of numbers."""
    if isinstance(value, (str, bytes, np.generic)) or value is None or isinstance(value, type):
        return False
    return isinstance(value, (np.ndarray, list, tuple)) or (hasattr(value, "__array__") and hasattr(value, "shape"))


def is_samples(value: Any) -> bool:
    """Whether an argument is, or contains, a tensor or an array with at least one axis."""
    return any(_is_tensor(leaf) or (is_array(leaf) and np.ndim(leaf) > 0) for leaf in flatten(value))


def is_shape(value: Any) -> bool:
    """Whether this is one shape, not a structure of shapes."""
    if not isinstance(value, (list, tuple)):
        return False
    return PLAIN_SIZES.issuperset(map(type, value)) or all(
        size is None or isinstance(size, (int, np.integer)) for size in value
    )


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """Apply `function` to each shape of a structure."""
    if is_shape(shapes) and shapes != () and not isinstance(shapes, dict):
        return function(tuple(shapes))
    if isinstance(shapes, dict):
        return {name: map_shapes(function, shapes[name]) for name in sorted(shapes)}
    return type(shapes)(map_shapes(function, shape) for shape in shapes)


class CallArguments:
    """The arguments of one call of a layer.

    Parameters
    ----------
    layer : Layer
    args, kwargs
        What the layer was called with.

    Attributes
    ----------
    values : dict
        The given arguments by parameter name, without `training`.
    training : bool or None
        The `training` argument; ``None`` if it was not given.
    mask : object
        The mask that was given, in the structure of the first argument; ``None`` if there was none.
    given_masks : sequence of KerasTensor
        The symbolic tensors in `mask`. Empty for layers written in Python, which get `mask` as an argument.
    mask_given : bool
        Whether there was one.
    settings : dict
        Arguments of this call that are no tensors, for layers that have such (`Layer.call_settings`).

    Raises
    ------
    TypeError
        If the arguments do not match the signature of `call`.
    ValueError
        If something other than a tensor or array was given by position.
    """

    training: bool | None = None
    mask: Any = None
    mask_given = False
    given_masks: Sequence[Any] = ()
    _rest: str | None = None  # the parameter that takes all other arguments by name
    _left_out = NOTHING  # parameters whose tensors `replaced` has left out

    def __init__(self, layer: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.signature = signature_of(layer)
        self.built_in = not layer.is_python
        self.takes_training = _takes(self.signature, "training")
        self._masks: dict[str, str] = layer.input_arguments if self.built_in else {}
        self.settings: dict[str, Any] = {}
        if self.signature is BUILT_IN and len(args) == 1 and not kwargs and _is_tensor(args[0]):
            self.values: dict[str, Any] = {"inputs": args[0]}  # as nearly always: there is nothing to check or to sort
        else:
            self._take(layer, args, kwargs)

    def _take(self, layer: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        """Check and sort any arguments."""
        parameters = self.signature.parameters
        known = {name: value for name, value in kwargs.items() if name not in ("training", "mask")}
        self.training = check_training(kwargs.get("training"))
        self.mask = kwargs.get("mask")
        if self.mask is not None and ("mask" in parameters or self.built_in):
            known["mask"] = self.mask
        try:
            self.values = _bound(self.signature, args, known)
        except TypeError as error:
            raise TypeError(
                f"{type(layer).__name__} {layer.name!r} was called with wrong arguments: {error}."
            ) from None
        _check_positional(layer, args, self.signature)
        if self.built_in and is_samples(self.values.get("training")):
            what = f"{type(layer).__name__} {layer.name!r} takes"
            if layer.n_inputs == 1:
                raise ArgumentTypeError(
                    f"{what} one input, but was called with several. What belongs together is put together before: "
                    "layers.Concatenate()([a, b])."
                )
            raise ArgumentTypeError(
                f"{what} its inputs as one argument, but was called with several: give a list, layer([a, b])."
            )
        self._rest = _rest_of(self.signature)
        if self._rest is not None:
            self.values |= self.values.pop(self._rest, {})
        if "training" in self.values:  # by position
            self.training = check_training(self.values.pop("training"))
        if self.built_in:
            self._sort(layer)
        if self.built_in and self.mask is not None:
            self.given_masks = [leaf for leaf in flatten(self.mask) if _is_tensor(leaf)]
        self.mask_given = self.mask is not None

    @property
    def reads_masks(self) -> bool:
        """Whether the call reads the masks that its inputs have by themselves.

        As in Keras, a layer that takes `mask` must be given it in calls with tensors in several arguments.
        """
        return self.mask_given or "mask" not in self.signature.parameters or not self.more_leaves()

    def _sort(self, layer: Any) -> None:
        """Remove masks and settings from the arguments of a compiled layer's call."""
        for name in layer.call_settings:
            if self.values.get(name) is not None:
                self.settings[name] = self.values[name] = _check_flag(name, self.values[name])
        layer.complete_call(self)
        masks = [self.values.pop(mask, None) for mask in self._masks.values()]
        if len(masks) == 1:
            self.mask = masks[0]
        elif any(mask is not None for mask in masks):
            own = [mask_of(self.values.get(name)) for name in self._masks]
            self.mask = [one if mask is None else mask for mask, one in zip(masks, own, strict=True)]

    @property
    def inputs(self) -> Any:
        """The inputs of a compiled layer: one argument, or a list of several arguments."""
        found = [self.values.get(name) for name in self._masks]
        return found[0] if len(found) == 1 else found

    def input_leaves(self) -> list[Any]:
        """The leaves of the inputs of a compiled layer."""
        return flatten(self.inputs) if len(self._masks) == 1 else self.inputs

    @property
    def positional(self) -> list[str]:
        """The arguments that are written by position: those with the inputs, or else the first."""
        return list(self._masks) if len(self._masks) > 1 else list(self.values)[:1]

    @property
    def masks_by_name(self) -> dict[str, Any]:
        """The masks that were given, by argument."""
        if self.mask is None or len(self._masks) < 2:
            return {} if self.mask is None else {"mask": self.mask}
        return {name: mask for name, mask in zip(self._masks.values(), self.mask, strict=True) if mask is not None}

    @property
    def first(self) -> Any:
        """The value of the first argument."""
        return next(iter(self.values.values()), None)

    @property
    def is_symbolic(self) -> bool:
        """Whether any leaf is a symbolic tensor."""
        return any(map(_is_tensor, self.leaves())) or bool(self.given_masks)

    def leaves(self, name: str | None = None) -> list[Any]:
        """The leaves of all arguments, or of the one called `name`."""
        return flatten(self.values[name]) if name is not None else [x for v in self.values.values() for x in flatten(v)]

    @property
    def more(self) -> dict[str, Any]:
        """The arguments of a compiled layer's call that hold further tensors or arrays."""
        if self.values.keys() <= self._masks.keys():  # as nearly always
            return {}
        others = {*self._masks, *self.settings}
        return {name: value for name, value in self.values.items() if name not in others and value is not None}

    def more_leaves(self) -> list[Any]:
        """The leaves of `more` that are not ``None``."""
        return [leaf for name in self.more for leaf in self.leaves(name) if leaf is not None]

    def tensors(self, name: str | None = None) -> list[KerasTensor]:
        """The leaves that are symbolic tensors; one that appears twice is listed twice."""
        return [leaf for leaf in self.leaves(name) if _is_tensor(leaf)]

    def mapped(self, function: Callable[[Any], Any]) -> dict[str, Any]:
        """`values` with `function` applied to each leaf."""
        return {name: map_structure(function, value) for name, value in self.values.items()}

    def replaced(self, function: Callable[[Any], Any]) -> CallArguments:
        """The same call with each tensor replaced by `function` of it, which is ``None`` for one that is left out."""
        made = copy.copy(self)
        made._left_out = frozenset(self.names_with_tensors())
        made.values = self.mapped(lambda leaf: function(leaf) if _is_tensor(leaf) else leaf)
        made.mask = map_structure(lambda leaf: function(leaf) if _is_tensor(leaf) else leaf, self.mask)
        made.given_masks = [leaf for leaf in flatten(made.mask) if self.built_in and _is_tensor(leaf)]
        return made

    def filled(self, arrays: Iterable[Any]) -> dict[str, Any]:
        """`values` with arrays in place of the symbolic tensors, in the order of `tensors`."""
        remaining = iter(arrays)
        return self.mapped(lambda leaf: next(remaining) if _is_tensor(leaf) else leaf)

    def call(self, function: Callable[..., Any], values: dict[str, Any], training: Any = None) -> Any:
        """Call a function that has the signature of `call` with these values."""
        parameters = self.signature.parameters
        given = {name: values[name] for name in parameters if name in values}
        if self._rest is not None:
            given[self._rest] = {name: value for name, value in values.items() if name not in parameters}
        bound = inspect.BoundArguments(self.signature, given)  # type: ignore[arg-type]
        told = {"training": training} if self.takes_training and training is not None else {}
        return function(*bound.args, **bound.kwargs, **told)

    def names_with_tensors(self) -> list[str]:
        """Parameters that hold symbolic tensors, or held some before `replaced` left them out."""
        names = set(self.names_with(_is_tensor)) | self._left_out
        return [name for name in self.values if name in names]

    def names_with(self, test: Callable[[Any], bool]) -> list[str]:
        """Parameters with a leaf that passes a test, except parameters for masks."""
        masks = {"mask", *(f"{name}_mask" for name in self.values)}
        return [name for name in self.values if name not in masks and any(map(test, self.leaves(name)))]

    def masks_wanted(self, test: Callable[[Any], bool]) -> dict[str, str]:
        """For each parameter that takes a mask, the argument it masks.

        The parameter is called ``mask`` if one argument holds samples, and ``x_mask`` for argument ``x`` if several do.
        """
        names = self.names_with(test)
        wanted = {"mask": names[0]} if len(names) == 1 else {f"{name}_mask": name for name in names}
        parameters = self.signature.parameters
        return (
            {taker: name for taker, name in wanted.items() if taker in parameters and self.values.get(taker) is None}
            if not self.built_in
            else {}
        )

    @property
    def is_plain(self) -> bool:
        """Whether the only argument is one tensor or a list of tensors."""
        value = self.first
        alone = len(self.values) == 1 and not self.given_masks and self.mask is None
        return alone and (_is_tensor(value) or (isinstance(value, list) and all(map(_is_tensor, value))))


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, KerasTensor)


def _rest_of(signature: inspect.Signature) -> str | None:
    """The parameter that takes all other arguments by name."""
    if signature is BUILT_IN:
        return None
    return next((name for name, each in signature.parameters.items() if each.kind is each.VAR_KEYWORD), None)


def _takes(signature: inspect.Signature, name: str) -> bool:
    if signature is BUILT_IN:
        return name in BUILT_IN.parameters
    return any(p.name == name or p.kind is p.VAR_KEYWORD for p in signature.parameters.values())


def _check_positional(layer: Any, args: Sequence[Any], signature: inspect.Signature) -> None:
    """Refuse positional values that are not tensors: usually they were meant for another argument."""
    for position, value in enumerate(args):
        for leaf in flatten(value):
            if _is_tensor(leaf) or leaf is None or is_array(leaf) or (position == 0 and not isinstance(leaf, bool)):
                continue
            names = list(signature.parameters)
            name = names[position] if position < len(names) else "name"
            raise ArgumentTypeError(
                f"{type(layer).__name__} {layer.name!r} takes only tensors and arrays by position, but got {leaf!r} of "
                f"type {type_name(leaf)}: give it by name, {name}={leaf!r}."
            )


def select(layer: Any, function: Callable[..., Any], shapes: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments for `build` or `compute_output_shape`: shapes of the arguments of `call`.

    A function with one parameter gets the shape of the first argument. One with several names each after an argument
    of `call`: ``x_shape`` for ``x``.

    Raises
    ------
    ValueError
        If a parameter is not named after an argument of `call`.
    """
    parameters = inspect.signature(function).parameters.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY, p.POSITIONAL_ONLY)]
    required = [p.name for p in parameters if p.name in names and p.default is p.empty]
    if len(names) == 1:
        return {names[0]: next(iter(shapes.values()), None)}
    chosen = {}
    for name in names:
        argument = name.removesuffix("_shape")
        what = f"{function.__name__} of {type(layer).__name__} {layer.name!r} has an argument {name!r}"
        if name not in required and argument not in shapes:
            continue
        if argument == name:
            raise ValueError(f"{what}, which does not end in '_shape': each is named after one of call's.")
        if argument not in signature_of(layer).parameters:
            raise ValueError(f"{what}, but call has no argument {argument!r}.")
        chosen[name] = shapes.get(argument)
    return chosen


def takes_positions(function: Any, count: int) -> bool:
    """Whether a function takes so many arguments by position."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions written in C have no signature
        return True
    positions = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return count <= len(positions) or any(p.kind is p.VAR_POSITIONAL for p in parameters)


def takes(function: Any, name: str, in_kwargs: bool = False) -> bool:
    """Whether a function has an argument of this name or, with `in_kwargs`, takes ``**kwargs``."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions written in C have no signature
        return False
    return any(p.name == name or (in_kwargs and p.kind is p.VAR_KEYWORD) for p in parameters)
