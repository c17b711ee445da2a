"""Generators, iterables and datasets of batches: the numbers of arrays, mistakes, and threads that end."""

import _thread
import io
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

ENGINES = ["compiled", "reference"]


def network(engine="compiled"):
    cb.utils.set_random_seed(3)
    model = cb.Sequential([layers.Dense(4, activation="tanh"), layers.Dense(2)])
    model.compile(cb.optimizers.SGD(0.1), "mse", metrics=["mae"], engine=engine)
    return model


@pytest.fixture
def data(rng):
    return rng.normal(size=(22, 3)), rng.normal(size=(22, 2)), rng.uniform(size=22)


def cut(*arrays, size=8):
    """Batches in order."""
    return [tuple(array[i : i + size] for array in arrays) for i in range(0, len(arrays[0]), size)]


class Dataset(cb.utils.PyDataset):
    def __init__(self, batches, **kwargs):
        super().__init__(**kwargs)
        self.batches, self.told, self.threads = batches, [], set()

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        self.threads.add(threading.get_ident())
        return self.batches[index]

    def on_epoch_begin(self):
        self.told.append("begin")

    def on_epoch_end(self):
        self.told.append("end")


class Duck:
    """Like the earlier `keras.utils.Sequence`."""

    def __init__(self, batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]

    def on_epoch_end(self):
        pass


