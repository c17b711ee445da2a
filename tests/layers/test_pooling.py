"""Pooling: values by hand, ties and NaN, windows of all kinds against the NumPy twin, masks, and bad input."""

from __future__ import annotations

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

NAMES = [f"{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)]
ADAPTIVE = [f"Adaptive{name}" for name in NAMES]
GLOBAL = [f"Global{name}" for name in NAMES]
# Enough for one vector and a rest, several vectors, a few.
CHANNELS = (1, 2, 3, 5, 6, 7, 8, 9, 15, 16, 17, 32, 40)


def deltas(layer, x, out, engine="compiled", beside=False):
    """The output for x, and dL/dx for dL/doutput = out, from the changes in a step; with `beside`, 1 is added."""
    factors = layers.PReLU("ones")
    inputs = cb.Input(x.shape[1:])
    scaled = factors(inputs)
    y = layers.Flatten()(layer(scaled))
    parts = [layers.Flatten()(scaled), y] if beside else [y]
    model = cb.Model(inputs, layers.Concatenate()(parts) if beside else y)
    model.compile(cb.optimizers.SGD(1.0), "mse", engine=engine)
    found = model.predict(x, verbose=0)
    slopes = np.concatenate([np.ones((len(x), x[0].size)), out.reshape(len(x), -1)], axis=1)[:, -found.shape[1] :]
    # of the mean of squares: 2 (found - target) / size
    model.train_on_batch(x, found - slopes * found.size / 2)
    return found[:, -y.shape[1] :], (1 - factors.alpha.numpy()) / x.sum(axis=0)


def random_layer(rng):
    """A layer, and the shape of its input."""
    rank = int(rng.integers(1, 4))
    most = (40, 12, 6)[rank - 1]
    sizes = rng.integers(1, most, rank)
    pool = rng.integers(1, (9, 5, 4)[rank - 1], rank)
    padding = str(rng.choice(["valid", "same"]))
    pool = np.minimum(pool, sizes) if padding == "valid" else pool
    kind = str(rng.choice(["Max", "Average"]))
    shape = (*map(int, sizes), int(rng.choice(CHANNELS)))
    way = rng.integers(4)
    if way == 0:
        parts = tuple(map(int, rng.integers(1, 9, rank)))
        return lambda: getattr(layers, f"Adaptive{kind}Pooling{rank}D")(parts), shape
    if way == 1:
        return lambda: getattr(layers, f"Global{kind}Pooling{rank}D")(), shape
    strides = tuple(map(int, rng.integers(1, 5, rank)))
    return lambda: getattr(layers, f"{kind}Pooling{rank}D")(tuple(map(int, pool)), strides, padding), shape


@pytest.mark.parametrize("seed", range(60))
def test_random_windows_against_the_twin(seed):
    rng = np.random.default_rng(seed)
    make, shape = random_layer(rng)
    dtype = "float64" if seed % 3 == 0 else "float32"
    cb.config.set_floatx(dtype)
    x = -rng.integers(1, 5, (1, *shape)).astype(dtype) if seed % 2 else -rng.uniform(0.1, 1, (1, *shape)).astype(dtype)
    out = rng.normal(size=(1, *make().compute_output_shape((None, *shape))[1:])).astype(dtype)
    found, expected = (deltas(make(), x, out, engine, seed % 4 > 1) for engine in ("compiled", "reference"))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=3e-4 if dtype == "float32" else 1e-10)


@pytest.mark.parametrize(("pool", "strides"), [(2, 2), (2, 1), (3, 2), (17, 1), (17, 17)])
def test_the_first_maximum_gets_the_gradient(pool, strides):
    """Also where several windows share it, or a byte does not hold its place."""
    x = -np.ones((1, 34, 34, 3), np.float32)
    layer = layers.MaxPooling2D(pool, strides)
    out = np.ones((1, *layer.compute_output_shape((None, 34, 34, 3))[1:]), np.float32)
    _, dx = deltas(layer, x, out)
    corners = np.zeros((34, 34), bool)
    corners[: 34 - pool + 1 : strides, : 34 - pool + 1 : strides] = True
    np.testing.assert_allclose(dx, np.repeat(corners[:, :, None], 3, axis=2), atol=2e-3)


def test_all_maxima_of_a_sample_share_the_gradient():
    x = -np.array([[[1.0, 2.0], [1.0, 3.0], [4.0, 3.0], [1.0, 2.0]]], np.float32)
    _, dx = deltas(layers.GlobalMaxPooling1D(), x, np.array([[3.0, 4.0]], np.float32))
    np.testing.assert_allclose(dx, [[1, 2], [1, 0], [0, 0], [1, 2]], atol=1e-5)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("make", [lambda: layers.MaxPooling1D(3), lambda: layers.GlobalMaxPooling1D()])
