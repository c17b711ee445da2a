"""Depthwise and separable convolutions against Keras: a grid of arguments and odd sizes, outputs and gradients."""

from __future__ import annotations

import inspect
import json
import math
from typing import Any

import keras
import numpy as np
import pytest
import torch
from layer_cases import MOST_JOINED, around

import cbackprop as cb

NAMES = ["DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"]
# Relative to the largest number, in float32: sums of a thousand terms in another order. Of 96 cases, all but one are
# within 4e-6.
LIMIT = 1e-5


def case(seed: int) -> tuple[str, dict[str, Any], tuple[int, ...]]:
    """A class, its arguments, and the shape of a sample."""
    rng = np.random.default_rng(seed)
    name = NAMES[seed % len(NAMES)]
    rank = int(name[-2])
    kernel = rng.integers(1, 6, rank).tolist()
    arguments: dict[str, Any] = {
        "kernel_size": kernel if seed % 3 else kernel[0],
        "padding": ["valid", "same"][seed // 4 % 2],
        "depth_multiplier": int(rng.choice([1, 1, 2, 3])),
        "use_bias": bool(rng.integers(4)),
        "activation": [None, "tanh", "relu"][rng.integers(3)],
    }
    if rng.integers(2):
        arguments["strides"] = int(rng.integers(1, 4))
    elif rng.integers(2):
        arguments["dilation_rate"] = rng.integers(1, 4, rank).tolist() if rank == 1 else int(rng.integers(1, 4))
    if name.startswith("Separable"):
        arguments["filters"] = int(rng.integers(1, 6))
    reach = (max(kernel) - 1) * 3 + 1 if arguments["padding"] == "valid" else 1
    sizes = tuple(int(size) for size in rng.integers(reach, reach + 6, rank))
    channels = int(rng.choice([1, 2, 3, 5, 8, 12, 20]))
    if rng.integers(4) == 0:
        arguments["data_format"] = "channels_first"
        return name, arguments, (channels, *sizes)
    return name, arguments, (*sizes, channels)


def as_numpy(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def keras_around(name: str, arguments: Any, shape: tuple[int, ...]) -> Any:
    """`layer_cases.around`, of Keras's layers."""
    x = keras.Input(shape)
    joined = math.prod(shape) <= MOST_JOINED
    h = keras.layers.Dense(math.prod(shape) if joined else shape[-1], activation="tanh")(
        keras.layers.Flatten()(x) if joined else x
    )
    y = getattr(keras.layers, name)(**arguments)(keras.layers.Reshape(shape)(h))
    return keras.Model(x, keras.layers.Dense(2)(keras.layers.Flatten()(y)))


@pytest.mark.parametrize("seed", range(96))
def test_same_outputs_and_gradients(seed: int) -> None:
    name, arguments, shape = case(seed)
    rng = np.random.default_rng(seed)
    ours = around(lambda: getattr(cb.layers, name)(**arguments), [shape])
    theirs = keras_around(name, arguments, shape)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    weights = [(rng.normal(size=w.shape) / math.sqrt(max(w.shape[0], 4))).astype("float32") for w in theirs.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    x = rng.normal(size=(3, *shape)).astype("float32")
    y = rng.normal(size=(3, 2)).astype("float32")
    ours.compile("sgd", "mse")
    predicted = theirs(x)
    outputs = as_numpy(predicted)
    np.testing.assert_allclose(ours.predict(x, verbose=0), outputs, rtol=0, atol=LIMIT * np.abs(outputs).max())
    theirs.zero_grad()
    ((predicted - torch.tensor(y)) ** 2).mean().backward()
    expected = [as_numpy(w.value.grad) for w in theirs.trainable_weights]
    largest = max(np.abs(gradient).max() for gradient in expected)
    for a, b in zip(ours.gradients(x, y), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=LIMIT * largest)


@pytest.mark.parametrize("name", NAMES)
def test_arguments_and_defaults(name: str) -> None:
    def arguments(cls: type) -> list[tuple[str, Any]]:
        parameters = inspect.signature(cls.__init__).parameters.values()
        found = [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][1:]
        return [(key, 1 if default == (1, 1) else default) for key, default in found]

    assert arguments(getattr(cb.layers, name)) == arguments(getattr(keras.layers, name))


@pytest.mark.parametrize("seed", range(4))
def test_configs_are_exchangeable(seed: int) -> None:
    name, arguments, _ = case(seed)
    ignored = ("name", "dtype", "activity_regularizer")

    def plain(layer: Any) -> dict[str, Any]:
        config: dict[str, Any] = json.loads(json.dumps(layer.get_config()))
        return {key: value for key, value in config.items() if key not in ignored and "initial" not in key}

    ours, theirs = (getattr(library.layers, name)(**arguments) for library in (cb, keras))
    assert plain(ours) == plain(theirs)
    for cls in (type(ours), type(theirs)):
        assert plain(cls.from_config(plain(ours))) == plain(theirs)
