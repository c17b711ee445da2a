"""Pictures: what is drawn is what was measured, wherever it is drawn; and Keras's arguments."""

import inspect
import re

import keras
import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
from matplotlib import pyplot as plt

import cbackprop as cb
from cbackprop import layers, plotting

HISTORY = {"accuracy": [0.1, 0.5], "loss": [3.0, 2.0], "val_loss": [3.5, 2.5], "val_accuracy": [0.2, 0.4]}


@pytest.fixture(autouse=True)
def clean():
    """No style is changed, and no figure stays open."""
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    plt.close("all")


@pytest.fixture
def model():
    x = cb.Input((4,), name="x")
    inner = cb.Sequential([cb.Input((4,)), layers.Dense(4, "relu", name="deep")], name="inner")
    h = layers.Add(name="sum")([inner(x), x])
    h = layers.Dropout(0.5, name="drop")(inner(h))
    model = cb.Model(x, layers.Dense(3, "softmax", name="out")(h), name="whole")
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


X, Y = np.linspace(-1, 1, 40).reshape(10, 4), np.arange(10) % 3


def lines(ax):
    return {line.get_label(): line.get_ydata().tolist() for line in ax.get_lines()}


def test_curves():
    panels = plotting.curves(HISTORY)
    assert [ax.get_ylabel() for ax in panels] == ["loss", "accuracy"]
    assert lines(panels[0]) == {"training": [3.0, 2.0], "validation": [3.5, 2.5]}
    assert panels[0].get_lines()[0].get_xdata().tolist() == [1, 2]
    assert panels[0].get_xlabel() == "epoch"


def test_curves_of_several_runs_and_given_axes():
    _, both = plt.subplots(1, 2)
    shorter = {"loss": [1.0]}
    found = plotting.curves({"a": HISTORY, "b": shorter}, ["loss", "accuracy"], ax=both, yscale="log")
    assert found == list(both)
    assert lines(both[0]) == {"a, training": [3.0, 2.0], "a, validation": [3.5, 2.5], "b, training": [1.0]}
    assert both[0].get_yscale() == "log"
    assert len(plt.get_fignums()) == 1
    assert set(lines(plotting.curves([HISTORY, shorter], "loss"))) >= {"run 1, training", "run 2, training"}


def test_history_plot(model):
    history = model.fit(X, Y, epochs=4, validation_data=(X, Y), validation_freq=2, verbose=0)
    ax = history.plot("loss")
    assert lines(ax) == {"training": history.history["loss"], "validation": history.history["val_loss"]}
    assert ax.get_lines()[1].get_xdata().tolist() == [2, 4]
    history = model.fit(X, Y, epochs=6, initial_epoch=4, verbose=0)
    assert history.plot("loss").get_lines()[0].get_xdata().tolist() == [5, 6]


@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
def test_confusion(normalize):
    truth, found = [0, 0, 1, 2, 2, 2], [0, 1, 1, 2, 2, 0]
    counts = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 2]])
    total = {"true": counts.sum(1, keepdims=True), "pred": counts.sum(0), "all": 6, None: 100}[normalize]
    ax = plotting.confusion(truth, np.eye(3)[found], labels=["a", "b", "c"], normalize=normalize)
    np.testing.assert_allclose(ax.images[0].get_array(), 100 * counts / total)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
    assert ax.get_title() == "4 of 6 right (66.7 %)"
    texts = [text.get_text() for text in ax.texts]
    assert texts == [f"{value:.0f}" for value in np.ravel(100 * counts / total)]


def test_confusion_of_probabilities():
    ax = plotting.confusion([[1, 0], [0, 1], [0, 1]], [0.1, 0.8, 0.3])
    np.testing.assert_array_equal(ax.images[0].get_array(), [[1, 0], [1, 1]])
    assert not plotting.confusion(np.arange(40), np.arange(40)).texts


def test_weights(model):
    panels = plotting.weights(model)
    assert [ax.get_title() for ax in panels] == [f"{v.path} {v.shape}" for v in model.weights]
    assert sum(bar.get_height() for bar in panels[0].patches) == 16
    (image,) = plotting.weights(model, "image", layers=["out"])[0].images
    np.testing.assert_array_equal(image.get_array(), model.get_layer("out").get_weights()[0])
    assert image.norm.vmin == -image.norm.vmax


def test_activations(model):
    ax = plotting.activations(model, X)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["inner", "sum", "inner", "drop", "out"]
    deep = model.get_layer("inner")(X)
    medians = [
        line.get_xdata()[0] for line in ax.get_lines() if len(set(line.get_xdata())) == 1 and line.get_linewidth() < 1
    ]
    assert any(np.isclose(np.median(deep), median) for median in medians)
    assert "zeros" in ax.texts[0].get_text()
    assert plotting.activations(model, {"x": X}).get_title().endswith("for 10 samples")


def test_gradient_flow(model):
    before = model.get_weights()
    ax = plotting.gradient_flow(model, X, Y)
    assert [label.get_text() for label in ax.get_yticklabels()] == [v.path for v in model.trainable_variables]
    expected = [np.sqrt(np.mean(g**2)) for g in model.gradients(X, Y)]
    np.testing.assert_allclose([bar.get_width() for bar in ax.containers[1]], expected, rtol=1e-6)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
@pytest.mark.parametrize("rankdir", ["TB", "LR"])
def test_plot_model(tmp_path, model, suffix, rankdir):
    path = tmp_path / f"m.{suffix}"
    ax = cb.utils.plot_model(model, path, True, True, True, rankdir, True, 50, True, True)
    assert path.stat().st_size > 3000
    texts = [text.get_text() for text in ax.texts]
    assert texts.count("deep (Dense)") == 2
    assert {"x (InputLayer)", "inner (Sequential) · call 1 of 2", "out (Dense)", "activation: softmax"} <= set(texts)
    assert {"2 \N{MULTIPLICATION SIGN} (None, 4) → (None, 4)", "(None, 4) → (None, 3)", "float32", "trainable"} <= set(
        texts
    )


