"""Files mapped into memory: the numbers of arrays, and memory that does not grow with the file."""

import itertools
import threading
from functools import partial

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.models.prediction import inputs_alone
from cbackprop.models.sources import blocks

SIZE = 1003


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Some 100 samples a piece."""
    monkeypatch.setattr(blocks, "PIECE", 100 * 5 * 4)
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("cbackprop-prefetch")]


def network(engine="compiled"):
    cb.utils.set_random_seed(3)
    model = cb.Sequential([layers.Dense(6, activation="tanh"), layers.Dense(2)])
    model.compile(cb.optimizers.SGD(0.05), "mse", metrics=["mae"], engine=engine)
    return model


def mapped(path, array, mode="r"):
    np.save(path, array)
    return np.load(path, mmap_mode=mode)


@pytest.fixture
def data(rng, tmp_path):
    """(x, y) in memory, and the same in files."""
    x, y = rng.normal(size=(SIZE, 5)).astype("float32"), rng.normal(size=(SIZE, 2)).astype("float32")
    return (x, y), (mapped(tmp_path / "x.npy", x), mapped(tmp_path / "y.npy", y))


def train(data, engine="compiled", **kwargs):
    model = network(engine)
    history = model.fit(*data, epochs=2, verbose=0, **kwargs).history
    return history, model.get_weights()


def same(a, b):
    assert a[0] == b[0]
    for left, right in zip(a[1], b[1], strict=True):
        np.testing.assert_array_equal(left, right)


OPTIONS = {
    "plain": {},
    "batches": {"batch_size": 7},
    "large batches": {"batch_size": 300},
    "steps": {"batch_size": 20, "steps_per_epoch": 13},
    "more steps than there are": {"batch_size": 64, "steps_per_epoch": 20},
    "weights": {"sample_weight": np.linspace(0, 1, SIZE)},
    "split": {"validation_split": 0.3},
    "split, steps": {"validation_split": 0.3, "validation_steps": 3, "validation_batch_size": 50},
}


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("name", OPTIONS)
def test_fit_in_order_gives_the_numbers_of_arrays(name, engine, data):
    arrays, files = data
    same(train(files, engine, shuffle=False, **OPTIONS[name]), train(arrays, engine, shuffle=False, **OPTIONS[name]))


@pytest.mark.parametrize("options", [{}, {"steps_per_epoch": 7}, {"steps_per_epoch": 40}])
@pytest.mark.parametrize("at_once", [3, 1000])
@pytest.mark.filterwarnings("ignore:Your input ran out")
def test_executions_reach_over_pieces(at_once, options, data):
    results = []
    for given in data:
        model, told = network(), []
        model.compile("sgd", "mse", steps_per_execution=at_once)
        watch = cb.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs, told=told: told.append(batch),
            on_train_batch_end=lambda batch, logs, told=told: told.append((batch, logs["loss"])),
        )
        model.fit(*given, batch_size=20, epochs=3, shuffle=False, callbacks=[watch], verbose=0, **options)
        results.append((told, model.predict(given[0], batch_size=20, steps=4, verbose=0)))
    assert results[0][0] == results[1][0]
    np.testing.assert_array_equal(results[0][1], results[1][1])


@pytest.mark.parametrize("dtype", ["float64", "uint8", "float16", ">f4", "bool"])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_types_and_modes(dtype, mode, rng, tmp_path):
    x, y = rng.uniform(0, 3, size=(SIZE, 5)).astype(dtype), rng.normal(size=(SIZE, 2))
    file = mapped(tmp_path / "x.npy", x, mode)
    same(train((file, y), shuffle=False), train((x, y), shuffle=False))
    same(train((file[5:], y[5:]), shuffle=False), train((x[5:], y[5:]), shuffle=False))
    same(train((file[::2], y[::2]), shuffle=False), train((x[::2], y[::2]), shuffle=False))


def test_what_was_written_to_a_private_mapping_stays(rng, tmp_path):
    x = rng.normal(size=(SIZE, 5)).astype("float32")
    file = mapped(tmp_path / "x.npy", x, "c")
    file[:] = 2
    network().fit(file, np.zeros((SIZE, 2)), verbose=0)
    assert (np.asarray(file) == 2).all()


def test_only_one_of_them_is_a_file(data):
    (x, y), (x_file, y_file) = data
    expected = train((x, y), shuffle=False)
    for given in ((x_file, y), (x, y_file), (x_file, y.tolist())):
        same(train(given, shuffle=False), expected)


def test_evaluate_and_predict(data):
    (x, y), (x_file, y_file) = data
    model = network()
    expected = model.predict(x, verbose=0)
    np.testing.assert_array_equal(model.predict(x_file, verbose=0), expected)
    np.testing.assert_array_equal(model.predict(x_file, batch_size=50, steps=3, verbose=0), expected[:150])
    np.testing.assert_array_equal(model(x_file), expected)
    assert model.evaluate(x_file, y_file, verbose=0) == model.evaluate(x, y, verbose=0)
    kwargs = {"batch_size": 50, "steps": 3, "verbose": 0}
    assert model.evaluate(x_file, y_file, **kwargs) == model.evaluate(x, y, **kwargs)


def test_several_inputs(data):
    (x, y), (x_file, y_file) = data
    results = []
    for first, second, target in ((x, x, y), (x_file, x_file, y_file), (x, x_file, y_file)):
        cb.utils.set_random_seed(0)
        a, b = cb.Input((5,), name="a"), cb.Input((5,), name="b")
        model = cb.Model({"a": a, "b": b}, layers.Dense(2)(layers.Concatenate()([a, b])))
        model.compile("sgd", "mse")
        model.fit({"a": first, "b": second}, target, shuffle=False, verbose=0)
        results.append(model.get_weights())
    for other, k in itertools.product(results[1:], range(2)):
        np.testing.assert_array_equal(other[k], results[0][k])


@pytest.mark.parametrize("batch_size", [1, 32, 500])
def test_shuffling_visits_every_sample_once_in_another_order_each_time(batch_size, tmp_path):
    x = np.arange(SIZE * 5, dtype="float32").reshape(SIZE, 5)
    source = blocks.BlockSource(mapped(tmp_path / "x.npy", x), batch_size=batch_size, shuffle=True)
    model = network()
    model.build((None, 5))
    source.prepare(partial(inputs_alone, model))
    orders = []
    for _ in range(2):
        pieces = list(source.epoch())
        seen = np.concatenate([piece.data.inputs[0][piece.rows][:, 0] // 5 for piece in pieces]).astype(int)
        assert sorted(seen) == list(range(SIZE))
        assert all(piece.size % batch_size == 0 for piece in pieces[:-1])
        orders.append(seen.tolist())
    assert orders[0] != orders[1]
    assert orders[0] != sorted(orders[0])
    neighbours = np.abs(np.diff(orders[0])) == 1
    assert neighbours.mean() < 0.1


def test_the_same_seed_gives_the_same_order(data):
    same(train(data[1]), train(data[1]))


def test_a_number_that_is_not_finite_ends_training_where_it_is(data, tmp_path):
    (x, y), _ = data
    x = x.copy()
    x[777, 3] = np.nan
    file = mapped(tmp_path / "bad.npy", x)
    for shuffle in (False, True):
        model = network()
        with pytest.raises(ValueError, match=r"x must be finite, but got nan at index \(777, 3\)"):
            model.fit(file, y, batch_size=10, shuffle=shuffle, verbose=0)
        assert all(np.isfinite(weight).all() for weight in model.get_weights())
        assert shuffle or model.optimizer.iterations == 77
    for act in (lambda: model.evaluate(file, y, verbose=0), lambda: model.predict(file, verbose=0)):
        with pytest.raises(ValueError, match=r"nan at index \(777, 3\)"):
            act()


MISTAKES = {
    "width": (lambda m, x, y: m.fit(x[:, :2], y[:, :1]), "must have shape"),
    "length": (lambda m, x, y: m.fit(x, y[:5]), r"the same number of samples, but got \[1003, 5\]"),
    "no y": (lambda m, x, y: m.fit(x), "y is missing"),
    "split": (lambda m, x, y: m.fit(x, y, validation_split=0.9999), "leaves one part empty"),
    "weights": (lambda m, x, y: m.fit(x, y, sample_weight=np.ones(5)), "the same number of samples"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name, data):
    act, message = MISTAKES[name]
    model = network()
    model.build((None, 5))
    with pytest.raises(ValueError, match=message):
        act(model, *data[1])
    assert model.optimizer.iterations == 0


def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))


@pytest.mark.skipif("not __import__('pathlib').Path('/proc/self/status').exists()")
@pytest.mark.parametrize("shuffle", [False, True])
def test_resident_memory_does_not_grow_with_the_file(shuffle, tmp_path, monkeypatch):
    """400 MB of which each piece is 4 MB; the file is sparse, so that it costs no disk.

    What is allowed is for two pieces, their numbers as floats (16 MB for each thread), and what malloc keeps.
    """
    monkeypatch.setattr(blocks, "PIECE", 2**22)
    x = np.memmap(tmp_path / "x", np.uint8, "w+", shape=(400_000, 1000))
    y = np.zeros((400_000, 1), "float32")
    model = cb.Sequential([cb.Input((1000,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x[:5000], y[:5000], batch_size=500, verbose=0)
    peaks = []
    watch = cb.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: peaks.append(resident()))
    before = resident()
    model.fit(x, y, batch_size=500, shuffle=shuffle, callbacks=[watch], verbose=0)
    assert len(peaks) == 800
    assert max(peaks) - before < 100e6
    model.predict(x, verbose=0)
    assert resident() - before < 100e6
