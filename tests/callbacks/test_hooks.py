"""When callbacks are called, with what, and what they cost."""

import inspect

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import callbacks, layers
from cbackprop.callbacks.callback import BATCH_METHODS

X, Y = np.linspace(-1, 1, 30).reshape(10, 3), np.linspace(0, 1, 10).reshape(10, 1)
METHODS = [name for name in dir(callbacks.Callback) if name.startswith("on_")]


def small(engine="compiled", rate=0.1):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, activation="tanh"), layers.Dense(1)])
    model.compile(cb.optimizers.SGD(rate), "mse", metrics=["mae"], engine=engine)
    return model


def recorder(names=METHODS):
    seen = []

    def record(name):
        return lambda *args, **kwargs: seen.append((name, *args, *kwargs.values()))

    return seen, callbacks.LambdaCallback(**{name: record(name) for name in names})


def test_every_moment_of_fit_in_order():
    own = [name for name in METHODS if name not in ("on_batch_begin", "on_batch_end")]
    seen, watch = recorder(own)
    small().fit(X, Y, batch_size=5, validation_data=(X, Y), validation_batch_size=10, callbacks=watch, verbose=0)
    batches = ["on_train_batch_begin", "on_train_batch_end"] * 2
    test = ["on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end"]
    expected = ["on_train_begin", "on_epoch_begin", *batches, *test, "on_epoch_end", "on_train_end"]
    assert [call[0] for call in seen] == expected
    assert [call[1] for call in seen if call[0].startswith("on_train_batch")] == [0, 0, 1, 1]
    assert sorted(seen[-1][1]) == ["loss", "mae", "val_loss", "val_mae"]


def test_evaluate_and_predict_batch_by_batch_give_the_same():
    model = small()
    seen, watch = recorder()
    plain = model.evaluate(X, Y, batch_size=4, verbose=0)
    assert model.evaluate(X, Y, batch_size=4, callbacks=[watch], verbose=0) == plain
    assert [call[0] for call in seen].count("on_test_batch_end") == 3
    outputs = model.predict(X, batch_size=4, callbacks=[watch], verbose=0)
    np.testing.assert_array_equal(outputs, model.predict(X, verbose=0))
    parts = [call[2]["outputs"] for call in seen if call[0] == "on_predict_batch_end"]
    np.testing.assert_array_equal(np.concatenate(parts), outputs)
    assert model.predict(X, batch_size=4, steps=2, callbacks=[watch], verbose=0).shape == (8, 1)


@pytest.mark.parametrize("name", ["on_batch_begin", "on_batch_end"])
def test_short_names_are_called_for_training_batches(name):
    seen, watch = recorder([name])
    small().fit(X, Y, batch_size=5, callbacks=[watch], verbose=0)
    assert [call[1] for call in seen] == [0, 1]


def test_what_asks_for_no_batches_costs_no_calls(monkeypatch):
    model = small()
    model.fit(X, Y, verbose=0)
    calls = {"train": 0, "test": 0, "predict": 0}
    for name in calls:
        original = getattr(model._engine, name)

        def counted(*args, _name=name, _original=original, **kwargs):
            calls[_name] += 1
            return _original(*args, **kwargs)

        monkeypatch.setattr(model._engine, name, counted)
    batchless = [name for name in METHODS if not any(name in names for names in BATCH_METHODS.values())]
    _, watch = recorder(batchless)
    several = [watch, callbacks.ModelCheckpoint("never", save_best_only=True, monitor="loss", mode="max")]
    several[1].best = float("inf")
    model.fit(X, Y, batch_size=1, epochs=3, validation_data=(X, Y), callbacks=several, verbose=0)
    model.evaluate(X, Y, batch_size=1, callbacks=[watch], verbose=0)
    model.predict(X, batch_size=1, callbacks=[watch], verbose=0)
    assert calls == {"train": 3, "test": 4, "predict": 1}


def test_the_way_through_batches_trains_to_the_same_bits():
    cb.utils.set_random_seed(3)
    a, b = small(), small()
    b.set_weights(a.get_weights())
    state = cb.random.state()
    a.fit(X, Y, batch_size=3, epochs=2, verbose=0)
    cb.random.set_state(state)
    b.fit(X, Y, batch_size=3, epochs=2, callbacks=[recorder()[1]], verbose=0)
    for left, right in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("name", METHODS)
def test_an_exception_ends_the_run_and_leaves_a_good_model(name):
    class TroubleError(Exception):
        pass

    def fail(*args, **kwargs):
        raise TroubleError

    model = small()
    model.fit(X, Y, verbose=0)
    callback = callbacks.LambdaCallback(**{name: fail})
    before = model.evaluate(X, Y, verbose=0)

    def run():
        model.fit(X, Y, batch_size=5, validation_data=(X, Y), callbacks=[callback], verbose=0)
        model.predict(X, callbacks=[callback], verbose=0)

    with pytest.raises(TroubleError):
        run()
    assert np.isfinite(model.get_weights()[0]).all()
    assert len(model.fit(X, Y, epochs=2, verbose=0).history["loss"]) == 2
    assert model.evaluate(X, Y, verbose=0)[0] < before[0]


def test_stopping_in_the_middle():
    model = small()
    stop = {
        "train": ("on_train_batch_end", "stop_training"),
        "test": ("on_test_batch_end", "stop_evaluating"),
        "predict": ("on_predict_batch_end", "stop_predicting"),
    }

    def stopper(run):
        method, flag = stop[run]

        def act(batch, logs=None):
            if batch == 1:
                setattr(model, flag, True)

        return callbacks.LambdaCallback(**{method: act})

    model.fit(X, Y, batch_size=2, epochs=4, callbacks=[stopper("train")], verbose=0)
    assert model.optimizer.iterations == 2
    part = model.evaluate(X[:4], Y[:4], verbose=0)
    assert model.evaluate(X, Y, batch_size=2, callbacks=[stopper("test")], verbose=0) == pytest.approx(part)
    assert model.predict(X, batch_size=2, callbacks=[stopper("predict")], verbose=0).shape == (4, 1)


def test_params_and_history():
    _, watch = recorder(["on_train_begin"])
    model = small()
    history = model.fit(X, Y, batch_size=4, epochs=2, callbacks=[[watch]], verbose=0)
    assert watch.params == {"verbose": 0, "epochs": 2, "steps": 3}
    assert watch.model is model
    assert model.history is history
    own = callbacks.History()
    assert model.fit(X, Y, callbacks=[own], verbose=0).history == own.history


def test_not_a_callback():
    with pytest.raises(TypeError, match="callbacks must hold Callback objects, but got the class History"):
        small().fit(X, Y, callbacks=[callbacks.History], verbose=0)


def test_the_progress_logger_changes_nothing_in_fit(capsys):
    small().fit(X, Y, callbacks=[callbacks.ProgbarLogger()], verbose=2)
    assert capsys.readouterr().out.count("loss") == 1


def test_a_list_is_called_like_one_callback():
    for name in METHODS:
        one, many = (
            list(inspect.signature(getattr(kind, name)).parameters) for kind in (cb.Callback, callbacks.CallbackList)
        )
        assert one == many, name
