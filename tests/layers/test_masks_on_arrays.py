"""Masks between layers that are called on arrays, in a call's argument, and in a `call` that asks for them."""

import pickle

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

IDS = np.array([[1, 0, 2], [3, 4, 0]])
SHOWN = IDS != 0
X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")


class Asks(layers.Layer):
    """Hides what the mask hides; notes the mask."""

    supports_masking = True

    def call(self, inputs, mask=None):
        self.seen = mask
        return inputs if mask is None else inputs * mask[..., np.newaxis]

    def backward(self, inputs, outputs, delta, mask):
        return delta if mask is None else delta * mask[..., np.newaxis]


def test_masks_travel_through_layers():
    embedded = layers.Embedding(5, 4, mask_zero=True)(IDS)
    np.testing.assert_array_equal(embedded._keras_mask, SHOWN)
    for layer in (layers.Dense(3), layers.Dropout(0.5), layers.Activation("tanh"), layers.LayerNormalization()):
        np.testing.assert_array_equal(layer(embedded)._keras_mask, SHOWN)
    both = layers.Add()([embedded, embedded])
    np.testing.assert_array_equal(both._keras_mask, SHOWN)
    assert not hasattr(layers.Add()([embedded, X]), "_keras_mask")
    largest = layers.Maximum()([embedded, layers.Masking()(X)])
    np.testing.assert_array_equal(largest[0, 1], X[0, 1])  # hidden in the first
    with pytest.warns(UserWarning, match=r"'flatten.*' of class Flatten does not support masking"):
        assert not hasattr(layers.Flatten()(embedded), "_keras_mask")


def test_arrays_with_masks_are_ordinary_arrays():
    masked = layers.Masking()(X)
    assert isinstance(masked, np.ndarray)
    for made in (masked * 2, masked + masked, masked[0], masked.mean(axis=0), np.exp(masked), masked == 0):
        assert type(made) is np.ndarray, type(made)
    assert isinstance(masked.sum(), np.float32)
    assert repr(masked) == repr(np.asarray(masked.view(np.ndarray)))
    assert type(pickle.loads(pickle.dumps(masked))) is np.ndarray
    assert getattr(masked.copy(), "_keras_mask", None) is None
    assert getattr(masked[:, :1], "_keras_mask", None) is None


def test_a_mask_given_to_a_built_in_layer():
    normal = layers.BatchNormalization(momentum=0.0)
    y = normal(X, training=True, mask=SHOWN)
    np.testing.assert_allclose(normal.moving_mean, X[SHOWN].mean(axis=0), atol=1e-5)
    np.testing.assert_array_equal(y._keras_mask, SHOWN)
    x, mask = cb.Input((3, 4)), cb.Input((3,))
    model = cb.Model([x, mask], normal(x, mask=mask))
    np.testing.assert_allclose(model([X, SHOWN], training=True), y, atol=1e-6)
    again = cb.models.clone_model(model)
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again([X, SHOWN], training=True), y, atol=1e-6)
    with pytest.raises(ValueError, match=r"mask of input 0 must have a value for each row .* shape \(2, 3\), but has"):
        normal(X, mask=np.ones((2, 4)))
    for shape in ((3,), (2, 3, 1), (2, 3, 4)):  # a mask of shape (3,) could have one number for each sample
        with pytest.raises(ValueError, match=r"value for each row .* shape \(2, 3\), but has shape \("):
            layers.GRU(2)(X, mask=np.ones(shape, bool))
    with pytest.raises(ValueError, match=r"must have a value for each row of its input, shape \(None, 3\), but has"):
        normal(x, mask=cb.Input((4,)))
    with pytest.raises(ValueError, match="must be a symbolic tensor"):
        normal(x, mask=SHOWN)