@pytest.mark.parametrize("place", range(6))
def test_nan_is_larger_than_all_numbers(make, channels, place):
    """Arrays with NaN are refused; but it may come from a computation."""
    x = np.ones((1, 6, channels), np.float32)
    x[0, 1] = 4
    x[0, place, -1] = -1
    inputs = cb.Input((6, channels))
    roots = layers.Power(0.5)(inputs)
    model = cb.Model(inputs, make()(roots))
    found = model.predict(x, verbose=0).reshape(1, -1, channels)
    with np.errstate(invalid="ignore"):
        pieces = np.sqrt(x).reshape(1, found.shape[1], -1, channels)
    np.testing.assert_array_equal(found, pieces.max(axis=2))


def test_padding_counts_in_no_mean():
    x = np.arange(1.0, 8).reshape(1, 7, 1)
    assert layers.AveragePooling1D(4, 3, "same")(x).ravel().tolist() == [2.0, 4.5, 6.5]
    assert layers.AveragePooling1D(5, 2, "same")(x).ravel().tolist() == [2.0, 3.0, 5.0, 6.0]


def test_more_parts_than_elements():
    x = np.array([1.0, 2.0]).reshape(1, 2, 1)
    assert layers.AdaptiveMaxPooling1D(5)(x).ravel().tolist() == [1.0, 1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("name", GLOBAL)
def test_keepdims(name):
    rank = int(name[-2])
    x = np.random.default_rng(0).normal(size=(2, *(3, 4, 5)[:rank], 2))
    flat, kept = (getattr(layers, name)(keepdims=keep)(x) for keep in (False, True))
    assert kept.shape == (2, *(1,) * rank, 2)
    np.testing.assert_array_equal(flat, kept.reshape(2, 2))
    moved = np.moveaxis(x, -1, 1)
    first = getattr(layers, name)("channels_first", keepdims=True)(moved)
    assert first.shape == (2, 2, *(1,) * rank)
    np.testing.assert_array_equal(first.reshape(2, 2), flat)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_mask(engine):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 5, 3)).astype(np.float32)
    x[0, 2:] = 0
    x[1, 0] = 0
    x[2] = 0
    model = cb.Sequential([cb.Input((5, 3)), layers.Masking(), layers.GlobalAveragePooling1D()])
    model.compile("sgd", "mse", engine=engine)
    found = model.predict(x, verbose=0)
    np.testing.assert_allclose(found[0], x[0, :2].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found[1], x[1, 1:].mean(axis=0), rtol=1e-6)
    assert np.isnan(found[2]).all()
    np.testing.assert_allclose(found[3], x[3].mean(axis=0), rtol=1e-6)


def test_the_mask_by_position():
    x = np.arange(6.0).reshape(1, 3, 2)
    mask = np.array([[True, False, True]])
    layer = layers.GlobalAveragePooling1D()
    np.testing.assert_array_equal(layer(x, mask), [[2, 3]])
    np.testing.assert_array_equal(layer(x, mask), layer(x, mask=mask))
    inputs, steps = cb.Input((3, 2)), cb.Input((3,))
    model = cb.Model([inputs, steps], layer(inputs, steps))
    np.testing.assert_array_equal(model.predict([x, mask.astype(float)], verbose=0), [[2, 3]])


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_the_mask_of_the_steps_where_channels_come_first(engine):
    rng = np.random.default_rng(0)
    x, mask = rng.normal(size=(2, 3, 4)).astype(np.float32), np.array([[1, 1, 0, 0], [1, 0, 1, 1]])
    layer = layers.GlobalAveragePooling1D("channels_first")
    expected = layers.GlobalAveragePooling1D()(x.transpose(0, 2, 1), mask=mask)
    np.testing.assert_array_equal(layer(x, mask=mask), expected)
    inputs, steps = cb.Input((3, 4)), cb.Input((4,))
    model = cb.Model([inputs, steps], layers.Dense(2)(layer(inputs, mask=steps)))
    model.compile("sgd", "mse", engine=engine)
    model.layers[-1].set_weights([np.eye(3, 2), np.zeros(2)])
    np.testing.assert_allclose(model.predict([x, mask.astype(float)], verbose=0), expected[:, :2], rtol=1e-6)
    assert model.check_gradients([x, mask.astype(float)], np.ones((2, 2))).max_relative_error < 1e-6
    with pytest.raises(ValueError, match=r"mask .* shape \(2, 4\), but has shape \(2, 3\)"):
        layer(x, mask=np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"mask .* shape \(None, 4\), but has shape \(None, 3\)"):
        layer(inputs, mask=cb.Input((3,)))


