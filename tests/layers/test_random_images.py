"""Layers that change images at random in training."""

import numpy as np
import pytest
from layer_checks import outputs

import cbackprop as cb
from cbackprop import layers
from cbackprop.reference import affine

COUNT = 400
# Ways to make each layer for images of 4 x 5 x 2 between 0 and 1.
MAKERS = {
    "RandomFlip": lambda **more: layers.RandomFlip(**more),
    "RandomCrop": lambda **more: layers.RandomCrop(2, 3, **more),
    "RandomTranslation": lambda **more: layers.RandomTranslation(0.5, 0.5, **more),
    "RandomRotation": lambda **more: layers.RandomRotation(0.5, **more),
    "RandomZoom": lambda **more: layers.RandomZoom(0.5, **more),
    "RandomShear": lambda **more: layers.RandomShear(0.5, 0.5, **more),
    "RandomBrightness": lambda **more: layers.RandomBrightness(0.5, (0, 1), **more),
    "RandomContrast": lambda **more: layers.RandomContrast(0.5, (0, 1), **more),
}
EACH = pytest.mark.parametrize("name", MAKERS)
AFFINE = [name for name in MAKERS if hasattr(MAKERS[name](), "fill_mode")]


def images(rng, count=COUNT, shape=(4, 5, 2)):
    return rng.uniform(size=(count, *shape)).astype("float32")


def both(layer, x, training=True):
    """The output, on which both engines agree."""
    found = [outputs(layer, [x], training, engine) for engine in ("compiled", "reference")]
    np.testing.assert_allclose(*found, rtol=0, atol=2e-6 * np.abs(x).max())
    return found[0]


# Tests of all of them


