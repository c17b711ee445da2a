"""Operators between symbolic tensors, and parts of them: what NumPy gives, in files, copies, masks, and mistakes."""

import json

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

ARRAY = np.arange(1.0, 5.0)
COLUMN = np.array([[1], [2], [-3], [4], [5], [6]])
# Operations on x (batch, 6, 4) and y (batch, 1, 4), both of which may be arrays
PARTS = {
    "range": lambda x, y: x[:, 1:3],
    "steps": lambda x, y: x[:, ::2],
    "backwards": lambda x, y: x[:, ::-1],
    "backwards in steps": lambda x, y: x[:, 4:1:-2, ::-1],
    "to the first": lambda x, y: x[:, 2::-1],
    "from the end": lambda x, y: x[:, -3:-1],
    "beyond the end": lambda x, y: x[:, 4:100],
    "element": lambda x, y: x[:, 2],
    "last element": lambda x, y: x[:, -1],
    "of the last axis": lambda x, y: x[..., 0],
    "of two axes": lambda x, y: x[:, 1:, 2:3],
    "one number": lambda x, y: x[:, 3, 1],
    "new axis": lambda x, y: x[:, None],
    "new last axis": lambda x, y: x[..., np.newaxis],
    "new axes and parts": lambda x, y: x[:, None, 1, None, ::2],
    "ellipsis between": lambda x, y: x[:, ..., 1],
    "all": lambda x, y: x[:],
    "all of it": lambda x, y: x[...],
    "NumPy's integers": lambda x, y: x[:, np.int64(1) : np.int32(4)],
}
ARITHMETIC = {
    "sums": lambda x, y: x + y + 1 + x,
    "differences": lambda x, y: 2 - x - (y - 1),
    "products": lambda x, y: 2 * x * y * 3,
    "quotient by number": lambda x, y: x / 4,
    "quotient": lambda x, y: x / (y * y + 1),
    "quotient of number": lambda x, y: 1 / (x * x + 1) + 3 / (x * x + 2),
    "quotient of array": lambda x, y: ARRAY / (x * x + 1),
    "square": lambda x, y: x**2,
    "cube": lambda x, y: x**3,
    "power of 0": lambda x, y: x**0 + x,
    "power of 1": lambda x, y: x**1,
    "inverse": lambda x, y: (x * x + 1) ** -1,
    "root": lambda x, y: (x * x + 0.1) ** 0.5,
    "power of number": lambda x, y: 2**x,
    "powers": lambda x, y: (x * x + 0.5) ** y,
    "size": lambda x, y: abs(x),
    "signs": lambda x, y: +x - (-y),
    "array": lambda x, y: x * ARRAY + ARRAY,
    "array on the left": lambda x, y: ARRAY * x - (ARRAY - x),
    "array of a column": lambda x, y: x + COLUMN,
    "array with a batch of 1": lambda x, y: x - ARRAY[None, None],
    "quotient by array": lambda x, y: x / ARRAY,
    "number of NumPy": lambda x, y: np.float64(2) * x + np.float32(1),
    "product of matrices": lambda x, y: x @ x[:, :4],
}
ALL = pytest.mark.parametrize("function", [pytest.param(f, id=name) for name, f in (PARTS | ARITHMETIC).items()])


def model_of(function, dtype="float32"):
    x, y = cb.Input((6, 4), dtype=dtype), cb.Input((1, 4), dtype=dtype)
    return cb.Model([x, y], [function(x, y), y[:, 0, :2]])  # both inputs are read


def data(rng, dtype="float32"):
    return [rng.normal(size=(5, 6, 4)).astype(dtype), rng.normal(size=(5, 1, 4)).astype(dtype)]


@ALL
@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_as_numpy_computes(function, engine, dtype, rng):
    model, (x, y) = model_of(function, dtype), data(rng, dtype)
    model.compile(engine=engine)
    expected = function(x, y)
    assert model.outputs[0].shape == (None, *expected.shape[1:])
    limit = 1e-5 if dtype == "float32" else 1e-13
    found = model.predict([x, y], verbose=0)[0]
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=limit, atol=limit)


