"""Models that are compiled again, or whose layers change, while they run."""

import contextlib
import threading
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import cbackprop as cb
from cbackprop import layers
from cbackprop.compiled.regularizers.penalties import ElementActivity32

EACH_ENGINE = pytest.mark.parametrize("engine", ["compiled", "reference"])
ONE_HOT, NUMBERS = "categorical_crossentropy", "sparse_categorical_crossentropy"
# The loss that fit begins with, and what is compiled while it runs.
PAIRS = {
    "to class numbers": (ONE_HOT, {"loss": NUMBERS}),
    "to values": (NUMBERS, {"loss": ONE_HOT}),
    "to a metric of class numbers": (
        ONE_HOT,
        {"loss": NUMBERS, "metrics": [cb.metrics.SparseTopKCategoricalAccuracy(2)]},
    ),
    "to a metric of values": (NUMBERS, {"loss": "mse", "metrics": [cb.metrics.AUC(), cb.metrics.MeanAbsoluteError()]}),
    "to a loss in Python": (NUMBERS, {"loss": lambda y, p: (((p - y) ** 2).mean(-1), 2 * (p - y) / 3)}),
    "to no loss": (ONE_HOT, {"loss": None}),
    "to another optimizer": (ONE_HOT, {"loss": ONE_HOT, "optimizer": cb.optimizers.LBFGS()}),
}
EACH_PAIR = pytest.mark.parametrize("pair", PAIRS)
WARNING = r"compile was called on model .* while fit was running.* continues with its optimizer, losses and metrics"


def model_of(loss, engine="compiled"):
    cb.utils.set_random_seed(3)
    model = cb.Sequential([cb.Input((4,)), layers.Dense(6, activation="relu"), layers.Dense(3, activation="softmax")])
    model.compile("adam", loss, metrics=["accuracy"], engine=engine)
    return model


def data_for(loss, n=40):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, n)
    return rng.normal(size=(n, 4)).astype("f"), np.eye(3, dtype="f")[y] if loss == ONE_HOT else y


def batches(loss):
    x, y = data_for(loss)
    return [(x[i : i + 8], y[i : i + 8]) for i in range(0, 40, 8)]


class Meddler(cb.callbacks.Callback):
    """Compiles the model, once, in one of its methods."""

    def __init__(self, hook, change):
        self.change, self.done = change, False
        setattr(self, hook, self.meddle)

    def meddle(self, *args, **kwargs):
        if not self.done:
            self.done = True
            self.change(self.model)


@EACH_ENGINE
@EACH_PAIR
@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_train_batch_end", "on_test_begin"])
def test_a_callback_that_compiles(pair, hook, engine):
    loss, settings = PAIRS[pair]
    x, y = data_for(loss)
    arguments = {"epochs": 3, "batch_size": 8, "verbose": 0, "validation_data": (x, y)}
    expected = model_of(loss, engine)
    history = expected.fit(x, y, **arguments)
    model = model_of(loss, engine)
    meddler = Meddler(hook, lambda m: m.compile(**{"optimizer": "sgd", "engine": engine} | settings))
    with pytest.warns(UserWarning, match=WARNING):
        assert model.fit(x, y, callbacks=[meddler], **arguments).history == history.history
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        assert_array_equal(a, b)
    if settings["loss"] is None:
        with pytest.raises(ValueError, match="fit needs a loss"):
            model.fit(x, y, verbose=0)
        return
    again = data_for(ONE_HOT if settings["loss"] != NUMBERS else NUMBERS)
    model.fit(*again, verbose=0)


@EACH_ENGINE
@EACH_PAIR
@pytest.mark.parametrize("kind", ["generator", "PyDataset"])
def test_a_dataset_that_compiles(pair, kind, engine):
    loss, settings = PAIRS[pair]
    model = model_of(loss, engine)

    def change(index):
        if index == 2:
            model.compile(**{"optimizer": "sgd", "engine": engine} | settings)

    class Data(cb.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            change(index)
            return batches(loss)[index]

    def generate():
        for index, batch in enumerate(batches(loss)):
            change(index)
            yield batch

    expected = model_of(loss, engine).fit(iter(batches(loss)), verbose=0).history
    with pytest.warns(UserWarning, match=WARNING):
        history = model.fit(generate() if kind == "generator" else Data(), shuffle=False, verbose=0).history
    assert history == expected
    wanted = model_of(loss, engine).evaluate(iter(batches(loss)), verbose=0)
    model = model_of(loss, engine)
    assert model.evaluate(generate() if kind == "generator" else Data(), verbose=0) == wanted


@EACH_PAIR
@pytest.mark.filterwarnings("ignore:compile was called")
def test_a_thread_that_compiles(pair):
    """If two threads do what they must not do at the same time, the result is at worst a Python exception."""
    loss, settings = PAIRS[pair]
    model = model_of(loss)
    x, y = data_for(loss, 2000)
    stop = threading.Event()

    def meddle():
        while not stop.is_set():
            model.compile("sgd", loss, metrics=["accuracy"])
            model.compile(**{"optimizer": "sgd"} | settings)

    thread = threading.Thread(target=meddle)
    thread.start()
    for _ in range(20):
        for run in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch, model.gradients):
            quiet = {"verbose": 0} if run in (model.fit, model.evaluate) else {}
            with contextlib.suppress(ValueError, TypeError, RuntimeError):
                run(x, y, **quiet)
    stop.set()
    thread.join()
    model.compile("sgd", loss)
    model.fit(x, y, verbose=0)


