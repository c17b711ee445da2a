"""Spec: base of layers, losses and all other objects that are described by a config."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, ClassVar, Self

import numpy as np

from cbackprop import config, shared_objects
from cbackprop.config_reading import from_config, reading
from cbackprop.config_writing import to_config
from cbackprop.families import families
from cbackprop.shared_objects import writing
from cbackprop.suggestions import nearest
from cbackprop.validation import ArgumentTypeError

__all__ = ["Adjustable", "Kept", "Spec", "arguments_of"]


# Arguments that `repr` leaves out.
HIDDEN = ("name", "input_shape")
# A number for each time that an argument is set, no matter in which thread.
_TIMES = itertools.count(1)


class Spec:
    """An object that is completely defined by the arguments of its constructor.

    A subclass stores every constructor argument as an attribute of the same name. Then ``get_config``, ``from_config``
    and ``repr`` work without further code.
    """

    # Arguments that `repr` shows even if they have their default values.
    always_shown: ClassVar[tuple[str, ...]] = ()

    @classmethod
    @functools.cache
    def argument_names(cls) -> tuple[str, ...]:
        """The names of the constructor's arguments, including those that base classes take by ``**kwargs``."""
        names: dict[str, None] = {}
        for klass in cls.__mro__:
            init = klass.__dict__.get("__init__")
            if init is None:
                continue
            parameters = list(inspect.signature(init).parameters.values())[1:]
            names.update((p.name, None) for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
        return tuple(names)

    @classmethod
    def refuse_unknown(cls, arguments: dict[str, Any]) -> None:
        """Raise ``TypeError`` for keyword arguments that no constructor of the class takes, naming similar ones."""
        for name in arguments:
            known = [argument for argument in cls.argument_names() if argument not in arguments]
            raise ArgumentTypeError(f"{cls.__name__} has no argument {name!r}. {nearest(name, known)}")

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments as plain values (numbers, strings, lists, dicts, ``None``)."""
        try:
            with writing():
                return {name: to_config(self.argument(name)) for name in self.argument_names()}
        except AttributeError as error:
            kind = type(self).__name__
            raise TypeError(
                f"{kind} does not keep the arguments of its constructor under their own names ({error}): do so, or "
                "define get_config."
            ) from error

    def argument(self, name: str) -> Any:
        """The value of a constructor argument."""
        return getattr(self, name)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the object that ``get_config`` described, including objects among its arguments."""
        with shared_objects.reading(), reading(cls.__name__, config):
            return cls(**{name: from_config(value) for name, value in config.items()})

    def __repr__(self) -> str:
        """Class and arguments, without the name and those left at their defaults."""
        defaults = {
            name: parameter.default
            for klass in reversed(type(self).__mro__)
            if "__init__" in klass.__dict__
            for name, parameter in inspect.signature(klass.__dict__["__init__"]).parameters.items()
        }
        values = {}
        for name in self.argument_names():
            with suppress(AttributeError):  # of a setting that not every object keeps
                if name not in HIDDEN:
                    values[name] = self.argument(name)
        if values.get("dtype") == config.floatx():
            del values["dtype"]
        shown = [
            f"{name}={_named(value)!r}"
            for name, value in values.items()
            if name in self.always_shown or not _same(value, defaults.get(name))
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


class Adjustable(Spec):
    """A spec whose arguments may be set later. Engines hold copies of them, which the next run makes again."""

    # When an argument of any of these objects was last set. An engine that knows this number need not look for changes.
    last_set: ClassVar[int] = 0
    # Arguments from which the constructor makes other values. They cannot be set later.
    fixed_arguments: ClassVar[tuple[str, ...]] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        is_argument = name in self.argument_names()
        if is_argument and name in self.fixed_arguments and name in self.__dict__:
            self._check_unchanged(name, value)
            return
        super().__setattr__(name, value)
        if is_argument:
            Adjustable.note_change()

    def _check_unchanged(self, name: str, value: Any) -> None:
        """Refuse another value of an argument that cannot be set later."""
        plain = value.tolist() if isinstance(value, np.ndarray) else value
        if arguments_of([plain]) != arguments_of([self.__dict__[name]]):
            kind = type(self).__name__
            raise AttributeError(
                f"{name} of {kind} cannot change, because other values depend on it. Make another {kind} with "
                f"{name}={value!r}."
            )

    @staticmethod
    def note_change() -> None:
        """Let engines look for changes at their next run."""
        Adjustable.last_set = next(_TIMES)


class Kept:
    """Compares an object by identity. It keeps the object, so that no other one can get the same id."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kept) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def arguments_of(specs: Iterable[Any]) -> list[Any]:
    """The arguments of some specs as they are now: equal lists if nothing has changed.

    Numbers, strings, arrays and lists are compared by their values, and specs by their arguments. Anything else, such
    as functions, is compared by identity.
    """
    return [_as_now(spec) for spec in specs]


def _as_now(value: Any) -> Any:
    """A copy that later changes do not reach."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Adjustable):
        held = value.__dict__
        return type(value), [_as_now(held.get(name, held.get(f"_{name}"))) for name in value.argument_names()]
    if isinstance(value, (list, tuple)):
        return arguments_of(value)
    if isinstance(value, dict):
        return arguments_of(value), arguments_of(value.values())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.dtype.str, value.shape, value.tobytes()
    return Kept(value)


def _named(value: Any) -> Any:
    """The name of a registered function, such as an activation; any other value unchanged."""
    if not callable(value) or inspect.isclass(value) or not any(r.name_of(value) for r in families.values()):
        return value
    config = to_config(value)
    return config if isinstance(config, str) else value


def _same(value: Any, default: Any) -> bool:
    """Whether an argument has its default value. A name equals the object that it refers to."""
    if value is default or (default is None and _named(value) == "linear"):
        return True
    if isinstance(default, str) and not isinstance(value, str):
        return repr(value).lower() == default.replace("_", "") + "()"
    return type(value) is type(default) and not hasattr(value, "__array__") and bool(value == default)
