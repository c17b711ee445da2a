"""ConvLSTM layers against Keras with the same weights: outputs, states, training, masks and dropout."""

import keras
import numpy as np
import pytest
import torch
from keras_training import LIMIT, check_training, close

import cbackprop as cb
from cbackprop.reference import random

pytestmark = pytest.mark.usefixtures("both_in_float64")

ENGINES = ("compiled", "reference")
# As many numbers in an output as a power of 2: Keras rounds the mean of others to float32, with PyTorch.
ROWS, STEPS, CHANNELS, FILTERS = 4, 3, 2, 2
SIZES = (4, 4, 3)
OPTIONS = [
    {},
    {"padding": "same", "return_sequences": True},
    {"strides": 2, "padding": "same", "go_backwards": True, "return_sequences": True},
    {"strides": 2, "use_bias": False, "unit_forget_bias": False},
    {"dilation_rate": 2, "padding": "same"},
    {"activation": "gelu", "recurrent_activation": "silu", "return_sequences": True},
    {"activation": "softmax", "padding": "same", "kernel_regularizer": "l2", "bias_regularizer": "l1"},
    {"data_format": "channels_first", "return_sequences": True, "padding": "same"},
    {"data_format": "channels_first", "strides": 2},
    {"activity_regularizer": "l2", "return_sequences": True, "unroll": True},
]


def shape_of(rank, data_format="channels_last"):
    sizes = SIZES[:rank]
    return (STEPS, *sizes, CHANNELS) if data_format == "channels_last" else (STEPS, CHANNELS, *sizes)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_training(rank, options, engine, rng):
    if rank == 3 and options.get("dilation_rate"):
        options = options | {"dilation_rate": 1}  # Keras's PyTorch pads three dimensions only without it
    shape = shape_of(rank, options.get("data_format", "channels_last"))

    def make(library):
        layers = library.layers
        x = library.Input(shape)
        h = getattr(layers, f"ConvLSTM{rank}D")(FILTERS, 2, **options)(x)
        return library.Model(x, layers.Dense(2)(layers.Flatten()(h)))

    x, y = rng.normal(size=(ROWS, *shape)), rng.normal(size=(ROWS, 2))
    check_training(make(keras), make(cb), x, y, engine)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("engine", ENGINES)
def test_states_and_masks(data_format, zero, engine, rng):
    shape = shape_of(2, data_format)
    state = shape[1:] if data_format == "channels_first" else (*shape[1:3], FILTERS)

    def make(library):
        layers = library.layers
        x, mask = library.Input(shape), library.Input((STEPS,), dtype="bool")
        first = [library.Input(state), library.Input(state)]
        options = {"padding": "same", "return_state": True, "data_format": data_format, "zero_output_for_mask": zero}
        h, *states = layers.ConvLSTM2D(FILTERS, 3, return_sequences=True, **options)(x, initial_state=first, mask=mask)
        outputs = layers.ConvLSTM2D(FILTERS, 3, **options)(h, initial_state=states, mask=mask)
        return library.Model([x, mask, *first], list(outputs))

    mask = rng.random((ROWS, STEPS)) < 0.6
    mask[0], mask[1, 0] = False, False
    x = [rng.normal(size=(ROWS, *shape)), mask, *(rng.normal(size=(ROWS, *state)) for _ in range(2))]
    y = [rng.normal(size=(ROWS, *state)) for _ in range(3)]
    check_training(make(keras), make(cb), x, y, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_stateful_and_bidirectional(engine, rng):
    shape = shape_of(1)

    def make(library):
        layers = library.layers
        x = library.Input(shape, batch_size=ROWS)
        h = layers.ConvLSTM1D(FILTERS, 2, return_sequences=True, stateful=True)(x)
        h = layers.Bidirectional(layers.ConvLSTM1D(FILTERS, 2, padding="same"), merge_mode="sum")(h)
        return library.Model(x, layers.Dense(2)(layers.Flatten()(h)))

    theirs, ours = make(keras), make(cb)
    check_training(theirs, ours, rng.normal(size=(ROWS, *shape)), rng.normal(size=(ROWS, 2)), engine, batch_size=ROWS)
    for a, b in zip(ours.layers[1].states, theirs.layers[1].states, strict=True):
        close(a.numpy(), b.numpy())
    ours.layers[1].reset_state()
    theirs.layers[1].reset_state()
    x = rng.normal(size=(2 * ROWS, *shape))
    close(ours.predict(x, ROWS, verbose=0), theirs.predict(x, ROWS, verbose=0))


@pytest.mark.parametrize("dropout", [{"dropout": 0.4}, {"recurrent_dropout": 0.4}, {"dropout": 1.0}], ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_each_gate_drops_other_numbers(dropout, engine, rng, monkeypatch):
    """The masks that the twin draws are given to Keras: the gradients must be the same."""
    shape = shape_of(2)
    x = rng.normal(size=(ROWS, *shape))
    theirs = keras.layers.ConvLSTM2D(FILTERS, 2, **dropout)
    y = rng.normal(size=tuple(theirs(torch.tensor(x)).shape))
    model = cb.Sequential([cb.Input(shape), cb.layers.ConvLSTM2D(FILTERS, 2, **dropout)])
    model.set_weights([weight.numpy() for weight in theirs.weights])
    drawn, draw = [], random.mask

    def recorded(n, probability, *place):
        drawn.append(np.where(draw(n, probability, *place), 1 / probability, 0))
        return drawn[-1] > 0

    model.compile("sgd", "mse", engine="reference")
    with monkeypatch.context() as patch:
        patch.setattr(random, "mask", recorded)
        gradients = model.gradients(x, y, training=True)
    if engine == "compiled":
        model.compile("sgd", "mse")
        gradients = model.gradients(x, y, training=True)
    of_inputs = [torch.tensor(mask.reshape(ROWS, *shape[1:])) for mask in drawn] if "dropout" in dropout else []
    of_states = [
        torch.tensor(mask.reshape(*y.shape[:3], 4, FILTERS)[..., gate, :])
        for mask in ([] if "dropout" in dropout else drawn)
        for gate in range(4)
    ]
    assert len(of_inputs or of_states) == (0 if dropout.get("dropout") == 1 else 4)
    cell = type(theirs.cell)
    monkeypatch.setattr(cell, "get_dropout_mask", lambda cell, x: of_inputs)
    monkeypatch.setattr(cell, "get_recurrent_dropout_mask", lambda cell, h: of_states)
    ((theirs(torch.tensor(x), training=True) - torch.tensor(y)) ** 2).mean().backward()
    for a, weight in zip(gradients, theirs.weights, strict=True):
        np.testing.assert_allclose(a, weight.value.grad.numpy(), rtol=0, atol=LIMIT)
