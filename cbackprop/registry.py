"""Lists of all layers, activations, losses and so on, by name.

Each family has one `Registry`. There is no other list: `get`, `serialize` and
`deserialize` of the public modules read it, and so do the tests.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from cbackprop import shared_objects
from cbackprop.config_reading import UnknownObjectError, build_as_noted, reading
from cbackprop.config_writing import described, own_config
from cbackprop.families import add_family, families
from cbackprop.foreign_objects import foreign_library, instead_of_foreign
from cbackprop.own_objects import own_objects
from cbackprop.suggestions import nearest
from cbackprop.validation import type_name

__all__ = ["Registry", "snake_case"]

# The empty string before each word but the first. Several capitals are one word, but the last one may begin another.
WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@functools.lru_cache(maxsize=1024)
def snake_case(name: str) -> str:
    """``"HeNormal"`` to ``"he_normal"``, ``"JSONFile"`` to ``"json_file"``."""
    return WORD_BEGINS.sub("_", name).lower()


class Registry:
    """The classes and functions of one family, by name.

    Parameters
    ----------
    family : str
        The word for one of them in error messages, such as ``"loss"``.
    module : str
        Their public module, such as ``"losses"``. Configs name it.
    """

    def __init__(self, family: str, module: str) -> None:
        self.family = family
        self.module = module
        self._by_name: dict[str, Any] = {}
        self._entries: dict[str, Any] = {}
        # Classes that configs may mention, without a kernel, a twin and defaults.
        self._unlisted: dict[str, Any] = {}
        # The names of classes and functions by their ids; None: to be listed when asked for.
        self._names: dict[int, str] | None = None
        # The classes of the family: their objects need no further look.
        self._classes: set[type] = set()
        # One spelling of each name, in small letters, to suggest in messages.
        self._suggested: set[str] = set()
        add_family(self)

    def register(self, *aliases: str) -> Callable[[Any], Any]:
        """Decorator of a class or function: enter it under its name, its name in snake case, and `aliases`."""

        def enter(thing: Any) -> Any:
            self.add(thing, *aliases)
            return thing

        return enter

    def add(self, thing: Any, *aliases: str, name: str | None = None) -> None:
        """Enter `thing` under `name` (its own by default) and `aliases`."""
        name = name or thing.__name__
        snake = snake_case(name)
        self._entries[name] = thing
        self._names = None
        if inspect.isclass(thing):
            self._classes.add(thing)
        self._suggested |= {snake, *filter(str.islower, aliases)}
        for key in (name, snake, *aliases):
            self._by_name[key] = thing
            self._by_name[key.lower()] = thing

    def allow(self, cls: type) -> type:
        """Decorator of a class: configs may mention it, but it is not listed."""
        self._unlisted[cls.__name__] = self._by_name[cls.__name__] = cls
        self._names = None
        return cls

    @property
    def base(self) -> type | None:
        """The nearest common base of all classes of the family; ``None`` for a family of functions."""
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
        """Whether the family, or a user, has something of this name."""
        return self._lookup(name) is not None

    def _lookup(self, name: str) -> Any:
        found = own_objects.find(name)
        if found is None:
            found = self._by_name.get(name)
        return self._by_name.get(name.lower()) if found is None else found

    def name_of(self, thing: Any) -> str | None:
        """The name of a class or function, of the class of an object, or of a function whose arguments are bound."""
        if self._names is None:
            pairs = [*self._entries.items(), *self._unlisted.items()]
            self._names = {id(entry): name for name, entry in reversed(pairs)}  # the first name counts
        found = self._names.get(id(thing)) or self._names.get(id(type(thing)))
        return found or self._names.get(id(getattr(thing, "unbound", thing)))

    def serialize(self, thing: Any) -> Any:
        """`thing` as plain values that `deserialize` reads; a function becomes its name.

        Raises
        ------
        ValueError
            If `thing` is not of this family.
        """
        return shared_objects.write(thing, lambda: self.serialize_alone(thing))

    def serialize_alone(self, thing: Any) -> Any:
        """The config of `serialize`, without the number that marks an object that was written before."""
        name = self.name_of(thing)
        if name is None and (own := own_objects.name_of(thing)) is not None:
            return own_config(thing, own, f"cbackprop.{self.module}")
        if name is None:
            return self._stranger_config(thing)
        if self._entries.get(name) is thing:
            return name
        return described(thing, f"cbackprop.{self.module}", name, None)

    def _stranger_config(self, thing: Any) -> Any:
        """The config, in Keras's form, of an object whose class is not registered: readers must be given the class."""
        cls = type(thing)
        own = (
            not inspect.isclass(thing) and hasattr(thing, "get_config") and cls.__module__.split(".")[0] != "cbackprop"
        )
        if own and cls.__name__ not in self._by_name:
            return own_config(thing, cls.__name__, f"cbackprop.{self.module}")
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
        registered = registered if isinstance(registered, str) and own_objects.find(registered) is not None else name
        if (cls := self._lookup(registered)) is None:
            raise UnknownObjectError(
                f"Unknown {self.family} {registered!r}. If it is your own class, pass custom_objects="
                f"{{{registered!r}: ...}}, or register it with @saving.register_keras_serializable(). "
                f"{nearest(registered, self._suggested)}"
            )
        own = config.get("config", {})

        def make() -> Any:
            with reading(f"{self.family} {name!r}", own):
                return build_as_noted(cls.from_config(own), config)

        return shared_objects.read(config, make)

    def get(self, identifier: Any) -> Any:
        """The object that `identifier` means: a name, a config, a class (of which one is made), or the object itself.

        Raises
        ------
        ValueError
            If a name is unknown.
        TypeError
            If `identifier` is none of these.
        """
        if identifier is None or type(identifier) in self._classes:
            return identifier
        if isinstance(identifier, (str, dict)):
            found = self.find(identifier) if isinstance(identifier, str) else self.deserialize(identifier)
            return found() if isinstance(found, type) else found
        self.refuse_foreign(identifier)
        if inspect.isclass(identifier):
            identifier = identifier()
        others = (registry for registry in families.values() if registry is not self)
        mine = self.name_of(identifier) is not None or (self.base is not None and isinstance(identifier, self.base))
        if mine or (callable(identifier) and all(other.name_of(identifier) is None for other in others)):
            return identifier
        raise TypeError(
            f"Expected {self._with_article}, its name or its config, but got {identifier!r} "
            f"of type {type_name(identifier)}."
        )

    def refuse_foreign(self, identifier: Any) -> None:
        """Raise a ``TypeError`` for something that computes on tensors of another library."""
        library = foreign_library(identifier)
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
