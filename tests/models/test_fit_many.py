"""fit_many: many models, each trained by one thread, with the same bits as by `fit`."""

import _thread
import io
import re
import sys
import threading

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.models import engines

RNG = np.random.default_rng(5)
X = RNG.normal(size=(90, 4)).astype("float32")
Y = (X[:, :1] * X[:, 1:2]).astype("float32")


def small(units=5, rate=0.01, optimizer=None, **arguments):
    model = cb.Sequential([cb.Input((4,)), layers.Dense(units, "tanh"), layers.Dense(1)])
    model.compile(optimizer or cb.optimizers.Adam(rate), "mse", **arguments)
    return model


def with_dropout():
    model = cb.Sequential([cb.Input((4,)), layers.Dense(8, "relu"), layers.Dropout(0.3, seed=3), layers.Dense(1)])
    model.compile("sgd", "mae", metrics=["mse"])
    return model


def normalized():
    inputs = cb.Input((4,))
    hidden = layers.Dense(6)(inputs)
    model = cb.Model(inputs, layers.Dense(1)(layers.ReLU()(layers.BatchNormalization()(hidden))))
    model.compile("rmsprop", "huber")
    return model


def unbuilt():
    model = cb.Sequential([layers.Dense(3, "sigmoid", kernel_regularizer="l2"), layers.Dense(1)])
    model.compile("nadam", "mse")
    return model


def double():
    model = cb.Sequential([cb.Input((4,), dtype="float64"), layers.Dense(3, "tanh", dtype="float64")])
    model.add(layers.Dense(1, dtype="float64"))
    model.compile("adam", "mse")
    return model


KINDS = [small, with_dropout, normalized, unbuilt, double, lambda: small(7, 0.1), lambda: small(5, 0.3)]


def models_of(seed=1, kinds=KINDS):
    with cb.utils.seeded(seed):
        return [kind() for kind in kinds]


def same_bits(models, others):
    for model, other in zip(models, others, strict=True):
        for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)


# The result


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("arguments", [{}, {"validation_split": 0.2}, {"batch_size": 7, "shuffle": False}])
def test_bits_are_those_of_fit(threads, arguments):
    seeds = [10 + i for i in range(len(KINDS))]
    expected = []
    alone = models_of()
    for model, seed in zip(alone, seeds, strict=True):
        with cb.utils.seeded(seed):
            expected.append(model.fit(X, Y, epochs=3, verbose=0, **arguments))
    together = models_of()
    found = cb.fit_many(together, X, Y, epochs=3, verbose=0, seeds=seeds, threads=threads, **arguments)
    same_bits(together, alone)
    assert [history.history for history in found] == [history.history for history in expected]
    assert [history.epoch for history in found] == [[0, 1, 2]] * len(KINDS)
    assert [model.history for model in together] == found


def test_go_on_training():
    """A second call, and then fit and predict of one of them, are as without fit_many."""
    alone, together = models_of(), models_of()
    for epochs in (2, 1):
        for model in alone:
            with cb.utils.seeded(epochs):
                model.fit(X, Y, epochs=epochs, verbose=0)
        cb.fit_many(together, X, Y, epochs=epochs, verbose=0, seeds=[epochs] * len(together), threads=2)
    for model, other in zip(alone, together, strict=True):
        for each in (model, other):
            with cb.utils.seeded(0):
                each.fit(X, Y, verbose=0)
        np.testing.assert_array_equal(model.predict(X, verbose=0), other.predict(X, verbose=0))
        assert model.evaluate(X, Y, verbose=0) == other.evaluate(X, Y, verbose=0)
        assert model.optimizer.iterations == other.optimizer.iterations
    same_bits(alone, together)


def test_seeds_are_drawn():
    """Without seeds, they are drawn from the generator of the process, on any number of threads."""
    results = []
    for threads in (1, 3):
        cb.utils.set_random_seed(3)
        models = models_of()
        cb.fit_many(models, X, Y, verbose=0, threads=threads)
        results.append(models)
        after = cb.random.draw_seed()
        results.append(after)
    same_bits(results[0], results[2])
    assert results[1] == results[3]
    assert any((a != b).any() for a, b in zip(results[0][0].get_weights(), models_of()[0].get_weights(), strict=True))


