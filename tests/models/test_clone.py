"""`clone_model` with all its arguments, and models from JSON."""

import json

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


def functional():
    a, b = cb.Input((3,), name="a"), cb.Input((3,), name="b")
    shared = layers.Dense(4, activation="tanh", name="shared")
    inner = cb.Sequential([cb.Input((4,)), layers.Dense(3, name="deep")], name="inner")
    both = layers.Add()([shared(a), shared(b)])
    return cb.Model({"a": a, "b": b}, (inner(layers.Dropout(0.5)(both, training=False)), both))


DATA = {name: np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3) ** power for power, name in enumerate("ab", 1)}


def same_predictions(a, b, x=DATA):
    for one, other in zip(a(x), b(x), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_model_with_other_weights():
    model = functional()
    twin = cb.models.clone_model(model)
    assert twin.get_config() == model.get_config()
    assert not np.array_equal(twin.get_weights()[0], model.get_weights()[0])


def test_input_tensors():
    model = functional()
    inputs = {name: cb.Input((3,), name=f"new_{name}") for name in "ab"}
    twin = cb.models.clone_model(model, input_tensors=inputs)
    assert twin.input_names == ["new_a", "new_b"]
    assert isinstance(twin.output, tuple)
    assert len(twin.weights) == len(model.weights)
    twin.set_weights(model.get_weights())
    same_predictions(model, twin)
    for wrong in ([*inputs.values()], inputs["a"], {"a": inputs["a"]}):
        with pytest.raises(ValueError, match="`input_tensors` must have the same structure as"):
            cb.models.clone_model(model, input_tensors=wrong)
    with pytest.raises(ValueError, match="must be KerasTensors"):
        cb.models.clone_model(model, input_tensors={"a": inputs["a"], "b": np.ones((1, 3))})


def test_input_tensors_of_a_sequential():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    x = cb.Input((3,), name="mine")
    twin = cb.models.clone_model(model, input_tensors=[x])
    assert twin.inputs[0] is x
    with pytest.raises(ValueError, match="must be one KerasTensor"):
        cb.models.clone_model(model, input_tensors=[x, x])


@pytest.mark.parametrize("make", [functional, lambda: cb.Sequential([cb.Input((3,)), layers.Dense(2, name="d")])])
def test_clone_function(make):
    def renamed(layer):
        config = layer.get_config()
        config["name"] = layer.name + "_custom"
        return type(layer).from_config(config)

    model = make()
    twin = cb.models.clone_model(model, clone_function=renamed)
    for old, new in zip(model.layers, twin.layers, strict=True):
        assert new.name == (old.name if isinstance(old, layers.InputLayer) else old.name + "_custom")


def test_call_function_puts_layers_between():
    def followed(layer, *args, **kwargs):
        outputs = layer(*args, **kwargs)
        return layers.Rescaling(2.0)(outputs) if isinstance(layer, layers.Dense) else outputs

    model = functional()
    twin = cb.models.clone_model(model, clone_function=lambda layer: layer, call_function=followed)
    assert twin.get_layer("shared") is model.get_layer("shared")
    np.testing.assert_allclose(twin(DATA)[1], 2 * model(DATA)[1])
    deeper = cb.models.clone_model(model, clone_function=lambda layer: layer, recursive=True)
    assert deeper.get_layer("inner") is not model.get_layer("inner")
    assert deeper.get_layer("inner").layers[0] is model.get_layer("inner").layers[0]
    with pytest.raises(ValueError, match="call_function is not for a Sequential"):
        cb.models.clone_model(cb.Sequential([layers.Dense(2)]), call_function=followed)


def test_recursive_goes_into_models_at_every_depth():
    flagged = []

    def flag(layer):
        flagged.append(layer.name)
        return type(layer).from_config(layer.get_config())

    innermost = cb.Sequential([cb.Input((3,)), layers.Dense(3, name="x")], name="i")
    model = cb.Sequential([cb.Sequential([cb.Input((3,)), innermost], name="o"), layers.Dense(1, name="y")])
    twin = cb.models.clone_model(model, clone_function=flag, recursive=True)
    assert flagged == ["x", "y"]
    twin.set_weights(model.get_weights())
    np.testing.assert_array_equal(twin(DATA["a"]), model(DATA["a"]))


def test_compiled_as_the_original():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(1)])
    model.compile(cb.optimizers.SGD(0.3, momentum=0.5), "mae", metrics=["mse"])
    twin = cb.models.clone_model(model)
    assert twin.compiled
    assert twin.optimizer is not model.optimizer
    assert twin.optimizer.get_config() == model.optimizer.get_config()
    assert not cb.models.clone_model(cb.Sequential([layers.Dense(1)])).compiled


