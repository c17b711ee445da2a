"""Arguments of losses, metrics, regularizers and constraints that are set between two runs: both engines use them."""

import numpy as np
import pytest
from argument_cases import CASES, X, Y, network

import cbackprop as cb
from cbackprop import constraints, layers, regularizers


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


def small(engine, regularizer=None, constraint=None):
    """A network with a table and a kernel, and those of its weights that get these arguments."""
    cb.utils.set_random_seed(1)
    model = cb.Sequential(
        [
            cb.Input((3,), dtype="int32"),
            layers.Embedding(9, 2, embeddings_regularizer=regularizer, embeddings_constraint=constraint),
            layers.Flatten(),
            layers.Dense(2, kernel_regularizer=regularizer, kernel_constraint=constraint),
        ]
    )
    model.compile(cb.optimizers.SGD(0.1), "mse", engine=engine)
    return model, [model.layers[0].embeddings, model.layers[-1].kernel]


class HalfTheSquare:
    """A regularizer that is no subclass of the library's."""

    def __call__(self, x):
        return 0.5 * float((np.asarray(x) ** 2).sum())

    def gradient(self, x):
        return np.asarray(x)


SHARED = regularizers.L2(0.3)  # exists before, so that nothing of it is set when a weight gets it
ON_WEIGHTS = {
    "a new regularizer": ("regularizer", None, lambda: regularizers.L1L2(0.1, 0.2)),
    "an old regularizer": ("regularizer", None, lambda: SHARED),
    "a name": ("regularizer", None, lambda: "l2"),
    "a user's class": ("regularizer", None, HalfTheSquare),
    "another regularizer": ("regularizer", "l1", lambda: SHARED),
    "no regularizer any more": ("regularizer", "l2", lambda: None),
    "a constraint": ("constraint", None, lambda: constraints.MaxNorm(0.2)),
    "a function": ("constraint", None, lambda: np.abs),
    "no constraint any more": ("constraint", constraints.MaxNorm(0.2), lambda: None),
}


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("case", ON_WEIGHTS)
def test_set_on_weights(case, engine):
    """A regularizer or a constraint of a weight that had none, or another one, takes effect in the next run."""
    name, before, after = ON_WEIGHTS[case]
    x, y = np.arange(36).reshape(12, 3) % 9, Y.astype("f")

    def results(model):
        loss = model.evaluate(x, y, verbose=0)
        gradients = [] if name == "constraint" else model.gradients(x, y)
        history = model.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0)
        return [*model.get_weights(), *gradients, loss, history.history["loss"]]

    model, weights = small(engine, **{name: before})
    results(model)
    first = model.get_weights()
    for weight in weights:
        setattr(weight, name, after())
    found = results(model)
    other, _ = small(engine, **{name: after()})
    other.set_weights(first)
    for a, b in zip(found, results(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    unchanged, _ = small(engine, **{name: before})
    unchanged.set_weights(first)
    assert not np.allclose(found[0], results(unchanged)[0])


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_set_on_weights_by_a_callback(engine):
    x, y = np.arange(36).reshape(12, 3) % 9, Y.astype("f")
    model, weights = small(engine)

    def penalize(epoch, logs=None):
        for weight in weights:
            weight.regularizer = SHARED if epoch else None

    callback = cb.callbacks.LambdaCallback(on_epoch_begin=penalize)
    model.fit(x, y, epochs=3, batch_size=4, shuffle=False, verbose=0, callbacks=[callback])
    other, weights = small(engine)
    other.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    penalize(1)
    other.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_many_models_of_which_some_have_it():
    """They take turns at one engine."""
    alone, together = ([network("compiled") for _ in range(4)] for _ in range(2))
    for models in (alone, together):
        for model in models[1::2]:
            model.layers[0].kernel.regularizer = SHARED
    for model in alone:
        model.fit(X, Y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    cb.fit_many(together, X, Y, epochs=2, batch_size=4, shuffle=False, verbose=0, threads=1)
    for one, other in zip(alone, together, strict=True):
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(alone[0].get_weights()[0], alone[1].get_weights()[0])


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("constraint", "max_norm", "cannot keep to the constraint of weight 'dense/kernel'"),
        ("regularizer", "l2", "needs a sum of squares, but weight 'dense/kernel' has a regularizer"),
    ],
)
def test_an_optimizer_that_cannot_take_it(name, value, message, engine):
    cb.utils.set_random_seed(1)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2, name="dense")])
    model.compile(cb.optimizers.LevenbergMarquardt(), "mse", engine=engine)
    model.fit(X, Y.astype("f"), verbose=0)
    setattr(model.layers[0].kernel, name, value)
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y.astype("f"), verbose=0)
    setattr(model.layers[0].kernel, name, None)
    model.fit(X, Y.astype("f"), verbose=0)
