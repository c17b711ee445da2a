"""Texts that travel in a model's file."""

import pytest

import cbackprop as cb
from cbackprop import layers, saving

TEXTS = {"preprocessing": '{"a": 1}', "ß/é": "", "": "no name"}


@pytest.fixture
def model():
    return cb.Sequential([cb.Input((3,)), layers.Dense(1)])


def test_texts_come_back_as_they_were(tmp_path, model):
    saving.save_model(model, tmp_path / "m", extras=TEXTS)
    assert saving.load_extras(tmp_path / "m") == TEXTS
    assert cb.models.load_model(tmp_path / "m").count_params() == 4


def test_none_is_none(tmp_path, model):
    model.save(tmp_path / "m")
    assert saving.load_extras(tmp_path / "m") == {}


@pytest.mark.parametrize(
    ("extras", "error", "message"),
    [
        ("text", TypeError, "extras must be a dict of texts by name, but got str"),
        ({1: "x"}, TypeError, "extras must hold texts by name, but got 1: str"),
        ({"x": b"y"}, TypeError, "extras must hold texts by name, but got 'x': bytes"),
        ({"x": "y" * 16_000_001}, ValueError, "at most 16,000,000 bytes altogether, but got 16,000,008"),
    ],
)
def test_mistakes_write_nothing(tmp_path, model, extras, error, message):
    with pytest.raises(error, match=message):
        saving.save_model(model, tmp_path / "m", extras=extras)
    assert not (tmp_path / "m").exists()


def test_what_is_no_model_has_no_texts(tmp_path):
    (tmp_path / "m").write_text("no model")
    with pytest.raises(ValueError, match="is not a model saved by cbackprop"):
        saving.load_extras(tmp_path / "m")
    with pytest.raises(FileNotFoundError):
        saving.load_extras(tmp_path / "nothing")
