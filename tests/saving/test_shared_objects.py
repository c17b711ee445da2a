"""Objects that layers hold: copies and files hold the same object where the original does."""

import copy
import json
import pickle

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


class Tied(layers.Layer):
    """output = input kernelᵀ, with the kernel of another layer."""

    def __init__(self, source, **kwargs):
        super().__init__(**kwargs)
        self.source = source

    def call(self, inputs):
        return inputs @ self.source.kernel.numpy().T

    def backward(self, inputs, outputs, delta):
        return delta @ self.source.kernel.numpy()


class Several(layers.Layer):
    """Objects in lists, in dicts and in users' objects."""

    def __init__(self, sources, more=None, pair=None, **kwargs):
        super().__init__(**kwargs)
        self.sources, self.more, self.pair = sources, more, pair

    def call(self, inputs):
        kernels = [layer.kernel.numpy() for layer in [*self.sources, *(self.more or {}).values()]]
        return sum(inputs @ kernel.T for kernel in kernels)

    def backward(self, inputs, outputs, delta):
        return sum(delta @ layer.kernel.numpy() for layer in [*self.sources, *(self.more or {}).values()])


class Pair:
    """An object of a user's own that holds a layer, and says so."""

    def __init__(self, layer, factor):
        self.layer, self.factor = layer, factor

    def get_config(self):
        return {"layer": cb.saving.serialize_keras_object(self.layer), "factor": self.factor}

    @classmethod
    def from_config(cls, config):
        return cls(cb.saving.deserialize_keras_object(config["layer"]), config["factor"])


class OldStyle(Tied):
    """With the two methods that Keras's guides write."""

    def get_config(self):
        return super().get_config() | {"source": cb.saving.serialize_keras_object(self.source)}

    @classmethod
    def from_config(cls, config):
        source = cb.saving.deserialize_keras_object(config.pop("source"))
        return cls(source, **config)


OWN = {"Tied": Tied, "Several": Several, "Pair": Pair, "OldStyle": OldStyle}


def by_file(suffix):
    def duplicate(model, folder):
        model.save(folder / f"m{suffix}")
        return cb.models.load_model(folder / f"m{suffix}", custom_objects=OWN)

    return duplicate


def by_json(model, folder):
    config = json.loads(model.to_json())["config"]
    return type(model).from_config(config, custom_objects=OWN)


# Ways to copy a model, and whether weights come along.
COPIES = {
    "clone_model": (lambda model, folder: cb.models.clone_model(model), False),
    "config": (lambda model, folder: type(model).from_config(model.get_config(), custom_objects=OWN), False),
    "json": (by_json, False),
    "file": (by_file(".safetensors"), True),
    "deepcopy": (lambda model, folder: copy.deepcopy(model), True),
    "pickle": (lambda model, folder: pickle.loads(pickle.dumps(model)), True),
}


@pytest.fixture(params=COPIES)
def duplicate(request, tmp_path):
    def made(model):
        copied, with_weights = COPIES[request.param]
        twin = copied(model, tmp_path)
        if not with_weights:
            twin.set_weights(model.get_weights())
        return twin

    return made


def around(make):
    """An autoencoder of a Dense and a layer that `make` makes of it."""
    x = cb.Input((4,))
    encoder = layers.Dense(3, activation="tanh", name="encoder")
    return cb.Model(x, make(encoder)(encoder(x)))


def same_predictions(a, b):
    x = np.linspace(-1, 1, 20, dtype="float32").reshape(5, 4)
    np.testing.assert_array_equal(a.predict(x, verbose=0), b.predict(x, verbose=0))


@pytest.mark.parametrize("cls", [Tied, OldStyle])
def test_a_layer_given_to_a_constructor(duplicate, cls):
    model = around(lambda encoder: cls(encoder, name="decoder"))
    twin = duplicate(model)
    assert twin.get_layer("decoder").source is twin.get_layer("encoder")
    assert twin.get_layer("encoder") is not model.get_layer("encoder")
    same_predictions(model, twin)
    twin.get_layer("encoder").set_weights([np.ones((4, 3)), np.zeros(3)])
    np.testing.assert_allclose(twin.predict(np.zeros((1, 4)), verbose=0), 0)
    assert not np.array_equal(model.get_weights()[0], twin.get_weights()[0])


def test_a_layer_before_the_one_that_it_was_given(duplicate):
    """Which comes first in the model is of no account."""
    late = layers.Dense(4, name="late")
    late.build((None, 3))
    x = cb.Input((4,))
    model = cb.Model(x, late(Tied(late, name="early")(x)))
    twin = duplicate(model)
    assert twin.get_layer("early").source is twin.get_layer("late")
    same_predictions(model, twin)


def test_layers_in_lists_dicts_and_objects(duplicate):
    model = around(lambda e: Several([e], {"again": e}, Pair(e, 2), name="decoder"))
    twin = duplicate(model)
    decoder, encoder = twin.get_layer("decoder"), twin.get_layer("encoder")
    assert decoder.sources[0] is decoder.more["again"] is decoder.pair.layer is encoder
    assert decoder.pair.factor == 2
    same_predictions(model, twin)


