"""Who imports whom: downwards only, by the table of floors in docs/design.md, and never in a circle.

Imports are read and not run: those of modules and of functions, names given to `import_module`, and what Cython sources
import and cimport. Imports for type checkers alone may form a circle, as types do, but must not point up either.
"""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cbackprop"
SOURCES = ROOT / "src_pyx"

# The only imports that point up or close a circle, each with what makes it necessary.
EXCEPTIONS = {
    ("layers.layer", "models.on_arrays"): "a layer that is called on arrays runs as a model of that layer alone",
    ("callbacks.history", "plotting.curves"): "History.plot draws with a tool, which needs an optional package",
    (
        "models.file_methods",
        "export.onnx_files",
    ): "Model.export writes with a tool, which needs an optional package",
    ("models.file_methods", "export.onnx_limits"): "the default of Model.export",
    ("metrics.reduction", "metrics"): "names of functions in configs are those of the family's public module",
    ("", "sklearn"): "an attribute of the package, for type checkers: at run time it is imported when it is asked for",
    ("", "tables"): "the same",
    ("", "wrappers"): "the same",
}


class Import(NamedTuple):
    """That one module imports another; both without the name of the package in front."""

    importer: str
    imported: str
    kind: str  # where it stands: in the "module", in a "function", or for "typing" alone
    line: int

    def __str__(self) -> str:
        return f"{self.importer or 'cbackprop'}:{self.line} imports {self.imported or 'cbackprop'} ({self.kind})"


def dotted(path: Path, root: Path) -> str:
    """The name of a module from its file, without the package's name."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> dict[str, list[Path]]:
    """Every module of the package, and its files: a Cython module has a source, and often declarations elsewhere.

    A source is followed by what it includes. Of files that setup.py makes of templates, the templates.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in (".py", ".pxd"):
            found.setdefault(dotted(path, PACKAGE), []).append(path)
    templates = {path.with_suffix(""): path for path in SOURCES.rglob("*.tp")}
    sources = {*SOURCES.rglob("*.pyx"), *(path for path in templates if path.suffix == ".pyx")}
    for path in sorted(sources):
        text = templates.get(path, path).read_text(encoding="utf-8")
        included = [path.parent / name for name in re.findall(r'^include "(.+)"$', text, re.MULTILINE)]
        files = [templates.get(each, each) for each in (path, *included)]
        found.setdefault(f"compiled.{dotted(path, SOURCES)}", []).extend(files)
    return found


MODULES = modules()


