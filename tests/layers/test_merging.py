"""Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot."""

import json
import math

import numpy as np
import pytest
from layer_cases import around
from layer_checks import assert_backward, assert_forward, outputs

import cbackprop as cb
from cbackprop import layers

ELEMENTWISE = {
    "Add": lambda arrays: sum(arrays),
    "Multiply": lambda arrays: math.prod(arrays),
    "Average": lambda arrays: sum(arrays) / len(arrays),
    "Maximum": lambda arrays: np.max(np.broadcast_arrays(*arrays), axis=0),
    "Minimum": lambda arrays: np.min(np.broadcast_arrays(*arrays), axis=0),
    "Subtract": lambda arrays: arrays[0] - arrays[1],
}
TWO = [
    [(4,), (4,)],
    [(2, 3), (2, 3)],
    [(3, 4), (1, 4)],
    [(3, 1), (1, 4)],
    [(2, 3, 4), (3, 1)],
    [(1,), (4,)],
    [(), (4,)],
]
MORE = [[(4,)] * 3, [(2, 3)] * 5, [(1, 4), (3, 1), (3, 4)], [(3, 4), (4,), (1,)], [(2, 1, 3), (1,), (4, 1), (2, 4, 3)]]
CASES = [
    pytest.param(name, shapes, id=f"{name}-{shapes}")
    for name in ELEMENTWISE
    for shapes in TWO + (MORE if name != "Subtract" else [])
]
DOTS = [
    ([(4,), (4,)], 1),
    ([(4,), (4,)], -1),
    ([(3, 4), (3, 4)], 1),
    ([(3, 4), (3, 4)], 2),
    ([(3, 4), (5, 4)], -1),
    ([(3, 4), (4, 5)], (2, 1)),
    ([(3, 4), (3, 5)], (1, 1)),
    ([(3, 4), (5, 3)], (1, 2)),
    ([(3, 4), (5, 4)], (-1, -1)),
    ([(4,), (4, 5)], 1),
    ([(5, 4), (4,)], (2, 1)),
    ([(2, 3, 4), (5, 3)], (2, 2)),
    ([(3, 1), (1, 3)], (1, 2)),
]


def arrays(shapes, rng, samples=6, dtype="float32"):
    return [rng.normal(size=(samples, *shape)).astype(dtype) for shape in shapes]


def aligned(inputs):
    """With axes of length 1 after the batch, so that NumPy broadcasts samples."""
    ndim = max(x.ndim for x in inputs)
    return [x.reshape(len(x), *[1] * (ndim - x.ndim), *x.shape[1:]) for x in inputs]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "shapes"), CASES)
def test_elementwise_forward(name, shapes, dtype, rng):
    inputs = arrays(shapes, rng, dtype=dtype)
    assert_forward(getattr(layers, name)(dtype=dtype), inputs, ELEMENTWISE[name](aligned(inputs)))