def test_a_model_given_to_a_layer(duplicate):
    inner = cb.Sequential([cb.Input((4,)), layers.Dense(3, name="deep")], name="inner")

    x = cb.Input((4,))
    model = cb.Model(x, Tied(inner.layers[0], name="decoder")(inner(x)))
    twin = duplicate(model)
    assert twin.get_layer("decoder").source is twin.get_layer("inner").layers[0]
    same_predictions(model, twin)


def test_an_object_that_several_layers_were_given(duplicate):
    class_of = cb.regularizers.L2
    shared = class_of(0.1)
    model = cb.Sequential(
        [cb.Input((4,)), layers.Dense(3, kernel_regularizer=shared), layers.Dense(2, kernel_regularizer=shared)]
    )
    first, second = duplicate(model).layers
    assert first.kernel_regularizer is second.kernel_regularizer
    assert first.kernel_regularizer.get_config() == shared.get_config()


def test_a_wrapper_of_a_layer_of_the_model(duplicate):
    class_of = Residual
    inner = layers.Dense(4, name="inner")
    x = cb.Input((4,))
    model = cb.Model(x, class_of(inner, name="outer")(inner(x)))
    OWN["Residual"] = class_of
    twin = duplicate(model)
    assert twin.get_layer("outer").layer is twin.get_layer("inner")
    assert len(twin.weights) == len(model.weights) == 2
    same_predictions(model, twin)


class Residual(layers.Wrapper):
    def call(self, inputs):
        return inputs + self.layer(inputs)

    def backward(self, inputs, outputs, delta):
        return delta + delta @ self.layer.kernel.numpy().T, [inputs.T @ delta, delta.sum(axis=0)]


class Forgetful(Tied):
    def get_config(self):
        return {"name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(layers.Dense(3), **config)


def test_a_reference_that_a_config_does_not_write_is_refused(tmp_path):
    model = around(lambda encoder: Forgetful(encoder, name="decoder"))
    for act in (model.get_config, lambda: cb.models.clone_model(model), lambda: model.save(tmp_path / "m")):
        with pytest.raises(
            ValueError, match=r"Layer 'decoder' \(Forgetful\) holds layer 'encoder'.* take the layer as an"
        ):
            act()
    assert not list(tmp_path.iterdir())


def test_an_attribute_set_later_is_refused():
    late = around(lambda encoder: Several([encoder], name="decoder"))
    with pytest.raises(ValueError, match="'decoder' is built: it can take no other layers, but got one as other"):
        late.get_layer("decoder").other = late.layers[0]
    assert late.get_config()


def test_layers_of_a_layers_own_need_not_be_written():
    class Own(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.mine = layers.Dense(2)

        def call(self, inputs):
            return inputs

        def backward(self, inputs, outputs, delta):
            return delta

        def get_config(self):
            return {"name": self.name}

    model = cb.Sequential([cb.Input((4,)), Own()])
    assert model.get_config()["layers"]


class Plain:
    """An object of a user's own without methods for configs."""

    def __init__(self, factor):
        self.factor = factor


def test_other_objects_are_kept_by_clones_and_refused_by_files(tmp_path):
    thing = Plain(3)
    model = around(lambda encoder: Several([encoder], pair=thing, name="decoder"))
    assert cb.models.clone_model(model).get_layer("decoder").pair is thing
    with pytest.raises(TypeError, match=r"of type Plain cannot be written into a config.*get_config and from_config"):
        model.save(tmp_path / "m")


def test_other_objects_that_hold_layers_are_refused():
    """A clone would share the layer with the original."""
    model = around(lambda encoder: Several([encoder], pair=Plain(encoder), name="decoder"))
    with pytest.raises(TypeError, match="of type Plain cannot be written into a config"):
        cb.models.clone_model(model)
    model = around(lambda e: layers.Lambda(lambda x: x @ e.kernel.numpy().T, output_shape=(4,)))
    with pytest.raises(TypeError, match="binds a layer"):
        cb.models.clone_model(model)


def test_objects_that_hold_themselves_are_refused():
    tied = Tied(None)
    tied.source = [tied]
    with pytest.raises(ValueError, match="it holds itself"):
        tied.get_config() and cb.saving.serialize_keras_object(tied)


def test_classes_that_no_reader_knows_are_refused():
    """They were left as dicts once."""
    model = around(lambda encoder: Several([encoder], pair=Pair(encoder, 2), name="decoder"))
    with pytest.raises(TypeError, match=r"Unknown class 'Pair'.*custom_objects=\{'Pair': "):
        cb.Model.from_config(model.get_config(), custom_objects={"Several": Several})


def test_ids_of_two_configs_are_not_mixed():
    """Read one after the other, each has objects of its own."""
    model = around(lambda encoder: Tied(encoder, name="decoder"))
    config = model.get_config()
    twins = [cb.Model.from_config(config, custom_objects=OWN) for _ in range(2)]
    assert twins[0].get_layer("encoder") is not twins[1].get_layer("encoder")
