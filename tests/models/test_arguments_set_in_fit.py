"""Callbacks that set arguments of losses, metrics, regularizers and constraints: both engines use them from then on."""

from pathlib import Path

import numpy as np
import pytest
from argument_cases import CASES, X, Y, network
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import layers, losses, metrics, regularizers
from cbackprop.engine.compiled import CompiledEngine
from cbackprop.spec import arguments_of

TASKS = Path("/proc/self/task")
EACH_ENGINE = pytest.mark.parametrize("engine", ["compiled", "reference"])


class Sets(cb.callbacks.Callback):
    """Calls a function in one of its methods, with the number that the method gets; with 0 if it gets none."""

    def __init__(self, hook, change):
        setattr(self, hook, lambda *given, logs=None: change(given[0] if given and given[0] else 0))


def sets(thing, name, value, at=1):
    """A function that sets an argument from the number `at` on."""
    return lambda number: setattr(thing, name, value) if number >= at else None


def arguments(**others):
    return {"epochs": 3, "batch_size": 5, "shuffle": False, "verbose": 0} | others


def everything(model, history):
    return [*model.get_weights(), *map(np.asarray, history.history.values()), model.evaluate(X, Y, verbose=0)]


@EACH_ENGINE
@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin"])
@pytest.mark.parametrize("case", CASES)
def test_as_if_set_between_two_runs(case, hook, engine):
    make, use, name, value = CASES[case]
    thing = make()
    model = use(thing, engine)
    first = 0 if hook == "on_train_begin" else 1
    model.fit(X, Y, **arguments(epochs=first))
    setattr(thing, name, value)
    history = model.fit(X, Y, **arguments(initial_epoch=first))
    expected = [*model.get_weights(), history.history["loss"], model.evaluate(X, Y, verbose=0)]
    thing = make()
    model = use(thing, engine)
    history = model.fit(X, Y, **arguments(callbacks=[Sets(hook, sets(thing, name, value, first))]))
    found = [*model.get_weights(), history.history["loss"][first:], model.evaluate(X, Y, verbose=0)]
    for a, b in zip(found, expected, strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize(
    "hook",
    ["on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_batch_begin", "on_train_batch_end", "on_test_begin"],
)
@pytest.mark.parametrize("case", CASES)
def test_both_engines_do_the_same(case, hook):
    make, use, name, value = CASES[case]
    found = []
    for engine in ("compiled", "reference"):
        thing = make()
        model = use(thing, engine)
        at = 0 if hook in ("on_train_begin", "on_test_begin") else 1
        callback = Sets(hook, sets(thing, name, value, at))
        history = model.fit(X, Y, **arguments(callbacks=[callback], validation_data=(X[:4], Y[:4])))
        found.append(everything(model, history))
    for a, b in zip(*found, strict=True):
        assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@EACH_ENGINE
def test_each_batch(engine):
    """Means of the epoch go on, although the loss of each batch is another one."""
    loss = losses.Huber(1.0)
    model = network(engine, loss, "mae")
    shown = []
    callbacks = [
        Sets("on_train_batch_begin", lambda number: setattr(loss, "delta", 1.0 / (1 + number))),
        cb.callbacks.LambdaCallback(on_train_batch_end=lambda number, logs: shown.append((logs["loss"], logs["mae"]))),
    ]
    model.fit(X, Y, **arguments(epochs=1, batch_size=4, callbacks=callbacks))
    other, total, errors = network(engine, loss, "mae"), 0.0, 0.0
    for number in range(3):
        loss.delta = 1.0 / (1 + number)
        value, error = other.train_on_batch(X[4 * number : 4 * number + 4], Y[4 * number : 4 * number + 4])
        total, errors = total + value, errors + error
        assert_allclose(shown[number], (total / (number + 1), errors / (number + 1)), rtol=1e-6)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        assert_array_equal(a, b)


@EACH_ENGINE
def test_evaluate_inside_of_fit(engine):
    loss = losses.Huber(2.0)
    found = []

    class Evaluates(cb.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            loss.delta = 0.1
            found.append(self.model.evaluate(X, Y, verbose=0))
            loss.delta = 2.0
            found.append(self.model.evaluate(X, Y, verbose=0))
            found.append(network(engine, losses.Huber(0.1)).evaluate(X, Y, verbose=0))

    model = network(engine, loss)
    model.fit(X, Y, **arguments(epochs=1, callbacks=[Evaluates()]))
    expected = network(engine, losses.Huber(2.0))
    assert found[1] == expected.evaluate(X, Y, verbose=0)
    assert found[0] == found[2] != found[1]
    expected.fit(X, Y, **arguments(epochs=1))
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        assert_array_equal(a, b)


@EACH_ENGINE
def test_a_loss_that_takes_logits_from_now_on(engine):
    """The loss no longer takes over the softmax, which becomes a step of its own."""

    def made(loss):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([cb.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(2, "softmax")])
        model.compile("sgd", loss, engine=engine)
        return model

    loss, y = losses.CategoricalCrossentropy(), np.eye(2)[(X[:, 0] > 0).astype(int)]
    model = made(loss)
    model.fit(X, y, **arguments(callbacks=[Sets("on_epoch_begin", sets(loss, "from_logits", True))]))
    other = made(losses.CategoricalCrossentropy())
    other.fit(X, y, **arguments(epochs=1))
    other.loss.from_logits = True
    with pytest.warns(UserWarning, match="applies softmax, but layer .* has applied softmax already"):
        other.fit(X, y, **arguments(epochs=2))
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        assert_array_equal(a, b)


@EACH_ENGINE
def test_inputs_of_open_size(engine):
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(4, n, 2)), rng.normal(size=(4, n, 1))) for n in (3, 5, 3)]
    found = []
    for sets_it in (True, False):
        cb.utils.set_random_seed(1)
        loss = losses.Huber(2.0)
        model = cb.Sequential([cb.Input((None, 2)), layers.Dense(1)])
        model.compile("sgd", loss, metrics=["mae"], engine=engine)
        change = sets(loss, "delta", 0.1)
        if sets_it:
            model.fit(
                iter(batches * 2), steps_per_epoch=3, **arguments(epochs=2, callbacks=[Sets("on_epoch_begin", change)])
            )
        else:
            for epoch in range(2):
                change(epoch)
                model.fit(iter(batches), verbose=0)
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        assert_array_equal(a, b)


