"""Dollars in names: matplotlib begins a formula with one, but names of layers are none."""

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.text import Text

import cbackprop as cb
from cbackprop import layers, plotting

BROKEN = "$a_{$"
X, Y = np.linspace(-1, 1, 18).reshape(9, 2), np.arange(9) % 3
IMAGES = np.linspace(0, 1, 9 * 64).reshape(9, 8, 8, 1)


@pytest.fixture(autouse=True)
def clean():
    yield
    plt.close("all")


def chain(name=BROKEN):
    hidden = layers.Dense(3, "tanh", name=f"{name}hidden")
    output = layers.Dense(3, "softmax", name=f"{name}out")
    model = cb.Sequential([cb.Input((2,), name=f"{name}in"), hidden, output], name=f"{name}model")
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def images():
    convolution = layers.Conv2D(2, 3, name=f"{BROKEN}conv")
    model = cb.Sequential([cb.Input((8, 8, 1)), convolution, layers.Flatten(), layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def film(model):
    recorded = cb.callbacks.Trace(X, Y)
    model.fit(X, Y, verbose=0, callbacks=[recorded])
    return recorded.traces


def nested():
    return cb.Sequential([cb.Input((2,)), chain(), layers.Dense(1, name=f"{BROKEN}last")])


def traced(model):
    return plotting.network(model, model.trace(X, Y))


LABELS = [f"{BROKEN}{number}" for number in range(3)]
HISTORY = {"loss": [2.0, 1.0], BROKEN: [1.0, 2.0]}
# What is drawn, and a text that must be in it.
DRAWN = {
    "activations": (lambda: plotting.activations(chain(), X), "$a_{$hidden"),
    "feature maps": (lambda: plotting.activations(images(), IMAGES, kind="image"), "$a_{$conv (6, 6, 2)"),
    "gradient_flow": (lambda: plotting.gradient_flow(chain(), X, Y), "Gradients of $a_{$model"),
    "gradient_flow's weights": (lambda: plotting.gradient_flow(chain(), X, Y), "$a_{$out/bias"),
    "gradient_history": (lambda: plotting.gradient_history(film(chain())), "$a_{$hidden/kernel"),
    "network": (lambda: plotting.network(chain()), "$a_{$out\n3 units"),
    "network of a trace": (lambda: traced(chain()), "$a_{$out\n3 units"),
    "plot_model": (lambda: plotting.plot_model(nested(), None, show_layer_names=True), "$a_{$last (Dense)"),
    "nested models": (lambda: plotting.plot_model(nested(), None, False, False, True, "TB", True), "$a_{$model"),
    "weights": (lambda: plotting.weights(chain()), "$a_{$hidden/bias (3,)"),
    "kernels": (lambda: plotting.weights(images(), kind="image"), "$a_{$conv/kernel (3, 3, 1, 2)"),
    "confusion": (lambda: plotting.confusion(Y, Y, LABELS), "$a_{$2"),
    "decision_boundary": (lambda: plotting.decision_boundary(chain(), X, Y, LABELS), "$a_{$2"),
    "saliency": (lambda: plotting.saliency(images(), IMAGES[:1], 1, LABELS), "gradient of $a_{$1"),
    "curves": (lambda: plotting.curves(HISTORY), BROKEN),
    "curves of runs": (lambda: plotting.curves({BROKEN: HISTORY, "$b_{$": HISTORY}), "$a_{$, training"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_names_that_are_no_formulas(name):
    """They are drawn as they are."""
    draw, text = DRAWN[name]
    drawn = draw()
    figure = (drawn[0] if isinstance(drawn, list) else drawn).figure
    figure.canvas.draw()
    shown = [each for each in figure.findobj(Text) if text in each.get_text() and each.get_visible()]
    assert shown
    assert not any(each.get_parse_math() for each in shown)


def test_a_name_that_would_be_a_formula():
    """A layer's name is shown letter by letter. Labels that the caller writes may be formulas."""
    figure = plotting.gradient_flow(chain("$x^2$"), X, Y).figure
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if "$x^2$" in text.get_text())
    ax = plotting.confusion(Y, Y, ["$x^2$", "$5", "c"])
    assert [text.get_parse_math() for text in ax.get_xticklabels()] == [True, False, True]
