"""EinsumDense: random equations against NumPy's einsum, gradients, and mistakes."""

import math

import numpy as np
import pytest
from einsum_cases import CASES, random_case
from layer_cases import around
from layer_checks import assert_backward, assert_forward

import cbackprop as cb
from cbackprop import initializers, layers

ALL = [*CASES, *(random_case(seed) for seed in range(60))]


def expected(layer, x):
    """NumPy's result with the layer's weights."""
    y = np.einsum(layer.equation, x, layer.kernel.numpy())
    return y if layer.bias is None else y + layer.bias.numpy()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("equation", "sizes", "bias_axes", "shape"), ALL)
def test_forward(equation, sizes, bias_axes, shape, dtype, rng):
    layer = layers.EinsumDense(equation, sizes, bias_axes=bias_axes, bias_initializer="random_normal", dtype=dtype)
    x = rng.normal(size=(7, *shape)).astype(dtype)
    layer(x)
    assert_forward(layer, [x], expected(layer, x))


@pytest.mark.parametrize(("equation", "sizes", "bias_axes", "shape"), ALL[::3])
def test_backward(equation, sizes, bias_axes, shape):
    make = lambda: layers.EinsumDense(  # noqa: E731
        equation,
        sizes,
        bias_axes=bias_axes,
        kernel_initializer=initializers.RandomNormal(stddev=0.5, seed=1),
        bias_initializer=initializers.RandomNormal(seed=2),
    )
    assert_backward(lambda: around(make, [shape]))


@pytest.mark.parametrize(("equation", "sizes", "bias_axes", "shape"), [case for case in ALL if case[3]][::4])
def test_threads_do_not_change_a_bit(equation, sizes, bias_axes, shape, rng):
    x = rng.normal(size=(50, *shape)).astype(np.float32)
    trained = []
    for threads in (1, 2, 3):
        cb.utils.set_random_seed(0)
        cb.config.set_num_threads(threads)
        layer = layers.EinsumDense(equation, sizes, "tanh", bias_axes)
        model = cb.Sequential([cb.Input(shape), layer, layers.Flatten(), layers.Dense(1)])
        model.compile("adam", "mse")
        model.fit(x, x.sum(axis=tuple(range(1, x.ndim)))[:, None], batch_size=20, epochs=2, verbose=0)
        trained.append(model.get_weights())
    cb.config.set_num_threads("auto")
    for weights in trained[1:]:
        for a, b in zip(trained[0], weights, strict=True):
            np.testing.assert_array_equal(a, b)


def test_many_numbers(rng):
    """Of sizes at which products are packed and divided among threads."""
    for equation, sizes, shape in (
        ("abc,cde->abde", (None, 5, 31), (37, 65)),
        ("abc,dec->adbe", (5, None, 31), (37, 65)),
        ("abcd,bde->abce", (None, None, 70), (3, 33, 65)),
    ):
        layer = layers.EinsumDense(equation, sizes, bias_axes="e", bias_initializer="random_normal", dtype="float64")
        x = rng.normal(size=(19, *shape))
        y = layer(x)
        np.testing.assert_allclose(y, expected(layer, x), rtol=1e-9, atol=1e-11)
        model = cb.Sequential([cb.Input(shape, dtype="float64"), layer])
        model.compile("sgd", "mse")
        (dkernel, dbias) = model.gradients(x, np.zeros_like(y))
        delta = 2 * y / y.size
        x_letters, kernel_letters, y_letters = equation.replace("->", ",").split(",")
        np.testing.assert_allclose(
            dkernel, np.einsum(f"{x_letters},{y_letters}->{kernel_letters}", x, delta), rtol=1e-8, atol=1e-12
        )
        np.testing.assert_allclose(dbias, delta.sum(axis=tuple(range(delta.ndim - 1))), rtol=1e-8, atol=1e-12)


def test_weights_that_are_not_used_keep_a_gradient_of_0(rng):
    """Those beside the diagonal move by the penalty only, which is added to the gradient in each step."""
    layer = layers.EinsumDense("abc,ccd->abd", (None, 4), kernel_regularizer=cb.regularizers.L2(0.5))
    model = cb.Sequential([cb.Input((3, 2)), layer])
    model.compile(cb.optimizers.SGD(0.1), "mse")
    before = layer.kernel.numpy()
    model.fit(rng.normal(size=(6, 3, 2)), np.zeros((6, 3, 4)), epochs=3, verbose=0)
    np.testing.assert_allclose(layer.kernel.numpy()[0, 1], before[0, 1] * 0.9**3, rtol=1e-5)


