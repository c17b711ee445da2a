"""Padding, cropping, up-sampling and resizing against Keras: outputs and gradients over a grid of arguments.

Keras runs on PyTorch here, which has other numbers for "bicubic" and none for Lanczos: for these, Keras's own NumPy
implementation is asked, which is that of its JAX backend.
"""

import importlib
import inspect
import itertools

import keras
import numpy as np
import pytest
import torch

import cbackprop as cb

FORMATS = ("channels_last", "channels_first")
NAMES = [f"{name}{rank}D" for name in ("ZeroPadding", "Cropping", "UpSampling") for rank in (1, 2, 3)]
LIMIT = 1e-5
RNG = np.random.default_rng(0)


def resize_in_numpy(x, size, **options):
    """Keras's own resizing in NumPy, whatever backend runs."""
    backend = importlib.import_module("keras.src.backend")
    kept = backend.numpy  # the functions of the backend in use, whose name the package of the NumPy backend takes
    try:
        module = importlib.import_module("keras.src.backend.numpy.image")
    finally:
        backend.numpy = kept
    return module.resize(x, size, **options)


def outputs_and_gradient(layer, x, weights):
    """In Keras on PyTorch: the output for x, and the derivative of its sum with these weights."""
    tensor = torch.tensor(x, requires_grad=True)
    y = layer(tensor)
    (y * torch.tensor(weights)).sum().backward()
    return y.detach().numpy(), tensor.grad.numpy()


def ours(layer, x, weights):
    """The same here."""
    inputs = cb.Input(x.shape[1:])
    model = cb.Model(inputs, layer(inputs))
    return model.predict(x, verbose=0), model.backward(x, weights, wrt="inputs")


def assert_same(make, shape):
    x = RNG.normal(size=(2, *shape)).astype("float32")
    mine, theirs = make(cb), make(keras)
    expected_shape = tuple(theirs.compute_output_shape(x.shape))
    assert mine.compute_output_shape(x.shape)[1:] == expected_shape[1:]
    weights = RNG.normal(size=expected_shape).astype("float32")
    with keras.device("cpu"):
        expected, gradient = outputs_and_gradient(theirs, x, weights)
    found, found_gradient = ours(mine, x, weights)
    np.testing.assert_allclose(found, expected, rtol=0, atol=LIMIT)
    np.testing.assert_allclose(found_gradient, gradient, rtol=0, atol=LIMIT * max(1, np.abs(gradient).max()))


def arguments(cls):
    return [(p.name, p.default) for p in list(inspect.signature(cls.__init__).parameters.values())[1:]]


@pytest.mark.parametrize("name", [*NAMES, "Resizing", "CenterCrop", "Flatten"])
def test_arguments(name):
    assert arguments(getattr(cb.layers, name)) == arguments(getattr(keras.layers, name))


SIDES = {
    1: [0, 1, 3, (0, 2), (2, 1)],
    2: [0, 1, (1, 2), ((0, 1), (2, 0)), ((0, 0), (1, 2)), ((2, 1), (0, 0)), ((0, 2), (0, 1))],
    3: [1, (0, 1, 2), ((0, 1), (1, 0), (0, 0)), ((1, 0), (0, 0), (2, 1))],
}
SIZES = {1: [(7, 1), (8, 3)], 2: [(7, 8, 1), (8, 7, 3), (7, 7, 17)], 3: [(5, 6, 7, 1), (6, 5, 5, 2)]}
BOXES = [
    (f"{kind}{rank}D", sides, shape, data_format)
    for kind, rank in itertools.product(("ZeroPadding", "Cropping"), SIDES)
    for sides, shape, data_format in itertools.product(SIDES[rank], SIZES[rank], FORMATS)
    if (kind, rank, data_format) != ("Cropping", 1, "channels_first")
]
FACTORS = {1: [1, 2, 3], 2: [1, 2, (1, 3), (3, 2)], 3: [2, (1, 2, 3), (3, 1, 1)]}
REPEATS = [
    (f"UpSampling{rank}D", factors, shape, data_format)
    for rank in FACTORS
    for factors, shape, data_format in itertools.product(FACTORS[rank], SIZES[rank], FORMATS)
    if (rank, data_format) != (1, "channels_first")
]


