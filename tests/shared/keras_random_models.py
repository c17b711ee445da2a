"""Models drawn at random, of this library or of Keras, the same from the same seed."""

import numpy as np

ACTIVATIONS = ["tanh", "sigmoid", "softplus", "gelu", "silu", "elu", "softmax", "selu", "mish", "linear", "softsign"]

# Losses, and the activations of outputs that suit them.
LOSSES = {
    "MeanSquaredError": ["linear", "tanh"],
    "MeanAbsoluteError": ["linear", "softplus"],
    "Huber": ["linear"],
    "LogCosh": ["linear", "sigmoid"],
    "BinaryCrossentropy": ["sigmoid"],
    "CategoricalCrossentropy": ["softmax"],
    "SparseCategoricalCrossentropy": ["softmax"],
    "KLDivergence": ["softmax"],
    "Poisson": ["softplus"],
    "CategoricalHinge": ["linear"],
    "SquaredHinge": ["tanh"],
    "MeanSquaredLogarithmicError": ["softplus"],
}


def random_graph(library, seed):
    """A model and its losses: branches, merges, shared layers, a nested model, normalization, one or two outputs."""
    rng = np.random.default_rng(seed)
    layers = library.layers
    width = int(rng.integers(2, 7))
    inputs = [library.Input((int(rng.integers(2, 6)),)) for _ in range(rng.integers(1, 4))]

    def dense(units=width, activation=None, use_bias=None):
        regularizer = [None, None, "l2", library.regularizers.L1(1e-3)][rng.integers(4)]
        return layers.Dense(
            units,
            activation=activation or str(rng.choice(ACTIVATIONS)),
            use_bias=bool(rng.integers(4)) if use_bias is None else use_bias,
            kernel_regularizer=regularizer,
        )

    nodes = [dense()(x) for x in inputs]
    shared = dense()
    merges = [layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Concatenate]
    norms = [layers.LayerNormalization, layers.RMSNormalization, lambda: layers.BatchNormalization(momentum=0.8)]
    for _ in range(rng.integers(2, 8)):
        kind = int(rng.integers(6))
        a, b = (nodes[i] for i in rng.integers(len(nodes), size=2))
        if kind == 0:
            new = shared(a)
        elif kind in (1, 2):
            new = dense()(merges[rng.integers(len(merges))]()([a, b]))
        elif kind == 3:
            # Normalization takes away what was added before: if that is a weight, its gradient is what rounding leaves,
            # and Adam makes steps of that. Hence no bias before it, and no straight way from one to the next.
            new = norms[rng.integers(len(norms))]()(dense(activation="linear", use_bias=False)(a))
            new = layers.Activation("tanh")(new)
        elif kind == 4:
            inner = library.Input((width,))
            new = library.Model(inner, layers.Add()([dense()(inner), inner]))(a)
        else:
            new = layers.Reshape((width,))(layers.RepeatVector(1)(dense()(a)))
        nodes.append(new)
    outputs, losses = [], []
    for source in [nodes[-1], nodes[int(rng.integers(len(nodes)))]][: int(rng.integers(1, 3))]:
        name = str(rng.choice(list(LOSSES)))
        outputs.append(dense(int(rng.integers(2, 5)), str(rng.choice(LOSSES[name])))(source))
        losses.append(name)
    return library.Model(inputs, outputs if len(outputs) > 1 else outputs[0]), losses