@EACH_ENGINE
def test_states_of_layers_go_on(engine):
    def made(loss):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([cb.Input((3, 2), batch_size=4), layers.LSTM(3, stateful=True), layers.Dropout(0.3)])
        model.compile("adam", loss, engine=engine)
        return model

    x, y = np.random.default_rng(0).normal(size=(8, 3, 2)), np.ones((8, 3))
    found = []
    for value in (None, 2.0):
        loss = losses.Huber(2.0)
        model = made(loss)

        def renews(
            number, value=value, loss=loss, model=model
        ):  # twice within an epoch, so that training itself does not change
            if value is not None:
                loss.delta = 0.1
                model.evaluate(x, y, batch_size=4, verbose=0)
                loss.delta = value
            else:
                model.evaluate(x, y, batch_size=4, verbose=0)

        model.fit(x, y, **arguments(batch_size=4, callbacks=[Sets("on_epoch_begin", renews)]))
        found.append([*model.get_weights(), model.predict(x, batch_size=4, verbose=0)])
    for a, b in zip(*found, strict=True):
        assert_array_equal(a, b)


@EACH_ENGINE
def test_an_optimizer_of_all_samples(engine):
    """It does not compare losses from before and after the change."""
    found = []
    for in_fit in (True, False):
        cb.utils.set_random_seed(1)
        penalty = regularizers.L2(0.001)
        model = cb.Sequential([cb.Input((3,)), layers.Dense(3, "tanh", kernel_regularizer=penalty), layers.Dense(2)])
        loss = losses.Huber(2.0)
        model.compile(cb.optimizers.LBFGS(), loss, engine=engine)
        y, given = Y.astype("f"), arguments(batch_size=None)

        def change(epoch, loss=loss, penalty=penalty):
            loss.delta, penalty.l2 = (2.0, 0.001) if epoch < 2 else (0.5, 0.001) if epoch < 4 else (0.5, 0.1)

        if in_fit:
            model.fit(X, y, **given | {"epochs": 6, "callbacks": [Sets("on_epoch_begin", change)]})
        else:
            for epoch in range(6):
                change(epoch)
                model.fit(X, y, **given | {"epochs": epoch + 1, "initial_epoch": epoch})
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@EACH_ENGINE
def test_the_name_of_a_metric(engine):
    metric = metrics.MeanAbsoluteError(name="one")
    model = network(engine, metric=metric)
    history = model.fit(X, Y, **arguments(callbacks=[Sets("on_epoch_begin", sets(metric, "name", "two"))])).history
    assert (len(history["one"]), len(history["two"])) == (1, 2)