class Loader:
    """Behaves like a torch DataLoader, which yields lists."""

    def __init__(self, batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        return map(list, self.batches)


def forever(batches):
    while True:
        yield from batches


SOURCES = {
    "generator": (lambda batches: forever(batches), 3),
    "iterator": (lambda batches: iter(batches * 2), 3),
    "dataset": (Dataset, None),
    "dataset, 3 workers": (lambda batches: Dataset(batches, workers=3, max_queue_size=2), None),
    "dataset, steps": (Dataset, 3),
    "duck": (Duck, None),
    "loader": (Loader, None),
    "loader, steps": (Loader, 3),
}


def same(a, b):
    assert a.history == b.history
    for left, right in zip(a.model.get_weights(), b.model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def train(model, *args, **kwargs):
    history = model.fit(*args, epochs=2, verbose=0, **kwargs)
    history.model = model
    return history


@pytest.fixture(autouse=True)
def no_threads_left():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("cbackprop-prefetch")]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("weighted", [False, True])
def test_fit_gives_the_numbers_of_arrays(name, weighted, engine, data):
    make, steps = SOURCES[name]
    arrays = data if weighted else data[:2]
    kwargs = {"sample_weight": data[2]} if weighted else {}
    expected = train(network(engine), *data[:2], batch_size=8, shuffle=False, **kwargs)
    found = train(network(engine), make(cut(*arrays)), steps_per_epoch=steps, shuffle=False)
    same(found, expected)


@pytest.mark.parametrize("name", SOURCES)
def test_evaluate_and_predict_give_the_numbers_of_arrays(name, data):
    make = SOURCES[name][0]
    model = network()
    x, y, weights = data
    expected = model.predict(x, verbose=0)
    evaluated = model.fit(x, y, epochs=0, verbose=0) and model.evaluate(x, y, 8, sample_weight=weights, verbose=0)
    assert model.evaluate(make(cut(x, y, weights)), steps=3, verbose=0) == evaluated
    for batches in (cut(x), cut(x, y)):
        found = model.predict(make(batches), steps=3, verbose=0)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(model.predict(make(cut(x)), steps=2, verbose=0), expected[:16], rtol=1e-5, atol=1e-7)
    if SOURCES[name][1] is None:
        assert model.evaluate(make(cut(x, y, weights)), verbose=0) == evaluated


@pytest.mark.parametrize("name", SOURCES)
def test_validation_data(name, data):
    make, steps = SOURCES[name]
    x, y, _ = data
    expected = train(network(), x, y, batch_size=8, shuffle=False, validation_data=(x[:16], y[:16]))
    batches = cut(x[:16], y[:16])
    given = make(batches) if steps is None else make(batches * 3)
    found = train(network(), x, y, batch_size=8, shuffle=False, validation_data=given, validation_steps=steps and 2)
    same(found, expected)


def test_a_generator_is_enough_for_prediction_alone(data):
    model = network()
    expected = model.predict(data[0], verbose=0)
    found = model.predict((x for (x,) in cut(data[0])), verbose=0)  # arrays alone, which Keras does not take
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_several_inputs_and_outputs(rng):
    a, b = cb.Input((3,), name="a"), cb.Input((2,), name="b")
    joined = layers.Concatenate()([a, b])
    model = cb.Model([a, b], {"u": layers.Dense(1)(joined), "v": layers.Dense(2)(joined)})
    model.compile("sgd", "mse")
    x = {"a": rng.normal(size=(9, 3)), "b": rng.normal(size=(9, 2))}
    y = {"u": rng.normal(size=(9, 1)), "v": rng.normal(size=(9, 2))}
    part = [({k: v[i : i + 4] for k, v in x.items()}, {k: v[i : i + 4] for k, v in y.items()}) for i in (0, 4, 8)]
    start = model.get_weights()
    expected = train(model, x, y, batch_size=4, shuffle=False)
    weights = model.get_weights()
    model.set_weights(start)
    found = train(model, forever(part), steps_per_epoch=3)
    assert found.history == expected.history
    for left, right in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    predicted = model.predict(Loader([(first,) for first, _ in part]), verbose=0)
    for name, array in model.predict(x, verbose=0).items():
        np.testing.assert_allclose(predicted[name], array, rtol=1e-5, atol=1e-7)


def test_class_weight(rng):
    x, y = rng.normal(size=(22, 3)), rng.integers(3, size=22)
    results = []
    for given in ((x, y), (Dataset(cut(x, y)),)):
        cb.utils.set_random_seed(0)
        model = cb.Sequential([cb.Input((3,)), layers.Dense(3, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(*given, batch_size=8, class_weight={0: 3.0}, shuffle=False, verbose=0)
        results.append(model.get_weights())
    for left, right in zip(*results, strict=True):
        np.testing.assert_array_equal(left, right)


def test_shuffling_goes_by_batches():
    order = []

    class Watched(Dataset):
        def __getitem__(self, index):
            order.append(index)
            return super().__getitem__(index)

    batches = [(np.full((1, 3), float(i)), np.zeros((1, 2))) for i in range(30)]
    model = network()
    model.build((None, 3))
    model.fit(Watched(batches), epochs=2, verbose=0)
    assert sorted(order[:30]) == sorted(order[30:]) == list(range(30))
    assert order[:30] != order[30:]
    assert order[:30] != list(range(30))
    order.clear()
    model.fit(Watched(batches), shuffle=False, verbose=0)
    assert order == list(range(30))


def test_a_dataset_is_told_of_epochs_and_asked_by_threads(data):
    dataset = Dataset(cut(*data), workers=2)
    model = network()
    model.build((None, 3))
    model.fit(dataset, epochs=3, verbose=0)
    assert dataset.told == ["begin", "end"] * 3
    assert threading.get_ident() not in dataset.threads


def test_epochs_go_on_where_the_last_one_stopped(data):
    """Three batches, two an epoch: the second epoch begins with the third batch."""
    model = network()
    model.compile(cb.optimizers.SGD(0.0), "mse")
    batches = forever(cut(*data[:2]))
    losses = model.fit(batches, steps_per_epoch=2, epochs=2, verbose=0).history["loss"]
    rest = [np.concatenate([array[16:], array[:8]]) for array in data[:2]]
    assert losses[0] == pytest.approx(model.evaluate(data[0][:16], data[1][:16], verbose=0), rel=1e-5)
    assert losses[1] == pytest.approx(model.evaluate(*rest, verbose=0), rel=1e-5)


@pytest.mark.parametrize("make", [Dataset, Loader])
def test_a_dataset_does_not_begin_anew_within_an_epoch(make, data):
    model = network()
    model.compile(cb.optimizers.SGD(0.0), "mse")
    with pytest.warns(UserWarning, match="ran out of data") as told:
        losses = model.fit(make(cut(*data[:2])), steps_per_epoch=2, epochs=3, shuffle=False, verbose=0).history["loss"]
    assert {warning.filename for warning in told} == {__file__}
    assert losses[0] == losses[2] == pytest.approx(model.evaluate(data[0][:16], data[1][:16], verbose=0), rel=1e-5)
    assert losses[1] == pytest.approx(model.evaluate(data[0][16:], data[1][16:], verbose=0), rel=1e-5)


def test_an_iterable_of_unknown_length_begins_anew_with_an_epoch(data):
    class Unknown(Loader):
        def __len__(self):
            raise TypeError("who knows")

    expected = train(network(), *data[:2], batch_size=8, shuffle=False)
    same(train(network(), Unknown(cut(*data[:2])), steps_per_epoch=3), expected)


def test_a_generator_that_is_used_up_validates_no_more(data):
    model = network()
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(*data[:2], validation_data=iter(cut(*data[:2])), epochs=3, verbose=0).history
    assert [len(history[name]) for name in ("loss", "val_loss")] == [3, 1]


def test_no_more_than_needed_is_taken_from_a_generator(data):
    taken = []

    def batches():
        for batch in forever(cut(*data[:2])):
            taken.append(1)
            yield batch

    generator = batches()
    network().fit(generator, steps_per_epoch=2, epochs=3, verbose=0)
    assert len(taken) == 6
    network().fit(generator, steps_per_epoch=1, verbose=0)
    assert len(taken) == 7


@pytest.mark.parametrize("make", [lambda b: iter(b), Dataset, Loader], ids=["iterator", "dataset", "loader"])
def test_what_ends_early_is_told(make, data):
    model = network()
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(make(cut(*data[:2])), steps_per_epoch=5, verbose=0)
    assert model.optimizer.iterations == 3
    assert len(history.history["loss"]) == 1


def test_epochs_for_which_nothing_is_left_are_not_run(data):
    for steps in (None, 3):
        model = network()
        with pytest.warns(UserWarning, match="ran out of data"):
            history = model.fit(iter(cut(*data[:2])), steps_per_epoch=steps, epochs=3, verbose=0)
        assert len(history.epoch) == 1
        assert model.optimizer.iterations == 3


def test_batches_are_numbered_and_training_stops_where_a_callback_says(data):
    seen = []

    class Stop(cb.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)
            self.model.stop_training = batch == 4

    model = network()
    model.fit(forever(cut(*data[:2])), steps_per_epoch=10, epochs=2, callbacks=[Stop()], verbose=0)
    assert seen == [0, 1, 2, 3, 4]
    assert model.optimizer.iterations == 5


def broken(after, error):
    batch = np.zeros((4, 3)), np.zeros((4, 2))
    for _ in range(after):
        yield batch
    raise error


def test_what_a_generator_raises_is_raised(data):
    model = network()
    with pytest.raises(OSError, match="the disk is gone") as caught:
        model.fit(broken(3, OSError("the disk is gone")), steps_per_epoch=10, verbose=0)
    assert "batch 3 of x" in caught.value.__notes__[0]
    assert model.optimizer.iterations == 3
    model.fit(*data[:2], verbose=0)  # as usable as before


def test_what_a_dataset_raises_is_raised():
    class Broken(Dataset):
        def __getitem__(self, index):
            if index == 1:
                raise KeyError("no such file")
            return super().__getitem__(index)

    batches = [(np.zeros((4, 3)), np.zeros((4, 2)))] * 5
    for workers in (1, 3):
        model = network()
        with pytest.raises(KeyError, match="no such file"):
            model.fit(Broken(batches, workers=workers), shuffle=False, verbose=0)
        assert model.optimizer.iterations == 1


def test_each_batch_is_checked(data):
    x, y = data[0].copy(), data[1]
    x[17, 1] = np.nan
    model = network()
    with pytest.raises(ValueError, match=r"x must be finite, but got nan at index \(1, 1\)") as caught:
        model.fit(iter(cut(x, y)), verbose=0)
    assert "batch 2 of x" in caught.value.__notes__[0]
    assert model.optimizer.iterations == 2
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    with pytest.raises(ValueError, match="must have shape"):
        model.fit(iter(cut(x[:8, :2], y[:8])), verbose=0)
    with pytest.raises(ValueError, match="y must have 8 samples"):
        model.fit(iter([(data[0][:8], y[:5])]), verbose=0)


def infinite():
    return type("Infinite", (Dataset,), {"num_batches": None})([(np.zeros((4, 3)), np.zeros((4, 2)))])


MISTAKES = {
    "y": (lambda m, d: m.fit(Dataset(cut(*d)), d[1]), ValueError, "y must not be given when x is a Dataset"),
    "weights": (lambda m, d: m.fit(iter(cut(*d)), sample_weight=d[2]), ValueError, "sample_weight must not be given"),
    "split": (lambda m, d: m.fit(iter(cut(*d)), validation_split=0.5), ValueError, "validation_split needs arrays"),
    "empty generator": (lambda m, d: m.fit(iter([])), ValueError, "x yields no batches"),
    "empty loader": (lambda m, d: m.fit(Loader([])), ValueError, "x yields no batches"),
    "empty dataset": (lambda m, d: m.fit(Dataset([])), ValueError, "Dataset of 0 batches"),
    "infinite": (lambda m, d: m.fit(infinite()), ValueError, "endless dataset"),
    "four": (lambda m, d: m.fit(iter([(1, 2, 3, 4)])), ValueError, "A batch must be a tuple"),
    "no y": (lambda m, d: m.fit(iter(cut(d[0]))), ValueError, "y is missing"),
    "no numbers": (lambda m, d: m.fit(iter([("a", "b")])), (TypeError, ValueError), "x must"),
    "a function": (lambda m, d: m.fit(lambda: None), (TypeError, ValueError), "x must"),
    "not compiled": (lambda m, d: cb.Sequential([layers.Dense(2)]).fit(iter(cut(*d))), RuntimeError, "Call compile"),
    "validation": (lambda m, d: m.fit(*d[:2], validation_data=3), ValueError, "validation_data: expected a tuple"),
    "workers": (lambda m, d: Dataset([], workers=-1), ValueError, "workers must be at least 0"),
    "queue": (lambda m, d: Dataset([], max_queue_size=1.5), TypeError, "max_queue_size must be an integer"),
    "processes": (lambda m, d: Dataset([], use_multiprocessing="no"), TypeError, "use_multiprocessing must be True"),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("built", [False, True])
def test_mistakes(name, built, data):
    act, error, message = MISTAKES[name]
    model = network()
    if built:
        model.build((None, 3))
    with pytest.raises(error, match=message):
        act(model, data)
    assert model.optimizer.iterations == 0


def test_processes_are_replaced_by_threads(data):
    with pytest.warns(UserWarning, match="threads of this process"):
        network().fit(Dataset(cut(*data), use_multiprocessing=True, workers=2), verbose=0)


def test_an_interrupt_while_training_waits_for_a_batch(interrupts, data):
    release = threading.Event()

    def batches():
        yield from cut(*data[:2])
        release.wait(10)

    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    start = time.monotonic()
    threading.Timer(0.5, release.set).start()
    with pytest.raises(KeyboardInterrupt):
        network().fit(batches(), steps_per_epoch=10, verbose=0)
    assert time.monotonic() - start < 5


def test_the_interpreter_ends_while_a_generator_is_stuck():
    script = """
import time
import numpy as np
import cbackprop as cb
from cbackprop.models.sources import prefetch

prefetch.PATIENCE = 0.1

def batches():
    yield np.zeros((4, 3)), np.zeros((4, 2))
    yield np.zeros((4, 3)), np.full((4, 2), np.nan)
    time.sleep(1000)

model = cb.Sequential([cb.layers.Dense(2)])
model.compile("sgd", "mse")
try:
    model.fit(batches(), steps_per_epoch=10, verbose=0)
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "y must be finite" in done.stdout


@pytest.mark.parametrize("steps", [None, 3])
def test_a_bar_without_an_end(steps, data, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("cbackprop.callbacks.progress.REDRAW", 0)
    monkeypatch.setattr(sys, "stdout", Terminal())
    network().fit(iter(cut(*data[:2])), steps_per_epoch=steps, verbose=1)
    assert "Epoch 1/1" in sys.stdout.getvalue()
    assert "loss: " in sys.stdout.getvalue()


def test_an_interrupt_ends_the_thread(data):
    def batches():
        yield from cut(*data[:2])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        network().fit(batches(), steps_per_epoch=10, verbose=0)


class Written:
    """Batches that a generator or a dataset writes into the same arrays, one after the other."""

    def __init__(self, data, batch=4):
        self.data, self.batch = data, batch
        self.arrays = [np.empty((batch, *array.shape[1:]), array.dtype) for array in data]

    def __len__(self):
        return len(self.data[0]) // self.batch

    def __getitem__(self, number):
        for array, whole in zip(self.arrays, self.data, strict=True):
            array[...] = whole[number * self.batch : (number + 1) * self.batch]
        return tuple(self.arrays)

    def on_epoch_end(self):
        pass

    def __iter__(self):
        return (self[number] for number in range(len(self)))


class WrittenPasses:
    def __init__(self, written):
        self.written = written

    def __iter__(self):
        return iter(self.written)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", [iter, WrittenPasses, lambda written: written])
def test_batches_may_be_written_into_the_same_arrays(data, kind, engine):
    """Batches are made ahead of training, so that an array may hold the next batch when the last one is trained."""
    cut = [array[:20].astype("float32") for array in data]
    x, y, weights = cut
    alike, expected = network(engine), network(engine)
    for model in (alike, expected):
        model.build((None, 3))
    expected.set_weights(alike.get_weights())
    arguments = {"verbose": 0, "shuffle": False}
    got = alike.fit(kind(Written(cut)), validation_data=kind(Written(cut)), **arguments).history
    wanted = expected.fit(x, y, batch_size=4, sample_weight=weights, validation_data=(x, y, weights), **arguments)
    for name, values in wanted.history.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-5, err_msg=name)
    for a, b in zip(alike.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(alike.predict(kind(Written(cut)), verbose=0), expected.predict(x, verbose=0))
    found = alike.evaluate(kind(Written(cut)), verbose=0)
    np.testing.assert_allclose(found, expected.evaluate(x, y, sample_weight=weights, verbose=0), rtol=1e-5)
    together = cb.Ensemble([alike, expected])
    np.testing.assert_array_equal(together.predict(kind(Written(cut))), together.predict(x))