def test_lists_are_one_for_each_model():
    alone = [small(), small(3)]
    with cb.utils.seeded(0):
        together = [cb.models.clone_model(model) for model in alone]
    for model, copy in zip(alone, together, strict=True):
        copy.set_weights(model.get_weights())
    own = [{"batch_size": 10, "epochs": 3}, {"batch_size": 30, "epochs": 1}]
    data = [(X[:50], Y[:50]), (X[50:], -Y[50:])]
    for model, (x, y), arguments in zip(alone, data, own, strict=True):
        with cb.utils.seeded(4):
            model.fit(x, y, verbose=0, validation_data=(x[:5], y[:5]), **arguments)
    found = cb.fit_many(
        together,
        [x for x, _ in data],
        [y for _, y in data],
        [each["batch_size"] for each in own],
        [each["epochs"] for each in own],
        validation_data=[(x[:5], y[:5]) for x, y in data],
        verbose=0,
        seeds=[4, 4],
    )
    same_bits(alone, together)
    assert [history.history for history in found] == [model.history.history for model in alone]


def test_several_inputs():
    def two():
        a, b = cb.Input((4,), name="a"), cb.Input((4,), name="b")
        model = cb.Model([a, b], layers.Dense(1)(layers.Add()([a, b])))
        model.compile("sgd", "mse")
        return model

    for x in ((X, X), {"a": X, "b": X}, [(X, X), {"a": X, "b": X}]):
        models = models_of(kinds=[two, two])
        cb.fit_many(models, x, Y, verbose=0, seeds=[1, 1], threads=2)
        with cb.utils.seeded(1):
            (alone, _) = models_of(kinds=[two, two])
            with cb.utils.seeded(1):
                alone.fit([X, X], Y, verbose=0)
            models_of(kinds=[two])
        same_bits(models[:1], [alone])


def test_callbacks_of_each_model():
    models = [small(rate=0.1), small(rate=0.0)]
    seen = []

    class Note(cb.callbacks.Callback):
        def __init__(self, index):
            super().__init__()
            self.index = index

        def on_train_end(self, logs=None):
            seen.append((self.index, self.model, threading.current_thread()))

    def callbacks(index):
        return [cb.callbacks.EarlyStopping("loss", patience=1, min_delta=1e-9), Note(index)]

    found = cb.fit_many(models, X, Y, epochs=6, callbacks=callbacks, shuffle=False, verbose=0, threads=2)
    assert [len(history.epoch) for history in found] == [6, 2]
    assert sorted(seen, key=lambda note: note[0])[1][1] is models[1]
    assert threading.current_thread() not in {thread for *_, thread in seen}
    notes = [Note(0), Note(1)]
    cb.fit_many(models, X, Y, callbacks=[notes[0], [notes[1]]], verbose=0)
    assert [note.model for note in notes] == models


@pytest.mark.parametrize("callbacks", [5, [5], "abc", [[], 5], cb.callbacks.History])
def test_what_is_no_callback(callbacks):
    """Small numbers and classes are the same object for all models."""
    with pytest.raises(TypeError, match="callbacks must hold Callback objects, but got"):
        cb.fit_many([small(), small()], X, Y, callbacks=lambda index: callbacks, verbose=0)


@pytest.mark.parametrize(("callbacks", "checks"), [(None, 2), (lambda i: [cb.callbacks.Callback()], 5)])
def test_same_data_is_checked_once(monkeypatch, callbacks, checks):
    """The change comes in the first model, whose engine the others get, and in the first of the others."""
    calls = []
    make = engines.make_samples

    def counted(*arguments):
        calls.append(arguments)
        return make(*arguments)

    monkeypatch.setattr(engines, "make_samples", counted)
    x, y = X.astype("float64"), Y.astype("float64")  # so that there is something to convert
    models, alone = models_of(kinds=[small] * 5), models_of(kinds=[small] * 5)
    cb.fit_many(models, x, y, epochs=2, seeds=range(5), callbacks=callbacks, threads=1, verbose=0)
    assert len(calls) == checks
    for i, (model, other) in enumerate(zip(models, alone, strict=True)):
        with cb.utils.seeded(i):
            other.fit(x, y, epochs=2, verbose=0)
        np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])


