"""Discretization: bins, what adapt finds, and mistakes."""

import copy
import json
import pickle
import tracemalloc

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.layers import discretization
from cbackprop.layers.order_statistics import at_ranks


def test_bins_and_their_encodings():
    x = [[-1.0, 0.0, 0.5, 1.0], [2.0, 9.0, -3.0, 1.5]]
    bins = [[0, 1, 1, 2], [3, 3, 0, 2]]
    limits = [0.0, 1.0, 2.0]
    np.testing.assert_array_equal(layers.Discretization(limits)(x), bins)
    one_hot, multi_hot, count = (
        layers.Discretization(limits, output_mode=mode)(x) for mode in ("one_hot", "multi_hot", "count")
    )
    np.testing.assert_array_equal(one_hot, np.eye(4)[np.array(bins)])
    np.testing.assert_array_equal(multi_hot, one_hot.max(axis=1))
    np.testing.assert_array_equal(count, one_hot.sum(axis=1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_boundary_belongs_to_the_bin_above_it(dtype):
    """Also one that the type rounds."""
    x = np.array([[0.1], [0.3], [np.nextafter(np.dtype(dtype).type(0.1), np.dtype(dtype).type(0))]], dtype)
    np.testing.assert_array_equal(layers.Discretization([0.1, 0.3], dtype=dtype)(x), [[1], [2], [0]])


def test_bins_are_looked_up():
    model = cb.Sequential(
        [cb.Input((2,)), layers.Discretization([0.0]), layers.Embedding(2, 3, embeddings_initializer="random_normal")]
    )
    table = model.get_weights()[0]
    np.testing.assert_array_equal(model.predict([[-1.0, 1.0]], verbose=0), [table[[0, 1]]])


def test_adapt_makes_bins_of_as_many_numbers(rng):
    data = rng.normal(size=(1000, 4))
    layer = layers.Discretization(num_bins=5, output_mode="count", epsilon=0.001)
    layer.adapt(data)
    counts = layer(data.reshape(1, -1))[0]
    assert counts.sum() == 4000
    np.testing.assert_allclose(counts, 800, atol=12)  # three times epsilon


def test_adapt_in_batches_stays_near_the_quantiles(rng):
    data = rng.exponential(size=20_000)
    layer = layers.Discretization(num_bins=4)
    layer.adapt(iter(np.split(data, 40)))
    shares = [(data < boundary).mean() for boundary in layer.bin_boundaries]
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.75], atol=0.03)  # three times epsilon
    first = layers.Discretization(num_bins=4)
    first.adapt(iter(np.split(data, 40)), steps=1)
    alone = layers.Discretization(num_bins=4)
    alone.adapt(data[:500])
    assert first.bin_boundaries == alone.bin_boundaries != layer.bin_boundaries


