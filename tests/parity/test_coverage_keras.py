"""docs/coverage.md is what its command makes of the registries and of Keras."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_is_up_to_date():
    assert runpy.run_path(str(DOCS / "coverage.py"))["table"]() == (DOCS / "coverage.md").read_text()
