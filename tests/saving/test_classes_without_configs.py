"""Users' classes without `get_config`: files of both formats store the arguments with which they are made again."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


class Scaled(layers.Layer):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def call(self, inputs):
        return inputs * self.k

    def backward(self, inputs, outputs, output_gradient):
        return output_gradient * self.k


class ScaledMore(layers.Layer):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.k = factor  # under another name

    call, backward = Scaled.call, Scaled.backward


class Net(cb.Model):
    def __init__(self, units):
        x = cb.Input((4,))
        super().__init__(x, layers.Dense(1)(layers.Dense(units)(x)))


class NamedNet(cb.Model):
    def __init__(self, units, **kwargs):
        x = cb.Input((4,))
        super().__init__(x, layers.Dense(1)(layers.Dense(units, trainable=False)(x)), **kwargs)


class PlainNet(cb.Model):
    pass


class Stack(cb.Sequential):
    def __init__(self):
        super().__init__([cb.Input((4,)), layers.Dense(3), layers.Dense(1)])


class Grown(cb.Sequential):
    def __init__(self, units=3, name=None):
        super().__init__(name=name)
        self.add(cb.Input((4,)))
        self.add(layers.Dense(units))
        self.add(layers.Dense(1))


class PlainStack(cb.Sequential):
    pass


class Forgetful(Scaled):
    def get_config(self):
        return {"name": self.name, "factor": self.k}


class Listed(cb.Sequential):
    def __init__(self, *units):
        super().__init__([cb.Input((4,)), *(layers.Dense(n) for n in units)])


OWN = {
    cls.__name__: cls
    for cls in (Scaled, ScaledMore, Net, NamedNet, PlainNet, Stack, Grown, PlainStack, Forgetful, Listed)
}  # fmt: skip


def stacked(*own):
    return cb.Sequential([cb.Input((4,)), *own, layers.Dense(1)])


def plain_net():
    x = cb.Input((4,))
    return PlainNet(x, layers.Dense(1)(Scaled(2.0)(x)), name="plain")


MODELS = {
    "a layer": lambda: stacked(Scaled(3.0)),
    "a layer with keyword arguments": lambda: stacked(ScaledMore(3.0, name="more", trainable=False)),
    "a model": lambda: Net(5),
    "a model with keyword arguments": lambda: NamedNet(5, name="net"),
    "a frozen model": lambda: NamedNet(5, name="net", trainable=False),
    "a model of a graph": plain_net,
    "a stack": Stack,
    "a stack with arguments": lambda: Grown(6, name="grown"),
    "a stack of layers": lambda: PlainStack([cb.Input((4,)), Scaled(2.0), layers.Dense(1)]),
    "models within a model": lambda: stacked(Net(5), PlainStack([cb.Input((1,)), Scaled(2.0)])),
    "a stack within a model": lambda: stacked(Grown(6)),
}


def trained(model):
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
    model.fit(x, x[:, :1], epochs=1, verbose=0)
    return model, x


@pytest.mark.h5py
@pytest.mark.parametrize("suffix", ["keras", "safetensors"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("error")
def test_made_again(name, suffix, tmp_path):
    model, x = trained(MODELS[name]())
    model.save(tmp_path / f"m.{suffix}")
    loaded = cb.models.load_model(tmp_path / f"m.{suffix}", custom_objects=OWN)
    assert type(loaded) is type(model)
    assert loaded.name == model.name
    assert [w.trainable for w in loaded.variables] == [w.trainable for w in model.variables]
    assert len(loaded.trainable_variables) == len(model.trainable_variables)
    assert loaded.optimizer.iterations == model.optimizer.iterations
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("name", MODELS)
def test_copies_are_of_the_same_class(name):
    model = MODELS[name]()
    copy = cb.models.clone_model(model)
    assert type(copy) is type(model)
    assert [w.shape for w in copy.get_weights()] == [w.shape for w in model.get_weights()]


def with_a_layer_more():
    model = Stack()
    model.add(layers.Dense(1))
    return model


LOST = {
    "get_config writes other arguments": (
        lambda: stacked(Forgetful(2.0)),
        r"Forgetful 'forgetful.*' \(its constructor would be given \['factor'\]: missing a required argument: 'k'",
    ),
    "a layer was added": (
        with_a_layer_more,
        r"Stack 'stack.*' \(its constructor makes 2 layers, but the model has 3\)",
    ),
    "arguments without names": (
        lambda: Listed(3, 1),
        r"Listed 'listed.*' \(its constructor was given positional arguments without names\)",
    ),
    "within a model": (lambda: stacked(with_a_layer_more()), "Stack 'stack.*' .its constructor makes 2 layers"),
}


@pytest.mark.h5py
@pytest.mark.parametrize("suffix", ["keras", "safetensors"])
@pytest.mark.parametrize("name", LOST)
def test_saving_tells_what_cannot_be_made_again(name, suffix, tmp_path):
    make, message = LOST[name]
    model, x = trained(make())
    path = tmp_path / f"m.{suffix}"
    with pytest.warns(UserWarning, match=f"load_model cannot rebuild .*{message}.*get_config .*load_weights"):
        model.save(path)
    with pytest.raises((TypeError, ValueError)):
        cb.models.load_model(path, custom_objects=OWN)
    other = make()
    other.load_weights(path)
    np.testing.assert_array_equal(other.predict(x, verbose=0), model.predict(x, verbose=0))
