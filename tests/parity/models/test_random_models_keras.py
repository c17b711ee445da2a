"""Random functional models, each with random losses and a random optimizer, give Keras's numbers in float32."""

import keras
import loss_cases
import numpy as np
import pytest
from keras_random_models import random_graph

import cbackprop as cb

MODELS = 220
STEPS, BATCH = 5, 8
RELATIVE, ABSOLUTE = 2e-4, 2e-5

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
