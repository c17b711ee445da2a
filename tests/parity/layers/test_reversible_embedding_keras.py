"""ReversibleEmbedding against Keras: arguments, both directions, masks, training, files."""

import inspect

import keras
import numpy as np
import pytest

import cbackprop as cb

CASES = [{}, {"tie_weights": False}, {"logit_soft_cap": 0.5}, {"tie_weights": False, "mask_zero": True}]


def network(k, **options):
    ids = k.Input((5,), dtype="int32")
    layer = k.layers.ReversibleEmbedding(9, 4, name="table", **options)
    h = k.layers.Dense(4, "tanh")(layer(ids))
    return k.Model(ids, layer(h, reverse=True))


def both(options):
    ours, theirs = network(cb, **options), network(keras, **options)
    ours.set_weights(theirs.get_weights())
    return ours, theirs


def test_arguments():
    ours, theirs = (
        [
            (p.name, p.default)
            for p in inspect.signature(k.layers.ReversibleEmbedding.__init__).parameters.values()
            if p.kind is p.POSITIONAL_OR_KEYWORD
        ]
        for k in (cb, keras)
    )
    assert ours == theirs


@pytest.mark.parametrize("options", CASES)
def test_training(options):
    rng = np.random.default_rng(0)
    ids, y = rng.integers(0, 9, size=(40, 5)), rng.integers(0, 9, size=(40, 5))
    ours, theirs = both(options)
    for k, model in ((cb, ours), (keras, theirs)):
        model.compile(k.optimizers.Adam(0.01), k.losses.SparseCategoricalCrossentropy(from_logits=True))
    np.testing.assert_allclose(ours.predict(ids, verbose=0), theirs.predict(ids, verbose=0), rtol=1e-5, atol=1e-6)
    histories = [
        m.fit(ids, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"] for m in (ours, theirs)
    ]
    np.testing.assert_allclose(*histories, rtol=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("options", CASES)
@pytest.mark.parametrize("writer", ["ours", "theirs"])
def test_files(options, writer, tmp_path):
    ids = np.random.default_rng(0).integers(0, 9, size=(4, 5))
    source = network(cb if writer == "ours" else keras, **options)
    source.save(str(tmp_path / "m.keras"))
    again = (keras if writer == "ours" else cb).models.load_model(str(tmp_path / "m.keras"))
    expected = source.predict(ids, verbose=0)
    np.testing.assert_allclose(again.predict(ids, verbose=0), expected, rtol=1e-5, atol=1e-6)


def test_on_arrays():
    ours, theirs = (k.layers.ReversibleEmbedding(6, 3) for k in (cb, keras))
    theirs.build()
    ours.build()
    ours.set_weights(theirs.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    np.testing.assert_allclose(ours(x, reverse=True), theirs(x, reverse=True).detach().cpu().numpy(), rtol=1e-5)
    np.testing.assert_allclose(ours([[1, 5]]), theirs(np.array([[1, 5]])).detach().cpu().numpy())
    with pytest.raises(ValueError, match=r"with reverse=True needs inputs \(batch, ..., 3\), but got"):
        ours(x[..., :2], reverse=True)
    with pytest.raises(TypeError, match="reverse must be"):
        ours(x, reverse="yes")
    with pytest.raises(ValueError, match="reverse_dtype"):
        cb.layers.ReversibleEmbedding(3, 2, reverse_dtype="float64")
    with pytest.raises(ValueError, match="logit_soft_cap"):
        cb.layers.ReversibleEmbedding(3, 2, logit_soft_cap=0)
