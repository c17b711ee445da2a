"""How a layer gets its weights: `build` of its class, once, for a shape that has been checked."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from cbackprop.layers.adjusting import check_set
from cbackprop.layers.call_context import naming
from cbackprop.layers.shapes import check_input_shape
from cbackprop.layers.unknown_sizes import examples_for, has_unknown, shape_between

__all__ = ["build_for", "check_begun", "checked_build", "resolve_unknown"]

Build = TypeVar("Build", bound=Callable[..., None])


def checked_build(build: Build) -> Build:
    """A layer's `build` for users to call: shapes are checked first, and weights are made once."""
    optional = build.__qualname__ == "Layer.build" or not build.__module__.startswith("cbackprop.")

    @functools.wraps(build)
    def checked(layer: Any, *args: Any, **kwargs: Any) -> None:
        if type(layer).build is not checked:  # called by that of a subclass
            _build_base(layer, build, *args, **kwargs)
            return
        check_begun(layer)
        check_set(layer)
        if not args and not kwargs and not build.__defaults__:
            args = (None,)
        if len(layer.input_arguments) > 1 and not layer.is_python:
            args, kwargs = (layer.joined_shapes(*args, **kwargs),), {}
        blank = optional or bool(build.__defaults__)

        def check(shape: Any) -> Any:
            if isinstance(shape, dict) and shape and layer.is_python:
                return {name: None if size is None else check_input_shape(size) for name, size in shape.items()}
            return shape if shape is None and blank else check_input_shape(shape)

        args = tuple(check(shape) for shape in args)
        kwargs = {name: check(shape) for name, shape in kwargs.items()}
        shape = given = next((shape for shape in [*args, *kwargs.values()] if shape is not None), None)
        other = None
        if not layer.is_python and has_unknown(shape):
            shape, other = examples_for(layer.compute_output_shape, shape)
            args, kwargs = (shape,), {}
        with layer._making, naming(layer):
            if shape is not None and layer.built:
                layer.check_built_for(shape)
            elif shape is not None and not layer.is_python and other is None:
                layer.compute_output_shape(shape)
            if not layer.built:
                _make_weights(layer, build, args, kwargs, given, other)

    checked.unchecked = build  # type: ignore[attr-defined]
    return cast(Build, checked)


def build_for(layer: Any, input_shape: Any) -> None:
    """As ``layer.build(input_shape)``, where `compute_output_shape` has taken this known shape just before."""
    build = type(layer).build
    if layer.is_python or len(layer.input_arguments) > 1 or not hasattr(build, "unchecked"):
        layer.build(input_shape)
        return
    with layer._making, naming(layer):
        if not layer.built:
            _make_weights(layer, build.unchecked, (input_shape,), {}, input_shape, None)


def _make_weights(
    layer: Any, build: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any], given: Any, other: Any
) -> None:
    """Run `build` for checked shapes while no other thread makes weights; `given` is the shape for `build_from_config`.

    With an `other` example of unknown sizes, the weights must fit that, too.
    """
    begun = layer.__dict__.pop("_begun", None)
    if begun is not None:  # weights of a build that failed, or that another thread of the parent process had begun
        del layer._variables[begun:]
        kept = set(layer._variables)
        layer._base_variables = [variable for variable in layer._base_variables if variable in kept]
    layer.__dict__["_begun"] = len(layer._variables)
    try:
        _build_base(layer, build, *args, **kwargs)
        if other is not None:
            _check_built_for_any(layer, given, other)
    except BaseException:
        _forget_weights(layer, layer.__dict__.pop("_begun"))
        raise
    del layer.__dict__["_begun"]
    layer.built = True
    layer.__dict__.update(_build_shape=given if len(args) + len(kwargs) == 1 else kwargs or None, _locked=True)


def _build_base(layer: Any, build: Callable[..., None], *args: Any, **kwargs: Any) -> None:
    """Run the `build` of one class, and record which weights are made by a class of this library."""
    count = len(layer._variables)
    build(layer, *args, **kwargs)
    if build.__module__.startswith("cbackprop."):
        layer._base_variables.extend(layer._variables[count:])


def _forget_weights(layer: Any, first: int) -> None:
    """Let go of the weights from this one on: what made them has failed."""
    forgotten = set(map(id, layer._variables[first:]))
    del layer._variables[first:]
    for name in [name for name, value in layer.__dict__.items() if id(value) in forgotten]:
        del layer.__dict__[name]


def check_begun(layer: Any) -> None:
    """``RuntimeError`` for a layer whose own constructor has not called that of `Layer`."""
    if "nodes" not in layer.__dict__:
        raise RuntimeError(f"{type(layer).__name__}.__init__ must begin with super().__init__(**kwargs).")


def resolve_unknown(layer: Any, input_shape: Any) -> Any:
    """`Layer.resolve` where not all sizes are known."""
    shape = shape_between(layer.compute_output_shape, input_shape)
    if not layer.built:
        layer.build(input_shape)
    first, second = examples_for(layer.compute_output_shape, input_shape)
    if not (_accepts(layer, first) or _accepts(layer, second)):
        layer.check_built_for(input_shape)  # known sizes, too, may be wrong
    _check_built_for_any(layer, input_shape, first)
    _check_built_for_any(layer, input_shape, second)
    return shape


def _accepts(layer: Any, input_shape: Any) -> bool:
    """Whether the existing weights fit."""
    try:
        layer.check_built_for(input_shape)
    except ValueError:
        return False
    return True


def _check_built_for_any(layer: Any, input_shape: Any, example: Any) -> None:
    """Refuse unknown sizes that the shapes of the weights depend on."""
    if not _accepts(layer, example):
        raise ValueError(
            f"The weights of {type(layer).__name__} {layer.name!r} depend on a size of its input that is not known: "
            f"the last dimension, or the axis that it works along, should be defined, but got shape {input_shape}. "
            "Give Input that size."
        )
