"""Merging, reshaping, PReLU and dropout against Keras: arguments, configs, outputs, gradients, mistakes."""

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

# Relative to the largest number, in float32: sums of a few hundred terms in another order.
LIMIT = 2e-6

# Class, arguments, shapes of the inputs.
CASES: list[tuple[str, dict[str, Any], list[tuple[int, ...]]]] = [
    *[
        (name, {}, shapes)
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
        for shapes in (
            [(4,), (4,)],
            [(2, 3), (2, 3)],
            [(3, 4), (1, 4)],
            [(3, 1), (1, 4)],
            [(2, 3, 4), (3, 1)],
            [(2, 3), (3,)],
            [(1,), (4,)],
            [(4,)] * 3,
            [(1, 4), (3, 1), (3, 4)],
            [(4, 1), (1,), (2, 1, 3)],
        )
        if name != "Subtract" or len(shapes) == 2
    ],
    ("Concatenate", {}, [(4,), (2,), (3,)]),
    ("Concatenate", {"axis": 1}, [(2, 3), (4, 3)]),
    ("Concatenate", {"axis": -2}, [(2, 3), (4, 3)]),
    ("Concatenate", {"axis": 2}, [(2, 3, 4), (2, 1, 4)]),
    *[
        ("Dot", {"axes": axes, "normalize": normalize}, shapes)
        for normalize in (False, True)
        for axes, shapes in (
            (1, [(4,), (4,)]),
            (-1, [(4,), (4,)]),
            (1, [(3, 4), (3, 4)]),
            (2, [(3, 4), (3, 4)]),
            (-1, [(3, 4), (5, 4)]),
            ((2, 1), [(3, 4), (4, 5)]),
            ((1, 1), [(3, 4), (3, 5)]),
            ((1, 2), [(3, 4), (5, 3)]),
            ((1, 1), [(4,), (4, 5)]),
            ((2, 1), [(5, 4), (4,)]),
            ((2, 2), [(2, 3, 4), (5, 3)]),
        )
    ],
    ("Flatten", {}, [(2, 3)]),
    ("Flatten", {"data_format": "channels_first"}, [(3,)]),
    ("Flatten", {}, [(2, 3, 4)]),
    ("Reshape", {"target_shape": (3, 4)}, [(12,)]),
    ("Reshape", {"target_shape": (-1, 2, 2)}, [(12,)]),
    ("Reshape", {"target_shape": (-1,)}, [(2, 3)]),
    ("Identity", {}, [(2, 3)]),
    ("RepeatVector", {"n": 3}, [(4,)]),
    ("Permute", {"dims": (2, 1)}, [(2, 3)]),
    ("Permute", {"dims": (2, 3, 1)}, [(2, 3, 4)]),
    ("Permute", {"dims": (3, 1, 4, 2)}, [(2, 3, 4, 5)]),
    ("PReLU", {}, [(4,)]),
    ("PReLU", {"shared_axes": [1]}, [(3, 4)]),
    ("PReLU", {"shared_axes": 2}, [(3, 4)]),
    ("PReLU", {"shared_axes": (1, 2)}, [(2, 3, 4)]),
    ("Dropout", {"rate": 0.4}, [(4,)]),
    ("Dropout", {"rate": 0.4, "noise_shape": (None, 1, 4), "seed": 1}, [(3, 4)]),
]
EACH = pytest.mark.parametrize(("name", "arguments", "shapes"), CASES)


def one_or_list(items: list[Any]) -> Any:
    return items[0] if len(items) == 1 else items


def as_numpy(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def assert_close(ours: Any, theirs: Any, scale: float | None = None) -> None:
    scale = np.abs(theirs).max() if scale is None else scale
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=LIMIT * scale, strict=True)