def test_fans_are_counted_along_letters():
    """The limit of uniform draws is sqrt(6 / (fan_in + fan_out))."""
    layer = layers.EinsumDense("abc,cde->abde", (None, 10, 20))
    layer.build((None, 3, 40))
    limit = math.sqrt(6 / (40 + 200))
    assert 0.97 * limit < np.abs(layer.kernel.numpy()).max() <= limit
    given = initializers.GlorotUniform(input_axes=[0], output_axes=[1])
    layer = layers.EinsumDense("abc,cde->abde", (None, 10, 20), kernel_initializer=given)
    layer.build((None, 3, 40))
    assert np.abs(layer.kernel.numpy()).max() > 1.2 * limit


def test_sizes_that_come_with_the_data(rng):
    model = cb.Sequential([cb.Input((None, 3)), layers.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d")])
    assert model.output_shape == (None, None, 4)
    for length in (2, 5):
        x = rng.normal(size=(4, length, 3)).astype(np.float32)
        assert_close = np.testing.assert_allclose
        assert_close(model.predict(x, verbose=0), expected(model.layers[-1], x), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"kernel|sizes|unknown|None"):
        layers.EinsumDense("abc,bd->acd", (None, 4))(cb.Input((None, 3)))


EQUATION = "equation must be of the form"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("ab->ac", 3), ValueError, EQUATION),
        (("ab,bc", 3), ValueError, EQUATION),
        (("ab,bc->", 3), ValueError, EQUATION),
        (("ab, bc->ac", 3), ValueError, EQUATION),
        (("...ab,bc->ac", 3), ValueError, EQUATION),
        (("...ab...,bc->...ac...", 3), ValueError, EQUATION),
        (("ab,bc,cd->ad", 3), ValueError, EQUATION),
        ((5, 3), TypeError, "equation must be a string"),
        (("", 3), ValueError, "equation must have letters"),
        (("ab,bc->acc", 3), ValueError, "'c' twice in its output"),
        (("ab,bc->ad", 3), ValueError, "'d' in its output only"),
        (("ab,bcd->ac", 3), ValueError, "'d' in its kernel only"),
        (("ab,bc->ca", 3), ValueError, "begin with the same letter"),
        (("ab,abc->ac", 3), ValueError, "begin with the same letter"),
        (("aa,ab->ab", 3), ValueError, "begin with the same letter"),
        (("ab,bc->ac", 0), ValueError, "output_shape must be at least 1"),
        (("ab,bc->ac", [2.5]), TypeError, "output_shape must be an integer"),
        (("ab,bc->ac", "x"), TypeError, "output_shape must be an integer"),
        (("ab,bc->ac", 3, None, "x"), ValueError, "bias_axes must be letters of the output"),
        (("ab,bc->ac", 3, None, "a"), ValueError, "bias_axes must not hold 'a'"),
        (("ab,bc->ac", 3, None, ""), ValueError, "bias_axes must have letters"),
        (("ab,bc->ac", 3, None, 1), TypeError, "bias_axes must be a string"),
    ],
)
def test_arguments_that_mean_nothing(arguments, error, message):
    with pytest.raises(error, match=message):
        layers.EinsumDense(*arguments)


@pytest.mark.parametrize(
    ("arguments", "shape", "message"),
    [
        (("ab,bc->ac", 3), (2, 3), "needs inputs of 2 axes"),
        (("abc,cd->abd", (None, 3)), (3,), "needs inputs of 3 axes"),
        (("ab...,bc->ac...", 3), (), "needs inputs of 2 or more axes"),
        (("abc,cd->abd", (5, 3)), (2, 3), "output_shape says 5 for 'b'"),
        (("abc,cd->abd", 3), (2, 3), "output_shape must have a size for each letter"),
        (("ab,bc->ac", (None,)), (3,), "output_shape must say the size of 'c'"),
        (("abb,bc->ac", 3), (2, 3), "'b' twice, for axes of 2 and 3"),
        (("...a,ab->...b", 3), (), "begin with the same letter"),
    ],
)
def test_inputs_that_do_not_fit(arguments, shape, message):
    layer = layers.EinsumDense(*arguments)
    with pytest.raises(ValueError, match=message):
        layer(cb.Input(shape))
    assert not layer.built


def test_another_input_than_it_was_built_for():
    layer = layers.EinsumDense("...x,xy->...y", 4)
    layer(cb.Input((3,)))
    assert layer(cb.Input((2, 3))).shape == (None, 2, 4)
    with pytest.raises(ValueError, match=r"kernel of EinsumDense .* has the shape \(3, 4\), but .* need \(2, 4\)"):
        layer(cb.Input((3, 2)))
