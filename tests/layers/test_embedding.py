"""Embeddings: the layer, its checks of numbers, and steps over only those rows that a batch reads."""

import families
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.engine import row_updates

ROWS = 50


@pytest.fixture(params=["by rows", "dense"])
def by_rows(request, monkeypatch):
    """Whether every table counts as a large one."""
    monkeypatch.setattr(row_updates, "LARGEST_DENSE_TABLE", 0 if request.param == "by rows" else 2**20)
    return request.param == "by rows"


def shared():
    """A table that is read twice, another one, and weights of other layers."""
    a, b = cb.Input((3,), dtype="int32"), cb.Input((2,))
    table = layers.Embedding(ROWS, 5)
    h = layers.Concatenate(axis=1)([table(a), table(b)])
    h = layers.Flatten()(layers.Concatenate()([h, layers.Embedding(ROWS, 3)(layers.Concatenate()([a, b]))]))
    return cb.Model([a, b], layers.Dense(2)(layers.Dense(4, activation="tanh")(h)))


def data(n=100):
    rng = np.random.default_rng(4)
    ids = rng.integers(ROWS, size=(n, 5))
    return [ids[:, :3], ids[:, 3:].astype(float)], rng.normal(size=(n, 2))


OPTIMIZERS = {
    "sgd": lambda: cb.optimizers.SGD(0.5),
    "momentum": lambda: cb.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01),
    "adam": lambda: cb.optimizers.Adam(0.01),
    "clipnorm": lambda: cb.optimizers.SGD(0.5, clipnorm=0.01),
    "global": lambda: cb.optimizers.Adam(0.01, global_clipnorm=0.01),
    "clipvalue": lambda: cb.optimizers.SGD(0.5, clipvalue=0.001),
    "adagrad": lambda: cb.optimizers.Adagrad(0.1),
}


def trained(optimizer, engine="compiled", threads=1, dtype="float32"):
    cb.config.set_floatx(dtype)
    cb.config.set_num_threads(threads)
    cb.utils.set_random_seed(3)
    cb.utils.clear_session(free_memory=False)
    model = shared()
    x, y = data()
    model.compile(OPTIMIZERS[optimizer](), "mse", engine=engine)
    model.fit(x, y, batch_size=37, epochs=3, verbose=0)
    results = [*model.get_weights(), *model.gradients(x, y), model.predict(x, verbose=0)]
    cb.config.set_num_threads("auto")
    cb.config.set_floatx("float32")
    return results


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_engines_and_threads_agree(optimizer, by_rows, every_step_is_shared):
    first = trained(optimizer)
    for threads in (2, 3):
        for a, b in zip(first, trained(optimizer, threads=threads), strict=True):
            assert a.tobytes() == b.tobytes()
    exact = [trained(optimizer, engine, dtype="float64") for engine in ("compiled", "reference")]
    for a, b in zip(*exact, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "clipnorm", "global", "clipvalue", "adagrad"])
