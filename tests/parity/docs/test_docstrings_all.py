"""Where all optional packages are installed, no example in a docstring is left out."""

import importlib.util
from pathlib import Path

import docstrings
import pytest

OPTIONAL = [
    name
    for name in docstrings.MODULES
    if 'pip install "cbackprop[' in Path(importlib.util.find_spec(name).origin).read_text()
]


@pytest.mark.parametrize("name", OPTIONAL)
def test_examples(name):
    assert docstrings.run(name) == ([], [])
