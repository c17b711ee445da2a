"""Plots of image models: filters, feature maps and saliency."""

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
from matplotlib import pyplot as plt

import cbackprop as cb
from cbackprop import layers, plotting

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 6, 8, 3)).astype("float32")


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture
def model():
    cb.utils.set_random_seed(0)
    x = cb.Input((6, 8, 3))
    h = layers.Dense(5, "tanh", name="maps")(x)
    h = layers.Flatten(name="flat")(h)
    found = cb.Model(x, layers.Dense(4, "softmax", name="class")(h))
    found.compile("sgd", "sparse_categorical_crossentropy")
    return found


class Kernel(layers.Layer):
    """A layer with a weight of any shape."""

    def __init__(self, shape):
        super().__init__(name="layer")
        self.shape = shape

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=self.shape, initializer="random_normal", name="kernel")

    def call(self, inputs):
        return inputs

    def backward(self, inputs, outputs, delta):
        return delta, [np.zeros(self.shape)]


def drawn(shape):
    """The axes, the image and the kernel of a layer with such a kernel."""
    made = cb.Sequential([cb.Input((2,)), Kernel(shape)])
    (ax,) = plotting.weights(made, "image")
    return ax, ax.images[0].get_array(), made.get_weights()[0]


def test_filters_of_one_channel_are_grey():
    ax, image, kernel = drawn((5, 4, 1, 6))
    assert ax.images[0].get_cmap().name == "gray"
    assert image.shape == (2 * 5 + 1, 3 * 4 + 2)  # 3 columns, 2 rows, and gaps
    assert image.mask[5].all()
    for number in range(6):
        top, left = number // 3 * 6, number % 3 * 5
        np.testing.assert_array_equal(image[top : top + 5, left : left + 4], kernel[:, :, 0, number])
    assert ax.images[0].norm.vmin == -np.abs(kernel).max()


def test_filters_of_three_channels_are_in_colors():
    _, image, kernel = drawn((3, 3, 3, 4))
    assert image.shape == (7, 7, 3)
    assert (image[3] == 1).all()
    assert image.min() >= 0
    assert image.max() <= 1
    largest = np.abs(kernel).max()
    np.testing.assert_allclose(image[4:, :3], (kernel[..., 2] / largest + 1) / 2, rtol=1e-6)


@pytest.mark.parametrize(("channels", "filters", "size"), [(2, 5, (7, 19)), (9, 1, (11, 11)), (64, 32, (255, 127))])
def test_filters_of_other_channels_have_a_row_for_each(channels, filters, size):
    ax, image, kernel = drawn((3, 3, channels, filters))
    assert image.shape == size
    assert ax.images[0].get_cmap().name == "RdBu_r"
    assert ax.get_ylabel() == ("input channel" if filters > 1 else "")
    np.testing.assert_array_equal(image[4:7, :3], kernel[:, :, 1 if filters > 1 else 3, 0])


def test_other_kernels_stay_as_they_were():
    assert drawn((3, 4, 5))[1].shape == (12, 5)
    assert not plotting.weights(cb.Sequential([cb.Input((2,)), Kernel((3, 3, 1, 2))]))[0].images


def test_feature_maps_of_one_image(model):
    (ax,) = plotting.activations(model, X[:1], "image", layers=["maps"])
    assert ax.get_title() == "maps (6, 8, 5)"
    image = ax.images[0].get_array()
    assert image.shape == (2 * 6 + 1, 3 * 8 + 2)
    expected = cb.Model(model.inputs, model.get_layer("maps").output).predict(X[:1], verbose=0)[0]
    np.testing.assert_array_equal(image[7:, 9:17], expected[:, :, 4])
    assert [ax.get_title() for ax in plotting.activations(model, X, kind="image")] == ["maps (6, 8, 5)"]


def test_feature_maps_of_several_images(model):
    (ax,) = plotting.activations(model, X, "image")
    assert ax.images[0].get_array().shape == (3 * 6 + 2, 5 * 8 + 4)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("channel", "sample")
    (ax,) = plotting.activations(model, np.repeat(X, 5, 0), "image")
    assert ax.images[0].get_array().shape == (8 * 6 + 7, 5 * 8 + 4)


def test_channels_that_come_first():
    """Layers that take any format have that of the layer before them, and a nested model that of its layers."""
    x = cb.Input((3, 6, 8))
    inner = cb.Sequential([cb.Input((3, 6, 8)), layers.Conv2D(5, 3, data_format="channels_first"), layers.ReLU()])
    h = layers.Dropout(0.5)(inner(layers.Rescaling(2.0)(x)))
    model = cb.Model(x, layers.Dense(2)(layers.Flatten()(layers.BatchNormalization(axis=1)(h))))
    panels = plotting.activations(model, X.transpose(0, 3, 1, 2), "image")
    sizes = [ax.get_title().partition(" ")[2] for ax in panels]
    assert sizes == ["(6, 8, 3)", "(4, 6, 5)", "(4, 6, 5)", "(4, 6, 5)"]
    panels = plotting.saliency(model, X.transpose(0, 3, 1, 2))
    assert panels[0].images[0].get_array().shape == (6, 8, 3)
    assert panels[1].images[0].get_array().shape == (6, 8)


