"""Softmax along several axes, and with a mask."""

import json

import numpy as np
import pytest
from scipy import special

import cbackprop as cb
from cbackprop import activations, layers

X = np.random.default_rng(0).normal(size=(2, 3, 4, 5))


@pytest.mark.parametrize("axis", [(1, 2), (2, 3), (1, 2, 3), (-1, -3), (2, 1), [3], (0, 1), (0, 3), (1, 0)])
def test_several_axes_of_arrays(axis):
    axes = tuple(axis)
    expected = special.softmax(X, axis=axes)
    np.testing.assert_allclose(activations.softmax(X, axis=axis), expected, rtol=1e-12)
    np.testing.assert_allclose(activations.log_softmax(X, axis=axis), np.log(expected), rtol=1e-12)
    np.testing.assert_allclose(layers.Softmax(axis, dtype="float64")(X), expected, rtol=1e-12)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("axis", [(1, 2), (2, 3), (-1, -2, -3), (2, 1), [3]])
def test_several_axes_in_a_model(axis, engine):
    model = cb.Sequential([cb.Input((3, 4, 5), dtype="float64"), layers.Softmax(axis, dtype="float64")])
    model.compile(loss="mse", engine=engine)
    np.testing.assert_allclose(model.predict(X, verbose=0), special.softmax(X, axis=tuple(axis)), rtol=1e-12)
    copied = cb.models.clone_model(model)
    np.testing.assert_allclose(copied.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-12)
    config = json.loads(json.dumps(model.layers[0].get_config()))
    assert layers.Softmax.from_config(config).get_config() == model.layers[0].get_config()


@pytest.mark.parametrize(
    ("axis", "message"),
    [((1, 3), "bring them together with a layer Permute"), ((0, 1), "not an axis"), ((1, 4), "not an axis")],
)
def test_axes_that_a_model_cannot_take(axis, message):
    with pytest.raises(ValueError, match=message):
        layers.Softmax(axis)(cb.Input((3, 4, 5)))


@pytest.mark.parametrize(
    ("axis", "error", "message"),
    [
        ((), ValueError, "at least one axis"),
        ((1, 1), ValueError, "twice"),
        ((0, 4), ValueError, "out of range"),
        ((0.5, 1), TypeError, "every element of axis must be an integer"),
        ("ab", TypeError, "axis must be an integer"),
    ],
)
def test_wrong_axes(axis, error, message):
    with pytest.raises(error, match=message):
        activations.softmax(X, axis=axis)


@pytest.mark.parametrize(
    ("axis", "shape"), [(-1, (2, 3, 4, 5)), (-1, (5,)), (-1, (4, 1)), ((1, 0), (2, 3, 4, 5)), ((2, 3), (2, 1, 4, 5))]
)
@pytest.mark.parametrize("dtype", ["bool", "float32"])
def test_mask(axis, shape, dtype):
    mask = np.random.default_rng(1).integers(0, 2, shape)
    y = layers.Softmax(axis)(X, mask=mask.astype(dtype))
    shown = np.broadcast_to(mask, X.shape).astype(bool)
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(special.softmax(np.where(shown, X, -np.inf), axis=axis))
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-7)
    assert (y[~shown] == 0).all()


@pytest.mark.parametrize(
    ("shape", "message"),
    [((2, 3, 4, 2), "must be broadcastable to inputs"), ((1, 2, 3, 4, 5), "must not have more dimensions")],
)
def test_masks_that_do_not_fit(shape, message):
    with pytest.raises(ValueError, match=message):
        layers.Softmax()(X, mask=np.ones(shape))


def test_a_mask_in_a_model_is_refused():
    with pytest.raises(TypeError, match="takes a mask only when it is called on arrays"):
        layers.Softmax()(cb.Input((3,)), mask=np.ones(3))