@EACH
def test_same_outputs_and_shapes(name: str, arguments: Any, shapes: Any, rng: np.random.Generator) -> None:
    ours, theirs = getattr(cb.layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    inputs = [rng.normal(size=(5, *shape)).astype("float32") for shape in shapes]
    symbolic = theirs(one_or_list([keras.Input(shape) for shape in shapes]))
    assert ours(one_or_list([cb.Input(shape) for shape in shapes])).shape == symbolic.shape
    if name == "PReLU":
        alpha = rng.normal(size=ours.alpha.shape).astype("float32")
        assert theirs.alpha.shape == ours.alpha.shape
        ours.set_weights([alpha])
        theirs.set_weights([alpha])
    assert_close(ours(one_or_list(inputs)), as_numpy(theirs(one_or_list(inputs))))


def keras_around(name: str, arguments: Any, shapes: Any) -> Any:
    """`layer_cases.around`, of Keras's layers."""
    inputs, hidden = [], []
    for shape in shapes:
        x = keras.Input(shape)
        joined = math.prod(shape) <= MOST_JOINED
        h = keras.layers.Dense(math.prod(shape) if joined else shape[-1], activation="tanh")(
            keras.layers.Flatten()(x) if joined else x
        )
        inputs.append(x)
        hidden.append(keras.layers.Reshape(shape)(h))
    y = getattr(keras.layers, name)(**arguments)(one_or_list(hidden))
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(y)))