def test_a_thread_that_adds_layers():
    model = cb.Sequential([cb.Input((4,)), layers.Dense(3)])
    model.compile("sgd", "mse")
    x, y = np.ones((50, 4), "f"), np.ones((50, 3), "f")
    stop, found = threading.Event(), []

    def meddle():
        while not stop.is_set():
            try:
                model.add(layers.Dense(3, name="last"))
                model.pop()
            except (RuntimeError, ValueError) as error:
                found.append(str(error))

    thread = threading.Thread(target=meddle)
    thread.start()
    rounds, end = 0, time.monotonic() + 30
    while rounds < 100 or (not found and time.monotonic() < end):  # until the two have met
        rounds += 1
        for run in (model.fit, model.evaluate, model.train_on_batch, model.gradients):
            quiet = {"verbose": 0} if run in (model.fit, model.evaluate) else {}
            run(x, y, **quiet)
    stop.set()
    thread.join()
    assert found
    # Where `pop` was refused, the layer of that name is there still.
    assert all("fit is running" in message or "need different names" in message for message in found)


@EACH_ENGINE
def test_a_dataset_that_asks_the_model(engine):
    """A thread makes batches ahead. It may use the model, and must not wait for the thread that waits for the batch."""
    model = model_of(ONE_HOT, engine)

    def generate():
        for x, _ in batches(ONE_HOT):
            yield x, model.predict(np.tile(x, (50, 1)), verbose=0)[: len(x)].round()

    for run in (model.fit, model.evaluate):
        done = threading.Event()
        thread = threading.Thread(
            target=lambda run=run, done=done: (run(generate(), verbose=0), done.set()), daemon=True
        )
        thread.start()
        assert done.wait(60)


def test_trainable_is_of_the_next_compile():
    """As Keras documents it, layers that a callback freezes are trained until the model is compiled again."""
    model = model_of(ONE_HOT)
    x, y = data_for(ONE_HOT)

    def freeze(m):
        m.layers[0].trainable = False

    before = model.layers[0].get_weights()[0]
    model.fit(x, y, verbose=0, callbacks=[Meddler("on_train_begin", freeze)])
    after = model.layers[0].get_weights()[0]
    assert not np.array_equal(after, before)
    model.compile("adam", ONE_HOT)
    model.fit(x, y, verbose=0)
    assert_array_equal(model.layers[0].get_weights()[0], after)


# The compiled side alone


@pytest.mark.parametrize("loss", [ONE_HOT, NUMBERS])
@pytest.mark.parametrize("lost", ["targets", "all"])
def test_an_engine_refuses_data_without_what_its_heads_read(loss, lost):
    from cbackprop.engine import Data

    model = model_of(loss)
    x, y = data_for(loss)
    engine = model._prepare(x, "fit")
    data = model._samples(engine, x, y).data
    bare = Data(data.inputs, [None], [None], [None]) if lost == "targets" else Data(data.inputs)
    message = "made for other losses and metrics: there are no (targets|class numbers)"
    for run in (
        lambda: engine.train(bare, None, 0, 40, 8),
        lambda: engine.test(bare, 8),
        lambda: engine.train(bare, None, 0, 40, 8, update=False),
    ):
        with pytest.raises(ValueError, match=message):
            run()
    other = model_of(NUMBERS if loss == ONE_HOT else ONE_HOT)
    with pytest.raises(ValueError, match=message):
        other._prepare(x, "fit").train(data, None, 0, 40, 8)
    engine.train(data, None, 0, 40, 8)
    assert engine.predict(data.inputs, 8)[0].shape == (40, 3)


def test_levenberg_marquardt_refuses_data_without_targets():
    from cbackprop.engine import Data

    model = cb.Sequential([cb.Input((4,)), layers.Dense(3)])
    model.compile(cb.optimizers.LevenbergMarquardt(), "mse")
    x = np.ones((6, 4), "f")
    engine = model._prepare(x, "fit")
    with pytest.raises(ValueError, match="no targets like its predictions for output 0"):
        engine.jacobian(Data([x], [None], [None], [None]), 0, 6)


def test_penalties_of_outputs_need_no_targets():
    assert ElementActivity32.reads == "nothing"
    model = cb.Sequential([cb.Input((4,)), layers.Dense(3, activity_regularizer="l2")])
    model.compile("sgd", "mse")
    assert np.isfinite(model.train_on_batch(np.ones((6, 4)), np.ones((6, 3))))
