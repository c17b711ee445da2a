"""Programs of the gallery run when the site is built: their imports are installed then, and they can be repeated."""

import ast
import re
import sys
import tomllib

import pages
import pytest

PROGRAMS = sorted((pages.ROOT / "docs" / "gallery").glob("plot_*.py"))
# Where a package is imported by another name than it is installed by, or comes with another one.
COMES_WITH = {"sklearn": "scikit-learn", "pydantic": "fastapi"}


def imported(tree):
    """The packages that a program imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_program(program):
    text = program.read_text()
    tree = ast.parse(text)
    title, line, *_ = ast.get_docstring(tree).splitlines()
    assert len(line) == len(title)
    project = tomllib.loads((pages.ROOT / "pyproject.toml").read_text())["project"]
    required = [*project["dependencies"], *project["optional-dependencies"]["docs"]]
    there = {re.match(r"[\w-]+", each)[0] for each in required} | sys.stdlib_module_names | {"cbackprop"}
    assert {COMES_WITH.get(name, name) for name in imported(tree)} <= there
    assert re.search(r"set_random_seed\(\d+\)", text), "its numbers differ from run to run"
    assert "random_state" in text or "train_test_split" not in text
    assert "default_rng()" not in text
