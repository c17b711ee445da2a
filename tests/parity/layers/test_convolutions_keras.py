"""Convolutions against Keras: outputs, and gradients by inputs and weights, over a grid of arguments and odd sizes."""

import itertools
import warnings

import keras
import numpy as np
import pytest
import torch
from keras.src.backend.common.backend_utils import compute_conv_transpose_padding_args_for_jax

import cbackprop as cb
from cbackprop.layers.transposed_convolution import size_along

# In float64: sums of a few hundred terms in another order.
LIMIT = 1e-12
SIZES = {1: [(7,)], 2: [(5, 6), (4, 7)], 3: [(3, 4, 5)]}
FORMATS = ("channels_last", "channels_first")
STEPS = [(1, 1), (2, 1), (3, 1), (1, 2)]


@pytest.fixture(autouse=True)
def float64(keras_in_float64):
    cb.config.set_floatx("float64")


def difference(theirs, name, size, options, shape, rng):
    """The largest difference of outputs and gradients from those of Keras's layer."""
    x = rng.normal(size=(2, *shape))
    given = torch.tensor(x, requires_grad=True)
    y = theirs(given)
    delta = rng.normal(size=tuple(y.shape))
    y.backward(torch.tensor(delta))
    model = cb.Sequential([cb.Input(shape), getattr(cb.layers, name)(4, size, **options)])
    model.set_weights(theirs.get_weights())
    model.compile("sgd", "mse")
    found = [model.predict(x, verbose=0), model.backward(x, delta, wrt="inputs"), *model.backward(x, delta)]
    expected = [y.detach(), given.grad, *(weight.value.grad for weight in theirs.trainable_weights)]
    for a, b in zip(found, expected, strict=True):
        assert a.shape == tuple(b.shape)
    return max(
        np.abs(a - b.numpy()).max() / max(1, np.abs(b.numpy()).max()) for a, b in zip(found, expected, strict=True)
    )


def options_of(stride, dilation, padding, data_format):
    names = {"activation": "tanh", "bias_initializer": "random_normal"}
    return names | {"strides": stride, "dilation_rate": dilation, "padding": padding, "data_format": data_format}


def shape_of(sizes, channels, data_format):
    return (*sizes, channels) if data_format == "channels_last" else (channels, *sizes)


@pytest.mark.parametrize("rank", SIZES)
@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize("data_format", FORMATS)
def test_convolution(rank, padding, data_format, rng):
    if padding == "causal" and rank > 1:
        return
    name, count, largest = f"Conv{rank}D", 0, {1: 5, 2: 4, 3: 3}[rank]
    for sizes, size, (stride, dilation), groups in itertools.product(SIZES[rank], range(1, largest + 1), STEPS, (1, 2)):
        if padding == "valid" and (size - 1) * dilation >= min(sizes):
            continue
        # Of kernels with as many sizes as axes, one in three.
        kernel = tuple(size - (axis + groups) % 2 if size > 1 else 1 for axis in range(rank)) if stride == 2 else size
        options = options_of(stride, dilation, padding, data_format) | {"groups": groups}
        theirs = getattr(keras.layers, name)(4, kernel, **options)
        shape = shape_of(sizes, 4, data_format)
        assert difference(theirs, name, kernel, options, shape, rng) < LIMIT, (sizes, kernel, options)
        count += 1
    assert count >= 16


@pytest.mark.parametrize("rank", SIZES)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("data_format", FORMATS)
def test_transposed_convolution(rank, padding, data_format, rng):
    """Where Keras warns that its result with PyTorch is another one than with JAX, it is not compared."""
    name, count, largest = f"Conv{rank}DTranspose", 0, {1: 5, 2: 4, 3: 3}[rank]
    for sizes, size, (stride, dilation), more in itertools.product(
        SIZES[rank], range(1, largest + 1), STEPS, (None, 0, 1)
    ):
        if more is not None and more >= stride:
            continue
        options = options_of(stride, dilation, padding, data_format) | {"output_padding": more}
        theirs = getattr(keras.layers, name)(4, size, **options)
        shape = shape_of(sizes, 3, data_format)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            theirs(np.zeros((1, *shape)))
        if not any("inconsistencies" in str(warning.message) for warning in caught):
            assert difference(theirs, name, size, options, shape, rng) < LIMIT, (sizes, size, options)
            count += 1
    assert count >= 10


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_size_of_a_transposed_convolution_and_where_it_begins(padding):
    """Both are those of Keras with JAX, of which all numbers follow: what is dropped in front, and the size."""
    for n, kernel, stride, dilation in itertools.product((1, 2, 5), range(1, 7), range(1, 5), range(1, 4)):
        for more in (None, *range(stride)):
            if stride > 1 and dilation > 1:
                continue
            ((left, right),) = compute_conv_transpose_padding_args_for_jax(
                (1, n, 1), (kernel, 1, 1), stride, padding, more, dilation
            )
            reach = (kernel - 1) * dilation + 1
            expected = (n - 1) * stride + 1 + left + right - reach + 1, reach - 1 - left
            assert size_along(n, kernel, stride, dilation, padding, more) == expected


@pytest.mark.parametrize("rank", SIZES)
@pytest.mark.parametrize("kind", ["", "Transpose"])
def test_arguments_and_config(rank, kind):
    """Configs of Keras make the same layer here."""
    name = f"Conv{rank}D{kind}"
    options = {"strides": 2, "padding": "same", "data_format": "channels_first", "kernel_regularizer": "l2"}
    config = getattr(keras.layers, name)(4, 3, name="c", **options).get_config()
    config.pop("dtype")
    ours = cb.layers.deserialize({"class_name": name, "config": config})
    for key in ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "use_bias", "name"):
        assert getattr(ours, key) == config[key], key