@pytest.mark.parametrize(("name", "shapes"), CASES)
def test_elementwise_backward(name, shapes):
    assert_backward(lambda: around(getattr(layers, name), shapes))


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("places", ["aa", "aab", "aba", "baa", "aaa", "abab"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_same_tensor_several_times(name, places, elsewhere):
    """Whether or not a later layer has begun its delta."""
    if name == "Subtract" and len(places) > 2:
        return

    def make():
        x = cb.Input((3,))
        a, b = layers.Dense(3, activation="tanh")(x), layers.Dense(3, activation="tanh")(x)
        merged = getattr(layers, name)()([{"a": a, "b": b}[place] for place in places])
        if elsewhere:
            merged = layers.Add()([merged, layers.Multiply()([a, b])])
        elif "b" not in places:
            merged = layers.Concatenate()([merged, b])
        return cb.Model(x, layers.Dense(2)(merged))

    assert_backward(make)


def test_the_same_tensor_side_by_side_and_as_both_factors():
    def make():
        x = cb.Input((3,))
        a = layers.Dense(3, activation="tanh")(x)
        parts = [layers.Concatenate()([a, a]), layers.Dot(axes=1)([a, a]), layers.Dot(1, normalize=True)([a, a])]
        return cb.Model(x, layers.Dense(2)(layers.Concatenate()([*parts, a])))

    assert_backward(make)


@pytest.mark.parametrize("name", ["Add", "Multiply", "Maximum"])
def test_broadcast_inputs_with_other_uses(name):
    def make():
        x = cb.Input((4,))
        row, column = (layers.Dense(4, activation="tanh")(x) for _ in range(2))
        column = layers.Reshape((4, 1))(column)
        merged = getattr(layers, name)()([column, row, layers.Reshape((1, 4))(row)])
        parts = [layers.Flatten()(tensor) for tensor in (merged, row, column)]
        return cb.Model(x, layers.Dense(2)(layers.Concatenate()(parts)))

    assert_backward(make)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("axes", [1, 2, (1, 2)])
def test_factors_with_other_uses(axes, normalize):
    def make():
        x = cb.Input((4,))
        a, b = (layers.Reshape((3, 3))(layers.Dense(9, activation="tanh")(x)) for _ in range(2))
        products = [layers.Dot(axes, normalize)([a, b]), layers.Dot(axes, normalize)([b, b])]
        parts = [layers.Flatten()(tensor) for tensor in (*products, a, b)]
        return cb.Model(x, layers.Dense(2)(layers.Concatenate()(parts)))

    assert_backward(make)


def test_a_layer_used_twice_and_a_frozen_input():
    def make():
        x, y = cb.Input((3,)), cb.Input((3,))
        product, largest = layers.Multiply(), layers.Maximum()
        h = layers.Dense(3, activation="tanh")(x)
        frozen = layers.Dense(3, trainable=False)(y)
        z = largest([product([y, h, frozen]), product([h, h, y])])
        return cb.Model([x, y], layers.Dense(2)(layers.Concatenate()([y, z, h])))

    assert_backward(make)


# The gradients of PyTorch's autograd for max(max(a, b), c), which Keras computes: see test_layers_keras.py.
TIES = {
    (1, 1): (0.5, 0.5),
    (1, 2): (0, 1),
    (2, 1): (1, 0),
    (1, 1, 1): (0.25, 0.25, 0.5),
    (1, 1, 0): (0.5, 0.5, 0),
    (1, 0, 1): (0.5, 0, 0.5),
    (0, 1, 1): (0, 0.5, 0.5),
    (0, 0, 1): (0, 0, 1),
}


@pytest.mark.parametrize("values", TIES)
@pytest.mark.parametrize("name", ["Maximum", "Minimum"])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_equal_inputs_share_the_delta(name, values, engine):
    sign = 1 if name == "Maximum" else -1
    inputs = [cb.Input((1,), dtype="float64") for _ in values]
    scaled = [layers.Dense(1, use_bias=False, kernel_initializer="ones", dtype="float64")(x) for x in inputs]
    model = cb.Model(inputs, getattr(layers, name)(dtype="float64")(scaled))
    model.compile("sgd", "mse", engine=engine)
    best = sign * max(values)
    found = model.gradients([np.array([[sign * value]]) for value in values], np.array([[best - 0.5]]))
    # dL/dy = 1, and dy/dkernel is the input.
    expected = [share * sign * value for share, value in zip(TIES[values], values, strict=True)]
    np.testing.assert_allclose(np.ravel(found), expected, atol=1e-15)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("name", ["Maximum", "Minimum"])
def test_nan_and_infinity_are_passed_on(name, engine):
    """Inputs are checked to be finite, but what layers compute may overflow."""
    dense = [layers.Dense(1, use_bias=False, kernel_initializer="ones") for _ in range(2)]
    x = [cb.Input((1,)), cb.Input((1,))]
    model = cb.Model(x, getattr(layers, name)()([layer(tensor) for layer, tensor in zip(dense, x, strict=True)]))
    for layer in dense:
        layer.kernel.array[...] = 1e38
    model.compile("sgd", "mse", engine=engine)
    big, small = np.float32([[1e4]]), np.float32([[1.0]])
    with np.errstate(over="ignore", invalid="ignore"):
        assert model.predict([big, small], verbose=0) == (np.inf if name == "Maximum" else np.float32(1e38))
        assert model.predict([-big, small], verbose=0) == (-np.inf if name == "Minimum" else np.float32(1e38))
        dense[0].kernel.array[...] = np.nan
        assert np.isnan(model.predict([small, big], verbose=0))
        dense[0].kernel.array[...] = 1
        dense[1].kernel.array[...] = np.nan
        assert np.isnan(model.predict([small, big], verbose=0))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_shapes_that_do_not_broadcast(name):
    layer = getattr(layers, name)(name="m")
    with pytest.raises(ValueError, match=rf"{name} 'm' needs inputs of the same shape.*\(None, 3\), \(None, 4\)"):
        layer([cb.Input((3,)), cb.Input((4,))])
    assert layer([cb.Input((5, 3)), cb.Input((3,))]).shape == (None, 5, 3)


@pytest.mark.parametrize("name", [*ELEMENTWISE, "Concatenate", "Dot"])
def test_too_few_or_many_inputs(name):
    layer = layers.Dot(axes=1) if name == "Dot" else getattr(layers, name)()
    wanted = "takes 2 input" if name in ("Subtract", "Dot") else "at least 2 inputs"
    with pytest.raises(ValueError, match=wanted):
        layer(cb.Input((3,)))
    with pytest.raises(ValueError, match=wanted):
        layer([cb.Input((3,))])
    if name in ("Subtract", "Dot"):
        with pytest.raises(ValueError, match=r"takes 2 input.*got 3"):
            layer([cb.Input((3,))] * 3)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot"])
def test_functional_forms(name, rng):
    inputs = arrays([(3,), (3,)], rng)
    function, cls = getattr(layers, name), getattr(layers, name.capitalize())
    layer = cls(axes=-1) if name == "dot" else cls()
    np.testing.assert_array_equal(function(inputs), layer(inputs))
    tensor = function([cb.Input((3,)), cb.Input((3,))], name="mine")
    assert tensor.node.layer.name == "mine"
    assert type(tensor.node.layer) is cls


def test_functional_forms_take_the_arguments_of_the_layer():
    x, y = cb.Input((2, 3)), cb.Input((4, 3))
    assert layers.concatenate([x, y], axis=1).shape == (None, 6, 3)
    assert layers.dot([x, y], axes=2).shape == (None, 2, 4)
    assert layers.dot([x, y], 2, normalize=True).node.layer.normalize


CONCATENATIONS = [
    ([(4,), (2,), (3,)], -1),
    ([(4,), (2,)], 1),
    ([(2, 3), (2, 1)], -1),
    ([(2, 3), (4, 3)], 1),
    ([(2, 3), (4, 3)], -2),
    ([(2, 3, 4), (2, 1, 4), (2, 2, 4)], 2),
    ([(1, 1), (1, 1)], 2),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shapes", "axis"), CONCATENATIONS)
def test_concatenate_forward(shapes, axis, dtype, rng):
    inputs = arrays(shapes, rng, dtype=dtype)
    assert_forward(layers.Concatenate(axis, dtype=dtype), inputs, np.concatenate(inputs, axis=axis))


@pytest.mark.parametrize(("shapes", "axis"), CONCATENATIONS)
def test_concatenate_backward(shapes, axis):
    assert_backward(lambda: around(lambda: layers.Concatenate(axis=axis), shapes))


def test_concatenate_refuses():
    with pytest.raises(ValueError, match="axis must not be 0"):
        layers.Concatenate(axis=0)
    with pytest.raises(TypeError, match="axis must be an integer"):
        layers.Concatenate(axis=1.0)
    for axis in (3, -3):
        with pytest.raises(ValueError, match=f"works along axis {axis}, which is not an axis"):
            layers.Concatenate(axis=axis)([cb.Input((2, 3)), cb.Input((2, 3))])
    for shapes in [(2, 3), (3, 3)], [(2, 3), (3,)], [(3,), (2, 3)]:
        with pytest.raises(ValueError, match="shapes differ only along axis -1"):
            layers.Concatenate()([cb.Input(shape) for shape in shapes])


def dot(a, b, axes, normalize=False):
    """The definition, sample by sample."""
    axes = (axes, axes) if isinstance(axes, int) else axes
    if normalize:
        a, b = (
            x / np.maximum(np.linalg.norm(x, axis=axis, keepdims=True), 1e-7)
            for x, axis in zip((a, b), axes, strict=True)
        )
    axes = [axis - 1 if axis > 0 else axis for axis in axes]
    result = np.stack([np.tensordot(x, y, axes=axes) for x, y in zip(a, b, strict=True)])
    return result.reshape(len(a), 1) if result.ndim == 1 else result


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("shapes", "axes"), DOTS)
def test_dot_forward(shapes, axes, normalize, dtype, rng):
    inputs = arrays(shapes, rng, dtype=dtype)
    assert_forward(layers.Dot(axes, normalize, dtype=dtype), inputs, dot(*inputs, axes, normalize))


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("shapes", "axes"), DOTS)
def test_dot_backward(shapes, axes, normalize):
    assert_backward(lambda: around(lambda: layers.Dot(axes=axes, normalize=normalize), shapes))


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_normalised_dot_of_tiny_vectors(engine):
    """The norm is at least 1e-7, and the gradient stays finite even if the norm is 0."""
    x, y = cb.Input((2,), dtype="float64"), cb.Input((2,), dtype="float64")
    scaled = layers.Dense(2, use_bias=False, kernel_initializer="identity", dtype="float64")(x)
    model = cb.Model([x, y], layers.Dot(1, normalize=True, dtype="float64")([scaled, y]))
    model.compile("sgd", "mse", engine=engine)
    unit = np.array([[1.0, 0.0]])
    np.testing.assert_allclose(model.predict([np.array([[3e-8, 0.0]]), unit], verbose=0), [[0.3]], rtol=1e-12)
    np.testing.assert_allclose(model.predict([np.array([[3e-7, 0.0]]), unit], verbose=0), [[1.0]], rtol=1e-12)
    assert model.predict([np.zeros((1, 2)), unit], verbose=0) == 0
    (gradient,) = model.gradients([np.array([[3e-8, 0.0]]), unit], np.array([[0.0]]))
    np.testing.assert_allclose(gradient, [[2 * 0.3 * 1e7 * 3e-8, 0], [0, 0]], rtol=1e-9)
    (gradient,) = model.gradients([np.zeros((1, 2)), unit], np.array([[1.0]]))
    assert np.isfinite(gradient).all()


def test_dot_refuses():
    with pytest.raises(TypeError, match="axes must be an integer"):
        layers.Dot(axes="1")
    with pytest.raises(TypeError, match="every axis in axes must be an integer"):
        layers.Dot(axes=(1, 2.0))
    with pytest.raises(ValueError, match=r"an integer or two of them, but got \(1, 2, 3\)"):
        layers.Dot(axes=(1, 2, 3))
    for axes in (0, (0, 1), (1, 0)):
        with pytest.raises(ValueError, match="axes must not hold 0"):
            layers.Dot(axes=axes)
    with pytest.raises(TypeError, match="normalize must be True or False"):
        layers.Dot(axes=1, normalize=1)
    for axes, wrong in ((2, 2), (-2, -2), ((1, 3), 3)):
        with pytest.raises(ValueError, match=f"but {wrong} is not an axis of the samples"):
            layers.Dot(axes=axes)([cb.Input((3,)), cb.Input((3, 3) if wrong == 3 else (3,))])
    with pytest.raises(ValueError, match=r"\(None, 3, 4\) and \(None, 3, 5\): 4 and 5"):
        layers.Dot(axes=2)([cb.Input((3, 4)), cb.Input((3, 5))])


@pytest.mark.parametrize(
    "make",
    [
        *(getattr(layers, name) for name in ELEMENTWISE),
        lambda **kwargs: layers.Concatenate(axis=1, **kwargs),
        lambda **kwargs: layers.Dot(axes=(2, 1), normalize=True, **kwargs),
        lambda **kwargs: layers.Dot(axes=-1, **kwargs),
    ],
)
def test_config_round_trip(make):
    layer = make(name="mine", dtype="float64")
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert again.get_config() == layer.get_config()
    for name in type(layer).argument_names():
        assert getattr(again, name) == getattr(layer, name), name


def test_many_samples_and_a_smaller_last_batch(rng):
    """Scratch is laid out for the rows of each batch, which may be fewer than there is room for."""
    inputs = arrays([(3, 1), (1, 4), (3, 4)], rng, samples=600)
    for name in ("Multiply", "Maximum"):
        np.testing.assert_allclose(outputs(getattr(layers, name)(), inputs), ELEMENTWISE[name](inputs), rtol=1e-6)
    model = around(layers.Multiply, [(3, 1), (1, 4), (3, 4)])
    x = arrays([(3, 1), (1, 4), (3, 4)], rng, samples=20)
    y = rng.normal(size=(20, 2)).astype("float32")
    start, found = model.get_weights(), []
    for engine in ("compiled", "reference"):
        model.set_weights(start)
        model.compile("sgd", "mse", engine=engine)
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