def test_data_of_each_model_is_checked():
    models, alone = models_of(kinds=[small] * 4), models_of(kinds=[small] * 4)
    targets = [Y, Y, 2 * Y, Y.astype("float64")]
    cb.fit_many(models, X, targets, epochs=2, seeds=range(4), threads=1, verbose=0)
    for i, (model, other) in enumerate(zip(models, alone, strict=True)):
        with cb.utils.seeded(i):
            other.fit(X, targets[i], epochs=2, verbose=0)
        np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])
    with pytest.raises(ValueError, match=re.escape("models[2]")):
        cb.fit_many(models, X, [Y, Y, Y[:-1], Y], threads=1, verbose=0)


def test_names_of_each_model_are_checked():
    def named(name):
        model = cb.Sequential([cb.Input((4,), name=name), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    models = [named("a"), named("a"), named("a"), named("b")]
    with pytest.raises(ValueError, match=re.escape("models[3]")):
        cb.fit_many(models, {"a": X}, Y, threads=1, verbose=0)


def test_callbacks_may_change_data():
    """Models that come later see the change, also where the data is copied to another type."""
    x = X.astype("float64")

    class Doubles(cb.callbacks.Callback):
        def on_train_end(self, logs=None):
            x[...] *= 2

    models, alone = models_of(kinds=[small] * 4), models_of(kinds=[small] * 4)
    cb.fit_many(models, x, Y, seeds=range(4), callbacks=lambda i: [Doubles()], threads=1, verbose=0)
    for i, (model, other) in enumerate(zip(models, alone, strict=True)):
        with cb.utils.seeded(i):
            other.fit(2**i * X.astype("float64"), Y, verbose=0)
        np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])


