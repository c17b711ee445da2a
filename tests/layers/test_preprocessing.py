"""Layers that prepare data."""

import json
import tracemalloc

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


def test_adapt_in_batches_is_adapt_at_once(rng):
    data = rng.normal(5, 3, size=(100, 4, 3))
    whole, parts = layers.Normalization(), layers.Normalization()
    whole.adapt(data)
    parts.adapt(iter([data[:7], data[7:60], data[60:]]))
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    np.testing.assert_allclose(whole.mean, data.mean(axis=(0, 1), keepdims=True), rtol=1e-6)
    y = whole(data)
    np.testing.assert_allclose(y.mean(axis=(0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(axis=(0, 1)), 1, rtol=1e-5)


def test_adapt_changes_models_that_are_there(rng):
    layer = layers.Normalization(axis=None)
    model = cb.Sequential([cb.Input((2,)), layer])
    x = rng.normal(3, 2, size=(50, 2))
    np.testing.assert_allclose(model.predict(x, verbose=0), x, rtol=1e-6)
    layer.adapt(x)
    np.testing.assert_allclose(model.predict(x, verbose=0), (x - x.mean()) / x.std(), rtol=1e-4, atol=1e-6)


def test_invert_undoes(rng):
    x = rng.normal(size=(5, 3))
    there = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0])
    back = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0], invert=True)
    np.testing.assert_allclose(back(there(x)), x, atol=1e-6)


def test_training_leaves_mean_and_variance_alone(rng):
    layer = layers.Normalization()
    layer.adapt(rng.normal(size=(20, 3)))
    before = layer.get_weights()
    model = cb.Sequential([cb.Input((3,)), layer, layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(rng.normal(size=(20, 3)), rng.normal(size=(20, 1)), verbose=0)
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_category_encoding():
    x = [[0, 2, 2], [1, 1, 0]]
    count = layers.CategoryEncoding(4, "count")
    np.testing.assert_array_equal(count(x), [[1, 0, 2, 0], [1, 2, 0, 0]])
    np.testing.assert_array_equal(layers.CategoryEncoding(4)(x), [[1, 0, 1, 0], [1, 1, 0, 0]])
    one_hot = layers.CategoryEncoding(4, "one_hot")(x)
    np.testing.assert_array_equal(one_hot, np.eye(4)[np.array(x)])


def test_masking():
    x = np.array([[[0, 0], [0, 1], [2, 0]]], float)
    np.testing.assert_array_equal(layers.Masking()(x), x)
    np.testing.assert_array_equal(layers.Masking(mask_value=0.0)(x + 0), x)
    np.testing.assert_array_equal(layers.Masking(1.0)(np.ones((1, 2, 3))), np.zeros((1, 2, 3)))


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: layers.Rescaling("a"), TypeError, "scale"),
        (lambda: layers.Rescaling(np.nan), ValueError, "scale must be finite"),
        (lambda: layers.Rescaling([1.0, 2.0])(cb.Input((3,))), ValueError, "does not fit"),
        (lambda: layers.Normalization(mean=1.0), ValueError, "both mean and variance"),
        (lambda: layers.Normalization(mean=[1.0, 2.0], variance=[1.0]), ValueError, "same shape"),
        (lambda: layers.Normalization(mean=0.0, variance=-1.0), ValueError, "negative"),
        (lambda: layers.Normalization(axis=0)(cb.Input((3,))), ValueError, "axis"),
        (lambda: layers.Normalization(axis=2)(cb.Input((3,))), ValueError, "axis"),
        (lambda: layers.Normalization(axis=(1, -1))(cb.Input((3,))), ValueError, "different axes"),
        (lambda: layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 1.0])(cb.Input((3,))), ValueError, "fit"),
        (lambda: layers.Normalization(mean=0.0, variance=1.0).adapt(np.ones((2, 2))), ValueError, "adapt"),
        (lambda: layers.Normalization().adapt([]), (TypeError, ValueError), "adapt"),
        (lambda: layers.Normalization().adapt(np.full((2, 2), np.nan)), ValueError, "finite"),
        (lambda: layers.CategoryEncoding(), ValueError, "num_tokens"),
        (lambda: layers.CategoryEncoding(3, "two_hot"), ValueError, "output_mode"),
        (lambda: layers.CategoryEncoding(3, sparse=True), ValueError, "sparse"),
        (lambda: layers.CategoryEncoding(3)([[3]]), ValueError, r"\[0, 3\)"),
        (lambda: layers.CategoryEncoding(3)([[0.5]]), ValueError, "whole"),
        (lambda: layers.Masking(None), TypeError, "mask_value"),
    ],
)
def test_mistakes(make, error, match):
    with pytest.raises(error, match=match):
        make()


