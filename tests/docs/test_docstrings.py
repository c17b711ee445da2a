"""The examples in docstrings run."""

import sys

import docstrings
import pytest


@pytest.mark.parametrize("name", docstrings.MODULES)
def test_examples(name):
    failed, _ = docstrings.run(name)
    assert not failed


def test_an_example_is_left_out_where_a_package_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert docstrings.run("cbackprop.export.onnx_files") == ([], ["cbackprop.export.onnx_files.onnx"])