def test_one_thread_each(monkeypatch):
    limits = set()

    class Limit(cb.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            limits.add(cb.config.get_num_threads())

    cb.fit_many([small()], X, Y, callbacks=lambda i: [Limit()], verbose=0)
    assert limits == {1}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fit_many")]


def test_no_models():
    assert cb.fit_many([], X, Y) == []


# Mistakes


class Breaks(cb.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise KeyError("broken")


def test_an_exception_names_the_model():
    models = [small() for _ in range(3)]
    wrong = X[:, :2]
    with pytest.raises(ValueError, match=re.escape(f"models[1], {models[1].name!r}: x") + ".*4"):
        cb.fit_many(models, [X, wrong, X], Y, verbose=0, threads=1)
    assert models[0].history.epoch == [0]
    assert models[2].history is None
    with pytest.raises(KeyError) as raised:
        cb.fit_many(models, X, Y, callbacks=lambda i: [Breaks()] if i == 2 else [], verbose=0, threads=2)
    assert raised.value.__notes__ == [f"This was raised while fit_many trained models[2], {models[2].name!r}."]


def test_return_exceptions():
    models = [small() for _ in range(3)]
    found = cb.fit_many(models, [X, X[:, :2], X], Y, verbose=0, return_exceptions=True)
    assert isinstance(found[1], ValueError)
    assert [found[0], found[2]] == [models[0].history, models[2].history]


def test_a_failure_ends_the_others():
    """A long run of another model stops after its batch."""
    models = [small(), small()]
    begun = threading.Event()

    class Begin(cb.callbacks.Callback):
        def on_train_begin(self, logs=None):
            begun.set()

    class Fail(cb.callbacks.Callback):
        def on_train_begin(self, logs=None):
            assert begun.wait(20)
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match=re.escape("models[1]") + ".*no"):
        cb.fit_many(models, X, Y, epochs=10**9, callbacks=[[Begin()], [Fail()]], verbose=0, threads=2)


def test_interrupt(interrupts):
    models = [small() for _ in range(5)]

    class Interrupt(cb.callbacks.Callback):
        def on_train_begin(self, logs=None):
            _thread.interrupt_main()

    epochs = [2, 2, 10**9, 2, 2]
    with pytest.warns(RuntimeWarning, match="2 of 5 models"):
        found = cb.fit_many(
            models, X, Y, epochs=epochs, callbacks=lambda i: Interrupt() if i == 2 else None, verbose=0, threads=1
        )
    assert found == [models[0].history, models[1].history, None, None, None]
    assert models[3].history is None
    assert len(models[2].fit(X, Y, verbose=0).epoch) == 1


def test_a_model_that_another_thread_trains_as_well():
    """Its later call goes on when the earlier one is over."""
    model, went_on, over = small(), [], threading.Event()

    def wait(epoch, logs):
        began.set()
        assert over.wait(60)

    def train():
        callbacks = lambda i: [cb.callbacks.LambdaCallback(on_epoch_begin=wait)]  # noqa: E731
        went_on.extend(cb.fit_many([model], X, Y, epochs=2, verbose=0, callbacks=callbacks))

    def begin(logs):
        other.start()
        assert began.wait(60)

    began, other = threading.Event(), threading.Thread(target=train)
    cb.fit_many([model], X, Y, verbose=0, callbacks=lambda i: [cb.callbacks.LambdaCallback(on_train_end=begin)])
    over.set()
    other.join()
    assert went_on[0].epoch == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"models": 3}, TypeError, "models must be a list of models"),
        ({"models": [3]}, TypeError, r"models\[0\] is int"),
        ({"x": [X]}, ValueError, "x is a list, so it must have one entry for each of the 2 models, but it has 1"),
        ({"batch_size": [1, 2, 3]}, ValueError, "batch_size is a list"),
        ({"epochs": [1, -1]}, ValueError, "epochs"),
        ({"seeds": [1]}, ValueError, "seeds is a list"),
        ({"seeds": 1}, TypeError, "seeds must be a list"),
        ({"seeds": [1, -1]}, ValueError, r"seeds\[1\]"),
        ({"threads": 0}, ValueError, "threads"),
        ({"verbose": 7}, ValueError, "verbose"),
        ({"return_exceptions": 2}, TypeError, "return_exceptions"),
        ({"callbacks": Breaks()}, TypeError, "callbacks must be a function"),
        ({"callbacks": [Breaks()]}, ValueError, "callbacks is a list"),
        ({"x": iter([(X, Y)]), "y": None}, ValueError, "x is a .* for several models"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    models = [small(), small()]
    with pytest.raises(error, match=message):
        cb.fit_many(**{"models": models, "x": X, "y": Y, "verbose": 0} | arguments)
    assert all(model.history is None for model in models)


def test_nothing_is_shared():
    def refused(models, message, **arguments):
        with pytest.raises(ValueError, match=message):
            cb.fit_many(models, X, Y, verbose=0, **arguments)

    model = small()
    refused([model, model], "must not share a model")
    rule = cb.optimizers.Adam()
    refused([small(), small(optimizer=rule), small(optimizer=rule)], r"models\[1\] and models\[2\].*an optimizer")
    metric = cb.metrics.MeanAbsoluteError()
    refused([small(metrics=[metric]), small(metrics=[metric])], "metric 'mean_absolute_error'")
    layer = layers.Dense(1)
    sharing = [cb.Sequential([layers.Dense(3), layer]) for _ in range(2)]
    for one in sharing:
        one.compile("sgd", "mse")
    refused(sharing, f"layer {layer.name!r}")
    callback = cb.callbacks.EarlyStopping()
    refused([small(), small()], "the same EarlyStopping", callbacks=lambda i: [callback])
    with pytest.raises(RuntimeError, match=r"models\[0\].*not compiled"):
        cb.fit_many([cb.Sequential([layers.Dense(1)])], X, Y)
    without = small()
    without.compile(None, "mse")
    refused([without], "has none")


# Output


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_one_line(capsys):
    cb.fit_many([small(), small()], X, Y)
    assert re.fullmatch(r"Models 2/2 - \d+\.\d\ds - loss: \d+\.\d{4}\n", capsys.readouterr().out)


def test_a_line_for_each_model(capsys):
    models = [small(), small()]
    cb.fit_many(models, X, Y, epochs=3, verbose=2, threads=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert re.fullmatch(rf"models\[1\] '{models[1].name}' - 3 epochs - loss: \d+\.\d{{4}}", lines[1])


def test_one_bar(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    cb.fit_many([small(), small()], X, Y, epochs=2, verbose=1)
    shown = sys.stdout.getvalue()
    assert "Models 0/2" in shown
    assert "Epoch" not in shown
    assert re.search(r"Models 2/2 - \d+\.\d\ds", shown)


def test_silent(capsys):
    cb.fit_many([small()], X, Y, verbose=0)
    assert capsys.readouterr().out == ""