def test_mistakes():
    model = functional()
    for arguments in ({"clone_function": 3}, {"call_function": "x"}, {"recursive": 2}):
        with pytest.raises((TypeError, ValueError), match=next(iter(arguments))):
            cb.models.clone_model(model, **arguments)
    with pytest.raises(ValueError, match="must return a layer"):
        cb.models.clone_model(model, clone_function=lambda layer: None)
    with pytest.raises(TypeError, match="takes a model"):
        cb.models.clone_model(layers.Dense(1))


def test_models_from_json():
    model = functional()
    twin = cb.models.model_from_json(model.to_json(indent=2))
    assert twin.get_config() == model.get_config()
    for text, message in (
        ("{", "is not JSON"),
        ("[]", "must describe a model"),
        ('{"a": 1}', "describes a "),
    ):
        with pytest.raises(ValueError, match=message):
            cb.models.model_from_json(text)
    with pytest.raises(TypeError, match="must be a string"):
        cb.models.model_from_json(model)
    assert json.loads(model.to_json())["class_name"] == "Model"


# Sequential


def test_a_sequential_without_a_shape():
    model = cb.Sequential([layers.Dense(4), layers.Dense(8)])
    for name in ("inputs", "outputs", "input_shape", "output_shape"):
        assert not hasattr(model, name)
    with pytest.raises(ValueError, match="has no inputs yet"):
        _ = model.inputs
    assert model.compute_output_shape((1, 2)) == (1, 8)
    twin = cb.Sequential.from_config(model.get_config())
    assert not twin.built
    assert [layer.units for layer in twin.layers] == [4, 8]
    model.build((None, 2))
    assert (model.input_shape, model.compute_output_shape((3, 2))) == ((None, 2), (3, 8))


def test_layers_added_without_building():
    model = cb.Sequential([cb.Input((3,))])
    model.add(layers.Dense(2), rebuild=False)
    model.add(layers.Dense(4), rebuild=False)
    assert not model.built
    with pytest.raises(ValueError, match="has an Input of shape"):
        model.build((None, 5))
    model.build()
    assert model.output_shape == (None, 4)
    assert model.pop(rebuild=False).units == 4
    assert not model.built
    assert model.predict(np.ones((2, 3)), verbose=0).shape == (2, 2)
    for wrong in ({}, layers.Dense):
        with pytest.raises(ValueError, match="Sequential"):
            model.add(wrong)


def test_what_a_config_of_a_sequential_needs():
    with pytest.raises(ValueError, match=r"containing the 'name' and 'layers' keys, but it lacks \['name'\]"):
        cb.Sequential.from_config({"layers": []})
    with pytest.raises(ValueError, match="a dict with a 'config' key, but got"):
        cb.Sequential.from_config({"name": "s", "layers": [{}]})


def test_layers_that_need_more_than_one_input():
    class Two(layers.Layer):
        def call(self, inputs, scale):
            return inputs * scale

    with pytest.raises(ValueError, match=r"can only have a single required positional argument.*\['inputs', 'scale'\]"):
        cb.Sequential([cb.Input((3,)), Two()])
