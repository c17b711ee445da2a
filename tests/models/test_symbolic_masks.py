"""Masks that a model is given when it is called on symbolic tensors."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

X = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
SHOWN = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]], "float32")


def normalizing():
    """A model that computes otherwise where rows are hidden."""
    return cb.Sequential([cb.Input((4, 2)), layers.Softmax(axis=1), layers.BatchNormalization(momentum=0.0)])


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_the_mask_is_that_of_the_data(engine):
    inner = normalizing()
    inner.compile("sgd", "mse", engine=engine)
    x, mask = cb.Input((4, 2)), cb.Input((4,))
    outer = cb.Model([x, mask], inner(x, mask=mask))
    outer.compile("sgd", "mse", engine=engine)
    start = inner.get_weights()
    found = outer([X, SHOWN], training=True)
    moved = inner.get_weights()
    inner.set_weights(start)
    np.testing.assert_allclose(found, inner(X, training=True, mask=SHOWN), rtol=1e-5, atol=1e-6)
    for one, other in zip(moved, inner.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    y = np.zeros((3, 4, 2))
    expected = (np.asarray(inner(X, mask=SHOWN)) ** 2).mean(axis=-1)[SHOWN != 0].mean()
    assert outer.evaluate([X, SHOWN], y, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.h5py
@pytest.mark.parametrize("name", ["m.keras", "m.safetensors"])
def test_files(name, tmp_path):
    inner = normalizing()
    x, mask = cb.Input((4, 2)), cb.Input((4,))
    outer = cb.Model([x, mask], inner(x, mask=mask))
    outer.save(tmp_path / name)
    copy = cb.saving.load_model(tmp_path / name)
    np.testing.assert_array_equal(copy([X, SHOWN]), outer([X, SHOWN]))
    np.testing.assert_array_equal(copy([X, SHOWN])._keras_mask, SHOWN != 0)


def test_masks_of_some_inputs():
    a, b, mask = cb.Input((4, 2)), cb.Input((4, 2)), cb.Input((4,))
    pair = cb.Model([a, b], [layers.Identity()(a), layers.Identity()(b)])
    outer = cb.Model([a, b, mask], pair([a, b], mask=[mask, None]))
    first, second = outer([X, X, SHOWN])
    np.testing.assert_array_equal(first._keras_mask, SHOWN != 0)
    assert not hasattr(second, "_keras_mask")
    with pytest.raises(ValueError, match="must have a part for each of 2 inputs"):
        pair([a, b], mask=[mask])
    with pytest.raises(TypeError, match="must hold symbolic tensors, as its inputs are, but got ndarray"):
        pair([a, b], mask=[SHOWN, None])


def test_outputs_of_more_rows_than_their_mask_has_values():
    """Predictions need no mask, but losses and metrics do."""
    x = cb.Input((3, 4))
    masked = layers.Masking()(x)
    model = cb.Model(x, layers.MultiHeadAttention(2, 2, output_shape=(2, 5))(masked, masked))
    data = np.ones((2, 3, 4))
    for engine in ("compiled", "reference"):
        model.compile("sgd", "mse", engine=engine)
        with pytest.raises(ValueError, match=r"Output 0 .* shape \(3, 2, 5\), but a mask of shape \(3,\): .* \(3, 2\)"):
            model.fit(data, np.zeros((2, 3, 2, 5)), verbose=0)
        assert model.predict(data, verbose=0).shape == (2, 3, 2, 5)
