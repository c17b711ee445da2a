"""Settings of `config`: what they change, and what they refuse."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import config, layers, utils


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_epsilon(engine):
    before = cb.losses.BinaryCrossentropy()([[1.0]], [[0.0]])
    model = cb.Sequential([cb.Input((1,)), layers.Dense(1, "linear", kernel_initializer="zeros")])
    model.compile("sgd", "binary_crossentropy", engine=engine)
    config.set_epsilon(1e-3)
    try:
        assert config.epsilon() == 1e-3
        np.testing.assert_allclose(cb.losses.BinaryCrossentropy()([[1.0]], [[0.0]]), -np.log(1e-3), rtol=1e-4)
        np.testing.assert_allclose(model.evaluate([[1.0]], [[1.0]], verbose=0), -np.log(1e-3), rtol=1e-4)
        iou = cb.metrics.F1Score(average="macro")
        iou.update_state([[1.0, 0.0]], [[0.9, 0.1]])
        assert 0.49 < float(np.asarray(iou.result())) < 0.4999
    finally:
        config.set_epsilon(1e-7)
    assert cb.losses.BinaryCrossentropy()([[1.0]], [[0.0]]) == before
    for wrong in (0, -1, 0.5, float("nan")):
        with pytest.raises(ValueError, match="value"):
            config.set_epsilon(wrong)
    with pytest.raises(TypeError, match="value"):
        config.set_epsilon("x")


def test_other_settings():
    assert config.image_data_format() == "channels_last"
    config.set_image_data_format("channels_first")
    try:
        assert config.image_data_format() == "channels_first"
        assert layers.Flatten().data_format == "channels_first"
        assert layers.SpatialDropout2D(0.5).data_format == "channels_first"
    finally:
        config.set_image_data_format("channels_last")
    assert layers.Flatten().data_format == "channels_last"
    with pytest.raises(ValueError, match="data_format must be 'channels_last' or 'channels_first'"):
        config.set_image_data_format("first")
    assert config.backend() == "cbackprop"
    assert config.dtype_policy() == "float32"
    config.disable_interactive_logging()
    assert not config.is_interactive_logging_enabled()
    utils.enable_interactive_logging()
    assert config.is_interactive_logging_enabled()


def test_num_threads_nest():
    config.set_num_threads(2)
    with config.num_threads(3):
        with config.num_threads(1):
            assert config.get_num_threads() == 1
        assert config.get_num_threads() == 3
    assert config.get_num_threads() == 2
    config.set_num_threads("auto")


@pytest.mark.parametrize("value", [-1, 1.5, "1", True, None])
def test_mistaken_numbers_of_threads(value):
    with pytest.raises((TypeError, ValueError), match="n must"), config.num_threads(value):
        pass
