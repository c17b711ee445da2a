"""Names of layers, activations, losses and so on, and the objects they stand for.

One `Registry` a family. It is the only list of what exists: `get`, `serialize`
and `deserialize` of every public module, and the tests, all read it.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from cbackprop import shared_objects
from cbackprop.validation import ArgumentTypeError, type_name

__all__ = ["Registry", "UnknownObjectError", "from_config", "nearest", "own_objects", "reading", "to_config"]


# Libraries whose losses, metrics and so on work on tensors of their own.
FOREIGN = ("keras", "tf_keras", "tensorflow", "torch")


# Before a capital letter that begins a word, also the last one of several.
WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_case(name: str) -> str:
    """``"HeNormal"`` to ``"he_normal"``, ``"RMSprop"`` to ``"rmsprop"``."""
    return WORD_BEGINS.sub("_", name).lower()


def nearest(name: object, known: Iterable[str]) -> str:
    """A sentence that ends an error about an unknown name: the nearest known ones."""
    names = sorted(known)
    close = [each for each in names if str(name) == _initials(each)]  # such as lr
    close = close or difflib.get_close_matches(str(name).lower(), names, n=3, cutoff=0.5)
    if close:
        return "Did you mean " + " or ".join(repr(c) for c in close) + "?"
    return "Known: " + ", ".join(names) + "."


def _initials(name: str) -> str:
    return "".join(word[:1] for word in name.split("_"))


def nearest_of(name: str, module: ModuleType) -> str:
    """The public name of a module that an unknown one was probably meant for; empty if none is like it."""
    names = {known.lower(): known for known in sorted(getattr(module, "__all__", ()), reverse=True)}
    close = [] if name.startswith("_") else difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.75)
    return names[close[0]] if close else ""


@contextmanager
def reading(what: str, config: Any) -> Iterator[None]:
    """Whatever goes wrong while something is made from a config says that the config is at fault.

    Raises
    ------
    TypeError
        If the config is no dict.
    ValueError
        If something in it is missing, of another form than what is written there, or nested too deep.
    """
    if not isinstance(config, dict):
        raise TypeError(f"The config of {what} must be a dict, but got {config!r}.")
    try:
        yield
    except (AttributeError, LookupError, StopIteration) as error:
        raise ValueError(f"The config of {what} is incomplete or damaged: {error!r}.") from error
    except RecursionError as error:
        raise ValueError(f"The config of {what} is nested too deep.") from error


class UnknownObjectError(ArgumentTypeError):
    """A config mentions a class or function that is unknown: as a rule one of a user's own."""


class CustomObjects:
    """Classes and functions of users: registered `everywhere`, or known within a scope of one thread."""

    def __init__(self) -> None:
        self.everywhere: dict[str, Any] = {}
        self._scope: ContextVar[dict[str, Any] | None] = ContextVar("custom objects", default=None)
        self._copied: ContextVar[dict[str, Any] | None] = ContextVar("copied objects", default=None)

    def all(self) -> dict[str, Any]:
        """Everything that is known now, by name."""
        return self.everywhere | (self._scope.get() or {}) | (self._copied.get() or {})

    def add(self, name: str, thing: Any) -> None:
        """Make a class or function known everywhere."""
        self.everywhere[name] = thing

    @property
    def are_copied(self) -> bool:
        """Whether configs are written to be read at once, in this process, as copies are made."""
        return self._copied.get() is not None

    @contextmanager
    def copying(self) -> Iterator[None]:
        """Within this, configs can mention any class and function, also those that are registered nowhere."""
        token = self._copied.set(self._copied.get() or {})
        try:
            yield
        finally:
            self._copied.reset(token)

    def enter(self, objects: dict[str, Any]) -> Token[dict[str, Any] | None]:
        """Begin a scope in which more is known; `leave` takes what this returns."""
        return self._scope.set((self._scope.get() or {}) | objects)

    def leave(self, token: Token[dict[str, Any] | None]) -> None:
        """End a scope."""
        self._scope.reset(token)

    def name_of(self, thing: Any) -> str | None:
        """The name of a class or function, or of an object's class."""
        name = next((name for name, entry in self.all().items() if entry is thing or entry is type(thing)), None)
        copied = self._copied.get()
        if name is not None or copied is None:
            return name
        own = thing if inspect.isfunction(thing) else type(thing)
        has_config = hasattr(thing, "get_config") and hasattr(thing, "from_config") and not inspect.isclass(thing)
        if own.__module__.partition(".")[0] == "cbackprop" or not (own is thing or has_config):
            return None
        if own is thing and holds_layers(thing):
            raise TypeError(f"{thing!r} binds a layer, which a copy cannot do: give the layer as an argument.")
        copied[name := f"{own.__module__}.{own.__qualname__}/{len(copied)}"] = own
        return name


