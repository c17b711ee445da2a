"""TimeDistributed and Bidirectional around layers and models of every kind, against Keras with the same weights."""

import keras
import numpy as np
import pytest
from keras_training import LIMIT, check_training

import cbackprop as cb

pytestmark = pytest.mark.usefixtures("both_in_float64")

# Keras computes some layers in float32 whatever their type, with PyTorch.
IN_FLOAT32 = ("BatchNormalization", "GlobalAveragePooling1D", "LayerNormalization", "Sequential")
ROWS, STEPS = 4, 3


class Doubled(cb.layers.Layer):
    """Twice the input, times a weight."""

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "ones", name="scale")

    def call(self, inputs):
        return 2 * inputs * self.scale.numpy()

    def backward(self, inputs, outputs, delta):
        axes = tuple(range(delta.ndim - 1))
        return 2 * delta * self.scale.numpy(), [(2 * delta * inputs).sum(axis=axes)]


class KerasDoubled(keras.layers.Layer):
    """The same for Keras."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

    def call(self, inputs):
        return 2 * inputs * self.scale

    def compute_output_shape(self, input_shape):
        return input_shape


def functional(library):
    image = library.Input((6, 6, 2))
    h = library.layers.Conv2D(3, 3, activation="tanh")(image)
    return library.Model(image, library.layers.Flatten()(library.layers.AveragePooling2D(2)(h)))


def normalizing(library):
    return library.Sequential([library.layers.Dense(3), library.layers.BatchNormalization()])


CASES = {
    "Dense": ((5,), lambda library, doubled: library.layers.Dense(3, "tanh", kernel_regularizer="l2")),
    "penalty": ((5,), lambda library, doubled: library.layers.Dense(3, activity_regularizer="l2")),
    "penalty of images": ((6, 6, 2), lambda library, doubled: library.layers.Conv2D(2, 3, activity_regularizer="l2")),
    "Conv1D": ((5, 2), lambda library, doubled: library.layers.Conv1D(3, 2, padding="causal")),
    "Conv2D": ((6, 6, 2), lambda library, doubled: library.layers.Conv2D(3, 3, strides=2, padding="same")),
    "DepthwiseConv2D": ((6, 6, 2), lambda library, doubled: library.layers.DepthwiseConv2D(3)),
    "Conv2DTranspose": ((3, 3, 2), lambda library, doubled: library.layers.Conv2DTranspose(2, 2, strides=2)),
    "MaxPooling2D": ((6, 6, 2), lambda library, doubled: library.layers.MaxPooling2D()),
    "GlobalAveragePooling1D": ((6, 2), lambda library, doubled: library.layers.GlobalAveragePooling1D()),
    "BatchNormalization": ((5,), lambda library, doubled: library.layers.BatchNormalization()),
    "LayerNormalization": ((4, 3), lambda library, doubled: library.layers.LayerNormalization()),
    "Flatten": ((4, 3), lambda library, doubled: library.layers.Flatten()),
    "Softmax": ((4, 3), lambda library, doubled: library.layers.Softmax()),
    "LSTM": ((4, 3), lambda library, doubled: library.layers.LSTM(2)),
    "GRU": ((4, 3), lambda library, doubled: library.layers.GRU(2, return_sequences=True, go_backwards=True)),
    "Bidirectional": ((4, 3), lambda library, doubled: library.layers.Bidirectional(library.layers.LSTM(2))),
    "nested": (
        (2, 6, 6, 2),
        lambda library, doubled: library.layers.TimeDistributed(library.layers.Conv2D(2, 3)),
    ),
    "Sequential": ((5,), lambda library, doubled: normalizing(library)),
    "Model": ((6, 6, 2), lambda library, doubled: functional(library)),
    "in Python": ((4, 3), lambda library, doubled: doubled()),
    "nested in Python": ((2, 3), lambda library, doubled: library.layers.TimeDistributed(doubled())),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_time_distributed(name, engine, rng):
    shape, inner = CASES[name]

    def make(library, doubled):
        x = library.Input((STEPS, *shape))
        h = library.layers.TimeDistributed(inner(library, doubled))(x)
        return library.Model(x, library.layers.Dense(2)(library.layers.Flatten()(h)))

    x, y = rng.normal(size=(ROWS, STEPS, *shape)), rng.normal(size=(ROWS, 2))
    check_training(make(keras, KerasDoubled), make(cb, Doubled), x, y, engine, 1e-5 if name in IN_FLOAT32 else LIMIT)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN", "TimeDistributed"])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_masks_of_the_rows_of_time_steps(kind, engine, rng):
    """Sentences of words, which an Embedding masks: (batch, sentences, words)."""

    def make(library, doubled):
        layers = library.layers
        x = library.Input((STEPS, 5), dtype="int32")
        h = layers.Embedding(7, 4, mask_zero=True)(x)
        if kind == "TimeDistributed":
            inner = layers.TimeDistributed(layers.Dense(3, "tanh"))
        else:
            inner = getattr(layers, kind)(3)
        h = layers.TimeDistributed(inner)(h)
        return library.Model(x, layers.Dense(2)(layers.Flatten()(h)))

    x = rng.integers(1, 7, (ROWS, STEPS, 5)) * (np.arange(5) < rng.integers(0, 6, (ROWS, STEPS, 1)))
    check_training(make(keras, KerasDoubled), make(cb, Doubled), x, rng.normal(size=(ROWS, 2)), engine)


class Leaky(cb.layers.Layer):
    """A cell in Python with a trainable weight."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.scale = self.add_weight((self.units,), "ones", name="scale")

    def call(self, inputs, states):
        total = 0.9 * states[0] + inputs * self.scale.numpy()
        return np.tanh(total), [total]

    def backward(self, inputs, outputs, delta):
        through = delta[0] * (1 - outputs[0] ** 2) + delta[1][0]
        deltas = {"inputs": through * self.scale.numpy(), "states": [0.9 * through]}
        return deltas, [(through * inputs["inputs"]).sum(axis=0)]

    def get_config(self):
        return super().get_config() | {"units": self.units}


