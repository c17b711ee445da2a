"""Depthwise and separable convolutions: what they refuse, sizes that come with the data, and Conv2D with groups."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.compiled.kernels.convolution_geometry import Convolution
from cbackprop.compiled.kernels.from_python import depthwise_convolution


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.DepthwiseConv2D(0), ValueError, "kernel_size"),
        (lambda: layers.DepthwiseConv2D((3, 3, 3)), ValueError, "kernel_size"),
        (lambda: layers.DepthwiseConv1D(True), TypeError, "kernel_size"),
        (lambda: layers.DepthwiseConv2D(3, strides=-1), ValueError, "strides"),
        (lambda: layers.DepthwiseConv2D(3, padding="causal"), ValueError, "padding"),
        (lambda: layers.DepthwiseConv1D(3, padding="causal"), ValueError, "padding"),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), ValueError, "depth_multiplier"),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=1.5), TypeError, "depth_multiplier"),
        (lambda: layers.DepthwiseConv2D(3, strides=2, dilation_rate=2), ValueError, "strides > 1"),
        (lambda: layers.DepthwiseConv2D(3, kernel_initializer="zeros"), TypeError, "kernel_initializer"),
        (lambda: layers.DepthwiseConv2D(3, depthwise_initializer="none"), ValueError, "depthwise_initializer"),
        (lambda: layers.DepthwiseConv2D(3)(cb.Input((4, 3))), ValueError, "4 axes"),
        (lambda: layers.DepthwiseConv2D(5)(cb.Input((4, 8, 3))), ValueError, "larger inputs"),
        (
            lambda: layers.DepthwiseConv1D(3, padding="same", dilation_rate=2**40)(cb.Input((4, 3))),
            ValueError,
            "reaches",
        ),
    ],
)
def test_mistakes(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("name", ["DepthwiseConv2D", "SeparableConv2D"])
def test_other_channels_are_refused(name):
    layer = getattr(layers, name)(*([2] if name == "SeparableConv2D" else []), 3)
    layer(cb.Input((8, 8, 4)))
    with pytest.raises(ValueError, match="channels"):
        layer(cb.Input((8, 8, 5)))


@pytest.mark.parametrize("name", ["DepthwiseConv2D", "SeparableConv2D"])
def test_sizes_that_come_with_the_data(name, rng):
    layer = getattr(layers, name)(*([2] if name == "SeparableConv2D" else []), 3, strides=2, padding="same")
    model = cb.Sequential([cb.Input((None, None, 4)), layer])
    for sizes in ((8, 7), (5, 12)):
        x = rng.normal(size=(2, *sizes, 4)).astype("float32")
        np.testing.assert_allclose(model.predict(x, verbose=0), layer(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3, 8, 12, 20, 40])
@pytest.mark.parametrize(("kernel", "strides", "dilation"), [(3, 1, 1), (3, 2, 1), (5, 1, 1), (2, 3, 1), (4, 1, 2)])
@pytest.mark.parametrize("multiplier", [1, 2])
def test_a_convolution_with_a_group_for_each_channel(channels, kernel, strides, dilation, multiplier, rng):
    """The same sums by other kernels, forward and back."""
    shared = {"padding": "same", "dilation_rate": dilation, "dtype": "float64"}
    models = [
        cb.Sequential([cb.Input((9, 20, channels), dtype="float64"), layers.Dense(channels, dtype="float64"), layer])
        for layer in (
            layers.DepthwiseConv2D(kernel, strides, depth_multiplier=multiplier, **shared),
            layers.Conv2D(channels * multiplier, kernel, strides, groups=channels, **shared),
        )
    ]
    weights = [rng.normal(size=weight.shape) for weight in models[0].weights]
    for model in models:
        model.set_weights([w.reshape(weight.shape) for w, weight in zip(weights, model.weights, strict=True)])
        model.compile("sgd", "mse")
    x = rng.normal(size=(3, 9, 20, channels))
    ours, theirs = (model.predict(x, verbose=0) for model in models)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-11)
    y = rng.normal(size=ours.shape)
    for a, b in zip(*(model.gradients(x, y) for model in models), strict=True):
        np.testing.assert_allclose(a.ravel(), b.ravel(), rtol=0, atol=1e-11)


@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize("length", [5, 2000, 40000])
def test_long_signals_in_pieces(length, real, rng):
    """A row that is cut into pieces, against a sum over taps."""
    channels, taps = 20, 7
    x, kernel, dy = (rng.normal(size=(n, channels)) for n in (length, taps, length))
    conv = Convolution(
        (1, 1, length), (1, 1, length), (1, 1, taps), (1,) * 3, (1,) * 3, (0, 0, 3), channels, channels, channels
    )
    behind = {"image": 0, "kernel": 32, "maps": 32}  # numbers that may be read there
    buffers = {
        name: np.concatenate([a.ravel(), np.full(behind[name], np.nan)]).astype(real)
        for name, a in (("image", x), ("kernel", kernel), ("maps", dy))
    }

    def computed(what):
        given = {name: buffer.copy() for name, buffer in buffers.items()}
        depthwise_convolution(conv, what, **given)
        numbers, rest = np.split(given[what], [given[what].size - behind[what]])
        assert np.isnan(rest).all()  # nothing is written behind the end
        return numbers.reshape(-1, channels)

    padded = np.pad(x, [(3, 3), (0, 0)])
    deltas = np.pad(dy, [(3, 3), (0, 0)])
    limit = 1e-3 if real == np.float32 else 1e-10
    maps = sum(padded[k : k + length] * kernel[k] for k in range(taps))
    np.testing.assert_allclose(computed("maps"), maps, rtol=0, atol=limit)
    image = sum(deltas[taps - 1 - k : taps - 1 - k + length] * kernel[k] for k in range(taps))
    np.testing.assert_allclose(computed("image"), image, rtol=0, atol=limit)
    gradient = np.stack([(padded[k : k + length] * dy).sum(axis=0) for k in range(taps)])
    np.testing.assert_allclose(computed("kernel"), gradient, rtol=0, atol=limit * np.sqrt(length))


def test_a_sample_alone_has_the_same_bits(rng):
    layer = layers.DepthwiseConv2D(3, padding="same")
    x = rng.normal(size=(7, 12, 17, 20)).astype("float32")
    whole = layer(x)
    np.testing.assert_array_equal(whole[4:5], layer(x[4:5]))