def test_thresholds_of_a_metric():
    """A metric that adds up other numbers from now on starts anew; between two epochs that makes no difference."""

    class Free(metrics.AUC):
        fixed_arguments = ()

    found = []
    for engine in ("compiled", "reference"):
        metric = Free(num_thresholds=20)
        model = network(engine, metric=metric)
        sums = Sets("on_epoch_begin", lambda epoch, metric=metric: setattr(metric, "thresholds", [0.0, 0.3, 0.8, 1.0]))
        found.append(model.fit(X, Y, **arguments(callbacks=[sums])).history)
        sums = Sets(
            "on_train_batch_begin", lambda step, metric=metric: setattr(metric, "thresholds", [0.0, 0.5][: step + 1])
        )
        found[-1] |= {f"{k}2": v for k, v in model.fit(X, Y, **arguments(callbacks=[sums])).history.items()}
    for name, values in found[0].items():
        assert_allclose(values, found[1][name], rtol=1e-5, err_msg=name)


# What setting makes the engine new


@pytest.fixture
def renewed(monkeypatch):
    """The engines that are made again, each as often as it is."""
    found, renew = [], CompiledEngine.renew
    monkeypatch.setattr(CompiledEngine, "renew", lambda self: (found.append(self), renew(self)))
    return found


def test_equal_values_change_nothing(renewed):
    loss = losses.CategoricalFocalCrossentropy(alpha=0.2, gamma=2.0)
    metric = metrics.MeanMetricWrapper(np.subtract, name="difference")
    penalty = regularizers.L1L2(0.01, 0.02)
    model = network("compiled", loss, metric, kernel_regularizer=penalty)

    def change(number):
        loss.alpha, loss.gamma, loss.missing = 0.2, np.float64(2), None
        loss.reduction, loss.from_logits = "sum_over_batch_size", False
        metric.fn = np.subtract
        penalty.l1, penalty.l2 = 0.01, np.float64(0.02)
        loss.gamma = 3.0
        loss.gamma = 2

    bound = []
    bind = CompiledEngine._bind_parameters
    model.fit(X, Y, **arguments())
    engine = model._engine
    engine._bind_parameters = lambda: (bound.append(1), bind(engine))
    y = Y.astype("f")
    model.fit(X, y, **arguments(callbacks=[Sets("on_train_batch_begin", change), Sets("on_epoch_begin", change)]))
    model.evaluate(X, y, verbose=0)
    assert not renewed
    assert not bound
    penalty.l2 = 0.03
    model.fit(X, y, **arguments())
    assert not renewed
    assert len(bound) == 1
    loss.gamma = 3.0
    model.fit(X, y, **arguments())
    assert renewed == [engine]


def test_other_models_keep_their_engines(renewed):
    model, other, loss = (
        network("compiled", losses.Huber(1.0)),
        network("compiled", losses.Huber(1.0)),
        losses.Huber(1.0),
    )
    third = network("compiled", loss)
    for each in (model, other, third):
        each.fit(X, Y, **arguments())
    loss.delta = 2.0
    for each in (model, other, third):
        each.fit(X, Y, **arguments())
    assert renewed == [third._engine]


@pytest.mark.parametrize(
    ("value", "equal", "others"),
    [
        (1.0, np.float64(1), [2.0, None, "1", np.float32(2), [1.0]]),
        (None, None, [0, [], "None"]),
        ("sum", np.str_("sum"), ["mean", None]),
        ([1, 2], (1.0, 2.0), [[1, 3], [1], [[1, 2]], np.array([1, 2])]),
        (np.array([1.0, 2.0]), np.array([1.0, 2.0]), [np.array([1.0, 3.0]), np.array([[1.0, 2.0]]), None]),
        (np.sin, np.sin, [np.cos, lambda x: x, None]),
        ({"a": 1}, {"a": 1}, [{"a": 2}, {"b": 1}, {}]),
        (losses.Huber(1.0), losses.Huber(1.0), [losses.Huber(2.0), losses.MeanSquaredError(), None]),
    ],
)
def test_arguments_are_compared(value, equal, others):
    assert arguments_of([value]) == arguments_of([equal])
    for other in others:
        assert arguments_of([value]) != arguments_of([other])