def test_texts_of_boxes_fit_and_do_not_overlap(model):
    ax = cb.utils.plot_model(model, None, True, True, True, expand_nested=True)
    renderer = ax.figure.canvas.get_renderer()
    extents = [text.get_window_extent(renderer) for text in ax.texts]
    assert not any(a.overlaps(b) for number, a in enumerate(extents) for b in extents[number + 1 :])
    boxes = [patch.get_window_extent(renderer) for patch in ax.patches if hasattr(patch, "get_boxstyle")]
    for text in extents:
        assert any(box.x0 < text.x0 and text.x1 < box.x1 and box.y0 < text.y0 and text.y1 < box.y1 for box in boxes)


def test_plot_model_into_given_axes(model):
    figure, (left, right) = plt.subplots(1, 2, figsize=(4, 2))
    assert cb.utils.plot_model(model, None, ax=left) is left
    assert left.texts[0].get_fontsize() < 10
    assert plt.get_fignums() == [figure.number]
    assert not right.texts


def test_a_model_that_begins_in_another(model):
    part = cb.Model(model.get_layer("sum").output, model.output)
    texts = [text.get_text() for text in cb.utils.plot_model(part, None, show_layer_names=True).texts]
    assert "sum (InputLayer)" in texts
    assert "x (InputLayer)" not in texts


def test_arguments_are_keras():
    def arguments(function):
        return [(p.name, p.default) for p in inspect.signature(function).parameters.values() if p.name != "kwargs"]

    assert arguments(cb.utils.plot_model)[:-1] == arguments(keras.utils.plot_model)
    assert arguments(cb.Model.summary)[:-1] == arguments(keras.Model.summary)  # the last one is `show_costs`


MISTAKES = {
    "history": (lambda m: plotting.curves(3), "history must be the result of fit"),
    "histories": (lambda m: plotting.curves([HISTORY, 3]), "history must be the result of fit"),
    "no history": (lambda m: plotting.curves({}), "has no epochs"),
    "metric": (lambda m: plotting.curves(HISTORY, "acuracy"), "no metric 'acuracy'. Did you mean 'accuracy'"),
    "scale": (lambda m: plotting.curves(HISTORY, yscale="cubic"), "yscale must be 'linear' or 'log'"),
    "axes": (lambda m: plotting.curves(HISTORY, ax=plt.subplots()[1]), "ax must be 2 axes"),
    "no axes": (lambda m: plotting.confusion([0], [0], ax=3), "ax must be axes of matplotlib, but got int"),
    "lengths": (lambda m: plotting.confusion([0, 1], [0]), "equally long, but got 2 and 1"),
    "empty": (lambda m: plotting.confusion([], []), "must hold samples"),
    "texts": (lambda m: plotting.confusion(["a"], ["b"]), "y_true must hold class numbers"),
    "fractions": (lambda m: plotting.confusion([0.5], [0]), "y_true must hold class numbers, but got fractions"),
    "negative": (lambda m: plotting.confusion([-1], [0]), "y_true must hold classes from 0, but got -1"),
    "nan": (lambda m: plotting.confusion([0], [np.nan]), "y_pred must be finite"),
    "labels": (lambda m: plotting.confusion([0, 2], [0, 1], labels=["a"]), "labels must name all 3 classes, but got 1"),
    "label": (lambda m: plotting.confusion([0], [0], labels="ab"), "labels must be a list"),
    "normalize": (lambda m: plotting.confusion([0], [0], normalize="rows"), "normalize must be 'true', 'pred', 'all'"),
    "kind": (lambda m: plotting.weights(m, "pie"), "kind must be 'histogram' or 'image'"),
    "layer": (lambda m: plotting.weights(m, layers=["nobody"]), "No layer is called 'nobody'"),
    "layers": (lambda m: plotting.weights(m, layers="out"), "layers must be a list of names"),
    "no weights": (lambda m: plotting.weights(m, layers=["sum"]), "has no weights to draw"),
    "no model": (lambda m: plotting.weights(3), "model must be a model, but got int"),
    "no shape": (lambda m: plotting.weights(cb.Sequential([layers.Dense(1)])), "has no shape yet"),
    "inputs": (lambda m: plotting.activations(m, X[:, :2]), "x"),
    "no layers": (lambda m: plotting.activations(cb.Model(m.input, m.input), X), "has no layers whose output"),
    "keys": (lambda m: plotting.activations(m, {"y": X}), r"x must have the keys \['x'\], but has \['y'\]"),
    "targets": (lambda m: plotting.gradient_flow(m, X, Y + 3), r"y must hold classes in \[0, 3\)"),
    "frozen": (lambda m: (setattr(m, "trainable", False), plotting.gradient_flow(m, X, Y)), "has no trainable weights"),
    "direction": (lambda m: cb.utils.plot_model(m, None, rankdir="BT"), "rankdir must be 'TB' or 'LR'"),
    "flag": (lambda m: cb.utils.plot_model(m, None, show_shapes=1), "show_shapes must be True or False"),
    "dpi": (lambda m: cb.utils.plot_model(m, None, dpi=0), "dpi must be at least 1"),
    "file": (lambda m: cb.utils.plot_model(m, 3), "to_file must be a string, a path or None"),
    "suffix": (lambda m: cb.utils.plot_model(m, "m.abc"), "Format 'abc' is not supported"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(model, name):
    act, message = MISTAKES[name]
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        act(model)
    assert re.search(r"[a-z]", str(caught.value))
