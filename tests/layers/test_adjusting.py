"""Arguments of built layers that may change: models that use them compute with the new value."""

import gc
import pickle

import layer_cases
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

EACH_ENGINE = pytest.mark.parametrize("engine", ["compiled", "reference"])

# A layer, an argument, and another value of it.
CASES = [
    (lambda **k: layers.Dense(4, use_bias=False, **k), "activation", "relu"),
    (lambda **k: layers.Conv1D(4, 2, padding="same", **k), "activation", "relu"),
    (lambda **k: layers.Conv1DTranspose(4, 2, padding="same", **k), "activation", "relu"),
    (lambda **k: layers.DepthwiseConv1D(2, padding="same", **k), "activation", "relu"),
    (lambda **k: layers.SeparableConv1D(4, 2, padding="same", **k), "activation", "relu"),
    (lambda **k: layers.Activation(**{"activation": "tanh"} | k), "activation", "relu"),
    (layers.ReLU, "negative_slope", 0.5),
    (layers.ReLU, "max_value", 0.25),
    (layers.ReLU, "threshold", 0.5),
    (layers.LeakyReLU, "negative_slope", 0.5),
    (layers.ELU, "alpha", 0.5),
    (lambda **k: layers.Softmax(**k), "axis", 1),
    (lambda **k: layers.Dropout(**{"rate": 0.5, "seed": 1} | k), "rate", 0.25),
    (lambda **k: layers.SpatialDropout1D(**{"rate": 0.5, "seed": 1} | k), "rate", 0.25),
    (lambda **k: layers.GaussianDropout(**{"rate": 0.5, "seed": 1} | k), "rate", 0.25),
    (lambda **k: layers.AlphaDropout(**{"rate": 0.5, "seed": 1} | k), "rate", 0.25),
    (lambda **k: layers.GaussianNoise(**{"stddev": 0.5, "seed": 1} | k), "stddev", 0.25),
    (layers.LayerNormalization, "epsilon", 0.5),
    (layers.RMSNormalization, "epsilon", 0.5),
    (lambda **k: layers.GroupNormalization(groups=2, **k), "epsilon", 0.5),
    (layers.BatchNormalization, "epsilon", 0.5),
    (layers.BatchNormalization, "momentum", 0.5),
    (layers.Masking, "mask_value", 1.0),
    (lambda **k: layers.Rescaling(**{"scale": 2.0} | k), "scale", 3.0),
    (lambda **k: layers.Rescaling(**{"scale": 2.0} | k), "offset", 3.0),
    (lambda **k: layers.EinsumDense("abc,cd->abd", (None, 4), **k), "activation", "relu"),
    (lambda **k: layers.Attention(seed=1, **k), "dropout", 0.5),
    (lambda **k: layers.AdditiveAttention(seed=1, **k), "dropout", 0.5),
    (lambda **k: layers.MultiHeadAttention(2, 3, seed=1, **k), "dropout", 0.5),
    (lambda **k: layers.GroupQueryAttention(3, 2, 1, seed=1, **k), "dropout", 0.5),
]


def applied(layer, x):
    """A layer's output; one of several inputs takes the same for each."""
    return layer_cases.called(layer, [x] if layer.n_inputs == 1 else [x, x])


def test_every_adjustable_argument_is_tried():
    tried = {(type(make()).__name__, name) for make, name, _ in CASES}
    registry = dict(layers.layer.registry)
    missing = {(name, argument) for name, cls in registry.items() for argument in cls.adjustable} - tried
    # Layers for images and volumes behave like those for signals.
    assert {(name.replace("2D", "1D").replace("3D", "1D"), argument) for name, argument in missing} <= tried


@EACH_ENGINE
@pytest.mark.parametrize(("make", "name", "value"), CASES)
def test_as_if_made_so(make, name, value, engine):
    """On arrays, in models, in nested models, and in training."""
    x = np.random.default_rng(0).normal(size=(6, 3, 4)).astype("float32")

    def model_of(layer):
        inputs = cb.Input((3, 4))
        inner = cb.Model(inputs, applied(layer, inputs))
        outer = cb.Model(inputs, inner(inputs))
        for model in (inner, outer):
            model.compile("sgd", "mse", engine=engine)
            model.predict(x, verbose=0)
            model.evaluate(x, np.zeros((6, 3, 4)), verbose=0)
        return inner, outer

    def results(layer, models):
        found = [applied(layer, x), applied(layer, x)]
        for model in models:
            found += [model.predict(x, verbose=0), model(x), *model.gradients(x, np.zeros((6, 3, 4)))]
        models[1].fit(x, np.zeros((6, 3, 4)), verbose=0, epochs=2)
        return [*found, *models[1].get_weights(), models[0].predict(x, verbose=0), models[1](x, training=True)]

    cb.utils.set_random_seed(0)
    expected_layer = make(**{name: value})
    expected_models = model_of(expected_layer)
    cb.utils.set_random_seed(0)
    layer = make()
    models = model_of(layer)
    applied(layer, x)
    layer.set_weights(expected_layer.get_weights())
    setattr(layer, name, value)
    assert layer.get_config()[name] == expected_layer.get_config()[name]
    for a, b in zip(results(layer, models), results(expected_layer, expected_models), strict=True):
        np.testing.assert_array_equal(a, b)


