"""Padding, cropping, up-sampling and resizing: unknown sizes, ids, and what is refused."""

import numpy as np
import pytest
from layer_cases import around
from layer_checks import assert_backward, assert_forward, outputs

import cbackprop as cb
from cbackprop import layers

IMAGES = cb.Input((None, None, 3))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.ZeroPadding2D(1), (None, None, None, 3)),
        (layers.Cropping2D(((1, 0), (0, 2))), (None, None, None, 3)),
        (layers.UpSampling2D(2, interpolation="bilinear"), (None, None, None, 3)),
        (layers.CenterCrop(8, 9), (None, 8, 9, 3)),
        (layers.Resizing(8, 9, pad_to_aspect_ratio=True), (None, 8, 9, 3)),
        (layers.Flatten("channels_first"), (None, None)),
    ],
)
def test_sizes_that_data_bring(layer, shape, rng):
    if isinstance(layer, layers.Flatten):
        shape = layer.compute_output_shape(IMAGES.shape)
    else:
        assert layer(IMAGES).shape == shape
    model = cb.Model(IMAGES, layer(IMAGES))
    for sizes in ((7, 6), (12, 9)):
        x = rng.normal(size=(2, *sizes, 3)).astype("float32")
        np.testing.assert_array_equal(model.predict(x, verbose=0), outputs(type(layer)(**layer.get_config()), [x]))


@pytest.mark.parametrize("channels", [1, 3, 16, 37])
def test_any_number_of_channels(channels, rng):
    x = rng.normal(size=(5, 6, 5, channels)).astype("float32")
    whole = outputs(layers.Resizing(9, 4, "bicubic", antialias=True), [x])
    parts = [outputs(layers.Resizing(9, 4, "bicubic", antialias=True), [x[..., i : i + 1]]) for i in range(channels)]
    np.testing.assert_allclose(whole, np.concatenate(parts, -1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("channels", [16, 37])
def test_gradients_of_many_channels(channels):
    assert_backward(lambda: around(lambda: layers.Resizing(2, 3, "bicubic"), [(3, 2, channels)], beside=True))


def test_the_same_size_is_the_same_image(rng):
    x = rng.normal(size=(5, 4, 3, 2)).astype("float32")
    for interpolation in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"):
        assert_forward(layers.Resizing(4, 3, interpolation, antialias=True), [x], x)


def test_ids_stay_ids_on_their_way_to_an_embedding():
    x = cb.Input((4, 1), dtype="int32")
    ids = layers.UpSampling1D(2)(layers.Cropping1D((1, 0))(layers.ZeroPadding1D(1)(x)))
    model = cb.Model(x, layers.Embedding(5, 2)(layers.Flatten()(ids)))
    table = model.get_weights()[0]
    found = model.predict(np.array([[[1], [2], [3], [4]]]), verbose=0)
    np.testing.assert_array_equal(found[0], table[[1, 1, 2, 2, 3, 3, 4, 4, 0, 0]])
    with pytest.raises(ValueError, match="5"):
        model.predict(np.array([[[1], [2], [3], [5]]]), verbose=0)


def test_configs_of_image_data_format_reach_only_layers_that_have_it():
    cb.config.set_image_data_format("channels_first")
    assert layers.ZeroPadding1D().data_format == "channels_first"
    assert layers.UpSampling1D(2)(cb.Input((3, 4))).shape == (None, 6, 4)
    assert layers.Cropping1D(1)(cb.Input((3, 4))).shape == (None, 1, 4)
    cb.config.set_image_data_format("channels_last")


REFUSED = [
    (lambda: layers.ZeroPadding1D(-1), ValueError, "padding must be at least 0"),
    (lambda: layers.ZeroPadding1D(True), TypeError, "padding must be a whole number or two of them"),
    (lambda: layers.ZeroPadding1D((1, 2, 3)), ValueError, "padding must be a whole number or two of them"),
    (lambda: layers.ZeroPadding2D((1, 2.0)), TypeError, r"padding\[1\] must be a whole number or two"),
    (lambda: layers.ZeroPadding2D(((1, 2), (3, -4))), ValueError, r"padding\[1\]\[1\] must be at least 0"),
    (lambda: layers.ZeroPadding3D((1, 2)), ValueError, "padding must be a whole number, or have 3 entries"),
    (lambda: layers.ZeroPadding2D("11"), TypeError, "padding must be a whole number, or have 2 entries"),
    (lambda: layers.ZeroPadding2D(1, "first"), ValueError, "data_format must be"),
    (lambda: layers.ZeroPadding2D(2**62)(cb.Input((3, 3, 3))), ValueError, r"2\*\*48 numbers"),
    (lambda: layers.ZeroPadding2D()(cb.Input((3, 3))), ValueError, "needs inputs of 4 axes"),
    (lambda: layers.Cropping1D((2, 1))(cb.Input((3, 2))), ValueError, "leaves nothing"),
    (lambda: layers.Cropping2D(2)(cb.Input((9, 4, 1))), ValueError, "leaves nothing"),
    (lambda: layers.Cropping3D(None), TypeError, "cropping must be a whole number, or have 3 entries"),
    (lambda: layers.Cropping1D(data_format="channels_last"), TypeError, "no argument 'data_format'"),
    (lambda: layers.UpSampling1D(0), ValueError, "size must be at least 1"),
    (lambda: layers.UpSampling1D((2,)), TypeError, "size must be an integer"),
    (lambda: layers.UpSampling2D((2, 0)), ValueError, r"size\[1\] must be at least 1"),
    (lambda: layers.UpSampling2D(2, interpolation="area"), ValueError, "interpolation must be one of"),
    (lambda: layers.UpSampling2D(2, interpolation=None), TypeError, "interpolation must be one of"),
    (lambda: layers.UpSampling3D(2**40)(cb.Input((3, 3, 3, 3))), ValueError, r"2\*\*48 numbers"),
    (lambda: layers.CenterCrop(0, 3), ValueError, "height must be at least 1"),
    (lambda: layers.CenterCrop(3, 2.5), TypeError, "width must be an integer"),
    (lambda: layers.Resizing(3, True), TypeError, "width must be an integer"),
    (lambda: layers.Resizing(3, 3, "Bilinear"), ValueError, "interpolation must be one of"),
    (lambda: layers.Resizing(3, 3, fill_mode="reflect"), ValueError, "fill_mode must be one of 'constant'"),
    (lambda: layers.Resizing(3, 3, fill_value="x"), TypeError, "fill_value must be a number"),
    (lambda: layers.Resizing(3, 3, antialias=1), TypeError, "antialias must be True or False"),
    (
        lambda: layers.Resizing(3, 3, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True),
        ValueError,
        "Only one of crop_to_aspect_ratio and pad_to_aspect_ratio",
    ),
    (lambda: layers.Resizing(3, 3)(cb.Input((3, 3))), ValueError, "needs inputs of 4 axes"),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED)
def test_refuses(make, error, message):
    with pytest.raises(error, match=message):
        make()
