"""Layers in Python that hold another layer."""

import loss_cases
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


class Scaled(layers.Wrapper):
    """output = factor (input kernel + bias), with the weights of a Dense and a factor."""

    def build(self, input_shape):
        super().build(input_shape)
        self.factor = self.add_weight((), "ones", name="factor")

    def call(self, inputs):
        return self.factor * self.layer(inputs)

    def backward(self, inputs, outputs, delta):
        factor = self.factor.numpy()
        inner = factor * delta
        gradients = [(delta * outputs).sum() / factor, inputs.T @ inner, inner.sum(axis=0)]
        return inner @ self.layer.kernel.numpy().T, gradients


def model(layer, engine="compiled"):
    built = cb.Sequential([cb.Input((3,)), layers.Dense(4, activation="tanh"), layer, layers.Dense(1)])
    built.compile("adam", "mse", engine=engine)
    return built


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_gradients_and_training(engine, rng):
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 1))
    wrapped = model(Scaled(layers.Dense(4)), engine)
    assert [w.shape for w in wrapped.layers[1].weights] == [(), (4, 4), (4,)]  # Keras's order: its own first
    report = wrapped.check_gradients(x[:5], y[:5])
    assert report.checked == wrapped.count_params() == 16 + 20 + 1 + 5
    assert report.max_relative_error < 1e-6
    before = wrapped.get_weights()
    losses = wrapped.fit(x, y, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert all((a != b).any() for a, b in zip(before, wrapped.get_weights(), strict=True))


def test_a_frozen_wrapper_freezes_the_layer_within():
    layer = Scaled(layers.Dense(4), trainable=False)
    built = model(layer)
    assert layer.trainable_weights == []
    assert len(built.trainable_weights) == 4


def test_config_and_files(tmp_path, rng):
    built = model(Scaled(layers.Dense(4, use_bias=True, name="within")))
    x, _ = loss_cases.data_for(built, 5, rng)
    built.save(tmp_path / "m.safetensors")
    again = cb.models.load_model(tmp_path / "m.safetensors", custom_objects={"Scaled": Scaled})
    assert again.layers[1].layer.get_config() == built.layers[1].layer.get_config()
    np.testing.assert_array_equal(again.predict(x, verbose=0), built.predict(x, verbose=0))


def test_mistakes():
    with pytest.raises(ValueError, match="layer must be a layer to wrap, but got 3 of type int"):
        layers.Wrapper(3)
    with pytest.raises(ValueError, match="layer computes in float64, but Wrapper in float32"):
        layers.Wrapper(layers.Dense(2, dtype="float64"))
    with pytest.raises(TypeError, match="Wrapper computes nothing: define call"):
        layers.Wrapper(layers.Dense(2))(np.ones((1, 2)))


def test_the_base_itself_holds_the_weights_of_its_layer():
    wrapper = layers.Wrapper(layers.Dense(2))
    wrapper.build((None, 3))
    assert [weight.shape for weight in wrapper.weights] == [(3, 2), (2,)]
