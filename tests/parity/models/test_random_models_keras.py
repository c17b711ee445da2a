"""Random functional models, each with random losses and a random optimizer, give Keras's numbers in float32."""

import keras
import loss_cases
import numpy as np
import pytest

import cbackprop as cb

MODELS = 220
STEPS, BATCH = 5, 8
RELATIVE, ABSOLUTE = 2e-4, 2e-5

ACTIVATIONS = ["tanh", "sigmoid", "softplus", "gelu", "silu", "elu", "softmax", "selu", "mish", "linear", "softsign"]
OPTIMIZERS = {
    "SGD": [{}, {"momentum": 0.9}, {"momentum": 0.8, "nesterov": True}],
    "RMSprop": [{}, {"centered": True, "momentum": 0.5}],
    "Adam": [{}, {"amsgrad": True}],
    "AdamW": [{}],
    "Adamax": [{}],
    "Nadam": [{}],
    "Adagrad": [{}],
    "Adadelta": [{"epsilon": 1e-3}],
    "Ftrl": [{}],
    "Lamb": [{}],
}
SHARED = [{}, {}, {"weight_decay": 0.01}, {"clipnorm": 0.5}, {"clipvalue": 0.05}, {"global_clipnorm": 1.0}]
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


def compiled(library, seed):
    model, losses = random_graph(library, seed)
    rng = np.random.default_rng(seed)
    name = str(rng.choice(list(OPTIMIZERS)))
    own, shared = OPTIMIZERS[name], SHARED
    options = {**shared[rng.integers(len(shared))], **own[rng.integers(len(own))]}
    made = [getattr(library.losses, loss)() for loss in losses]
    model.compile(getattr(library.optimizers, name)(0.01, **options), made if len(made) > 1 else made[0])
    return model


@pytest.mark.parametrize("seed", range(MODELS))
def test_random_model(seed):
    ours, theirs = compiled(cb, seed), compiled(keras, seed)
    rng = np.random.default_rng(1000 + seed)
    weights = [w + rng.normal(0, 0.1, size=w.shape).astype(w.dtype) for w in ours.get_weights()]
    weights = [np.abs(w) if len(w.shape) == 1 else w for w in weights]  # moving variances among them
    for model in (ours, theirs):
        model.set_weights(weights)
    for _ in range(STEPS):
        x = [rng.normal(size=(BATCH, *tensor.shape[1:])).astype("float32") for tensor in ours.inputs]
        pairs = zip(ours._objectives, ours.outputs, strict=True)
        y = [loss_cases.targets_for(objective.loss, (BATCH, *out.shape[1:]), rng) for objective, out in pairs]
        x, y = (one if len(one) > 1 else one[0] for one in (x, y))
        a, b = (model.train_on_batch(x, y, return_dict=True) for model in (ours, theirs))
        np.testing.assert_allclose(a["loss"], b["loss"], rtol=RELATIVE, atol=ABSOLUTE)
    for p, q in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(p, q, rtol=RELATIVE, atol=10 * ABSOLUTE)
