"""Layers within a user's layer, and layers that write for themselves, in files of Keras's: written here and there."""

import h5py
import keras
import numpy as np
import pytest

import cbackprop as cb

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def block_of(k):
    plain = np.asarray if k is cb else lambda value: value

    class Block(k.layers.Layer):
        def __init__(self, units=3, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.zeta, self.alpha = k.layers.Dense(units), k.layers.Dense(units)
            self._hidden = k.layers.LayerNormalization()
            self.many = [k.layers.Dense(units), k.layers.Dense(units), {"a": k.layers.Dense(units)}]
            self.again = self.alpha

        def build(self, input_shape):
            self.scale = self.add_weight(shape=(self.units,), initializer="ones", name="scale")
            self.fixed = self.add_weight(shape=(self.units,), initializer="ones", trainable=False, name="fixed")
            for layer in (self.zeta, self.alpha, self._hidden, *self.many[:2], self.many[2]["a"]):
                layer.build(input_shape)

        def call(self, x):
            h = self._hidden(self.zeta(x) + 2 * self.alpha(x))
            last = self.many[2]["a"](h) * plain(self.scale) * plain(self.fixed)
            return self.many[0](h) + 3 * self.many[1](h) + last

        def get_config(self):
            return {**super().get_config(), "units": self.units}

        def backward(self, inputs, outputs, delta):
            raise NotImplementedError

    return Block


def models():
    made = []
    for k in (cb, keras):
        block, x = block_of(k), k.Input((3,))
        model = k.Model(x, k.layers.Dense(2)(block()(k.layers.Dense(3)(x))))
        for weight in model.weights:
            weight.assign(np.random.default_rng(len(made)).normal(size=weight.shape))
        made += [(model, block)]
    return made


def assert_same(ours, theirs):
    np.testing.assert_allclose(ours.predict(X, verbose=0), theirs.predict(X, verbose=0), rtol=1e-4, atol=1e-5)


def paths_in(path):
    """Where weights of layers stand in a file."""
    found = set()

    def visit(name, thing):
        if isinstance(thing, h5py.Dataset) and name.startswith("layers/"):
            found.add(name)

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def test_weights(tmp_path):
    (ours, _), (theirs, _) = models()
    ours.save_weights(tmp_path / "a.weights.h5")
    theirs.load_weights(tmp_path / "a.weights.h5")
    assert_same(ours, theirs)
    (ours, _), (theirs, _) = models()
    theirs.save_weights(tmp_path / "b.weights.h5")
    ours.load_weights(tmp_path / "b.weights.h5")
    assert_same(ours, theirs)
    assert paths_in(tmp_path / "a.weights.h5") == paths_in(tmp_path / "b.weights.h5")


def test_whole_models(tmp_path):
    (ours, own), (theirs, other) = models()
    ours.save(tmp_path / "a.keras")
    assert_same(ours, keras.models.load_model(tmp_path / "a.keras", custom_objects={"Block": other}))
    assert_same(ours, cb.models.load_model(tmp_path / "a.keras", custom_objects={"Block": own}))
    theirs.save(tmp_path / "b.keras")
    assert_same(cb.models.load_model(tmp_path / "b.keras", custom_objects={"Block": own}), theirs)


def test_files_of_earlier_versions(tmp_path):
    """Which held the weights of layers within where those of the outer one are."""
    (ours, _), _ = models()
    ours.save_weights(tmp_path / "a.weights.h5")
    block = ours.layers[2]
    with h5py.File(tmp_path / "a.weights.h5", "a") as file:
        del file["layers/block"]
        for number, variable in enumerate(block.variables):
            file[f"layers/block/vars/{number}"] = variable.numpy()
    (other, _), _ = models()
    other.set_weights([np.zeros(w.shape) for w in other.weights])
    other.load_weights(tmp_path / "a.weights.h5")
    assert_same(other, ours)


@pytest.mark.parametrize("missing", ["layers/block/zeta", "layers/block/many/dense_1", "layers/block/vars"])
def test_what_is_missing_is_said(tmp_path, missing):
    (ours, _), _ = models()
    ours.save_weights(tmp_path / "a.weights.h5")
    with h5py.File(tmp_path / "a.weights.h5", "a") as file:
        del file[missing]
    before = ours.get_weights()
    with pytest.raises(ValueError, match=f"holds no weights at '{missing.removesuffix('/vars')}'"):
        ours.load_weights(tmp_path / "a.weights.h5")
    for a, b in zip(before, ours.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# Layers that write for themselves


def counting_of(k):
    class Counting(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.calls = 0

        def build(self, input_shape):
            self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factor")
            self.built = True

        def call(self, inputs):
            return inputs * self.factor

        def save_own_variables(self, store):
            store["factor"] = np.asarray(k.ops.convert_to_numpy(self.factor) if k is keras else self.factor)
            store["calls"] = np.array(self.calls)

        def load_own_variables(self, store):
            self.factor.assign(np.asarray(store["factor"]))
            self.calls = int(np.asarray(store["calls"]))

    return Counting


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_own_variables(tmp_path, suffix):
    for writer, reader in ((cb, keras), (keras, cb), (cb, cb)):
        written, read = counting_of(writer), counting_of(reader)
        layer = written()
        model = writer.Sequential([writer.Input((3,)), writer.layers.Dense(3), layer])
        layer.factor.assign([1.0, 2.0, 3.0])
        layer.calls = 7
        path = tmp_path / f"{writer.__name__}{reader.__name__}{suffix}"
        if suffix == ".keras":
            model.save(path)
            other = reader.models.load_model(path, custom_objects={"Counting": read})
        else:
            model.save_weights(path)
            other = reader.Sequential([reader.Input((3,)), reader.layers.Dense(3), read()])
            other.load_weights(path)
        assert other.layers[-1].calls == 7
        np.testing.assert_allclose(other.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5)


def squared(x):
    return x**2


def test_activations_in_python_and_layers_as_activations(tmp_path):
    for activation in (squared, "layer"):
        for writer, reader in ((cb, keras), (keras, cb)):
            chosen = writer.layers.LeakyReLU(negative_slope=0.3, name="leaky") if activation == "layer" else activation
            model = writer.Sequential([writer.Input((3,)), writer.layers.Dense(2, activation=chosen)])
            path = tmp_path / f"{writer.__name__}.keras"
            model.save(path)
            other = reader.models.load_model(path, custom_objects={"squared": squared})
            np.testing.assert_allclose(other.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
            if activation == "layer":
                assert isinstance(other.layers[-1].activation, reader.layers.LeakyReLU)


@pytest.mark.parametrize("kind", ["Sequential", "Model"])
def test_a_model_within_time_distributed(kind, tmp_path, rng):
    def make(library):
        layers = library.layers
        x = library.Input((6, 6, 2))
        dense = layers.Dense(2)(layers.Flatten()(layers.Conv2D(3, 3, activation="relu")(x)))
        inner = library.Model(x, dense)
        if kind == "Sequential":
            inner = library.Sequential([library.Input((6, 6, 2)), layers.Conv2D(3, 3), layers.Flatten()])
        return library.Sequential([library.Input((3, 6, 6, 2)), layers.TimeDistributed(inner), layers.GRU(2)])

    theirs, x = make(keras), rng.normal(size=(2, 3, 6, 6, 2)).astype("float32")
    theirs.save(tmp_path / "theirs.keras")
    ours = cb.models.load_model(tmp_path / "theirs.keras")
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=0, atol=1e-5)
    ours.save(tmp_path / "ours.keras")
    again = keras.models.load_model(tmp_path / "ours.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), ours.predict(x, verbose=0), rtol=0, atol=1e-5)
