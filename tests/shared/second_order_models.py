"""Models and data for optimizers that look at all samples."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, optimizers
from cbackprop.engine.problem import EngineProblem

CLASSES = {name: cls for name, cls in optimizers.registry if issubclass(cls, optimizers.FullBatchOptimizer)}
EACH_CLASS = pytest.mark.parametrize("name", CLASSES)
EACH_TYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])
EACH_ENGINE = pytest.mark.parametrize("engine", ["compiled", "reference"])


def dense(seed=1, outputs=1, dtype="float64", units=8):
    cb.utils.set_random_seed(seed)
    cb.config.set_floatx(dtype)
    return cb.Sequential(
        [
            cb.Input((2,)),
            layers.Dense(units, activation="tanh"),
            layers.Dense(5, activation="sigmoid"),
            layers.Dense(outputs),
        ]
    )


def branched(dtype="float64"):
    """Two outputs, a layer used twice, a frozen layer, a slope of its own, an output without a loss."""
    cb.utils.set_random_seed(3)
    cb.config.set_floatx(dtype)
    x = cb.Input((2,))
    shared = layers.Dense(4, activation="tanh")
    frozen = layers.Dense(4, activation="tanh")
    frozen.trainable = False
    h = shared(layers.Dense(4)(frozen(shared(layers.Dense(4, activation="tanh")(x)))))
    h = layers.Add()([h, layers.PReLU()(layers.Dense(4)(x))])
    return cb.Model(x, [layers.Dense(3, name="a")(h), layers.Dense(1, name="b")(h), layers.Dense(2, name="c")(h)])


def data(outputs=1, n=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, 2))
    y = np.stack([np.sin(3 * x[:, 0] + k) * x[:, 1] for k in range(outputs)], 1)
    return x, y + 0.05 * rng.normal(size=y.shape)


def problem_of(model, x, y, sample_weight=None):
    """The loss of these data, in the form in which optimizers get it."""
    engine = model._prepare(x, "fit")
    engine.bind()
    return EngineProblem(engine, model._samples(engine, x, y, sample_weight, None).data)
