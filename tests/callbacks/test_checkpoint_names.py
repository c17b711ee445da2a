"""Names of checkpoints that cannot work: refused when the callback is made, or before training."""

import os

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.callbacks import LambdaCallback, LearningRateScheduler, ModelCheckpoint

X, Y = np.linspace(-1, 1, 24).reshape(12, 2), np.linspace(-1, 1, 12)


def made(**settings):
    model = cb.Sequential([cb.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse", **settings)
    return model


def refused(model, callbacks, error, message, **arguments):
    before = model.get_weights()
    with pytest.raises(error, match=message):
        model.fit(X, Y, callbacks=callbacks, verbose=0, **arguments)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", ["ck.pt", "{epoch}.png", "ck.json", "ck-{val_loss:.2f}.pkl"])
@pytest.mark.parametrize("only", [False, True])
def test_names_of_other_kinds_of_files(name, only):
    with pytest.raises(ValueError, match="is the name of another kind of file"):
        ModelCheckpoint(name, save_weights_only=only)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("{epoch.safetensors", "expected '}'"),
        ("{}.safetensors", "positional fields"),
        ("epoch}.safetensors", "Single '}'"),
        ("{epoch:02z}.safetensors", ""),
        ("{val_loss:x}{loss:.2z}.safetensors", ""),
    ],
)
def test_patterns_without_sense(name, problem):
    with pytest.raises(ValueError, match=f"^filepath .* must be a name with placeholders such as .*{problem}"):
        ModelCheckpoint(name)


@pytest.mark.parametrize(
    "name", ["a.safetensors", "{epoch:02d}-{val_loss:.2f}", "{n:d}", "{auc[0]:.2f}", "{{x}}.keras", "{loss.real}"]
)
def test_patterns_with_sense(name):
    assert ModelCheckpoint(name).filepath == name


@pytest.mark.parametrize("field", ["nope", "val_loss", "batch", "learning_rate"])
def test_places_that_nothing_fills(field, tmp_path):
    path = os.path.join(tmp_path, f"{{{field}}}.safetensors")
    refused(made(), [ModelCheckpoint(path)], KeyError, f"contains '{field}', but the logs have only epoch, loss")
    assert not os.listdir(tmp_path)


def test_places_that_are_filled(tmp_path):
    path = os.path.join(tmp_path, "{epoch}-{loss:.3f}-{val_mae:.3f}-{learning_rate:.3f}.safetensors")
    rate = LearningRateScheduler(lambda epoch, rate: rate)
    made(metrics=["mae"]).fit(X, Y, validation_split=0.5, callbacks=[rate, ModelCheckpoint(path)], verbose=0)
    by_batch = os.path.join(tmp_path, "{epoch}-{batch}-{loss:.3f}.safetensors")
    made().fit(X, Y, batch_size=6, callbacks=[ModelCheckpoint(by_batch, save_freq=1)], verbose=0)
    assert len(os.listdir(tmp_path)) == 3


def test_places_that_a_callback_of_the_user_fills(tmp_path):
    add = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(val_f1=0.5))
    made().fit(X, Y, callbacks=[add, ModelCheckpoint(os.path.join(tmp_path, "{val_f1}.safetensors"))], verbose=0)
    assert os.listdir(tmp_path) == ["0.5.safetensors"]


def test_places_that_a_metric_of_the_user_fills(tmp_path):
    class Both(cb.metrics.Mean):
        def result(self):
            return {"low": 0.25, "high": 0.75}

    model = made(metrics=[Both()])
    model.fit(X, Y, callbacks=[ModelCheckpoint(os.path.join(tmp_path, "{low}.safetensors"))], verbose=0)
    assert os.listdir(tmp_path) == ["0.25.safetensors"]


def test_a_watched_name_of_unknown_direction(tmp_path):
    path = os.path.join(tmp_path, "a.safetensors")
    best = ModelCheckpoint(path, monitor="val_mae", save_best_only=True)
    refused(made(), [best], ValueError, "ModelCheckpoint cannot tell whether larger or smaller values of")
    assert not os.listdir(tmp_path)
