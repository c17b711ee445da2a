"""Models as tables, configs and copies."""

import json

import loss_cases
import numpy as np
import pytest
import random_models

import cbackprop as cb
from cbackprop import layers


def same_function(a, b, rng):
    b.set_weights(a.get_weights())
    x, _ = loss_cases.data_for(a, 5, rng)
    for left, right in zip(*(np.atleast_1d(m.predict(x, verbose=0)) for m in (a, b)), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("seed", range(10))
def test_random_graphs_survive_json(seed, rng):
    model = random_models.random_model(seed)
    config = json.loads(json.dumps(model.get_config()))
    copy = cb.Model.from_config(config)
    assert copy.get_config() == model.get_config()
    copy.set_weights(model.get_weights())
    x, _ = loss_cases.data_for(model, 5, rng)
    ours, theirs = model.predict(x, verbose=0), copy.predict(x, verbose=0)
    for a, b in zip(*(p if isinstance(p, list) else [p] for p in (ours, theirs)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sequential_round_trip(rng):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, activation="relu"), layers.Dropout(0.5), layers.Dense(2)])
    copy = cb.Sequential.from_config(json.loads(json.dumps(model.get_config())))
    assert copy.get_config() == model.get_config()
    same_function(model, copy, rng)
    deferred = cb.Sequential([layers.Dense(2)])
    assert cb.Sequential.from_config(deferred.get_config()).built is False


def test_structures_of_inputs_and_outputs_survive():
    a, b = cb.Input((2,), name="a"), cb.Input((2,), name="b")
    h = layers.Add()([a, b])
    model = cb.Model({"left": a, "right": b}, {"sum": h, "twice": [layers.Dense(1)(h)]})
    copy = cb.models.clone_model(model)
    x = {"left": np.ones((1, 2)), "right": np.ones((1, 2))}
    out = copy.predict(x, verbose=0)
    assert list(out) == ["sum", "twice"]
    np.testing.assert_array_equal(out["sum"], [[2.0, 2.0]])
    assert isinstance(out["twice"], list)


def test_to_json_names_the_class():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(1)])
    assert json.loads(model.to_json())["class_name"] == "Sequential"


def test_clone_has_weights_of_its_own(rng):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    copy = cb.models.clone_model(model)
    assert not np.array_equal(copy.get_weights()[0], model.get_weights()[0])
    before = model.get_weights()[0]
    copy.compile("sgd", "mse")
    copy.fit(rng.normal(size=(8, 3)), rng.normal(size=(8, 2)), verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_summary(capsys):
    inner = cb.Sequential([cb.Input((4,)), layers.Dense(4)], name="inner")
    frozen = layers.Dense(1, name="top", trainable=False)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, name="first"), inner, frozen], name="whole")
    model.summary()
    text = capsys.readouterr().out
    assert "Model: 'whole'" in text
    for line in ("first (Dense)", "inner (Sequential)", "top (Dense)", "(None, 4)"):
        assert line in text
    assert "Total params: 41" in text
    assert "Trainable params: 36" in text
    assert "Non-trainable params: 5" in text
    lines = []
    cb.Sequential([layers.Dense(1)], name="later").summary(print_fn=lines.append)
    assert "has no shape yet" in lines[0]


def test_get_layer():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, name="first"), layers.Dense(1, name="second")])
    assert model.get_layer("second") is model.layers[1] is model.get_layer(index=-1)


def test_add_and_pop(rng):
    model = cb.Sequential()
    model.add(cb.Input((3,)))
    model.add(layers.Dense(4))
    model.add(layers.Dense(2))
    assert model.output_shape == (None, 2)
    top = model.pop()
    assert model.output_shape == (None, 4)
    model.add(layers.Dense(5))
    with pytest.raises(ValueError, match="was built for"):
        model.add(top)
    assert model.output_shape == (None, 5)
    assert model.predict(rng.normal(size=(2, 3)), verbose=0).shape == (2, 5)


def test_automatic_names():
    assert [layers.Dense(1).name, layers.Dense(1).name, layers.ReLU().name, layers.LeakyReLU().name] == [
        "dense",
        "dense_1",
        "re_lu",
        "leaky_re_lu",
    ]


def test_shapes_of_a_model_that_no_model_contains():
    a, b = cb.Input((3,)), cb.Input((2,))
    model = cb.Model([a, b], layers.Concatenate()([a, b]))
    assert (model.input_shape, model.output_shape) == ([(None, 3), (None, 2)], (None, 5))
    assert cb.Model(a, layers.Dense(4)(a)).input_shape == (None, 3)


def test_representations_show_what_differs():
    assert repr(layers.Dense(3, use_bias=False)).startswith("Dense(units=3")
    assert repr(layers.Dense(3)) == "Dense(units=3)"
    assert repr(layers.Dense(3, "relu")) == "Dense(units=3, activation='relu')"
    assert "use_bias=False" in repr(layers.Dense(3, use_bias=False))
    assert repr(cb.optimizers.Adam(0.01)) == "Adam(learning_rate=0.01)"
    assert "trainable=True" in repr(cb.Sequential([cb.Input((1,)), layers.Dense(1)]).weights[0])


def test_variables(rng):
    layer = layers.Dense(2, name="d")
    layer(cb.Input((3,)))
    kernel, bias = layer.weights
    assert (kernel.path, kernel.shape, bias.path) == ("d/kernel", (3, 2), "d/bias")
    value = rng.normal(size=(3, 2)).astype(np.float32)
    kernel.assign(value)
    np.testing.assert_array_equal(np.asarray(kernel), value)
    copy = kernel.numpy()
    copy[:] = 0
    np.testing.assert_array_equal(kernel.value, value)
    for wrong, error in ((np.ones(3), ValueError), ([[1e300] * 2] * 3, ValueError), ("x", TypeError)):
        with pytest.raises(error):
            kernel.assign(wrong)
    np.testing.assert_array_equal(kernel.numpy(), value)


def test_float64_throughout(rng):
    cb.config.set_floatx("float64")
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    assert model.predict(rng.normal(size=(2, 3)), verbose=0).dtype == np.float64
    assert {w.dtype.name for w in model.get_weights()} == {"float64"}
    cb.config.set_floatx("float32")
    assert cb.Sequential([layers.Dense(2, dtype="float64")]).predict(np.ones((1, 3)), verbose=0).dtype == np.float64
