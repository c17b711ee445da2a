"""Models drawn at random."""

from __future__ import annotations

import numpy as np

import cbackprop as cb
from cbackprop import layers


def random_model(seed, dtype="float32"):
    """A random graph: several inputs, branches, merges, a shared layer, a nested model, one or two outputs."""
    rng = np.random.default_rng(seed)
    inputs = [cb.Input((int(rng.integers(2, 6)),), dtype=dtype) for _ in range(rng.integers(1, 4))]
    width = int(rng.integers(2, 6))
    smooth = ["tanh", "sigmoid", "softplus", "gelu", "silu", "elu", "softmax", "selu", "mish", "linear"]

    def dense(units=width):
        return layers.Dense(units, activation=str(rng.choice(smooth)), dtype=dtype)

    nodes = [dense()(x) for x in inputs]
    shared = dense()
    for _ in range(rng.integers(2, 9)):
        kind = rng.integers(7)
        a, b = (nodes[i] for i in rng.integers(len(nodes), size=2))
        if kind == 0:
            new = shared(a)
        elif kind == 1:
            new = layers.Add(dtype=dtype)([a, b])
        elif kind == 2:
            new = layers.Multiply(dtype=dtype)([a, b])
        elif kind == 3:
            new = dense()(layers.Concatenate(dtype=dtype)([a, b]))
        elif kind == 4:
            new = layers.Average(dtype=dtype)([a, b])
        elif kind == 5:
            inner = cb.Input((width,), dtype=dtype)
            new = cb.Model(inner, layers.Subtract(dtype=dtype)([dense()(inner), inner]))(a)
        else:
            new = dense()(layers.Dropout(0.3, seed=int(rng.integers(100)), dtype=dtype)(a))
        nodes.append(new)
    outputs = [dense(int(rng.integers(1, 4)))(nodes[-1])]
    if rng.integers(2):
        outputs.append(layers.Dense(2, dtype=dtype)(nodes[int(rng.integers(len(nodes)))]))
    return cb.Model(inputs, outputs)
