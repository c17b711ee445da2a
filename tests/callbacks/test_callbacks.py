"""The effects of each callback, and its refusals."""

import csv
import json

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import callbacks, layers

X, Y = np.linspace(-1, 1, 30).reshape(10, 3), np.linspace(0, 1, 10).reshape(10, 1)


def small(rate=0.1, metrics=("mae",)):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, activation="tanh"), layers.Dense(1)])
    model.compile(cb.optimizers.SGD(rate), "mse", metrics=list(metrics))
    return model


def script(values, name="val_loss"):
    """A callback that puts scripted values into the logs, ahead of others in the list."""

    def put(epoch, logs):
        logs[name] = values[epoch]

    return callbacks.LambdaCallback(on_epoch_end=put)


def test_early_stopping_restores_the_best_weights():
    weights = {}
    model = small()
    keep = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.update({epoch: model.get_weights()}))
    stop = callbacks.EarlyStopping(patience=2, restore_best_weights=True, verbose=1)
    values = [3.0, 1.0, 2.0, 2.0, 0.0]
    history = model.fit(X, Y, epochs=5, callbacks=[script(values), keep, stop], verbose=0)
    assert history.epoch == [0, 1, 2, 3]
    assert (stop.best, stop.best_epoch, stop.stopped_epoch) == (1.0, 1, 3)
    for now, best in zip(model.get_weights(), weights[1], strict=True):
        np.testing.assert_array_equal(now, best)


def test_early_stopping_knows_directions():
    model = small(metrics=["mae", "accuracy"])
    for name, wants_more in [("loss", False), ("val_accuracy", True), ("mae", False)]:
        stop = callbacks.EarlyStopping(name)
        stop.set_model(model)
        stop.find_direction()
        assert stop.wants_more is wants_more


@pytest.mark.parametrize("kind", [callbacks.EarlyStopping, callbacks.ReduceLROnPlateau])
def test_a_name_without_direction_is_refused_before_training(kind):
    model = small(metrics=["mae", "accuracy"])
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"values of 'val_acc' are better.* Did you mean 'val_accuracy'"):
        model.fit(X, Y, callbacks=[kind("val_acc")], verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_missing_value_is_warned_of():
    with pytest.warns(UserWarning, match="'val_loss', .* the logs: loss, mae. Give fit validation_data or"):
        small().fit(X, Y, callbacks=[callbacks.EarlyStopping()], verbose=0)


def test_learning_rates_come_down():
    model = small(rate=1.0)
    reduce = callbacks.ReduceLROnPlateau(factor=0.5, patience=1, cooldown=2, min_lr=0.3)
    history = model.fit(X, Y, epochs=6, callbacks=[script([1.0] * 6), reduce], verbose=0)
    assert history.history["learning_rate"] == [1.0, 1.0, 0.5, 0.5, 0.3, 0.3]


def test_scheduler_with_one_argument_and_a_bad_one():
    model = small()
    model.fit(X, Y, epochs=2, callbacks=[callbacks.LearningRateScheduler(lambda epoch: 0.25)], verbose=0)
    assert model.optimizer.learning_rate == 0.25
    before = model.get_weights()
    for bad, error in [(lambda epoch: "fast", TypeError), (lambda epoch: -1.0, ValueError)]:
        with pytest.raises(error, match="what schedule returns must be"):
            model.fit(X, Y, callbacks=[callbacks.LearningRateScheduler(bad)], verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_errors_inside_of_a_schedule_are_its_own():
    def schedule(epoch, rate):
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        small().fit(X, Y, callbacks=[callbacks.LearningRateScheduler(schedule)], verbose=0)


def test_terminate_on_nan():
    model = small(rate=1e20)
    history = model.fit(X, Y, batch_size=1, epochs=5, callbacks=[callbacks.TerminateOnNaN()], verbose=0)
    assert history.epoch == [0]
    assert model.optimizer.iterations < 10
    with pytest.raises(RuntimeError, match="The loss became"):
        small(rate=1e20).fit(X, Y, batch_size=1, callbacks=[callbacks.TerminateOnNaN(raise_error=True)], verbose=0)


def test_csv(tmp_path):
    path = tmp_path / "log.csv"
    model = small()
    model.fit(X, Y, epochs=2, validation_data=(X, Y), callbacks=[callbacks.CSVLogger(path, ";")], verbose=0)
    second = model.fit(X, Y, validation_data=(X, Y), callbacks=[callbacks.CSVLogger(path, ";", append=True)], verbose=0)
    rows = list(csv.DictReader(path.open(newline=""), delimiter=";"))
    assert [row["epoch"] for row in rows] == ["0", "1", "0"]
    assert float(rows[2]["val_mae"]) == second.history["val_mae"][0]


@pytest.mark.parametrize(("frequency", "files"), [("epoch", ["1-{}.safetensors", "2-{}.safetensors"]), (3, None)])
def test_checkpoints(tmp_path, frequency, files):
    model = small()
    name = "{epoch}-{loss:.3f}.safetensors" if frequency == "epoch" else "{epoch}-{batch}.safetensors"
    save = callbacks.ModelCheckpoint(tmp_path / "sub" / name, save_freq=frequency)
    history = model.fit(X, Y, batch_size=2, epochs=2, callbacks=[save], verbose=0)
    found = sorted(path.name for path in (tmp_path / "sub").iterdir())
    if files is None:
        assert found == ["1-3.safetensors", "2-1.safetensors", "2-4.safetensors"]
    else:
        losses = history.history["loss"]
        assert found == [file.format(f"{loss:.3f}") for file, loss in zip(files, losses, strict=True)]
        same = cb.models.load_model(tmp_path / "sub" / found[-1])
        np.testing.assert_array_equal(same.predict(X, verbose=0), model.predict(X, verbose=0))


def test_checkpoint_of_the_best_weights(tmp_path):
    path = tmp_path / "best.safetensors"
    saves = []
    model = small()
    save = callbacks.ModelCheckpoint(path, save_best_only=True, save_weights_only=True, initial_value_threshold=2.5)
    count = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: saves.append(path.exists()))
    model.fit(X, Y, epochs=4, callbacks=[script([3.0, 2.0, 2.2, 1.0]), save, count], verbose=0)
    assert saves == [False, True, True, True]
    assert save.best == 1.0


def test_a_name_that_is_not_in_the_logs():
    save = callbacks.ModelCheckpoint("{val_f1:.2f}.safetensors")
    with pytest.raises(KeyError, match="contains 'val_f1', but the logs have only epoch, loss, mae"):
        small().fit(X, Y, callbacks=[save], verbose=0)


MISTAKES = {
    "monitor": (lambda: callbacks.EarlyStopping(3), TypeError, "monitor must be a name"),
    "patience": (lambda: callbacks.EarlyStopping(patience=-1), ValueError, "patience must be at least 0"),
    "min_delta": (lambda: callbacks.EarlyStopping(min_delta="0"), TypeError, "min_delta must be a number"),
    "baseline": (lambda: callbacks.EarlyStopping(baseline=float("nan")), ValueError, "baseline must be finite"),
    "factor": (
        lambda: callbacks.ReduceLROnPlateau(factor=1.0),
        ValueError,
        "factor must be greater than 0 and below 1",
    ),
    "schedule": (lambda: callbacks.LearningRateScheduler(0.1), TypeError, "schedule must be callable"),
    "separator": (lambda: callbacks.CSVLogger("log", ", "), ValueError, "separator must be one character"),
    "save_freq": (lambda: callbacks.ModelCheckpoint("a", save_freq="batch"), ValueError, "save_freq must be 'epoch'"),
    "save_freq 0": (lambda: callbacks.ModelCheckpoint("a", save_freq=0), ValueError, "save_freq must be at least 1"),
    "filepath": (lambda: callbacks.ModelCheckpoint(3), TypeError, "int"),
    "backup_dir": (lambda: callbacks.BackupAndRestore(""), ValueError, "backup_dir must not be empty"),
    "update_freq": (lambda: callbacks.TensorBoard(update_freq="step"), ValueError, "update_freq must be"),
    "images": (lambda: callbacks.TensorBoard(write_images=True), ValueError, "write_images is not supported"),
    "raise_error": (lambda: callbacks.TerminateOnNaN(1), TypeError, "raise_error must be True or False"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    act, error, message = MISTAKES[name]
    with pytest.raises(error, match=message):
        act()


def test_logs_are_plain_numbers():
    seen = []
    small().fit(X, Y, callbacks=[callbacks.LambdaCallback(on_epoch_end=lambda e, logs: seen.append(logs))], verbose=0)
    assert json.loads(json.dumps(seen)) == seen


def averaging():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(1)])
    model.compile(cb.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), "mse")
    return model


