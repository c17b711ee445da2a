"""Tests of attention layers only: masks, settings of a call, several axes, memory, and refusals."""

import tracemalloc

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

LUONG = [layers.Attention, layers.AdditiveAttention]


def heads(**options):
    return layers.MultiHeadAttention(2, 3, **options)


def groups(**options):
    return layers.GroupQueryAttention(3, 4, 2, **options)


@pytest.mark.parametrize("make", [*LUONG, lambda: layers.Attention(score_mode="concat")])
def test_weights_are_a_softmax(make, rng):
    query, value = rng.normal(size=(2, 70, 3)).astype("f"), rng.normal(size=(2, 40, 3)).astype("f")
    output, weights = make()([query, value], return_attention_scores=True)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(output, weights @ value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [heads, groups])
def test_later_positions_change_nothing_with_a_causal_mask(make, rng):
    x = rng.normal(size=(2, 80, 4)).astype("f")
    layer = make()
    first = layer(x, x, use_causal_mask=True)
    changed = x.copy()
    changed[:, 50:] += 1
    second = layer(changed, changed, use_causal_mask=True)
    np.testing.assert_array_equal(first[:, :50], second[:, :50])
    assert np.abs(first[:, 50:] - second[:, 50:]).min(axis=-1).max() > 0


@pytest.mark.parametrize("window", [1, 2, 70])
@pytest.mark.parametrize("causal", [False, True])
def test_a_window_is_a_mask(window, causal, rng):
    """It is the same as an attention mask with a band of ones."""
    t, s = np.arange(100)[:, None], np.arange(90)
    band = abs(t - s) < window
    x, v = rng.normal(size=(2, 100, 4)).astype("f"), rng.normal(size=(2, 90, 4)).astype("f")
    narrow, wide = heads(sliding_window=window), heads()
    found = narrow(x, v, use_causal_mask=causal)
    wide.build([x.shape, v.shape, v.shape])
    wide.set_weights(narrow.get_weights())
    mask = band & (s <= t) if causal else band
    np.testing.assert_allclose(found, wide(x, v, attention_mask=mask), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", LUONG)
@pytest.mark.parametrize("shape", [(2, 5, 6), (1, 5, 6), (2, 1, 6), (1, 1, 6)])
def test_a_mask_for_each_sample(make, shape, rng):
    """Luong's and additive attention take a tensor; each sample is as with its own array."""
    query, key, value, mask = (cb.Input(size) for size in ((2, 5, 3), (2, 6, 3), (2, 6, 4), shape))
    layer = make(use_scale=True)
    model = cb.Model([query, key, value, mask], layer([query, value, key], attention_mask=mask))
    x = [rng.normal(size=(3, *tensor.shape[1:])).astype("f") for tensor in (query, key, value)]
    seen = (rng.random((3, *shape)) < 0.6).astype("f")
    seen[..., 0] = 1
    expected = [layer([q[None], v[None], k[None]], attention_mask=one) for q, k, v, one in zip(*x, seen, strict=True)]
    np.testing.assert_allclose(model.predict([*x, seen], verbose=0), np.concatenate(expected), rtol=1e-5, atol=1e-6)
    model.compile("sgd", "mse", engine="reference")
    np.testing.assert_allclose(model.predict([*x, seen], verbose=0), np.concatenate(expected), rtol=1e-5, atol=1e-6)
    again = cb.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again.predict([*x, seen], verbose=0), np.concatenate(expected), rtol=1e-5, atol=1e-6)
    model.compile("sgd", "mse")
    assert model.check_gradients([*x, seen], rng.normal(size=(3, 2, 5, 4))).max_relative_error < 1e-6


