"""Arguments of losses, metrics, regularizers and constraints that are set between two runs: both engines use them."""

import numpy as np
import pytest

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


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("case", CASES)
def test_as_if_made_so(case, engine):
    """The next run is that of a model whose loss, metric, ... had the value from then on; the optimizer goes on."""
    make, use, name, value = CASES[case]

    def run(changes):
        thing = make()
        model = use(thing, engine)
        model.fit(X, Y, shuffle=False, verbose=0)
        if changes == "set":
            setattr(thing, name, value)
        elif changes == "another model":
            other = make()
            setattr(other, name, value)
            again = use(other, engine)
            again.fit(X, Y, shuffle=False, verbose=0)  # makes slots
            again.set_weights(model.get_weights())
            again.optimizer.iterations = 1
            for slot, old in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
                slot.assign(old)
            model = again
        losses_of_fit = model.fit(X, Y, epochs=2, shuffle=False, verbose=0).history["loss"]
        return [*model.get_weights(), losses_of_fit, model.evaluate(X, Y, verbose=0)]

    found, expected, before = run("set"), run("another model"), run("nothing")
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert any(not np.allclose(a, b, atol=1e-6) for a, b in zip(found, before, strict=True))
