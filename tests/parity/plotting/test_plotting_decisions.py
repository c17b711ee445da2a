"""Pictures of what a network decides, of its units and edges, and of weights as images."""

import re

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
from matplotlib import pyplot as plt

import cbackprop as cb
from cbackprop import layers, plotting


@pytest.fixture(autouse=True)
def clean():
    yield
    plt.close("all")


def line(units, activation):
    """A model that decides by the first number: at 0, and for three classes also at 1."""
    model = cb.Sequential([cb.Input((2,)), layers.Dense(units, activation)])
    kernel = np.zeros((2, units), np.float32)
    kernel[0] = np.arange(units) * 10 if units > 1 else 10
    bias = {1: [0], 2: [0, 0], 3: [0, 0, -10]}[units]
    model.set_weights([kernel, np.array(bias, np.float32)])
    return model


X = np.array([[-2.0, 0.0], [-1.0, 3.0], [0.5, 1.0], [2.0, 2.0]])


@pytest.mark.parametrize("activation", [True, False])
@pytest.mark.parametrize("units", [1, 2, 3])
def test_the_plane_has_the_colors_of_what_is_predicted(units, activation):
    model = line(units, ("sigmoid" if units == 1 else "softmax") if activation else None)
    truth = [0, 0, 1, 2 if units == 3 else 1]
    ax = plotting.decision_boundary(model, X, truth, resolution=50)
    assert ax.get_title() == "4 of 4 right (100.0 %)"
    (image,) = ax.images
    picture, (left, right, *_) = image.get_array(), image.get_extent()
    assert (left, right) == pytest.approx((-2.4, 2.4))
    colors = [mpl.colors.to_rgb(f"C{number}") for number in range(3)]
    for place, expected in ((0, 0), (30, 1), (49, 2 if units == 3 else 1)):
        pale = picture[20, place]
        inks = [(1 - np.array(color)) / np.max(1 - np.array(color)) for color in [pale, *colors]]
        assert np.argmin([np.abs(ink - inks[0]).max() for ink in inks[1:]]) == expected
    lines = [
        line
        for collection in ax.collections
        for path in collection.get_paths()
        if len(path.vertices) >= 50
        for line in np.split(path.vertices[:, 0], np.flatnonzero(path.codes == path.MOVETO)[1:])
    ]
    assert max(map(np.ptp, lines)) < 0.1
    borders = [round(float(line.mean()), 1) for line in lines]
    assert sorted(set(borders)) == ([0, 1] if units == 3 else [0])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [str(number) for number in sorted(set(truth))]


def test_samples_without_classes_and_given_axes():
    _, given = plt.subplots()
    ax = plotting.decision_boundary(line(1, "sigmoid"), X, ax=given)
    assert ax is given
    assert ax.get_legend() is None
    assert ax.get_title() == ""
    names = plotting.decision_boundary(
        line(2, "softmax"), X, np.eye(2)[[0, 0, 1, 1]], labels=["no", "yes"]
    ).get_legend()
    assert [text.get_text() for text in names.get_texts()] == ["no", "yes"]