@EACH
def test_seed_selects_the_numbers(name, rng):
    x = images(rng)
    first, same, other = (both(MAKERS[name](seed=seed), x) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


@EACH
def test_samples_differ_but_for_crops(name, rng):
    """The same image many times: a flip has two outcomes, anything else one for each sample."""
    x = np.repeat(images(rng, 1), COUNT, axis=0)
    found = len(np.unique(both(MAKERS[name](seed=1), x).reshape(COUNT, -1), axis=0))
    assert found == {"RandomFlip": 2, "RandomCrop": 1}.get(name, COUNT)


@EACH
@pytest.mark.parametrize("size", [1, 13, 150])
def test_numbers_follow_the_place_in_the_data(name, size, rng):
    """Whatever the rest of the data is, and the size of batches."""
    x = images(rng)
    whole = both(MAKERS[name](seed=5), x)
    np.testing.assert_array_equal(both(MAKERS[name](seed=5), x[:size]), whole[:size])
    model = cb.Sequential([cb.Input(x.shape[1:]), MAKERS[name](seed=5)])
    np.testing.assert_array_equal(model(x, training=True), whole)


@EACH
def test_each_step_draws_again(name, rng):
    """With the identity as the rest of the net, the loss of the same data differs from step to step."""
    x = images(rng, 8)
    layer = MAKERS[name](seed=3)
    model = cb.Sequential([cb.Input(x.shape[1:]), layer, layers.Flatten(), layers.Dense(1)])
    model.compile(cb.optimizers.SGD(0.0), "mse")
    losses = [model.train_on_batch(x, np.zeros((8, 1))) for _ in range(30)]
    assert len(set(losses)) > (1 if name in ("RandomCrop", "RandomFlip") else 25)


@EACH
def test_nothing_happens_outside_of_training(name, rng):
    x = images(rng, 5)
    if name != "RandomCrop":
        np.testing.assert_array_equal(both(MAKERS[name](), x, training=False), x)
    model = cb.Sequential([cb.Input(x.shape[1:]), MAKERS[name]()])
    np.testing.assert_array_equal(model.predict(x, verbose=0), MAKERS[name]()(x, training=False))


@EACH
def test_calls_on_arrays_are_training(name, rng):
    """As in Keras; within a model it is the run that decides."""
    x = images(rng, 40)
    found = MAKERS[name](seed=4)(x)
    np.testing.assert_array_equal(found, MAKERS[name](seed=4)(x, training=True))
    assert found.shape != x.shape or (found != x).any()
    model = cb.Sequential([cb.Input(x.shape[1:]), MAKERS[name](seed=4)])
    np.testing.assert_array_equal(model(x), model.predict(x, verbose=0))


@EACH
def test_each_call_on_arrays_draws_again(name, rng):
    x = images(rng, 8)
    layer = MAKERS[name](seed=4)
    found = {layer(x).tobytes() for _ in range(30)}
    assert len(found) > {"RandomCrop": 4}.get(name, 20)


@EACH
def test_one_image(name, rng):
    x = images(rng, 1)
    for training in (False, True):
        one, batch = MAKERS[name](seed=1)(x[0], training=training), MAKERS[name](seed=1)(x, training=training)
        np.testing.assert_array_equal(one, batch[0])
        assert one.shape == MAKERS[name]().compute_output_shape((4, 5, 2))
    layer = MAKERS[name]()
    layer.build((4, 5, 2))
    assert layer(x[0]).shape == layer(x).shape[1:]


@EACH
def test_channels_first(name, rng):
    x = images(rng, 20)
    last = both(MAKERS[name](seed=1, data_format="channels_last"), x)
    first = MAKERS[name](seed=1, data_format="channels_first")
    node = 0 if name == "RandomBrightness" else 1  # the step that moves the axes comes before
    moved = both(first, np.moveaxis(x, 3, 1))
    assert first.compute_output_shape((None, 2, 4, 5)) == (None, *moved.shape[1:])
    if node == 0:
        np.testing.assert_array_equal(np.moveaxis(moved, 1, 3), last)
    assert moved.shape == (20, last.shape[3], *last.shape[1:3])


@EACH
def test_sizes_that_come_with_the_data(name, rng):
    layer = MAKERS[name](seed=1)
    model = cb.Sequential([cb.Input((None, None, 2)), layer])
    for shape in ((4, 5, 2), (7, 3, 2), (1, 9, 2)):
        x = images(rng, 6, shape)
        assert model.predict(x, verbose=0).shape == layer.compute_output_shape(x.shape)
        np.testing.assert_array_equal(model(x, training=False), MAKERS[name](seed=1)(x, training=False))


@EACH
@pytest.mark.parametrize("shape", [(4,), (4, 5), (2, 4, 5, 2)])
def test_other_inputs_than_images(name, shape):
    for batch in (None, 3):
        with pytest.raises(ValueError, match="needs inputs of 4 axes"):
            MAKERS[name]()(cb.Input(shape, batch_size=batch))


@EACH
def test_config(name):
    layer = MAKERS[name](seed=7, name="a", data_format="channels_first")
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    x = np.random.default_rng(1).uniform(size=(4, 3, 4, 5))
    np.testing.assert_array_equal(again(x), layer(x))


@EACH
@pytest.mark.parametrize("value", ["no", 2.5, True, -1, 2**32])
def test_bad_seed(name, value):
    with pytest.raises((TypeError, ValueError), match="seed must be"):
        MAKERS[name](seed=value)


# Flips


@pytest.mark.parametrize(
    ("mode", "axes"), [("horizontal", (2,)), ("vertical", (1,)), ("horizontal_and_vertical", (1, 2))]
)
def test_half_of_the_images_are_flipped(mode, axes, rng):
    x = images(rng, 4000, (3, 4, 2))
    y = both(layers.RandomFlip(mode, seed=2), x)
    flipped = (y == np.flip(x, axes)).all(axis=(1, 2, 3))
    assert (flipped ^ (y == x).all(axis=(1, 2, 3))).all()
    assert flipped.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(4000))  # five standard deviations


@pytest.mark.parametrize("value", ["diagonal", "", None, 1])
def test_bad_mode(value):
    with pytest.raises((TypeError, ValueError), match="mode must be one of 'horizontal', 'vertical'"):
        layers.RandomFlip(value)


# Crops


def test_every_place_is_taken(rng):
    """The window moves with the batch; all places come up about as often."""
    x = np.arange(20.0).reshape(1, 4, 5, 1)
    model = cb.Sequential([cb.Input((4, 5, 1)), layers.RandomCrop(2, 3, seed=1), layers.Flatten(), layers.Dense(1)])
    model.compile(cb.optimizers.SGD(0.0), "mse")
    model.set_weights([np.eye(6, 1), np.zeros(1)])
    corners = [np.sqrt(model.train_on_batch(x, np.zeros((1, 1)))) for _ in range(900)]
    places, counts = np.unique(np.round(corners), return_counts=True)
    assert places.tolist() == [0, 1, 2, 5, 6, 7, 10, 11, 12]
    assert np.abs(counts - 100).max() < 5 * np.sqrt(100)


