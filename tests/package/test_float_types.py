"""Compiled code has one source for float32 and float64."""

import importlib
import re
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src_pyx"
TEMPLATES = sorted(SOURCES.rglob("*.tp"))
IDS = [path.relative_to(SOURCES).as_posix() for path in TEMPLATES]


def source_of(template):
    """The template of the module that a template belongs to: itself, or the one that includes it."""
    if template.name.endswith(".pyx.tp"):
        return template
    include = f'include "{template.name.removesuffix(".tp")}"'
    return next(path for path in template.parent.glob("*.pyx.tp") if include in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("template", TEMPLATES, ids=IDS)
def test_a_template_makes_two_classes_of_each(template):
    text = template.read_text(encoding="utf-8")
    parts = source_of(template).relative_to(SOURCES).as_posix().removesuffix(".pyx.tp").split("/")
    module = importlib.import_module(".".join(["cbackprop", "compiled", *parts]))
    names = re.findall(r"^cdef class (\w+)\{\{bits\}\}", text, re.MULTILINE)
    assert names, "a source without such classes needs no template"
    for name in names:
        assert hasattr(module, f"{name}32"), name
        assert hasattr(module, f"{name}64"), name


def test_no_class_asks_for_its_float_type():
    """But those of the engine, and of other packages (docs/extending.md)."""
    paths = [path for pattern in ("*.pyx", "*.pxi", "*.tp") for path in SOURCES.rglob(pattern)]
    asking = [path.name for path in paths if path.parent.name != "engine" and "is_double" in path.read_text("utf-8")]
    assert not asking