@pytest.mark.parametrize("make", LUONG)
def test_masks_of_query_and_value_beside_an_attention_mask(make, rng):
    """Without a key, the value is the key, and the list of masks need not name it."""
    query, value, attention = cb.Input((3, 4)), cb.Input((5, 4)), cb.Input((3, 5))
    inputs = [query, value, cb.Input((3,), dtype="bool"), cb.Input((5,), dtype="bool"), attention]
    layer = make()
    short = layer([query, value], mask=inputs[2:4], attention_mask=attention)
    long = layer([query, value, value], mask=[*inputs[2:4], None], attention_mask=attention)
    x = [rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4)), *(rng.random((2, n)) < 0.6 for n in (3, 5))]
    seen = rng.random((2, 3, 5)) < 0.6
    found = cb.Model(inputs, [short, long]).predict([*x, seen], verbose=0)
    np.testing.assert_array_equal(*found)
    expected = [
        layer([q[None], v[None]], mask=[a[None], b[None]], attention_mask=s)
        for q, v, a, b, s in zip(*x, seen, strict=True)
    ]
    np.testing.assert_allclose(found[0], np.concatenate(expected), rtol=1e-5, atol=1e-6)


def test_a_mask_for_all_samples_is_kept_in_the_model(rng, tmp_path):
    """An array as attention_mask of symbolic tensors, in training, and in a file."""
    mask = np.tril(np.ones((5, 5), bool))
    x, y = rng.normal(size=(4, 5, 4)).astype("f"), rng.normal(size=(4, 5, 4)).astype("f")
    inputs = cb.Input((5, 4))
    fixed, causal = heads(), heads()
    first = cb.Model(inputs, fixed(inputs, inputs, attention_mask=mask))
    second = cb.Model(inputs, causal(inputs, inputs, use_causal_mask=True))
    second.set_weights(first.get_weights())
    for model in (first, second):
        model.compile("sgd", "mse")
        model.train_on_batch(x, y)
    np.testing.assert_array_equal(first.predict(x, verbose=0), second.predict(x, verbose=0))
    first.save(tmp_path / "model.safetensors")
    again = cb.saving.load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(first.predict(x, verbose=0), again.predict(x, verbose=0))


@pytest.mark.parametrize("make", LUONG)
def test_a_mask_for_all_samples_without_heads(make, rng):
    x, mask = rng.normal(size=(2, 3, 5, 4)).astype("f"), rng.random((5, 5)) < 0.5
    mask |= np.eye(5, dtype=bool)
    inputs, layer = cb.Input((3, 5, 4)), make()
    _, weights = layer([x, x], attention_mask=mask, return_attention_scores=True)
    assert (weights[..., ~mask] == 0).all()
    model = cb.Model(inputs, layer([inputs, inputs], attention_mask=mask))
    np.testing.assert_array_equal(model.predict(x, verbose=0), layer([x, x], attention_mask=mask))
    again = cb.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))
    np.testing.assert_array_equal(layer([x, x], attention_mask=np.ones(5)), layer([x, x]))


def test_masks_by_argument_on_arrays(rng):
    x = rng.normal(size=(2, 6, 4)).astype("f")
    seen = rng.random((2, 6)) < 0.5
    seen[:, 0] = True
    layer = heads()
    expected = layer(x, x, attention_mask=np.broadcast_to(seen[:, None], (2, 6, 6)))
    np.testing.assert_array_equal(layer(x, x, value_mask=seen), expected)
    np.testing.assert_array_equal(layer(x, x, key_mask=seen), expected)
    np.testing.assert_array_equal(layer(x, layers.Masking()(x * seen[..., None]) * 0 + x, value_mask=seen), expected)


def test_masks_that_arrays_bring_along(rng):
    x = rng.normal(size=(2, 6, 4)).astype("f")
    x[0, 4:] = 0
    masked = layers.Masking()(x)
    layer = heads()
    found = layer(masked, masked)
    np.testing.assert_array_equal(found._keras_mask, masked._keras_mask)
    seen = masked._keras_mask
    np.testing.assert_array_equal(found, layer(x, x, attention_mask=seen[:, :, None] & seen[:, None]))
    only = layers.Attention()([masked, masked])
    assert (only[0, 4:] == 0).all()
    output, weights = layers.Attention()([masked, masked], return_attention_scores=True)
    assert output._keras_mask is not None
    assert getattr(weights, "_keras_mask", None) is None


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_scores_are_trained(engine, rng):
    """A loss of the second output alone reaches the projections."""
    x = rng.normal(size=(8, 5, 4))
    inputs = cb.Input((5, 4), dtype="float64")
    _, weights = heads(dtype="float64")(inputs, inputs, return_attention_scores=True)
    model = cb.Model(inputs, weights)
    model.compile(cb.optimizers.Adam(0.05), "mse", engine=engine)
    target = np.broadcast_to(np.eye(5), (8, 2, 5, 5))
    first = model.evaluate(x, target, verbose=0)
    model.fit(x, target, epochs=40, verbose=0)
    assert model.evaluate(x, target, verbose=0) < 0.7 * first