@pytest.mark.parametrize(("name", "argument", "shape", "data_format"), BOXES + REPEATS)
def test_copies(name, argument, shape, data_format):
    options = {} if name in ("Cropping1D", "UpSampling1D") else {"data_format": data_format}
    turned = (shape[-1], *shape[:-1]) if data_format == "channels_first" else shape
    assert_same(lambda k: getattr(k.layers, name)(argument, **options), turned)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("shape", [(5, 7), (6, 4), (9, 9), (3, 8)])
@pytest.mark.parametrize("target", [(3, 3), (5, 4), (4, 7), (10, 2), (12, 11)])
def test_center_crop(target, shape, data_format):
    channels = (*shape, 3) if data_format == "channels_last" else (3, *shape)
    assert_same(lambda k: k.layers.CenterCrop(*target, data_format=data_format), channels)


# On PyTorch, these are the same.
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("mode", ["", "crop_to_aspect_ratio", "pad_to_aspect_ratio"])
@pytest.mark.parametrize(
    ("interpolation", "antialias"), [("nearest", False), ("bilinear", False), ("bilinear", True), ("bicubic", True)]
)
@pytest.mark.parametrize("target", [(3, 5), (5, 4), (1, 1), (9, 12)])
@pytest.mark.parametrize("shape", [(5, 7, 1), (6, 4, 3), (9, 1, 17)])
def test_resizing(shape, target, interpolation, antialias, mode, data_format):
    options = {"interpolation": interpolation, "antialias": antialias, "fill_value": 0.7, "data_format": data_format}
    if mode:
        options[mode] = True
    turned = (shape[-1], *shape[:-1]) if data_format == "channels_first" else shape
    assert_same(lambda k: k.layers.Resizing(*target, **options), turned)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"])
@pytest.mark.parametrize("mode", ["", "crop_to_aspect_ratio", "pad_to_aspect_ratio"])
@pytest.mark.parametrize("target", [(3, 5), (5, 4), (1, 1), (9, 12), (31, 2)])
@pytest.mark.parametrize("shape", [(5, 7), (6, 4), (11, 1), (16, 23)])
def test_resizing_as_in_numpy(shape, target, mode, interpolation, antialias):
    """Outputs; and the gradient, which is linear, by the weight of each pixel in each output."""
    options = {"interpolation": interpolation, "antialias": antialias, "fill_value": 0.7}
    if mode:
        options[mode] = True
    x = RNG.normal(size=(2, *shape, 3)).astype("float32")
    weights = RNG.normal(size=(2, *target, 3)).astype("float32")
    found, gradient = ours(cb.layers.Resizing(*target, **options), x, weights)
    np.testing.assert_allclose(found, resize_in_numpy(x, target, **options), rtol=0, atol=LIMIT)
    pixels = np.eye(shape[0] * shape[1], dtype="float32").reshape(-1, *shape, 1)
    options["fill_value"] = 0.0
    parts = resize_in_numpy(pixels, target, **options)[..., 0]
    expected = np.einsum("pyx,byxc->bpc", parts, weights).reshape(x.shape)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=LIMIT * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos3", "lanczos5"])
@pytest.mark.parametrize("factors", [2, (1, 3), (3, 2)])
@pytest.mark.parametrize("shape", [(5, 7, 1), (1, 4, 3), (9, 6, 17)])
def test_up_sampling_by_interpolation(shape, factors, interpolation, data_format):
    x = RNG.normal(size=(2, *shape)).astype("float32")
    by = (factors, factors) if isinstance(factors, int) else factors
    expected = resize_in_numpy(x, (shape[0] * by[0], shape[1] * by[1]), interpolation=interpolation)
    layer = cb.layers.UpSampling2D(factors, data_format, interpolation)
    found = np.moveaxis(layer(np.moveaxis(x, -1, 1)), 1, -1) if data_format == "channels_first" else layer(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=LIMIT)


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 3, 2), (2, 3, 4, 5)])
@pytest.mark.parametrize("data_format", FORMATS)
def test_flatten(shape, data_format):
    assert_same(lambda k: k.layers.Flatten(data_format), shape)