def floors() -> dict[str, int]:
    """The floor of each name in the table of docs/design.md."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    section = text.partition("\n## Floors")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \|[^|]*\|([^|]*)\|$", section, re.MULTILINE)
    named = [(name, int(floor)) for floor, cell in rows for name in re.findall(r"`([\w.]+)`", cell)]
    names = [name for name, _ in named]
    assert rows
    assert len(set(names)) == len(names), "a name stands in the table twice"
    return {"" if name == "cbackprop" else name: floor for name, floor in named}


FLOORS = floors()


def unit_of(module: str) -> str | None:
    """The name in the table that a module belongs to: its own, or that of the nearest package around it."""
    while module and module not in FLOORS:
        module = module.rpartition(".")[0]
        if not module:
            return None
    return module


def target(name: str) -> str | None:
    """The module of the package that an absolute name means; ``None`` for other packages."""
    if name.partition(".")[0] != "cbackprop":
        return None
    module = name.removeprefix("cbackprop").removeprefix(".")
    while module and module not in MODULES:
        module = module.rpartition(".")[0]
    return module


def read_python(module: str, path: Path) -> Iterator[Import]:
    """The imports in a Python module."""

    def visit(node: ast.AST, kind: str) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            inner = kind
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and kind == "module":
                inner = "function"
            if isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
                inner = "typing"
            for name in named(child):
                if (found := target(name)) is not None:
                    yield Import(module, found, kind, child.lineno)  # type: ignore[attr-defined]
            yield from visit(child, inner)

    def named(node: ast.AST) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            return [f"{node.module}.{alias.name}" for alias in node.names]
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module":
            first = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
            known = isinstance(first, ast.Constant) and first.value != "cbackprop."  # else it only begins there
            return [first.value] if known else []
        return []

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), "module")


# In Cython: where the line begins, the module, and the names that are imported from it, on one line or in parentheses.
STATEMENT = re.compile(r"^([ \t]*)(?:from\s+([\w.]+)\s+c?import\s+(\([^)]*\)|.*)|c?import\s+([\w.]+))", re.MULTILINE)


def read_cython(module: str, path: Path) -> Iterator[Import]:
    """The imports and cimports in a Cython source."""
    text = path.read_text(encoding="utf-8")
    for match in STATEMENT.finditer(text):
        indent, base, listed, whole = match.groups()
        names = re.findall(r"(\w+)(?:\s+as\s+\w+)?", listed or "")
        for name in [f"{base}.{each}" for each in names] if base else [whole]:
            if (found := target(name)) is not None:
                line = text.count("\n", 0, match.start()) + 1
                yield Import(module, found, "function" if indent else "module", line)


def all_imports() -> list[Import]:
    return [
        found
        for module, paths in MODULES.items()
        for path in paths
        for found in (read_python if path.suffix == ".py" else read_cython)(module, path)
        if found.imported != module
    ]


IMPORTS = all_imports()
# Those that are to obey the rules.
ORDINARY = [each for each in IMPORTS if each[:2] not in EXCEPTIONS]


def circles(edges: set[tuple[str, str]]) -> list[str]:
    """The part of a graph that is left when all nodes outside of circles have been removed."""
    while True:
        begins, ends = {a for a, _ in edges}, {b for _, b in edges}
        inside = {(a, b) for a, b in edges if a in ends and b in begins}
        if inside == edges:
            return sorted(f"{a} -> {b}" for a, b in edges)
        edges = inside


def test_every_module_has_a_floor():
    assert [module for module in MODULES if unit_of(module) is None] == []
    assert [name for name in FLOORS if name not in MODULES] == []


def test_imports_point_down():
    wrong = [each for each in ORDINARY if FLOORS[unit_of(each.importer)] < FLOORS[unit_of(each.imported)]]
    assert [str(each) for each in wrong] == []


def test_modules_do_not_import_each_other_in_a_circle():
    assert circles({each[:2] for each in ORDINARY if each.kind != "typing"}) == []


def test_packages_do_not_import_each_other_in_a_circle():
    units = {(unit_of(each.importer), unit_of(each.imported)) for each in ORDINARY if each.kind != "typing"}
    assert circles({(a, b) for a, b in units if a != b}) == []


@pytest.mark.parametrize(("importer", "imported"), EXCEPTIONS)
def test_exceptions_are_needed(importer, imported):
    assert any(each[:2] == (importer, imported) for each in IMPORTS)


def reached(start: str) -> set[str]:
    """All modules that a package imports, and that these import."""
    met: set[str] = set()
    pending = [module for module in MODULES if f"{module}.".startswith(f"{start}.")]
    while pending:
        module = pending.pop()
        if module not in met:
            met.add(module)
            pending += [each.imported for each in IMPORTS if each.importer == module and each.kind != "typing"]
    return met


@pytest.mark.parametrize(("package", "other"), [("reference", "compiled"), ("compiled", "reference")])
def test_the_twins_know_nothing_of_each_other(package, other):
    assert [module for module in reached(package) if unit_of(module) and f"{module}.".startswith(f"{other}.")] == []


def test_no_module_sets_attributes_of_another():
    """Lower floors get objects of upper ones as arguments; these are not written into their modules and classes."""
    found = []
    for module, paths in MODULES.items():
        for path in (path for path in paths if path.suffix == ".py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            own = {alias.asname or alias.name for node in ast.walk(tree) for alias in imported_here(node)}
            for node in ast.walk(tree):
                places = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
                found += [
                    f"{module}:{place.lineno} {ast.unparse(place)}"
                    for place in places
                    if isinstance(place, (ast.Attribute, ast.Subscript)) and root_of(place) in own
                ]
    assert found == []


def imported_here(node: ast.AST) -> list[ast.alias]:
    """The names that an import of something of this package makes."""
    ours = isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "cbackprop"
    return node.names if ours else []


def root_of(node: ast.expr) -> str | None:
    """The first name of something like ``a.b[0].c``."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def test_the_table_is_sorted_from_the_top():
    assert all(a >= b for a, b in pairwise(FLOORS.values()))
