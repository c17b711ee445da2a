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


def test_kernels_of_other_shapes():
    _, trace = traced("tanh", [np.ones((2, 2)), np.ones(2), np.ones((2, 1)), [0.0]])
    for inputs in (1, 3):
        other = cb.Sequential(
            [cb.Input((inputs,)), *(layers.Dense(n, name=k) for n, k in ((2, "hidden"), (1, "output")))]
        )
        with pytest.raises(ValueError, match=r"has the shape \(2, 2\)"):
            plotting.network(other, trace)


def test_layers_of_one_name_in_nested_models():
    inner = cb.Sequential([cb.Input((2,)), layers.Dense(2, "tanh", name="unit")])
    model = cb.Sequential([cb.Input((2,)), inner, layers.Dense(2, name="unit")])
    model.compile("sgd", "mse")
    trace = model.trace(X, np.concatenate([Y, Y], axis=1))
    gradients = [weight.gradient for weight in trace.weights.values()]
    colors = ["C3" if value > 0 else "C0" for k in (0, 2) for value in gradients[k].ravel()]
    assert [line.get_color() for line in plotting.network(model, trace).lines] == colors


def test_a_slash_in_a_name():
    model = cb.Sequential([cb.Input((2,)), layers.Dense(1, name="a/b")])
    model.compile("sgd", "mse")
    assert len(plotting.network(model, model.trace(X, Y)).lines) == 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 0.0])
@pytest.mark.filterwarnings("error")
def test_diverged(value):
    weights = [np.ones((2, 2)), np.ones(2), np.ones((2, 1)), [0.0]]
    weights[0][0, 1] = value
    model, trace = traced("tanh", weights)
    for ax in (plotting.network(model), plotting.network(model, trace), plotting.gradient_flow(model, X, Y)):
        ax.figure.canvas.draw()
    texts = {text.get_text() for text in ax.texts}
    assert ("not finite" in texts) == (not np.isfinite(value))


@pytest.mark.filterwarnings("error")
def test_gradient_flow_of_nothing_finite():
    model, _ = traced("tanh", [np.full((2, 2), np.nan), np.ones(2) * np.nan, np.full((2, 1), np.nan), [np.nan]])
    ax = plotting.gradient_flow(model, X, Y)
    ax.figure.canvas.draw()
    assert {text.get_text() for text in ax.texts} == {"not finite"}
