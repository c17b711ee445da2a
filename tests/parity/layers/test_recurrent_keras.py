"""Recurrent layers against Keras: outputs, states, and gradients by inputs, states and weights, masks included."""

import itertools

import keras
import numpy as np
import pytest
import torch

import cbackprop as cb
from cbackprop.reference import random

# In float64: sums of some hundred terms in another order.
LIMIT = 1e-12
ROWS, STEPS, FEATURES, UNITS = 5, 6, 3, 4


pytestmark = pytest.mark.usefixtures("both_in_float64")


def difference(theirs, name, options, states, mask, rng):
    """The largest difference of outputs and gradients from those of Keras's layer, relative to the largest number."""
    x = rng.normal(size=(ROWS, STEPS, FEATURES))
    first = [rng.normal(size=(ROWS, UNITS)) for _ in range(states)]
    given = [torch.tensor(array, requires_grad=True) for array in [x, *first]]
    hidden = None if mask is None else torch.tensor(mask)
    returned = theirs(given[0], initial_state=given[1:] or None, mask=hidden)
    for weight in theirs.weights:
        weight.assign(rng.normal(size=weight.shape) / 2)
    returned = theirs(given[0], initial_state=given[1:] or None, mask=hidden)
    returned = list(returned) if isinstance(returned, (list, tuple)) else [returned]
    deltas = [rng.normal(size=tuple(y.shape)) for y in returned]
    sum((y * torch.tensor(delta)).sum() for y, delta in zip(returned, deltas, strict=True)).backward()

    tensors = [cb.Input((STEPS, FEATURES)), *[cb.Input((UNITS,)) for _ in first]]
    masked = [] if mask is None else [cb.Input((STEPS,))]
    layer = getattr(cb.layers, name)(UNITS, **options)
    more = {"mask": masked[0]} if masked else {}
    outputs = layer(tensors[0], initial_state=tensors[1:] or None, **more)
    model = cb.Model([*tensors, *masked], list(outputs) if isinstance(outputs, tuple) else outputs)
    layer.set_weights([weight.numpy() for weight in theirs.weights])
    arrays = [x, *first, *([] if mask is None else [mask.astype("float64")])]
    worst = 0.0
    for engine in ("compiled", "reference"):
        model.compile("sgd", "mse", engine=engine)
        found = model.predict(arrays, verbose=0)
        found = found if isinstance(found, list) else [found]
        one = deltas[0] if len(deltas) == 1 else deltas
        inputs = model.backward(arrays, one, wrt="inputs")
        inputs = inputs if isinstance(inputs, list) else [inputs]
        found = [*found, *inputs[: len(given)], *model.backward(arrays, one)]
        expected = [*returned, *(array.grad for array in given), *(w.value.grad for w in theirs.weights)]
        for a, b in zip(found, expected, strict=True):
            assert a.shape == tuple(b.shape)
            b = b.detach().numpy()
            worst = max(worst, np.abs(a - b).max() / max(1, np.abs(b).max()))
    return worst


CELLS = {
    "SimpleRNN": (1, [{}, {"activation": "relu", "use_bias": False}]),
    "LSTM": (2, [{}, {"activation": "gelu", "recurrent_activation": "silu", "use_bias": False}]),
    "GRU": (1, [{}, {"reset_after": False}, {"activation": "gelu", "reset_after": False}, {"use_bias": False}]),
}
FLAGS = ("return_sequences", "return_state", "go_backwards")


def masks(rng):
    """None; steps missing behind, in front, between and all."""
    found = rng.random((ROWS, STEPS)) < 0.6
    found[0, 3:], found[1, :2], found[2] = False, False, False
    found[3], found[4, -1] = True, False
    return [None, found]


@pytest.mark.parametrize(
    ("name", "arguments"), [(name, options) for name, (_, each) in CELLS.items() for options in each]
)
@pytest.mark.parametrize("given", [False, True])
def test_outputs_and_gradients(name, arguments, given, rng):
    for flags in itertools.product([False, True], repeat=len(FLAGS)):
        options = arguments | dict(zip(FLAGS, flags, strict=True))
        for mask, zero in [*((mask, False) for mask in masks(rng)), (masks(rng)[1], True)]:
            options["zero_output_for_mask"] = zero
            theirs = getattr(keras.layers, name)(UNITS, **options)
            states = CELLS[name][0] if given else 0
            assert difference(theirs, name, options, states, mask, rng) < LIMIT, (options, mask)


