"""The reference: pages made from ``__all__`` of every public module, so that no public name can be left out.

A page for each module with its functions and second names, and one for each class. `public_names` is what the finished
site must know; the build fails where its inventory lacks one of them.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.inventory import InventoryFile

import cbackprop
from cbackprop.models.completion import HIDDEN

FOLDER = "reference"

# Modules that users do not import. Whatever else the package holds is public, and documented.
INTERNAL = {
    "absent",
    "acts_as_array",
    "compiled",
    "config_reading",
    "config_writing",
    "contract",
    "engine",
    "families",
    "foreign_arrays",
    "foreign_objects",
    "held_memory",
    "html_tables",
    "number_types",
    "object_parts",
    "own_objects",
    "padded_sequences",
    "parameter_store",
    "part_of",
    "plan",
    "processors",
    "py_dataset",
    "random",
    "reference",
    "registry",
    "row_batches",
    "sequences",
    "shared_objects",
    "spec",
    "suggestions",
    "tensor",
    "threads",
    "torch_names",
    "validation",
    "variable",
    "version",
}

# Classes whose methods are in several classes (`part_of`), and the first base that is no such part.
IN_PARTS = {"Layer": "Operation", "Optimizer": "Spec"}
# Classes whose pages show what they inherit, because users call it and no base has a page; first what everybody calls.
INHERITED = ("Model", "Sequential")
FIRST = ("compile", "fit", "evaluate", "predict", "save")

BEGIN = (
    "Begin with :obj:`~cbackprop.models.Model`, which has ``compile``, ``fit``, ``evaluate``, ``predict`` and ``save``,"
    " and with :obj:`~cbackprop.models.Sequential`, its shortest form. The modules hold what they are made and trained"
    " with."
)


def modules() -> Iterator[ModuleType]:
    """Every public module, the package first."""
    yield cbackprop
    for info in pkgutil.iter_modules(cbackprop.__path__):
        if info.name not in INTERNAL and not info.name.startswith("_"):
            yield from nested(importlib.import_module(f"cbackprop.{info.name}"))


def nested(module: ModuleType) -> Iterator[ModuleType]:
    """A module, and the modules that its ``__all__`` names."""
    yield module
    for name in sorted(getattr(module, "__all__", ())):
        if inspect.ismodule(thing := getattr(module, name)):
            yield from nested(thing)


def public_names() -> set[str]:
    """Every name that a user may write."""
    return {
        name
        for module in modules()
        for name in (module.__name__, *(f"{module.__name__}.{name}" for name in module.__all__))
    }


class Module:
    """The page of one module, and the pages of its classes."""

    def __init__(self, module: ModuleType, homes: dict[int, str]) -> None:
        self.module = module
        self.name = module.__name__
        self.homes = homes
        self.modules: list[str] = []
        self.classes: list[str] = []
        self.functions: list[str] = []
        self.others: list[str] = []
        own = [name for name in module.__all__ if getattr(getattr(module, name), "__name__", name) == name]
        for name in (*own, *(name for name in module.__all__ if name not in own)):  # second names come second
            self._sort(name, getattr(module, name))
        for names in (self.modules, self.classes, self.functions, self.others):
            names.sort(key=lambda name: (name.casefold(), name))

    def _sort(self, name: str, thing: Any) -> None:
        if inspect.ismodule(thing):
            self.modules.append(thing.__name__)
        elif not callable(thing) or self.homes.setdefault(id(thing), f"{self.name}.{name}") != f"{self.name}.{name}":
            self.others.append(name)
        elif inspect.isclass(thing):
            self.classes.append(name)
        else:
            self.functions.append(name)

    def pages(self) -> Iterator[tuple[str, str]]:
        """Name and text of each page."""
        yield self.name, self._module_page()
        for name in self.classes:
            yield f"{self.name}.{name}", self._class_page(name)

    def _module_page(self) -> str:
        lines = [*title(self.name), f".. automodule:: {self.name}", "   :no-members:", ""]
        lines += [f".. currentmodule:: {self.name}", ""]
        lines += self._table("Modules", [(name.removeprefix("cbackprop."), name) for name in self.modules])
        lines += self._table("Classes", [(name, f"{self.name}.{name}") for name in self.classes])
        if self.functions:
            lines += title("Functions", "-")
            for name in self.functions:
                lines += [f".. autofunction:: {self.name}.{name}", ""]
        if self.others:
            lines += title("Other names", "-")
            for name in self.others:
                lines += self._other(name)
        return "\n".join(lines)

    def _table(self, heading: str, names: list[tuple[str, str]]) -> list[str]:
        """The names that have pages of their own, and their full names."""
        if not names:
            return []
        lines = [*title(heading, "-"), ".. list-table::", ""]
        for name, full in names:
            lines += [f"   * - :obj:`{name} <{full}>`", f"     - {summary(resolve(full))}"]
        if self.module is cbackprop and heading == "Modules":  # they stand in the index already
            return [*lines, ""]
        return [*lines, "", ".. toctree::", "   :hidden:", "", *(f"   {full}" for _, full in names), ""]

    def _other(self, name: str) -> list[str]:
        thing = getattr(self.module, name)
        home = self.homes.get(id(thing))
        text = f":obj:`{home}` by another name." if home else value(thing)
        return [f".. py:data:: {name}", "", f"   {text}", ""]

    def _class_page(self, name: str) -> str:
        full = f"{self.name}.{name}"
        lines = [*title(name), f".. currentmodule:: {self.name}", ""]
        if name in IN_PARTS:
            lines += [f".. autoclass:: {full}", "   :members:", f"   :inherited-members: {IN_PARTS[name]}", ""]
            return "\n".join(lines)
        if name not in INHERITED:
            return "\n".join([*lines, f".. autoclass:: {full}", "   :members:", "   :show-inheritance:", ""])
        lines += [".. list-table::", ""]
        for method in FIRST:
            lines += [f"   * - :obj:`{method}() <{full}.{method}>`", f"     - {summary(resolve(f'{full}.{method}'))}"]
        lines += ["", f".. autoclass:: {full}", "   :members:", "   :inherited-members: object"]
        lines += [f"   :exclude-members: {', '.join([*FIRST, *sorted(HIDDEN)])}", ""]
        lines += [f"   .. automethod:: {method}" for method in FIRST]
        return "\n".join([*lines, ""])


def title(text: str, line: str = "=") -> list[str]:
    """A heading."""
    return [text, line * len(text), ""]


def resolve(name: str) -> Any:
    """The module, or the member of a module, of this name."""
    try:
        return importlib.import_module(name)
    except ImportError:
        owner, _, member = name.rpartition(".")
        return getattr(resolve(owner), member)


def summary(thing: Any) -> str:
    """The first sentence or two of a docstring."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n", 1)[0].split())


