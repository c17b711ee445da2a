"""Layers that change images at random against Keras: for the same angles, shifts and so on, the same images."""

import inspect
import itertools

import numpy as np
import pytest
from layer_checks import outputs

import cbackprop as cb
from cbackprop.reference import affine, random

keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")

NAMES = ["RandomFlip", "RandomCrop", "RandomTranslation", "RandomRotation", "RandomZoom", "RandomShear"]
NAMES += ["RandomBrightness", "RandomContrast"]
SEED = 11
FILLS = ("reflect", "wrap", "constant", "nearest")
HOW = list(itertools.product(FILLS, ("bilinear", "nearest")))
SIZES = [(5, 5), (4, 7), (1, 6), (8, 3)]
LIMIT = 1e-10
# Keras rounds zooms to float32, and clips in it.
SINGLE_LIMIT = 1e-6

FLIPS = [{"mode": mode} for mode in ("horizontal", "vertical", "horizontal_and_vertical")]
AFFINE = {
    "RandomTranslation": [{"height_factor": 0.4, "width_factor": (-0.9, 0.1)}, {"height_factor": 1, "width_factor": 0}],
    "RandomRotation": [{"factor": 0.2}, {"factor": (0.4, 1.0)}],
    "RandomZoom": [{"height_factor": 0.6}, {"height_factor": (0.5, 1.0), "width_factor": (-0.7, -0.2)}],
    "RandomShear": [{"x_factor": 0.6}, {"x_factor": (0.3, 1.0), "y_factor": 0.5}],
}
COLORS = {
    "RandomBrightness": [{"factor": 0.3, "value_range": (0, 1)}, {"factor": (-0.9, 0.1), "value_range": (1, -1)}],
    "RandomContrast": [{"factor": 0.3, "value_range": (0, 1)}, {"factor": (0.2, 0.9), "value_range": (0.1, 0.8)}],
}
GRID = [("RandomFlip", arguments, sizes) for arguments in FLIPS for sizes in SIZES]
GRID += [
    (name, arguments | {"fill_mode": fill, "interpolation": how, "fill_value": 0.3}, sizes)
    for name, cases in AFFINE.items()
    for arguments, (fill, how), sizes in itertools.product(cases, HOW, SIZES[:2])
]
GRID += [(name, arguments, sizes) for name, cases in COLORS.items() for arguments in cases for sizes in SIZES]


def arguments_of(cls):
    parameters = inspect.signature(cls.__init__).parameters.values()
    return [(p.name, p.default) for p in parameters if p.kind is not p.VAR_KEYWORD and p.name not in {"self", "name"}]


@pytest.mark.parametrize("name", NAMES)
def test_arguments(name):
    """Where Keras takes `data_format` among other arguments of all layers, it is the last one here."""
    ours, theirs = (arguments_of(getattr(package.layers, name)) for package in (cb, keras))
    assert ours == theirs + [("data_format", None)] * (name in ("RandomBrightness", "RandomContrast"))


@pytest.mark.parametrize("name", NAMES)
def test_factors(name):
    """The arguments that a layer keeps, and the attributes that it derives."""
    arguments = (AFFINE | COLORS | {"RandomFlip": FLIPS, "RandomCrop": [{"height": 2, "width": 3}]})[name]
    for each in arguments:
        ours, theirs = (getattr(package.layers, name)(**each, seed=3) for package in (cb, keras))
        config = theirs.get_config()
        for key, value in ours.get_config().items():
            if key not in ("name", "dtype", "x_factor", "y_factor"):
                assert config[key] == value or list(config[key]) == list(value), key


def transformation(name, layer, theirs, count, sizes, node):
    """The changes that Keras's layer must make to each sample, from the numbers that ours draws."""
    numbers = random.uniform(4 * count, 0, SEED, node).reshape(count, 4)
    drawn = [lower + (upper - lower) * numbers[:, i] for i, (lower, upper) in enumerate(layer.ranges)]
    tensor = lambda *columns: torch.tensor(np.stack(columns, axis=1))  # noqa: E731
    if name == "RandomFlip":
        return {"flips": torch.tensor(numbers[:, 0] < 0.5)[:, None, None, None], "input_shape": None}
    if name == "RandomTranslation":
        return {"translations": tensor(drawn[1] * sizes[1], drawn[0] * sizes[0])}
    if name == "RandomRotation":
        zeros, ones = torch.zeros(count, dtype=torch.float64), torch.ones(count, dtype=torch.float64)
        angle = torch.tensor(drawn[0] * 360)
        return {
            "rotation_matrix": theirs._compute_affine_matrix(0.5, 0.5, angle, zeros, zeros, ones, zeros, zeros, *sizes)
        }
    if name == "RandomZoom":
        return {"height_zoom": tensor(drawn[0]), "width_zoom": tensor(drawn[0 if layer.width_factor is None else 1])}
    if name == "RandomShear":
        sign = np.where(numbers[:, 2] > 0.5, -1, 1)
        return {"shear_factor": tensor(sign * drawn[0], sign * drawn[1])}
    key = {"RandomBrightness": "rgb_delta", "RandomContrast": "contrast_factor"}[name]
    return {key: torch.tensor(drawn[0])[:, None, None, None]}