# mean and variance of Normalization


@pytest.mark.parametrize(
    ("axis", "mean", "input_shape", "shape", "values"),
    [
        (-1, 5.0, (None, 7), (1, 7), np.full((1, 7), 5.0)),
        (None, 5.0, (None, 7), (1, 1), [[5.0]]),
        (2, np.arange(5.0), (None, 4, 5, 3), (1, 1, 5, 1), np.arange(5.0).reshape(1, 1, 5, 1)),
        ((1, 2), np.arange(5.0), (None, 7, 5, 3), (1, 7, 5, 1), np.tile(np.arange(5.0), (7, 1)).reshape(1, 7, 5, 1)),
        ((1, 2), [[1.0], [2.0]], (None, 2, 3), (1, 2, 3), [[[1.0] * 3, [2.0] * 3]]),
    ],
)
def test_given_mean_is_broadcast_as_in_keras(axis, mean, input_shape, shape, values):
    layer = layers.Normalization(axis, mean=mean, variance=np.ones_like(mean))
    assert layer.mean is None
    assert layer.variance is None
    layer.build(input_shape)
    assert layer.mean.shape == layer.variance.shape == shape
    np.testing.assert_array_equal(layer.mean, values)
    x = np.linspace(-1, 1, 2 * int(np.prod(input_shape[1:]))).reshape(2, *input_shape[1:])
    np.testing.assert_allclose(layer(x), x - np.asarray(values), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 4.0]),
        lambda: layers.Normalization(mean=(1, 2), variance=(1, 4)),
        lambda: layers.Normalization(mean=np.array([1.0, 2.0]), variance=np.array([1.0, 4.0])),
        lambda: layers.Normalization(mean=np.array([1.0, 2.0], "float32"), variance=np.array([1, 4])),
        lambda: layers.Normalization(mean=np.float32(3), variance=4, invert=True),
        lambda: layers.Normalization(axis=None, mean=np.array(3.0), variance=np.array(4.0)),
        lambda: layers.Rescaling(np.array([1.0, 2.0]), offset=[0, 1]),
        lambda: layers.Rescaling(2, np.float64(0.5)),
        lambda: layers.Discretization(np.array([0.0, 1.0])),
        lambda: layers.Discretization((0.0, 1.0), output_mode="count"),
        lambda: layers.CategoryEncoding(4, "one_hot"),
    ],
)
def test_made_from_its_own_config(make):
    layer = make()
    copied = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    assert copied.get_config() == layer.get_config()
    x = [[0.0, 1.0], [3.0, 2.0]]
    np.testing.assert_array_equal(copied(x), layer(x))
    model = cb.Sequential([cb.Input((2,)), make()])
    np.testing.assert_array_equal(cb.models.clone_model(model).predict(x, verbose=0), layer(x))


def test_arguments_are_copies():
    mean = np.array([1.0, 2.0])
    layer = layers.Normalization(mean=mean, variance=np.ones(2))
    mean[:] = 0
    np.testing.assert_array_equal(layer([[1.0, 2.0]]), [[0, 0]])


# Data for adapt

X = np.random.default_rng(0).normal(3, 2, (24, 3)).astype("float32")


class Dataset(cb.utils.PyDataset):
    """Batches of 8, with targets and weights or without."""

    def __init__(self, more=0):
        super().__init__()
        self.more = more

    def __len__(self):
        return 3

    def __getitem__(self, index):
        x = X[index * 8 : index * 8 + 8]
        return (x, *[np.zeros(8)] * self.more) if self.more else x


