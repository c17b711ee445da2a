"""Where epochs end with steps_per_epoch, and which batches callbacks are told of with steps_per_execution."""

import math
import warnings

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import callbacks, layers

SIZE = 20
X = np.linspace(-1, 1, 3 * SIZE).reshape(SIZE, 3).astype("float32")
Y = np.linspace(0, 1, SIZE).reshape(SIZE, 1).astype("float32")
ENGINES = pytest.mark.parametrize("engine", ["compiled", "reference"])


def model(engine="compiled", rate=0.1, at_once=1):
    cb.utils.set_random_seed(2)
    made = cb.Sequential([cb.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(1)])
    made.compile(cb.optimizers.SGD(rate), "mse", metrics=["mae"], engine=engine, steps_per_execution=at_once)
    return made


class Dataset(cb.utils.PyDataset):
    def __len__(self):
        return SIZE // 4

    def __getitem__(self, index):
        return X[4 * index : 4 * index + 4], Y[4 * index : 4 * index + 4]


class Unknown:
    """An iterable that can be gone through again, and does not know its length."""

    def __iter__(self):
        return iter([Dataset()[i] for i in range(SIZE // 4)])


def forever():
    while True:
        yield from Unknown()


# Five batches of four samples.
KINDS = {
    "arrays": lambda: ((X, Y), {"batch_size": 4}),
    "dataset": lambda: ((Dataset(),), {}),
    "iterable": lambda: ((Unknown(),), {}),
    "generator": lambda: ((forever(),), {}),
}


class Watch(callbacks.Callback):
    """The numbers that callbacks are told, epoch by epoch, and the logs at the end of batches."""

    def __init__(self):
        self.told, self.logs, self.seen = [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.told.append([])

    def on_train_batch_begin(self, batch, logs=None):
        self.told[-1].append(batch)

    def on_train_batch_end(self, batch, logs=None):
        self.told[-1].append(batch)
        self.logs.append(dict(logs))
        self.seen.append(self.model.optimizer.iterations)


def silently(function, *args, **kwargs):
    """The result, and whether a warning told that the data ran out."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = function(*args, verbose=0, **kwargs)
    assert {warning.filename for warning in told} <= {__file__}
    return result, any("ran out of data" in str(warning.message) for warning in told)


def weights_equal(a, b):
    return all(np.array_equal(left, right) for left, right in zip(a.get_weights(), b.get_weights(), strict=True))


# steps_per_epoch


@ENGINES
@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize(
    ("steps", "epochs", "short"),
    [(5, [5, 5, 5], False), (3, [3, 2, 3, 2], True), (4, [4, 1, 4, 1], True), (7, [5, 5], True), (1, [1] * 6, False)],
)
@pytest.mark.parametrize("kind", ["arrays", "dataset", "iterable"])
def test_an_epoch_ends_with_the_pass(kind, steps, epochs, short, watched, engine):
    args, kwargs = KINDS[kind]()
    trained, watch, counts = model(engine), Watch(), []
    count = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: counts.append(trained.optimizer.iterations))
    _, warned = silently(
        trained.fit,
        *args,
        steps_per_epoch=steps,
        epochs=len(epochs),
        callbacks=[count, watch] if watched else count,
        **kwargs,
    )
    assert np.diff([0, *counts]).tolist() == epochs
    assert warned == short
    if watched:
        assert [len(told) // 2 for told in watch.told] == epochs


def test_a_generator_goes_on_over_the_end_of_what_it_repeats():
    trained = model()
    _, warned = silently(trained.fit, forever(), steps_per_epoch=3, epochs=4)
    assert trained.optimizer.iterations == 12
    assert not warned


@ENGINES
def test_the_rest_of_a_pass_is_an_epoch_of_its_own(engine):
    judged = model(engine, rate=0.0)
    history, _ = silently(judged.fit, X, Y, batch_size=4, steps_per_epoch=3, epochs=3, shuffle=False)
    first, rest = (judged.evaluate(X[part], Y[part], verbose=0)[0] for part in (slice(12), slice(12, None)))
    assert history.history["loss"] == pytest.approx([first, rest, first], rel=1e-5)


def test_each_pass_is_shuffled_anew():
    order = []

    class Seen(Dataset):
        def __getitem__(self, index):
            order.append(index)
            return super().__getitem__(index)

    silently(model().fit, Seen(), steps_per_epoch=3, epochs=12)
    order = order[len(order) % 5 :]  # the first batch is read once more, for its shape
    passes = [order[i : i + 5] for i in range(0, len(order), 5)]
    assert all(sorted(one) == list(range(5)) for one in passes)
    assert len({tuple(one) for one in passes}) > 1


def test_without_a_batch_size_the_steps_take_all_samples():
    trained = model()
    _, warned = silently(trained.fit, X, Y, steps_per_epoch=3, epochs=2)
    assert trained.optimizer.iterations == 6
    assert not warned


@ENGINES
def test_evaluate_and_predict_with_more_steps_than_there_are(engine):
    judged = model(engine)
    whole, warned = silently(judged.evaluate, X, Y, batch_size=4, steps=9)
    assert warned
    assert whole == pytest.approx(judged.evaluate(X, Y, verbose=0))
    predicted, warned = silently(judged.predict, X, batch_size=4, steps=9)
    assert warned
    assert len(predicted) == SIZE
    _, warned = silently(judged.predict, X, batch_size=4, steps=5)
    assert not warned
    _, warned = silently(judged.fit, X, Y, validation_data=(X, Y), validation_batch_size=4, validation_steps=6)
    assert warned


@ENGINES
def test_validation_steps_without_a_batch_size_take_all_samples(engine):
    judged = model(engine, rate=0.0)
    x, y = np.repeat(X, 10, axis=0), np.repeat(Y, 10, axis=0)
    expected = judged.evaluate(x, y, verbose=0)[0]
    for given in ({"validation_data": (x, y)}, {"validation_split": 0.5}):
        history = judged.fit(x, y, validation_steps=2, verbose=0, **given).history
        wanted = expected if "validation_data" in given else judged.evaluate(x[100:], y[100:], verbose=0)[0]
        assert history["val_loss"] == pytest.approx([wanted], rel=1e-5)


@ENGINES
@pytest.mark.parametrize("kind", ["arrays", "dataset", "iterable"])
def test_each_validation_begins_anew(kind, engine):
    (given, *rest), kwargs = KINDS[kind]()
    judged = model(engine, rate=0.0)
    data = (given, *rest) if rest else given
    size = {"validation_batch_size": 4} if kwargs else {}
    history, warned = silently(judged.fit, X, Y, epochs=4, validation_data=data, validation_steps=2, **size)
    first = judged.evaluate(X[:8], Y[:8], verbose=0)[0]
    assert history.history["val_loss"] == pytest.approx([first] * 4)
    assert not warned


# steps_per_execution


@ENGINES
@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 101])
@pytest.mark.parametrize("kind", ["arrays", "dataset", "iterable"])
def test_callbacks_are_told_of_executions(kind, at_once, engine):
    """The last number of an execution is that of a full one, as in Keras."""
    args, kwargs = KINDS[kind]()
    one, several, watch = model(engine), model(engine, at_once=at_once), Watch()
    plain = one.fit(*args, epochs=2, shuffle=False, verbose=0, **kwargs)
    args, kwargs = KINDS[kind]()
    history, warned = silently(several.fit, *args, epochs=2, shuffle=False, callbacks=watch, **kwargs)
    begins = list(range(0, 5, at_once))
    assert watch.told == [[number for begin in begins for number in (begin, begin + at_once - 1)]] * 2
    assert watch.seen == [5 * epoch + min(begin + at_once, 5) for epoch in (0, 1) for begin in begins]
    assert not warned
    assert history.history == plain.history
    assert weights_equal(one, several)
    assert watch.logs[-1] == {name: values[-1] for name, values in history.history.items()}


@ENGINES
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("steps", "at_once"), [(4, 2), (3, 2), (5, 2), (2, 3), (7, 3), (1, 10)])
def test_steps_are_rounded_up_to_whole_executions(steps, at_once, kind, engine):
    args, kwargs = KINDS[kind]()
    trained, watch = model(engine, at_once=at_once), Watch()
    silently(trained.fit, *args, steps_per_epoch=steps, epochs=4, callbacks=watch, **kwargs)
    expected, left = [], 5
    for _ in range(4):
        taken = math.ceil(steps / at_once) * at_once
        if kind != "generator":
            taken, left = min(taken, left), left - min(taken, left) or 5
        expected.append(taken)
    assert trained.optimizer.iterations == sum(expected)
    assert [len(told) for told in watch.told] == [2 * math.ceil(taken / at_once) for taken in expected]
    assert watch.params["steps"] == steps


@pytest.mark.parametrize("kind", ["arrays", "dataset", "iterable"])
def test_a_last_execution_of_fewer_batches_is_no_lack_of_data(kind):
    args, kwargs = KINDS[kind]()
    several = model(at_once=2)
    assert not silently(several.fit, *args, steps_per_epoch=5, epochs=3, **kwargs)[1]
    assert not silently(several.evaluate, *args, steps=5, **kwargs)[1]
    assert not silently(several.predict, args[0], steps=5, **kwargs)[1]
    for act, given in ((several.fit, {"steps_per_epoch": 7}), (several.evaluate, {"steps": 7})):
        assert silently(act, *args, **given, **kwargs)[1]


@ENGINES
def test_without_callbacks_of_batches_an_epoch_is_one_call(engine, monkeypatch):
    trained, calls = model(engine, at_once=2), []
    trained.fit(X, Y, verbose=0)
    learn = trained._engine.learn
    monkeypatch.setattr(trained._engine, "learn", lambda *args, **kwargs: calls.append(1) or learn(*args, **kwargs))
    watch = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    trained.fit(X, Y, batch_size=4, epochs=3, callbacks=watch, verbose=0)
    assert len(calls) == 3


@ENGINES
def test_keras_own_example_of_uneven_steps(engine):
    """Ten batches, two at once, five steps: three executions, then two."""
    x, y = np.repeat(X, 2, axis=0), np.repeat(Y, 2, axis=0)
    one, two, watch = model(engine), model(engine, at_once=2), Watch()
    one.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    silently(two.fit, x, y, batch_size=4, steps_per_epoch=5, epochs=2, shuffle=False, callbacks=watch)
    assert watch.told == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3]]
    assert weights_equal(one, two)


def judging(told):
    class Judge(callbacks.Callback):
        def on_test_batch_begin(self, batch, logs=None):
            told.append(batch)

        def on_test_batch_end(self, batch, logs=None):
            told.append((batch, logs["loss"]))

        def on_predict_batch_begin(self, batch, logs=None):
            told.append(batch)

        def on_predict_batch_end(self, batch, logs=None):
            told.append((batch, len(logs["outputs"])))

    return Judge()


@ENGINES
@pytest.mark.parametrize("kind", ["arrays", "dataset", "iterable"])
def test_evaluate_and_predict(kind, engine):
    args, kwargs = KINDS[kind]()
    one, three, told = model(engine), model(engine, at_once=3), []
    expected = one.evaluate(X, Y, batch_size=4, verbose=0)
    assert three.evaluate(*args, callbacks=judging(told), verbose=0, **kwargs) == expected
    first = one.evaluate(X[:12], Y[:12], batch_size=4, verbose=0)[0]
    assert told == [0, (2, pytest.approx(first)), 3, (5, pytest.approx(expected[0]))]
    told.clear()
    args, kwargs = KINDS[kind]()
    predicted = three.predict(args[0], callbacks=judging(told), verbose=0, **kwargs)
    assert told == [0, (2, 12), 3, (5, 8)]
    np.testing.assert_allclose(predicted, one.predict(X, verbose=0), rtol=1e-6, atol=1e-7)
    told.clear()
    args, kwargs = KINDS[kind]()
    assert len(three.predict(args[0], steps=1, callbacks=judging(told), verbose=0, batch_size=4)) == 12
    assert told == [0, (2, 12)]
    args, kwargs = KINDS[kind]()
    assert len(three.predict(args[0], steps=1, verbose=0, batch_size=4)) == 12  # not watched
    told.clear()
    three.fit(X, Y, batch_size=4, validation_data=(X, Y), callbacks=judging(told), verbose=0)
    assert [item if isinstance(item, int) else item[0] for item in told] == [0, 2, 3, 5]


@pytest.mark.parametrize("run", ["train", "test", "predict"])
def test_a_run_stops_at_the_end_of_an_execution(run):
    asked = {"train": "stop_training", "test": "stop_evaluating", "predict": "stop_predicting"}[run]
    stopping, ended = model(at_once=2), []

    class Stop(callbacks.Callback):
        pass

    def begin(self, batch, logs=None):
        setattr(self.model, asked, True)

    setattr(Stop, f"on_{run}_batch_begin", begin)
    setattr(Stop, f"on_{run}_batch_end", lambda self, batch, logs=None: ended.append(batch))
    act = {"train": stopping.fit, "test": stopping.evaluate, "predict": stopping.predict}[run]
    args = (X,) if run == "predict" else (X, Y)
    result = act(*args, batch_size=4, callbacks=[Stop()], verbose=0)
    assert ended == [1]
    if run == "train":
        assert stopping.optimizer.iterations == 2
    if run == "predict":
        assert len(result) == 8


def test_asked_to_stop_before_the_first_step_fit_takes_one_execution():
    stopping = model(at_once=3)

    def stop(epoch, logs=None):
        stopping.stop_training = True

    for args, kwargs in (KINDS["arrays"](), KINDS["generator"]()):
        before = stopping.optimizer.iterations
        stopping.fit(
            *args,
            steps_per_epoch=5,
            epochs=2,
            callbacks=callbacks.LambdaCallback(on_epoch_begin=stop),
            verbose=0,
            **kwargs,
        )
        assert stopping.optimizer.iterations - before == 3


def test_frequencies_count_batches_not_executions(tmp_path):
    trained = model(at_once=3)
    save = callbacks.ModelCheckpoint(tmp_path / "{epoch}-{batch}.safetensors", save_freq=6)
    trained.fit(np.repeat(X, 3, axis=0), np.repeat(Y, 3, axis=0), batch_size=4, epochs=2, callbacks=save, verbose=0)
    # Fifteen batches an epoch: after 6 and 12, then with the 3 that remain after 3 more, and every 6 again.
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["1-12", "1-6", "2-15", "2-3", "2-9"]


@ENGINES
@pytest.mark.parametrize("batch", [1, 3, 5])
def test_an_interrupted_epoch_goes_on_with_the_next_execution(tmp_path, batch, engine):
    def interrupt(number, logs=None):
        if number == batch and whole.optimizer.iterations and armed:
            raise KeyboardInterrupt

    armed = False
    whole, first, second = (model(engine, at_once=2) for _ in range(3))
    kwargs = {"batch_size": 4, "epochs": 3, "shuffle": False, "verbose": 0}
    expected, watch = whole.fit(X, Y, **kwargs), Watch()
    armed = True
    broken = [callbacks.BackupAndRestore(tmp_path / "b", 1), callbacks.LambdaCallback(on_train_batch_end=interrupt)]
    with pytest.raises(KeyboardInterrupt):
        first.fit(X, Y, **kwargs, callbacks=broken)
    rest = second.fit(X, Y, **kwargs, callbacks=[callbacks.BackupAndRestore(tmp_path / "b", 1), watch])
    assert rest.history == expected.history
    assert weights_equal(whole, second)
    begin = batch + 1
    assert watch.told[0] == [number for first in range(begin, 5, 2) for number in (first, first + 1)]


def test_settings_of_compile(tmp_path):
    made = model(at_once=4)
    assert made.steps_per_execution == 4
    assert made.get_compile_config()["steps_per_execution"] == 4
    made.save(tmp_path / "a.safetensors")
    assert cb.models.load_model(tmp_path / "a.safetensors").steps_per_execution == 4
    for wrong, error in ((0, ValueError), (-1, ValueError), (1.5, TypeError), ("auto", TypeError)):
        with pytest.raises(error, match="steps_per_execution must be"):
            made.compile("sgd", "mse", steps_per_execution=wrong)
        with pytest.raises(error, match="steps_per_execution must be"):
            made.steps_per_execution = wrong
    assert made.steps_per_execution == 4
    made.steps_per_execution = np.int64(2)
    watch = Watch()
    made.fit(X, Y, batch_size=4, callbacks=watch, verbose=0)
    assert watch.told == [[0, 1, 2, 3, 4, 5]]


def test_executions_of_callbacks_that_compile_anew_are_those_of_the_run():
    trained, watch = model(at_once=2), Watch()
    anew = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: trained.compile("sgd", "mse"))
    with pytest.warns(UserWarning, match="compile was called"):
        trained.fit(X, Y, batch_size=4, callbacks=[watch, anew], verbose=0)
    assert watch.told == [[0, 1, 2, 3, 4, 5]]