@EACH_ENGINE
def test_training_goes_on_with_the_optimizer_as_it_was(engine):
    x, y = np.random.default_rng(0).normal(size=(8, 3)), np.ones((8, 2))

    def model_of():
        cb.utils.set_random_seed(0)
        model = cb.Sequential([cb.Input((3,)), layers.Dense(5, activation="relu"), layers.Dense(2)])
        model.compile(cb.optimizers.Adam(0.01), "mse", metrics=["mae"], engine=engine)
        model.fit(x, y, epochs=3, verbose=0, shuffle=False)
        return model

    model, twin = model_of(), model_of()
    model.layers[0].activation = "tanh"
    model.layers[0].activation = "relu"
    found, expected = (m.fit(x, y, epochs=2, verbose=0, shuffle=False).history for m in (model, twin))
    assert found == expected
    assert model.optimizer.iterations == 5


def test_refused_values_change_nothing():
    dense, dropout = layers.Dense(4), layers.Dropout(0.5)
    model = cb.Sequential([cb.Input((3,)), dense, dropout])
    for layer, name, value, error, message in [
        (dropout, "rate", 2, ValueError, "rate must be at least 0"),
        (dropout, "rate", "x", TypeError, "rate must be a number"),
        (dense, "activation", "nonsense", ValueError, "Unknown activation"),
        (dense, "activation", "glu", ValueError, r"in use with outputs of shape \(None, 4\)"),
        (dense, "units", 5, AttributeError, "is built: its units cannot change"),
        (dense, "use_bias", False, AttributeError, "is built: its use_bias cannot change"),
    ]:
        before = getattr(layer, name)
        with pytest.raises(error, match=message):
            setattr(layer, name, value)
        assert getattr(layer, name) is before
    assert model.predict(np.ones((2, 3)), verbose=0).shape == (2, 4)


def test_none_is_no_activation():
    layer = layers.Dense(2, use_bias=False, activation="relu")
    layer.build((1, 2))
    layer.set_weights([np.array([[1.0, -2.0], [3.0, -4.0]])])
    layer.activation = None
    np.testing.assert_array_equal(layer(np.array([[-1.0, 2.0]])), [[5.0, -6.0]])


def test_not_while_the_model_is_trained():
    dropout = layers.Dropout(0.5)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2), dropout])
    model.compile("sgd", "mse")

    def change(*_):
        dropout.rate = 0.1

    with pytest.raises(RuntimeError, match="fit is running on model"):
        model.fit(
            np.ones((4, 3)), np.ones((4, 2)), verbose=0, callbacks=cb.callbacks.LambdaCallback(on_epoch_end=change)
        )
    assert dropout.rate == 0.5
    dropout.rate = 0.1


def test_the_random_state_is_left_alone():
    dropout = layers.Dropout(0.5)
    dropout(np.ones((2, 3)))
    cb.utils.set_random_seed(5)
    dropout.rate = 0.1
    first = layers.Dense(3)
    first.build((None, 3))
    cb.utils.set_random_seed(5)
    second = layers.Dense(3)
    second.build((None, 3))
    np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[0])


def test_layers_keep_no_model_alive_and_can_be_pickled():
    dense = layers.Dense(2)
    model = cb.Sequential([cb.Input((3,)), dense])
    model.predict(np.ones((2, 3)), verbose=0)
    again = pickle.loads(pickle.dumps(model))
    again.layers[0].activation = "relu"
    assert (again.predict(np.ones((2, 3)), verbose=0) >= 0).all()
    del model
    gc.collect()
    dense.activation = "tanh"


def test_a_subclass_of_a_built_in_layer():
    class Small(layers.Dense):
        def __init__(self, name=None):
            super().__init__(2, activation="tanh", name=name)

    layer = Small()
    x = np.ones((2, 3))
    before = layer(x)
    layer.activation = "linear"
    np.testing.assert_allclose(np.tanh(layer(x)), before, rtol=1e-6)


# Before a layer is built