class KerasLeaky(keras.layers.Layer):
    """The same for Keras."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(self.units,), initializer="ones", name="scale")

    def call(self, inputs, states):
        total = 0.9 * states[0] + inputs * self.scale
        return keras.ops.tanh(total), [total]

    def get_config(self):
        return super().get_config() | {"units": self.units}


@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave"])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("masked", [False, True])
def test_bidirectional_cells_in_python_with_states(merge_mode, engine, masked, rng):
    """Two Bidirectional layers, one behind the other; the states of the first begin the second."""

    def make(library, doubled):
        layers, leaky = library.layers, Leaky if library is cb else KerasLeaky
        x = library.Input((STEPS, 4))
        h = layers.Masking()(x) if masked else x
        options = {"return_sequences": True, "return_state": True}
        first = layers.RNN(leaky(4), **options)
        h, *states = layers.Bidirectional(first, merge_mode=merge_mode)(h)
        h = layers.Dense(4, "tanh")(h)
        cells = [leaky(4), layers.GRUCell(3)]
        h = layers.Bidirectional(layers.RNN(cells[0], return_sequences=True), merge_mode=merge_mode)(
            h, initial_state=states
        )
        h = layers.Bidirectional(layers.RNN(cells[1:]), merge_mode=merge_mode)(h)
        return library.Model(x, layers.Dense(2)(h))

    x = rng.normal(size=(ROWS, STEPS, 4))
    x[0, 1:], x[1, 0] = 0, 0
    scope = keras.saving.custom_object_scope({"KerasLeaky": KerasLeaky})
    with scope, cb.saving.custom_object_scope({"Leaky": Leaky}):
        check_training(make(keras, KerasDoubled), make(cb, Doubled), x, rng.normal(size=(ROWS, 2)), engine)
