"""docs/coverage.md is what its command makes of the registries and of Keras."""

import runpy
from pathlib import Path

import pytest

import cbackprop as cb

DOCS = Path(__file__).parents[3] / "docs"


def test_the_table_is_up_to_date():
    assert runpy.run_path(str(DOCS / "coverage.py"))["table"]() == (DOCS / "coverage.md").read_text()


def test_what_is_not_here_says_why_when_asked_for():
    page = runpy.run_path(str(DOCS / "coverage.py"))
    for family in page["FAMILIES"]:
        for name in page["names"](family):
            if page["status"](family, name) != "here":
                with pytest.raises(AttributeError, match=r"unlike Keras \((left out|planned): "):
                    getattr(page["module"](cb, family), name)
