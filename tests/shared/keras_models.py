"""Layers and models of this library as they are made in Keras, weights and inputs for them, and comparison."""

import json

import keras
import layer_cases
import numpy as np

import cbackprop as cb
from cbackprop.layers.layer import registry
from cbackprop.saving.keras.operations import OPERATIONS

LIMIT = 1e-6  # relative to the largest prediction

# Models are made of layers; a function has no file.
NO_LAYERS = {"Model", "Sequential", "InputLayer", "Lambda"}

# On PyTorch, Keras normalizes by last axes only; of axes in another order, its scale has another shape.
# PyTorch does not slice backwards.
BACKWARDS = [[None, None, None], [None, None, -2], None, -1]

APART = [
    ("LayerNormalization", 1),
    ("LayerNormalization", [1, 3]),
    ("RMSNormalization", [-1, 1]),
    ("GetItem", BACKWARDS),
]


# On PyTorch, Keras has no Lanczos, and another bicubic interpolation.
INTERPOLATIONS = ("bicubic", "lanczos3", "lanczos5")


def apart(name, layer):
    return (
        (name, getattr(layer, "axis", getattr(layer, "key", None))) in APART
        or getattr(layer, "interpolation", None) in INTERPOLATIONS
        or (name == "AveragePooling3D" and layer.padding == "same")  # on PyTorch, Keras counts zeros around it, too
        or name == "RandomCrop"  # Keras does not resize in predictions, though its documentation says so
        or name == "RandomShear"  # Keras does not read what it writes: factors of both signs
    )


CASES = [
    (name, make, shapes)
    for name, _ in registry
    if name not in NO_LAYERS
    for make, shapes in layer_cases.LAYERS[name]
    if not getattr(make(), "is_model", False) and not apart(name, make())
]


def keras_twin(layer):
    """The same layer in Keras, from the config of ours; or a function, of what Keras has operators for."""
    if type(layer).__name__ in OPERATIONS:
        return operators(layer)
    text = json.dumps(layer.get_config()).replace('"cbackprop.', '"keras.')
    model = '", "class_name": "Sequential"'  # which is in no module of layers
    config = json.loads(text.replace(f'"keras.layers{model}', f'"keras{model}'))
    del config["trainable"]  # not all of Keras's layers take it
    return getattr(keras.layers, type(layer).__name__).from_config(config)


def operators(layer):
    """The result of a layer for an operator, as written with Keras's tensors."""
    if isinstance(layer, cb.layers.GetItem):
        parts = [slice(*part) if isinstance(part, list) else ... if part == "..." else part for part in layer.key]
        return lambda x: x[tuple(parts)]
    return {"Absolute": abs, "Power": lambda x: x**layer.exponent}[type(layer).__name__]


def called(layer, inputs):
    """The result of a layer of either library for an input, a list of inputs, or several arguments (attention)."""
    name = type(layer).__name__
    separate = name in ("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention")
    return layer(*inputs) if separate else layer(inputs)


def names_of(model):
    """Names of a model's layers; in Keras, operations are none."""
    return [layer.name for layer in model.layers if type(layer).__name__ not in OPERATIONS]


def randomize(model, rng):
    """Positive weights, so that variances are, too."""
    model.set_weights([rng.uniform(0.1, 1, size=w.shape).astype(w.dtype) for w in model.get_weights()])


def numbers(layer, shapes, rng):
    """Inputs for a layer, whole numbers where it takes those."""
    shapes = [(6, *shape) for shape in shapes]
    if layer.id_range is not None:
        return [rng.integers(layer.id_range, size=shape) for shape in shapes]
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def one_or_list(items):
    return items[0] if len(items) == 1 else items


def assert_same_predictions(ours, theirs, x):
    # Called by themselves, layers of random images are in training, unless told otherwise.
    found, expected = ours.predict(x, verbose=0), theirs(x, training=False)
    pairs = zip(found, expected, strict=True) if isinstance(found, list) else [(found, expected)]
    for a, tensor in pairs:
        b = tensor.detach().numpy()
        b = b.astype(a.dtype) if b.dtype == np.int32 else b  # numbers of bins, which are floats here
        np.testing.assert_allclose(a, b, rtol=0, atol=LIMIT * max(1e-6, np.abs(b).max()), strict=True)


def structured(library, crossing):
    """Dicts, a nested model with several inputs, operators, fixed training; a layer shared, with `crossing` by both."""
    k = library.layers
    shared, other = k.Dense(3, "tanh"), k.Dense(3, "relu")
    a, b = library.Input((3,)), library.Input((3,))
    inner = library.Model({"p": a, "q": b}, [shared(a) + b, k.Multiply()([shared(b), a])])
    x, y = library.Input((3,), name="x"), library.Input((3,), name="y")
    left, right = inner({"p": (shared if crossing else other)(x), "q": y})
    dropped = k.Dropout(0.5)(left, training=False)
    return library.Model({"x": x, "y": y}, {"first": dropped, "second": k.Subtract()([right, left])})


# Operators of tensors that are layers here: of one tensor, or of two of the same shape.
OPERATORS = {
    "part": lambda x, y: x[:, 1:3],
    "steps": lambda x, y: x[:, ::2, None, -1],
    "rest": lambda x, y: x[..., 1],
    "whole": lambda x, y: x[:, :],
    "absolute": lambda x, y: abs(x),
    "power": lambda x, y: abs(x) ** 0.5,
    "power of two": lambda x, y: (abs(x) + 1) ** y,
    "quotient": lambda x, y: x / (abs(y) + 1),
    "by a number": lambda x, y: x / 4,
    "sums": lambda x, y: (x + 2) - (y - 3) * 0.5,
    "from a number": lambda x, y: (1 - x) * -y,
}


def operated(library, function):
    x, y = library.Input((5, 3)), library.Input((5, 3))
    first, second = library.layers.Dense(3, "tanh")(x), library.layers.Dense(3)(y)
    return library.Model([x, y], [library.layers.ReLU()(function(first, second)), function(second, second)])