def connected(layer, shapes):
    inputs = [cb.Input(shape) for shape in shapes]
    return layer_cases.called(layer, inputs)


@pytest.mark.parametrize(("make", "shapes"), layer_cases.EACH)
def test_arguments_that_are_set_again_are_accepted(make, shapes):
    layer, other = make(), make()
    for name in layer.argument_names():
        if name in vars(layer):
            setattr(layer, name, getattr(layer, name))
    assert connected(layer, shapes).shape == connected(other, shapes).shape
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


IMAGE = (8, 8, 4)


@pytest.mark.parametrize(
    ("make", "name", "value", "error", "message"),
    [
        (lambda: layers.Conv2D(2, 3), "strides", 0, ValueError, "strides must be at least 1, but got 0"),
        (lambda: layers.Conv2D(2, 3), "strides", (0, 1), ValueError, r"strides\[0\] must be at least 1"),
        (lambda: layers.Conv2D(2, 3), "kernel_size", (1, 2, 3), ValueError, "kernel_size must be a whole number or 2"),
        (lambda: layers.Conv2D(2, 3), "padding", "sam", ValueError, "padding must be"),
        (lambda: layers.Conv2D(2, 3), "groups", 3, ValueError, "filters must be divisible by groups"),
        (lambda: layers.DepthwiseConv2D(3), "depth_multiplier", None, TypeError, "depth_multiplier must be"),
        (lambda: layers.SeparableConv2D(2, 3), "strides", (0, 0), ValueError, r"strides\[0\] must be at least 1"),
        (lambda: layers.Conv2DTranspose(2, 3), "output_padding", 2, ValueError, "output_padding must be smaller"),
        (lambda: layers.MaxPooling2D(2), "strides", (0, 1), ValueError, r"strides\[0\] must be at least 1"),
        (lambda: layers.AveragePooling2D(2), "pool_size", 0, ValueError, "pool_size must be at least 1"),
        (lambda: layers.AdaptiveMaxPooling2D(2), "output_size", 0, ValueError, "output_size must be at least 1"),
        (lambda: layers.ZeroPadding2D(2), "padding", -1, ValueError, "padding must be at least 0"),
        (lambda: layers.UpSampling2D(2), "size", (0, 1), ValueError, r"size\[0\] must be at least 1"),
        (lambda: layers.Resizing(2, 3), "height", 0, ValueError, "height must be at least 1"),
        (lambda: layers.Resizing(2, 3), "interpolation", "cubic", ValueError, "interpolation must be"),
        (lambda: layers.SpatialDropout2D(0.2), "rate", 2, ValueError, "rate must be at"),
        (lambda: layers.Dense(2), "units", 0, ValueError, "units must be at least 1, but got 0"),
    ],
)
def test_arguments_that_are_set_are_checked_before_use(make, name, value, error, message):
    layer, right = make(), getattr(make(), name)
    setattr(layer, name, value)
    for use in (lambda: layer(cb.Input(IMAGE)), lambda: layer(np.ones((1, *IMAGE))), lambda: layer.build((1, *IMAGE))):
        with pytest.raises(error, match=message):
            use()
    assert not layer.built
    setattr(layer, name, right)
    assert layer(cb.Input(IMAGE)).shape == make()(cb.Input(IMAGE)).shape


def test_arguments_that_are_set_are_checked_together():
    layer = layers.Conv2D(4, 3)
    layer.groups = 3  # not with 4 filters
    layer.filters = 6
    layer.strides = 2
    assert layer(cb.Input((8, 8, 3))).shape == (None, 3, 3, 6)
    assert layer.strides == (2, 2)


@EACH_ENGINE
@pytest.mark.parametrize("inner", [lambda one: one, lambda one: cb.Sequential([cb.Input((4,)), one])])
def test_a_layer_within_another(inner, engine):
    """The model around both computes with the new value, and refuses one that changes shapes."""
    x = np.random.default_rng(0).normal(size=(6, 3, 4)).astype("float32")

    def model_of(layer):
        model = cb.Sequential([cb.Input((3, 4)), layers.TimeDistributed(inner(layer))])
        model.compile("sgd", "mse", engine=engine)
        model.predict(x, verbose=0)
        return model

    layer = layers.Activation("tanh")
    model, expected = model_of(layer), model_of(layers.Activation("relu"))
    layer.activation = "relu"
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected.predict(x, verbose=0))
    assert model.evaluate(x, 0 * x, verbose=0) == expected.evaluate(x, 0 * x, verbose=0)
    with pytest.raises(ValueError, match=r"does not fit it after this change|which would become"):
        layer.activation = "glu"
    assert layer.get_config()["activation"] == "relu"
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected.predict(x, verbose=0))
