"""Configs that come straight from Keras's `get_config`, which hold tuples where files hold lists."""

import json

import numpy as np
import pytest

import cbackprop as cb

INPUT = {
    "module": "keras.layers",
    "class_name": "InputLayer",
    "config": {
        "batch_shape": (None, 4), "dtype": "float32", "sparse": False, "ragged": False, "name": "x", "optional": False
    },
    "registered_name": None,
}  # fmt: skip
DENSE = {
    "module": "keras.layers",
    "class_name": "Dense",
    "config": {"name": "dense", "trainable": True, "units": 6, "activation": "linear"},
    "registered_name": None,
    "build_config": {"input_shape": (None, 4)},
}
RESHAPE = {
    "module": "keras.layers",
    "class_name": "Reshape",
    "config": {"name": "reshape", "trainable": True, "target_shape": (2, 3)},
    "registered_name": None,
}


def called_on(layer, shape, entry):
    tensor = {
        "class_name": "__keras_tensor__",
        "config": {"shape": shape, "dtype": "float32", "keras_history": (layer, 0, 0)},
    }
    nodes = [{"args": (tensor,), "kwargs": {}}]
    return {**entry, "name": entry["config"]["name"], "inbound_nodes": nodes}


SEQUENTIAL = {"name": "s", "trainable": True, "layers": [INPUT, DENSE, RESHAPE], "build_input_shape": (None, 4)}
FUNCTIONAL = {
    "name": "f",
    "trainable": True,
    "layers": [
        {**INPUT, "name": "x", "inbound_nodes": []},
        called_on("x", (None, 4), DENSE),
        called_on("dense", (None, 6), RESHAPE),
    ],
    "input_layers": [("x", 0, 0)],
    "output_layers": [("reshape", 0, 0)],
}


@pytest.mark.parametrize(("cls", "config"), [(cb.Sequential, SEQUENTIAL), (cb.Model, FUNCTIONAL)])
def test_tuples_are_read_as_lists_are(cls, config):
    model = cls.from_config(config)
    assert model.predict(np.ones((5, 4), "float32"), verbose=0).shape == (5, 2, 3)
    assert model.get_config() == cls.from_config(json.loads(json.dumps(config))).get_config()


def test_a_model_within_a_model_is_read_too():
    inner = {"module": "keras", "class_name": "Sequential", "config": SEQUENTIAL, "registered_name": None}
    model = cb.Sequential.from_config({"name": "outer", "layers": [INPUT, inner], "build_input_shape": (None, 4)})
    assert model.output_shape == (None, 2, 3)
