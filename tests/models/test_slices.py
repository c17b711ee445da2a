"""Models that begin in the middle of another one."""

import json

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

X = np.random.default_rng(0).normal(size=(6, 5, 2)).astype("float32")


def whole():
    inputs = cb.Input((None, 2), name="input")
    x1 = layers.Dense(3, name="dense1")(inputs)
    x2 = layers.Dense(4, name="dense2", activation="tanh")(x1)
    outputs = layers.Dense(5, name="dense3")(x2)
    return cb.Model(inputs, outputs), x1, x2, outputs


def test_a_slice_begins_with_an_input():
    model, x1, x2, outputs = whole()
    for part, names in (
        (cb.Model(x2, outputs), ["dense2", "dense3"]),
        (cb.Model(x1, x2), ["dense1", "dense2"]),
        (cb.Model(model.get_layer("dense2").input, outputs), ["dense1", "dense2", "dense3"]),
        (cb.Model(model.get_layer("dense1").input, x2), ["input", "dense1", "dense2"]),
    ):
        assert [layer.name for layer in part.layers] == names
        assert isinstance(part.layers[0], layers.InputLayer)
        assert part.input_names == names[:1]


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_slices_share_layers(engine):
    model, _, x2, outputs = whole()
    front, back = cb.Model(model.input, x2), cb.Model(x2, outputs)
    np.testing.assert_allclose(back(front(X)), model(X), rtol=1e-5, atol=1e-6)
    back.compile("sgd", "mse", engine=engine)
    before = model.get_weights()
    back.fit(front(X), np.zeros((6, 5, 5)), verbose=0)
    changed = [not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert changed == [False, False, False, False, True, True]
    np.testing.assert_allclose(back(front(X)), model(X), rtol=1e-5, atol=1e-6)


def test_a_name_that_is_taken():
    layer = layers.Dense(2, name="twice")
    first = layer(cb.Input((2,)))
    part = cb.Model(first, layer(first))
    assert [each.name for each in part.layers] == ["twice_output", "twice"]


@pytest.mark.h5py
@pytest.mark.parametrize("name", ["m.keras", "m.safetensors"])
def test_slices_can_be_saved(name, tmp_path):
    _, _, x2, outputs = whole()
    part = cb.Model({"h": x2}, [outputs, layers.Softmax()(outputs)])
    part.save(tmp_path / name)
    h = np.random.default_rng(1).normal(size=(3, 5, 4)).astype("float32")
    copies = [cb.saving.load_model(tmp_path / name), cb.models.clone_model(part)]
    copies.append(cb.Model.from_config(json.loads(json.dumps(part.get_config()))))
    for copy in copies:
        copy.set_weights(part.get_weights())
        for found, expected in zip(copy({"h": h}), part({"h": h}), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_several_inputs_of_which_one_is_in_the_middle():
    a, b = cb.Input((2,), name="a"), cb.Input((2,), name="b")
    middle = layers.Dense(2, name="middle")(a)
    part = cb.Model([middle, b], layers.Add()([middle, b]))
    assert part.inputs[1] is b
    x = np.ones((2, 2), "float32")
    np.testing.assert_array_equal(part([x, 2 * x]), 3 * x)
    with pytest.raises(ValueError, match="depend on input 'a', which is not among"):
        cb.Model([middle], layers.Add()([middle, a]))
