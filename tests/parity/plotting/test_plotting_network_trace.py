"""plotting.network with a trace: colors of gradients, and units that are dead or saturated."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba

import cbackprop as cb
from cbackprop import layers, plotting

X, Y = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([[0.0], [1.0], [1.0], [0.0]])


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def traced(function, weights):
    model = cb.Sequential([cb.Input((2,)), layers.Dense(2, function, name="hidden"), layers.Dense(1, name="output")])
    model.compile("sgd", "mse")
    model.set_weights(weights)
    return model, model.trace(X, Y)


def test_colors_are_those_of_gradients():
    model, trace = traced("tanh", [[[0.5, -0.4], [-0.6, 0.2]], [0.1, 0.0], [[0.6], [-0.5]], [0.05]])
    edges = plotting.network(model, trace).lines
    plain = plotting.network(model).lines
    gradients = [*trace.weights["hidden/kernel"].gradient.ravel(), *trace.weights["output/kernel"].gradient.ravel()]
    weights = [*model.get_weights()[0].ravel(), *model.get_weights()[2].ravel()]
    assert [line.get_color() for line in edges] == ["C3" if value > 0 else "C0" for value in gradients]
    assert [line.get_color() for line in plain] == ["C3" if value > 0 else "C0" for value in weights]
    assert [line.get_linewidth() for line in edges] == [line.get_linewidth() for line in plain]


@pytest.mark.parametrize(
    ("function", "bias", "mark", "color"),
    [("relu", -9.0, "dead", "0.55"), ("tanh", 9.0, "saturated", "gold"), ("sigmoid", 9.0, "saturated", "gold")],
)
def test_marks(function, bias, mark, color):
    model, trace = traced(function, [np.ones((2, 2)), [0.0, bias], np.ones((2, 1)), [0.0]])
    ax = plotting.network(model, trace)
    fills = [collection.get_facecolors() for collection in ax.collections[:3]]
    np.testing.assert_allclose(fills[1], [to_rgba("white"), to_rgba(color)])
    assert [text.get_text().partition(":")[0] for text in ax.get_legend().get_texts()] == [mark]
    assert plotting.network(model).get_legend() is None


def test_mistakes():
    model, trace = traced("tanh", [np.ones((2, 2)), np.ones(2), np.ones((2, 1)), [0.0]])
    other = cb.Sequential([cb.Input((2,)), layers.Dense(3, name="hidden"), layers.Dense(1, name="output")])
    for wrong, kind in ((other, ValueError), (cb.Sequential([cb.Input((2,)), layers.Dense(1)]), ValueError)):
        with pytest.raises(kind, match="trace is not one of model"):
            plotting.network(wrong, trace)
    with pytest.raises(TypeError, match="trace must be"):
        plotting.network(model, X)
