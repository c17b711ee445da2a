"""Layers within a user's layer: found, saved, frozen, told of `training`; trained by its `backward`, or refused."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

X = np.random.default_rng(0).normal(size=(16, 5)).astype("float32")
Y = np.random.default_rng(1).normal(size=(16, 5)).astype("float32")


class Block(layers.Layer):
    """Layers in an attribute, in a list and in a dict within a list, one of them made by build."""

    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first = layers.Dense(units, name="first")
        self.many = [layers.Dense(units, name="second"), {"a": (layers.Dense(4, name="third"),)}]
        self.drop = layers.Dropout(0.5)

    def build(self, input_shape):
        self.many.append(layers.Dense(5, name="fourth"))

    def call(self, inputs):
        hidden = self.many[0](self.first(self.drop(inputs)))
        return self.many[-1](self.many[1]["a"][0](hidden))


class Own(layers.Layer):
    """output = tanh(input kernel + bias) factor, with the kernel and the bias of a Dense, and a gradient of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = [layers.Dense(5, activation="tanh", name="inner")]
        self.calls = 0

    def build(self, input_shape):
        self.factor = self.add_weight(shape=(5,), initializer="ones", name="factor")

    def call(self, inputs, training=None):
        self.calls += 1
        self.hidden = self.inner[0](inputs)
        return self.hidden * self.factor.numpy()

    def backward(self, inputs, outputs, delta):
        factor, kernel = self.factor.numpy(), self.inner[0].kernel.numpy()
        z = delta * factor * (1 - self.hidden**2)
        return z @ kernel.T, [(delta * self.hidden).sum(axis=0), inputs.T @ z, z.sum(axis=0)]


def test_weights_and_their_names():
    block = Block(name="block")
    assert block.weights == []
    assert block(X).shape == (16, 5)
    assert [w.path for w in block.weights] == [
        f"block/{name}/{kind}" for name in ("first", "second", "third", "fourth") for kind in ("kernel", "bias")
    ]
    assert len(block.trainable_weights) == 8
    block.trainable = False
    assert block.trainable_weights == []
    assert not block.many[1]["a"][0].trainable
    block.trainable = True
    block.first.trainable = False
    assert len(block.trainable_weights) == 6
    assert len(block.non_trainable_weights) == 2


def test_training_reaches_layers_within():
    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.block = Block()

        def call(self, inputs):
            return self.block(inputs)

    for make in (Block, Outer):
        layer = make()
        assert (layer(X) == layer(X)).all()
        assert (layer(X, training=True) != layer(X, training=True)).any()

    class Normal(layers.Layer):
        def __init__(self):
            super().__init__()
            self.normal = cb.Sequential([layers.BatchNormalization()])

        def call(self, inputs, training=None):
            return self.normal(inputs)

    layer = Normal()
    layer(X)
    assert (layer.weights[2].numpy() == 0).all()
    layer(X, training=True)
    assert (layer.weights[2].numpy() != 0).all()


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_training_of_a_network_reaches_layers_within(engine):
    class Noisy(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.drop = layers.Dropout(0.9)

        def call(self, inputs):
            self.seen = self.drop(inputs)
            return self.seen

    noisy = Noisy()
    model = cb.Sequential([cb.Input((5,)), noisy, layers.Dense(5)])
    model.compile("sgd", "mse", engine=engine)
    model.predict(X, verbose=0)
    np.testing.assert_array_equal(noisy.seen, X)
    model.fit(X, Y, batch_size=16, verbose=0)
    assert (noisy.seen == 0).any()
    model(X, training=True)
    assert (noisy.seen == 0).any()


@pytest.mark.parametrize("make", [Block, lambda: Block(name="mine")])
def test_refused_without_a_gradient(make):
    block = make()
    with pytest.raises(TypeError, match=r"computes in Python with Dense 'first'.*Use a model of these"):
        block(cb.Input((5,)))
    with pytest.raises(TypeError, match="no automatic differentiation"):
        cb.Sequential([cb.Input((5,)), make(), layers.Dense(1)])
    model = cb.Sequential([make(), layers.Dense(5)])
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match=r"backward\(inputs, outputs, delta\)"):
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize("where", ["wrapper", "model", "subclass", "compute_output_shape"])
def test_refused_wherever_the_layers_are(where):
    class Wrapped(layers.Wrapper):
        def call(self, inputs):
            return self.layer(inputs)

    class OfModel(layers.Layer):
        def __init__(self):
            super().__init__()
            self.model = cb.Sequential([cb.Input((5,)), layers.Dense(5)])

        def call(self, inputs):
            return self.model(inputs)

    class Derived(layers.Dense):
        def __init__(self, units):
            super().__init__(units)
            self.more = layers.Dense(units)

        def call(self, inputs):
            return self.more(super().call(inputs))

    class Stated(OfModel):
        def compute_output_shape(self, input_shape):
            return input_shape

    kinds = {
        "wrapper": lambda: Wrapped(layers.Dense(5)),
        "model": OfModel,
        "subclass": lambda: Derived(5),
        "compute_output_shape": Stated,
    }
    layer = kinds[where]()
    assert layer(X).shape == (16, 5)
    with pytest.raises(TypeError, match="would not be trained"):
        layer(cb.Input((5,)))
    layer.trainable = False
    model = cb.Sequential([cb.Input((5,)), layer, layers.Dense(5)])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)