def test_arguments_that_change_in_place():
    for value, change in [
        ([1, 2], lambda v: v.append(3)),
        (np.ones(2), lambda v: v.fill(2)),
        ({}, lambda v: v.update(a=1)),
    ]:
        before = arguments_of([value])
        change(value)
        assert before != arguments_of([value])


@EACH_ENGINE
def test_a_wrong_value(engine):
    """The run ends. The model predicts as before, and trains again when the value is right."""
    loss = losses.Huber(1.0)
    model = network(engine, loss)
    model.fit(X, Y, **arguments(epochs=1))
    before = model.predict(X, verbose=0)
    with pytest.raises(TypeError):
        model.fit(X, Y, **arguments(callbacks=[Sets("on_epoch_begin", sets(loss, "delta", "wide", 0))]))
    assert_array_equal(model.predict(X, verbose=0), before)
    assert_array_equal(model.predict_on_batch(X), before)
    with pytest.raises(TypeError):
        model.evaluate(X, Y, verbose=0)
    loss.delta = 0.5
    model.fit(X, Y, **arguments())
    other_loss = losses.Huber(1.0)
    other = network(engine, other_loss)
    other.fit(X, Y, **arguments(epochs=1))
    other_loss.delta = 0.5
    other.fit(X, Y, **arguments())
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        assert_array_equal(a, b)


def test_a_loss_that_trains_the_model_and_is_changed():
    """Setting an argument inside of a batch takes effect after it: the engine is in use."""

    class Odd(losses.Loss):
        def __init__(self, factor=1.0):
            super().__init__()
            self.factor = factor

        def call(self, y_true, y_pred):
            self.factor += 1.0
            with pytest.raises(RuntimeError, match="in the middle of a batch"):
                model.evaluate(X, Y, verbose=0)
            error = y_pred - y_true
            return (error**2).mean(-1) * self.factor, 2 * error * self.factor / error.shape[-1]

    found = []
    for engine in ("compiled", "reference"):
        model = network(engine, Odd())
        model.fit(X, Y, **arguments())
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not TASKS.exists(), reason="only Linux lists the threads of a process")
def test_threads_end_with_fit(every_step_is_shared):
    loss, counts, held = losses.Huber(1.0), [], []
    model = network("compiled", loss)

    def change(epoch):
        counts.append(len(list(TASKS.iterdir())))
        held.append(model._engine.network)  # it may live on, but not its threads
        loss.delta = 1.0 / (1 + epoch)

    before = len(list(TASKS.iterdir()))
    cb.config.set_num_threads(3)
    model.fit(X, Y, **arguments(epochs=6, callbacks=[Sets("on_epoch_begin", change)]))
    assert counts == [before] + [before + 2] * 5
    assert len(list(TASKS.iterdir())) == before


@EACH_ENGINE
def test_many_models(engine):
    """Each model's callback changes its own loss. Models that are trained afterwards by the same engine have theirs."""

    def models():
        found = []
        for seed in range(4):
            cb.utils.set_random_seed(seed)
            found.append(network(engine, losses.Huber(2.0)))
            found[-1].set_weights([w + seed for w in found[-1].get_weights()])
        return found

    class Narrows(cb.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.loss.delta = 2.0 / (1 + epoch)

    alone, together = models(), models()
    for number, model in enumerate(alone):
        model.fit(X, Y, **arguments(callbacks=[Narrows()] if number % 2 == 0 else None))
    for pair in ((0, 1), (2, 3)):
        cb.fit_many(
            [together[i] for i in pair],
            X,
            Y,
            threads=1,
            **arguments(callbacks=lambda i: [Narrows()] if i == 0 else []),
        )
    for one, other in zip(alone, together, strict=True):
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
            assert_array_equal(a, b)


@EACH_ENGINE
def test_gradients_and_traces(engine):
    """Their engines are kept from call to call."""
    loss = losses.Huber(2.0)
    model, expected = network(engine, loss), network(engine, losses.Huber(0.1))

    def found(model):
        return [*model.gradients(X, Y), model.trace(X, Y).loss, model.check_gradients(X, Y).max_relative_error < 1e-4]

    before = found(model)
    loss.delta = 0.1
    for a, b, c in zip(found(model), found(expected), before, strict=True):
        assert_allclose(a, b, rtol=1e-6)
        assert a is True or not np.allclose(a, c)
