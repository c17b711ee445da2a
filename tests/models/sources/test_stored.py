"""Inputs that keep their type, and are converted to the network's type batch by batch."""

import tracemalloc

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.models import inputs

ENGINES = ["compiled", "reference"]
INTEGERS = ["int8", "uint8", "int16", "uint16"]
KEPT = [*INTEGERS, "float16", "bool"]
ALL = [*KEPT, "int32", "int64", "uint32", "float32", "float64", ">f4", ">i2"]


def network(engine="compiled", dtype="float32", dropout=False):
    cb.config.set_floatx(dtype)
    cb.utils.set_random_seed(3)
    first = [layers.Dropout(0.2)] if dropout else []
    model = cb.Sequential([cb.Input((37,)), *first, layers.Dense(19, activation="tanh"), layers.Dense(2)])
    model.compile(cb.optimizers.SGD(0.01), "mse", engine=engine)
    return model


def stored(dtype, rng, shape=(300, 37)):
    kind = np.dtype(dtype).kind
    if kind in "iub":
        high = 2 if kind == "b" else 100
        return rng.integers(0 if kind in "ub" else -100, high, size=shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def results(model, x, y, **kwargs):
    """Everything that comes out of a model."""
    model.fit(x, y, epochs=2, verbose=0, **kwargs)
    return [*model.get_weights(), np.array(model.evaluate(x, y, verbose=0)), model.predict(x, verbose=0), model(x[:3])]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("floatx", ["float32", "float64"])
@pytest.mark.parametrize("dtype", ALL)
def test_the_bits_are_those_of_converted_arrays(dtype, floatx, large, rng, monkeypatch):
    """Whole batches, shuffled and not, and batches that pass in tiles."""
    if large:
        monkeypatch.setattr(inputs, "LARGE", 0)
    x, y = stored(dtype, rng), rng.normal(size=(300, 2))
    for kwargs in ({"shuffle": False}, {"shuffle": True}, {"batch_size": 300}):
        found = results(network(dtype=floatx), x, y, **kwargs)
        expected = results(network(dtype=floatx), x.astype(floatx), y, **kwargs)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", KEPT)
def test_the_twin_takes_them_too(dtype, rng):
    x, y = stored(dtype, rng), rng.normal(size=(300, 2))
    if dtype in INTEGERS:
        x //= 30  # so that tanh is not saturated
    for a, b in zip(results(network("reference"), x, y), results(network("compiled"), x, y), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("batch_size", [32, 300])
def test_the_same_bits_on_any_number_of_threads(batch_size, rng, every_step_is_shared):
    x, y = stored("uint8", rng), rng.normal(size=(300, 2))
    found = []
    for threads in (1, 2, 3):
        with cb.config.num_threads(threads):
            found.append(results(network(dropout=True), x, y, batch_size=batch_size))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_every_half():
    """All 65,536 numbers; those that are not finite have been refused before."""
    x = np.arange(65536, dtype=np.uint16).view(np.float16)
    x = x[np.isfinite(x)].reshape(-1, 1)
    model = cb.Sequential([cb.Input((1,)), layers.Activation("linear")])
    np.testing.assert_array_equal(model.predict(x, verbose=0), x.astype(np.float32))


@pytest.mark.parametrize("dtype", ["uint8", "float16", "int16"])
def test_they_are_not_copied(dtype, rng):
    x = stored(dtype, rng, (200_000, 37))
    y = np.zeros((200_000, 2), "float32")
    model = network()
    model.fit(x[:100], y[:100], verbose=0)
    tracemalloc.start()
    for act in (
        lambda: model.fit(x, y, batch_size=1000, verbose=0),
        lambda: model.evaluate(x, y, batch_size=1000, verbose=0),
        lambda: model.predict(x, verbose=0),
    ):
        tracemalloc.reset_peak()
        act()
        assert tracemalloc.get_traced_memory()[1] < x.size * 2
    tracemalloc.stop()


def classifier_of_images(first):
    cb.utils.set_random_seed(3)
    model = cb.Sequential([cb.Input((8, 8, 1)), *first, layers.Flatten(), layers.Dense(5, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def test_images_are_scaled_by_the_first_layer(rng):
    """The bits are the same as for images that were scaled before, but no array of this size is made."""
    x, y = rng.integers(0, 256, (100_000, 8, 8, 1)).astype("uint8"), rng.integers(5, size=100_000)
    model = classifier_of_images([layers.Rescaling(1 / 256)])
    model.fit(x[:100], y[:100], verbose=0)
    other = classifier_of_images([])
    other.fit(x[:100] / np.float32(256), y[:100], verbose=0)
    tracemalloc.start()
    model.fit(x, y, batch_size=500, shuffle=False, verbose=0)
    predictions = model.predict(x, verbose=0)
    assert tracemalloc.get_traced_memory()[1] < x.size * 2
    tracemalloc.stop()
    scaled = x / np.float32(256)
    other.fit(scaled, y, batch_size=500, shuffle=False, verbose=0)
    np.testing.assert_array_equal(predictions, other.predict(scaled, verbose=0))
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_large_array_of_another_float_type_is_not_copied(rng, monkeypatch):
    x, y = rng.normal(size=(20_000, 37)), np.zeros((20_000, 2), "float32")
    model = network()
    model.fit(x[:100], y[:100], verbose=0)
    peaks = []
    for limit in (inputs.LARGE, 1000):
        monkeypatch.setattr(inputs, "LARGE", limit)
        tracemalloc.start()
        model.evaluate(x, y, verbose=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] > x.size * 4
    assert peaks[1] < x.size * 2


def test_arrays_that_are_not_contiguous(rng):
    x, y = stored("uint8", rng, (37, 300)).T, rng.normal(size=(300, 2))
    for array in (x, x[::-1], np.repeat(x, 2, axis=1)[:, ::2]):
        found = results(network(), array, y, shuffle=False)
        for a, b in zip(found, results(network(), array.astype("float32"), y, shuffle=False), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        ("float64", np.nan, r"x must be finite, but got nan at index \(7, 5\)"),
        ("float64", -1e300, r"x as float32 must be finite, but got -inf at index \(7, 5\)"),
        ("float32", np.inf, r"x must be finite, but got inf at index \(7, 5\)"),
        ("float16", np.nan, r"x must be finite, but got nan at index \(7, 5\)"),
        ("float16", -np.inf, r"x must be finite, but got -inf at index \(7, 5\)"),
    ],
)
def test_what_is_not_finite_is_found(dtype, value, message, method, large, rng, monkeypatch):
    if large:
        monkeypatch.setattr(inputs, "LARGE", 0)
    x, y = stored(dtype, rng), rng.normal(size=(300, 2))
    x[7, 5] = value
    for engine in ENGINES:
        model = network(engine)
        before = model.get_weights()
        with pytest.raises(ValueError, match=message):
            getattr(model, method)(*((x,) if method == "predict" else (x, y)), verbose=0)
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_predictions_are_checked_in_every_thread(rng, every_step_is_shared):
    with cb.config.num_threads(3):
        model = network()
        for row in (0, 150, 299):
            x = stored("float32", rng)
            x[row, 36] = np.nan
            with pytest.raises(ValueError, match=rf"got nan at index \({row}, 36\)"):
                model.predict(x, verbose=0)
        assert np.isfinite(model.predict(stored("float32", rng), verbose=0)).all()
