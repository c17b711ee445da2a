"""Constant of an array."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from cbackprop import initializers, layers

MATRIX = np.array([[0.25, -1.5, 3.0], [1.0, 2.0, 0.1]])


@pytest.mark.parametrize("value", [MATRIX, MATRIX.tolist(), tuple(map(tuple, MATRIX)), MATRIX.astype("float32")])
def test_constant_array(value: Any) -> None:
    expected = np.asarray(value)
    initializer = initializers.Constant(value)
    np.testing.assert_array_equal(initializer((2, 3), "float64"), expected)
    np.testing.assert_array_equal(initializer((4, 2, 3), "float64"), np.broadcast_to(expected, (4, 2, 3)))
    config = json.loads(json.dumps(initializers.serialize(initializer)))
    np.testing.assert_array_equal(initializers.deserialize(config)((2, 3), "float64"), expected)


def test_constant_array_is_kept_as_it_was() -> None:
    value = MATRIX.copy()
    initializer = initializers.Constant(value)
    value[:] = 0
    initializer((2, 3))[:] = 7
    np.testing.assert_array_equal(initializer((2, 3), "float64"), MATRIX)


def test_constant_array_in_a_layer() -> None:
    layer = layers.Dense(3, kernel_initializer=initializers.Constant(MATRIX))
    copied = layers.Dense.from_config(layer.get_config())
    for each in (layer, copied):
        each.build((None, 2))
        np.testing.assert_array_equal(each.get_weights()[0], MATRIX.astype("float32"))


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.array(["a"]), TypeError, "value must be a number or an array of numbers"),
        ([[1, 2], [3]], TypeError, "value must be a number or an array of numbers"),
        (np.array([1, np.nan]), ValueError, "value must be finite"),
        (np.array([True]), TypeError, "value must be a number or an array of numbers"),
        ("a", TypeError, "value must be a number"),
    ],
)
def test_constant_refuses(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        initializers.Constant(value)


def test_constant_array_that_does_not_fit() -> None:
    with pytest.raises(
        ValueError, match=r"value, of shape \(2, 3\), cannot be broadcast to a weight of shape \(3, 2\)"
    ):
        initializers.Constant(MATRIX)((3, 2))