def test_layers_that_are_no_attributes_are_refused():
    outside = layers.Dense(5)

    class Makes(layers.Layer):
        def call(self, inputs):
            return layers.Dense(5)(inputs)

    class Uses(layers.Layer):
        def call(self, inputs):
            return outside(inputs)

    for layer in (Makes(), Uses(), layers.Lambda(lambda x: outside(x))):
        with pytest.raises(TypeError, match="which it does not hold: these weights would be neither trained nor saved"):
            layer(cb.Input((5,)))
    lam = layers.Lambda(lambda x: outside(x), output_shape=(5,))
    model = cb.Sequential([cb.Input((5,)), lam, layers.Dense(5)])
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="which it does not hold"):
        model.fit(X, Y, verbose=0)
    outside.trainable = False
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_trained_by_its_own_gradient(engine, tmp_path):
    own = Own(name="own")
    model = cb.Sequential([cb.Input((5,)), layers.Dense(5, activation="tanh"), own, layers.Dense(5)])
    model.compile("adam", "mse", engine=engine)
    report = model.check_gradients(X[:4], Y[:4])
    assert report.max_relative_error < 1e-6
    assert report.checked == model.count_params() == 30 * 3 + 5
    before = model.get_weights()
    losses = model.fit(X, Y, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    model.save_weights(tmp_path / "w.safetensors")
    other = cb.models.clone_model(model)
    other.load_weights(tmp_path / "w.safetensors")
    np.testing.assert_allclose(other.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-4, atol=1e-6)
    model.save(tmp_path / "m.safetensors")
    again = cb.models.load_model(tmp_path / "m.safetensors", custom_objects={"Own": Own})
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-4, atol=1e-6)


def test_frozen_parts_of_a_trained_block():
    own = Own()
    model = cb.Sequential([cb.Input((5,)), own, layers.Dense(5)])
    own.inner[0].trainable = False
    model.compile("adam", "mse")
    before = own.get_weights()
    model.fit(X, Y, verbose=0)
    changed = [(a != b).any() for a, b in zip(before, own.get_weights(), strict=True)]
    assert changed == [True, False, False]
    own.trainable = False
    model.compile("adam", "mse")
    before = own.get_weights()
    model.fit(X, Y, verbose=0)
    assert all((a == b).all() for a, b in zip(before, own.get_weights(), strict=True))


def test_too_few_gradients():
    class Forgets(Own):
        def backward(self, inputs, outputs, delta):
            result, gradients = super().backward(inputs, outputs, delta)
            return result, gradients[:1]

    model = cb.Sequential([cb.Input((5,)), Forgets()])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"must return 3 gradients, those of \['forgets/factor', 'forgets/inner"):
        model.fit(X, Y, verbose=0)


def test_nothing_is_added_once_it_is_built():
    own = Own(name="own")
    own(X)
    with pytest.raises(ValueError, match="'own' is built: it can take no other layers, but got one as late"):
        own.late = layers.Dense(2)
    with pytest.raises(ValueError, match="'own' is built: it can take no other weights"):
        own.add_weight(shape=(2,))


def test_float_types_within():
    class Mixed(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = layers.Dense(5, dtype="float64")

        def call(self, inputs):
            return self.inner(inputs)

        def backward(self, inputs, outputs, delta):
            raise NotImplementedError

    with pytest.raises(ValueError, match=r"computes in float32, but holds weight 'mixed.*kernel' in float64"):
        Mixed()(cb.Input((5,)))


def test_variables_as_attributes_and_before_the_base_is_ready():
    class Early(layers.Layer):
        def __init__(self):
            self.flag = True
            self.listed = [layers.Dense(2)]
            super().__init__()
            self.w = self.add_weight(name="w")

    layer = Early()
    assert [w.shape for w in layer.weights] == [()]
    layer.listed[0].build((None, 3))
    assert len(layer.weights) == 3
    layer.build(None)
    assert layer.count_params() == 1 + 8
