"""The examples in docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import cbackprop

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(cbackprop.__path__, "cbackprop.")
    # cbackprop.sklearn needs scikit-learn: tests/parity/estimators runs its examples.
    if not name.startswith(("cbackprop.compiled.", "cbackprop.reference", "cbackprop.sklearn"))
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0