def test_distributions_of_some_layers(model):
    ax = plotting.activations(model, X, layers=["class", "maps"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["maps", "class"]


@pytest.mark.parametrize("target", [None, 2, [0, 3, 3], np.array([1, 1, 2])])
def test_saliency(model, target):
    panels = plotting.saliency(model, X, target)
    assert len(panels) == 6
    predictions = model.predict(X, verbose=0)
    chosen = predictions.argmax(axis=1) if target is None else np.broadcast_to(target, 3)
    for row in range(3):
        assert panels[2 * row + 1].get_title() == f"gradient of output {chosen[row]}"
        found = panels[2 * row + 1].images[0].get_array()
        expected = np.zeros((6, 8))
        for place in np.ndindex(6, 8):
            changes = []
            for channel in range(3):
                up, down = X[row : row + 1].astype("float64"), X[row : row + 1].astype("float64")
                up[0, *place, channel] += 1e-2
                down[0, *place, channel] -= 1e-2
                change = model.predict(np.concatenate([up, down]), verbose=0)[:, chosen[row]]
                changes.append(abs(change[0] - change[1]) / 2e-2)
            expected[place] = max(changes)
        np.testing.assert_allclose(found, expected, atol=2e-4)
    picture = panels[0].images[0].get_array()
    np.testing.assert_allclose(picture, (X[0] - X[0].min()) / np.ptp(X[0]), rtol=1e-5)


def test_saliency_of_grey_images_and_other_shapes():
    cb.utils.set_random_seed(1)
    flat = cb.Sequential([cb.Input((5, 5)), layers.Flatten(), layers.Dense(1)])
    panels = plotting.saliency(flat, np.ones((2, 5, 5)))
    assert panels[3].get_title() == "gradient of the output"
    np.testing.assert_allclose(panels[1].images[0].get_array(), np.abs(flat.get_weights()[0]).reshape(5, 5), rtol=1e-6)
    two = cb.Sequential([cb.Input((5, 4, 2)), layers.Flatten(data_format="channels_last"), layers.Dense(2)])
    panels = plotting.saliency(two, RNG.normal(size=(1, 5, 4, 2)), labels=["cat", "dog"], target=1)
    assert panels[1].get_title() == "gradient of dog"
    assert panels[0].images[0].get_array().shape == (5, 4)
    parts = [layers.SpatialDropout2D(0.5, data_format="channels_first"), layers.Flatten(), layers.Dense(2)]
    first = cb.Sequential([cb.Input((3, 5, 4)), *parts])
    panels = plotting.saliency(first, RNG.normal(size=(1, 3, 5, 4)))
    assert panels[0].images[0].get_array().shape == (5, 4, 3)
    assert panels[1].images[0].get_array().shape == (5, 4)
    figure, axes = plt.subplots(1, 2)
    assert plotting.saliency(two, RNG.normal(size=(1, 5, 4, 2)), ax=axes) == [*axes]
    assert plt.get_fignums()[-1] == figure.number


def flat_model():
    return cb.Sequential([cb.Input((4,)), layers.Dense(2)])


def two_outputs():
    x = cb.Input((2, 2, 1))
    return cb.Model(x, [layers.Flatten()(x), layers.Flatten()(x)])


MISTAKES = {
    "kind": (lambda m: plotting.activations(m, X, "pie"), "kind must be one of 'distribution', 'image'"),
    "layer": (lambda m: plotting.activations(m, X, layers=["nobody"]), "No layer is called 'nobody'"),
    "layers": (lambda m: plotting.activations(m, X, layers="maps"), "layers must be a list of names"),
    "no images": (lambda m: plotting.activations(m, X, "image", ["flat"]), "needs layers with an output"),
    "axes": (lambda m: plotting.activations(m, X, "image", ax=list(plt.subplots(1, 2)[1])), "ax must be 1 axes"),
    "no model": (lambda m: plotting.saliency(3, X), "model must be a model, but got int"),
    "rank": (lambda m: plotting.saliency(flat_model(), X[0, 0, :, :1].T[:, :4]), "x must be images"),
    "outputs": (lambda m: plotting.saliency(two_outputs(), X[:, :2, :2, :1]), "must have one input and one output"),
    "output": (
        lambda m: plotting.saliency(cb.Model(m.input, m.get_layer("maps").output), X),
        "a number for each class",
    ),
    "too many": (lambda m: plotting.saliency(m, np.zeros((33, 6, 8, 3))), "x must be 1 to 32 images, but got 33"),
    "none": (lambda m: plotting.saliency(m, X[:0]), "x"),
    "target": (lambda m: plotting.saliency(m, X, 4), "target must be at least 0 and at most 3, but got 4"),
    "targets": (lambda m: plotting.saliency(m, X, [1, 2]), "one for each of 3 images, but got 2"),
    "type": (lambda m: plotting.saliency(m, X, "cat"), "target must be an integer"),
    "labels": (lambda m: plotting.saliency(m, X, labels=["a"]), "labels must name all 4 outputs, but got 1"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(model, name):
    act, message = MISTAKES[name]
    with pytest.raises((TypeError, ValueError), match=message):
        act(model)


def test_whole_numbers_have_no_derivative():
    made = cb.Sequential([cb.Input((4, 4), dtype="int64"), layers.Embedding(3, 2), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(ValueError, match="inputs are integers"):
        plotting.saliency(made, np.ones((1, 4, 4), int))