def test_call_asks_for_the_mask_of_arrays():
    layer = Asks()
    y = layer(layers.Masking()(X))
    assert layer.seen.all()
    np.testing.assert_array_equal(y._keras_mask, layer.seen)
    y = layer(X, mask=SHOWN)
    np.testing.assert_array_equal(layer.seen, SHOWN)
    np.testing.assert_array_equal(y._keras_mask, SHOWN)
    np.testing.assert_array_equal(y, X * SHOWN[..., np.newaxis])
    layer(X)
    assert layer.seen is None

    class Several(layers.Layer):
        def call(self, inputs, mask=None):
            self.seen = mask
            return inputs[0]

    several = Several()
    with pytest.warns(UserWarning, match="does not support masking"):
        several([layers.Masking()(X), X])
    assert several.seen[0].all()
    assert several.seen[1] is None

    class Named(layers.Layer):
        def call(self, x1, x2, x1_mask=None, x2_mask=None):
            self.seen = x1_mask, x2_mask
            return x1 + x2

    named = Named()
    named(X, x2=layers.Masking()(X))
    assert named.seen[0] is None
    assert named.seen[1].all()


@pytest.mark.filterwarnings("ignore:Layer 'flatten")
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_call_asks_for_the_mask_in_a_network(engine):
    layer = Asks()
    ids = cb.Input((3,), dtype="int32")
    hidden = layer(layers.Embedding(5, 4, mask_zero=True)(ids))
    model = cb.Model(ids, layers.Dense(2)(layers.Flatten()(hidden)))
    model.compile("sgd", "mse", engine=engine)
    for run in (
        lambda: model.predict(IDS, verbose=0),
        lambda: model.fit(IDS, np.ones((2, 2)), verbose=0),
        lambda: model.evaluate(IDS, np.ones((2, 2)), verbose=0),
        lambda: model(IDS),
    ):
        layer.seen = None
        run()
        np.testing.assert_array_equal(layer.seen, SHOWN)
        assert layer.seen.dtype == bool
    assert model.check_gradients(IDS, np.ones((2, 2))).max_relative_error < 1e-6


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_mask_as_a_tensor_for_call(engine):
    layer = Asks()
    x, mask = cb.Input((3, 4)), cb.Input((3,), dtype="bool")
    model = cb.Model([x, mask], layers.Dense(2)(layer(layers.Dense(4)(x), mask=mask)))
    model.compile("sgd", "mse", engine=engine)
    y = np.random.default_rng(1).normal(size=(2, 3, 2))
    assert model.check_gradients([X, SHOWN], y).max_relative_error < 1e-6
    model.fit([X, SHOWN], y, verbose=0)
    np.testing.assert_array_equal(layer.seen, SHOWN)
    np.testing.assert_array_equal(model([X, SHOWN])._keras_mask, SHOWN)
    assert model.plan.output_masks[0] is not None


def test_masks_of_models():
    model = cb.Sequential([cb.Input((3,)), layers.Embedding(5, 4, mask_zero=True), layers.Dense(2)])
    for _ in range(2):
        np.testing.assert_array_equal(model(IDS)._keras_mask, SHOWN)
        model.compile("sgd", "mse", engine="reference")
    plain = cb.Sequential([cb.Input((3, 4)), layers.Dense(2)])
    assert not hasattr(plain(X), "_keras_mask")
    np.testing.assert_array_equal(plain(X, mask=SHOWN)._keras_mask, SHOWN)
    np.testing.assert_array_equal(plain(layers.Masking()(X))._keras_mask, np.ones((2, 3), bool))
    assert type(plain.predict(layers.Masking()(X), verbose=0)) is np.ndarray


def test_compute_mask_of_merges():
    for layer in (layers.Add(), layers.Concatenate()):
        with pytest.raises(ValueError, match="should be a list"):
            layer.compute_mask([X, X], SHOWN)
        with pytest.raises(ValueError, match="inputs should be a list"):
            layer.compute_mask(X, [SHOWN, SHOWN])
        with pytest.raises(ValueError, match="as many masks as inputs, 2, but got 1"):
            layer.compute_mask([X, X], [SHOWN])
