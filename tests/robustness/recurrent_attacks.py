"""Attacks on recurrent layers: states, masks, batches and time steps that do not fit, and steppers."""

import numpy as np
from attacks import attack, pick
from values import data, odd_array, odd_number, odd_value

import cbackprop as cb
from cbackprop import layers

KINDS = ("SimpleRNN", "LSTM", "GRU", "RNN", "stacked", "ConvLSTM1D", "ConvLSTM2D")


def some_layer(rng, **flags):
    """A recurrent layer, some of whose flags may be odd; the axes of images that it reads."""
    for name in ("return_sequences", "return_state", "go_backwards", "unroll", "zero_output_for_mask"):
        if rng.random() < 0.3:
            flags.setdefault(name, odd_value(rng) if rng.random() < 0.05 else True)
    if rng.random() < 0.3:
        flags["dropout" if rng.random() < 0.5 else "recurrent_dropout"] = pick(rng, [0.5, 0.5, 0.5, 1, 0.0, -1])
    kind, units = pick(rng, KINDS), odd_number(rng) if rng.random() < 0.05 else int(rng.integers(1, 5))
    if kind.startswith("Conv"):
        rank = int(kind[-2])
        more = {"padding": pick(rng, ["same", "valid"]), "strides": pick(rng, [1, 1, 2, 3])}
        return getattr(layers, kind)(units, pick(rng, [1, 2, 3]), **more, **flags), (4,) * rank
    if kind in ("RNN", "stacked"):
        for name in ("dropout", "recurrent_dropout"):
            flags.pop(name, None)
        cells = [pick(rng, [layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell])(units) for _ in range(2)]
        return layers.RNN(cells if kind == "stacked" else cells[0], **flags), ()
    return getattr(layers, kind)(units, **flags), ()


def wrapped(rng, layer):
    """The layer itself, or within another one."""
    kind = rng.integers(6)
    if kind == 0:
        return layers.Bidirectional(layer, merge_mode=pick(rng, ["concat", "sum", "mul", "ave", None]))
    return layer


@attack
def recurrent_calls(rng):
    """States, masks and sequences of other numbers, shapes and types, on arrays."""
    layer, image = some_layer(rng)
    layer = wrapped(rng, layer)
    steps = int(rng.integers(0 if rng.random() < 0.1 else 1, 5))
    x = data(rng, (steps, *image, 2), 3, 0.1) if rng.random() < 0.9 else odd_array(rng, 3)
    arguments = {}
    if rng.random() < 0.4:
        state = (3, *image, pick(rng, [1, 2, 3, 4]))
        states = [np.ones(state) for _ in range(rng.integers(0, 4))]
        arguments["initial_state"] = pick(rng, [states, states and states[0], odd_value(rng)])
    if rng.random() < 0.4:
        shape = pick(rng, [(3, steps), (3, steps), (3, steps + 1), (2, steps), (3,), (3, steps, 1)])
        arguments["mask"] = rng.random(shape) < 0.5 if rng.random() < 0.9 else odd_array(rng, 3)
    layer(x, **arguments)
    layer(np.ones((2, 3, *image, 2)))


@attack
def lasting_states(rng):
    """Stateful layers whose batch size changes, or is not known."""
    layer, image = some_layer(rng, stateful=True)
    batch = pick(rng, [2, 2, 2, 2, 2, None, odd_number(rng)])
    model = cb.Sequential([cb.Input((3, *image, 2), batch_size=batch), wrapped(rng, layer)])
    model.compile("sgd", "mse")
    for _ in range(3):
        rows = pick(rng, [2, 2, 4, 1, 3])
        x = np.ones((rows, 3, *image, 2))
        y = np.zeros((rows, *model.plan.output_shapes[0]))
        act = rng.integers(5)
        if rng.random() < 0.7:
            rows, x, y = 2, x[:2].repeat(2, 0)[:2], y[:1].repeat(2, 0)
        if act == 0:
            model.fit(x, y, batch_size=pick(rng, [2, 1, 4]), epochs=2, verbose=0)
        elif act == 1:
            model.predict(x, batch_size=pick(rng, [2, rows]), verbose=0)
        elif act == 2:
            model.train_on_batch(x, y)
        elif act == 3:
            layer.reset_state()
        else:
            model.evaluate(x, y, batch_size=2, verbose=0)


@attack
def time_distributed_anything(rng):
    """Layers and models of every kind, and masks, within TimeDistributed."""
    inner = pick(
        rng,
        [
            lambda: layers.Conv1D(2, 2),
            lambda: layers.MaxPooling1D(2),
            lambda: layers.LSTM(2, return_sequences=bool(rng.integers(2)), return_state=bool(rng.integers(2))),
            lambda: layers.TimeDistributed(layers.Dense(2)),
            lambda: layers.BatchNormalization(),
            lambda: cb.Sequential([layers.Dense(2), layers.Flatten()]),
            lambda: layers.Lambda(np.tanh),
            lambda: layers.Add(),
            lambda: odd_value(rng),
        ],
    )()
    layer = layers.TimeDistributed(inner)
    x = cb.Input(pick(rng, [(2, 4, 3), (2, 4, 3), (None, 4, 3), (4, 3), (4,), (0, 4, 3)]))
    model = cb.Model(x, layer(layers.Masking()(x) if x.ndim > 2 and rng.random() < 0.3 else x))
    model.compile("sgd", "mse")
    model.predict(data(rng, tuple(size or 3 for size in x.shape[1:]), 2, 0.1), verbose=0)
    model.train_on_batch(np.ones((2, 2, 4, 3)), np.zeros((2, *model.plan.output_shapes[0])))


@attack
def steppers(rng):
    """Models of all kinds as steppers, called with anything."""
    layer, image = some_layer(rng)
    tail = pick(rng, [lambda: layers.Dense(2), lambda: layers.GlobalAveragePooling1D(), lambda: layers.Flatten()])()
    x = cb.Input((pick(rng, [None, 3, 1]), *image, 2))
    found = wrapped(rng, layer)(x)
    model = cb.Model(x, tail(found[0] if isinstance(found, tuple) else found))
    stepper = model.stepper(pick(rng, [1, 1, 2, odd_value(rng)]))
    for _ in range(4):
        kind = rng.integers(5)
        if kind < 3:
            stepper(np.ones((stepper.batch_size, *image, 2), pick(rng, ["float32", "float64", "int32"])))
        elif kind == 3:
            stepper(pick(rng, [odd_array(rng, 2), odd_value(rng), [[1.0, 2.0]]]))
        else:
            stepper.reset()
            model.set_weights(model.get_weights())