def sources():
    yield X
    yield X.tolist()
    yield [X[:8], X[8:24]]
    yield [(X[:8], np.zeros(8)), (X[8:], np.zeros(16))]
    yield (batch for batch in (X[:8], X[8:24]))
    yield ((batch, np.zeros(len(batch))) for batch in (X[:8], X[8:24]))
    yield iter([X[:23], X[23:]])
    yield from (Dataset(more) for more in (0, 1, 2))
    yield np.asfortranarray(X)


def test_adapt_takes_arrays_datasets_and_batches():
    for source in sources():
        layer = layers.Normalization()
        layer.adapt(source)
        np.testing.assert_allclose(layer.mean, X.mean(0, keepdims=True, dtype="float64"), rtol=1e-5)
        np.testing.assert_allclose(layer.variance, X.var(0, keepdims=True, dtype="float64"), rtol=1e-5)
    for source in sources():
        layer = layers.Discretization(num_bins=4)
        layer.adapt(source)
        np.testing.assert_allclose(layer.bin_boundaries, np.quantile(X, [0.25, 0.5, 0.75]), atol=0.2)


def test_adapt_of_a_large_view_costs_the_memory_of_a_part():
    windows = np.lib.stride_tricks.sliding_window_view(np.arange(2**17, dtype="float32"), 64)  # 32 MB
    layer = layers.Normalization()
    layer.adapt(windows[:1000])
    tracemalloc.start()
    try:
        layer.adapt(windows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**22
    np.testing.assert_allclose(layer.mean[0], windows.mean(0, dtype="float64"), rtol=1e-6)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([], ValueError, "empty iterable"),
        (iter([]), ValueError, "empty iterable"),
        (iter([42]), TypeError, "`.shape`"),
        (iter([X, X[:, :2]]), ValueError, "incompatible shape"),
        (iter([X, X * np.nan]), ValueError, "finite"),
        (X[:0], ValueError, "at least one sample"),
        (iter([np.array(["a"])]), TypeError, "real numbers"),
    ],
)
def test_adapt_refuses(data, error, message):
    with pytest.raises(error, match=message):
        layers.Normalization().adapt(data)


# CategoryEncoding on arrays


@pytest.mark.parametrize(
    ("mode", "x", "expected"),
    [
        ("count", [1, 2, 3, 1], [0, 2, 1, 1, 0]),
        ("multi_hot", [3, 2, 0, 1], [1, 1, 1, 1, 0]),
        ("one_hot", [3, 0], [[0, 0, 0, 1, 0], [1, 0, 0, 0, 0]]),
        ("one_hot", [4], [[0, 0, 0, 0, 1]]),
        ("one_hot", 2, [0, 0, 1, 0, 0]),
        ("count", 2, [0, 0, 1, 0, 0]),
        ("count", [[1, 1], [0, 2]], [[0, 2, 0, 0, 0], [1, 0, 1, 0, 0]]),
    ],
)
def test_category_encoding_without_a_batch_axis(mode, x, expected):
    y = layers.CategoryEncoding(5, mode)(np.array(x))
    assert y.shape == np.shape(expected)
    np.testing.assert_array_equal(y, expected)


def test_count_weights():
    layer = layers.CategoryEncoding(4, "count")
    x, weights = [[0, 1], [0, 0], [1, 2], [3, 1]], [[0.1, 0.2], [0.1, 0.1], [0.2, 0.3], [0.4, 0.2]]
    expected = [[0.1, 0.2, 0, 0], [0.2, 0, 0, 0], [0, 0.2, 0.3, 0], [0, 0.2, 0, 0.4]]
    np.testing.assert_allclose(layer(x, count_weights=weights), expected, rtol=1e-6)
    np.testing.assert_allclose(layer(x[0], count_weights=weights[0]), expected[0], rtol=1e-6)
    with pytest.raises(ValueError, match="is not used when"):
        layers.CategoryEncoding(4, "multi_hot")(x, count_weights=weights)
    with pytest.raises(ValueError, match=r"must have the shape of inputs, \(4, 2\), but got \(2,\)"):
        layer(x, count_weights=weights[0])
    with pytest.raises(TypeError, match="both arrays, or both symbolic"):
        layer(cb.Input((2,)), count_weights=weights)
    with pytest.raises(TypeError, match="both arrays, or both symbolic"):
        layer(x, count_weights=cb.Input((2,)))
    with pytest.raises(ValueError, match=r"must have the shape of inputs, \(None, 2\), but got \(None, 3\)"):
        layer(cb.Input((2,)), count_weights=cb.Input((3,)))
    with pytest.raises(ValueError, match="computes in float32, but its input"):
        layer(cb.Input((2,)), count_weights=cb.Input((2,), dtype="float64"))
    with pytest.raises(ValueError, match="but got 4"):
        layer([[4]], count_weights=[[1.0]])


