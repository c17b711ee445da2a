"""Arguments of losses, metrics, regularizers and constraints that are set after a model was made, and a small model."""

import numpy as np

import cbackprop as cb
from cbackprop import constraints, layers, losses, metrics, regularizers

X = np.random.default_rng(0).normal(size=(12, 3))
Y = X[:, :2] > 0


def network(engine, loss="mse", metric=None, **kwargs):
    cb.utils.set_random_seed(1)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, "tanh", **kwargs), layers.Dense(2)])
    model.compile(cb.optimizers.SGD(0.1, momentum=0.9), loss, metrics=[metric] if metric else None, engine=engine)
    return model


# What is changed, how a network uses it, an argument, and another value of it.
CASES = {
    "loss": (lambda: losses.Huber(2.0), lambda thing, engine: network(engine, thing), "delta", 0.1),
    "reduction": (lambda: losses.MeanSquaredError(), lambda thing, engine: network(engine, thing), "reduction", "sum"),
    "axis": (lambda: losses.Dice(axis=None), lambda thing, engine: network(engine, thing), "axis", -1),
    "cut": (
        lambda: metrics.BinaryIoU(threshold=0.5, dtype="float32"),
        lambda thing, engine: network(engine, metric=thing),
        "threshold",
        0.0,
    ),
    "metric": (
        lambda: metrics.BinaryAccuracy(threshold=0.5),
        lambda thing, engine: network(engine, metric=thing),
        "threshold",
        0.1,
    ),
    "regularizer": (
        lambda: regularizers.L2(0.01),
        lambda thing, engine: network(engine, kernel_regularizer=thing),
        "l2",
        0.5,
    ),
    "of outputs": (
        lambda: regularizers.L2(0.01),
        lambda thing, engine: network(engine, activity_regularizer=thing),
        "l2",
        0.5,
    ),
    "max_norm": (
        lambda: constraints.MaxNorm(3.0),
        lambda thing, engine: network(engine, kernel_constraint=thing),
        "max_value",
        0.2,
    ),
    "min_max_norm": (
        lambda: constraints.MinMaxNorm(0.0, 3.0),
        lambda thing, engine: network(engine, kernel_constraint=thing),
        "max_value",
        0.2,
    ),
}
