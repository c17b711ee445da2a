"""Layers that decide themselves what is saved."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


class Counting(layers.Layer):
    """Multiplies. It saves the number of its calls too, and its weight under its own name."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = 0

    def build(self, input_shape):
        self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")

    def call(self, inputs):
        return inputs * self.factor

    def backward(self, inputs, outputs, delta):
        return delta * self.factor.numpy(), [(delta * inputs).sum(axis=0)]

    def save_own_variables(self, store):
        store["factor"] = self.factor.numpy()
        store["calls"] = np.array(self.calls)

    def load_own_variables(self, store):
        self.factor.assign(store["factor"])
        self.calls = int(store["calls"])


def model_of():
    layer = Counting()
    model = cb.Sequential([cb.Input((3,)), layers.Dense(3), layer, layers.Dense(1)])
    return model, layer


X = np.arange(6.0).reshape(2, 3)


def test_weights_and_whole_models(tmp_path):
    model, layer = model_of()
    layer.calls = 7
    layer.factor.assign([1.0, 2.0, 3.0])
    model.save_weights(tmp_path / "a.safetensors")
    other, found = model_of()
    other.load_weights(tmp_path / "a.safetensors")
    assert found.calls == 7
    np.testing.assert_array_equal(found.factor, [1.0, 2.0, 3.0])
    model.save(tmp_path / "b.safetensors")
    loaded = cb.models.load_model(tmp_path / "b.safetensors", custom_objects={"Counting": Counting})
    assert loaded.layers[1].calls == 7
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))


def test_skipped(tmp_path):
    model, layer = model_of()
    layer.calls = 7
    model.save_weights(tmp_path / "a.safetensors")
    other, found = model_of()
    other.load_weights(tmp_path / "a.safetensors", objects_to_skip=[found])
    assert found.calls == 0


@pytest.mark.parametrize("name", [3, "a/b", ""])
def test_what_cannot_be_stored(tmp_path, name):
    class Bad(Counting):
        def save_own_variables(self, store):
            store[name] = np.zeros(3)

    model = cb.Sequential([cb.Input((3,)), Bad()])
    with pytest.raises(TypeError, match="must store arrays of numbers under names"):
        model.save_weights(tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()


def test_what_the_layer_misses_is_said(tmp_path):
    class Less(Counting):
        def save_own_variables(self, store):
            store["factor"] = self.factor.numpy()

    model = cb.Sequential([cb.Input((3,)), Less()])
    model.save_weights(tmp_path / "a.safetensors")
    other = cb.Sequential([cb.Input((3,)), Counting()])
    with pytest.raises(ValueError, match=r"does not contain what load_own_variables of layer 'counting.*calls.*factor"):
        other.load_weights(tmp_path / "a.safetensors")


def test_of_any_layer():
    dense, store = layers.Dense(2), {}
    dense.build((None, 3))
    dense.save_own_variables(store)
    assert sorted(store) == ["0", "1"]
    other = layers.Dense(2)
    other.build((None, 3))
    other.load_own_variables(store)
    for a, b in zip(dense.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match=r"has 2 weights of its own, but the file holds 1 for it: \['0'\]"):
        other.load_own_variables({"0": store["0"]})
    with pytest.raises(ValueError, match="shape"):
        other.load_own_variables({"0": store["1"], "1": store["0"]})
