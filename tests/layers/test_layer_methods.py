"""Weights of a layer, its arguments in configs, inputs, and variables that act as arrays."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


class Holds(layers.Layer):
    def __init__(self):
        super().__init__(name="holds")
        self.number = self.add_weight()
        self.other = self.add_weight((2, 3), "ones", "float32", trainable=False, regularizer="l2", constraint="non_neg")
        self.last = self.add_weight(shape=(2,), initializer=None, aggregation="mean", autocast=False, name="last")

    def call(self, inputs):
        return inputs


def test_add_weight():
    layer = Holds()
    assert [w.shape for w in layer.weights] == [(), (2,), (2, 3)]  # those to train first, as in Keras
    assert [w.path for w in layer.weights] == ["holds/variable", "holds/last", "holds/variable_1"]
    assert (layer.compute_dtype, layer.variable_dtype) == ("float32", "float32")
    layer.build(None)
    assert layer.built
    fresh = layers.Layer()
    for call, match in (
        (
            lambda: fresh.add_weight("w"),
            r"shape must be a tuple of integers, but got 'w'. A name is given as .* name='w'",
        ),
        (lambda: fresh.add_weight((2,), "zeros", True), "dtype of a weight must be 'float32'"),
        (lambda: fresh.add_weight((2,), dtype="int32"), "dtype of a weight must be 'float32'"),
        (lambda: fresh.add_weight((2,), dtype="float64"), "the layer's own, but got 'float64'"),
    ):
        with pytest.raises(ValueError, match=match):
            call()


def test_a_scalar_weight_trains():
    class Factor(layers.Layer):
        def build(self, input_shape):
            self.factor = self.add_weight(initializer="ones", name="factor")

        def call(self, inputs):
            return inputs * self.factor

        def backward(self, inputs, outputs, delta):
            return delta * self.factor, [(delta * inputs).sum()]

    x = np.random.default_rng(0).normal(size=(8, 3))
    model = cb.Sequential([cb.Input((3,)), Factor()])
    model.compile(cb.optimizers.SGD(0.5), "mse")
    model.fit(x, 3 * x, epochs=50, verbose=0)
    assert abs(float(model.weights[0]) - 3) < 0.1


class Plain(layers.Layer):
    """Keeps its arguments under other names."""

    def __init__(self, units, *, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.width = 2 * units
        self.units = 2 * units

    def call(self, inputs):
        return inputs


class Bare(layers.Layer):
    """A constructor without **kwargs."""

    def __init__(self, units=2):
        super().__init__()
        self.n = units

    def call(self, inputs):
        return inputs


class Wide(layers.Dense):
    def __init__(self, half, **kwargs):
        super().__init__(2 * half, **kwargs)
        self.half = half


@pytest.mark.parametrize("make", [lambda: Plain(3, scale=2.0, name="p"), lambda: Bare(5), lambda: Wide(2, name="w")])
def test_constructors_arguments_are_recorded(make):
    layer = make()
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert again.get_config() == config
    assert again.name == layer.name
    model = cb.models.clone_model(cb.Sequential([cb.Input((3,)), layer]))
    assert model.layers[0].get_config() == config


def test_recorded_values():
    layer = Plain(3, trainable=False)
    assert layer.get_config() == {"name": layer.name, "trainable": False, "dtype": "float32", "units": 3}
    layer.units = 5  # another value of the argument
    assert layer.get_config()["units"] == 5
    assert Wide(2).get_config()["half"] == 2
    layer.units = object()
    with pytest.raises(TypeError, match=r"Plain 'plain.*' has an argument 'units' that cannot be written"):
        layer.get_config()


def test_a_functional_subclass_with_attributes():
    class Mine(cb.Model):
        def __init__(self, units, **kwargs):
            x = cb.Input((3,))
            super().__init__(x, layers.Dense(units)(x), **kwargs)
            self.units = units
            self.inputs_seen = [layers.Dense(2)]
            self.trainer = "me"

    model = Mine(4)
    assert (model.units, model.trainer) == (4, "me")
    assert len(model.layers) == 2
    assert model(np.ones((2, 3))).shape == (2, 4)


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ({"shape": (4,), "batch_size": 2}, (2, 4)),
        ({"batch_shape": (None, 3, 4)}, (None, 3, 4)),
        ({"batch_shape": (2, 4), "dtype": "int32", "sparse": False, "ragged": False}, (2, 4)),
        ({"shape": (4,), "optional": True, "sparse": True}, (None, 4)),
        ({"tensor": cb.Input((5,), batch_size=3)}, (3, 5)),
    ],
)
def test_inputs(given, shape):
    tensor = cb.Input(**given)
    assert tensor.shape == shape
    named = {"input_tensor" if key == "tensor" else key: value for key, value in given.items()}
    layer = layers.InputLayer(**named)
    assert layer.batch_shape == layer.output.shape == shape
    again = layers.InputLayer.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({}, "shape must be given, such as"),
        ({"shape": (2,), "batch_shape": (None, 2)}, "shape and batch_shape cannot be given at the same time"),
        ({"batch_size": 2, "batch_shape": (None, 2)}, "batch_size and batch_shape cannot be given at the same time"),
        ({"shape": (2,), "ragged": True}, "ragged must be False"),
        ({"tensor": 3}, "input_tensor must be a KerasTensor, but got 3 of type int"),
        ({"tensor": cb.Input((5,)), "shape": (4,)}, r"shape must be \(5,\), that of input_tensor, but got \(4,\)"),
        ({"tensor": cb.Input((5,)), "batch_size": 4}, "batch_size must be None"),
        ({"tensor": cb.Input((5,)), "dtype": "int32"}, "dtype must be float32"),
    ],
)
def test_inputs_that_contradict_themselves(given, match):
    with pytest.raises(ValueError, match=match):
        cb.Input(**given)


def test_the_batch_size_stays():
    x = cb.Input((4, 3), batch_size=2)
    for layer in (
        layers.Dense(5),
        layers.Flatten(),
        layers.Permute((2, 1)),
        layers.Reshape((12,)),
        layers.Dropout(0.1),
    ):
        assert layer(x).shape[0] == 2
    assert layers.Concatenate()([x, x]).shape == (2, 4, 6)
    assert layers.Add()([x, cb.Input((4, 3))]).shape == (None, 4, 3)
    assert layers.Lambda(lambda v: v * 2)(x).shape == (2, 4, 3)
    model = cb.Sequential([cb.Input((3,), batch_size=2), layers.Dense(1)])
    assert model.output_shape == (2, 1)
    assert cb.models.clone_model(model).input_shape == (2, 3)
    assert model(cb.Input((3,), batch_size=7)).shape == (7, 1)
    assert model.predict(np.ones((5, 3)), verbose=0).shape == (5, 1)


def test_a_layer_as_an_activation():
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    dense = layers.Dense(4, activation=layers.LeakyReLU(negative_slope=0.2))
    z = x @ (dense(x), dense.kernel.numpy())[1]
    np.testing.assert_allclose(dense(x), np.where(z > 0, z, 0.2 * z), rtol=1e-4, atol=1e-6)
    assert layers.Dense.from_config(dense.get_config()).activation.negative_slope == 0.2
    written = cb.saving.serialize_keras_object(layers.ReLU(max_value=6.0))
    assert layers.Dense(2, activation=written).activation.max_value == 6.0
    with pytest.raises(TypeError, match="activation: A layer as an activation"):
        layers.Dense(2, activation=layers.PReLU())


def test_variables_act_as_arrays():
    dense = layers.Dense(2, kernel_initializer="ones")
    dense.build((None, 3))
    kernel = dense.kernel
    ones = np.ones((3, 2), "float32")
    for found, wanted in (
        (kernel + 1, ones + 1),
        (2 - kernel, ones),
        (kernel * kernel, ones),
        (-kernel, -ones),
        (kernel**2, ones),
        (np.ones((1, 3)) @ kernel, np.full((1, 2), 3.0)),
        (kernel == 1, ones == 1),
        (kernel != dense.kernel, ones != 1),
        (kernel > 0.5, ones > 0.5),
        (kernel[0], ones[0]),
        (np.exp(kernel), np.exp(ones)),
    ):
        np.testing.assert_array_equal(found, wanted)
    assert kernel.assign_add(ones) is kernel
    kernel.assign_sub(0.5 * ones)
    dense.kernel += 1
    np.testing.assert_array_equal(dense.get_weights()[0], 2.5 * ones)
    assert {kernel: 1}[dense.kernel] == 1
    assert len(kernel) == 3
    with pytest.raises(ValueError, match="ambiguous"):
        bool(kernel)
    optimizer = cb.optimizers.SGD(0.25, momentum=0.9)
    optimizer.build([kernel])
    assert optimizer.variables[0] == 0
    assert float(optimizer.variables[1]) == 0.25


class Pair(layers.Layer):
    def __init__(self):
        super().__init__()
        self.metric = cb.metrics.MeanSquaredError()
        self.dense = layers.Dense(2)

    def call(self, inputs):
        return self.dense(inputs), inputs


def test_shapes_that_nobody_states():
    assert Pair().compute_output_shape((None, 3)) == ((None, 2), (None, 3))
    assert Pair().compute_output_shape((5, 3)) == ((5, 2), (5, 3))
    with pytest.raises(NotImplementedError, match="computes nothing"):
        layers.Layer().compute_output_shape((None, 3))
    assert layers.Dense(2).compute_output_shape((None, 3)) == (None, 2)


def test_metrics_within():
    pair = Pair()
    pair.build(None)

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.pair = pair
            self.own = [cb.metrics.MeanAbsoluteError()]

    outer = Outer()
    assert outer.metrics == [outer.own[0], pair.metric]
    assert len(outer.metrics_variables) == len(outer.own[0].variables) + len(pair.metric.variables)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: layers.Dense(2, foo=1), ValueError, "Dense has no argument 'foo'"),
        (lambda: layers.Dense(2)(None), ValueError, "Inputs of layer 'dense.*' must be arrays or symbolic tensors"),
        (lambda: Bare(object()).get_config(), NotImplementedError, "has an argument 'units' that cannot be written"),
        (lambda: layers.Dense(2)(np.ones((1, 2)), foo=1), TypeError, "unexpected keyword argument 'foo'"),
        (lambda: layers.Dense(2)(), TypeError, "missing a required argument: 'inputs'"),
        (lambda: layers.Dense(2, trainable="yes"), ValueError, "trainable must be True or False"),
    ],
)
def test_errors_are_of_the_class_of_keras(call, error, match):
    with pytest.raises(error, match=match):
        call()


# The first arguments of add_weight, by position


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "message"),
    [
        (("matrix",), {}, ValueError, "name is given as a keyword argument, name='matrix'"),
        (("matrix",), {"shape": (3, 4)}, ValueError, "name is given as a keyword argument"),
        ((), {"shape": "matrix"}, ValueError, "name is given as a keyword argument"),
        (((3, 4),), {"shape": (3, 4)}, ValueError, "shape both by position and by name"),
        (((3, 4), "zeros"), {"initializer": "ones"}, ValueError, "initializer both by position and by name"),
        (((3, 4), "zeros", "float32", "name"), {}, TypeError, "at most 3 arguments by position"),
    ],
)
def test_add_weight_by_position_and_by_name(args, kwargs, error, message):
    layer = cb.layers.Layer()
    with pytest.raises(error, match=message):
        layer.add_weight(*args, **kwargs)
    assert layer.weights == []


def test_add_weight_by_position():
    layer = cb.layers.Layer()
    weight = layer.add_weight((3, 4), "zeros", "float32", name="w")
    assert (weight.shape, weight.dtype, weight.name) == ((3, 4), "float32", "w")
    np.testing.assert_array_equal(weight, np.zeros((3, 4)))
    assert layer.add_weight().shape == ()
