"""Functional models as plain values: structures, tuples, nested models, Keras's form and the one before it."""

import json

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


def structured():
    """Dicts and tuples in and out, a nested model as an output, a shared layer, fixed training."""
    a, b = cb.Input((3,), name="a"), cb.Input((3,), name="b")
    shared = layers.Dense(3, activation="tanh", name="shared")
    p, q = cb.Input((3,)), cb.Input((3,))
    inner = cb.Model({"p": p, "q": q}, (layers.Add()([p, q]), layers.Dense(2)(q)), name="inner")
    inner({"p": a, "q": b})  # a call that the model does not use
    left, right = inner({"p": shared(a), "q": shared(b)})
    dropped = layers.Dropout(0.5)(left, training=False)
    return cb.Model({"x": a, "y": [b]}, (right, {"left": dropped, "more": [shared(left)]}), name="outer")


DATA = {"x": np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3), "y": [np.ones((2, 3), "float32")]}


def leaves(structure):
    return cb.tensor.flatten(structure)


def shape_of(structure):
    """The structure of nested lists and dicts, without their contents."""
    return cb.tensor.map_structure(lambda leaf: None, structure)


@pytest.mark.parametrize("by_json", [False, True])
def test_structures(by_json):
    model = structured()
    config = model.get_config()
    twin = cb.Model.from_config(json.loads(json.dumps(config)) if by_json else config)
    twin.set_weights(model.get_weights())
    assert isinstance(twin.output, tuple)
    assert shape_of(twin.output) == shape_of(model.output)
    assert shape_of(twin.input) == shape_of(model.input)
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    found, expected = twin(leaves(DATA)), model(leaves(DATA))
    assert shape_of(found) == shape_of(expected)
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        np.testing.assert_array_equal(one, other)
    assert twin.get_config() == config


def test_the_form_is_keras():
    x = cb.Input((3,), name="x")
    config = cb.Model(x, layers.Dense(2, name="d")(x)).get_config()
    assert (config["input_layers"], config["output_layers"]) == (["x", 0, 0], ["d", 0, 0])
    dense = config["layers"][1]
    assert (dense["name"], dense["build_config"]["input_shape"]) == ("d", [None, 3])
    tensor = {"shape": [None, 3], "dtype": "float32", "keras_history": ["x", 0, 0]}
    call = {"args": [{"class_name": "__keras_tensor__", "config": tensor}], "kwargs": {}}
    assert dense["inbound_nodes"] == [call]


def test_the_form_before():
    """Files of earlier versions list calls for themselves."""
    model = structured()
    layer = {"module": "cbackprop.layers", "registered_name": None}
    entries = [
        {**layer, "class_name": "InputLayer", "config": {"shape": [3], "name": name}, "name": name} for name in "ab"
    ]
    inner = {
        "name": "inner",
        "layers": [*entries, {**layer, "class_name": "Add", "config": {"name": "s"}, "name": "s"}],
        "calls": [{"layer": "s", "inputs": [["a", 0, 0], ["b", 0, 0]], "training": None}],
        "inputs": {"list": [{"tensor": ["a", 0, 0]}, {"tensor": ["b", 0, 0]}]},
        "outputs": {"tensor": ["s", 0, 0]},
    }
    dense = {**layer, "class_name": "Dense", "config": {"units": 3, "name": "d"}, "name": "d"}
    config = {
        "name": "outer",
        "layers": [*entries, dense, {**layer, "class_name": "Model", "config": inner, "name": "inner"}],
        "calls": [
            {"layer": "d", "inputs": [["a", 0, 0]], "training": None},
            {"layer": "inner", "inputs": [["d", 0, 0], ["b", 0, 0]], "training": None},
        ],
        "inputs": {"dict": {"a": {"tensor": ["a", 0, 0]}, "b": {"tensor": ["b", 0, 0]}}},
        "outputs": {"list": [{"tensor": ["inner", 0, 0]}]},
    }
    twin = cb.Model.from_config(config)
    twin.set_weights(model.get_layer("shared").get_weights())
    a, b = DATA["x"], DATA["y"][0]
    expected = a @ twin.get_weights()[0] + twin.get_weights()[1] + b
    np.testing.assert_allclose(twin({"a": a, "b": b}), expected, rtol=1e-6)


def entry(name, needs):
    node = [] if needs is None else [[[needs, 0, 0, {}]]]
    config = {"shape": [10], "name": name} if needs is None else {"units": 10, "name": name}
    kind = "InputLayer" if needs is None else "Dense"
    return {"class_name": kind, "name": name, "config": config, "inbound_nodes": node}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("a", "b"), ("b", "a")], r"has a loop.*layers \['a', 'b'\] wait for each other"),
        ([("a", "b")], "Missing node: b"),
    ],
)
def test_graphs_that_cannot_be(entries, message):
    """A config in the form of Keras 2, where calls are lists."""
    config = {
        "name": "m",
        "layers": [entry("x", None), *[entry(*each) for each in entries]],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["a", 0, 0]],
    }
    with pytest.raises(ValueError, match=message):
        cb.Model.from_config(config)


class Own(cb.Model):
    """A model with arguments of its own."""

    def __init__(self, units=3, head=None, **kwargs):
        x = cb.Input((3,))
        self.units, self.head = units, head
        y = layers.Dense(units)(x)
        super().__init__(x, y if head is None else head(y), **kwargs)

    def get_config(self):
        return {"units": self.units, "head": cb.saving.serialize_keras_object(self.head), "name": self.name}


def test_models_with_arguments_of_their_own(tmp_path):
    model = Own(4, layers.Dense(2, name="head"))
    model.save(tmp_path / "m")
    loaded = cb.models.load_model(tmp_path / "m", custom_objects={"Own": Own})
    for twin in (Own.from_config(model.get_config()), cb.models.clone_model(model), loaded):
        assert type(twin) is Own
        assert twin.units == 4
        assert twin.output_shape == (None, 2)
        assert twin.head is twin.layers[-1]
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


def test_frozen_models():
    model = structured()
    model.trainable = False
    model.get_layer("shared").trainable = True
    twin = cb.Model.from_config(model.get_config())
    assert (twin.trainable, twin.get_layer("shared").trainable) == (False, True)
    assert not twin.trainable_variables
    stack = cb.Sequential([cb.Input((3,)), layers.Dense(2)], trainable=False)
    assert not cb.Sequential.from_config(stack.get_config()).trainable
