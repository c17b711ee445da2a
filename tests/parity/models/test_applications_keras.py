"""Networks of keras.applications, made here from their configs and files: the same predictions, and the same training.

The architectures only: no weights are downloaded.
"""

import keras
import numpy as np
import pytest
from keras.src.applications.resnet import ResNet, stack_residual_blocks_v1, stack_residual_blocks_v2

import cbackprop as cb

SHAPE = (96, 96, 3)
ARGUMENTS = {"weights": None, "classes": 10}


def resnet(preact, shape):
    """Two blocks of two stages, as ResNet50 and ResNet50V2 have them."""

    def stages(x):
        stack = stack_residual_blocks_v2 if preact else stack_residual_blocks_v1
        x = stack(x, 8, 2, **({} if preact else {"stride1": 1}), name="conv2")
        return stack(x, 16, 2, name="conv3")

    return ResNet(stages, preact, True, weights_name=None, input_shape=shape, **ARGUMENTS)


NETWORKS = {
    "MobileNetV2": lambda shape: keras.applications.MobileNetV2(shape, alpha=0.35, **ARGUMENTS),
    "MobileNet": lambda shape: keras.applications.MobileNet(shape, alpha=0.25, dropout=0.0, **ARGUMENTS),
    "ResNet": lambda shape: resnet(False, shape),
    "ResNetV2": lambda shape: resnet(True, shape),
}


def made(name, rng, shape=SHAPE):
    """The network of Keras, with weights that differ from layer to layer.

    The moving statistics are those of a batch: else signals of such depth would die away.
    """
    model = NETWORKS[name](shape)
    for weight in model.weights:
        if weight.name == "gamma":
            weight.assign(rng.uniform(0.7, 1.3, weight.shape))
        elif weight.name in ("beta", "bias"):
            weight.assign(rng.normal(0, 0.1, weight.shape))
    normalizations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in normalizations:
        layer.momentum = 0.0
    model(rng.normal(size=(8, *shape)).astype(keras.config.floatx()), training=True)
    for layer in normalizations:
        layer.momentum = 0.99
    return model


@pytest.mark.parametrize("name", NETWORKS)
def test_predictions(tmp_path, rng, name):
    theirs = made(name, rng)
    x = rng.normal(size=(4, *SHAPE)).astype("float32")
    expected = theirs.predict(x, verbose=0)
    assert np.ptp(expected, axis=0).max() > 0.01, "the network must tell its inputs apart"
    ours = cb.Model.from_config(theirs.get_config())
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours.predict(x, verbose=0), expected, rtol=1e-4)
    theirs.save(tmp_path / "network.keras")
    loaded = cb.models.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), ours.predict(x, verbose=0))


@pytest.fixture
def float64(monkeypatch):
    """Keras computes in float64, its batch normalization, too, which otherwise takes float32 for that.

    Rounding of 1e-7 of the images changes the steps of the two MobileNets by up to a fifth: no comparison in float32 is
    possible.
    """
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    monkeypatch.setattr(keras.src.backend, "result_type", lambda *dtypes: "float64")
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


@pytest.mark.parametrize("name", NETWORKS)
def test_training(rng, name, float64):
    """Losses, and by how much each weight and moving statistic has changed after some steps; some layers are frozen."""
    theirs = made(name, rng)
    before = theirs.get_weights()
    ours = cb.Model.from_config(theirs.get_config())
    ours.set_weights(before)
    for model, library in ((theirs, keras), (ours, cb)):
        for layer in model.layers[8:12]:
            layer.trainable = False
        model.compile(library.optimizers.SGD(1e-4, 0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    assert [w.path for w in ours.trainable_weights] == [w.path for w in theirs.trainable_weights]
    for _ in range(3):
        x, y = rng.normal(size=(8, *SHAPE)), rng.integers(10, size=8)
        np.testing.assert_allclose(ours.train_on_batch(x, y), theirs.train_on_batch(x, y), rtol=1e-6)
    weights = zip(theirs.weights, before, ours.get_weights(), theirs.get_weights(), strict=True)
    for weight, first, a, b in weights:
        # A bias before a normalization has a gradient of 0, but for rounding.
        np.testing.assert_allclose(
            a - first, b - first, rtol=0, atol=1e-5 * np.abs(b - first).max() + 1e-14, err_msg=weight.path
        )
    assert np.median([np.abs(a - b).max() for a, b in zip(before, theirs.get_weights(), strict=True)]) > 1e-6
