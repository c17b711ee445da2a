"""train_on_batch, test_on_batch and model.metrics against Keras: each call, and fit, begins its metrics anew."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

import cbackprop as cb

X = np.sin(np.arange(36.0, dtype="float32")).reshape(12, 3)
Y = np.cos(np.arange(24.0, dtype="float32")).reshape(12, 2)
W = np.linspace(0, 2, 12).astype("float32")


def models(outputs):
    made, weights = [], None
    for library in (keras, cb):
        x = library.Input((3,))
        hidden = library.layers.Dense(4, "tanh")(x)
        heads = [library.layers.Dense(2, name=f"head{i}")(hidden) for i in range(outputs)]
        model = library.Model(x, heads[0] if outputs == 1 else heads)
        weights = weights or model.get_weights()
        model.set_weights(weights)
        metrics = ["mae"] if outputs == 1 else [["mae"], ["mse"]]
        model.compile(library.optimizers.SGD(0.1), ["mse"] * outputs, metrics=metrics)
        made.append(model)
    return made


@pytest.mark.parametrize("outputs", [1, 2])
def test_sequences(outputs):
    y = Y if outputs == 1 else [Y, 2 * Y]
    part = Y[:5] if outputs == 1 else [Y[:5], 2 * Y[:5]]
    weight = W if outputs == 1 else [W, W[::-1].copy()]
    found = []
    for model in models(outputs):
        said = [
            model.train_on_batch(X, y),
            model.train_on_batch(X[:5], part),
            model.test_on_batch(X, y),
            model.test_on_batch(X[:5], part),
            model.train_on_batch(X, y, sample_weight=weight),
            list(model.get_metrics_result().values()),
            model.test_on_batch(X, y, sample_weight=weight),
            *model.fit(X, y, epochs=2, batch_size=5, shuffle=False, verbose=0).history.values(),
            model.train_on_batch(X, y),
            model.evaluate(X, y, verbose=0),
        ]
        named = model.train_on_batch(X, y, return_dict=True)
        listed = [metric.name for metric in model.metrics]
        results = [float(metric.result()) for metric in model.metrics if metric.name != "compile_metrics"]
        found.append(([*said, *named.values(), *results], list(named), listed))
    (theirs, *names), (ours, *our_names) = found
    assert our_names == names
    for a, b in zip(theirs, ours, strict=True):
        assert_allclose(np.asarray(b, float), np.asarray(a, float), rtol=1e-4)


@pytest.mark.parametrize("outputs", [1, 2])
def test_metrics_before_and_after_the_first_batch(outputs):
    listed = []
    for model in models(outputs):
        model.fit(X, Y if outputs == 1 else [Y, Y], verbose=0)
        holder = model.metrics[1]
        listed.append(([metric.name for metric in model.metrics], [metric.name for metric in holder.metrics]))
        model.reset_metrics()
        assert all(float(value) == 0 for value in model.get_metrics_result().values())
    assert listed[0] == listed[1]