def test_window(rng):
    x = images(rng, 3)
    y = both(layers.RandomCrop(2, 3, seed=1), x)
    places = [(i, j) for i in range(3) for j in range(3) if (x[:, i : i + 2, j : j + 3] == y).all()]
    assert len(places) == 1


@pytest.mark.parametrize(
    ("size", "window"), [((4, 5), np.s_[:, :, :]), ((4, 2), np.s_[:, :, 1:3]), ((2, 5), np.s_[:, 1:3, :])]
)
def test_middle(size, window, rng):
    """Where it has the right size, it is a part of the image, in training, too."""
    x = images(rng, 3)
    for training in (False, True):
        np.testing.assert_array_equal(both(layers.RandomCrop(*size), x, training), x[window])


RESIZED = [((2, 3), (0, 0, 3, 5)), ((1, 1), (0, 0, 4, 4)), ((9, 9), (0, 0, 4, 4)), ((8, 2), (0, 2, 4, 1))]


@pytest.mark.parametrize(("size", "window"), [*RESIZED, ((1, 50), (1, 0, 1, 5))])
def test_window_that_is_resized(size, window, rng):
    """The weights by which ONNX files describe it give the same images."""
    x = images(rng, 3)
    layer = layers.RandomCrop(*size)
    assert layer.window_in((4, 5)) == window
    rows, columns = layer.weights_in((4, 5))
    expected = np.einsum("ih,nhwc,jw->nijc", rows, x, columns)
    np.testing.assert_allclose(both(layer, x, training=False), expected, atol=1e-6)


def test_enlarged():
    """Twice as many pixels: at 1/4 and 3/4 of the distance between the old ones; pixels at the edge are repeated."""
    x = np.array([0.0, 4.0, 8.0]).reshape(1, 1, 3, 1)
    y = both(layers.RandomCrop(2, 6), x)
    np.testing.assert_allclose(y[0, :, :, 0], [[0, 1, 3, 5, 7, 8]] * 2)


@pytest.mark.parametrize("name", ["height", "width"])
@pytest.mark.parametrize("value", [0, -1, 2.0, True, None, "3", 2**64])
def test_bad_size(name, value):
    arguments = {"height": 2, "width": 2} | {name: value}
    with pytest.raises((TypeError, ValueError), match=f"{name} must"):
        layers.RandomCrop(**arguments)


def test_size_beyond_memory():
    with pytest.raises(ValueError, match=r"2\*\*48 numbers"):
        layers.RandomCrop(2**40, 2**40)(cb.Input((4, 4, 3)))


# Affine maps

RAMP = np.arange(12.0, dtype="float32").reshape(1, 3, 4, 1)