def test_open_lengths(rng):
    """One model for sequences of any length gives the same results as a model for each length."""
    inputs = cb.Input((None, 4))
    layer = heads()
    model = cb.Model(inputs, layer(inputs, inputs, use_causal_mask=True))
    assert model.output_shape == (None, None, 4)
    for length in (3, 7, 90):
        x = rng.normal(size=(2, length, 4)).astype("f")
        np.testing.assert_array_equal(model.predict(x, verbose=0), layer(x, x, use_causal_mask=True))


def test_in_a_layer_that_unfolds(rng):
    """`expand` of a user's layer calls attention with settings."""

    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.attention, self.add = heads(), layers.Add()

        def build(self, input_shape):
            self.attention.build([input_shape] * 3)

        def expand(self, steps, inputs, shape, mask):
            x = inputs[0]
            return steps.call(self.add, [x, steps.call(self.attention, [x, x, x], use_causal_mask=True)])

    x = rng.normal(size=(2, 5, 4)).astype("f")
    block = Block()
    model = cb.Sequential([cb.Input((5, 4)), block])
    expected = x + block.attention(x, x, use_causal_mask=True)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-6)

    class Typo(Block):
        def expand(self, steps, inputs, shape, mask):
            return steps.call(self.attention, inputs * 3, causal=True)

    with pytest.raises(TypeError, match="no setting 'causal'"):
        cb.Sequential([cb.Input((5, 4)), Typo()]).predict(x, verbose=0)