@EACH
def test_same_gradients(name: str, arguments: Any, shapes: Any, rng: np.random.Generator) -> None:
    ours = around(lambda: getattr(cb.layers, name)(**arguments), shapes)
    theirs = keras_around(name, arguments, shapes)
    weights = [rng.normal(size=w.shape).astype("float32") / 2 for w in theirs.weights]
    assert [w.shape for w in theirs.weights] == [w.shape for w in ours.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    x = [rng.normal(size=(5, *shape)).astype("float32") for shape in shapes]
    y = rng.normal(size=(5, 2)).astype("float32")
    ours.compile("sgd", "mse")
    loss = ((theirs(one_or_list(x)) - torch.tensor(y)) ** 2).mean()
    theirs.zero_grad()
    loss.backward()
    expected = [as_numpy(w.value.grad) for w in theirs.trainable_weights]
    largest = max(np.abs(gradient).max() for gradient in expected)
    for a, b in zip(ours.gradients(x, y), expected, strict=True):
        assert_close(a, b, largest)


@pytest.mark.parametrize("name", sorted({name for name, _, _ in CASES}))
def test_arguments_and_defaults(name: str) -> None:
    def arguments(cls: type) -> list[tuple[str, Any]]:
        parameters = inspect.signature(cls.__init__).parameters.values()
        found = [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][1:]
        return [(key, value) for key, value in found if key not in ("alpha_regularizer", "alpha_constraint")]

    assert arguments(getattr(cb.layers, name)) == arguments(getattr(keras.layers, name))


def plain(layer: Any) -> dict[str, Any]:
    """A config as JSON has it, without what differs between any two layers or the libraries."""
    config: dict[str, Any] = json.loads(json.dumps(layer.get_config()))
    different = ("name", "dtype", "alpha_initializer", "alpha_regularizer", "alpha_constraint")
    return {key: value for key, value in config.items() if key not in different}


@EACH
def test_configs_are_exchangeable(name: str, arguments: Any, shapes: Any) -> None:
    classes = [getattr(library.layers, name) for library in (cb, keras)]
    ours, theirs = (cls(**arguments) for cls in classes)
    assert plain(ours) == plain(theirs)
    for cls in classes:
        assert plain(cls.from_config(plain(ours))) == plain(theirs)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot"])
def test_functional_forms(name: str, rng: np.random.Generator) -> None:
    inputs = [rng.normal(size=(5, 3)).astype("float32") for _ in range(2)]
    assert_close(getattr(cb.layers, name)(inputs), as_numpy(getattr(keras.layers, name)(inputs)))


@pytest.mark.parametrize("name", ["Maximum", "Minimum"])
@pytest.mark.parametrize("values", [(1, 1), (1, 2), (2, 1), (1, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (0, 0, 1)])
def test_equal_inputs_share_the_delta(name: str, values: tuple[int, ...]) -> None:
    sign = 1 if name == "Maximum" else -1
    tensors = [torch.tensor([[float(sign * value)]], requires_grad=True) for value in values]
    getattr(keras.layers, name)()(tensors).sum().backward()
    expected = [float(tensor.grad) * sign * value for tensor, value in zip(tensors, values, strict=True)]
    inputs = [cb.Input((1,)) for _ in values]
    scaled = [cb.layers.Dense(1, use_bias=False, kernel_initializer="ones")(x) for x in inputs]
    model = cb.Model(inputs, getattr(cb.layers, name)()(scaled))
    model.compile("sgd", "mse")
    # A target half below the output makes dL/doutput 1.
    found = model.gradients([np.array([[sign * v]]) for v in values], np.array([[sign * max(values) - 0.5]]))
    np.testing.assert_allclose(np.ravel(found), expected, atol=1e-7)


def test_prelu_has_no_slope_at_zero() -> None:
    layer = keras.layers.PReLU("ones")
    x = torch.zeros((1, 1), requires_grad=True)
    layer(x).sum().backward()
    assert float(x.grad) == float(layer.alpha.value.grad) == 0


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("noise_shape", [None, (None, 1, 4), (1, None, None)])
def test_dropout_has_the_same_values(rate: float, noise_shape: Any) -> None:
    x = np.ones((64, 3, 4), "float32")
    arguments = {"rate": rate, "noise_shape": noise_shape, "seed": 1}
    ours = cb.layers.Dropout(**arguments)(x, training=True)
    theirs = as_numpy(keras.layers.Dropout(**arguments)(x, training=True))
    np.testing.assert_allclose(np.unique(ours), np.unique(theirs), rtol=1e-6)
    for axis in range(3):
        same = [bool((y == y.take([0], axis=axis)).all()) for y in (ours, theirs)]
        assert same[0] == same[1]


# Layers that Keras refuses: at construction, or on symbolic inputs of these shapes.
MISTAKES: list[tuple[str, dict[str, Any], list[tuple[int, ...]]]] = [
    ("Add", {}, [(3,), (4,)]),
    ("Subtract", {}, [(3,), (3,), (3,)]),
    ("Concatenate", {}, [(2, 3), (3, 3)]),
    ("Concatenate", {"axis": 1}, [(2, 3), (2, 4)]),
    ("Concatenate", {"axis": 4}, [(2, 3), (2, 3)]),
    ("Dot", {"axes": "1"}, []),
    ("Dot", {"axes": (1, 2, 3)}, []),
    ("Dot", {"axes": (1, 1.5)}, []),
    ("Dot", {"axes": 1}, [(3,), (4,)]),
    ("Dot", {"axes": 3}, [(3,), (3,)]),
    ("Dot", {"axes": 1}, [(3,), (3,), (3,)]),
    ("Flatten", {"data_format": "x"}, []),
    ("Reshape", {"target_shape": 3}, []),
    ("Reshape", {"target_shape": (-1, -1)}, []),
    ("Reshape", {"target_shape": (-2, 3)}, []),
    ("Reshape", {"target_shape": (4,)}, [(2, 3)]),
    ("Reshape", {"target_shape": (4, -1)}, [(2, 3)]),
    ("RepeatVector", {"n": 1.5}, []),
    ("RepeatVector", {"n": 0}, []),
    ("RepeatVector", {"n": 2}, [(2, 3)]),
    ("Permute", {"dims": (1, 3)}, []),
    ("Permute", {"dims": (0, 1)}, []),
    ("Permute", {"dims": (2, 1)}, [(2, 3, 4)]),
    ("PReLU", {"shared_axes": [4]}, [(2, 3)]),
    ("Dropout", {"rate": 1.5}, []),
    ("Dropout", {"rate": -0.5}, []),
    ("Dropout", {"rate": 0.5, "seed": 1.5}, []),
    ("Dropout", {"rate": 0.5, "noise_shape": "abc"}, []),
    ("Dropout", {"rate": 0.5, "noise_shape": 3}, []),
    ("Dropout", {"rate": 0.5, "noise_shape": (None, 0)}, []),
]


@pytest.mark.parametrize(("name", "arguments", "shapes"), MISTAKES)
@pytest.mark.parametrize("library", [cb, keras], ids=["ours", "keras"])
def test_the_same_mistakes_are_refused(library: Any, name: str, arguments: Any, shapes: Any) -> None:
    def run() -> None:
        layer = getattr(library.layers, name)(**arguments)
        if shapes:
            layer(one_or_list([library.Input(shape) for shape in shapes]))

    errors = (ValueError, TypeError) if library is cb else Exception
    with pytest.raises(errors):
        run()
