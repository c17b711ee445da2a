import doctest
import importlib
import inspect

import pytest

NAMES = ["digits", "fashion_mnist", "idx", "mnist", "spirals", "xor"]


@pytest.mark.parametrize("name", NAMES)
def test_examples_run_and_sections_are_there(name):
    module = importlib.import_module(f"cbackprop.datasets.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
    public = module.read_idx if name == "idx" else module.load_data
    for section in ["Returns", "References", "Examples"]:
        assert f"{section}\n---" in inspect.getdoc(public)