def drawn(layer, count=COUNT, sizes=(9, 8)):
    """The affine map of each sample, found from the layer's output for pictures of the column and the row."""
    row, column = np.mgrid[: sizes[0], : sizes[1]].astype("float64")
    x = np.repeat(np.stack([column, row], axis=-1)[None], count, axis=0)
    y = both(layer, x)
    middle = np.s_[:, sizes[0] // 2 - 1 : sizes[0] // 2 + 1, sizes[1] // 2 - 1 : sizes[1] // 2 + 1]
    y, i, j = y[middle], sizes[0] // 2 - 1, sizes[1] // 2 - 1
    a = y[:, 0, 1] - y[:, 0, 0], y[:, 1, 0] - y[:, 0, 0]
    offset = y[:, 0, 0] - a[0] * j - a[1] * i
    return np.stack([a[0][:, 0], a[1][:, 0], offset[:, 0], a[0][:, 1], a[1][:, 1], offset[:, 1]], axis=1)


def assert_uniform(values, low, high):
    """All values are in the range, and fill it: the largest gap to the uniform distribution (Kolmogorov)."""
    values = (np.sort(values) - low) / (high - low)
    assert values[0] >= -1e-9
    assert values[-1] <= 1 + 1e-9
    assert np.abs(values - (np.arange(len(values)) + 0.5) / len(values)).max() < 2 / np.sqrt(len(values))


def test_range_of_shifts():
    layer = layers.RandomTranslation((-0.1, 0.3), 0.2, seed=1, dtype="float64")
    maps = drawn(layer)
    np.testing.assert_allclose(maps[:, [0, 1, 3, 4]], [[1, 0, 0, 1]] * COUNT, atol=1e-9)
    assert_uniform(-maps[:, 5] / 9, -0.1, 0.3)
    assert_uniform(-maps[:, 2] / 8, -0.2, 0.2)
    assert abs(np.corrcoef(maps[:, 2], maps[:, 5])[0, 1]) < 0.2


def test_range_of_turns():
    maps = drawn(layers.RandomRotation((-0.05, 0.2), seed=1, dtype="float64"))
    turns = np.arctan2(maps[:, 3], maps[:, 0]) / (2 * np.pi)
    assert_uniform(turns, -0.05, 0.2)
    np.testing.assert_allclose(maps, affine.rotation(turns, 9, 8), atol=1e-9)


def test_range_of_zooms():
    maps = drawn(layers.RandomZoom((-0.3, 0.1), (0.0, 0.2), seed=1, dtype="float64"))
    assert_uniform(maps[:, 4], 0.7, 1.1)
    assert_uniform(maps[:, 0], 1.0, 1.2)
    np.testing.assert_allclose(maps, affine.zoom(maps[:, 4], maps[:, 0], 9, 8), atol=1e-9)
    maps = drawn(layers.RandomZoom(0.3, seed=1, dtype="float64"))
    np.testing.assert_allclose(maps[:, 0], maps[:, 4])
    assert_uniform(maps[:, 0], 0.7, 1.3)


def test_range_of_shears():
    """Half of the images are sheared the other way."""
    maps = drawn(layers.RandomShear((0.1, 0.2), (0.0, 0.1), seed=1, dtype="float64"))
    assert_uniform(np.abs(maps[:, 1]), 0.1, 0.2)
    assert_uniform(np.abs(maps[:, 3]), 0.0, 0.1)
    assert (np.sign(maps[:, 1]) == np.sign(maps[:, 3])).all()
    assert (maps[:, 1] > 0).mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(COUNT))


FILLED = {
    "reflect": [1, 0, 0, 1],
    "wrap": [2, 3, 0, 1],
    "constant": [-1, -1, 0, 1],
    "nearest": [0, 0, 0, 1],
}


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("mode", FILLED)
def test_fill(mode, interpolation):
    """Two columns to the right."""
    layer = layers.RandomTranslation(0, (0.5, 0.5), mode, interpolation, fill_value=-1)
    y = both(layer, RAMP)
    np.testing.assert_array_equal(y[0, 0, :, 0], FILLED[mode])


@pytest.mark.parametrize("mode", FILLED)
def test_far_outside(mode):
    """Several periods of the continued image; an image of one pixel."""
    for shape in ((1, 1, 1, 1), (1, 2, 7, 1)):
        x = np.arange(np.prod(shape), dtype="float32").reshape(shape)
        for layer in (layers.RandomZoom((1.0, 1.0), fill_mode=mode), layers.RandomTranslation(1.0, 1.0, mode)):
            both(layer, x)
        y = both(layers.RandomTranslation((1.0, 1.0), (1.0, 1.0), mode, fill_value=9), x)[0, :, :, 0]
        image = x[0, :, :, 0]
        expected = {"reflect": image[::-1, ::-1], "wrap": image, "constant": 9, "nearest": image[0, 0]}[mode]
        np.testing.assert_array_equal(y, np.broadcast_to(expected, y.shape))


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("turns", [-0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1])
def test_quarters_of_a_turn_are_exact(turns, interpolation, rng):
    x = images(rng, 3, (4, 4, 2))
    y = both(layers.RandomRotation((turns, turns), interpolation=interpolation), x)
    np.testing.assert_array_equal(y, np.rot90(x, round(4 * turns), axes=(1, 2)))