@pytest.mark.parametrize("on_epoch", [False, True])
def test_evaluations_see_the_averages(on_epoch):
    """The callback does not change the final weights: training itself never uses the averages."""
    a, b = averaging(), averaging()
    b.set_weights(a.get_weights())
    seen = []

    def look(*_):
        seen.append((b.get_weights()[0], b.optimizer.averages[b.variables[0]].copy()))

    watch = callbacks.LambdaCallback(on_test_end=look, on_epoch_end=look)
    swap = callbacks.SwapEMAWeights(on_epoch)
    a.fit(X, Y, batch_size=2, epochs=3, shuffle=False, verbose=0)
    b.fit(
        X, Y, batch_size=2, epochs=3, shuffle=False, validation_data=(X, Y), callbacks=[watch, swap, watch], verbose=0
    )
    np.testing.assert_array_equal(a.get_weights()[0], b.get_weights()[0])
    equal = [np.array_equal(*pair) for pair in seen]
    # test_end before and after swapping back, then epoch_end before and after swapping there
    assert equal == [True, False, False, on_epoch] * 3


def test_averages_need_an_optimizer_that_keeps_them():
    with pytest.raises(ValueError, match="needs an optimizer with use_ema=True"):
        small().evaluate(X, Y, callbacks=[callbacks.SwapEMAWeights()], verbose=0)


def test_a_reduced_rate_is_a_round_number():
    model = small(rate=0.1)
    model.fit(X, Y, epochs=3, callbacks=[script([1.0] * 3), callbacks.ReduceLROnPlateau(patience=2)], verbose=0)
    assert model.optimizer.learning_rate == 0.01


def test_a_list_of_callbacks_needs_a_model():
    with pytest.raises(TypeError, match="model must be a Model, but got dict"):
        callbacks.CallbackList([], add_history=True, model={})
