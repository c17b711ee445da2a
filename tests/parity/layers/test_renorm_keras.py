"""Batch renormalization against Keras: outputs, gradients, moving averages."""

import json

import keras
import numpy as np
import pytest

import cbackprop as cb

RNG = np.random.default_rng(0)
CLIPPINGS = [None, {"rmax": 1.2, "rmin": 0.7, "dmax": 0.3}, {"dmax": 0.5}, {"rmin": 0.9}, {"rmax": 1.1}]


def settings(clipping, **more):
    return {"renorm": True, "renorm_clipping": clipping, "momentum": 0.8, "renorm_momentum": 0.6, **more}


def weights_of(n, **more):
    """gamma, beta, then moving averages: mean, variance, stddev, mean, stddev."""
    found = [RNG.uniform(0.5, 1.5, n)] * more.get("scale", True) + [RNG.normal(size=n)] * more.get("center", True)
    found += [RNG.normal(size=n), RNG.uniform(0.5, 2, n), RNG.uniform(0.5, 2, n)]
    return [np.asarray(w, "float32") for w in (*found, RNG.normal(size=n), RNG.uniform(0.5, 2, n))]


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("clipping", CLIPPINGS, ids=str)
@pytest.mark.parametrize(
    ("shape", "more"),
    [((5,), {}), ((4, 3), {"axis": 1}), ((2, 3, 4), {}), ((5,), {"scale": False}), ((3, 4), {"center": False})],
)
def test_steps(shape, more, clipping, engine):
    models = []
    for library in (cb, keras):
        layers = library.layers
        x = layers.Input(shape)
        first = layers.Dense(shape[-1], use_bias=False)
        y = layers.BatchNormalization(**settings(clipping, **more))(first(x))
        model = library.Model(x, layers.Flatten()(y))
        model.compile(library.optimizers.SGD(0.1), "mse", **({"engine": engine} if library is cb else {}))
        models.append(model)
    ours, theirs = models
    kernel = RNG.normal(size=(shape[-1], shape[-1])).astype("float32")
    weights = [kernel, *weights_of(shape[more.get("axis", -1) - (1 if "axis" in more else 0)], **more)]
    for model in models:
        model.set_weights(weights)
    x = RNG.normal(2, 3, (24, *shape)).astype("float32")
    y = RNG.normal(size=(24, int(np.prod(shape)))).astype("float32")
    losses = [model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"] for model in models]
    np.testing.assert_allclose(*losses, rtol=2e-4)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=2e-3, atol=2e-3)


def test_first_weights_and_config():
    ours, theirs = (
        library.layers.BatchNormalization(
            **settings(CLIPPINGS[1]), moving_variance_initializer=library.initializers.Constant(4.0)
        )
        for library in (cb, keras)
    )
    for layer in (ours, theirs):
        layer.build((None, 3))
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    names = [variable.name for variable in theirs.weights]
    assert [variable.name for variable in ours.weights] == names
    for key in ("renorm", "renorm_clipping", "renorm_momentum"):
        assert ours.get_config()[key] == theirs.get_config()[key]
    copied = cb.layers.BatchNormalization.from_config(json.loads(json.dumps(ours.get_config())))
    assert copied.get_config() == ours.get_config()


def test_prediction_is_that_without_renorm():
    x = RNG.normal(size=(6, 4))
    plain, renormed = cb.layers.BatchNormalization(), cb.layers.BatchNormalization(renorm=True)
    for layer in (plain, renormed):
        layer.build((None, 4))
    weights = weights_of(4)
    plain.set_weights(weights[:4])
    renormed.set_weights(weights)
    np.testing.assert_array_equal(plain(x), renormed(x))


def test_masks():
    """Masked rows count in no mean, as without renorm."""
    outputs = []
    for library in (cb, keras):
        x = library.layers.Input((4, 3))
        layer = library.layers.BatchNormalization(**settings(CLIPPINGS[1]))
        model = library.Model(x, layer(library.layers.Masking()(x)))
        model.compile("sgd", "mse")
        data = np.random.default_rng(1).normal(size=(6, 4, 3)).astype("float32")
        data[:, 2:] = 0
        data[3] = 0
        model.fit(data, data, verbose=0, batch_size=6)
        outputs.append(model.get_weights())
    for mine, other in zip(*outputs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("clipping", "error", "message"),
    [
        ({"random_key": 1.0}, ValueError, "Received invalid keys"),
        ({"rmax": 0.0, "rmin": 1.0}, ValueError, "rmax should be"),
        ({"rmax": 1.0, "dmax": -1.0}, ValueError, "dmax should be non-negative"),
        ({"rmax": "a"}, TypeError, r"renorm_clipping\['rmax'\] must be a number"),
        ([1], TypeError, "renorm_clipping must be a dict"),
    ],
)
def test_mistakes(clipping, error, message):
    with pytest.raises(error, match=message):
        cb.layers.BatchNormalization(renorm=True, renorm_clipping=clipping)
