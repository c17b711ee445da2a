"""Callbacks that watch a number: unknown modes, and logs with several numbers for one name."""

import warnings

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import callbacks, layers

X = np.linspace(-1, 1, 24).reshape(12, 2)
Y = np.eye(3)[np.arange(12) % 3]
KINDS = {
    "EarlyStopping": callbacks.EarlyStopping,
    "ReduceLROnPlateau": callbacks.ReduceLROnPlateau,
    "ModelCheckpoint": lambda **kwargs: callbacks.ModelCheckpoint("never.safetensors", save_best_only=True, **kwargs),
    "MonitorCallback": callbacks.MonitorCallback,
}


def model(engine="compiled"):
    made = cb.Sequential([cb.Input((2,)), layers.Dense(3, "softmax")])
    made.compile("sgd", "categorical_crossentropy", metrics=[cb.metrics.F1Score()], engine=engine)
    return made


@pytest.mark.parametrize("mode", ["best", "minimum", "MIN", None, 3, ["min"]])
@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_mode_is_told_and_auto_is_used(kind, mode):
    with pytest.warns(UserWarning, match=rf"^{kind} mode .* is unknown, and 'auto' is used instead"):
        callback = KINDS[kind](monitor="loss", mode=mode)
    assert (callback.mode, callback.wants_more) == ("auto", None)
    callback.set_model(model())
    callback.find_direction()
    assert callback.wants_more is False


def test_the_warning_names_the_nearest_and_the_users_line():
    with pytest.warns(UserWarning, match="Did you mean 'min'") as told:
        callbacks.EarlyStopping("loss", mode="mim")
    assert told[0].filename == __file__


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("mode", "more"), [("auto", None), ("min", False), ("max", True)])
def test_known_modes_are_silent(kind, mode, more):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert KINDS[kind](mode=mode).wants_more is more


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("kind", ["EarlyStopping", "ReduceLROnPlateau"])
def test_several_numbers_under_one_name_are_refused(kind, engine):
    trained = model(engine)
    with pytest.raises(
        ValueError, match=rf"{kind} monitors 'f1_score', which must be one number, but has shape \(3,\)"
    ):
        trained.fit(X, Y, callbacks=KINDS[kind](monitor="f1_score", mode="max"), verbose=0)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_checkpoint_of_several_numbers_is_made_each_time(engine, tmp_path):
    path = tmp_path / "{epoch}.safetensors"
    save = callbacks.ModelCheckpoint(path, "f1_score", save_best_only=True, mode="max")
    with pytest.warns(UserWarning, match=r"'f1_score', which must be one number, but has shape \(3,\): .* each time"):
        model(engine).fit(X, Y, epochs=2, callbacks=save, verbose=0)
    assert sorted(file.stem for file in tmp_path.iterdir()) == ["1", "2"]
