"""Attacks on attention, and on models that are given sequences of different lengths."""

import numpy as np
from attacks import attack, pick
from values import data, odd_array, odd_number, odd_value

import cbackprop as cb
from cbackprop import layers


def some_attention(rng, **flags):
    """A layer of attention, some of whose arguments may be odd, and whether it takes one list of inputs."""
    if rng.random() < 0.3:
        flags["dropout"] = pick(rng, [0.5, 0.5, 0.0, 1, -1])
    if rng.random() < 0.05:
        flags[pick(rng, ["use_bias", "use_scale", "score_mode", "attention_axes", "sliding_window"])] = odd_value(rng)
    size = odd_number(rng) if rng.random() < 0.05 else int(rng.integers(1, 4))
    kind = rng.integers(4)
    if kind == 0:
        axes = pick(rng, [None] * 8 + [1, (1, 2), (2,), (-2,), odd_number(rng)])
        more = {"value_dim": pick(rng, [None, 2]), "output_shape": pick(rng, [None, None, 3, (2, 2)])}
        return layers.MultiHeadAttention(int(rng.integers(1, 4)), size, attention_axes=axes, **more, **flags), False
    if kind == 1:
        heads = int(rng.integers(1, 4))
        return layers.GroupQueryAttention(size, heads * pick(rng, [1, 2, 2]), heads, **flags), False
    make = layers.Attention if kind == 2 else layers.AdditiveAttention
    return make(use_scale=bool(rng.integers(2)), **flags), True


def some_mask(rng, *shape):
    """A mask, mostly of this shape."""
    if rng.random() < 0.2:
        shape = pick(rng, [shape[:-1], (*shape, 1), (shape[0] + 1, *shape[1:]), (1,) * len(shape)])
    if rng.random() < 0.1:
        return pick(rng, [None, odd_array(rng, 2), odd_value(rng)])
    mask = rng.random(shape) < 0.6
    return mask.astype("float32") if rng.random() < 0.3 else mask


def some_arguments(rng, listed, steps, keys):
    """Arguments of a call: masks of all kinds, causal or not, with scores or not."""
    arguments = {}
    for name in ("use_causal_mask", "return_attention_scores", "training"):
        if rng.random() < 0.3:
            arguments[name] = odd_value(rng) if rng.random() < 0.05 else True
    if listed and rng.random() < 0.4:
        arguments["mask"] = [some_mask(rng, 2, steps), some_mask(rng, 2, keys)][: pick(rng, [2, 2, 2, 1])]
    if not listed:
        masks = {"query_mask": (2, steps), "value_mask": (2, keys), "key_mask": (2, keys)}
        for name, shape in (masks | {"attention_mask": (2, steps, keys)}).items():
            if rng.random() < 0.2:
                arguments[name] = some_mask(rng, *shape)
    return arguments


@attack
def attention_calls(rng):
    """Queries, values, keys and masks of other numbers, shapes and types, on arrays."""
    layer, listed = some_attention(rng)
    steps, keys = (int(size) for size in rng.integers(0 if rng.random() < 0.1 else 1, 5, size=2))
    query, value = data(rng, (steps, 4), 2, 0.1), data(rng, (keys, 4), 2, 0.1)
    inputs = [query, value, *([value] if rng.random() < 0.3 else [])]
    if rng.random() < 0.15:
        inputs[rng.integers(len(inputs))] = pick(rng, [odd_array(rng, 2), odd_value(rng), np.ones((2, 3, 2, 2))])
    arguments = some_arguments(rng, listed, steps, keys)
    layer(*([inputs] if listed else inputs), **arguments)
    layer(*([[query, query]] if listed else [query, query]))


@attack
def attention_in_models(rng):
    """The same in models, with masks that are tensors or arrays, several axes and open lengths; then a stepper."""
    layer, listed = some_attention(rng)
    steps = pick(rng, [3, 3, None, 1])
    x = cb.Input((steps, 4) if rng.random() < 0.8 else (steps, 2, 4))
    mask = cb.Input((steps, steps) if rng.random() < 0.7 else (steps,))
    read = layers.Masking()(x) if rng.random() < 0.3 else x
    arguments = some_arguments(rng, listed, 3, 3) if rng.random() < 0.3 else {"use_causal_mask": True}
    with_mask = rng.random() < 0.3 and not listed
    if with_mask:
        arguments["attention_mask"] = mask
    found = layer(*([[read, read]] if listed else [read, read]), **arguments)
    found = found[0] if isinstance(found, (tuple, list)) else found
    model = cb.Model([x, mask] if with_mask else x, found)
    model.compile("sgd", "mse", engine=pick(rng, ["compiled", "compiled", "reference"]))
    sizes = [size or 3 for size in x.shape[1:]]
    inputs = data(rng, tuple(sizes), 2, 0.1)
    inputs = [inputs, np.ones((2, *(size or 3 for size in mask.shape[1:])))] if with_mask else inputs
    y = np.zeros((2, *(size or 3 for size in model.output_shape[1:])))
    model.fit(inputs, y, verbose=0)
    model.predict(inputs, verbose=0)
    stepper = model.stepper()
    for _ in range(3):
        stepper(np.ones((1, 4)) if rng.random() < 0.8 else pick(rng, [odd_array(rng, 1), odd_value(rng)]))


@attack
def lists_of_sequences(rng):
    """Models that are given sequences of different lengths, or what is mostly no such thing."""
    value = pick(rng, [0.0, 1.0, odd_number(rng)])
    first = pick(rng, [lambda: layers.Masking(value), lambda: layers.Dense(2), lambda: layers.Identity()])()
    each = bool(rng.integers(2))
    model = cb.Sequential([first, layers.SimpleRNN(1, return_sequences=each)])
    if rng.random() < 0.7:
        model = cb.Sequential([cb.Input((pick(rng, [None, None, 3]), 2)), *model.layers])
    model.compile("sgd", "mse")
    lengths = rng.integers(pick(rng, [0, 1, 1]), 5, size=rng.integers(1, 6))
    x = [rng.normal(size=(int(length), 2)) for length in lengths]
    y = [one[:, :1] for one in x] if each else np.zeros(len(x))
    if rng.random() < 0.3:
        x[rng.integers(len(x))] = pick(rng, [odd_array(rng), odd_value(rng), [[1.0, 2.0]], []])
    if rng.random() < 0.2:
        y = pick(rng, [odd_array(rng), odd_value(rng), y[:-1], None])
    given = pick(rng, [lambda: x, lambda: tuple(x), lambda: [x], lambda: {"a": x}, lambda: np.array(x, object)])()
    act = rng.integers(6)
    if act == 0:
        split = pick(rng, [0.0, 0.5, 0.9, odd_number(rng)])
        model.fit(given, y, batch_size=pick(rng, [None, 2, odd_number(rng)]), validation_split=split, verbose=0)
    elif act == 1:
        model.fit(given, y, validation_data=(given, y), sample_weight=pick(rng, [None, np.ones(len(x))]), verbose=0)
    elif act == 2:
        model.evaluate(given, y, verbose=0)
    elif act == 3:
        model.train_on_batch(given, y, sample_weight=pick(rng, [None, odd_array(rng)]))
    else:
        model.predict(given, batch_size=pick(rng, [None, 2]), steps=pick(rng, [None, None, 1]), verbose=0)
        model.predict_on_batch(given)
