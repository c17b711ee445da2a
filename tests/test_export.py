"""Exports without the packages that they need."""

import sys

import pytest

import cbackprop as cb
from cbackprop import layers


@pytest.fixture
def model():
    return cb.Sequential([cb.Input((2,)), layers.Dense(1)])


def test_without_onnx_one_sentence_says_what_to_install(monkeypatch, tmp_path, model):
    monkeypatch.setitem(sys.modules, "onnx", None)
    for call in (lambda: cb.export.onnx(model, tmp_path / "m"), lambda: cb.export.from_onnx(tmp_path / "m")):
        with pytest.raises(ImportError, match=r'pip install "cbackprop\[onnx\]"'):
            call()
    assert list(tmp_path.iterdir()) == []