DROPOUTS = [
    {"dropout": 0.4},
    {"recurrent_dropout": 0.4},
    {"dropout": 0.3, "recurrent_dropout": 0.4},
    {"dropout": 1.0},
    {"recurrent_dropout": 1.0, "dropout": 0.5},
]


@pytest.mark.parametrize("dropout", [*DROPOUTS, {"dropout": 0.4, "implementation": 1}], ids=str)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("SimpleRNN", {}), ("LSTM", {}), ("GRU", {}), ("GRU", {"reset_after": False, "use_bias": False})],
    ids=str,
)
def test_dropout_has_as_many_masks_as_in_keras(name, arguments, dropout, rng, monkeypatch):
    """The masks that the twin draws are given to Keras: the loss and the gradients must be the same."""
    if name == "SimpleRNN" and "implementation" in dropout:
        dropout = {"dropout": dropout["dropout"]}
    options = arguments | dropout
    x, y = rng.normal(size=(ROWS, STEPS, FEATURES)), rng.normal(size=(ROWS, UNITS))
    # Not its layers: what their ``dropout=1`` does is left to the backend, and they refuse `implementation` 1.
    theirs = keras.layers.RNN(getattr(keras.layers, f"{name}Cell")(UNITS, **options))
    theirs(torch.tensor(x))
    for weight in theirs.weights:
        weight.assign(rng.normal(size=weight.shape) / 2)
    model = cb.Sequential([cb.Input((STEPS, FEATURES)), getattr(cb.layers, name)(UNITS, **options)])
    model.set_weights([weight.numpy() for weight in theirs.weights])
    drawn, draw = [], random.mask

    def recorded(n, probability, *place):
        drawn.append(np.where(draw(n, probability, *place), 1 / max(probability, 1e-9), 0))
        return drawn[-1] > 0

    found = {}
    for engine in ("reference", "compiled"):
        with monkeypatch.context() as patch:
            patch.setattr(random, "mask", recorded)
            model.compile("sgd", "mse", engine=engine)
            gradients = model.gradients(x, y, training=True)
        found[engine] = gradients

    def masks(shape, count):
        several = [drawn.pop(0).reshape(shape) for _ in range(count)]
        return None if not several else several if hasattr(theirs.cell, "dropout_mask_count") else several[0]

    # Keras drops in cells of gates only what is less than everything.
    drops = [
        rate > 0 and (rate < 1 or name == "SimpleRNN") for rate in (theirs.cell.dropout, theirs.cell.recurrent_dropout)
    ]
    count = getattr(theirs.cell, "dropout_mask_count", 1)
    of_inputs = masks((ROWS, FEATURES), count * drops[0])
    of_states = None
    if drops[1]:
        whole = drawn.pop(0).reshape(ROWS, -1, UNITS)
        assert whole.shape[1] == count
        of_states = [whole[:, k] for k in range(count)] if count > 1 else whole[:, 0]
    assert not drawn

    def as_tensors(each):
        if each is None:
            return None
        return [torch.tensor(mask) for mask in each] if isinstance(each, list) else torch.tensor(each)

    monkeypatch.setattr(type(theirs.cell), "get_dropout_mask", lambda cell, x: as_tensors(of_inputs))
    monkeypatch.setattr(type(theirs.cell), "get_recurrent_dropout_mask", lambda cell, h: as_tensors(of_states))
    ((theirs(torch.tensor(x), training=True) - torch.tensor(y)) ** 2).mean().backward()
    for gradients in found.values():
        for a, weight in zip(gradients, theirs.weights, strict=True):
            np.testing.assert_allclose(a, weight.value.grad.numpy(), rtol=0, atol=LIMIT)


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("back", [False, True])
def test_bidirectional_of_two_layers(sequences, back, rng):
    """Keras turns round what the layer behind returns, whichever way it goes."""
    options = {"return_sequences": sequences}
    theirs, ours = (
        library.layers.Bidirectional(
            library.layers.GRU(UNITS, **options, go_backwards=back),
            backward_layer=library.layers.GRU(UNITS, **options, go_backwards=not back),
        )
        for library in (keras, cb)
    )
    x = rng.normal(size=(ROWS, STEPS, FEATURES))
    expected = theirs(torch.tensor(x)).detach().numpy()
    tensor = cb.Input((STEPS, FEATURES))
    model = cb.Model(tensor, ours(tensor))
    ours.set_weights([weight.numpy() for weight in theirs.weights])
    delta = rng.normal(size=expected.shape)
    first = None
    for engine in ("compiled", "reference"):
        model.compile("sgd", "mse", engine=engine)
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-12)
        gradients = model.backward(x, delta)
        first = first or gradients
        for a, b in zip(gradients, first, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)
