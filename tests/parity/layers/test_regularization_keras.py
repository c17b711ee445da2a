"""Normalization, regularizers and constraints against Keras: arguments, values, training, configs."""

from __future__ import annotations

import inspect
import json

import keras
import numpy as np
import pytest

import cbackprop as cb

LAYERS = [
    ("BatchNormalization", {}, (5,)),
    ("BatchNormalization", {"axis": 1, "momentum": 0.8, "epsilon": 0.01}, (3, 4)),
    ("BatchNormalization", {"center": False, "gamma_regularizer": "l2"}, (2, 3, 4)),
    ("LayerNormalization", {}, (5,)),
    ("LayerNormalization", {"axis": [1, 2], "beta_constraint": "non_neg"}, (3, 4)),
    ("LayerNormalization", {"scale": False}, (3, 4)),
    ("LayerNormalization", {"rms_scaling": True}, (5,)),
    ("GroupNormalization", {"groups": 2}, (6,)),
    ("GroupNormalization", {"groups": 2, "axis": 1}, (4, 3)),
    ("GroupNormalization", {"groups": -1}, (2, 3, 4)),
    ("RMSNormalization", {}, (5,)),
    ("UnitNormalization", {}, (5,)),
    ("UnitNormalization", {"axis": 1}, (3, 4)),
    ("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, (5,)),
]
# Keras computes in float32 whatever the layer's type, and its group normalization subtracts ``mean * inverse`` from
# ``x * inverse``, which loses up to 4e-6 of the largest number here.
LIMIT = 5e-6
# Of Keras's, those that this library has no use for.
UNKNOWN = {"renorm", "renorm_clipping", "renorm_momentum", "lora_rank", "lora_alpha", "quantization_config"}


def network(library, name, arguments, shape):
    x = library.Input(shape)
    h = library.layers.Dense(shape[-1], activation="tanh", kernel_regularizer="l2")(x)
    h = getattr(library.layers, name)(**arguments)(h)
    y = library.layers.Dense(2, kernel_constraint="max_norm", bias_regularizer="l1")(library.layers.Flatten()(h))
    return library.Model(x, y)


# Scaling by the variance without subtracting the mean makes outputs, and so steps, too large to compare in float32.
@pytest.mark.parametrize(("name", "arguments", "shape"), [case for case in LAYERS if "rms_scaling" not in case[1]])
def test_training(name, arguments, shape, rng):
    ours, theirs = network(cb, name, arguments, shape), network(keras, name, arguments, shape)
    weights = [rng.uniform(0.5, 1.5, size=w.shape).astype("float32") for w in ours.weights]
    assert [w.shape for w in theirs.weights] == [w.shape for w in weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    x, y = rng.normal(size=(40, *shape)).astype("float32"), rng.normal(size=(40, 2)).astype("float32")
    ours.compile(cb.optimizers.SGD(0.005), "mse")
    theirs.compile(keras.optimizers.SGD(0.005), "mse")
    settings = {"batch_size": 16, "epochs": 3, "shuffle": False, "verbose": 0}
    found, expected = ours.fit(x, y, **settings).history["loss"], theirs.fit(x, y, **settings).history["loss"]
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * max(1, np.abs(b).max()))
    np.testing.assert_allclose(ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0), rtol=2e-5)
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("name", "arguments", "shape"), LAYERS)
@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.filterwarnings("ignore:You passed `rms_scaling")
def test_forward(name, arguments, shape, trainable, rng):
    ours = getattr(cb.layers, name)(trainable=trainable, **arguments)
    theirs = getattr(keras.layers, name)(trainable=trainable, **arguments)
    x = rng.normal(2, 3, size=(8, *shape)).astype("float32")
    ours(x), theirs(x)
    weights = [rng.uniform(0.5, 1.5, size=w.shape).astype("float32") for w in ours.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    for training in (False, True):
        expected = keras.ops.convert_to_numpy(theirs(x, training=training) if weights else theirs(x))
        np.testing.assert_allclose(ours(x, training=training), expected, rtol=0, atol=LIMIT * np.abs(expected).max())


@pytest.mark.parametrize("name", sorted({name for name, _, _ in LAYERS} | {"Dense", "PReLU"}))
def test_arguments(name):
    ours, theirs = (
        [p for p in inspect.signature(getattr(library.layers, name)).parameters.values() if p.name not in UNKNOWN]
        for library in (cb, keras)
    )
    known = {p.name for p in theirs} | {"rms_scaling"}
    assert [(p.name, p.default) for p in ours if p.name in known - {"rms_scaling"}] == [
        (p.name, p.default) for p in theirs
    ]
    assert {p.name for p in ours} <= known


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("L1", {}),
        ("L2", {"l2": 0.3}),
        ("L1L2", {"l1": 0.1, "l2": 0.2}),
        ("OrthogonalRegularizer", {"factor": 0.5}),
        ("OrthogonalRegularizer", {"mode": "columns"}),
    ],
)
def test_regularizer(name, arguments, rng):
    ours, theirs = getattr(cb.regularizers, name)(**arguments), getattr(keras.regularizers, name)(**arguments)
    w = rng.normal(size=(4, 5)).astype("float32")
    assert ours(w) == pytest.approx(float(theirs(keras.ops.convert_to_tensor(w))), rel=1e-5)
    config = json.loads(json.dumps(keras.regularizers.serialize(theirs)))
    assert cb.regularizers.deserialize(config).get_config() == pytest.approx(ours.get_config())
    assert [p.name for p in inspect.signature(type(ours)).parameters.values()] == [
        p.name for p in inspect.signature(type(theirs)).parameters.values()
    ]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("MaxNorm", {}),
        ("MaxNorm", {"max_value": 0.5, "axis": [0, 1]}),
        ("MinMaxNorm", {"min_value": 0.5, "rate": 0.3, "axis": 1}),
        ("UnitNorm", {}),
        ("NonNeg", {}),
    ],
)
def test_constraint(name, arguments, rng):
    ours, theirs = getattr(cb.constraints, name)(**arguments), getattr(keras.constraints, name)(**arguments)
    w = rng.normal(size=(4, 5)).astype("float32")
    np.testing.assert_allclose(ours(w), keras.ops.convert_to_numpy(theirs(w)), rtol=1e-6, atol=1e-7)
    config = json.loads(json.dumps(keras.constraints.serialize(theirs)))
    assert cb.constraints.deserialize(config).get_config() == ours.get_config()


def test_public_names():
    for module in ("regularizers", "constraints"):
        theirs = {name for name in dir(getattr(keras, module)) if not name.startswith("_")}
        assert theirs <= set(getattr(cb, module).__all__)