own_objects = CustomObjects()


class Registry:
    """The things of one family, by name.

    Parameters
    ----------
    family : str
        What one of them is called in an error message, such as ``"loss"``.
    module : str
        The public module they live in, such as ``"losses"``; written into configs.
    """

    families: ClassVar[dict[str, Registry]] = {}

    def __init__(self, family: str, module: str) -> None:
        self.family = family
        self.module = module
        self._by_name: dict[str, Any] = {}
        self._entries: dict[str, Any] = {}
        # Classes that configs mention, but that have no kernel, twin and default of their own.
        self._unlisted: dict[str, Any] = {}
        # One spelling of each name, for messages, in small letters.
        self._suggested: set[str] = set()
        Registry.families[module] = self

    def register(self, *aliases: str) -> Callable[[Any], Any]:
        """Class or function decorator: enter it under its own name, in snake case, and under `aliases`."""

        def enter(thing: Any) -> Any:
            self.add(thing, *aliases)
            return thing

        return enter

    def add(self, thing: Any, *aliases: str, name: str | None = None) -> None:
        """Enter `thing` under `name` (its own by default) and `aliases`."""
        name = name or thing.__name__
        snake = snake_case(name)
        self._entries[name] = thing
        self._suggested |= {snake, *filter(str.islower, aliases)}
        for key in (name, snake, *aliases):
            self._by_name[key] = thing
            self._by_name[key.lower()] = thing

    def allow(self, cls: type) -> type:
        """Class decorator: let configs mention a class that is not one of those the registry lists."""
        self._unlisted[cls.__name__] = self._by_name[cls.__name__] = cls
        return cls

    @property
    def base(self) -> type | None:
        """The class that all classes of the family derive from; ``None`` for a family of functions."""
        classes = [entry for entry in self._entries.values() if inspect.isclass(entry)]
        common = (cls for cls in (classes or [object])[0].__mro__ if all(issubclass(other, cls) for other in classes))
        return next(common) if classes else None

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self._entries.items())

    def find(self, name: str) -> Any:
        """The class or function called `name`.

        Raises
        ------
        ValueError
            If there is none; the message names the nearest ones.
        """
        found = self._lookup(name)
        if found is None:
            raise ValueError(f"Unknown {self.family} {name!r}. {nearest(name, self._suggested)}")
        return found

    def knows(self, name: str) -> bool:
        """Whether something of the family, or of a user's own, is called that."""
        return self._lookup(name) is not None

    def _lookup(self, name: str) -> Any:
        return own_objects.all().get(name, self._by_name.get(name, self._by_name.get(name.lower())))

    def name_of(self, thing: Any) -> str | None:
        """The name of a class or function, of an object's class, or of the function that one binds arguments of."""
        for name, entry in (self._entries | self._unlisted).items():
            if entry is thing or entry is type(thing) or entry is getattr(thing, "unbound", thing):
                return name
        return None

    def serialize(self, thing: Any) -> Any:
        """`thing` as plain values that `deserialize` understands; a function becomes its name.

        Raises
        ------
        ValueError
            If `thing` is not of this family.
        """
        return shared_objects.write(thing, lambda: self.serialize_alone(thing))

    def serialize_alone(self, thing: Any) -> Any:
        """As `serialize`, without a look at whether the object has been written before."""
        name = self.name_of(thing)
        if name is None and (own := own_objects.name_of(thing)) is not None:
            return _custom_config(thing, own, f"cbackprop.{self.module}")
        if name is None:
            return self._stranger_config(thing)
        if self._entries.get(name) is thing:
            return name
        return _described(thing, f"cbackprop.{self.module}", name, None)

    def _stranger_config(self, thing: Any) -> Any:
        """An object of a user's class that is registered nowhere, as Keras writes it: readers are told the class."""
        cls = type(thing)
        own = (
            not inspect.isclass(thing) and hasattr(thing, "get_config") and cls.__module__.split(".")[0] != "cbackprop"
        )
        if own and cls.__name__ not in self._by_name:
            return _custom_config(thing, cls.__name__, f"cbackprop.{self.module}")
        how = f" As {cls.__name__!r} is one, give it a name by @saving.register_keras_serializable()." if own else ""
        raise ValueError(f"{thing!r} is not a registered {self.family}.{how}")

    def deserialize(self, config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
        """The object that `serialize` described."""
        if custom_objects:
            token = own_objects.enter(custom_objects)
            try:
                return self.deserialize(config)
            finally:
                own_objects.leave(token)
        if isinstance(config, str):
            return self.find(config)
        if not isinstance(config, dict) or "class_name" not in config:
            raise ValueError(f"A {self.family} config is a name or a dict with 'class_name', not {config!r}.")
        name = config["class_name"]
        if not isinstance(name, str):
            raise ValueError(f"The class_name of a {self.family} config must be a string, but got {name!r}.")
        registered = config.get("registered_name")
        registered = registered if isinstance(registered, str) and registered in own_objects.all() else name
        if (cls := self._lookup(registered)) is None:
            raise UnknownObjectError(
                f"Unknown {self.family} {registered!r}. {nearest(registered, self._suggested)} A class of your own "
                f"is made known by custom_objects={{{registered!r}: ...}}, or by saving.register_keras_serializable."
            )
        own = config.get("config", {})

        def make() -> Any:
            with reading(f"{self.family} {name!r}", own):
                return _built(cls.from_config(own), config)

        return shared_objects.read(config, make)

    def get(self, identifier: Any) -> Any:
        """Whatever `identifier` stands for: a name, a config, a class or the thing itself.

        Raises
        ------
        ValueError
            For an unknown name.
        TypeError
            For anything that cannot stand for one.
        """
        if identifier is None:
            return None
        if isinstance(identifier, (str, dict)):
            found = self.deserialize(identifier)
            return found() if inspect.isclass(found) else found
        self.refuse_foreign(identifier)
        if inspect.isclass(identifier):
            identifier = identifier()
        others = (registry for registry in Registry.families.values() if registry is not self)
        mine = self.name_of(identifier) is not None or (self.base is not None and isinstance(identifier, self.base))
        if mine or (callable(identifier) and all(other.name_of(identifier) is None for other in others)):
            return identifier
        raise TypeError(
            f"Expected {self._with_article}, its name or its config, but got {identifier!r} "
            f"of type {type_name(identifier)}."
        )

    def refuse_foreign(self, identifier: Any) -> None:
        """``TypeError`` for what computes on tensors of another library."""
        library = _foreign_library(identifier)
        if library is None:
            return
        thing = identifier if inspect.isclass(identifier) or inspect.isroutine(identifier) else type(identifier)
        raise TypeError(
            f"Expected {self._with_article} of this library, but got {thing.__module__}.{thing.__qualname__}, which "
            f"computes on tensors of {library}{instead_of_foreign(identifier, self.module, self._by_name)}."
        )

    @property
    def _with_article(self) -> str:
        return f"{'an' if self.family[0] in 'aeiou' else 'a'} {self.family}"


def instead_of_foreign(thing: Any, module: str, known: Container[str]) -> str:
    """What to use instead of a thing of another library, as the end of a sentence; empty for anything else.

    Parameters
    ----------
    thing : object
    module : str
        Where this library's own are.
    known : container of str
        Their names.
    """
    if _foreign_library(thing) is None:
        return ""
    name = (thing if inspect.isclass(thing) or inspect.isroutine(thing) else type(thing)).__name__
    here = f"cbackprop.{module}.{name}" if name in known else f"what is in cbackprop.{module}"
    return f": use {here}"


def _foreign_library(thing: Any) -> str | None:
    """The library of tensors that an object, a class or a function belongs to, by itself or by a base."""
    if inspect.isroutine(thing):
        modules = [getattr(thing, "__module__", None) or ""]
    else:
        modules = [cls.__module__ for cls in (thing if inspect.isclass(thing) else type(thing)).__mro__]
    roots = (module.partition(".")[0] for module in modules)
    return next((root for root in roots if root in FOREIGN), None)


def _custom_config(thing: Any, name: str, module: str | None) -> Any:
    """A user's own function as its name, an object of a user's own class as a dict."""
    if not hasattr(thing, "get_config") or inspect.isclass(thing):
        return name
    return _described(thing, module, type(thing).__name__, name)


def _described(thing: Any, module: str | None, class_name: str, registered_name: str | None) -> dict[str, Any]:
    own = _without_objects(thing.get_config())
    config = {"module": module, "class_name": class_name, "config": own, "registered_name": registered_name}
    if hasattr(thing, "get_build_config") and (built := thing.get_build_config()) is not None:
        config["build_config"] = to_config(built)
    return config


def _without_objects(value: Any) -> Any:
    """What a user's `get_config` returns, with layers and other objects in it as their own configs, as in Keras.

    Configs in it stay the dicts that they are: those that are met again get a number later.
    """
    if isinstance(value, dict):
        plain = {key: _without_objects(item) for key, item in value.items()}
        return value if all(plain[key] is item for key, item in value.items()) else plain
    if type(value) in (list, tuple):
        items = [_without_objects(item) for item in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else type(value)(items)
    return to_config(value)


def _built(thing: Any, config: dict[str, Any]) -> Any:
    """A new object, with weights for the shape that the one had of which this is the config."""
    if config.get("build_config") and not getattr(thing, "built", True):
        thing.build_from_config(config["build_config"])
    return thing


def to_config(value: Any) -> Any:
    """`value` as plain Python values that survive JSON.

    Raises
    ------
    TypeError
        If it is or holds something that cannot be written.
    ValueError
        If it holds itself.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [to_config(item) for item in value]
    if isinstance(value, dict):
        return {key: to_config(item) for key, item in value.items()}
    if (special := _special_config(value)) is not None:
        return special
    return shared_objects.write(value, lambda: _object_config(value))


def _special_config(value: Any) -> dict[str, Any] | None:
    """Values of Python and NumPy that JSON does not have, as Keras writes them."""
    if isinstance(value, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": value.dtype.name}}
    if isinstance(value, bytes):
        return {"class_name": "__bytes__", "config": {"value": value.decode("utf-8")}}
    if isinstance(value, slice):
        parts = {"start": value.start, "stop": value.stop, "step": value.step}
        return {"class_name": "__slice__", "config": {name: to_config(part) for name, part in parts.items()}}
    return {"class_name": "__ellipsis__", "config": {}} if value is ... else None


def _object_config(value: Any) -> Any:
    for registry in Registry.families.values():
        if registry.name_of(value) is not None:
            return registry.serialize_alone(value)
    if (own := own_objects.name_of(value)) is not None:
        return _function_config(own) if inspect.isroutine(value) else _custom_config(value, own, None)
    if (family := _family_of(value)) is not None:
        return family.serialize_alone(value)
    if inspect.isfunction(value):
        return _function_config(_free_name(value))
    if hasattr(value, "get_config") and hasattr(value, "from_config") and not inspect.isclass(value):
        return _custom_config(value, type(value).__name__, None)
    if own_objects.are_copied and not holds_layers(value):
        return value
    raise TypeError(
        f"{value!r} of type {type(value).__name__} cannot be written into a config. Give its class the methods "
        "get_config and from_config, or write it in a get_config of what it is an argument of."
    )


def _function_config(name: str) -> dict[str, Any]:
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": name}


def _free_name(function: Any) -> str:
    """The name by which a reader is told again of a function that is registered nowhere.

    Raises
    ------
    TypeError
        If it has none of its own: a lambda, or one that is called like something of this library.
    """
    name = function.__name__
    if not name.isidentifier():
        raise TypeError(
            f"{function!r} has no name, so that no config can mention it: it would be made of functions, which no file "
            "holds. Define it by def, and register it by @saving.register_keras_serializable()."
        )
    if any(family.knows(name) for family in Registry.families.values()):
        raise TypeError(
            f"The function {name!r} is called like one of this library, which would be taken for it. Register it by "
            "@saving.register_keras_serializable(), under a name of its own."
        )
    return name


def holds_layers(value: Any) -> bool:
    """Whether a layer can be reached from an object: by its attributes, its items, or the names a function binds."""
    pending, seen = [value], set()
    while pending:
        thing = pending.pop()
        if id(thing) in seen or inspect.ismodule(thing) or inspect.isclass(thing):
            continue
        seen.add(id(thing))
        if hasattr(type(thing), "is_model"):
            return True
        pending.extend(parts_of(thing))
    return False


def parts_of(thing: Any) -> list[Any]:
    """What an object holds, one step deep."""
    if isinstance(thing, dict):
        return list(thing.values())
    if isinstance(thing, (list, tuple, set, frozenset)):
        return list(thing)
    if inspect.isfunction(thing):
        bound = inspect.getclosurevars(thing).nonlocals if thing.__closure__ else {}
        return [*bound.values(), *(thing.__defaults__ or ())]
    if inspect.ismethod(thing):
        return [thing.__self__]
    return list(vars(thing).values()) if hasattr(thing, "__dict__") else []


def _family_of(value: Any) -> Registry | None:
    """The family of an object of a user's class that is registered nowhere."""
    families = Registry.families.values()
    return next((family for family in families if family.base is not None and isinstance(value, family.base)), None)


def from_config(value: Any) -> Any:
    """What `to_config` made plain, restored (tuples stay lists).

    Raises
    ------
    TypeError
        For a class or function that is not known here.
    ValueError
        For code, and for what is damaged.
    """
    if isinstance(value, list):
        return [from_config(item) for item in value]
    if not isinstance(value, dict):
        return value
    name = value.get("class_name")
    if name in _SPECIAL:
        return _SPECIAL[name](value.get("config"))
    if name == "function":
        return _function_from(value)
    registered = value.get("registered_name")
    if name is not None and isinstance(registered, str) and registered in own_objects.all():
        return shared_objects.read(value, lambda: _own_object_from(value, own_objects.all()[registered]))
    if (family := _family_in(value)) is not None:
        _check_registered_name(value)
        return family.deserialize(value)
    if isinstance(name, str) and "config" in value and not isinstance(value["config"], dict):
        raise TypeError(f"Expected 'config' to be a dict for {name!r}, but got {value['config']!r}.")
    if isinstance(name, str) and "config" in value and "module" in value:
        raise UnknownObjectError(
            f"Unknown class {registered or name!r}. A class of your own is made known by custom_objects="
            f"{{{registered or name!r}: ...}}, or by @saving.register_keras_serializable()."
        )
    return {key: from_config(item) for key, item in value.items()}


def _family_in(value: dict[str, Any]) -> Registry | None:
    """The family of what a config describes, by its module, here or in Keras."""
    name, module = value.get("class_name"), value.get("module")
    if not isinstance(name, str) or not isinstance(module, str):
        return None
    root, _, rest = module.partition(".")
    if rest in Registry.families:
        return Registry.families[rest]
    layers = Registry.families.get("layers")
    return layers if root in ("keras", "cbackprop") and layers is not None and layers.knows(name) else None


def _check_registered_name(value: dict[str, Any]) -> None:
    """Refuse another name for what is not registered: it may be meant for something else.

    Raises
    ------
    ValueError
        If there is one.
    """
    registered, module = value.get("registered_name"), str(value.get("module"))
    known = (value["class_name"], value.get("config"))
    if registered and registered not in known and module.startswith("keras"):
        raise ValueError(
            f"The registered_name {registered!r} is unknown, and {value['class_name']!r} resolved to a Keras built-in, "
            "which has none."
        )


def _own_object_from(value: dict[str, Any], cls: Any) -> Any:
    if not hasattr(cls, "from_config"):
        raise TypeError(f"{cls!r} has no method from_config, by which it could be made of its config.")
    return _built(cls.from_config(value.get("config", {})), value)


def _function_from(value: dict[str, Any]) -> Any:
    """The function that a config names: a user's own one, or one of this library."""
    name = value.get("config")
    if not isinstance(name, str):
        raise TypeError(f"Expected 'config' to be a non-null str, the name of a function, but got {name!r}.")
    own = own_objects.all()
    found = own.get(name)
    if (
        found is None and value.get("registered_name") == "function"
    ):  # as Keras wrote it before 3.7, without the package
        found = next((thing for key, thing in own.items() if key.endswith(f">{name}")), None)
    if found is not None:
        return found
    if value.get("registered_name") not in (None, "", name, "function"):
        raise ValueError(
            f"The registered_name {value['registered_name']!r} is unknown, and {name!r} resolved to a Keras built-in, "
            "which has none."
        )
    for family in Registry.families.values():
        if family.knows(name):
            return family.find(name)
    raise UnknownObjectError(
        f"Unknown function {name!r}. A function of your own is made known by custom_objects={{{name!r}: ...}}, or by "
        "@saving.register_keras_serializable()."
    )


def _array_from(config: Any) -> Any:
    with reading("an array", config):
        dtype, value = np.dtype(config["dtype"]), config["value"]
    if dtype.kind not in "fiub":
        raise ValueError(f"An array in a config holds numbers, not {dtype}.")
    return np.asarray(value, dtype)


def _tuple_from(config: Any) -> tuple[Any, ...]:
    with reading("a tuple", config):
        return tuple(from_config(list(config["value"])))


def _bytes_from(config: Any) -> bytes:
    with reading("bytes", config):
        return bytes(config["value"].encode("utf-8"))


def _slice_from(config: Any) -> slice:
    with reading("a slice", config):
        return slice(*(from_config(config[name]) for name in ("start", "stop", "step")))


def _refuse_code(config: Any) -> Any:
    raise ValueError(
        "A lambda in a config could lead to arbitrary code execution, and is never run, whatever safe_mode says: "
        "register a function."
    )


def _refuse_typespec(config: Any) -> Any:
    if not isinstance(config, (list, tuple)):
        raise TypeError(f"Expected 'config' to be a list or a tuple for __typespec__, but got {config!r}.")
    raise ValueError("A TypeSpec is TensorFlow's, and has no equal here.")


# What Keras writes of values that are neither plain nor objects; arrays had another name here once.
_SPECIAL: dict[Any, Callable[[Any], Any]] = {
    "__array__": _array_from,
    "__numpy__": _array_from,
    "__tensor__": _array_from,
    "__tuple__": _tuple_from,
    "__bytes__": _bytes_from,
    "__slice__": _slice_from,
    "__ellipsis__": lambda config: ...,
    "__lambda__": _refuse_code,
    "__typespec__": _refuse_typespec,
}