def test_steps_over_rows_are_the_dense_ones(optimizer, monkeypatch):
    """The steps are equal if weights without a gradient do not change, as in Adam's first step, hence one batch."""
    results = []
    for limit in (0, 2**20):
        monkeypatch.setattr(row_updates, "LARGEST_DENSE_TABLE", limit)
        monkeypatch.setattr(cb.optimizers.SGD, "rests_without_gradient", False)
        monkeypatch.setattr(cb.optimizers.Adagrad, "rests_without_gradient", False)
        cb.utils.set_random_seed(3)
        model = shared()
        model.compile(OPTIMIZERS[optimizer](), "mse")
        x, y = data()
        for _ in range(1 if optimizer == "global" else 5):
            model.train_on_batch(x, y)
        assert bool(model._engine.weights.tables) == (limit == 0)
        results.append([*model.get_weights(), *model.gradients(x, y)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("cls", families.stepping_optimizers().values())
def test_optimizers_that_rest_without_gradient_do(cls):
    for optimizer in (cls(), cls(weight_decay=0.1)):
        w = np.full((3, 2), 2.0)
        for gradient in (1.0, 0.5, 0.0):
            before = [w.copy(), *map(np.copy, [s for s in optimizer.slots.get(0, []) if s is not None])]
            optimizer.apply([np.full((3, 2), gradient)], [w])
        after = [w, *[s for s in optimizer.slots.get(0, []) if s is not None]]
        same = all((a == b).all() for a, b in zip(before, after, strict=True))
        assert same or not optimizer.rests_without_gradient


@pytest.mark.parametrize("settings", [{"use_ema": True}, {"gradient_accumulation_steps": 2}])
def test_what_is_made_of_all_rows_is_made_of_all_rows(settings, monkeypatch):
    results = []
    for limit in (0, 2**20):
        monkeypatch.setattr(row_updates, "LARGEST_DENSE_TABLE", limit)
        cb.utils.set_random_seed(3)
        model = shared()
        model.compile(cb.optimizers.Adam(0.01, **settings), "mse")
        model.fit(*data(), batch_size=10, verbose=0)
        results.append(model.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_rows_that_no_batch_reads_wait(monkeypatch):
    monkeypatch.setattr(row_updates, "LARGEST_DENSE_TABLE", 0)
    layer = layers.Embedding(10, 2)
    model = cb.Sequential([cb.Input((1,)), layer, layers.Flatten(), layers.Dense(1)])
    before = layer.get_weights()[0]
    model.compile(cb.optimizers.Adam(0.1, weight_decay=0.1), "mse")
    model.fit([[3], [5]], [[1.0], [2.0]], epochs=3, verbose=0)
    changed = (layer.get_weights()[0] != before).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [3, 5]


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_gradients(engine, rng):
    cb.utils.set_random_seed(1)
    model = shared()
    model.compile("sgd", "mse", engine=engine)
    x, y = data(4)
    report = model.check_gradients(x, y)
    assert report.max_relative_error < 1e-6, report


def test_numbers_are_checked_where_data_comes_in():
    model = shared()
    model.compile("sgd", "mse")
    (a, b), y = data()
    for wrong, match in ((ROWS, r"\[0, 50\), but got 50"), (-1, "but got -1"), (0.5, "whole numbers, but got 0.5")):
        for place in (0, 1):
            x = [a.astype(float), b.astype(float)]
            x[place][7, 1] = wrong
            for call in (model.fit, model.evaluate, model.gradients):
                with pytest.raises(ValueError, match=match):
                    call(x, y)
            with pytest.raises(ValueError, match=match):
                model.predict(x)
    single = cb.Sequential([cb.Input((2,)), layers.Embedding(4, 2)])
    single.predict(np.ones((3, 2), np.float32), verbose=0)
    with pytest.raises(ValueError, match="but got 4"):
        single.predict(np.full((3, 2), 4, np.float32), verbose=0)


@pytest.mark.parametrize("value", [-1e30, -1, 2.9, 1e30, 6e8])
def test_numbers_that_a_layer_computes_stay_in_the_table(value):
    layer = layers.Embedding(3, 1, weights=[[10.0], [11.0], [12.0]])
    model = cb.Sequential([cb.Input((1,)), layers.Rescaling(0.0, offset=value), layer])
    for engine_name in ("compiled", "reference"):
        model.compile("sgd", "mse", engine=engine_name)
        assert model.predict([[1.0]], verbose=0).item() == (10 if value < 0 else 12)


def test_input_of_whole_numbers():
    x = cb.Input((2,), dtype="int32")
    assert x.dtype == "int32"
    model = cb.Model(x, layers.Dense(1)(layers.Dense(3)(x)))
    assert model.dtype == "float32"
    assert model.predict(np.array([[1, 2]]), verbose=0).dtype == np.float32
    with pytest.raises(ValueError, match="whole numbers"):
        model.predict([[0.5, 1.0]])
    again = cb.Model.from_config(model.get_config())
    assert again.inputs[0].dtype == "int32"
    with pytest.raises(ValueError, match="dtype"):
        cb.Input((2,), dtype="complex64")


def test_a_step_costs_what_its_rows_cost():
    """The arrays of a batch of 8 numbers have at most 8 rows, for tables of any size."""
    model = cb.Sequential([cb.Input((2,)), layers.Embedding(100_000, 12), layers.Flatten(), layers.Dense(1)])
    model.compile("adam", "mse")
    model.train_on_batch(np.arange(8).reshape(4, 2), np.ones((4, 1)))
    (table,) = model._engine.weights.tables.values()
    assert (table.rows, table.capacity) == (100_000, 8)
    assert len(model._engine.segments()) == 1


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: layers.Embedding(0, 2), ValueError, "input_dim"),
        (lambda: layers.Embedding(2.0, 2), TypeError, "input_dim"),
        (lambda: layers.Embedding(2**24 + 1, 2), ValueError, "input_dim"),
        (lambda: layers.Embedding(2, 0), ValueError, "output_dim"),
        (lambda: layers.Embedding(2, 2, mask_zero=1), TypeError, "mask_zero must be True or False, but got 1"),
        (lambda: layers.Embedding(2, 2, weights=np.ones((3, 2))), ValueError, "shape"),
        (lambda: layers.Embedding(2, 2, lora_rank=4), TypeError, "lora_rank"),
    ],
)
def test_mistakes(make, error, match):
    with pytest.raises(error, match=match):
        make()