def value(thing: Any) -> str:
    """The text for a name that is no class, function or module."""
    return f"``{thing!r}``" if isinstance(thing, str | int | float) else summary(type(thing))


def index(modules: list[ModuleType]) -> str:
    """The page that leads to all others."""
    names = [module.__name__ for module in modules]
    lines = [*title("Reference"), BEGIN, "", ".. list-table::", ""]
    for module in modules:
        short = module.__name__.removeprefix("cbackprop.")
        lines += [f"   * - :obj:`{short} <{module.__name__}>`", f"     - {summary(module)}"]
    lines += ["", "Names of Keras that are not here, and why: :doc:`/coverage`.", ""]
    return "\n".join([*lines, ".. toctree::", "   :hidden:", "", *(f"   {name}" for name in [*names, "/coverage"]), ""])


def write(app: Sphinx) -> None:
    """Write the pages that have changed. The others are not built again."""
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    homes: dict[int, str] = {}
    found = sorted(modules(), key=lambda module: module is cbackprop)  # a class's page is where its family is
    pages = dict(page for module in found for page in Module(module, homes).pages())
    pages["index"] = index([module for module in modules() if module.__name__.count(".") < 2])
    for old in folder.glob("*.rst"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def check(app: Sphinx, error: Exception | None) -> None:
    """Fail when the inventory of the finished site lacks a public name."""
    if error is not None or app.builder.name not in ("html", "dirhtml"):
        return
    with open(Path(app.outdir) / "objects.inv", "rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, path: path)
    known = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    if missing := sorted(public_names() - known):
        raise ExtensionError(f"The reference lacks {', '.join(missing)}.")


def leave_out(app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Methods that another library has put into a class, as scikit-learn does: they are documented there."""
    others = inspect.isroutine(thing) and not (getattr(thing, "__module__", None) or "cbackprop").startswith(
        "cbackprop"
    )
    return True if others else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.connect("autodoc-skip-member", leave_out)
    app.connect("builder-inited", write, priority=100)
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
