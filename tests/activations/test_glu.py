"""GLU, which halves an axis: kernel against twin, shapes, layers with this activation, and mistakes."""

import json
import math

import layer_cases
import numpy as np
import pytest
from layer_checks import assert_backward

import cbackprop as cb
from cbackprop import activations, layers
from cbackprop.compiled.kernels.glu import glu_delta
from cbackprop.reference import activations as twins

# Numbers from the formula with 40 digits by mpmath 1.3.
A, B = [-1.75, 0.625, 2.375], [0.5, -2.0, 3.0]
KNOWN = [-1.0893038296032455, 0.074501826263823472, 2.2623635512032789]
ROUNDINGS = {"float32": 8 * np.finfo("float32").eps, "float64": 1e-14}


@pytest.mark.parametrize("dtype", ROUNDINGS)
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_kernel_and_twin_agree(axis, dtype, rng):
    x = (rng.normal(size=(4, 6, 10)) * np.exp(rng.uniform(-20, 20, (4, 6, 10)))).astype(dtype)
    y = activations.glu(x, axis=axis)
    expected = twins.glu_forward(x.astype("float64"), axis)
    assert y.dtype == dtype
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=ROUNDINGS[dtype], atol=np.finfo(dtype).tiny)
    delta = rng.normal(size=y.shape).astype(dtype)
    rows, width, _ = activations.glu.bind(axis=axis).kernel().layout(x.shape)
    gradient = glu_delta(x.reshape(rows, width), delta.reshape(rows, width // 2)).reshape(x.shape)
    expected = twins.glu_backward(delta.astype("float64"), x.astype("float64"), axis)
    np.testing.assert_allclose(gradient, expected, rtol=ROUNDINGS[dtype], atol=100 * np.finfo(dtype).tiny)


@pytest.mark.parametrize("dtype", ROUNDINGS)
def test_known_values(dtype):
    np.testing.assert_allclose(activations.glu(np.array([*A, *B], dtype)), KNOWN, rtol=ROUNDINGS[dtype])


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("dense", [False, True])
def test_gradients_of_layers(axis, dense):
    glu = activations.glu.bind(axis=axis)
    assert_backward(
        lambda: layer_cases.around(
            lambda: layers.Dense(6, activation=glu) if dense else layers.Activation(glu), [(4, 6)], beside=True
        )
    )


def test_extremes_give_no_nan():
    largest = float(np.finfo("float32").max)
    x = np.array([[largest, -largest, 1, largest, -largest, -math.inf]], "float32")
    assert not np.isnan(activations.glu(x)).any()
    assert not np.isnan(glu_delta(x[:, [0, 2, 3, 4]], np.ones((1, 2), "float32"))).any()


def test_shapes_of_layers():
    x = cb.Input((4, 6))
    assert activations.glu(x).shape == (None, 4, 3)
    assert layers.Activation(activations.glu.bind(axis=1))(x).shape == (None, 2, 6)
    assert layers.Dense(8, activation="glu")(x).shape == (None, 4, 4)
    assert layers.Dense(8, activation=activations.glu.bind(axis=-2))(x).shape == (None, 2, 8)


def test_a_model_is_saved_and_shown(tmp_path, rng):
    glu = activations.glu.bind(axis=1)
    model = cb.Sequential([cb.Input((2, 5)), layers.Dense(8, activation="glu"), layers.Activation(glu)])
    model.save(tmp_path / "model.safetensors")
    again = cb.models.load_model(tmp_path / "model.safetensors")
    x = rng.normal(size=(3, 2, 5)).astype("float32")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    z = x @ model.get_weights()[0]
    np.testing.assert_allclose(model.predict(x, verbose=0), glu(activations.glu(z)), rtol=1e-5)
    assert json.loads(again.to_json()) == json.loads(model.to_json())
    assert activations.get("glu") is activations.glu
    assert activations.deserialize(json.loads(json.dumps(activations.serialize(glu)))).arguments == {"axis": 1}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: activations.glu(np.ones((2, 5))), ValueError, r"glu halves axis -1, which must be even, .*\(2, 5\)"),
        (
            lambda: activations.glu(np.ones((3, 2)), axis=0),
            ValueError,
            r"halves axis 0, which must be even, .*\(3, 2\)",
        ),
        (lambda: activations.glu(np.ones((2, 2)), axis=2), ValueError, "axis 2 is out of range for x of shape"),
        (lambda: activations.glu(1.5), ValueError, r"axis -1 is out of range for x of shape \(\)"),
        (lambda: activations.glu([1.0, 2.0], axis=0.5), TypeError, "axis must be an integer, but got 0.5"),
        (lambda: layers.Dense(5, activation="glu")(cb.Input((3,))), ValueError, r"must be even, but .*\(None, 5\)"),
        (lambda: layers.Activation("glu")(cb.Input((3,))), ValueError, r"must be even, but .*\(None, 3\)"),
        (
            lambda: layers.Activation(activations.glu.bind(axis=0))(cb.Input((4,))),
            ValueError,
            "works along axis 0, which is not an axis of the samples",
        ),
        (
            lambda: layers.Dense(4, activation=activations.glu.bind(axis=0))(cb.Input((4,))),
            ValueError,
            "axis 0, which is not an axis of the samples",
        ),
        (
            lambda: layers.Dense(4, activation=activations.glu.bind(axis=2))(cb.Input((4,))),
            ValueError,
            "axis 2, which is not an axis of the samples",
        ),
    ],
)
def test_mistakes(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("shape", [(), (None,), (None, None), (0,)])
def test_what_is_halved_has_an_axis(shape):
    class Lies(layers.Dense):
        def compute_output_shape(self, input_shape):
            return shape

    def use():
        inputs = cb.Input((3,))
        cb.Model(inputs, Lies(4, activation="glu")(inputs)).predict(np.ones((2, 3)), verbose=0)

    with pytest.raises((ValueError, TypeError), match=r"\w+ \w+"):
        use()


def test_activation_says_which_axis_it_halves():
    kernel = cb.activations.glu.kernel()
    with pytest.raises(ValueError, match="glu halves axis -1 of samples, which must have a size"):
        kernel.input_shape(())
