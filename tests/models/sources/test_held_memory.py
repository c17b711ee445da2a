"""Data whose memory disappears while a model runs on it: a resized array, a truncated file."""

import os

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.held_memory import is_whole, owner_of

HOOKS = ["on_train_begin", "on_epoch_begin", "on_train_batch_end", "on_epoch_end"]


def network(engine="compiled"):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    model.compile("sgd", "mse", engine=engine)
    return model


def calling(hook, act):
    return type("Acts", (cb.callbacks.Callback,), {hook: lambda self, *_: act()})()


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("which", [0, 1])
def test_arrays_that_a_callback_resizes(which, hook, engine):
    arrays = [np.ones((2000, 3), "f4"), np.zeros((2000, 2), "f4")]
    resize = calling(hook, lambda: arrays[which].resize((1, 3 - which), refcheck=False))
    with pytest.raises(ValueError, match=r"was changed to|is not there any more"):
        network(engine).fit(*arrays, batch_size=100, epochs=3, callbacks=[resize], verbose=0)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_what_views_look_at(engine):
    whole = np.ones((4000, 3), "f4")
    resize = calling("on_epoch_end", lambda: whole.resize((10, 3), refcheck=False))
    with pytest.raises(ValueError, match="the array that it is a view of was resized"):
        network(engine).fit(whole[1000:], np.zeros((3000, 2)), epochs=3, callbacks=[resize], verbose=0)


@pytest.mark.parametrize("hook", ["on_test_begin", "on_test_batch_end"])
def test_arrays_that_are_evaluated(hook):
    x, y = np.ones((2000, 3), "f4"), np.zeros((2000, 2), "f4")
    resize = calling(hook, lambda: y.resize((1, 2), refcheck=False))
    with pytest.raises(ValueError, match="is not there any more"):
        network().evaluate(x, y, batch_size=100, callbacks=[resize], verbose=0)


def test_arrays_that_are_predicted():
    x = np.ones((2000, 3), "f4")
    resize = calling("on_predict_batch_end", lambda: x.resize((1, 3), refcheck=False))
    with pytest.raises(ValueError, match="was changed to"):
        network().predict(x, batch_size=100, callbacks=[resize], verbose=0)


@pytest.mark.parametrize("change", ["shape", "dtype"])
def test_arrays_that_become_others(change):
    x = np.ones((2000, 3), "f4")
    act = calling("on_epoch_end", lambda: setattr(x, change, (6000,) if change == "shape" else np.int16))
    with pytest.raises(ValueError, match=r"array of shape \(2000, 3\) and dtype float32 was changed to"):
        network().fit(x, np.zeros((2000, 2)), epochs=3, callbacks=[act], verbose=0)


def test_other_numbers_are_taken_as_they_are():
    x, y = np.ones((2000, 3), "f4"), np.zeros((2000, 2), "f4")
    model, other = network(), network()
    model.build((None, 3))
    other.build((None, 3))
    other.set_weights(model.get_weights())
    other.fit(x, y, verbose=0)
    other.fit(x / 2, y, epochs=2, verbose=0)
    model.fit(x, y, epochs=3, callbacks=[calling("on_epoch_end", lambda: x.fill(0.5))], verbose=0)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_numbers_under_a_view_may_change():
    x, y = np.ones((2000, 3), "f4"), np.zeros((2000, 2), "f4")
    act = calling("on_epoch_end", lambda: x.fill(0.5))
    history = network().fit(x[::-1], y[:, ::-1], epochs=3, callbacks=[act], verbose=0)
    assert len(history.history["loss"]) == 3


@pytest.mark.parametrize("rows", [2000, 6_000_000])  # read in place, and in pieces
@pytest.mark.parametrize("hook", [None, "on_train_begin", "on_epoch_end"])
def test_files_that_are_cut_off(hook, rows, tmp_path):
    path = tmp_path / "x"
    x = np.memmap(path, "f4", "w+", shape=(rows, 3))
    x.flush()
    cut = calling(hook or "on_train_end", lambda: os.truncate(path, 100))
    if hook is None:
        os.truncate(path, 100)
    with pytest.raises(ValueError, match="has become shorter"):
        network().fit(x, np.zeros((rows, 2), "f4"), batch_size=2**16, epochs=2, callbacks=[cut], verbose=0)


def test_parts_of_files(tmp_path):
    path = tmp_path / "x"
    np.zeros((100, 3), "f4").tofile(path)
    x = np.memmap(path, "f4", "r", offset=12, shape=(99, 3))
    assert is_whole(owner_of(np.asarray(x)[10:20]))
    with open(path, "ab") as file:
        file.write(b"longer")
    assert is_whole(owner_of(x[::-2]))
    os.truncate(path, 100 * 12 - 1)
    assert not is_whole(owner_of(np.asarray(x)[10:20]))
    with pytest.raises(ValueError, match="x is mapped from a file that has become shorter since"):
        network().predict(np.asarray(x), verbose=0)
    ready = network()
    ready.predict(np.zeros((40, 3)), verbose=0)  # opens the short way of a few rows
    for door in (ready, ready.predict_on_batch):
        with pytest.raises(ValueError, match="x is mapped from a file that has become shorter since"):
            door(np.asarray(x)[:1])
    with pytest.raises(ValueError, match="y_pred is mapped from a file"):
        cb.losses.MeanSquaredError()(x, x)
