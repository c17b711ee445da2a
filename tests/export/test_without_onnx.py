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


def test_keras_spelling_asks_for_what_can_be_written(tmp_path, model):
    path = tmp_path / "m"
    for given in ({}, {"format": "litert"}, {"format": None}):
        with pytest.raises(ValueError, match=r"only 'onnx'.*cbackprop\.export\.onnx\(model, path\)"):
            model.export(path, **given)
    with pytest.raises(ValueError, match="input_signature must be None"):
        model.export(path, "onnx", input_signature=[1])
    with pytest.raises(TypeError, match="verbose must be True or False"):
        model.export(path, "onnx", verbose="no")
    with pytest.raises(TypeError, match="is_static"):
        model.export(path, "onnx", is_static=True)
    assert list(tmp_path.iterdir()) == []