def assert_same(name, arguments, shape, data_format, transform):
    """The same images and the same gradients."""
    limit = SINGLE_LIMIT if name == "RandomZoom" or name in COLORS else LIMIT
    rng = np.random.default_rng(1)
    x = rng.uniform(size=shape)
    ours = getattr(cb.layers, name)(**arguments, data_format=data_format, seed=SEED, dtype="float64")
    theirs = getattr(keras.layers, name)(**arguments, data_format=data_format, dtype="float64")
    tensor = torch.tensor(x, requires_grad=True)
    expected = theirs.transform_images(1 * tensor, transform(ours, theirs), training=True)
    np.testing.assert_allclose(outputs(ours, [x], True), expected.detach().numpy(), rtol=0, atol=limit)
    delta = rng.normal(size=expected.shape)
    expected.backward(torch.tensor(delta))
    model = cb.Sequential([cb.Input(shape[1:], dtype="float64"), ours])
    model.compile("sgd", "mse")
    found = model.backward(x, delta, training=True, wrt="inputs")
    np.testing.assert_allclose(found, tensor.grad.numpy(), rtol=0, atol=limit * np.abs(found).max())


# With channels first the axes are moved, which is the same for all fill modes.
FORMATS = [(*case, "channels_last") for case in GRID]
FORMATS += [(*case, "channels_first") for case in GRID if case[1].get("fill_mode", "wrap") == "wrap"]


@pytest.mark.usefixtures("keras_in_float64")
@pytest.mark.parametrize(("name", "arguments", "sizes", "data_format"), FORMATS)
def test_same_images_and_gradients(name, arguments, sizes, data_format):
    first = data_format == "channels_first"
    node = int(first and name != "RandomBrightness")
    shape = (6, 2, *sizes) if first else (6, *sizes, 2)
    assert_same(name, arguments, shape, data_format, lambda o, t: transformation(name, o, t, 6, sizes, node))


@pytest.mark.usefixtures("keras_in_float64")
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    ("size", "sizes"), [((2, 3), (5, 4)), ((1, 1), (2, 9)), ((3, 4), (3, 7)), ((6, 8), (3, 4)), ((5, 5), (2, 2))]
)
def test_crops(size, sizes, data_format):
    """At a random place, or in the middle of an image of the same height, or enlarged."""
    first = data_format == "channels_first"

    def place(ours, theirs):
        if not ours.moves_in(sizes):
            return theirs.get_random_transformation(np.zeros(shape), training=True)
        numbers = random.uniform(2, 0, SEED, int(first))
        return tuple(int(n * (have - want + 1)) for n, have, want in zip(numbers, sizes, size, strict=True))

    shape = (6, 2, *sizes) if first else (6, *sizes, 2)
    assert_same("RandomCrop", {"height": size[0], "width": size[1]}, shape, data_format, place)


@pytest.mark.parametrize("size", [(2, 3), (7, 4), (4, 4), (1, 9)])
@pytest.mark.parametrize("sizes", [(5, 4), (3, 11), (8, 8)])
def test_crops_outside_of_training(size, sizes):
    """As Keras documents it: the largest window of the same proportions, resized."""
    x = np.random.default_rng(1).uniform(size=(2, *sizes, 3)).astype("float32")
    expected = keras.preprocessing.image.smart_resize(x, size, data_format="channels_last")
    found = cb.layers.RandomCrop(*size)(x, training=False)
    np.testing.assert_allclose(found, np.asarray(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", FILLS)
def test_affine_transform(fill_mode, interpolation, sizes):
    """The twin's function against ``keras.ops.image.affine_transform``, for any map."""
    rng = np.random.default_rng(2)
    x, maps = rng.normal(size=(5, *sizes, 2)), rng.normal(size=(5, 6)) * [1, 1, 5, 1, 1, 5]
    transform = torch.tensor(np.pad(maps, [(0, 0), (0, 2)]))
    expected = keras.ops.image.affine_transform(
        torch.tensor(x), transform, interpolation, fill_mode, 0.3, data_format="channels_last"
    )
    found = affine.sample(x, maps, affine.Sampling(fill_mode, interpolation, 0.3, sizes))
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=LIMIT)


def test_defaults_of_a_call():
    """On arrays both are in training by default."""
    x = np.random.default_rng(1).uniform(size=(8, 4, 4, 1)).astype("float32")
    for package in (cb, keras):
        layer = package.layers.RandomRotation(0.3)
        assert (np.asarray(layer(x)) != x).any()
        np.testing.assert_array_equal(np.asarray(layer(x, training=False)), x)