@pytest.mark.parametrize("name", AFFINE)
@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("fill_mode", value) for value in ("mirror", "", None, 1)),
        *(("interpolation", value) for value in ("cubic", None, 0)),
        *(("fill_value", value) for value in ("a", None, np.inf, np.nan, True)),
        *(("data_format", value) for value in ("last", 1)),
    ],
)
def test_bad_argument(name, argument, value):
    with pytest.raises((TypeError, ValueError), match=argument):
        MAKERS[name](**{argument: value})


FACTORS = [
    (layers.RandomTranslation, "height_factor", {"width_factor": 0.1}, -1),
    (layers.RandomTranslation, "width_factor", {"height_factor": 0.1}, -1),
    (layers.RandomRotation, "factor", {}, -1),
    (layers.RandomZoom, "height_factor", {}, -1),
    (layers.RandomZoom, "width_factor", {"height_factor": 0.1}, -1),
    (layers.RandomShear, "x_factor", {}, 0),
    (layers.RandomShear, "y_factor", {}, 0),
    (layers.RandomBrightness, "factor", {}, -1),
    (layers.RandomContrast, "factor", {}, 0),
]


@pytest.mark.parametrize(("cls", "name", "more", "lowest"), FACTORS)
def test_factors(cls, name, more, lowest):
    for value in (1.5, -1.5, (0.1,), (0.1, 0.2, 0.3), (0.0, 1.2), (lowest - 0.1, 0.1), np.nan, (0.1, np.inf), []):
        with pytest.raises(ValueError, match=name):
            cls(**{name: value}, **more)
    for value in ("a", True, (0.1, "a"), {0.1}, 1j):
        with pytest.raises(TypeError, match=name):
            cls(**{name: value}, **more)
    cls(**{name: (0.3, 0.1)}, **more)
    cls(**{name: 1}, **more)
    cls(**{name: 0}, **more)


def test_zoom_to_nothing_is_refused():
    with pytest.raises(ValueError, match=r"height_factor\[0\] must be greater than -1"):
        layers.RandomZoom((-1.0, 0.0))


# Colors


def test_range_of_brightness():
    x = np.full((COUNT, 1, 2, 1), 50.0, "float32")
    y = both(layers.RandomBrightness((-0.1, 0.4), (0, 200), seed=1), x)
    np.testing.assert_array_equal(y[:, 0, 0], y[:, 0, 1])
    assert_uniform((y[:, 0, 0, 0].astype("float64") - 50) / 200, -0.1, 0.4)


@pytest.mark.parametrize(("factor", "low", "high"), [(0.5, 1.0, 1.5), ((0.2, 0.5), 0.8, 1.5), ((0.5, 0.2), 0.8, 1.5)])
def test_range_of_contrast(factor, low, high):
    x = np.tile([[[[-1.0, 4.0], [1.0, 4.0]]]], (COUNT, 1, 1, 1))
    y = both(layers.RandomContrast(factor, (-5, 5), seed=1, dtype="float64"), x)
    np.testing.assert_allclose(y[..., 1], 4, rtol=1e-12)
    np.testing.assert_allclose(y[:, 0, 0, 0], -y[:, 0, 1, 0], rtol=1e-12)
    assert_uniform(y[:, 0, 1, 0], low, high)


@pytest.mark.parametrize("name", ["RandomBrightness", "RandomContrast"])
def test_clipped_values(name, rng):
    """They are at the ends of the range, and no gradient passes."""
    x = images(rng, 50, (3, 3, 1))
    layer = getattr(layers, name)((0.9, 1.0), (0.2, 0.6), seed=1, dtype="float64")
    y = both(layer, x.astype("float64"))
    assert y.min() >= 0.2
    assert y.max() == 0.6
    for factor in (0.5, (0.1, 0.9)):
        layer = getattr(layers, name)(factor, (0.6, 0.2))
        assert layer.value_range == (0.2, 0.6)


@pytest.mark.parametrize("name", ["RandomBrightness", "RandomContrast"])
@pytest.mark.parametrize("value", [1, None, "ab", (1,), (1, 2, 3), (1, "a"), (0, np.inf), (1, 1), {1, 2}])
def test_bad_value_range(name, value):
    with pytest.raises((TypeError, ValueError), match="value_range"):
        getattr(layers, name)(0.1, value_range=value)