def test_memory_grows_with_the_length_not_with_its_square():
    """A step on 2,048 positions needs less than one array of all weights."""
    inputs = cb.Input((2048, 8))
    model = cb.Model(inputs, heads()(inputs, inputs))
    model.compile("sgd", "mse")
    x = np.ones((1, 2048, 8), np.float32)
    tracemalloc.start()
    model.train_on_batch(x, x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2048 * 2048 * 4


X = np.ones((2, 5, 4), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: layers.Attention()(X), ValueError, "must be called on a list of inputs"),
        (lambda: layers.Attention()([X]), ValueError, r"must be called on a list of inputs.*1 of them"),
        (lambda: layers.Attention()([X] * 4), ValueError, "4 of them"),
        (lambda: layers.Attention()([X, X], mask=np.ones((2, 5))), ValueError, "mask of Attention .* must be a list"),
        (lambda: layers.Attention()([X, X[:, :, :3]]), ValueError, "as many features"),
        (lambda: layers.Attention()([X, X, X[:, :3]]), ValueError, "value and key as many positions"),
        (lambda: layers.Attention()([X[0], X[0]]), ValueError, "each .batch, ..., positions, features"),
        (lambda: layers.Attention()([X, X], mask=[None, np.ones((2, 4))]), ValueError, "mask"),
        (lambda: layers.Attention()([X, X], attention_mask=np.ones((4, 5))), ValueError, "must broadcast to"),
        (lambda: layers.Attention()([X, X], attention_mask="all"), TypeError, "must be a tensor or an array"),
        (
            lambda: layers.Attention()([cb.Input((5, 4))] * 2, attention_mask=cb.Input((4, 5))),
            ValueError,
            "must broadcast to",
        ),
        (
            lambda: layers.Attention()([cb.Input((5, 4))] * 2, attention_mask=cb.Input((5,))),
            ValueError,
            "or 1 along some axes",
        ),
        (lambda: layers.Attention(score_mode="sum"), ValueError, "score_mode"),
        (lambda: layers.Attention()([X, X], use_causal_mask=2), TypeError, "use_causal_mask"),
        (lambda: heads()(X), TypeError, "missing a required argument: 'value'"),
        (lambda: heads()(X, X, mask=np.ones((2, 5))), TypeError, "unexpected keyword argument 'mask'"),
        (lambda: heads()(X, X, X[:, :3]), ValueError, "all axes of value and key, except the last one, must be equal"),
        (lambda: heads()(X[..., 0], X[..., 0]), ValueError, r"each must be \(batch, positions, features\)"),
        (lambda: heads()(X, X[:, :0]), ValueError, "no axis may have size 0"),
        (
            lambda: heads()(X, X, attention_mask=np.ones((2, 5, 4))),
            ValueError,
            "attention_mask of .* must broadcast to",
        ),
        (lambda: heads()(X, X, attention_mask=np.ones((2, 3, 5, 5))), ValueError, "must broadcast to"),
        (lambda: heads()(X, X, attention_mask=np.ones((3, 5, 5))), ValueError, "3|samples|rows"),
        (lambda: heads()(X, X, attention_mask="all"), TypeError, "attention_mask"),
        (lambda: heads()(X, X, value_mask=np.ones((2, 4))), ValueError, "mask"),
        (lambda: heads(attention_axes=0)(X, X), ValueError, "attention_axes"),
        (lambda: heads(attention_axes=2)(X, X), ValueError, "attention_axes"),
        (lambda: heads(attention_axes=(1, 1))(X, X), ValueError, "attention_axes"),
        (lambda: heads(sliding_window=0), ValueError, "sliding_window"),
        (lambda: heads(output_shape=0), ValueError, "output_shape"),
        (lambda: heads(dropout=1.5), ValueError, "dropout"),
        (lambda: heads(flash_attention=True, dropout=0.1), ValueError, "Dropout is not supported"),
        (lambda: layers.MultiHeadAttention(0, 3), ValueError, "num_heads"),
        (lambda: layers.MultiHeadAttention(2, 2.5), TypeError, "key_dim"),
        (lambda: layers.GroupQueryAttention(2, 3, 2), ValueError, "must be divisible by num_key_value_heads"),
        (lambda: groups()(X, X[..., :3]), ValueError, "same last dimension"),
        (lambda: groups()(X[:, None], X[:, None]), ValueError, "batch, positions, features"),
    ],
)
def test_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_refused_before_anything_is_made():
    layer = heads()
    with pytest.raises(ValueError, match="must broadcast"):
        layer(X, X, attention_mask=np.ones((2, 5, 4)))
    assert not layer.nodes
    found = layer(X[..., :3], X)  # nothing was decided by the call that failed
    assert found.shape == (2, 5, 3)


def test_other_features_than_it_was_built_for():
    layer = heads()
    layer(X, X)
    with pytest.raises(ValueError, match="kernel of EinsumDense"):
        layer(X[..., :3], X)
    additive = layers.AdditiveAttention()
    additive([X, X])
    with pytest.raises(ValueError, match="built for 4 features"):
        additive([X[..., :3], X[..., :3]])


@pytest.mark.parametrize("make", [lambda: layers.MultiHeadAttention(2, 2), lambda: layers.GroupQueryAttention(2, 2, 1)])
@pytest.mark.parametrize("shapes", [((3, 4), (4,)), ((4,), (3, 4)), ((4,), (4,)), ((3, 2, 4), (3, 4))])
def test_a_mask_for_inputs_of_wrong_ranks(make, shapes):
    with pytest.raises(ValueError, match=r"got query, value and key of shapes .* \(batch, positions, features\)"):
        make()(*(cb.Input(shape) for shape in shapes), attention_mask=cb.Input((3, 3)))
    with pytest.raises(ValueError, match=r"got query, value and key of shapes .* \(batch, positions, features\)"):
        make()(*(np.ones((2, *shape)) for shape in shapes), attention_mask=np.ones((2, 3, 3)))
    ragged = [[[1.0, 2.0]], [[1.0]]]
    for query, message in ((np.array(3.0), "batch axis"), (ragged, "its parts differ in shape")):
        with pytest.raises((TypeError, ValueError), match=message):
            make()(query=query, value=query, attention_mask=np.ones((1, 3, 3)))
