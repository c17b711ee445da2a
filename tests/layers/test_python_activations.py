"""Callables and layers as `activation`: their results, gradients, configs and files."""

import json

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

EACH_ENGINE = pytest.mark.parametrize("engine", ["compiled", "reference"])


def squared(x):
    return x**2


class Squared:
    """An activation with a gradient of its own."""

    def __call__(self, x):
        return x**2

    def backward(self, inputs, outputs, delta):
        return 2 * inputs * delta

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls()


WITH_GRADIENT = [Squared, lambda: layers.Lambda(np.square, backward=lambda x, y, delta: 2 * x * delta)]
WITHOUT = [lambda: squared, lambda: lambda x: x**2, lambda: layers.Lambda(squared), lambda: np.square]


def model_with(activation, engine, dtype="float32"):
    cb.utils.set_random_seed(1)
    x = cb.Input((3,), dtype=dtype)
    dense = layers.Dense(2, activation=activation, dtype=dtype)
    h = dense(layers.Dense(4, dtype=dtype)(x))
    model = cb.Model(x, h)
    model.compile("sgd", "mse", engine=engine)
    return model, dense


@EACH_ENGINE
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", WITH_GRADIENT + WITHOUT)
def test_forward(make, engine, dtype):
    model, _ = model_with(make(), engine, dtype)
    plain, _ = model_with(None, engine, dtype)
    x = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(model.predict(x, verbose=0), plain.predict(x, verbose=0) ** 2, rtol=1e-6)
    assert model.evaluate(x, np.zeros((5, 2)), verbose=0) > 0
    alone = layers.Dense(2, activation=make(), dtype=dtype)
    y = alone(x)
    np.testing.assert_allclose(y, (x @ alone.kernel.numpy()) ** 2, rtol=1e-4, atol=1e-6)


@EACH_ENGINE
@pytest.mark.parametrize("make", WITH_GRADIENT)
def test_gradients(make, engine):
    model, _ = model_with(make(), engine)
    x, y = np.random.default_rng(0).normal(size=(5, 3)), np.zeros((5, 2))
    assert model.check_gradients(x, y).max_relative_error < 1e-6
    losses = model.fit(x, y, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@EACH_ENGINE
@pytest.mark.parametrize("make", WITHOUT)
def test_no_gradient_passes_without_backward(make, engine):
    model, _ = model_with(make(), engine)
    before = model.get_weights()
    with pytest.raises(TypeError, match=r"activation .* of layer 'dense.*' is written in Python.* backward"):
        model.fit(np.ones((5, 3)), np.zeros((5, 2)), verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for layer in model.layers:
        layer.trainable = False
    model.compile("sgd", "mse", engine=engine)
    assert np.isfinite(model.fit(np.ones((5, 3)), np.zeros((5, 2)), verbose=0).history["loss"][0])


@EACH_ENGINE
def test_layer_activation(engine):
    x = cb.Input((3,))
    model = cb.Model(x, layers.Activation(Squared())(layers.Dense(3)(x)))
    model.compile("sgd", "mse", engine=engine)
    assert model.check_gradients(np.ones((2, 3)), np.zeros((2, 3))).max_relative_error < 1e-6
    np.testing.assert_array_equal(layers.Activation(squared)([[1.0, -2.0]]), [[1.0, 4.0]])


@EACH_ENGINE
@pytest.mark.parametrize("wrong", [lambda x: x.sum(axis=-1), lambda x: "x", lambda x: x[:1]])
def test_what_it_returns_is_checked(wrong, engine):
    model, _ = model_with(wrong, engine)
    with pytest.raises((TypeError, ValueError), match=r"output of layer 'dense.*/activation'"):
        model.predict(np.ones((5, 3)), verbose=0)


@EACH_ENGINE
def test_what_it_raises_is_raised(engine):
    def fails(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        model_with(fails, engine)[0].predict(np.ones((2, 3)), verbose=0)


# Layers


def test_a_layer_stays_the_layer():
    relu = layers.LeakyReLU(0.15, name="my_leaky")
    dense = layers.Dense(4, activation=relu)
    assert dense.activation is relu
    assert dense.weights == []
    dense.build((None, 3))
    assert len(dense.weights) == 2
    config = json.loads(json.dumps(cb.saving.serialize_keras_object(dense)))
    again = cb.saving.deserialize_keras_object(config)
    assert isinstance(again.activation, layers.LeakyReLU)
    assert again.activation.name == "my_leaky"
    assert again.activation.negative_slope == 0.15
    again.set_weights(dense.get_weights())
    x = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_array_equal(dense(x), again(x))
    plain = layers.Dense(4, activation=cb.activations.leaky_relu.bind(negative_slope=0.15))
    plain.build((None, 3))
    plain.set_weights(dense.get_weights())
    np.testing.assert_array_equal(dense(x), plain(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (layers.PReLU, "without weights"),
        (lambda: layers.Dropout(0.5), "Put it behind the layer"),
        (lambda: cb.Sequential([layers.ReLU()]), "applies one and nothing else"),
        (lambda: 3, "Expected an activation"),
        (lambda: True, "Expected an activation"),
        (lambda: cb.losses.mean_squared_error, "Expected an activation"),
    ],
)
def test_refused(make, message):
    with pytest.raises(TypeError, match=message):
        layers.Dense(2, activation=make())


# Configs and files


@pytest.mark.parametrize("activation", [squared, Squared()])
def test_files_hold_the_name(tmp_path, activation):
    model, _ = model_with(activation, "compiled")
    model.save(tmp_path / "a.safetensors")
    objects = {"squared": squared, "Squared": Squared}
    again = cb.models.load_model(tmp_path / "a.safetensors", custom_objects=objects)
    x = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))
    with pytest.raises((TypeError, ValueError), match="quared"):
        cb.models.load_model(tmp_path / "a.safetensors")


def test_copies_keep_the_callable():
    model, dense = model_with(lambda x: x**2, "compiled")
    copy = cb.models.clone_model(model)
    copy.set_weights(model.get_weights())
    x = np.ones((2, 3))
    np.testing.assert_array_equal(copy.predict(x, verbose=0), model.predict(x, verbose=0))
    with pytest.raises(TypeError, match="has no name"):
        dense.get_config()


def test_serialize_and_get():
    assert cb.activations.get(squared) is squared
    config = cb.activations.serialize(squared)
    assert cb.activations.deserialize(config, custom_objects={"squared": squared}) is squared
    with pytest.raises(TypeError, match="squared"):
        cb.activations.deserialize(config)
    with cb.saving.custom_object_scope({"squared": squared}):
        assert cb.activations.get("squared") is squared
        assert layers.Dense(2, activation="squared").activation is squared
    assert cb.activations.deserialize(cb.activations.serialize(layers.ReLU(name="r"))).name == "r"
    with pytest.raises(ValueError, match="arbitrary code"):
        layers.Dense(2, activation={"class_name": "__lambda__", "config": {}})


def test_configs_may_hold_layers_and_functions():
    class Holder(layers.Layer):
        def __init__(self, dense=None, **kwargs):
            super().__init__(**kwargs)
            self.dense = cb.saving.deserialize_keras_object(dense)

        def call(self, x):
            return self.dense(x)

        def get_config(self):
            return {"dense": self.dense}

    layer = Holder(layers.Dense(1, activation=squared))
    x = np.ones((2, 3))
    y = layer(x)
    config = json.loads(json.dumps(cb.saving.serialize_keras_object(layer)))
    again = cb.saving.deserialize_keras_object(config, custom_objects={"Holder": Holder, "squared": squared})
    again(x)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x), y)