@ALL
def test_gradients(function, rng):
    model, (x, y) = model_of(function), data(rng)
    inputs = [layers.Dense(4)(tensor) for tensor in (cb.Input((6, 4)), cb.Input((1, 4)))]
    sources = [tensor.node.inputs[0] for tensor in inputs]
    outputs = [layers.Dense(1)(layers.Flatten()(tensor)) for tensor in (function(*inputs), inputs[0], inputs[1])]
    model = cb.Model(sources, layers.Add()(outputs))
    model.compile("sgd", "mse")
    assert model.check_gradients([x, y], rng.normal(size=(5, 1))).max_relative_error < 2e-6


@ALL
def test_in_copies_and_files(function, rng, tmp_path):
    model, inputs = model_of(function), data(rng)
    expected = model.predict(inputs, verbose=0)
    model.save(tmp_path / "model.safetensors")
    copies = [
        cb.models.clone_model(model),
        cb.Model.from_config(json.loads(json.dumps(model.get_config()))),
        cb.models.load_model(tmp_path / "model.safetensors"),
    ]
    for copy in copies:
        for a, b in zip(copy.predict(inputs, verbose=0), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_names_are_keras_own():
    x = cb.Input((6, 4))
    made = [x[:, 0], x**2, x / x, abs(x), x * x, x + x, x - x]
    kinds = ["GetItem", "Power", "TrueDivide", "Absolute", "Multiply", "Add", "Subtract"]
    assert [type(tensor.node.layer).__name__ for tensor in made] == kinds


def test_the_type_is_that_of_the_tensor():
    x = cb.Input((4,), dtype="float64")
    assert {tensor.dtype for tensor in (x[:, 1], x**2, x / x, abs(x), 1 / x, x + 1, x * x, 2**x)} == {"float64"}


def test_masks_end_where_those_of_keras_end():
    masked = layers.Masking()(cb.Input((6, 4)))
    for tensor in (masked[:, 1:], masked**2, masked / masked, abs(masked)):
        assert cb.Model(masked.node.inputs[0], tensor).plan.output_masks == [None]


def test_edges_of_powers():
    x = np.array([[0.0, -2.0, 4.0]])
    np.testing.assert_array_equal(layers.Power(0)(x), [[1, 1, 1]])
    np.testing.assert_array_equal(layers.Power(-1)(x), [[np.inf, -0.5, 0.25]])
    np.testing.assert_array_equal(layers.Power(0.5)(x), [[0, np.nan, 2]])
    np.testing.assert_array_equal(layers.TrueDivide()([x, np.zeros((1, 3))]), [[np.nan, -np.inf, np.inf]])


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_gradients_of_powers_at_0_are_finite_where_there_is_one(engine):
    a, b = cb.Input((1,)), cb.Input((1,))
    h, k = (layers.Dense(1, kernel_initializer="ones")(tensor) for tensor in (a, b))
    model = cb.Model([a, b], layers.Power()([h, k]) + h**0 + h**2)
    model.compile("sgd", "mse", engine=engine)
    gradients = model.gradients([np.zeros((1, 1)), np.full((1, 1), 2.0)], np.ones((1, 1)))
    assert all(np.isfinite(gradient).all() for gradient in gradients)


X = cb.Input((6, 4))
MISTAKES = {
    "one sample": (lambda: X[0], ValueError, r"key must take the whole batch, .*\[0\]"),
    "some samples": (lambda: X[1:3], ValueError, "key must take the whole batch"),
    "new axis in front": (lambda: X[None], ValueError, "key must take the whole batch"),
    "element that is not there": (lambda: X[:, 6], ValueError, r"takes element 6 of 6: key is \[:, 6\]"),
    "element before the first": (lambda: X[:, -7], ValueError, "takes element -7 of 6"),
    "too many": (lambda: X[:, 0, 0, 0], ValueError, "has 4 entries for 3 axes"),
    "nothing": (lambda: X[:, 3:3], ValueError, "takes nothing of an axis of 6"),
    "no step": (lambda: X[:, ::0], ValueError, "step of a slice in key must not be 0"),
    "two ellipses": (lambda: X[..., ...], ValueError, "at most one ellipsis"),
    "list": (lambda: X[:, [1, 2]], TypeError, "key must hold integers, slices"),
    "array": (lambda: X[:, np.array([1, 2])], TypeError, "key must hold integers, slices"),
    "boolean": (lambda: X[:, True], TypeError, "key must hold integers, slices"),
    "float": (lambda: X[:, 1.0], TypeError, "key must hold integers, slices"),
    "text": (lambda: X["a"], TypeError, "key must hold integers, slices"),
    "less": (lambda: X < 1, TypeError, "has no gradient"),
    "greater": (lambda: X > 1, TypeError, "has no gradient"),
    "at most": (lambda: X <= X, TypeError, "has no gradient"),
    "whole quotient": (lambda: X // 2, TypeError, "has no gradient"),
    "rest": (lambda: 2 % X, TypeError, "has no gradient"),
    "rounded": (lambda: round(X), TypeError, "has no gradient"),
    "and": (lambda: X & X, TypeError, "has no gradient"),
    "not": (lambda: ~X, TypeError, "has no gradient"),
    "gone through": (lambda: list(X), NotImplementedError, "cannot be gone through"),
    "number": (lambda: float(X), ValueError, "has no value that could be a number"),
    "whole number": (lambda: int(X), ValueError, "has no value that could be a number"),
    "place": (lambda: [1, 2][X], ValueError, "has no value that could be a number"),
    "divided by 0": (lambda: X / 0, TypeError, "numbers other than 0"),
    "divided by 0 somewhere": (lambda: X / np.arange(4.0), TypeError, "numbers other than 0"),
    "array for each sample": (lambda: X * np.ones((5, 6, 4)), ValueError, r"an array of shape \(5, 6, 4\)"),
    "array that grows it": (lambda: X[:, :1] * np.ones((6, 1)), ValueError, "broadcast to one of its samples"),
    "text added": (lambda: X + "a", TypeError, "numbers, arrays and other symbolic tensors"),
    "power of text": (lambda: X ** "a", TypeError, "numbers, arrays and other symbolic tensors"),
    "negative number to a power": (lambda: (-2) ** X, TypeError, "Only positive numbers"),
    "matrix": (lambda: X @ np.ones((4, 2)), TypeError, "layers.Dense"),
    "matrix on the left": (lambda: np.ones((4, 6)) @ X, TypeError, "layers.Dense"),
    "samples multiplied": (lambda: X[:, 0] @ X[:, 0], TypeError, "no product of a matrix with a matrix for each"),
    "infinite power": (lambda: X ** float("inf"), ValueError, "exponent must be finite"),
    "shapes": (lambda: X / cb.Input((5, 4)), ValueError, "broadcast"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    act, error, message = MISTAKES[name]
    with pytest.raises(error, match=message):
        act()


def test_arithmetic_of_symbolic_tensors():
    a, b = cb.Input((2,)), cb.Input((2,))
    model = cb.Model([a, b], [a + b, a - b, a * b])
    results = model.predict([[[1.0, 2.0]], [[3.0, 5.0]]], verbose=0)
    assert [r.tolist() for r in results] == [[[4.0, 7.0]], [[-2.0, -3.0]], [[3.0, 10.0]]]
    with pytest.raises(TypeError, match="only be combined with numbers, arrays and other symbolic"):
        a * [2.0]


def test_arithmetic_of_a_symbolic_tensor_and_numbers():
    a = cb.Input((2,))
    model = cb.Model(a, [2 * a + 1, 1 - a, a / 4, -a, a - np.float32(0.5)])
    results = model.predict([[1.0, 2.0]], verbose=0)
    expected = [[3.0, 5.0], [0.0, -1.0], [0.25, 0.5], [-1.0, -2.0], [0.5, 1.5]]
    np.testing.assert_array_equal(np.concatenate(results), expected)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda a: a / 0, TypeError, "divided by numbers other than 0, but got 0"),
        (lambda a: a * np.nan, ValueError, "must be finite"),
        (lambda a: a * True, TypeError, "combined with numbers"),
        (lambda a: a[0], ValueError, "key must take the whole batch"),
        (list, NotImplementedError, "cannot be gone through"),
    ],
)
def test_arithmetic_that_is_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong(cb.Input((2,)))
