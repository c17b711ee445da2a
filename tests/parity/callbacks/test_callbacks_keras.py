"""Decisions of callbacks that watch a number, compared with Keras's over the same scripted logs."""

import csv
import os

import keras
import numpy as np
import pytest

import cbackprop as cb

RNG = np.random.default_rng(0)
SEQUENCES = [
    [1.0, 0.9, 0.95, 0.95, 0.9, 0.89, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9],
    [0.5] * 12,
    # On NaN as the first number Keras never improves; here the next number does (tests/models/test_divergence.py).
    [0.5, 0.4, np.nan, 0.3, 0.35, np.nan, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2],
    *[RNG.random(12).round(2).tolist() for _ in range(6)],
]
STOPPING = [
    {"patience": 0},
    {"patience": 2, "min_delta": 0.05},
    {"patience": 2, "mode": "max", "restore_best_weights": True},
    {"patience": 1, "baseline": 0.6},
    {"patience": 2, "start_from_epoch": 3, "restore_best_weights": True},
]
REDUCING = [
    {"patience": 1, "factor": 0.5},
    {"patience": 2, "cooldown": 2, "min_lr": 0.03},
    {"patience": 0, "mode": "max", "min_delta": 0.1, "factor": 0.9},
]
SAVING = [
    {"save_best_only": True},
    {"save_best_only": True, "mode": "max"},
    {"save_best_only": True, "initial_value_threshold": 0.5},
    {},
]


def model_of(library):
    model = library.Sequential([library.layers.Input((1,)), library.layers.Dense(1)])
    model.compile(library.optimizers.SGD(0.5), "mse")
    return model


def run(library, make, sequence, state):
    """The `state` of callback and model after each epoch of a run with these logs."""
    model, callback = model_of(library), make(library)
    callback.set_model(model)
    callback.set_params({"verbose": 0, "epochs": len(sequence), "steps": 1})
    callback.on_train_begin({})
    model.stop_training = False
    seen = []
    for epoch, value in enumerate(sequence):
        model.set_weights([np.full((1, 1), epoch, "f4"), np.zeros(1, "f4")])
        callback.on_epoch_begin(epoch, {})
        logs = {"loss": 1.0, "val_loss": value}
        callback.on_epoch_end(epoch, logs)
        seen.append((*state(callback, model), {key: pytest.approx(logs[key], nan_ok=True) for key in logs}))
        if model.stop_training:
            break
    callback.on_train_end({})
    return seen, float(model.get_weights()[0].item())


def agree(make, sequence, state):
    ours, theirs = run(cb, make, sequence, state), run(keras, make, sequence, state)
    assert len(ours[0]) == len(theirs[0])
    for left, right in zip(ours[0], theirs[0], strict=True):
        assert left[:-1] == right[:-1]
        assert list(left[-1]) == list(right[-1])
        assert all(left[-1][key] == right[-1][key].expected for key in left[-1])
    assert ours[1] == theirs[1]


@pytest.mark.parametrize("arguments", STOPPING, ids=str)
@pytest.mark.parametrize("sequence", SEQUENCES, ids=str)
def test_early_stopping(arguments, sequence):
    agree(
        lambda library: library.callbacks.EarlyStopping(**arguments),
        sequence,
        lambda callback, model: (callback.wait, callback.stopped_epoch, callback.best_epoch, model.stop_training),
    )


@pytest.mark.parametrize("arguments", REDUCING, ids=str)
@pytest.mark.parametrize("sequence", SEQUENCES, ids=str)
def test_reduce_lr_on_plateau(arguments, sequence):
    agree(
        lambda library: library.callbacks.ReduceLROnPlateau(**arguments),
        sequence,
        lambda callback, model: (
            callback.wait,
            callback.cooldown_counter,
            pytest.approx(float(model.optimizer.learning_rate), rel=1e-6),
        ),
    )


@pytest.mark.parametrize("arguments", SAVING, ids=str)
@pytest.mark.parametrize("sequence", SEQUENCES, ids=str)
def test_model_checkpoint(arguments, sequence, tmp_path):
    def make(library):
        path = tmp_path / library.__name__ / "{epoch:02d}-{val_loss:.2f}.keras"
        return library.callbacks.ModelCheckpoint(path, **arguments)

    agree(make, sequence, lambda callback, model: ())
    folders = [tmp_path / library.__name__ for library in (cb, keras)]
    ours, theirs = (sorted(os.listdir(folder)) if folder.exists() else [] for folder in folders)
    assert ours == theirs


@pytest.mark.parametrize("frequency", [1, 3, 4, 7])
def test_checkpoints_every_so_many_batches(frequency, tmp_path):
    x, y = np.zeros((10, 1)), np.zeros((10, 1))
    for library in (cb, keras):
        path = tmp_path / library.__name__ / "{epoch}-{batch}.keras"
        save = library.callbacks.ModelCheckpoint(path, save_freq=frequency)
        model_of(library).fit(x, y, batch_size=2, epochs=3, callbacks=[save], verbose=0)
    ours, theirs = (sorted(os.listdir(tmp_path / library.__name__)) for library in (cb, keras))
    assert ours == theirs


def test_scheduler_and_csv(tmp_path):
    x, y = np.linspace(0, 1, 10).reshape(10, 1), np.linspace(1, 3, 10).reshape(10, 1)
    tables = []
    for library in (cb, keras):
        model = model_of(library)
        model.set_weights([np.ones((1, 1)), np.zeros(1)])
        path = tmp_path / f"{library.__name__}.csv"
        watch = [
            library.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5),
            library.callbacks.CSVLogger(path),
        ]
        model.fit(x, y, shuffle=False, epochs=3, callbacks=watch, verbose=0)
        with path.open(newline="") as file:
            tables.append(list(csv.reader(file)))
    assert tables[0][0] == tables[1][0]
    ours, theirs = ([[float(cell) for cell in row if cell != "NA"] for row in table[1:]] for table in tables)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_hooks_are_called_in_the_same_order():
    x, y = np.zeros((6, 1)), np.zeros((6, 1))
    calls = []
    for library in (cb, keras):
        seen = []
        names = [name for name in dir(keras.callbacks.Callback) if name.startswith("on_")]
        names = [name for name in names if name not in ("on_batch_begin", "on_batch_end")]

        def hook(name, seen=seen):
            def call(self, *args, logs=None):
                *numbers, last = [*args, {}] if len(args) == ("batch" in name) else args
                seen.append((name, *numbers, sorted(logs or last or {})))

            return call

        watch = type("Watch", (library.callbacks.Callback,), {name: hook(name) for name in names})()
        model = model_of(library)
        model.fit(x, y, batch_size=4, epochs=2, validation_data=(x, y), callbacks=[watch], verbose=0)
        model.evaluate(x, y, batch_size=4, callbacks=[watch], verbose=0)
        model.predict(x, batch_size=4, callbacks=[watch], verbose=0)
        calls.append(seen)
    assert calls[0] == calls[1]