def test_a_network():
    model = cb.Sequential(
        [
            cb.Input((3,), name="x"),
            layers.Dense(4, "tanh", name="a"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(1, name="b"),
        ]
    )
    kernel = np.array([[1.0, -2, 0, 0], [0, 0, 4, 0], [0, 0, 0, 0.5]], np.float32)
    model.get_layer("a").set_weights([kernel, np.zeros(4)])
    ax = plotting.network(model)
    edges = ax.get_lines()
    assert len(edges) == 3 * 4 + 4
    widths = np.array([edge.get_linewidth() for edge in edges[:12]]).reshape(3, 4)
    np.testing.assert_allclose(widths, 0.3 + 2.2 * np.abs(kernel) / 4)
    assert [edges[place].get_color() for place in (0, 1, 6)] == ["C3", "C0", "C3"]
    assert [text.get_text() for text in ax.texts] == ["x\n3 units", "a\n4 units\ntanh\ndrop", "b\n1 unit"]
    assert [len(units.get_offsets()) for units in ax.collections] == [3, 4, 1]


def test_a_network_of_many_units_and_of_nested_models():
    inner = cb.Sequential([cb.Input((40,)), layers.Dense(12, "relu"), layers.Activation("tanh")])
    x = cb.Input((2,))
    model = cb.Model(x, layers.Dense(13)(inner(layers.Dense(40)(x))))
    ax = plotting.network(model)
    assert [len(units.get_offsets()) for units in ax.collections] == [2, 10, 12, 10]
    assert len(ax.get_lines()) == 2 * 10 + 10 * 12 + 12 * 10
    assert sum(text.get_text() == "⋮" for text in ax.texts) == 2


def test_a_single_mistake_is_seen():
    truth = np.repeat(np.arange(4), 5000)
    found = truth.copy()
    found[0] = 3
    found[5000:5900] = 2
    ax = plotting.confusion(truth, found)
    counts, mistakes = ax.images
    assert counts.get_array()[0, 3] == 1
    color = mistakes.cmap(mistakes.norm(mistakes.get_array()))
    assert np.abs(color[0, 3, :3] - 1).max() > 0.2
    assert color[0, 3, 2] > color[1, 2, 2]  # the rarer, the paler
    assert mistakes.get_array().mask.sum() == 14
    assert len(plotting.confusion(truth, truth).images) == 1


def test_weights_as_images():
    model = cb.Sequential(
        [cb.Input((64,)), layers.Dense(4, name="a"), layers.Dense(64, name="b"), layers.Dense(2, name="c")]
    )
    kernel = model.get_layer("a").kernel.numpy()
    panels = plotting.weights(model, kind="image", shape=(8, 8))
    shapes = [panel.images[0].get_array().shape for panel in panels]
    assert shapes == [(17, 17), (1, 4), (4, 64), (1, 64), (8, 17), (1, 2)]
    np.testing.assert_array_equal(panels[0].images[0].get_array()[:8, 9:], kernel[:, 1].reshape(8, 8))
    colors = cb.Sequential([cb.Input((48,)), layers.Dense(4)])
    assert plotting.weights(colors, "image", shape=(4, 4, 3))[0].images[0].get_array().shape == (9, 9, 3)


def taking(*shape):
    return cb.Sequential([cb.Input(shape), layers.Dense(1)])


PLANE = line(1, "sigmoid")
MISTAKES = {
    "three numbers": (lambda: plotting.decision_boundary(taking(3), X), "takes [(3,)]"),
    "an image": (lambda: plotting.decision_boundary(taking(2, 1), X), "takes [(2, 1)]"),
    "no model": (lambda: plotting.decision_boundary(3, X), "model must be a model, but got int"),
    "x": (lambda: plotting.decision_boundary(PLANE, [[1, 2, 3]]), "x must hold rows of two numbers"),
    "nan": (lambda: plotting.decision_boundary(PLANE, [[np.nan, 1]]), "x must be finite"),
    "y": (lambda: plotting.decision_boundary(PLANE, X, [0, 1]), "equally long, but got 4 and 2"),
    "fractions": (lambda: plotting.decision_boundary(PLANE, X, [0.5] * 4), "y must hold class numbers"),
    "labels": (lambda: plotting.decision_boundary(PLANE, X, labels=["a"]), "labels must name all 2 classes"),
    "resolution": (lambda: plotting.decision_boundary(PLANE, X, resolution=1), "resolution must be at least 2"),
    "ax": (lambda: plotting.decision_boundary(PLANE, X, ax=3), "ax must be axes"),
    "branches": (lambda: plotting.network(branched()), "is not a chain of layers. Use plot_model"),
    "convolution": (lambda: plotting.network(taking(4, 1)), "takes inputs of the"),
    "reshape": (
        lambda: plotting.network(cb.Sequential([cb.Input((4,)), layers.Reshape((2, 2))])),
        "cannot be drawn as units",
    ),
    "shape": (lambda: plotting.weights(PLANE, "image", shape=(8, 8)), "shape (8, 8) needs a kernel with 64 inputs"),
    "histogram": (lambda: plotting.weights(PLANE, shape=(1, 2)), "shape is for kind='image', but kind is 'histogram'"),
    "one size": (lambda: plotting.weights(PLANE, "image", shape=(2,)), "shape must be (height, width) or"),
    "number": (lambda: plotting.weights(PLANE, "image", shape=2), "shape must be a tuple (height, width)"),
}


def branched():
    x = cb.Input((2,))
    return cb.Model(x, layers.Add()([layers.Dense(2)(x), x]))


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    act, message = MISTAKES[name]
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        act()
