"""Sequential models whose layers are called on lists and dicts."""

import json

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

RNG = np.random.default_rng(0)
A, B = (RNG.normal(size=(6, 2)).astype("float32") for _ in range(2))
Y = RNG.normal(size=(6, 1)).astype("float32")


@cb.saving.register_keras_serializable("tests.structures")
class Passing(layers.Layer):
    def call(self, inputs):
        self.seen = type(inputs)
        return inputs

    def backward(self, inputs, outputs, delta):
        return delta


@cb.saving.register_keras_serializable("tests.structures")
class Weighed(layers.Layer):
    """a + w b of a dict."""

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape["b"][-1],), initializer="ones", name="w")

    def call(self, inputs):
        return inputs["a"] + self.w.array * inputs["b"]

    def backward(self, inputs, outputs, delta):
        return {"a": delta, "b": delta * self.w.array}, [(delta * inputs["b"]).sum(axis=0)]


@pytest.mark.parametrize("x", [[A, B], {"a": A, "b": B}, (A, B)])
def test_a_layer_gets_and_returns_what_the_model_was_called_on(x, capsys):
    layer = Passing()
    model = cb.Sequential([layer])
    y = model(x)
    assert type(y) is layer.seen is type(x)
    for found, given in zip(cb.tensor.flatten(y), (A, B), strict=True):
        np.testing.assert_array_equal(found, given)
    assert type(model.predict(x, verbose=0)) is type(x)
    model.summary()
    assert "passing" in capsys.readouterr().out.lower()


@pytest.mark.h5py
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_dicts_go_through_a_stack(engine, tmp_path):
    model = cb.Sequential([Passing(), Weighed(), layers.Dense(1)])
    model.compile(cb.optimizers.SGD(0.05), "mse", engine=engine)
    x = {"a": A, "b": B}
    losses = model.fit(x, Y, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert model.check_gradients(x, Y).max_relative_error < 1e-6
    with pytest.raises(ValueError, match=r"x must have the keys \['a', 'b'\], but got \['a'\]"):
        model.predict({"a": A}, verbose=0)
    copies = [cb.models.clone_model(model), cb.Sequential.from_config(json.loads(json.dumps(model.get_config())))]
    for name in ("m.keras", "m.safetensors"):
        model.save(tmp_path / name)
        copies.append(cb.saving.load_model(tmp_path / name))
    for copy in copies:
        copy.set_weights(model.get_weights())
        found, expected = copy.predict(x, verbose=0), model.predict(x, verbose=0)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_building_for_several_shapes():
    model = cb.Sequential([Weighed(), layers.Dense(1)])
    model.build({"a": (None, 2), "b": (None, 2)})
    assert model.output_shape == (None, 1)
    model.build({"a": (None, 2), "b": (None, 2)})
    with pytest.raises(ValueError, match="is built for"):
        model.build({"a": (None, 2), "b": (None, 3)})
    model = cb.Sequential([layers.Add(), layers.Dense(1)])
    assert model([A, B]).shape == (6, 1)
    with pytest.raises(ValueError, match=r"Layer 'one', the first of Sequential .*, takes one input, but got 2"):
        cb.Sequential([layers.Dense(1, name="one")]).build([(None, 2), (None, 2)])
    with pytest.raises(TypeError, match="input_shape must be"):
        cb.Sequential([Weighed()]).build({})


def test_several_outputs_need_a_layer_that_takes_them():
    model = cb.Sequential([Passing(name="split"), layers.Dense(1, name="one")])
    with pytest.raises(ValueError, match="'split' has several outputs, which a Sequential cannot pass on to 'one'"):
        model([A, B])


def test_a_list_of_rows_is_one_array():
    rows = list(A)
    model = cb.Sequential([layers.Lambda(lambda x: x * 2.0)])
    np.testing.assert_array_equal(model.predict(rows, verbose=0), 2 * A)


@pytest.mark.parametrize("nest", [lambda t: t, lambda t: [t], lambda t: (t,), lambda t: {"x": t}])
def test_one_symbol_gives_a_model_its_shape(nest):
    model = cb.Sequential([layers.Dense(4)])
    tensor = cb.Input((2,))
    if isinstance(nest(tensor), dict):
        with pytest.raises(ValueError, match=r"x must have the keys .*, but got \['x'\]"):
            model(nest(tensor))
    else:
        assert model(nest(tensor)).shape == (None, 4)
    assert model.input_shape == (None, 2)


def test_several_symbols_give_a_model_their_shapes():
    model = cb.Sequential([Weighed(), layers.Dense(1)])
    a, b = cb.Input((2,)), cb.Input((2,))
    outer = cb.Model([a, b], model({"a": a, "b": b}))
    np.testing.assert_allclose(outer([A, B]), model({"a": A, "b": B}), rtol=1e-5, atol=1e-6)
