"""Networks of keras.applications, made here from their configs and files: the same predictions.

The architectures only: no weights are downloaded.
"""

import keras
import numpy as np
import pytest
from keras.src.applications.resnet import ResNet, stack_residual_blocks_v1, stack_residual_blocks_v2

import cbackprop as cb

SHAPE = (96, 96, 3)
ARGUMENTS = {"weights": None, "classes": 10}


def resnet(preact):
    """Two blocks of two stages, as ResNet50 and ResNet50V2 have them."""

    def stages(x):
        stack = stack_residual_blocks_v2 if preact else stack_residual_blocks_v1
        x = stack(x, 8, 2, **({} if preact else {"stride1": 1}), name="conv2")
        return stack(x, 16, 2, name="conv3")

    return ResNet(stages, preact, True, weights_name=None, input_shape=SHAPE, **ARGUMENTS)


NETWORKS = {
    "MobileNetV2": lambda: keras.applications.MobileNetV2(SHAPE, alpha=0.35, **ARGUMENTS),
    "MobileNet": lambda: keras.applications.MobileNet(SHAPE, alpha=0.25, dropout=0.0, **ARGUMENTS),
    "ResNet": lambda: resnet(False),
    "ResNetV2": lambda: resnet(True),
}


def made(name, rng):
    """The network of Keras, with weights that differ from layer to layer.

    The moving statistics are those of a batch: else signals of such depth would die away.
    """
    model = NETWORKS[name]()
    for weight in model.weights:
        if weight.name == "gamma":
            weight.assign(rng.uniform(0.7, 1.3, weight.shape))
        elif weight.name in ("beta", "bias"):
            weight.assign(rng.normal(0, 0.1, weight.shape))
    normalizations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in normalizations:
        layer.momentum = 0.0
    model(rng.normal(size=(8, *SHAPE)).astype("float32"), training=True)
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