@pytest.mark.parametrize(
    ("mode", "batch_shape", "expected"),
    [
        ("count", (4,), (6,)),
        ("multi_hot", (None,), (6,)),
        ("one_hot", (4,), (4, 6)),
        ("one_hot", (None,), (None, 6)),
        ("count", (4, 2), (4, 6)),
        ("one_hot", (4, 1), (4, 6)),
    ],
)
def test_category_encoding_of_symbolic_samples_without_axes(mode, batch_shape, expected):
    assert layers.CategoryEncoding(6, mode)(cb.Input(batch_shape=batch_shape, dtype="int32")).shape == expected
    assert layers.CategoryEncoding(6, mode).compute_output_shape(batch_shape) == expected
    assert layers.CategoryEncoding(6, mode).compute_output_shape(()) == (6,)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("open_sizes", [False, True])
def test_count_weights_in_a_model(engine, dtype, open_sizes):
    size = None if open_sizes else 3
    x, w = cb.Input((size,), dtype="int32", name="x"), cb.Input((size,), dtype=dtype, name="w")
    encoding = layers.CategoryEncoding(4, "count", dtype=dtype)
    scaled = layers.Rescaling(2.0, dtype=dtype)(w)
    model = cb.Model([x, w], encoding(x, count_weights=scaled))
    model.compile("sgd", "mse", engine=engine)
    numbers, weights = np.array([[0, 3, 3], [2, 1, 1]]), np.array([[1.0, 0.5, 0.25], [3.0, 1.0, 4.0]])
    expected = [[2.0, 0.0, 0.0, 1.5], [0.0, 10.0, 6.0, 0.0]]
    np.testing.assert_array_equal(model.predict([numbers, weights], verbose=0), expected)
    # mean of squares: dL/dy = y / 4, and each number's weight moves its count by 2
    gradients = model.gradients([numbers, weights], np.zeros((2, 4)), wrt="inputs")
    assert gradients[0] is None
    np.testing.assert_allclose(gradients[1], [[1.0, 0.75, 0.75], [3.0, 5.0, 5.0]], rtol=1e-6)
    copy = cb.models.clone_model(model)
    np.testing.assert_array_equal(copy.predict([numbers, weights], verbose=0), expected)
    with pytest.raises(ValueError, match=r"\[0, 4\)"):
        model.predict([numbers + 4, weights], verbose=0)


def test_a_single_sample_is_no_model():
    x = cb.Input((), dtype="int32")
    with pytest.raises(ValueError, match=r"\(6,\) for a sample"):
        cb.Model(x, layers.CategoryEncoding(6)(x)).predict(np.arange(4), verbose=0)


def test_samples_without_axes():
    x = cb.Input((), dtype="int32")
    model = cb.Model(x, layers.CategoryEncoding(4, "one_hot")(x))
    np.testing.assert_array_equal(model.predict(np.arange(4), verbose=0), np.eye(4))


def test_rescaling_of_channels_first():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype("float32")
    scale = [1.0, 2.0, 3.0]
    cb.config.set_image_data_format("channels_first")
    try:
        y = layers.Rescaling(scale)(x)
    finally:
        cb.config.set_image_data_format("channels_last")
    np.testing.assert_allclose(y, x * np.reshape(scale, (3, 1, 1)), rtol=1e-6)
    np.testing.assert_allclose(layers.Rescaling(scale)(x.transpose(0, 2, 3, 1)), y.transpose(0, 2, 3, 1), rtol=1e-6)