def test_adapt_changes_models_that_are_there(rng):
    layer = layers.Discretization(num_bins=2)
    model = cb.Sequential([cb.Input((1,)), layer])
    with pytest.raises(ValueError, match=r"has no boundaries yet: call its adapt"):
        model.predict([[1.0]], verbose=0)
    layer.adapt([0.0, 1.0, 2.0, 3.0])
    assert model.predict([[1.5]], verbose=0) == 1
    layer.adapt([10.0, 11.0, 12.0, 13.0])
    assert model.predict([[1.5]], verbose=0) == 0


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_training_without_boundaries_is_refused(engine):
    model = cb.Sequential([cb.Input((1,)), layers.Discretization(num_bins=2), layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"has no boundaries yet: call its adapt"):
        model.fit([[1.0]], [[1.0]], verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_fewer_numbers_than_bins():
    layer = layers.Discretization(num_bins=5)
    layer.adapt([3.0, 1.0])
    assert layer.bin_boundaries == [1.0]
    assert layer.compute_output_shape((None, 2)) == (None, 2)
    np.testing.assert_array_equal(layer([[0.0, 1.0, 1e30]]), [[0, 1, 1]])


def test_a_layer_in_use_keeps_its_width():
    early, late = (layers.Discretization(num_bins=5, output_mode="count") for _ in range(2))
    early(cb.Input((3,)))
    for layer, width in ((early, 5), (late, 2)):
        layer.adapt([3.0, 1.0])
        np.testing.assert_array_equal(layer([[0.0, 1.0, 1e30]]), [[1, 2, 0, 0, 0][:width]])
    early.adapt(np.arange(100.0))
    assert len(early.bin_boundaries) == 4
    with pytest.raises(ValueError, match="is in use with 2 bins, but the data has 5"):
        late.adapt(np.arange(100.0))
    assert late.bin_boundaries == [1.0]


def test_what_was_found_survives():
    layer = layers.Discretization(num_bins=3)
    layer.adapt([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    found = layer.bin_boundaries
    config = json.loads(json.dumps(layer.get_config()))
    again = layers.Discretization.from_config(config)
    for twin in (again, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert (twin.bin_boundaries, twin.num_bins) == (found, 3)
        twin.adapt([0.0, 100.0, 200.0])
        assert layer.bin_boundaries == found
    assert config["bin_boundaries"] == found


def test_a_model_in_a_file_keeps_its_bins(tmp_path):
    layer = layers.Discretization(num_bins=3, output_mode="one_hot")
    layer.adapt(np.arange(30.0))
    model = cb.Sequential([cb.Input((1,)), layer, layers.Dense(2)])
    model.save(tmp_path / "m.safetensors")
    x = [[3.0], [15.0], [29.0]]
    np.testing.assert_array_equal(
        cb.models.load_model(tmp_path / "m.safetensors").predict(x, verbose=0), model.predict(x, verbose=0)
    )


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
def test_copies_and_files_keep_bins_that_stay_empty(mode, tmp_path):
    layer = layers.Discretization(num_bins=5, output_mode=mode)
    model = cb.Sequential([cb.Input((1,)), layer, layers.Dense(2)])
    layer.adapt([1.0, 2.0, 3.0])
    model.save(tmp_path / "m.safetensors")
    cloned = cb.models.clone_model(model)
    cloned.set_weights(model.get_weights())
    for again in (cb.models.load_model(tmp_path / "m.safetensors"), cloned, copy.deepcopy(model)):
        twin = again.layers[0]
        assert (twin.bins, twin.bin_boundaries) == (5, [1.0, 2.0])
        x = [[0.0], [1.0], [3.0]]
        np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_the_number_of_bins_is_not_set_from_outside():
    """A layer with more bins than its output has room for would write beyond it."""
    layer = layers.Discretization(num_bins=100, output_mode="one_hot")
    layer.adapt([1.0, 2.0, 3.0])
    with pytest.raises(AttributeError):
        layer.bins = 100
    assert layer.bins == 3


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: layers.Discretization(), ValueError, "either bin_boundaries or num_bins, but got none"),
        (lambda: layers.Discretization([1.0], 3), ValueError, "either bin_boundaries or num_bins, but got both"),
        (lambda: layers.Discretization([1.0, 0.0]), ValueError, "in ascending order"),
        (lambda: layers.Discretization([np.nan]), ValueError, "finite numbers"),
        (lambda: layers.Discretization("abc"), TypeError, "bin_boundaries must be a list of numbers"),
        (lambda: layers.Discretization(num_bins=0), ValueError, "num_bins must be at least 1"),
        (lambda: layers.Discretization([1.0], epsilon=0), ValueError, "epsilon must be greater than 0"),
        (lambda: layers.Discretization([1.0], output_mode="binary"), ValueError, "output_mode must be one of"),
        (lambda: layers.Discretization([1.0], sparse=True), ValueError, "sparse must be False"),
        (lambda: layers.Discretization([1.0]).adapt([1.0]), ValueError, "nothing to adapt"),
        (lambda: layers.Discretization(num_bins=2).adapt([]), ValueError, "at least one sample"),
        (lambda: layers.Discretization(num_bins=2).adapt([np.inf]), ValueError, "finite"),
        (lambda: layers.Discretization(num_bins=2).adapt([1.0, -1e39]), ValueError, "fit into float32"),
        (lambda: layers.Discretization(num_bins=2).adapt(["a"]), TypeError, "must hold real numbers"),
        (lambda: layers.Discretization(num_bins=2).adapt([1.0], steps=0), ValueError, "steps must be at least 1"),
        (lambda: layers.Discretization(num_bins=2)([[1.0]]), ValueError, "has no boundaries yet"),
        (
            lambda: layers.Discretization([1.0], output_mode="count").compute_output_shape((3,)),
            ValueError,
            r"needs inputs \(batch, n, ...\)",
        ),
        (
            lambda: layers.Discretization.from_config({"num_bins": 3, "bin_boundaries": [2.0, 1.0]}),
            ValueError,
            "ascending",
        ),
        (lambda: layers.Discretization.from_config({"num_bins": 3, "bins": 4}), ValueError, "bins must be at least 3"),
    ],
)
def test_mistakes(make, error, match):
    with pytest.raises(error, match=match):
        make()


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("mode", ["multi_hot", "count"])
@pytest.mark.parametrize("shape", [(4,), (4, 3), (2, 3, 5), (3, 1)])
def test_several_axes(shape, mode, engine, rng):
    """As in Keras, the numbers along the first axis of a sample are encoded together."""
    x = rng.normal(size=(6, *shape))
    layer = layers.Discretization([-1.0, 0.0, 0.5], output_mode=mode)
    model = cb.Sequential([cb.Input(shape), layer])
    model.compile(engine=engine)
    indicators = np.digitize(x, [-1.0, 0.0, 0.5])[..., None] == np.arange(4)
    expected = indicators.sum(1) if mode == "count" else indicators.any(1)
    y = model.predict(x, verbose=0)
    assert y.shape == (6, *shape[1:], 4) == (6, *layer.compute_output_shape((None, *shape))[1:])
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_bins_are_whole_numbers(engine):
    layer = layers.Discretization([-0.5, 0, 0.1, 0.2, 3])
    x = np.array([[0.0, 0.15, 0.21, 0.3], [0.0, 0.17, 0.451, 7.8]])
    inputs = cb.Input((4,))
    model = cb.Model(inputs, [layer(inputs), layers.Rescaling(2.0)(layer(inputs))])
    model.compile(engine=engine)
    alone = cb.Sequential([cb.Input((4,)), layer])
    alone.compile(engine=engine)
    found = [layer(x), model(x)[0], model.predict(x, verbose=0)[0], alone(x), alone.predict(x, verbose=0)]
    found += [alone.predict_on_batch(x.astype("float32"))]
    for bins in found:
        assert bins.dtype == np.int64
        np.testing.assert_array_equal(bins, np.digitize(x, [-0.5, 0, 0.1, 0.2, 3]))
    assert model.predict(x, verbose=0)[1].dtype == np.float32
    assert layers.Discretization([0.0], output_mode="one_hot")(x).dtype == np.float32


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint8", "bool"])
def test_places_of_sorted_data_are_found_without_sorting(rng, dtype):
    values = (100 * rng.normal(size=(301, 7, 2))).astype(dtype)[::-1, 1:]
    ranks = np.array([0, 5, 5, 700, values.size - 2, values.size - 1])
    expected = np.sort(values, axis=None)[ranks].astype("float32")
    np.testing.assert_array_equal(at_ranks(values, ranks), expected)


@pytest.mark.parametrize(
    "values", [[0.0, -0.0, 1e-45, -1e-45], [np.inf, -np.inf, 3e38, -3e38], [1e300, -1e300, 1.0], [7.0]]
)
def test_extreme_numbers_are_in_order(values):
    array = np.array(values)
    with np.errstate(over="ignore"):
        expected = np.sort(array).astype("float32")
    np.testing.assert_array_equal(at_ranks(array, np.arange(len(values))), expected)


def test_adapt_of_a_large_view_costs_the_memory_of_a_part(rng, monkeypatch):
    base = rng.normal(size=2**17).astype("float32")
    windows = np.lib.stride_tricks.sliding_window_view(base, 64)  # 32 MB
    layer = layers.Discretization(num_bins=7)
    tracemalloc.start()
    try:
        layer.adapt(windows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4e6
    monkeypatch.setattr(discretization, "MOST_SORTED", windows.size)
    same = layers.Discretization(num_bins=7)
    same.adapt(windows)
    assert layer.bin_boundaries == same.bin_boundaries


def test_adapt_of_many_numbers_beyond_float32():
    with pytest.raises(ValueError, match=r"fit into float32, but got 1e\+300"):
        layers.Discretization(num_bins=2).adapt(np.broadcast_to([[1.0, -1e300]], (2**20, 2)))


@pytest.mark.parametrize("shape", [(7, 5), (2**20, 5), (7, 2**20)])
def test_numbers_that_a_broadcast_repeats(shape):
    """Boundaries are sorted once, so many numbers of data do not take longer to sort."""
    column = np.random.default_rng(0).normal(size=(7, 1))
    repeated = np.broadcast_to(column if shape[0] == 7 else column[:5, 0], shape)
    few = np.repeat(column[:, 0], 5) if shape[0] == 7 else np.tile(column[:5, 0], 7)
    expected, found = (layers.Discretization(num_bins=4, epsilon=0.001) for _ in range(2))
    expected.adapt(few)
    found.adapt(repeated)
    np.testing.assert_allclose(found.bin_boundaries, expected.bin_boundaries, rtol=0.2, atol=0.2)


def test_ranks_of_repeated_numbers_are_exact():
    from cbackprop.layers.discretization import summarized

    column = np.random.default_rng(1).normal(size=(300, 1)).astype("float32")
    repeated = np.broadcast_to(column, (300, 4))
    for epsilon in (0.01, 1e-6):
        np.testing.assert_array_equal(summarized(repeated, epsilon), summarized(repeated.copy(), epsilon))


def test_a_giant_broadcast_is_quick():
    layer = layers.Discretization(num_bins=3)
    layer.adapt(np.broadcast_to(np.float32([1.0, 2.0, 3.0, 4.0]), (2**31, 4)))
    assert len(layer.bin_boundaries) == 2