def test_gradient_with_a_mask():
    x = np.random.default_rng(0).normal(size=(6, 5, 3)).astype(np.float32)
    x[:, 3] = 0
    hidden = cb.Input((5, 3))
    h = layers.Dense(4, "tanh")(layers.Masking()(hidden))
    model = cb.Model(hidden, layers.Dense(1)(layers.GlobalAveragePooling1D()(h)))
    model.compile("sgd", "mse")
    assert model.check_gradients(x, np.ones((6, 1))).max_relative_error < 1e-6


def test_a_mask_of_something_else_is_refused():
    model = cb.Sequential([cb.Input((3, 7)), layers.Masking(), layers.GlobalAveragePooling1D("channels_first")])
    with pytest.raises(ValueError, match="needs a mask of 7 steps"):
        model.predict(np.ones((1, 3, 7)), verbose=0)


def test_unknown_sizes():
    x = cb.Input((None, None, 3))
    model = cb.Model(x, layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(x)))
    for size in (4, 9):
        images = np.random.default_rng(size).normal(size=(2, size, size + 1, 3)).astype(np.float32)
        pooled = layers.MaxPooling2D()(images)
        np.testing.assert_allclose(model.predict(images, verbose=0), pooled.mean(axis=(1, 2)), rtol=1e-5, atol=1e-6)
    assert layers.MaxPooling2D(2)(x).shape == (None, None, None, 3)
    assert layers.AdaptiveMaxPooling2D(2)(x).shape == (None, 2, 2, 3)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        (f"{short}{rank}D", f"{long}{rank}D")
        for rank in (1, 2, 3)
        for short, long in (
            ("MaxPool", "MaxPooling"),
            ("AvgPool", "AveragePooling"),
            ("GlobalMaxPool", "GlobalMaxPooling"),
            ("GlobalAvgPool", "GlobalAveragePooling"),
        )
    ],
)
def test_aliases(alias, name):
    assert getattr(layers, alias) is getattr(layers, name)
    config = {} if name.startswith("Global") else {"pool_size": 2}
    assert type(layers.deserialize({"class_name": alias, "config": config})).__name__ == name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"pool_size": 0}, ValueError, "pool_size must be at least 1"),
        ({"pool_size": -1}, ValueError, "pool_size"),
        ({"pool_size": True}, TypeError, "pool_size"),
        ({"pool_size": 1.5}, TypeError, "pool_size"),
        ({"pool_size": "2"}, TypeError, "pool_size"),
        ({"pool_size": (2,) * 4}, ValueError, "pool_size"),
        ({"strides": 0}, ValueError, "strides must be at least 1"),
        ({"strides": [0]}, ValueError, "strides"),
        ({"padding": "full"}, ValueError, "padding must be one of 'valid', 'same'"),
        ({"padding": None}, TypeError, "padding"),
        ({"data_format": "last"}, ValueError, "data_format"),
        ({"units": 3}, TypeError, "units"),
    ],
)
def test_bad_arguments(name, arguments, error, message):
    with pytest.raises(error, match=message):
        getattr(layers, name)(**{"pool_size": 2} | arguments)


@pytest.mark.parametrize("name", [*NAMES, *ADAPTIVE, *GLOBAL])
def test_wrong_rank(name):
    rank = int(name[-2])
    layer = getattr(layers, name)() if name in GLOBAL else getattr(layers, name)(2)
    for axes in {1, 2, 3, 4, 5} - {rank + 1}:
        with pytest.raises(ValueError, match=f"needs inputs of {rank + 2} axes"):
            layer(np.ones((1, *(4,) * axes)))


def test_windows_that_do_not_fit():
    with pytest.raises(ValueError, match="do not fit into inputs of"):
        layers.MaxPooling2D(3)(np.ones((1, 5, 2, 1)))
    assert layers.MaxPooling2D(3, padding="same")(np.ones((1, 5, 2, 1))).shape == (1, 2, 1, 1)


@pytest.mark.parametrize("size", [2**31, 2**62, 2**63 - 1])
def test_windows_that_are_huge(size):
    x = np.arange(5.0).reshape(1, 5, 1)
    assert layers.MaxPooling1D(size, padding="same")(x).ravel().tolist() == [4.0]
    assert layers.AveragePooling1D(2, size, "same")(x).shape == (1, 1, 1)
    with pytest.raises(ValueError, match="do not fit"):
        layers.MaxPooling1D(size)(x)


def test_too_many_parts():
    with pytest.raises(ValueError, match="2\\*\\*48"):
        layers.AdaptiveMaxPooling2D(2**30)(cb.Input((4, 4, 1)))
