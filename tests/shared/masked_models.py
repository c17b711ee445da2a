"""Models with masks that are found in the data."""

from __future__ import annotations

import numpy as np

import cbackprop as cb
from cbackprop import layers


def masked(*between, shape=(5, 3)):
    """A model with a mask that the data decides on, of about a quarter of the steps, and these layers behind it."""
    x = cb.Input(shape)
    h = layers.Masking()(layers.ReLU(threshold=0.3)(x))
    for layer in between:
        h = layer(h)
    return cb.Model(x, layers.Dense(2)(layers.Dense(3, activation="tanh")(h)))


def masked_branches(merge, lengths=(5, 5), together=True):
    """Two branches with masks, or one of them, that are merged."""
    inputs = [cb.Input((length, 3)) for length in lengths]
    branches = [layers.Dense(3)(layers.Masking()(layers.ReLU(threshold=0.3)(x))) for x in inputs]
    if not together:
        branches[1] = layers.Dense(3)(inputs[1])
    return cb.Model(inputs, layers.Dense(2)(merge(branches)))


def masked_ids():
    """A table in which 0 stands for no thing."""
    table = layers.Embedding(4, 3, mask_zero=True)
    return cb.Sequential([cb.Input((5,)), layers.ReLU(), layers.Rescaling(2.0), table, layers.Dense(2)])


def masked_by_python():
    """A mask that Python code makes of another one, and a layer in Python that passes it on."""

    class Half(layers.Layer):
        supports_masking = True

        def call(self, inputs):
            return inputs / 2

        def backward(self, inputs, outputs, delta):
            return delta / 2

    every_other = layers.Lambda(
        np.copy, backward=lambda x, y, delta: delta.copy(), mask=lambda x, mask: mask & (np.arange(x.shape[1]) % 2 == 0)
    )
    return masked(layers.Dense(3), Half(), every_other)


# Models whose outputs have masks.
MASKED = {
    "steps": lambda: masked(layers.Dropout(0.3, seed=2), layers.LayerNormalization()),
    "samples": lambda: masked(shape=(3,)),
    "planes": lambda: masked(shape=(2, 2, 3)),
    "ids": masked_ids,
    "python": masked_by_python,
    "nested": lambda: masked(cb.Sequential([cb.Input((5, 3)), layers.Dense(3, activation="sigmoid")])),
    "normalized": lambda: masked(layers.Dense(3), layers.BatchNormalization(momentum=0.5)),
    "normalized steps": lambda: masked(layers.Dense(3), layers.BatchNormalization(axis=1)),
    **{
        name: lambda name=name: masked_branches(getattr(layers, name)())
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
    },
    "Multiply half": lambda: masked_branches(layers.Multiply(), together=False),
    "Maximum half": lambda: masked_branches(layers.Maximum(), together=False),
    "Concatenate half": lambda: masked_branches(layers.Concatenate(axis=1), (5, 2), together=False),
    "Multiply broadcast": lambda: masked_branches(layers.Multiply(), (5, 1)),
}
